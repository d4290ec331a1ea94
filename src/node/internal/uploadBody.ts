/** Request bodies in the shape undici sends them. */

import type * as HttpBody from "@effect/platform/HttpBody"
import * as Undici from "@effect/platform-node/Undici"
import * as Cause from "effect/Cause"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Stream from "effect/Stream"
import * as PullStream from "../../http/internal/pullStream.ts"

type Body = NonNullable<Undici.Dispatcher.DispatchOptions["body"]> | null

/** A body under way. */
export interface UploadBody {
  readonly body: Body
  /** Why the source of the body failed, when it did. */
  readonly failure: () => Option.Option<Cause.Cause<unknown>>
  /** Stops the source and waits for its finalizers. */
  readonly close: Effect.Effect<void>
  /** Stops the source. */
  readonly stop: () => void
}

const ready = (body: Body): UploadBody => ({ body, failure: Option.none, close: Effect.void, stop: () => {} })

/** The body of a request; the source of a stream is started when undici asks for its first bytes. */
export const make = (body: HttpBody.HttpBody): Effect.Effect<UploadBody> => {
  switch (body._tag) {
    case "Empty":
      return Effect.succeed(ready(null))
    case "Uint8Array":
      return Effect.succeed(ready(body.body))
    case "FormData":
      return Effect.sync(() => ready(formData(body.formData)))
    case "Raw":
      // The caller's promise: one of the bodies undici takes.
      return Effect.succeed(ready(body.body as Body))
    case "Stream":
      return Effect.map(Effect.runtime<never>(), (runtime) => fromStream(body.stream, runtime))
  }
}

/** A copy of undici's own kind: it cannot read the runtime's. */
const formData = (given: FormData): Undici.FormData => {
  const own = new Undici.FormData()
  for (const [name, value] of given) own.append(name, value)
  return own
}

interface Demand {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void
  readonly reject: (error: unknown) => void
}

const done: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }

/** The source runs ahead of the socket by no more than this: far enough to work in bursts, which is what makes small chunks cheap. */
const aheadBytes = 512 * 1024

/** An async iterator fed by a fiber that runs the stream. */
const fromStream = (stream: Stream.Stream<Uint8Array, unknown>, runtime: Runtime.Runtime<never>): UploadBody => {
  let queue: Array<Uint8Array> = []
  let next = 0
  let queuedBytes = 0
  let demand: Demand | undefined
  let proceed: (() => void) | undefined
  let fiber: Fiber.RuntimeFiber<void, unknown> | undefined
  let ended = false
  let failure = Option.none<Cause.Cause<unknown>>()

  const take = (): IteratorResult<Uint8Array, undefined> | undefined => {
    const value = queue[next]
    if (value === undefined) return ended ? done : undefined
    next += 1
    queuedBytes -= value.byteLength
    if (next === queue.length) {
      queue = []
      next = 0
    }
    if (queuedBytes < aheadBytes / 2) {
      const resume = proceed
      proceed = undefined
      resume?.()
    }
    return { done: false, value }
  }

  const answer = () => {
    const waiting = demand
    if (waiting === undefined) return
    if (Option.isSome(failure)) {
      demand = undefined
      return waiting.reject(Cause.squash(failure.value))
    }
    const result = take()
    if (result === undefined) return
    demand = undefined
    waiting.resolve(result)
  }

  /** Looks again before it waits: the fiber may have yielded while the queue was emptied. */
  const full = Effect.async<void>((resume) => {
    if (queuedBytes < aheadBytes / 2) return resume(Effect.void)
    proceed = () => resume(Effect.void)
  })

  const offer = (chunk: Chunk.Chunk<Uint8Array>): Effect.Effect<void> => {
    for (const bytes of chunk) {
      queue.push(bytes)
      queuedBytes += bytes.byteLength
    }
    answer()
    return queuedBytes < aheadBytes ? Effect.void : full
  }

  const onExit = (exit: Exit.Exit<void, unknown>) => {
    // What ends it after it was closed is no failure of the source.
    if (Exit.isFailure(exit) && !ended) failure = Option.some(exit.cause)
    ended = true
    answer()
  }

  const start = () => {
    const started = Runtime.runFork(runtime, PullStream.forEachChunk(stream, offer))
    fiber = started
    started.addObserver(onExit)
  }

  const close = Effect.suspend(() => {
    ended = true
    return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
  })
  const stop = () => {
    ended = true
    fiber?.unsafeInterruptAsFork(FiberId.none)
  }

  const iterator: AsyncIterableIterator<Uint8Array, undefined> = {
    [Symbol.asyncIterator]: () => iterator,
    next: () =>
      new Promise((resolve, reject) => {
        demand = { resolve, reject }
        if (fiber === undefined && !ended) start()
        answer()
      }),
    return: () => {
      stop()
      return Promise.resolve(done)
    }
  }

  // undici's documentation lists async iterables among the bodies, its types do not.
  return { body: iterator as unknown as Body, failure: () => failure, close, stop }
}
