import { gunzipSync, gzipSync } from "node:zlib"
import { assert, describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Stream from "effect/Stream"
import { decompress, gunzip, gzip, sniff } from "../../src/content/internal/compression.ts"
import { fromWeb, through } from "../../src/content/internal/transform.ts"
import { turn } from "../support/Eventually.ts"
import { encode as utf8 } from "./sampleImages.ts"

const bytesOf = <E, R>(stream: Stream.Stream<Uint8Array, E, R>): Effect.Effect<Buffer, E, R> =>
  Effect.map(Stream.runCollect(stream), (chunk) => Buffer.concat(Chunk.toReadonlyArray(chunk)))

/** Bytes of a length, told apart by their first ones. */
const archive = (name: string, length = 2048): Uint8Array => {
  const bytes = new Uint8Array(length)
  bytes.set(utf8(name).subarray(0, length))
  return bytes
}

// Each run packs and unpacks several times.
const runs = { fastCheck: { numRuns: 25 } }

const inParts = (bytes: Uint8Array, partBytes: number): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / partBytes) }, (_, part) => bytes.subarray(part * partBytes, (part + 1) * partBytes))
  )

// `printf 'hello hello hello hello' | zstd -19`: a compressed block, and a checksum.
const hello = Uint8Array.from(Buffer.from("KLUv/QRoZQAAMGhlbGxvIAEAmUsRF16uDQ==", "base64"))

const little = (value: number, bytes: number) => Array.from({ length: bytes }, (_, at) => Math.floor(value / 256 ** at) % 256)

const magic = [0x28, 0xb5, 0x2f, 0xfd]
const blockHeader = (type: number, size: number, last: boolean) => little(size * 8 + type * 2 + (last ? 1 : 0), 3)
const raw = (bytes: ReadonlyArray<number>, last = false) => [...blockHeader(0, bytes.length, last), ...bytes]
const repeated = (byte: number, count: number, last = false) => [...blockHeader(1, count, last), byte]
/** A frame with a window of 128 KiB (RFC 8878 §3.1.1). */
const frame = (...blocks: ReadonlyArray<ReadonlyArray<number>>) => [...magic, 0, 7 << 3, ...blocks.flat()]
const skipped = (bytes: ReadonlyArray<number>) => [0x53, 0x2a, 0x4d, 0x18, ...little(bytes.length, 4), ...bytes]

const reasonOf = (bytes: ReadonlyArray<number> | Uint8Array) =>
  Effect.map(Effect.flip(bytesOf(decompress(Stream.make(Uint8Array.from(bytes))))), (error) => error.reason)

describe("sniff", () => {
  it("knows gzip, zstd, frames to skip, and nothing else", () => {
    expect(sniff([0x1f, 0x8b, 8, 0])).toBe("gzip")
    expect(sniff(magic)).toBe("zstd")
    expect(sniff([0x5a, 0x2a, 0x4d, 0x18])).toBe("zstd")
    expect(sniff([0x6a, 0x2a, 0x4d, 0x18])).toBe("none")
    expect(sniff([0x1f])).toBe("none")
    expect(sniff([])).toBe("none")
  })
})

