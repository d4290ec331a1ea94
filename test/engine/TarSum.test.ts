import { Buffer } from "node:buffer"
import { assert, describe, it } from "@effect/vitest"
import { assertNone } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TarSums from "../../src/engine/internal/tarSums.ts"
import * as TarSum from "../../src/engine/TarSum.ts"
import * as Memory from "../support/Memory.ts"
import { load } from "../vectors/Vectors.ts"
import { goSums } from "./goTarSums.ts"
import { archive, binary, entry, gnu, pax, samples } from "./tarSamples.ts"

const row = Schema.Struct({
  name: Schema.String,
  tarBase64: Schema.String,
  imageJSON: Schema.NullOr(Schema.String),
  expected: Schema.String,
  expectedV1: Schema.String,
  expectedEntrySumsSorted: Schema.Array(Schema.Struct({ name: Schema.String, pos: Schema.Int, sum: Schema.String }))
})

/** Paths are kept as bytes, and long ones by their hash. */
const pathKey = (name: string) => TarSums.pathKey(Buffer.from(name).toString("latin1"))

const encode = (text: string) => new TextEncoder().encode(text)

/** In pieces that begin and end anywhere. */
const pieces = (bytes: Uint8Array, length: number) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / length) }, (_, index) => bytes.subarray(index * length, (index + 1) * length))
  )

const sum = (bytes: Uint8Array, options?: TarSum.Options) => TarSum.of(Stream.make(bytes), options)

describe("TarSum.of", () => {
  for (const { expected, expectedEntrySumsSorted, expectedV1, imageJSON, name, tarBase64 } of load("tarsum", row)) {
    it.effect(`vector: ${name}`, () =>
      Effect.gen(function* () {
        const bytes = Buffer.from(tarBase64, "base64")
        const json = imageJSON === null ? undefined : encode(imageJSON)
        assert.strictEqual(yield* sum(bytes, { json }), expected)
        assert.strictEqual(yield* sum(bytes, { json, version: "v1" }), expectedV1)
        const running = TarSums.run("v0")
        yield* running.push(bytes)
        assert.deepStrictEqual(
          TarSums.inOrder(yield* running.end).map((_) => ({ path: _.path, pos: _.position, sum: _.sum })),
          expectedEntrySumsSorted.map(({ name, pos, sum }) => ({ path: pathKey(name), pos, sum }))
        )
      })
    )
  }

  describe("is what moby's pkg/tarsum computes", () => {
    for (const [name, bytes] of Object.entries(samples)) {
      const [v0, v1] = goSums[name] ?? ["no row", "no row"]
      it.effect(name, () =>
        Effect.gen(function* () {
          const outcome = (version: TarSum.Version, json?: Uint8Array) =>
            Effect.map(Effect.either(sum(bytes, { version, json })), (_) => (Either.isLeft(_) ? _.left._tag : _.right))
          assert.deepStrictEqual([yield* outcome("v0"), yield* outcome("v1", encode("{}"))], [v0, v1])
        })
      )
    }

    it("no sample is without its sum, and no sum without its sample", () => {
      assert.deepStrictEqual(Object.keys(goSums).sort(), Object.keys(samples).sort())
    })
  })

  it.effect("does not depend on how the bytes are cut", () =>
    Effect.gen(function* () {
      for (const [name, bytes] of Object.entries(samples)) {
        if (name.startsWith("broken")) continue
        const whole = yield* sum(bytes)
        for (const length of [1, 7, 511, 513]) assert.strictEqual(yield* TarSum.of(pieces(bytes, length)), whole, name)
      }
    })
  )

  it.effect("keeps no bytes that it was given: they may be written over for the next ones", () =>
    Effect.gen(function* () {
      const bytes = samples["pax: everything"] ?? new Uint8Array()
      const buffer = new Uint8Array(100)
      const written = Stream.map(Stream.rechunk(pieces(bytes, buffer.length), 1), (piece) => {
        buffer.set(piece)
        return buffer.subarray(0, piece.length)
      })
      assert.strictEqual(yield* TarSum.of(written), yield* sum(bytes))
    })
  )

  it.effect("does not depend on the order of entries, as long as no path stands there twice", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { maxLength: 30 }),
          fc.infiniteStream(fc.nat()),
          async (names, random) => {
            const entries = names.map((name) => entry({ name, content: name.repeat(20) }))
            const mixed = entries.map((bytes) => [random.next().value, bytes] as const).sort(([a], [b]) => a - b)
            const both = Effect.all([sum(archive(...entries)), sum(archive(...mixed.map(([, bytes]) => bytes)))])
            const [one, another] = await Effect.runPromise(both)
            assert.strictEqual(one, another)
          }
        ),
        { numRuns: 50 }
      )
    )
  )

  it.effect("takes any bytes, and ends: in a sum or in an error of its own", () =>
    Effect.promise(() => {
      const base = archive(samples["sparse: GNU's old format"] ?? new Uint8Array(), pax([["path", "x"]]), entry({ name: "f" }))
      const change = fc.tuple(fc.nat(base.length - 1), fc.nat(255))
      return fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
          const bytes = Buffer.from(base)
          for (const [at, byte] of changes) bytes[at] = byte
          const found = await Effect.runPromise(Effect.either(sum(bytes)))
          if (Either.isLeft(found)) assert.include(["MalformedContent", "LimitExceeded"], found.left._tag)
          else assert.match(found.right, /^tarsum\+sha256:[0-9a-f]{64}$/)
        }),
        { numRuns: 300 }
      )
    })
  )

  it.effect("a header over 1 MiB and holes over 64 GiB are refused", () =>
    Effect.gen(function* () {
      const long = entry({ name: "L", flag: "L", magic: gnu, content: "x".repeat(1024 * 1024 + 1) })
      const error = yield* Effect.flip(sum(archive(long)))
      assert.deepInclude(error, { _tag: "LimitExceeded", what: "a header of the archive", limit: 1024 * 1024 })
      const holes = entry({ name: "s", flag: "S", magic: gnu, at: [[483, binary(2n ** 62n, 12)]] })
      assert.strictEqual((yield* Effect.flip(sum(archive(holes))))._tag, "LimitExceeded")
    })
  )

  it.effect("a file that is mostly a hole lets others run, and can be interrupted", () =>
    Effect.gen(function* () {
      const hole = archive(entry({ name: "s", flag: "S", magic: gnu, at: [[483, binary(2n ** 36n, 12)]] }))
      const fiber = yield* Effect.fork(sum(hole))
      yield* Effect.yieldNow()
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(fiber)
    })
  )

  for (const [name, count, holeBytes] of [
    ["one large hole", 1, 2n ** 29n],
    ["many small holes", 100, 2n ** 23n - 1n]
  ] as const) {
    it.live(`lets timers and sockets have their turn: ${name}`, () =>
      Effect.gen(function* () {
        const hole = entry({ name: "s", flag: "S", magic: gnu, at: [[483, binary(holeBytes, 12)]] })
        const whole = archive(...Array.from({ length: count }, () => hole))
        const first = yield* Effect.race(Effect.as(sum(whole), "the sum"), Effect.as(Effect.sleep("1 millis"), "the timer"))
        assert.strictEqual(first, "the timer")
      })
    )
  }

  it.effect("takes no longer for the map of a sparse file when it is all one line", () =>
    Effect.gen(function* () {
      const line = `${"0".repeat(1000 * 1024)}1\n`
      const map = Buffer.alloc(Math.ceil(line.length / 512) * 512)
      map.write(`${line}0\n0\n`)
      const sparse = Buffer.concat([
        pax([
          ["GNU.sparse.major", "1"],
          ["GNU.sparse.minor", "0"],
          ["GNU.sparse.realsize", "0"]
        ]),
        entry({ name: "s", content: map })
      ])
      const started = process.cpuUsage()
      yield* sum(archive(...Array.from({ length: 20 }, () => sparse)))
      assert.isBelow(process.cpuUsage(started).user, 2_000_000)
    })
  )

  it.scopedLive("keeps little of an entry, however long the header is that names it", () =>
    Effect.gen(function* () {
      const MiB = 1024 * 1024
      const [header, file] = [
        pax([
          ["path", "a-name-of-its-own"],
          ["comment", "x".repeat(MiB - 1000)]
        ]),
        entry({ name: "f" })
      ]
      const entries = Stream.take(Stream.forever(Stream.make(header, file)), 80)
      let usedBytes = 0
      const measured = Effect.map(Memory.bytesInUse, (bytes) => {
        usedBytes = bytes
      })
      const before = yield* Memory.bytesInUse
      yield* TarSum.of(Stream.concat(entries, Stream.drain(Stream.fromEffect(measured))))
      assert.isBelow(usedBytes - before, 20 * MiB)
    })
  )

  it.effect("fails as its archive does", () =>
    Effect.gen(function* () {
      const bytes = Stream.make(samples["a folder"] ?? new Uint8Array())
      assert.strictEqual(yield* Effect.flip(TarSum.of(Stream.concat(bytes, Stream.fail("cut")))), "cut")
    })
  )
})

