import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Content from "../../src/client/internal/uploadContent.ts"
import * as UploadSource from "../../src/client/internal/uploadSource.ts"
import { SizeMismatch } from "../../src/model/RegistryError.ts"
import { bytesOf, pieces } from "../support/Uploads.ts"

const MiB = 1024 * 1024

/** A stream, and how often it was run. */
const counted = (bytes: Uint8Array, size = 7) => {
  const offsets: Array<number> = []
  const open = (offset: number) =>
    Stream.suspend(() => {
      offsets.push(offset)
      return pieces(bytes.subarray(offset), size)
    })
  return { offsets, seeking: open, whole: () => open(0) }
}

const read = <E>(stream: Stream.Stream<Uint8Array, E>, atLeast = Number.POSITIVE_INFINITY) =>
  Effect.scoped(
    Effect.gen(function* () {
      const pull = yield* Stream.toPull(stream)
      const parts: Array<Uint8Array> = []
      let size = 0
      while (size < atLeast) {
        const chunk = yield* Effect.catchAll(
          pull,
          Option.match({ onNone: () => Effect.succeed(Chunk.empty<Uint8Array>()), onSome: Effect.fail })
        )
        if (Chunk.isEmpty(chunk)) break
        for (const bytes of chunk) {
          parts.push(bytes)
          size += bytes.byteLength
        }
      }
      return Buffer.concat(parts)
    })
  )

const make = <E>(open: (offset: number) => Stream.Stream<Uint8Array, E>, seeks: boolean) =>
  Effect.flatMap(Effect.runtime(), (runtime) =>
    Effect.acquireRelease(
      Effect.sync(() => UploadSource.make(runtime, open, seeks)),
      ({ close }) => close
    )
  )

const content = bytesOf(1000)
const part = (from: number, to = content.byteLength) => Buffer.from(content.subarray(from, to))

