import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"

interface Flight<A> {
  readonly outcome: Deferred.Deferred<A, unknown>
  fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined
  waiters: number
}

/**
 * Runs one effect per name at a time; whoever asks meanwhile shares its outcome. The effect belongs to the scope it was made in, not to the
 * caller that came first, so interrupting one caller leaves the others be. When the last one goes, the effect is interrupted.
 *
 * @internal
 */
export interface SingleFlight<A> {
  readonly run: <E>(name: string, effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

/** @internal */
export const make = <A>(): Effect.Effect<SingleFlight<A>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    const flights = new Map<string, Flight<A>>()

    const land = (name: string, flight: Flight<A>) => {
      if (flights.get(name) === flight) flights.delete(name)
    }

    // The caller must be uninterruptible: the fiber inherits that, so that it always lands, and only the effect itself can be interrupted.
    const start = (name: string, flight: Flight<A>, effect: Effect.Effect<A, unknown>) =>
      Effect.interruptible(effect).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            land(name, flight)
            Deferred.unsafeDone(flight.outcome, exit)
          })
        ),
        Effect.forkIn(scope),
        Effect.flatMap((fiber) =>
          Effect.sync(() => {
            flight.fiber = fiber
          })
        )
      )

    const leave = (name: string, flight: Flight<A>) =>
      Effect.suspend(() => {
        flight.waiters -= 1
        if (flight.waiters > 0 || flights.get(name) !== flight) return Effect.void
        land(name, flight)
        return flight.fiber === undefined ? Effect.void : Fiber.interruptFork(flight.fiber)
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
    return { run: run as SingleFlight<A>["run"] }
  })