describe("decompress", () => {
  it.effect.prop(
    "gives back what was packed, whatever chunks it arrives in",
    [fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 99 })],
    ([bytes, part]) =>
      Effect.gen(function* () {
        const plain = Buffer.concat([utf8("plain"), bytes])
        expect((yield* bytesOf(decompress(inParts(plain, part)))).equals(plain)).toBe(true)
        expect((yield* bytesOf(decompress(inParts(gzipSync(bytes), part)))).equals(bytes)).toBe(true)
        const members = Buffer.concat([gzipSync(bytes), gzipSync(plain)])
        expect((yield* bytesOf(decompress(inParts(members, part)))).equals(Buffer.concat([bytes, plain]))).toBe(true)
        const frames = Uint8Array.from([
          ...skipped([1, 2, 3]),
          ...frame(raw([...bytes]), repeated(7, 1000), raw([], true)),
          ...skipped([]),
          ...frame(repeated(8, 10, true))
        ])
        const unpacked = Buffer.concat([bytes, Buffer.alloc(1000, 7), Buffer.alloc(10, 8)])
        expect((yield* bytesOf(decompress(inParts(frames, part)))).equals(unpacked)).toBe(true)
      }),
    runs
  )

  it.effect("unpacks what zstd writes", () =>
    Effect.gen(function* () {
      for (const part of [1, 5, 100]) {
        expect((yield* bytesOf(decompress(inParts(hello, part)))).toString()).toBe("hello hello hello hello")
      }
      expect(yield* reasonOf(hello.subarray(0, -1))).toMatch(/middle of a frame/)
    })
  )

  it.effect("nothing is nothing", () =>
    Effect.gen(function* () {
      expect((yield* bytesOf(decompress(Stream.empty))).length).toBe(0)
      expect((yield* bytesOf(decompress(Stream.make(new Uint8Array())))).length).toBe(0)
    })
  )

  it.effect("what is broken fails", () =>
    Effect.gen(function* () {
      const packed = gzipSync(archive("broken"))
      const error = yield* Effect.flip(bytesOf(decompress(Stream.make(packed.subarray(0, -3)))))
      expect(error).toMatchObject({ _tag: "MalformedContent", kind: "gzip content" })
      expect(yield* reasonOf(Buffer.concat([packed, utf8("more")]))).not.toBe("")
      expect(yield* reasonOf([...magic, 0b1000, 56])).toMatch(/reserved bit/)
      expect(yield* reasonOf(frame(blockHeader(3, 1, true)))).toMatch(/reserved type/)
      expect(yield* reasonOf(frame(blockHeader(0, 128 * 1024 + 1, true)))).toMatch(/too long/)
      expect(yield* reasonOf([...frame(repeated(1, 1, true)), 1, 2, 3, 4])).toMatch(/no frame/)
      expect(yield* reasonOf([...magic, 0b11, 56, 1, 0, 0, 0])).toMatch(/dictionary/)
      expect(yield* reasonOf([...magic, 0b0010_0000 | 0b1100_0000, ...little(2 ** 40, 8)])).toMatch(/window/)
      expect(yield* reasonOf([...magic, 0, 0xff])).toMatch(/window/)
      expect(yield* reasonOf(frame([...blockHeader(2, 4, true), 0xff, 0xff, 0xff, 0xff]))).not.toBe("")
    })
  )

  it.effect("a small input that unpacks to much comes in small parts", () =>
    Effect.gen(function* () {
      const blocks = Array.from({ length: 400 }, (_, at) => repeated(0, 128 * 1024, at === 399))
      const sizes: Array<number> = []
      yield* Stream.runForEachChunk(decompress(Stream.make(Uint8Array.from(frame(...blocks)))), (chunk) =>
        Effect.sync(() => {
          let size = 0
          for (const bytes of chunk) size += bytes.length
          sizes.push(size)
        })
      )
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(400 * 128 * 1024)
      expect(Math.max(...sizes)).toBeLessThanOrEqual(512 * 1024)
    })
  )
})

describe("zstd of very many blocks", () => {
  it.effect("takes time that grows with its length", () =>
    Effect.gen(function* () {
      const empty = new Uint8Array(3 * 100_000)
      const packed = Uint8Array.from([...frame(), ...empty, ...repeated(7, 5, true)])
      expect((yield* bytesOf(decompress(Stream.make(packed)))).length).toBe(5)
    })
  )
})

