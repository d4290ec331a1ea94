/**
 * Reads a stream in a fiber of its own, one chunk ahead, so that a consumer can be told to stop waiting whatever the stream is stuck in.
 *
 * @internal
 */
import * as Channel from "effect/Channel"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Stream from "effect/Stream"
import type * as Fork from "./fork.ts"
import type * as Watchdog from "./watchdog.ts"

/** A chunk, or how the stream ended. @internal */
export type Pulled<E> = Either.Either<Chunk.Chunk<Uint8Array>, Exit.Exit<void, E>>

/** @internal */
export interface Pump<E> {
  /** The next chunk. `overdue` is what is given when it does not come in time. */
  readonly next: <E2>(limitMillis: number, overdue: () => Effect.Effect<never, E2>) => Effect.Effect<Pulled<E>, E2>
  /** Stops reading and waits until the stream is let go. */
  readonly close: Effect.Effect<void>
  /** Stops reading and leaves the stream to it. */
  readonly abandon: () => void
}

/** @internal */
export const start = <E>(forks: Fork.Forks, watchdog: Watchdog.Watchdog, stream: Stream.Stream<Uint8Array, E>): Pump<E> => {
  let ready: Pulled<E> | undefined
  let deliver: ((pulled: Pulled<E>) => void) | undefined
  let resumeReading: (() => void) | undefined
  let open = true

  const offer = (pulled: Pulled<E>) => {
    if (deliver === undefined) ready = pulled
    else deliver(pulled)
  }
  const take = (): Pulled<E> | undefined => {
    const pulled = ready
    // What ended stays ended.
    if (pulled === undefined || Either.isLeft(pulled)) return pulled
    ready = undefined
    resumeReading?.()
    return pulled
  }
  const room = Effect.async<void>((resume) => {
    if (ready === undefined) return resume(Effect.void)
    resumeReading = () => {
      resumeReading = undefined
      resume(Effect.void)
    }
  })
  const read = Effect.scoped(
    Effect.flatMap(Channel.toPull(Stream.toChannel(stream)), (pull) => {
      const onceThereIsRoom = Effect.zipRight(room, pull)
      return Effect.whileLoop({
        while: () => open,
        body: () => (ready === undefined ? pull : onceThereIsRoom),
        step: (pulled) => {
          if (Either.isLeft(pulled)) open = false
          else offer(Either.right(pulled.right))
        }
      })
    })
  )
  const fiber = forks.fork(read, { scheduler: forks.inline() })
  fiber.addObserver((exit) => {
    // A chunk that is still waiting to be taken comes first.
    const last = Either.left(exit)
    if (ready === undefined) offer(last)
    else
      resumeReading = () => {
        resumeReading = undefined
        ready = last
      }
  })

  const next: Pump<E>["next"] = (limitMillis, overdue) =>
    Effect.suspend(() => {
      const pulled = take()
      if (pulled !== undefined) return Effect.succeed(pulled)
      return Effect.async((resume) => {
        const now = take()
        if (now !== undefined) return resume(Effect.succeed(now))
        const end = () => {
          deliver = undefined
          watchdog.arrived()
        }
        deliver = (pulled) => {
          end()
          if (Either.isLeft(pulled)) ready = pulled
          resume(Effect.succeed(pulled))
        }
        watchdog.expect(limitMillis, () => {
          end()
          resume(Effect.suspend(overdue))
        })
        return Effect.sync(end)
      })
    })

  return {
    next,
    close: Effect.asVoid(Fiber.interrupt(fiber)),
    abandon: () => fiber.unsafeInterruptAsFork(FiberId.none)
  }
}
