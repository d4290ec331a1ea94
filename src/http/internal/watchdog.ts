/**
 * One timer per exchange instead of one per read: waits note when they began, and a single fiber, which sleeps for as long as none can be
 * overdue, ends the one that is. Time in which nobody waits for the network (a slow consumer, a slow upload source) does not count.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Fork from "./fork.ts"

/** @internal */
export interface Watchdog {
  /** A wait begins; `overdue` is called when it takes longer than the limit. One wait at a time. */
  readonly expect: (limitMillis: number, overdue: () => void) => void
  /** The wait is over. */
  readonly arrived: () => void
  /** A sign of life: the wait counts from now. */
  readonly touch: () => void
  /** The wait is not the network's fault until the next `touch`. */
  readonly pause: () => void
  /** Ends the timer. */
  readonly stop: () => void
}

/** Begins to watch; no limit that is asked for later may be below `shortestMillis`. @internal */
export const start = (fork: Fork.Fork, clock: Clock.Clock, shortestMillis: number): Watchdog => {
  let since = 0
  let limit = shortestMillis
  let overdue: (() => void) | undefined

  const patrol: Effect.Effect<never> = Effect.suspend(() => {
    const left = overdue === undefined ? shortestMillis : since + limit - clock.unsafeCurrentTimeMillis()
    if (left > 0) return Effect.zipRight(clock.sleep(Duration.millis(Math.min(left, shortestMillis))), patrol)
    const call = overdue
    overdue = undefined
    call?.()
    return patrol
  })
  const timer = fork(patrol)
  const touch = () => {
    since = clock.unsafeCurrentTimeMillis()
  }
  return {
    expect: (limitMillis, call) => {
      limit = limitMillis
      overdue = call
      touch()
    },
    arrived: () => {
      overdue = undefined
    },
    touch,
    pause: () => {
      since = Number.POSITIVE_INFINITY
    },
    stop: () => timer.unsafeInterruptAsFork(FiberId.none)
  }
}

/**
 * Runs the effect in a fiber of its own, so that it can be left behind when it is overdue, whatever it does. `onExit` sees how it ended
 * and gives what the caller gets; `onDropped` gets a result that came when the caller was being interrupted.
 *
 * @internal
 */
export const guard = <A, E, B, E2>(
  watchdog: Watchdog,
  run: () => Fiber.RuntimeFiber<A, E>,
  limitMillis: number,
  onExit: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2>,
  onOverdue: () => Effect.Effect<B, E2>,
  onDropped: (value: A) => Effect.Effect<void>
): Effect.Effect<B, E2> =>
  Effect.async((resume) => {
    let left = false
    const fiber = run()
    watchdog.expect(limitMillis, () => {
      left = true
      fiber.unsafeInterruptAsFork(FiberId.none)
      resume(onOverdue())
    })
    fiber.addObserver((exit) => {
      if (left) return
      watchdog.arrived()
      resume(onExit(exit))
    })
    return Effect.suspend(() => {
      watchdog.arrived()
      return Effect.flatMap(Fiber.interrupt(fiber), (exit) => (Exit.isSuccess(exit) ? onDropped(exit.value) : Effect.void))
    })
  })
