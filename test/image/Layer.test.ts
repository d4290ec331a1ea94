import { randomBytes } from "node:crypto"
import { gunzipSync, gzipSync } from "node:zlib"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as MemoryStore from "../../src/content/MemoryStore.ts"
import * as Layer from "../../src/image/Layer.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import { turn } from "../support/Eventually.ts"
import * as Vectors from "../vectors/Vectors.ts"
import { archive, bytesOf, utf8 } from "./samples.ts"

const tar = archive("a layer")
const diffId = Digest.fromBytes(tar)

const stored = (bytes: Uint8Array, mediaType: string, options: Layer.LayerOptions<never> = {}) =>
  Effect.gen(function* () {
    const store = yield* MemoryStore.make()
    const descriptor = Descriptor.fromBytes(bytes, mediaType)
    yield* store.pushBlob(descriptor, bytes)
    return Layer.make(store, descriptor, options)
  })

const knows = (digest: Digest.Digest) => ({ diffId: Effect.succeed(Option.some(digest)) })

describe("a layer in a place", () => {
  it.effect("is read packed and unpacked, each time anew", () =>
    Effect.gen(function* () {
      const bytes = gzipSync(tar)
      const layer = yield* stored(bytes, MediaType.ociLayerTarGzip, knows(diffId))
      for (const _ of [1, 2]) {
        expect((yield* bytesOf(layer.compressed)).equals(bytes)).toBe(true)
        expect((yield* bytesOf(layer.uncompressed)).equals(tar)).toBe(true)
      }
    })
  )

  it.effect("is unpacked by its first bytes, whatever its media type says", () =>
    Effect.gen(function* () {
      const plain = yield* stored(tar, MediaType.ociLayerTarGzip, knows(diffId))
      expect((yield* bytesOf(plain.uncompressed)).equals(tar)).toBe(true)
      const packed = yield* stored(gzipSync(tar), MediaType.dockerLayerTar, knows(diffId))
      expect((yield* bytesOf(packed.uncompressed)).equals(tar)).toBe(true)
    })
  )

  it.effect("fails when the archive is another one than the config says, before its last bytes", () =>
    Effect.gen(function* () {
      const layer = yield* stored(gzipSync(tar), MediaType.ociLayerTarGzip, knows(Digest.fromBytes(utf8("another"))))
      let seen = 0
      const count = (bytes: Uint8Array) =>
        Effect.sync(() => {
          seen += bytes.length
        })
      const error = yield* Effect.flip(Stream.runForEach(layer.uncompressed, count))
      expect(error).toMatchObject({ _tag: "DigestMismatch", actual: diffId })
      expect(seen).toBeLessThan(tar.length)
    })
  )

  it.effect("fails when its bytes are others, however little of them belongs to what is packed", () =>
    Effect.gen(function* () {
      const descriptor = Descriptor.fromBytes(gzipSync(randomBytes(3_000_000)), MediaType.ociLayerTarGzip)
      const others = new Uint8Array(descriptor.size)
      others.set(gzipSync(tar))
      const pieces = Stream.range(0, 99).pipe(
        Stream.rechunk(1),
        Stream.mapEffect((at) => Effect.as(turn, others.subarray((at * others.length) / 100, ((at + 1) * others.length) / 100)))
      )
      const source = { fetchBlob: () => Digest.verifyStream(descriptor.digest, descriptor.size)(pieces) }
      const { uncompressed } = Layer.make(source, descriptor)
      expect(yield* Effect.flip(bytesOf(uncompressed))).toMatchObject({ _tag: "DigestMismatch", expected: descriptor.digest })
    })
  )

  it.effect("comes out of its descriptor when that has it, and not when that lies", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const descriptor = Descriptor.withData(Descriptor.fromBytes(tar, MediaType.ociLayerTar), tar)
      expect((yield* bytesOf(Layer.make(store, descriptor).uncompressed)).equals(tar)).toBe(true)
      const lying = Descriptor.withData(descriptor, archive("a lie"))
      expect(yield* Effect.flip(bytesOf(Layer.make(store, lying).compressed))).toMatchObject({ _tag: "DigestMismatch" })
    })
  )
})

