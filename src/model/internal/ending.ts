// What is done at once when an effect is over: a plain function, at a fraction of the steps of `Effect.onExit`.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Tells how the effect ended. To be run uninterruptibly, and the effect so that it can be interrupted. @internal */
export const ended = <A, E, R>(self: Effect.Effect<A, E, R>, tell: (exit: Exit.Exit<A, E>) => void): Effect.Effect<A, E, R> => {
  const told = (exit: Exit.Exit<A, E>): Exit.Exit<A, E> => {
    try {
      tell(exit)
      return exit
    } catch (defect) {
      // Like a finalizer that dies: what it was told is not forgotten for it.
      const died = Cause.die(defect)
      return Exit.failCause(Exit.isFailure(exit) ? Cause.sequential(exit.cause, died) : died)
    }
  }
  return Effect.matchCauseEffect(self, {
    onSuccess: (value) => told(Exit.succeed(value)),
    onFailure: (cause) => told(Exit.failCause(cause))
  })
}

/** What has begun ends, between whichever steps the interruption comes. @internal */
export const between = <A, E, R>(
  begin: () => void,
  self: Effect.Effect<A, E, R>,
  end: (exit: Exit.Exit<A, E>) => void
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) => {
    begin()
    return ended(restore(self), end)
  })