describe("TarSum.tap", () => {
  const bytes = samples["pax: everything"] ?? new Uint8Array()

  it.effect("passes the bytes on and has the sum when they are through, however often", () =>
    Effect.gen(function* () {
      const { stream, sum: found } = yield* TarSum.tap(pieces(bytes, 100), { json: encode("{}") })
      const waiting = yield* Effect.fork(found)
      for (const _ of [1, 2]) {
        const through = Buffer.concat([...(yield* Stream.runCollect(stream))])
        assert.isTrue(through.equals(bytes))
        assert.strictEqual(yield* found, yield* sum(bytes, { json: encode("{}") }))
      }
      assert.strictEqual(yield* Fiber.join(waiting), yield* found)
    })
  )

  it.effect("a reader that stops early does not end it", () =>
    Effect.gen(function* () {
      const { stream, sum: found } = yield* TarSum.tap(pieces(bytes, 100))
      yield* Stream.runDrain(Stream.take(stream, 2))
      const waiting = yield* Effect.fork(found)
      yield* Effect.yieldNow()
      assertNone(yield* Fiber.poll(waiting))
      yield* Stream.runDrain(stream)
      assert.strictEqual(yield* Fiber.join(waiting), yield* sum(bytes))
    })
  )

  it.effect("what is no archive fails as soon as it shows, before the rest is read", () =>
    Effect.gen(function* () {
      const more = yield* Deferred.make<never>()
      const junk = Stream.concat(Stream.make(Buffer.alloc(600, "x")), Stream.fromEffect(Deferred.await(more)))
      const { stream } = yield* TarSum.tap(junk)
      const error = yield* Effect.flip(Stream.runDrain(stream))
      assert.strictEqual(error.message, "not a valid tar archive: a header has the wrong checksum")
    })
  )
})