describe("a new layer", () => {
  it.effect("of an archive in memory is packed, and the same each time", () =>
    Effect.gen(function* () {
      const layer = yield* Layer.fromTar(tar, { annotations: { b: "2", a: "1" } })
      expect(layer.diffId).toBe(diffId)
      expect(layer.descriptor).toMatchObject({ mediaType: MediaType.ociLayerTarGzip, annotations: { a: "1", b: "2" } })
      if (!(layer.content instanceof Uint8Array)) throw new Error("the bytes are in memory")
      expect(layer.descriptor).toMatchObject(Descriptor.fromBytes(layer.content, MediaType.ociLayerTarGzip))
      expect(gunzipSync(layer.content).equals(tar)).toBe(true)
      expect(yield* Layer.fromTar(tar, { annotations: { a: "1", b: "2" } })).toEqual(layer)
    })
  )

  it.effect("that is not compressed has one digest", () =>
    Effect.gen(function* () {
      const layer = yield* Layer.fromTar(tar, { compression: "none" })
      expect(layer.descriptor).toEqual(Descriptor.make({ mediaType: MediaType.ociLayerTar, digest: diffId, size: tar.length }))
      expect(layer.diffId).toBe(diffId)
    })
  )

  it.effect("of a stream is measured without being kept, and once more when it is read", () =>
    Effect.gen(function* () {
      let runs = 0
      const content = Stream.suspend(() => {
        runs++
        return Stream.make(tar.subarray(0, 100), tar.subarray(100))
      })
      const measured = yield* Layer.measure(Layer.fromStream(content))
      const expected = yield* Layer.fromTar(tar)
      expect(measured.descriptor).toEqual(expected.descriptor)
      expect(measured.diffId).toBe(diffId)
      expect(runs).toBe(1)
      const store = yield* MemoryStore.make()
      yield* store.pushBlob(measured.descriptor, measured.content)
      expect(runs).toBe(2)
    })
  )

  it.effect("that can be read once is kept, up to a limit", () =>
    Effect.gen(function* () {
      const once = { once: Stream.make(tar) }
      const measured = yield* Layer.measure(Layer.fromStream(once, { compression: "none" }))
      expect(measured.content).toEqual(tar)
      const error = yield* Effect.flip(Layer.measure(Layer.fromStream(once, { compression: "none" }), { limitBytes: tar.length - 1 }))
      expect(error).toMatchObject({ _tag: "LimitExceeded", limit: tar.length - 1 })
    })
  )

  it.effect("fails as its archive does", () =>
    Effect.gen(function* () {
      const broken = Layer.fromStream(Stream.concat(Stream.make(tar), Stream.fail("the disk")))
      expect(yield* Effect.flip(Layer.measure(broken))).toBe("the disk")
    })
  )
})

const Row = Schema.Struct({
  input: Schema.Struct({ uncompressed: Schema.String, compression: Schema.String }),
  expected: Schema.Struct({ diffId: Schema.String })
})

/** «10000 bytes 'a'». */
const described = (text: string): Uint8Array => {
  const [, count = "", byte = ""] = /^(\d+) bytes '(.)'$/.exec(text) ?? []
  if (count === "") throw new Error(`cannot read ${text}`)
  return utf8(byte.repeat(Number(count)))
}

describe("vectors", () => {
  it.effect.each(Vectors.load("stream-layer", Row))("stream-layer %j", (row) =>
    Effect.gen(function* () {
      expect(row.input.compression).toMatch(/^gzip/)
      const bytes = described(row.input.uncompressed)
      let packed: Buffer = Buffer.alloc(0)
      const { descriptor, diffId } = yield* Layer.pack(Layer.fromStream({ once: Stream.make(bytes) }), (stream) =>
        Effect.map(bytesOf(stream), (all) => {
          packed = all
          return Descriptor.fromBytes(all, MediaType.octetStream)
        })
      )
      expect(diffId).toBe(row.expected.diffId)
      expect(descriptor).toEqual(Descriptor.fromBytes(packed, MediaType.ociLayerTarGzip))
      expect(gunzipSync(packed).equals(bytes)).toBe(true)
    })
  )
})
