import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import { identity } from "effect/Function"

/**
 * An interruption is not forgotten. Effect (3.22.4) forgets one that comes while a finalizer runs, if another ran before: a finalizer leaves the
 * state of its fiber as it found it, and that has a place for interruptions since the first one only. Here it has one from the beginning, as have
 * the fibers that begin in it.
 *
 * @internal
 */
export const lasting = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.zipRight(FiberRef.update(FiberRef.interruptedCause, identity), self)

/** The same for a fiber that is to begin with these. @internal */
export const lastingIn = (refs: FiberRefs.FiberRefs, fiberId: FiberId.Single): FiberRefs.FiberRefs =>
  FiberRefs.updateAs(refs, { fiberId, fiberRef: FiberRef.interruptedCause, value: Cause.empty })
