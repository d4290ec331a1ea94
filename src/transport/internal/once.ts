import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** Joining would take over the fiber refs of the flight, the scope of whoever started it among them. */
const outcome = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<A, E> => Effect.flatten(Fiber.await(fiber))

/**
 * Runs `effect` once for all who ask while it runs and keeps its success; a failure is given to those who waited and forgotten. It runs in
 * a fiber of `scope`, so that the interruption of whoever asked first does not reach the others.
 *
 * @internal
 */
export const once = <A, E>(effect: Effect.Effect<A, E>, scope: Scope.Scope): Effect.Effect<A, E> => {
  let flight: Fiber.Fiber<A, E> | undefined
  const start = Effect.uninterruptibleMask((restore) =>
    Effect.tap(
      Effect.forkIn(
        Effect.onExit(restore(effect), (exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit)) flight = undefined
          })
        ),
        scope
      ),
      (fiber) =>
        Effect.sync(() => {
          flight = fiber
        })
    )
  )
  return Effect.suspend(() => (flight === undefined ? Effect.flatMap(start, outcome) : outcome(flight)))
}
