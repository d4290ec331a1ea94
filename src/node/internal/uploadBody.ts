/** Request bodies as they are sent. */
import { Readable } from "node:stream"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as PullStream from "../../http/internal/pullStream.ts"
import * as Interruption from "../../model/internal/interruption.ts"

export type Body = string | Uint8Array | AsyncIterable<Uint8Array> | null

/** A body under way. */
export interface UploadBody {
  readonly body: Body
  /** What the body adds to the headers of the request. */
  readonly headers: Readonly<Record<string, string>>
  /** Why the source of the body failed, when it did. */
  readonly failure: () => Option.Option<Cause.Cause<unknown>>
  /** Stops the source and waits for its finalizers. */
  readonly close: Effect.Effect<void>
  /** Stops the source. */
  readonly stop: () => void
}

const ready = (body: Body, headers: Readonly<Record<string, string>> = {}, stop: () => void = () => {}): UploadBody => ({
  body,
  headers,
  failure: Option.none,
  close: Effect.sync(stop),
  stop
})

/** The body of a request, unless it is none; the source of a stream is started when its first bytes are asked for. */
export const make = (body: HttpBody.HttpBody): Effect.Effect<UploadBody, Cause.UnknownException> => {
  switch (body._tag) {
    case "Empty":
      return Effect.succeed(ready(null))
    case "Uint8Array":
      return Effect.succeed(ready(body.body))
    case "FormData":
      return Effect.promise(() => formData(body.formData))
    case "Raw":
      return Effect.try(() => raw(body.body))
    case "Stream":
      return Effect.map(Effect.runtime<never>(), (runtime) =>
        fed((offer) => Runtime.runFork(runtime, Interruption.lasting(PullStream.forEachChunk(body.stream, offer))))
      )
  }
}

/** As a whole, so that its length is known; the boundary stands in its type. */
const formData = async (form: FormData): Promise<UploadBody> => {
  const encoded = new Response(form)
  const bytes = new Uint8Array(await encoded.arrayBuffer())
  return ready(bytes, { "content-type": encoded.headers.get("content-type") ?? "multipart/form-data" })
}

/** What Node's programs send: text, bytes, a `Blob`, or an iterable of text and bytes, such as a stream of Node. */
const raw = (body: unknown): UploadBody => {
  if (body === null || body === undefined) return ready(null)
  if (typeof body === "string" || body instanceof Uint8Array) return ready(body)
  if (body instanceof ArrayBuffer) return ready(new Uint8Array(body))
  if (ArrayBuffer.isView(body)) return ready(new Uint8Array(body.buffer, body.byteOffset, body.byteLength))
  if (body instanceof Blob) return { ...raw(body.stream()), headers: { "content-length": String(body.size) } }
  // A stream that waits for its source does not end by itself when nobody wants it any more.
  if (body instanceof Readable) return ready(pieces(body), {}, () => void body.destroy())
  if (isIterable(body)) return ready(pieces(body))
  throw new TypeError("a body that is neither text nor bytes nor iterable cannot be sent")
}

type Pieces = AsyncIterable<unknown> | Iterable<unknown>

const isIterable = (body: unknown): body is Pieces =>
  Predicate.hasProperty(body, Symbol.asyncIterator) || Predicate.hasProperty(body, Symbol.iterator)

async function* pieces(body: Pieces): AsyncGenerator<Uint8Array, void> {
  for await (const piece of body) {
    if (piece instanceof Uint8Array) yield piece
    else if (typeof piece === "string") yield Buffer.from(piece)
    else throw new TypeError("a body is made of text and bytes")
  }
}

interface Demand {
  readonly resolve: (result: IteratorResult<Uint8Array, undefined>) => void
  readonly reject: (error: unknown) => void
}

const done: IteratorResult<Uint8Array, undefined> = { done: true, value: undefined }

/** The source runs ahead of the socket by no more than this: far enough to work in bursts, which is what makes small chunks cheap. */
const aheadBytes = 512 * 1024

type Offer = (chunk: Chunk.Chunk<Uint8Array>) => Effect.Effect<void>

type Feeding = Fiber.RuntimeFiber<void, unknown>

/**
 * An async iterator fed by a fiber. It holds on to the fiber, and to what the fiber came from, no longer than it needs them: a connection
 * knows its body, and the context of a request may know its answer, which could then never be collected.
 */
const fed = (feed: (offer: Offer) => Feeding): UploadBody => {
  let begin: typeof feed | undefined = feed
  let queue: Array<Uint8Array> = []
  let next = 0
  let queuedBytes = 0
  let demand: Demand | undefined
  let proceed: (() => void) | undefined
  let fiber: Feeding | undefined
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

  const offer: Offer = (chunk) => {
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
    fiber = undefined
    answer()
  }

  const start = () => {
    if (begin === undefined || ended) return
    const started = begin(offer)
    begin = undefined
    fiber = started
    started.addObserver(onExit)
  }

  const close = Effect.suspend(() => {
    ended = true
    begin = undefined
    return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
  })
  const stop = () => {
    ended = true
    begin = undefined
    fiber?.unsafeInterruptAsFork(FiberId.none)
  }

  const iterator: AsyncIterableIterator<Uint8Array, undefined> = {
    [Symbol.asyncIterator]: () => iterator,
    next: () =>
      new Promise((resolve, reject) => {
        demand = { resolve, reject }
        start()
        answer()
      }),
    return: () => {
      stop()
      return Promise.resolve(done)
    }
  }

  return { body: iterator, headers: {}, failure: () => failure, close, stop }
}