describe("gzip and gunzip", () => {
  it.effect.prop(
    "what is packed is the same for any chunks, and unpacks elsewhere",
    [fc.uint8Array({ maxLength: 3000 }), fc.integer({ min: 1, max: 99 })],
    ([bytes, part]) =>
      Effect.gen(function* () {
        const packed = yield* bytesOf(gzip(inParts(bytes, part)))
        expect(gunzipSync(packed).equals(bytes)).toBe(true)
        expect(packed.equals(yield* bytesOf(gzip(Stream.make(bytes))))).toBe(true)
      }),
    runs
  )

  it.effect("a failure of the stream comes out as it is, a defect too", () =>
    Effect.gen(function* () {
      const failing = Stream.concat(Stream.make(gzipSync(archive("x")).subarray(0, 20)), Stream.fail("the network"))
      expect(yield* Effect.flip(bytesOf(gunzip(failing)))).toBe("the network")
      expect(yield* Effect.flip(bytesOf(gzip(failing)))).toBe("the network")
      const exit = yield* Effect.exit(bytesOf(gzip(Stream.die("a bug"))))
      assert(Exit.isFailure(exit))
      expect([...Cause.defects(exit.cause)]).toEqual(["a bug"])
    })
  )

  it.effect("also when it was found out how it is packed", () =>
    Effect.gen(function* () {
      for (const head of [gzipSync(archive("x")).subarray(0, 20), hello.subarray(0, 10), archive("plain"), utf8("abc")]) {
        const failing = Stream.concat(Stream.make(head), Stream.fail("the network"))
        expect(yield* Effect.flip(bytesOf(decompress(failing)))).toBe("the network")
      }
      expect(yield* Effect.flip(bytesOf(decompress(Stream.fail("the network"))))).toBe("the network")
    })
  )

  it.effect("the stream is read to its end, whatever follows the content", () =>
    Effect.gen(function* () {
      const zeros = Stream.repeatEffect(Effect.as(turn, new Uint8Array(100_000))).pipe(Stream.take(10))
      const padded = Stream.concat(Stream.make(gzipSync(archive("x"))), zeros)
      expect((yield* bytesOf(gunzip(padded))).equals(archive("x"))).toBe(true)
      expect(yield* Effect.flip(bytesOf(gunzip(Stream.concat(padded, Stream.fail("the digest")))))).toBe("the digest")
    })
  )

  it.effect("who stops reading ends the stream", () =>
    Effect.gen(function* () {
      let ended = 0
      const endless = Stream.ensuring(
        Stream.repeatValue(archive("again", 65536)),
        Effect.sync(() => {
          ended++
        })
      )
      yield* Stream.runDrain(Stream.take(gzip(endless), 1))
      yield* Stream.runDrain(Stream.take(decompress(Stream.concat(Stream.make(gzipSync(archive("head"))), endless)), 1))
      expect(ended).toBe(2)
    })
  )

  it.live("who stops reading while bytes are on their way ends nothing else", () =>
    Effect.gen(function* () {
      const packed = gzipSync(Buffer.alloc(32 * 1024 * 1024))
      for (let run = 0; run < 20; run++) {
        expect(yield* Stream.runCount(Stream.take(gunzip(Stream.make(packed)), 1))).toBe(1)
        yield* turn
      }
    })
  )
})

// What runtimes without `node:zlib` have.
describe("the transforms of the web", () => {
  const web = through<Error>(
    () => fromWeb(new DecompressionStream("gzip")),
    (cause) => Cause.fail(cause instanceof Error ? cause : new Error(String(cause)))
  )

  it.effect("unpack the same", () =>
    Effect.gen(function* () {
      const plain = archive("web", 300_000)
      expect((yield* bytesOf(web(inParts(gzipSync(plain), 100)))).equals(plain)).toBe(true)
      expect(yield* Effect.flip(bytesOf(web(inParts(gzipSync(plain).subarray(0, -3), 100))))).toBeInstanceOf(Error)
      expect(yield* Effect.flip(bytesOf(web(Stream.fail("the network"))))).toBe("the network")
    })
  )
})
