import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import { blake3 } from "@noble/hashes/blake3.js"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Digest from "../../src/model/Digest.ts"
import { portableSha2, sha2 } from "../../src/model/internal/sha2.ts"
import { DigestMismatch, InvalidDigest, SizeMismatch } from "../../src/model/RegistryError.ts"
import * as Vectors from "../vectors/Vectors.ts"

const Row = Schema.Struct({
  input: Schema.String,
  expected: Schema.Struct({ ok: Schema.Boolean, algorithm: Schema.optional(Schema.String), hex: Schema.optional(Schema.String) })
})

/** The OCI grammar once more, as one expression per registered algorithm and one for the others. */
const fits = (input: string): boolean =>
  /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}|blake3:[a-f0-9]{64})$/.test(input) ||
  (/^[a-z0-9]+([+._-][a-z0-9]+)*:[A-Za-z0-9=_-]+$/.test(input) && !/^(?:sha256|sha512|blake3):/.test(input))

const deviations: ReadonlyArray<Vectors.Deviation<typeof Row.Type>> = [
  {
    name: "every algorithm that fits the grammar",
    reason: "image-spec «Digests»: go-containerregistry knows sha256 alone",
    applies: ({ input }) => fits(input) && !input.startsWith("sha256:")
  }
]

const bytesOf = (text: string) => new TextEncoder().encode(text)

const parsed = (input: string) => Either.getOrThrow(Digest.parse(input))

