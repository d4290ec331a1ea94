// Bytes through something that changes them and that is not made of Effects.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Interruption from "../../model/internal/interruption.ts"

/** An open transform. @internal */
export interface Transform {
  /** Resolves when it may be given more. */
  readonly write: (bytes: Uint8Array) => Promise<void>
  readonly end: () => Promise<void>
  /** Resolves to nothing at the end; rejects when the content is broken. */
  readonly read: () => Promise<Uint8Array | undefined>
  readonly close: () => void
}

const ignore = (promise: Promise<unknown>): void => void promise.catch(() => {})

// Types of the web want bytes that are not shared with other threads; none of ours are.
const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes)

/** What `CompressionStream` and its like are. Their types do not say `Uint8Array` on both sides in every runtime. @internal */
export interface WebTransform {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>
}

/** @internal */
export const fromWeb = ({ readable, writable }: WebTransform): Transform => {
  const reader = readable.getReader()
  const writer = writable.getWriter()
  // Both ends report what goes wrong; nobody waits for these promises.
  for (const promise of [reader.closed, writer.closed, writer.ready]) ignore(promise)
  return {
    write: (bytes) => writer.write(owned(bytes)),
    end: () => writer.close(),
    read: async () => (await reader.read()).value,
    close: () => {
      ignore(writer.abort())
      ignore(reader.cancel())
    }
  }
}

/** What the transforms of `node:zlib` are, as far as it is needed. @internal */
export interface NodeTransform {
  readonly write: (bytes: Uint8Array, done: (error?: Error | null) => void) => unknown
  readonly end: (done: () => void) => unknown
  readonly on: (event: "error", listener: (error: Error) => void) => unknown
  readonly destroy: () => unknown
  readonly [Symbol.asyncIterator]: () => AsyncIterator<Uint8Array>
}

/** @internal */
export const fromNode = (node: NodeTransform): Transform => {
  const output = node[Symbol.asyncIterator]()
  // The iterator rejects with it; without a listener of its own Node would end the process when nobody iterates any more.
  node.on("error", () => {})
  return {
    write: (bytes) => new Promise((resolve, reject) => void node.write(bytes, (error) => (error ? reject(error) : resolve()))),
    end: () => new Promise((resolve) => void node.end(resolve)),
    read: async () => {
      const next = await output.next()
      return next.done === true ? undefined : next.value
    },
    close: () => void node.destroy()
  }
}

/**
 * Sends a stream through a transform, as fast as its output is read. A failure of the stream comes out as it is; one of the transform is
 * what `broken` makes of it. The stream is read to its end even if the transform ends before, as that of gzip does when zeros follow: only
 * then is it known whether the content was right.
 *
 * @internal
 */
export const through =
  <E2>(open: () => Transform, broken: (cause: unknown) => Cause.Cause<E2>) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | E2, R> =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const transform = yield* Effect.acquireRelease(Effect.sync(open), (_) => Effect.sync(_.close))
        let failure: Cause.Cause<E> | undefined
        let stopped = false
        // It takes nothing more; why, its output tells.
        const stop = Effect.sync(() => {
          stopped = true
        })
        const give = (act: () => Promise<void>) =>
          Effect.suspend(() => (stopped ? Effect.void : Effect.orElse(Effect.tryPromise(act), () => stop)))
        const feed = Effect.zipRight(
          Stream.runForEach(self, (bytes) => give(() => transform.write(bytes))),
          give(transform.end)
        )
        const feeding = yield* feed.pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              if (Exit.isSuccess(exit)) return
              failure = exit.cause
              transform.close()
            })
          ),
          Interruption.lasting,
          Effect.forkScoped
        )

        const failed = (error: unknown) => Effect.failCause(Cause.map<E | E2, Option.Option<E | E2>>(failure ?? broken(error), Option.some))
        // Closed, for one that has ended may never answer a write. One that was closed because the stream failed may end without a word.
        const ended = Effect.suspend(() => {
          transform.close()
          return Effect.zipRight(
            Fiber.await(feeding),
            Effect.suspend(() => (failure === undefined ? Effect.fail(Option.none()) : failed(undefined)))
          )
        })
        const next = Effect.matchEffect(Effect.tryPromise(transform.read), {
          onFailure: ({ error }): Effect.Effect<never, Option.Option<E | E2>> => failed(error),
          onSuccess: (bytes) => (bytes === undefined ? ended : Effect.succeed(bytes))
        })
        return Stream.repeatEffectOption(next)
      })
    )
