/**
 * One timer for all exchanges instead of one per read: waits note when they began, and a single fiber, which sleeps for as long as none can be
 * overdue, ends those that are. Time in which nobody waits for the network (a slow consumer, a slow upload source) does not count.
 *
 * @internal
 */
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Direct from "./direct.ts"
import type * as Fork from "./fork.ts"
import * as SteadyClock from "./steadyClock.ts"

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

/** Who watches over the exchanges that go by one clock. @internal */
export interface Patrol {
  /** Begins to watch; no limit that is asked for later may be below `shortestMillis`. */
  readonly start: (fork: Fork.Fork, shortestMillis: number) => Watchdog
}

interface Post extends Watchdog {
  /** Ends the wait if it is overdue, and says when to come again. */
  readonly visit: (nowMillis: number) => number
}

const makePost = (clock: Clock.Clock, shortestMillis: number, stop: (post: Post) => void): Post => {
  let since = 0
  let limit = shortestMillis
  let overdue: (() => void) | undefined
  const touch = () => {
    since = SteadyClock.unsafeMillis(clock)
  }
  const post: Post = {
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
    stop: () => stop(post),
    visit: (now) => {
      const left = overdue === undefined ? shortestMillis : since + limit - now
      if (left > 0) return now + Math.min(left, shortestMillis)
      const call = overdue
      overdue = undefined
      call?.()
      return now + shortestMillis
    }
  }
  return post
}

const patrol = (clock: Clock.Clock): Patrol => {
  const posts = new Set<Post>()
  let timer: Fiber.RuntimeFiber<never> | undefined
  let nextRound = Number.POSITIVE_INFINITY

  const round: Effect.Effect<never> = Effect.suspend(() => {
    const now = SteadyClock.unsafeMillis(clock)
    nextRound = Number.POSITIVE_INFINITY
    for (const post of [...posts]) nextRound = Math.min(nextRound, post.visit(now))
    // Without posts it is about to be interrupted.
    return posts.size === 0 ? Effect.never : Effect.zipRight(clock.sleep(Duration.millis(nextRound - now)), round)
  })
  const rest = () => {
    timer?.unsafeInterruptAsFork(FiberId.none)
    timer = undefined
  }
  const restIfIdle = () => {
    if (posts.size === 0) rest()
  }
  const leave = (post: Post) => {
    // Whoever sends one request after the other does so at once: for each of them a fiber would be started and ended.
    posts.delete(post)
    if (posts.size === 0) queueMicrotask(restIfIdle)
  }
  return {
    start: (fork, shortestMillis) => {
      const post = makePost(clock, shortestMillis, leave)
      posts.add(post)
      if (timer === undefined || SteadyClock.unsafeMillis(clock) + shortestMillis < nextRound) {
        rest()
        timer = fork(round)
      }
      return post
    }
  }
}

/** Finds the patrol of a clock. @internal */
export const patrols = (): ((clock: Clock.Clock) => Patrol) => {
  const known = new WeakMap<Clock.Clock, Patrol>()
  return (clock) => {
    const found = known.get(clock) ?? patrol(clock)
    known.set(clock, found)
    return found
  }
}

/**
 * Runs the effect in a fiber of its own, so that it can be left behind when it is overdue, whatever it does. `onExit` sees how it ended
 * and gives what the caller gets; `onDropped` gets a result that came when the caller was being interrupted. To be run uninterruptibly: `restore`
 * is for the wait.
 *
 * @internal
 */
export const guard = <A, E, B, E2>(
  watchdog: Watchdog,
  run: () => Fiber.RuntimeFiber<A, E>,
  restore: <A2, E3>(effect: Effect.Effect<A2, E3>) => Effect.Effect<A2, E3>,
  limitMillis: number,
  onExit: (exit: Exit.Exit<A, E>) => Effect.Effect<B, E2>,
  onOverdue: () => Effect.Effect<B, E2>,
  onDropped: (value: A) => Effect.Effect<void>
): Effect.Effect<B, E2> =>
  Effect.suspend(() => {
    let left = false
    const fiber = run()
    const end = Effect.async<B, E2>((resume) => {
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
    })
    // What an interruption has to do is not left to the wait, which forgets it when it is interrupted before its first step.
    return Effect.onInterrupt(restore(end), () => {
      watchdog.arrived()
      return Effect.flatMap(Fiber.interrupt(fiber), (exit) => (Exit.isSuccess(exit) ? onDropped(exit.value) : Effect.void))
    })
  })

/**
 * The same for an exchange that ends at once when it is aborted, which needs no fiber of its own. To be run uninterruptibly: `restore` is for
 * the wait.
 *
 * @internal
 */
export const guardDirect = <B, E2>(
  watchdog: Watchdog,
  { abort, response }: Direct.DirectExchange,
  restore: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>,
  limitMillis: number,
  onExit: (exit: Exit.Exit<HttpClientResponse, unknown>) => Effect.Effect<B, E2>,
  onOverdue: () => Effect.Effect<B, E2>
): Effect.Effect<B, E2> => {
  let left = false
  const ended = (exit: Exit.Exit<HttpClientResponse, unknown>) => {
    watchdog.arrived()
    return left ? onOverdue() : onExit(exit)
  }
  const waited = Effect.matchCauseEffect(restore(response), {
    onSuccess: (value) => ended(Exit.succeed(value)),
    onFailure: (cause) => {
      // An interruption may come when the answer is there already; it ends here.
      abort()
      return Effect.flatMap(restore(Effect.void), () => ended(Exit.failCause(cause)))
    }
  })
  return Effect.suspend(() => {
    watchdog.expect(limitMillis, () => {
      left = true
      abort()
    })
    return waited
  })
}
