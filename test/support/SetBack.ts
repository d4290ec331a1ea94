import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Runs the effect by a clock whose time of day is set back by hours, or forward; how long something lasts is still told by the clock at hand. */
export const withSetBack = <A, E, R>(use: (setBack: (hours: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>) =>
  Effect.clockWith((clock) => {
    let behindMillis = 0
    const unsafeCurrentTimeMillis = () => clock.unsafeCurrentTimeMillis() - behindMillis
    // All else, `adjust` of a clock of tests among it, is that of the clock at hand.
    const changed: Clock.Clock = Object.assign(Object.create(clock), {
      unsafeCurrentTimeMillis,
      currentTimeMillis: Effect.sync(unsafeCurrentTimeMillis),
      unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos()
    })
    const setBack = (hours: number) =>
      Effect.sync(() => {
        behindMillis += hours * 60 * 60 * 1000
      })
    return Effect.withClock(use(setBack), changed)
  })
