import * as Effect from "effect/Effect"
import * as Ending from "./ending.ts"

/**
 * Places for pieces of work, of which so many may be done at once; given in the order in which they are asked for. The semaphores of Effect
 * wake all who wait whenever a place gets free, which for n of them is n² of it, and lose the place of who is interrupted between the step
 * that takes it and the next.
 *
 * @internal
 */
export interface Jobs {
  readonly place: () => Place
}

/** @internal */
export interface Place {
  /** Waits for it. */
  readonly taken: Effect.Effect<void>
  /** Gives it back, or waits no longer. */
  readonly leave: () => void
}

/** @internal */
export const make = (limit: number): Jobs => {
  const waiting = new Set<() => void>()
  let taken = 0
  const pass = () => {
    const [next] = waiting
    if (next === undefined) taken--
    else next()
  }
  const place = (): Place => {
    let held = false
    let admit = () => {}
    const take = (): boolean => {
      if (taken >= limit) return false
      taken++
      held = true
      return true
    }
    const wait = Effect.async<void>((resume) => {
      // The fiber may have yielded since it last looked.
      if (take()) return resume(Effect.void)
      admit = () => {
        waiting.delete(admit)
        held = true
        resume(Effect.void)
      }
      waiting.add(admit)
    })
    return {
      taken: Effect.suspend(() => (take() ? Effect.void : wait)),
      leave: () => {
        waiting.delete(admit)
        if (held) pass()
        held = false
      }
    }
  }
  return { place }
}

/** Does the work in a place. @internal */
export const one = <A, E, R>(jobs: Jobs, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const { leave, taken } = jobs.place()
    return Ending.between(() => {}, Effect.zipRight(taken, work), leave)
  })

/**
 * Does the work for each of them, so many at once. The first failure ends the others, and is told when they have ended: a bounded
 * `Effect.forEach` (3.22.4) does not wait for all that it interrupts.
 *
 * @internal
 */
export const forEach = <A, B, E, R>(
  items: Iterable<A>,
  limit: number,
  work: (item: A) => Effect.Effect<B, E, R>
): Effect.Effect<ReadonlyArray<B>, E, R> =>
  Effect.suspend(() => {
    const jobs = make(Math.max(1, limit))
    let failed = false
    const fail = Effect.sync(() => {
      failed = true
    })
    // Who gets the place of one that failed is about to be interrupted.
    const begin = (item: A) => Effect.suspend(() => (failed ? Effect.never : Effect.tapErrorCause(work(item), () => fail)))
    return Effect.forEach(items, (item) => one(jobs, begin(item)), { concurrency: "unbounded" })
  })
