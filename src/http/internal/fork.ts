/**
 * Starting fibers from plain callbacks, with the context and the fiber refs of the fiber that sends.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import type * as Scheduler from "effect/Scheduler"
import * as Interruption from "../../model/internal/interruption.ts"

/** @internal */
export type Fork = <A, E>(effect: Effect.Effect<A, E>, options?: Runtime.RunForkOptions) => Fiber.RuntimeFiber<A, E>

/** @internal */
export interface Forks {
  readonly fork: Fork
  /** Runs the continuation of a callback in that very callback, instead of in a microtask of its own. */
  readonly inline: () => Scheduler.Scheduler
}

/**
 * A scheduler that runs a task at once when it is not running one already, and leaves the rest to the usual one. It saves one trip through
 * the event loop per chunk, which costs little by itself, but lets so many buffers outlive a collection of young objects that reading takes
 * twice the time.
 */
const inlineScheduler = (usual: Scheduler.Scheduler): Scheduler.Scheduler => {
  let running = false
  return {
    shouldYield: (fiber) => usual.shouldYield(fiber),
    scheduleTask: (task, priority, fiber) => {
      if (running) return usual.scheduleTask(task, priority, fiber)
      running = true
      try {
        task()
      } finally {
        running = false
      }
    }
  }
}

/** Fibers so started can be interrupted, even from a region that cannot. Most requests need none, and then this costs nothing. @internal */
export const of = (fiber: Fiber.RuntimeFiber<unknown, unknown>, flags: RuntimeFlags.RuntimeFlags): Forks => {
  const refs = fiber.getFiberRefs()
  const unobtrusive = lazily(() =>
    // Whoever waits for a fiber tells its failure. The runtime would log it as it is: with the request, signature and credentials in it.
    Interruption.lastingIn(
      FiberRefs.updateAs(refs, { fiberId: fiber.id(), fiberRef: FiberRef.unhandledErrorLogLevel, value: Option.none() }),
      fiber.id()
    )
  )
  const runFork = lazily(() =>
    Runtime.runFork(
      Runtime.make({
        context: FiberRefs.getOrDefault(refs, FiberRef.currentContext),
        runtimeFlags: RuntimeFlags.enable(flags, RuntimeFlags.Interruption),
        fiberRefs: unobtrusive()
      })
    )
  )
  const inline = lazily(() => inlineScheduler(FiberRefs.getOrDefault(refs, FiberRef.currentScheduler)))
  return { fork: (effect, options) => runFork()(effect, options), inline }
}

const lazily = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}