const empty = parsed("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

const concat = (chunks: Iterable<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat([...chunks]))

describe("Digest", () => {
  describe("digest-parse.json", () => {
    for (const row of Vectors.load("digest-parse", Row)) {
      const deviation = Vectors.deviation(deviations, row)
      it(`${JSON.stringify(row.input)}${deviation === undefined ? "" : ` (${deviation.name})`}`, () => {
        const result = Digest.parse(row.input)
        expect(Either.isRight(result)).toBe(deviation === undefined ? row.expected.ok : true)
        if (Either.isLeft(result)) {
          expect(result.left).toBeInstanceOf(InvalidDigest)
          return
        }
        expect(result.right).toBe(row.input)
        if (deviation === undefined) {
          expect(Digest.algorithm(result.right)).toBe(row.expected.algorithm)
          expect(Digest.encoded(result.right)).toBe(row.expected.hex)
        }
      })
    }
  })

  describe("parse", () => {
    it.each([
      `sha512:${"a".repeat(128)}`,
      `blake3:${"0".repeat(64)}`,
      "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8",
      "a_b-c.d+e:x=_-"
    ])("accepts %s", (input) => {
      expect(Digest.parse(input)).toEqual(Either.right(input))
    })

    it.each([
      `sha512:${"a".repeat(64)}`,
      `blake3:${"0".repeat(63)}`,
      `blake3:${"F".repeat(64)}`,
      "sha256+:abc",
      "+sha:abc",
      "a++b:abc",
      "unknown:",
      ":abc",
      "unknown:a b",
      `sha256:${"a".repeat(64)}\n`
    ])("refuses %j", (input) => {
      expect(Either.isLeft(Digest.parse(input))).toBe(true)
    })

    it("says what is wrong, and repeats no more than a part of what was given", () => {
      const error = Either.getOrThrow(Either.flip(Digest.parse("sha256:abc")))
      expect(error.message).toBe('"sha256:abc" is not a usable digest: sha256 has 64 hex digits, not 3')
      expect(Either.getOrThrow(Either.flip(Digest.parse("x".repeat(100_000)))).input.length).toBeLessThan(1000)
    })

    it("never throws, and agrees with the grammar on any text", () => {
      const near = fc.stringMatching(/^(sha256|sha512|blake3|x\+y):[a-fA-F0-9=]{0,130}$/)
      fc.assert(
        fc.property(fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), near), (input) => {
          expect(Either.isRight(Digest.parse(input))).toBe(fits(input))
          expect(Digest.isDigest(input)).toBe(fits(input))
        })
      )
    })
  })

  it("make puts together what algorithm and encoded take apart", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom("sha256" as const, "sha512" as const), (bytes, algorithm) => {
        const digest = Digest.fromBytes(bytes, algorithm)
        expect(Digest.make(Digest.algorithm(digest), Digest.encoded(digest))).toEqual(Either.right(digest))
      })
    )
    expect(Either.isLeft(Digest.make("sha256", "abc"))).toBe(true)
  })

  it("the schema decodes, encodes and generates digests", () => {
    expect(Schema.decodeUnknownEither(Digest.Digest)("sha256:abc")).toSatisfy(Either.isLeft)
    expect(Schema.decodeUnknownEither(Digest.Digest)(7)).toSatisfy(Either.isLeft)
    expect(Schema.encodeSync(Digest.Digest)(empty)).toBe(empty)
    expect(Digest.isDigest(7)).toBe(false)
  })

  it("has an order and an equivalence", () => {
    const [a, b] = [Digest.fromBytes(bytesOf("a")), Digest.fromBytes(bytesOf("b"))]
    expect([a, b].sort(Digest.Order)).toEqual([b, a])
    expect([Digest.Equivalence(a, a), Digest.Equivalence(a, b)]).toEqual([true, false])
  })

  describe("hashing", () => {
    it("gives the published digests", () => {
      expect(Digest.fromBytes(new Uint8Array())).toBe(empty)
      expect(Digest.fromBytes(bytesOf("{}"))).toBe("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
      expect(Digest.fromBytes(bytesOf("abc"), "sha512")).toBe(
        "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
      )
    })

    it("is the same in native code and in JavaScript, however the bytes come", () => {
      fc.assert(
        fc.property(
          fc.array(fc.uint8Array({ maxLength: 300 })),
          fc.constantFrom("sha256" as const, "sha512" as const),
          (chunks, algorithm) => {
            const [fast, portable] = [sha2(algorithm), portableSha2(algorithm)]
            for (const chunk of chunks) {
              fast.update(chunk)
              portable.update(chunk)
            }
            const expected = createHash(algorithm).update(concat(chunks)).digest("hex")
            expect([Encoding.encodeHex(fast.digest()), Encoding.encodeHex(portable.digest())]).toEqual([expected, expected])
          }
        )
      )
    })

    it.effect("fails for an algorithm without hash function", () =>
      Effect.gen(function* () {
        for (const algorithm of ["md5", "blake3", "constructor", "__proto__", ""]) {
          expect(yield* Effect.flip(Digest.hasher(algorithm))).toBeInstanceOf(InvalidDigest)
        }
        const unknown = parsed("md5:d41d8cd98f00b204e9800998ecf8427e")
        expect(yield* Effect.flip(Digest.verify(new Uint8Array(), unknown))).toBeInstanceOf(InvalidDigest)
        expect(yield* Stream.empty.pipe(Digest.verifyStream(unknown), Stream.runDrain, Effect.flip)).toBeInstanceOf(InvalidDigest)
      })
    )

    it.effect("takes more hash functions, and keeps the default ones", () =>
      Effect.gen(function* () {
        const digest = parsed("blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
        yield* Digest.verify(new Uint8Array(), digest)
        yield* Stream.empty.pipe(Digest.verifyStream(digest), Stream.runDrain)
        yield* Digest.verify(new Uint8Array(), empty)
        const error = yield* Effect.flip(Digest.verify(bytesOf("x"), digest))
        expect(error).toBeInstanceOf(DigestMismatch)
      }).pipe(Effect.provide(Digest.layerHashers({ blake3: () => blake3.create({}) })))
    )
  })

  it.effect("verify names what it found and where", () =>
    Effect.gen(function* () {
      yield* Digest.verify(bytesOf("abc"), Digest.fromBytes(bytesOf("abc"), "sha512"))
      const origin = { registry: "ghcr.io", repository: "acme/app", operation: "getManifest" }
      const error = yield* Effect.flip(Digest.verify(bytesOf("abc"), empty, origin))
      expect(error).toEqual(new DigestMismatch({ ...origin, expected: empty, actual: Digest.fromBytes(bytesOf("abc")) }))
    })
  )

  describe("verifyStream", () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 6 })
    const streams = fc.array(chunks, { maxLength: 5 })
    const streamOf = (groups: ReadonlyArray<ReadonlyArray<Uint8Array>>) => Stream.fromChunks(...groups.map((_) => Chunk.fromIterable(_)))

    /** What a consumer saw, also of a stream that failed. */
    const observe = <E>(self: Stream.Stream<Uint8Array, E>) =>
      Effect.gen(function* () {
        const seen = yield* Ref.make(Chunk.empty<Uint8Array>())
        const exit = yield* self.pipe(
          Stream.runForEachChunk((chunk) => Ref.update(seen, Chunk.appendAll(chunk))),
          Effect.exit
        )
        return { exit, bytes: concat(yield* Ref.get(seen)) }
      })

    it.effect.prop("lets right content through unchanged, with size and without", [streams, fc.boolean()], ([groups, sized]) =>
      Effect.gen(function* () {
        const content = concat(groups.flat())
        const stage = Digest.verifyStream(Digest.fromBytes(content), sized ? content.length : undefined)
        const result = yield* observe(stage(streamOf(groups)))
        expect(result).toEqual({ exit: Exit.void, bytes: content })
      })
    )

    it.effect.prop("never shows the whole of wrong content, and a prefix at most", [streams, fc.uint8Array()], ([groups, other]) =>
      Effect.gen(function* () {
        const content = concat(groups.flat())
        const digest = Digest.fromBytes(concat([other, bytesOf("other")]))
        const result = yield* observe(Digest.verifyStream(digest)(streamOf(groups)))
        expect(result.exit).toEqual(Exit.fail(new DigestMismatch({ expected: digest, actual: Digest.fromBytes(content) })))
        expect(result.bytes).toEqual(content.subarray(0, result.bytes.length))
        expect(result.bytes.length).toBeLessThan(Math.max(content.length, 1))
      })
    )

    it.effect("holds content back even when empty chunks follow it", () =>
      Effect.gen(function* () {
        const groups = [[bytesOf("abc")], [new Uint8Array()], []]
        const result = yield* observe(Digest.verifyStream(empty)(streamOf(groups)))
        expect(result.bytes.length).toBe(0)
      })
    )

    it.effect("stops as soon as there is too much", () =>
      Effect.gen(function* () {
        const pulled = yield* Ref.make(0)
        const endless = Stream.repeatEffect(
          Effect.as(
            Ref.update(pulled, (_) => _ + 1),
            bytesOf("abcd")
          )
        )
        const { bytes, exit } = yield* observe(Digest.verifyStream(empty, 10, { operation: "getBlob" })(endless))
        expect(exit).toEqual(Exit.fail(new SizeMismatch({ operation: "getBlob", expected: 10, actual: 12 })))
        expect([yield* Ref.get(pulled), bytes.length]).toEqual([3, 4])
      })
    )

    it.effect("notices at the end that there is too little, before it looks at the digest", () =>
      Effect.gen(function* () {
        const { bytes, exit } = yield* observe(Digest.verifyStream(empty, 4)(Stream.make(bytesOf("abc"))))
        expect(exit).toEqual(Exit.fail(new SizeMismatch({ expected: 4, actual: 3 })))
        expect(bytes.length).toBe(0)
      })
    )

    it.effect("starts clean on each run", () =>
      Effect.gen(function* () {
        const content = bytesOf("abcdef")
        const attempts = yield* Ref.make(0)
        const flaky = Stream.unwrap(
          Effect.map(
            Ref.updateAndGet(attempts, (_) => _ + 1),
            (attempt) => Stream.concat(Stream.make(bytesOf("abc")), attempt < 3 ? Stream.fail("broken") : Stream.make(bytesOf("def")))
          )
        )
        const verified = Digest.verifyStream(Digest.fromBytes(content), 6)(flaky)
        const collected = yield* Effect.retry(Stream.runCollect(verified), { times: 5 })
        expect(concat(collected)).toEqual(content)
        expect(yield* Ref.get(attempts)).toBe(3)
      })
    )

    it.effect("passes failures of the source on", () =>
      Effect.gen(function* () {
        const { exit } = yield* observe(Digest.verifyStream(empty)(Stream.fail("broken")))
        expect(exit).toEqual(Exit.fail("broken"))
      })
    )

    it.effect("stays on its feet over many chunks", () =>
      Effect.gen(function* () {
        const chunk = bytesOf("0123456789abcdef")
        const hash = createHash("sha256")
        for (let i = 0; i < 50_000; i++) hash.update(chunk)
        const digest = parsed(`sha256:${hash.digest("hex")}`)
        const source = Stream.rechunk(Stream.take(Stream.repeatValue(chunk), 50_000), 1)
        const total = yield* Stream.runFold(Digest.verifyStream(digest, 800_000)(source), 0, (sum, _) => sum + _.length)
        expect(total).toBe(800_000)
      })
    )
  })
})
