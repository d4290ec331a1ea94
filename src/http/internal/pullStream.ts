/**
 * Streams of bytes that can also be read by pulling, without the machinery of channels in between: each stage of channels costs some thirty
 * steps of the runtime for every chunk, and a byte on its way from registry to registry passes nine of them.
 *
 * To everybody else they are ordinary streams; a stream derived from one is an ordinary stream.
 *
 * @internal
 */
import type * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"

type Bytes = Chunk.Chunk<Uint8Array>

/** The next bytes; fails with none after the last, and again and again. @internal */
export type Pull<E> = Effect.Effect<Bytes, Option.Option<E>>

type Open<E> = (scope: Scope.Scope) => Effect.Effect<Pull<E>, E>

const opens = new WeakMap<object, Open<unknown>>()

// What is kept for a stream was made together with it, so it fails as the stream does.
const openOf = <E>(stream: Stream.Stream<Uint8Array, E, unknown>) => opens.get(stream) as Open<E> | undefined

/** @internal */
export const make = <E>(open: Open<E>): Stream.Stream<Uint8Array, E> => {
  // Most are read by pulling, and never need what they are made of as streams.
  const stream = Stream.suspend(() => Stream.unwrapScoped(Effect.map(Effect.flatMap(Effect.scope, open), Stream.repeatEffectChunkOption)))
  opens.set(stream, open)
  return stream
}

/** Begins to read any stream; what it holds is freed with the scope. @internal */
export const openIn = <E>(scope: Scope.Scope, stream: Stream.Stream<Uint8Array, E>): Effect.Effect<Pull<E>, E> =>
  openOf(stream)?.(scope) ?? Scope.extend(Stream.toPull(stream), scope)

/** Begins to read into the scope of the context. @internal */
export const open = <E>(stream: Stream.Stream<Uint8Array, E>): Effect.Effect<Pull<E>, E, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => openIn(scope, stream))

/** Runs the whole stream. @internal */
export const forEachChunk = <E>(stream: Stream.Stream<Uint8Array, E>, use: (chunk: Bytes) => Effect.Effect<void>): Effect.Effect<void, E> =>
  Effect.scopedWith((scope) => Effect.flatMap(openIn(scope, stream), (pull) => whileThereIsMore(Effect.flatMap(pull, use))))

/** Repeats until the end of what is pulled. @internal */
export const whileThereIsMore = <E>(step: Effect.Effect<void, Option.Option<E>>): Effect.Effect<void, E> =>
  Effect.catchAll(
    Effect.whileLoop({ while: () => true, body: () => step, step: () => undefined }),
    Option.match({ onNone: () => Effect.void, onSome: Effect.fail })
  )

/** A stream made here needs nothing. @internal */
export const provideContext = <E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  context: Context.Context<R>
): Stream.Stream<Uint8Array, E> => {
  const known = openOf(stream)
  return known === undefined ? Stream.provideContext(stream, context) : make(known)
}

/** Ends with the scope. */
const spanIn = (scope: Scope.Scope, name: string, options: Tracer.SpanOptions): Effect.Effect<Tracer.Span> =>
  Effect.uninterruptible(
    Effect.flatMap(Effect.makeSpan(name, options), (span) =>
      Effect.withFiberRuntime((fiber) => {
        const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
        const timed = fiber.getFiberRef(FiberRef.currentTracerTimingEnabled)
        const end = (exit: Exit.Exit<unknown, unknown>) => Effect.sync(() => span.end(timed ? clock.unsafeCurrentTimeNanos() : 0n, exit))
        return Effect.as(Scope.addFinalizerExit(scope, end), span)
      })
    )
  )

/** The span is the parent of what opening the stream does; what is done by a pull later must have kept its context. @internal */
export const withSpan = <E>(
  stream: Stream.Stream<Uint8Array, E>,
  name: string,
  options: Tracer.SpanOptions
): Stream.Stream<Uint8Array, E> => {
  const known = openOf(stream)
  if (known === undefined) return Stream.withSpan(stream, name, options)
  return make((scope) => Effect.flatMap(spanIn(scope, name, options), (span) => Effect.withParentSpan(known(scope), span)))
}
