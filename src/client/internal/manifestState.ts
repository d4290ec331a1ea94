import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Jobs from "../../model/internal/jobs.ts"

/** What reading and writing manifests learns about registries, and the locks of the fall-back indexes. @internal */
export interface ManifestState {
  readonly referrersApi: Map<string, Known>
  /** The most `tag=` parameters worth sending to a registry; absent while nothing is known. */
  readonly tagParameters: Map<string, number>
  /** Registries that refused a write whose precondition did not hold. */
  readonly conditional: Set<string>
  readonly locks: Map<string, Lock>
}

interface Known {
  readonly supported: boolean
  readonly until: number
}

interface Lock {
  readonly turn: Jobs.Jobs
  users: number
}

/** @internal */
export const makeManifestState = (): ManifestState => ({
  referrersApi: new Map(),
  tagParameters: new Map(),
  conditional: new Set(),
  locks: new Map()
})

/** A registry that has no referrers API may be upgraded while we run. */
const relearnAfter = Duration.toMillis("1 hour")

/** Whether the registry has the referrers API, if that is known. @internal */
export const referrersApi = (state: ManifestState, registry: string): Effect.Effect<boolean | undefined> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const known = state.referrersApi.get(registry)
    return known !== undefined && known.until > now ? known.supported : undefined
  })

/** @internal */
export const learnReferrersApi = (state: ManifestState, registry: string, supported: boolean): Effect.Effect<void> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    state.referrersApi.set(registry, { supported, until: supported ? Number.POSITIVE_INFINITY : now + relearnAfter })
  })

/** Runs the effect while nobody else who shares the state does something under the same key. @internal */
export const exclusively =
  (state: ManifestState, key: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const lock = state.locks.get(key) ?? { turn: Jobs.make(1), users: 0 }
        state.locks.set(key, lock)
        lock.users++
        return lock
      }),
      (lock) => Jobs.one(lock.turn, effect),
      (lock) =>
        Effect.sync(() => {
          if (--lock.users === 0) state.locks.delete(key)
        })
    )
