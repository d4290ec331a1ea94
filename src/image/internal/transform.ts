import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** A web transform, such as `CompressionStream`. Its types do not say `Uint8Array` on both sides in every runtime. @internal */
export interface Transform {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>
}

/** The transform takes nothing more; why, its output tells. */
class Stopped extends Data.TaggedError("Stopped") {}

const ignore = (promise: Promise<unknown>): void => void promise.catch(() => {})

// Types of the web want bytes that are not shared with other threads; none of ours are.
const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes)

/**
 * Sends a stream through a transform, as fast as its output is read. A failure of the stream comes out as it is; one of the transform is
 * what `broken` makes of it.
 *
 * @internal
 */
export const through =
  <E2>(open: () => Transform, broken: (cause: unknown) => Cause.Cause<E2>) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | E2, R> =>
    Stream.unwrapScoped(
      Effect.gen(function* () {
        const { readable, writable } = open()
        const reader = readable.getReader()
        const writer = writable.getWriter()
        // Both ends report what goes wrong; nobody waits for these promises.
        for (const promise of [reader.closed, writer.closed, writer.ready]) ignore(promise)
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            ignore(writer.abort())
            ignore(reader.cancel())
          })
        )

        let failure: Cause.Cause<E> | undefined
        const step = (act: () => Promise<void>) => Effect.tryPromise({ try: act, catch: () => new Stopped() })
        const feed = Stream.runForEach(self, (bytes) => step(() => writer.write(owned(bytes)))).pipe(
          Effect.zipRight(step(() => writer.close())),
          Effect.catchIf(
            (error) => error instanceof Stopped,
            () => Effect.void
          )
        )
        yield* feed.pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              if (Exit.isSuccess(exit)) return
              failure = exit.cause
              ignore(writer.abort(new Stopped()))
            })
          ),
          Effect.forkScoped
        )

        const next = Effect.matchEffect(
          Effect.tryPromise(() => reader.read()),
          {
            onFailure: ({ error }): Effect.Effect<never, Option.Option<E | E2>> =>
              Effect.failCause(Cause.map<E | E2, Option.Option<E | E2>>(failure ?? broken(error), Option.some)),
            onSuccess: ({ value }) => (value === undefined ? Effect.fail(Option.none()) : Effect.succeed(value))
          }
        )
        return Stream.repeatEffectOption(next)
      })
    )
