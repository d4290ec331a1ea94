/** One request on its way: the bytes that came and were not read yet, and the one reader that waits for more. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

type Headers = Record<string, string | Array<string> | undefined>

/** How whoever carries the request is told to stop, wait or go on. */
export interface Controller {
  abort(error: Error): void
  pause(): void
  resume(): void
}

/** What the parser tells the owner of the request: one of the two outcomes once, `onClosed` after the body's end or any failure. */
export interface Listener {
  readonly onHead: (status: number, headers: Headers) => void
  readonly onFailed: (error: Error) => void
  readonly onClosed: () => void
}

interface End {
  /** An exit, since `Effect.fail` looks for a span to tell where it failed, which is of no use to the end of a body. */
  readonly told: Exit.Exit<never, Option.Option<Error>>
}

/** The socket is not read any further while this much waits for the reader. */
const highWaterBytes = 512 * 1024

/** Gathered before the reader is told. */
const batchBytes = 256 * 1024

/** A handler as undici's dispatchers want it. */
export class Exchange {
  /** Until the head is there. Who waited for it is not held on to, so that an answer nobody has any more can be collected. */
  #listener: Omit<Listener, "onClosed"> | undefined
  readonly #onClosed: () => void
  #controller: Controller | undefined
  #aborted: Error | undefined
  #chunks: Array<Uint8Array> = []
  #bufferedBytes = 0
  #end: End | undefined
  #waiting: (() => void) | undefined
  #wakeUp: NodeJS.Immediate | undefined

  constructor({ onClosed, ...listener }: Listener) {
    this.#listener = listener
    this.#onClosed = onClosed
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#aborted !== undefined) controller.abort(this.#aborted)
  }

  onResponseStart(_controller: Controller, status: number, headers: Headers): void {
    const listener = this.#listener
    if (status < 200 || listener === undefined) return
    this.#listener = undefined
    listener.onHead(status, headers)
  }

  onResponseData(controller: Controller, chunk: Uint8Array): void {
    // undici's parser gives an empty piece where two reads meet; a file refuses to write one.
    if (chunk.byteLength === 0) return
    this.#chunks.push(chunk)
    this.#bufferedBytes += chunk.byteLength
    if (this.#bufferedBytes >= highWaterBytes) {
      controller.pause()
      this.#wake()
    } else if (this.#waiting !== undefined && this.#wakeUp === undefined) this.#gather()
  }

  /**
   * The socket often holds many more reads: handing them over together is what makes streams cheap. They are gathered for as long as every
   * turn of the event loop brings some.
   */
  #gather(): void {
    const before = this.#bufferedBytes
    this.#wakeUp = setImmediate(() => {
      if (this.#bufferedBytes > before && this.#bufferedBytes < batchBytes) this.#gather()
      else this.#wake()
    })
  }

  /** Told once the connection is free again, which takes a turn: a reader that sends its next request at once would open another. */
  onResponseEnd(): void {
    queueMicrotask(() => setImmediate(() => this.#finish(Option.none())))
  }

  onResponseError(_controller: Controller | undefined, error: Error): void {
    this.#finish(Option.some(error))
  }

  /** Closes the socket, or takes the request out of the queue; harmless after the end. */
  abort(error: Error): void {
    if (this.#end !== undefined) return
    this.#aborted = error
    this.#controller?.abort(error)
    this.#finish(Option.some(error))
  }

  /** All bytes at hand, or those that come next; `none` after the last of them. */
  readonly pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<Error>> = Effect.suspend(() => this.#poll() ?? this.#await)

  readonly #await = Effect.async<Chunk.Chunk<Uint8Array>, Option.Option<Error>>((resume) => {
    // The fiber may have yielded since it last looked.
    const now = this.#poll()
    if (now !== undefined) return resume(now)
    // Who was interrupted meanwhile takes nothing with it: what came is looked for once the fiber goes on.
    this.#waiting = () => resume(this.pull)
  })

  #poll(): Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<Error>> | undefined {
    if (this.#bufferedBytes > 0) return Effect.succeed(this.#take())
    return this.#end?.told
  }

  #take(): Chunk.Chunk<Uint8Array> {
    const chunks = this.#chunks
    this.#chunks = []
    this.#bufferedBytes = 0
    if (this.#end === undefined) this.#controller?.resume()
    return Chunk.unsafeFromArray(chunks)
  }

  #wake(): void {
    if (this.#wakeUp !== undefined) {
      clearImmediate(this.#wakeUp)
      this.#wakeUp = undefined
    }
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }

  #finish(error: Option.Option<Error>): void {
    if (this.#end !== undefined) return
    this.#end = { told: Exit.fail(error) }
    if (Option.isSome(error)) this.#listener?.onFailed(error.value)
    this.#onClosed()
    this.#wake()
  }
}
