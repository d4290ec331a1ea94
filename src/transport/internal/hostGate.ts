import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Pace } from "../../http/internal/body.ts"
import * as SteadyClock from "../../http/internal/steadyClock.ts"

/**
 * The limits of one host, shared by all requests to it: how many are under way (reads and writes apart, so that a copy inside one
 * registry never waits for itself), how many start in a second, and a pause all of them keep when the host asked for one.
 *
 * @internal
 */
export interface HostGate {
  /**
   * Waits for a place, interruptibly. The place must be given back with `Pass.leave`, so this is the acquisition of a resource; see
   * `enterIn`.
   */
  readonly enter: (lane: Lane, priority: Priority) => Effect.Effect<Pass>
  /** A place that is to be had without waiting. */
  readonly enterNow: (lane: Lane, priority: Priority) => Pass | undefined
  /** Nothing starts for so long. */
  readonly pauseFor: (millis: number) => Effect.Effect<void>
  /** Places taken now, for tests and metrics. */
  readonly taken: Effect.Effect<{ readonly read: number; readonly write: number }>
}

/** @internal */
export type Lane = "read" | "write"

/** Small requests overtake bulky ones. @internal */
export type Priority = "small" | "bulk"

/** @internal */
export interface Pass extends Pace {
  /**
   * Runs one pull of a body. A body whose consumer rests gives its place to whoever waits, and takes one again here: any number of bodies
   * may be open, and none of them can keep the others from ending.
   */
  readonly moving: <A, E, R>(pull: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

interface Holder {
  state: "moving" | "resting" | "parked" | "left"
  /** Counts the pulls, to tell a body at rest from one between two pulls. */
  pulls: number
  /** `pulls` when the lender last looked. */
  seen: number
}

const newHolder = (): Holder => ({ state: "left", pulls: 0, seen: -1 })

interface Waiter {
  readonly holder: Holder
  readonly resume: () => void
}

/** How often it is looked for bodies whose consumer has pulled nothing meanwhile, while somebody waits. */
const lendingInterval = Duration.millis(100)

/** Whoever waits for the next start is a little late; so many milliseconds are made up for by those who come after. */
const longestDelay = 50

class Places {
  private readonly queues: Record<Priority, Array<Waiter>> = { small: [], bulk: [] }
  private readonly resting = new Set<Holder>()
  private readonly limit: number
  private lending = false
  taken = 0

  constructor(limit: number) {
    this.limit = limit
  }

  takeNow(holder: Holder): boolean {
    if (this.taken >= this.limit) return false
    this.taken++
    holder.state = "moving"
    return true
  }

  take(holder: Holder, priority: Priority): Effect.Effect<void> {
    return Effect.suspend(() => (this.takeNow(holder) ? Effect.void : Effect.zipRight(this.lend, this.wait(holder, priority))))
  }

  private wait(holder: Holder, priority: Priority): Effect.Effect<void> {
    const waited = Effect.async<void>((resume) => {
      this.queues[priority].push({ holder, resume: () => resume(Effect.void) })
    })
    // Not left to the wait, which forgets it when it is interrupted before its first step.
    return Effect.onInterrupt(waited, () => Effect.sync(() => this.giveUp(holder)))
  }

  /** Waits no longer; a place that came all the same may be lent. */
  private giveUp(holder: Holder): void {
    for (const queue of Object.values(this.queues)) drop(queue, holder)
    this.rest(holder)
  }

  private next(): Waiter | undefined {
    return this.queues.small.shift() ?? this.queues.bulk.shift()
  }

  /** Gives the places of bodies at rest to those who wait, in a fiber that ends when nobody waits any more. */
  private readonly lend: Effect.Effect<void> = Effect.suspend(() => {
    if (this.lending) return Effect.void
    this.lending = true
    for (const lender of this.resting) lender.seen = lender.pulls
    return Effect.forkDaemon(Effect.interruptible(this.lendWhileAnyWait))
  })

  private readonly lendWhileAnyWait: Effect.Effect<void> = Effect.flatMap(Effect.sleep(lendingInterval), () => {
    for (const lender of this.resting) {
      if (lender.pulls !== lender.seen) {
        lender.seen = lender.pulls
        continue
      }
      const waiter = this.next()
      if (waiter === undefined) break
      this.resting.delete(lender)
      lender.state = "parked"
      admit(waiter)
    }
    this.lending = this.queues.small.length + this.queues.bulk.length > 0
    return this.lending ? this.lendWhileAnyWait : Effect.void
  })

  rest(holder: Holder): void {
    if (holder.state !== "moving") return
    holder.state = "resting"
    this.resting.add(holder)
  }

  /** Goes on moving without waiting, unless the place was lent meanwhile. */
  move(holder: Holder): boolean {
    holder.pulls++
    if (holder.state === "parked") return false
    if (holder.state === "resting") {
      this.resting.delete(holder)
      holder.state = "moving"
    }
    return true
  }

  release(holder: Holder): void {
    const held = holder.state === "moving" || holder.state === "resting"
    this.resting.delete(holder)
    holder.state = "left"
    if (!held) return
    const waiter = this.next()
    if (waiter === undefined) this.taken--
    else admit(waiter)
  }
}

const drop = (queue: Array<Waiter>, holder: Holder): void => {
  const index = queue.findIndex((waiter) => waiter.holder === holder)
  if (index >= 0) queue.splice(index, 1)
}

const admit = (waiter: Waiter): void => {
  waiter.holder.state = "moving"
  waiter.resume()
}

/** @internal */
export const make = (limits: { readonly concurrency: number; readonly requestsPerSecond?: number | undefined }): HostGate => {
  const lanes: Record<Lane, Places> = { read: new Places(limits.concurrency), write: new Places(limits.concurrency) }
  const interval = limits.requestsPerSecond === undefined ? 0 : 1000 / limits.requestsPerSecond
  let nextStart = 0
  let pausedUntil = 0

  const pauseLeft = Effect.map(SteadyClock.millis, (now) => {
    // One that is over costs the requests after it nothing.
    if (pausedUntil <= now) pausedUntil = 0
    return Math.max(0, pausedUntil - now)
  })

  const untilOpen: Effect.Effect<void> = Effect.flatMap(pauseLeft, (left) =>
    left > 0 ? Effect.zipRight(Effect.sleep(Duration.millis(left)), untilOpen) : Effect.void
  )

  /** Takes the next start, or says how long it is till then. */
  const startOrWait = Effect.map(SteadyClock.millis, (now) => {
    if (interval === 0) return 0
    if (now < nextStart) return nextStart - now
    nextStart = (now - nextStart > longestDelay ? now : nextStart) + interval
    return 0
  })

  const passOf = (places: Places, holder: Holder, priority: Priority): Pass => {
    const move = () => places.move(holder)
    const regain = places.take(holder, priority)
    const rest = () => places.rest(holder)
    return {
      move,
      regain,
      rest,
      leave: () => places.release(holder),
      moving: (pull) => {
        // A pull that is interrupted is the last one: then the place is given back.
        const atOnce = Effect.matchCauseEffect(pull, {
          onSuccess: (value) => {
            rest()
            return Effect.succeed(value)
          },
          onFailure: (cause) => {
            rest()
            return Effect.failCause(cause)
          }
        })
        return Effect.suspend(() => (move() ? atOnce : Effect.zipRight(regain, atOnce)))
      }
    }
  }

  const enterNow = (lane: Lane, priority: Priority): Pass | undefined => {
    const places = lanes[lane]
    const holder = newHolder()
    return interval === 0 && pausedUntil === 0 && places.takeNow(holder) ? passOf(places, holder, priority) : undefined
  }

  const enter = (lane: Lane, priority: Priority): Effect.Effect<Pass> =>
    Effect.suspend(() => {
      const now = enterNow(lane, priority)
      if (now !== undefined) return Effect.succeed(now)
      const holder = newHolder()
      const pass = passOf(lanes[lane], holder, priority)
      const leave = Effect.sync(pass.leave)
      // Nobody waits for the end of a pause with a place in hand: a body that is under way may need it.
      const admitted: Effect.Effect<void> = Effect.suspend(() => Effect.zipRight(Effect.zipRight(untilOpen, pass.regain), started))
      const started: Effect.Effect<void> = Effect.flatMap(pauseLeft, (paused) => {
        if (paused > 0) return Effect.zipRight(leave, admitted)
        return Effect.flatMap(startOrWait, (left) =>
          left > 0 ? Effect.zipRight(Effect.sleep(Duration.millis(left)), started) : Effect.void
        )
      })
      return Effect.interruptible(admitted).pipe(
        // A place that was given in the very moment of the interruption is given back.
        Effect.onInterrupt(() => leave),
        Effect.as(pass),
        // No interruption between this and the caller, who knows nothing of the place yet.
        Effect.uninterruptible
      )
    })

  return {
    enter,
    enterNow,
    pauseFor: (millis) =>
      Effect.map(SteadyClock.millis, (now) => {
        pausedUntil = Math.max(pausedUntil, now + millis)
      }),
    taken: Effect.sync(() => ({ read: lanes.read.taken, write: lanes.write.taken }))
  }
}

/** A place that is given back when the scope closes, or before. @internal */
export const enterIn = (scope: Scope.Scope, gate: HostGate, lane: Lane, priority: Priority): Effect.Effect<Pass> =>
  Effect.uninterruptible(
    Effect.flatMap(gate.enter(lane, priority), (pass) => Effect.as(Scope.addFinalizer(scope, Effect.sync(pass.leave)), pass))
  )
