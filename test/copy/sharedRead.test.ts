import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as SharedRead from "../../src/copy/internal/sharedRead.ts"

/** Content in pieces of these sizes, and how often it was read and how far. */
const contentOf = (sizes: ReadonlyArray<number>) => {
  const seen = { reads: 0, bytes: 0 }
  const pieces = sizes.map((size, index) => new Uint8Array(size).fill(index + 1))
  const content = Stream.suspend(() => {
    seen.reads++
    return Stream.map(Stream.rechunk(Stream.fromIterable(pieces), 1), (bytes) => {
      seen.bytes += bytes.byteLength
      return bytes
    })
  })
  return { content, seen, whole: Buffer.concat(pieces) }
}

const collect = <E>(stream: Stream.Stream<Uint8Array, E>) => Effect.map(Stream.runCollect(stream), (chunk) => Buffer.concat([...chunk]))

const seatsFor = <E>(content: Stream.Stream<Uint8Array, E>, readers: number) =>
  Effect.map(SharedRead.make(content, readers), (seats) => (index: number) => seats[index] ?? expect.fail("no such seat"))

const megabytes = (count: number) => Array.from({ length: count * 16 }, () => 64 * 1024)

describe("a shared read", () => {
  it.scoped.prop(
    "gives each reader everything, whatever the pieces, out of one read",
    { sizes: fc.array(fc.integer({ min: 0, max: 300_000 }), { maxLength: 12 }), readers: fc.integer({ min: 1, max: 5 }) },
    ({ readers, sizes }) =>
      Effect.gen(function* () {
        const { content, seen, whole } = contentOf(sizes)
        const seat = yield* seatsFor(content, readers)
        const read = yield* Effect.forEach(
          Array.from({ length: readers }, (_, index) => seat(index)),
          ({ content, leave }) => Effect.ensuring(collect(content.from(0)), leave),
          { concurrency: "unbounded" }
        )
        for (const bytes of read) expect(bytes.equals(whole)).toBe(true)
        expect(seen.reads).toBe(1)
      }),
    { fastCheck: { numRuns: 30 } }
  )

  it.scoped("does not run ahead of the slowest reader by more than what is kept", () =>
    Effect.gen(function* () {
      const { content, seen, whole } = contentOf(megabytes(4))
      const seat = yield* seatsFor(content, 2)
      const fast = yield* Effect.fork(collect(seat(0).content.from(0)))
      const go = yield* Deferred.make<void>()
      const slow = yield* Effect.fork(collect(Stream.tap(seat(1).content.from(0), () => Deferred.await(go))))
      yield* TestClock.adjust("1 second")
      expect(seen.bytes).toBeLessThan(SharedRead.windowBytes + 3 * 64 * 1024)
      yield* Deferred.succeed(go, undefined)
      expect((yield* Fiber.join(fast)).equals(whole)).toBe(true)
      expect((yield* Fiber.join(slow)).equals(whole)).toBe(true)
      expect(seen.reads).toBe(1)
    })
  )

  it.scoped("goes on without a reader that does nothing for some seconds, which reads by itself later", () =>
    Effect.gen(function* () {
      const { content, seen, whole } = contentOf(megabytes(2))
      const seat = yield* seatsFor(content, 2)
      const fast = yield* Effect.fork(collect(seat(0).content.from(0)))
      yield* TestClock.adjust("11 seconds")
      expect((yield* Fiber.join(fast)).equals(whole)).toBe(true)
      yield* seat(1).released
      expect((yield* collect(seat(1).content.from(0))).equals(whole)).toBe(true)
      expect(seen.reads).toBe(2)
    })
  )

  it.scoped("a reader that stops in the middle goes on by itself where it was", () =>
    Effect.gen(function* () {
      const { content, seen, whole } = contentOf(megabytes(2))
      const seat = yield* seatsFor(content, 2)
      const fast = yield* Effect.fork(collect(seat(0).content.from(0)))
      const go = yield* Deferred.make<void>()
      const slow = yield* Effect.fork(collect(Stream.tap(seat(1).content.from(0), () => Deferred.await(go))))
      yield* TestClock.adjust("11 seconds")
      expect((yield* Fiber.join(fast)).equals(whole)).toBe(true)
      yield* Deferred.succeed(go, undefined)
      expect((yield* Fiber.join(slow)).equals(whole)).toBe(true)
      expect(seen.reads).toBe(2)
    })
  )

  it.scoped("leaves nobody behind because the source is slow", () =>
    Effect.gen(function* () {
      const { content, seen, whole } = contentOf([1000, 2000, 3000])
      const seat = yield* seatsFor(
        Stream.tap(content, () => Effect.sleep("30 seconds")),
        2
      )
      const fast = yield* Effect.fork(collect(seat(0).content.from(0)))
      const go = yield* Deferred.make<void>()
      const slow = yield* Effect.fork(collect(Stream.tap(seat(1).content.from(0), () => Deferred.await(go))))
      yield* TestClock.adjust("55 seconds")
      yield* Deferred.succeed(go, undefined)
      yield* TestClock.adjust("5 minutes")
      expect((yield* Fiber.join(fast)).equals(whole)).toBe(true)
      expect((yield* Fiber.join(slow)).equals(whole)).toBe(true)
      expect(seen.reads).toBe(1)
    })
  )

  it.scoped("waits for nobody who has left", () =>
    Effect.gen(function* () {
      const { content, seen, whole } = contentOf(megabytes(2))
      const seat = yield* seatsFor(content, 3)
      yield* seat(1).leave
      const fast = yield* Effect.fork(collect(seat(0).content.from(0)))
      yield* Stream.runDrain(Stream.take(seat(2).content.from(0), 1))
      yield* seat(2).leave
      expect((yield* Fiber.join(fast)).equals(whole)).toBe(true)
      expect(seen.reads).toBe(1)
    })
  )

  it.scoped("a small blob is there for readers that come late, as long as one is to come", () =>
    Effect.gen(function* () {
      const { content, seen, whole } = contentOf([1000, 2000])
      const seat = yield* seatsFor(content, 2)
      yield* collect(seat(0).content.from(0))
      yield* seat(0).leave
      expect((yield* collect(seat(1).content.from(0))).equals(whole)).toBe(true)
      expect(seen.reads).toBe(1)
    })
  )

  it.scoped("a reader that comes in the middle, or once more, reads by itself and holds nobody up", () =>
    Effect.gen(function* () {
      const { content, seen, whole } = contentOf(megabytes(2))
      const seat = yield* seatsFor(content, 2)
      expect((yield* collect(seat(1).content.from(70_000))).equals(whole.subarray(70_000))).toBe(true)
      for (const reads of [2, 3]) {
        expect((yield* collect(seat(0).content.from(0))).equals(whole)).toBe(true)
        expect(seen.reads).toBe(reads)
      }
    })
  )

  it.scoped("fails for all when the source does", () =>
    Effect.gen(function* () {
      const { content } = contentOf([1000])
      const seat = yield* seatsFor(Stream.concat(content, Stream.fail("broken" as const)), 2)
      const read = (index: number) => Effect.flip(collect(seat(index).content.from(0)))
      expect(yield* Effect.all([read(0), read(1)], { concurrency: 2 })).toEqual(["broken", "broken"])
    })
  )
})
