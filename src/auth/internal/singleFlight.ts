import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"

interface Flight<A> {
  readonly outcome: Deferred.Deferred<A, unknown>
  /** While it is under way. */
  fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined
  waiters: number
}

/**
 * Runs one effect per name at a time; whoever asks meanwhile shares its outcome. The effect does not belong to the caller that came first, so
 * interrupting one caller leaves the others be. When the last one goes, the effect is interrupted.
 *
 * @internal
 */
export interface SingleFlight<A> {
  readonly run: <E>(name: string, effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** Whoever asks from now on starts anew; a run under way still answers those who wait for it. */
  readonly forget: (name: string) => void
}

/** What is under way when the scope closes, if there is one, ends with it. @internal */
export const make = <A>(scope?: Scope.Scope): SingleFlight<A> => {
  const flights = new Map<string, Flight<A>>()
  const fork = scope === undefined ? Effect.forkDaemon : Effect.forkIn(scope)

  const land = (name: string, flight: Flight<A>) => {
    if (flights.get(name) === flight) flights.delete(name)
  }

  // The caller must be uninterruptible: the fiber inherits that, so that it always lands, and only the effect itself can be interrupted.
  const start = (name: string, flight: Flight<A>, effect: Effect.Effect<A, unknown>) =>
    Effect.interruptible(effect).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          land(name, flight)
          flight.fiber = undefined
          Deferred.unsafeDone(flight.outcome, exit)
        })
      ),
      fork,
      Effect.flatMap((fiber) =>
        Effect.sync(() => {
          flight.fiber = fiber
        })
      )
    )

  const leave = (name: string, flight: Flight<A>) =>
    Effect.suspend(() => {
      flight.waiters -= 1
      if (flight.waiters > 0 || flight.fiber === undefined) return Effect.void
      land(name, flight)
      return Fiber.interrupt(flight.fiber)
    })

  const run = (name: string, effect: Effect.Effect<A, unknown>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const joined = flights.get(name)
        const flight: Flight<A> = joined ?? { outcome: Deferred.unsafeMake(FiberId.none), fiber: undefined, waiters: 0 }
        flight.waiters += 1
        flights.set(name, flight)
        const wait = Effect.ensuring(restore(Deferred.await(flight.outcome)), leave(name, flight))
        return joined === undefined ? Effect.zipRight(start(name, flight, effect), wait) : wait
      })
    )

  // Flights of one name run the same effect, so the one that is joined fails with an E too; the map cannot say so.
  return { run: run as SingleFlight<A>["run"], forget: (name) => void flights.delete(name) }
}
