/** Waiting for what happens outside of the test's clock: on sockets, and in other processes. */
import * as Effect from "effect/Effect"

/** One turn of the event loop: promises and streams of the platform take more than the turns of a fiber. */
export const turn = Effect.promise(() => new Promise<void>((resume) => setImmediate(resume)))

/** Real time, also where the test's clock stands still. */
const moment = Effect.promise(() => new Promise<void>((resume) => setTimeout(resume, 10)))

const patienceMillis = 20_000

/** Goes on once the condition is met; one that is not for 20 seconds is a defect. */
export const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.suspend(() => {
    const late = new Error(`not met within ${patienceMillis / 1000} seconds`)
    const end = Date.now() + patienceMillis
    const look: Effect.Effect<void, E, R> = Effect.flatMap(condition, (met) => {
      if (met) return Effect.void
      return Date.now() < end ? Effect.zipRight(moment, look) : Effect.die(late)
    })
    return look
  })

/** Goes on once a number has begun to grow and then stood still for twenty looks, and gives it. */
export const settled = <E, R>(count: Effect.Effect<number, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    let last = 0
    let still = 0
    const stands = Effect.map(count, (next) => {
      still = next === last ? still + 1 : 0
      last = next
      return next > 0 && still >= 20
    })
    return Effect.map(eventually(stands), () => last)
  })
