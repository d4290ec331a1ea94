/**
 * One timer per exchange instead of one per read: reads note when they began to wait, and a single fiber that sleeps for as long as no read can be
 * overdue ends the one that is. Time in which nobody waits for the network (a slow consumer, a slow upload source) does not count.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"

/** @internal */
export interface Watchdog {
  /**
   * Runs the effect in a fiber of its own, so that it can be left behind when it is overdue, whatever it does. One at a time.
   * `onExit` sees how it ended and gives what the caller gets.
   */
  readonly guard: <A, E, B, E2>(
    effect: Effect.Effect<A, E>,
    limitMillis: number,
    onExit: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2>,
    onOverdue: Effect.Effect<B, E2>
  ) => Effect.Effect<B, E2>
  /** There was a sign of life: the wait counts from now. */
  readonly touch: () => void
  /** The wait is not the network's fault until the next `touch`. */
  readonly pause: () => void
  /** Ends the timer; a later `guard` is not watched. */
  readonly stop: Effect.Effect<void>
}

/** `shortestMillis`: the shortest limit that will be asked for, how often the timer looks at most. @internal */
export const make = (shortestMillis: number): Effect.Effect<Watchdog, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const fork = Runtime.runFork(yield* Effect.runtime())
    let since = 0
    let limit = Number.POSITIVE_INFINITY
    let overdue: (() => void) | undefined

    const patrol: Effect.Effect<never> = Effect.suspend(() => {
      const left = overdue === undefined ? shortestMillis : since + limit - clock.unsafeCurrentTimeMillis()
      if (left > 0) return Effect.zipRight(Clock.sleep(Math.min(left, shortestMillis)), patrol)
      overdue?.()
      return patrol
    })
    const timer = yield* Effect.forkDaemon(patrol)
    const stop = Effect.asVoid(Fiber.interrupt(timer))
    yield* Effect.addFinalizer(() => stop)

    const touch = () => {
      since = clock.unsafeCurrentTimeMillis()
    }
    const guard: Watchdog["guard"] = (effect, limitMillis, onExit, onOverdue) =>
      Effect.async((resume) => {
        limit = limitMillis
        touch()
        const fiber = fork(effect)
        const leave = () => {
          overdue = undefined
          resume(onOverdue)
          fiber.unsafeInterruptAsFork(FiberId.none)
        }
        overdue = leave
        fiber.addObserver((exit) => {
          if (overdue === leave) overdue = undefined
          resume(onExit(exit))
        })
        return Effect.suspend(() => {
          overdue = undefined
          return Fiber.interrupt(fiber)
        })
      })

    return {
      guard,
      touch,
      pause: () => {
        since = Number.POSITIVE_INFINITY
      },
      stop
    }
  })
