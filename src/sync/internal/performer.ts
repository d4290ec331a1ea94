/** Carries out one action, and nothing that is no longer what was planned. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as ContentStore from "../../content/ContentStore.ts"
import * as RemoteRepository from "../../content/RemoteRepository.ts"
import * as CopyOf from "../../copy/Copy.ts"
import type * as Digest from "../../model/Digest.ts"
import type * as Manifest from "../../model/Manifest.ts"
import * as Reference from "../../model/Reference.ts"
import { InvalidReference } from "../../model/RegistryError.ts"
import type { Rule } from "../SyncConfig.ts"
import { type Action, type Copy, type Delete, type SyncError, SyncRefused } from "./action.ts"
import type { Means } from "./planner.ts"
import * as Platforms from "./platforms.ts"

/** Whether anything is other than before, and the bytes of content that were moved. @since 0.1.0 */
export interface Outcome {
  readonly changed: boolean
  readonly bytes: number
}

const unchanged: Outcome = { changed: false, bytes: 0 }

/** A tag of a repository, out of the text of an action. */
const placeOf = Effect.fnUntraced(function* ({ client }: Means, text: string) {
  const { repository, tag } = yield* Reference.parse(text, { mode: "strict" })
  if (tag === undefined) return yield* new InvalidReference({ input: text, reason: "it has no tag" })
  return { repository: RemoteRepository.over(client, repository), tag }
})

/** Runs one effect of a key at a time. */
type InTurn = <A, E, R>(key: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** @internal */
export const turns = (): InTurn => {
  const lanes = new Map<string, { readonly permits: Effect.Semaphore; users: number }>()
  return (key, effect) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const lane = lanes.get(key) ?? { permits: Effect.unsafeMakeSemaphore(1), users: 0 }
        lane.users++
        lanes.set(key, lane)
        return lane
      }),
      ({ permits }) => permits.withPermits(1)(effect),
      (lane) =>
        Effect.sync(() => {
          if (--lane.users === 0) lanes.delete(key)
        })
    )
}

/** What copies need beside what plans do. @internal */
export interface Doing extends Means {
  readonly jobs: number
  readonly inTurn: InTurn
}

const moved = (place: string, found: string | undefined) =>
  new SyncRefused({ place, reason: "moved", detail: found === undefined ? "it is gone" : `it stands for ${found}` })

const copy = Effect.fnUntraced(function* (means: Doing, rule: Rule, action: Copy) {
  const { inTurn, jobs, state } = means
  const source = yield* placeOf(means, action.source)
  const { repository, tag } = yield* placeOf(means, action.target)
  const at = yield* Clock.currentTimeMillis
  const remember = (targetDigest: Digest.Digest) =>
    state.remember(action.target, { rule: action.rule, sourceDigest: action.digest, targetDigest, filter: action.filter, at })

  /** What the tag stands for until now is as planned, and kept if it is to be; it may stand for the new manifest already. */
  const makeWay = Effect.fnUntraced(function* ({ digest }: Manifest.Manifest) {
    const now = Option.getOrUndefined(yield* repository.current(tag))
    if (now?.digest === digest) return
    if (now?.digest !== action.replaces) return yield* moved(action.target, now?.digest)
    if (now !== undefined && action.backup !== undefined) yield* repository.tag(now, action.backup)
    // Before the tag, so that one that was written just before a crash is known to be ours.
    yield* remember(digest)
  })

  // Looked at last of all, since a copy may take long.
  const target: ContentStore.Target<SyncError> = {
    ...repository,
    // Tags that are copied at once often share content: who comes later finds it there.
    pushBlob: (descriptor, content, options) =>
      inTurn(`${repository.label} ${descriptor.digest}`, repository.pushBlob(descriptor, content, options)),
    pushManifest: (manifest, options) => {
      const push = repository.pushManifest(manifest, options)
      return options?.tags?.includes(tag) === true ? Effect.zipRight(makeWay(manifest), push) : push
    }
  }
  const result = yield* CopyOf.copy(source.repository, action.digest, target, {
    tags: action.tagged ? [] : [tag],
    jobs,
    platforms: Platforms.choiceOf(rule),
    referrers: rule.referrers,
    digestTags: rule.digestTags
  })
  // What a part of it is called cannot be told from the source, so it is remembered whoever wrote it.
  if (action.filter !== "") yield* remember(result.descriptor.digest)
  // What belongs to an image is looked at each time, and mostly there.
  const { blobs, bytes, manifests, mounted } = result
  const outcome: Outcome = { changed: !action.tagged || blobs + manifests + mounted > 0, bytes }
  return outcome
})

const remove = Effect.fnUntraced(function* (means: Means, action: Delete) {
  const target = yield* placeOf(means, action.target)
  const current = Option.getOrUndefined(yield* target.repository.current(target.tag))
  // Somebody else has deleted it: that is what was wanted.
  if (current !== undefined) {
    if (current.digest !== action.digest) return yield* moved(action.target, current.digest)
    yield* target.repository.untag(target.tag)
  }
  yield* means.state.forget(action.target)
  const outcome: Outcome = { changed: current !== undefined, bytes: 0 }
  return outcome
})

/** @internal */
export const perform = (means: Doing, rule: Rule, action: Action): Effect.Effect<Outcome, SyncError> => {
  switch (action._tag) {
    case "Copy":
      return copy(means, rule, action)
    case "Delete":
      return remove(means, action)
    case "Unchanged":
      return Effect.succeed(unchanged)
    case "Problem":
      return Effect.fail(action.error)
  }
}
