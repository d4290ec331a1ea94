/**
 * Values that are costly to get, kept for a while. Whoever asks while one is being got waits for the same run; the run ends early only when
 * nobody waits any more, so that the first to ask may be interrupted without harm to the others. Failures are not kept.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"

export interface SharedCache<A, E> {
  readonly get: (key: string, acquire: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Forgets the value; a run under way still answers those who wait for it and is not kept. */
  readonly invalidate: (key: string) => Effect.Effect<void>
}

interface Kept<A> {
  readonly _tag: "Kept"
  readonly value: A
  readonly expiresAt: number
}

interface Running<A, E> {
  readonly _tag: "Running"
  readonly result: Deferred.Deferred<A, E>
  waiting: number
  fiber: Fiber.Fiber<A, E>
}

export const make = <A, E>(options: {
  readonly timeToLive: Duration.DurationInput
  readonly capacity?: number | undefined
}): SharedCache<A, E> => {
  const timeToLiveMillis = Duration.toMillis(options.timeToLive)
  const capacity = options.capacity ?? 1024
  const entries = new Map<string, Kept<A> | Running<A, E>>()

  const makeRoom = () => {
    for (const [key, entry] of entries) {
      if (entries.size <= capacity) return
      if (entry._tag === "Kept") entries.delete(key)
    }
  }

  const settle = (key: string, running: Running<A, E>, exit: Exit.Exit<A, E>) =>
    Effect.zipRight(
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (entries.get(key) !== running) return
        entries.delete(key)
        if (Exit.isFailure(exit)) return
        entries.set(key, { _tag: "Kept", value: exit.value, expiresAt: now + timeToLiveMillis })
        makeRoom()
      }),
      Deferred.done(running.result, exit)
    )

  const start = (key: string, acquire: Effect.Effect<A, E>) => {
    const running: Running<A, E> = { _tag: "Running", result: Deferred.unsafeMake(FiberId.none), waiting: 1, fiber: Fiber.never }
    entries.set(key, running)
    return Effect.interruptible(acquire).pipe(
      Effect.onExit((exit) => settle(key, running, exit)),
      Effect.forkDaemon,
      Effect.map((fiber) => {
        running.fiber = fiber
        return running
      })
    )
  }

  const join = (running: Running<A, E>) => {
    running.waiting += 1
    return running
  }

  const leave = (key: string, running: Running<A, E>) =>
    Effect.suspend(() => {
      running.waiting -= 1
      if (running.waiting > 0) return Effect.void
      if (entries.get(key) === running) entries.delete(key)
      return Fiber.interrupt(running.fiber)
    })

  const get = (key: string, acquire: Effect.Effect<A, E>) =>
    Effect.uninterruptibleMask(
      Effect.fnUntraced(function* (restore) {
        const now = yield* Clock.currentTimeMillis
        const known = entries.get(key)
        if (known?._tag === "Kept" && now < known.expiresAt) return known.value
        // From the look-up to here nothing yields, so that two fibers never start the same run, nor miss each other's count.
        const running = known?._tag === "Running" ? join(known) : yield* start(key, acquire)
        return yield* Effect.ensuring(restore(Deferred.await(running.result)), leave(key, running))
      })
    )

  return { get, invalidate: (key) => Effect.sync(() => void entries.delete(key)) }
}