describe("uploadSource", () => {
  it.scoped("is read once, wherever requests break and go on", () =>
    Effect.gen(function* () {
      for (const seeks of [false, true]) {
        const source = counted(content)
        const { from, reached } = yield* make(seeks ? source.seeking : source.whole, seeks)
        expect(reached()).toBe(0)
        expect(yield* read(from(0), 300)).toEqual(part(0, 301))
        for (const offset of [250, 0, 301, 3]) expect((yield* read(from(offset), 1)).subarray(0, 1)).toEqual(part(offset, offset + 1))
        expect(yield* read(from(123))).toEqual(part(123))
        for (const offset of [0, 999, 1000]) expect(yield* read(from(offset))).toEqual(part(offset))
        expect([reached(), source.offsets]).toEqual([1000, [0]])
      }
    })
  )

  it.scoped("begins where it is first asked to, with a source that can", () =>
    Effect.gen(function* () {
      const able = counted(content)
      const { from } = yield* make(able.seeking, true)
      expect(yield* read(from(500))).toEqual(part(500))
      expect(able.offsets).toEqual([500])
      const unable = counted(content)
      expect(yield* read((yield* make(unable.whole, false)).from(500))).toEqual(part(500))
      expect(unable.offsets).toEqual([0])
    })
  )

  it.scoped("keeps some mebibytes, and reads again what lies further back", () =>
    Effect.gen(function* () {
      const large = bytesOf(20 * MiB)
      for (const seeks of [false, true]) {
        const source = counted(large, MiB / 2)
        const { from } = yield* make(seeks ? source.seeking : source.whole, seeks)
        yield* read(from(0), 15 * MiB)
        expect((yield* read(from(11 * MiB), 9 * MiB)).equals(large.subarray(11 * MiB))).toBe(true)
        expect(source.offsets).toEqual([0])
        expect((yield* read(from(2 * MiB))).equals(large.subarray(2 * MiB))).toBe(true)
        expect(source.offsets).toEqual([0, seeks ? 2 * MiB : 0])
      }
    })
  )

  it.scoped("bodies of requests tell how far in the blob they are, also when they are asked for again", () =>
    Effect.gen(function* () {
      const told: Array<readonly [number, number]> = []
      const { from } = yield* make(counted(content, 400).seeking, true)
      const { body } = Content.fromStream({
        sizeBytes: content.byteLength,
        open: from,
        replayable: true,
        mismatch: (actual) => new SizeMismatch({ expected: content.byteLength, actual }),
        onBytes: (...step) => told.push(step)
      })
      for (const offset of [0, 300]) {
        const request = body(offset, content.byteLength - offset)
        if (request._tag !== "Stream") return expect.fail(request._tag)
        yield* Stream.runDrain(request.stream)
      }
      expect(told.map(([, reached]) => reached).filter((reached) => reached === content.byteLength).length).toBe(2)
      expect(told.reduce((sum, [count]) => sum + count, 0)).toBe(1000 + 700)
    })
  )

  it.scoped("gives what is kept in small steps, so that a slow connection is seen to be alive", () =>
    Effect.gen(function* () {
      const large = bytesOf(4 * MiB)
      const { from } = yield* make(counted(large, 64 * 1024).seeking, true)
      yield* read(from(0))
      const sizes = yield* Stream.runCollect(
        Stream.map(
          Stream.chunks(from(1000)),
          Chunk.reduce(0, (sum, bytes) => sum + bytes.byteLength)
        )
      )
      expect(Chunk.reduce(sizes, 0, (sum, size) => sum + size)).toBe(4 * MiB - 1000)
      expect(Math.max(...sizes)).toBeLessThan(MiB / 2)
    })
  )

  it.scoped("a request that ends while it waits for the source harms nothing", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let runs = 0
      const open = () =>
        Stream.suspend(() => {
          runs++
          return Stream.concat(Stream.make(part(0, 10)), Stream.fromEffect(Effect.as(Deferred.await(gate), part(10))))
        })
      const { from, ready } = yield* make(open, false)
      const waiting = yield* Effect.fork(read(from(0)))
      const behind = yield* Effect.fork(ready(10))
      yield* Effect.yieldNow()
      yield* ready(9)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(waiting))).toBe(true)
      const next = yield* Effect.fork(read(from(4)))
      yield* Effect.yieldNow()
      yield* Deferred.succeed(gate, undefined)
      expect(yield* Fiber.join(next)).toEqual(part(4))
      yield* Fiber.join(behind)
      expect(runs).toBe(1)
    })
  )

  it.scoped("neither reader nor source waits for ever, however their steps interleave", () =>
    Effect.gen(function* () {
      for (let steps = 16; steps < 80; steps++) {
        const both = Effect.gen(function* () {
          const { from, ready } = yield* make(counted(content, 100).seeking, true)
          return yield* Effect.all([read(from(0)), ready(950)], { concurrency: 2 })
        })
        const [bytes] = yield* Effect.scoped(Effect.withMaxOpsBeforeYield(both, steps))
        expect(bytes).toEqual(part(0))
      }
    })
  )

  it.scoped("tells the failure of the source, to whoever waits and whoever reads", () =>
    Effect.gen(function* () {
      const broken = Stream.concat(Stream.make(part(0, 10)), Stream.fail("the disk"))
      const { from, ready } = yield* make(() => broken, false)
      yield* ready(9)
      expect(yield* Effect.flip(ready(10))).toBe("the disk")
      expect(yield* Effect.flip(read(from(0)))).toBe("the disk")
      const never = yield* make(() => Stream.fail("no such file"), true)
      expect(yield* Effect.flip(never.ready(5))).toBe("no such file")
    })
  )

  it.effect("lets go of the source when it is not needed any more", () =>
    Effect.gen(function* () {
      let closed = 0
      const stream = Stream.ensuring(
        Stream.concat(Stream.make(part(0, 10)), Stream.never),
        Effect.sync(() => {
          closed++
        })
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { from } = yield* make(() => stream, false)
          const fiber = yield* Effect.fork(read(from(0)))
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(fiber)
          expect(closed).toBe(0)
        })
      )
      expect(closed).toBe(1)
    })
  )
})
