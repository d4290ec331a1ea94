/** Values that are costly to get, kept for a while, and got once for all who ask meanwhile. Failures are not kept. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Recent from "./recent.ts"
import * as SingleFlight from "./singleFlight.ts"

export interface SharedCache<A, E> {
  readonly get: (key: string, acquire: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Forgets the value; a run under way still answers those who wait for it and is not kept. */
  readonly invalidate: (key: string) => Effect.Effect<void>
}

const capacity = 1024

export const make = <A, E>(timeToLive: Duration.DurationInput): SharedCache<A, E> => {
  const timeToLiveMillis = Duration.toMillis(timeToLive)
  const kept = Recent.make<{ readonly value: A; readonly at: number }>(capacity)
  const flights = SingleFlight.make<A>()
  // Of any key: what was on its way meanwhile is got once more, which costs little and happens seldom.
  let invalidations = 0

  const acquireAndKeep = (key: string, acquire: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      const before = invalidations
      return Effect.tap(acquire, (value) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          if (invalidations === before) kept.set(key, { value, at: now })
        })
      )
    })

  return {
    get: (key, acquire) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const known = kept.get(key)
        // Of what comes from the future, as the clock was set back since, nobody knows how old it is.
        const holds = known !== undefined && known.at <= now && now - known.at < timeToLiveMillis
        return holds ? Effect.succeed(known.value) : flights.run(key, acquireAndKeep(key, acquire))
      }),
    invalidate: (key) =>
      Effect.sync(() => {
        invalidations += 1
        kept.delete(key)
        flights.forget(key)
      })
  }
}
