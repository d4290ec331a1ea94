import { assert, describe, it } from "@effect/vitest"
import { assertNone } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import * as PullStream from "../../src/http/internal/pullStream.ts"

type Bytes = Chunk.Chunk<Uint8Array>

const bytes = (...values: ReadonlyArray<number>): Bytes => Chunk.of(new Uint8Array(values))

/** A stream of some chunks, and how often it was opened and let go. */
const counted = <E>(chunks: ReadonlyArray<Bytes>, end: Option.Option<E> = Option.none()) => {
  const seen = { opened: 0, closed: 0 }
  const stream = PullStream.make<E>((scope) =>
    Effect.gen(function* () {
      seen.opened++
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => {
          seen.closed++
        })
      )
      let next = 0
      return Effect.suspend(() => {
        const chunk = chunks[next++]
        return chunk === undefined ? Effect.fail(end) : Effect.succeed(chunk)
      })
    })
  )
  return { seen, stream }
}

const flat = (chunks: Iterable<Uint8Array>) => [...chunks].flatMap((chunk) => [...chunk])

/** What reading by pulls gives, whoever made the stream. */
const pulled = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.gen(function* () {
    const all: Array<Uint8Array> = []
    yield* PullStream.forEachChunk(stream, (chunk) => Effect.sync(() => all.push(...chunk)))
    return flat(all)
  })

describe("pullStream", () => {
  it.effect("is an ordinary stream, and so are those derived from it", () =>
    Effect.gen(function* () {
      const { seen, stream } = counted([bytes(1, 2), bytes(3), bytes(4)])
      assert.deepStrictEqual(flat(yield* Stream.runCollect(stream)), [1, 2, 3, 4])
      assert.deepStrictEqual(flat(yield* Stream.runCollect(Stream.take(stream, 2))), [1, 2, 3])
      const twice = Stream.map(stream, (chunk) => chunk.map((byte) => byte * 2))
      assert.deepStrictEqual(flat(yield* Stream.runCollect(twice)), [2, 4, 6, 8])
      assert.deepStrictEqual(seen, { opened: 3, closed: 3 })
    })
  )

  it.effect("a derived stream is not taken for the one it came from", () =>
    Effect.gen(function* () {
      const { stream } = counted([bytes(1), bytes(2)])
      const tens = Stream.map(stream, (chunk) => chunk.map((byte) => byte * 10))
      assert.deepStrictEqual(yield* pulled(tens), [10, 20])
      assert.deepStrictEqual(yield* pulled(Stream.concat(tens, stream)), [10, 20, 1, 2])
    })
  )

  it.effect("ends as its pulls do, and is let go either way", () =>
    Effect.gen(function* () {
      const drained = (stream: Stream.Stream<Uint8Array, string>) => Stream.runDrain(stream)
      for (const read of [drained, (stream: Stream.Stream<Uint8Array, string>) => Effect.asVoid(pulled(stream))]) {
        const good = counted<string>([bytes(1)])
        yield* read(good.stream)
        const bad = counted([bytes(1)], Option.some("broken"))
        assert.strictEqual(yield* Effect.flip(read(bad.stream)), "broken")
        assert.deepStrictEqual([good.seen, bad.seen], Array(2).fill({ opened: 1, closed: 1 }))
      }
    })
  )

  it.effect("is let go when its reader is interrupted", () =>
    Effect.gen(function* () {
      const { seen, stream } = counted([bytes(1), bytes(2)])
      const fiber = yield* Effect.fork(PullStream.forEachChunk(stream, () => Effect.never))
      yield* Effect.yieldNow()
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.deepStrictEqual(seen, { opened: 1, closed: 1 })
    })
  )

  it.effect("stays open as long as the scope it is opened in, and goes on saying that it has ended", () =>
    Effect.gen(function* () {
      for (const make of [() => counted([bytes(1)]).stream, () => Stream.fromChunk(bytes(1))]) {
        const [first, ...ends] = yield* Effect.scoped(
          Effect.flatMap(PullStream.open(make()), (pull) => Effect.all([pull, Effect.flip(pull), Effect.flip(pull)]))
        )
        assert.deepStrictEqual(flat(first), [1])
        for (const end of ends) assertNone(end)
      }
    })
  )

  it.effect("keeps its own way when it is given a context or a span, as any stream does", () =>
    Effect.gen(function* () {
      class Name extends Context.Tag("Name")<Name, string>() {}
      const named = Stream.fromEffect(Effect.map(Name, (name) => new TextEncoder().encode(name)))
      const context = Context.make(Name, "ab")
      assert.deepStrictEqual(yield* pulled(PullStream.provideContext(named, context)), [97, 98])
      assert.deepStrictEqual(yield* pulled(PullStream.provideContext(counted([bytes(7)]).stream, context)), [7])

      const spans: Array<string> = []
      const note = Effect.flatMap(Effect.orDie(Effect.currentSpan), (span) => Effect.sync(() => spans.push(span.name)))
      const opening = PullStream.make(() => Effect.as(note, Effect.fail(Option.none())))
      const ordinary = Stream.drain(Stream.fromEffect(note))
      for (const stream of [opening, ordinary]) yield* pulled(PullStream.withSpan(stream, "reading", { captureStackTrace: false }))
      assert.deepStrictEqual(spans, ["reading", "reading"])
    })
  )

  it.effect("ends its span with itself", () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const native = yield* Effect.tracer
      const tracer = Tracer.make({
        ...native,
        span: (...args) => {
          const span = native.span(...args)
          const end = span.end.bind(span)
          return Object.assign(span, {
            end: (endTime: bigint, exit: Exit.Exit<unknown, unknown>) => {
              ended.push(`${span.name} ${exit._tag}`)
              end(endTime, exit)
            }
          })
        }
      })
      const { stream } = counted([bytes(1)])
      yield* Effect.withTracer(pulled(PullStream.withSpan(stream, "reading", {})), tracer)
      assert.deepStrictEqual(ended, ["reading Success"])
    })
  )
})
