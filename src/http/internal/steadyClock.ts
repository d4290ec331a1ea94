/**
 * How long something lasted or is to last, by a clock that nobody sets. The time of day is no measure for that: where it is set back by hours, as on
 * machines that learn the time only after they started, whoever waits would wait as much longer.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds since some moment. @internal */
export const unsafeMillis = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

/** Milliseconds since some moment. The other way to ask a clock for nanoseconds throws in tests, between two milliseconds. @internal */
export const millis: Effect.Effect<number> = Effect.clockWith((clock) => Effect.sync(() => unsafeMillis(clock)))
