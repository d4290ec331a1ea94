import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as BlobDownload from "../../src/client/BlobDownload.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"

const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))
const content = Uint8Array.from({ length: 200 }, (_, index) => (index * 31) % 251)

const join = (chunks: Chunk.Chunk<Uint8Array>) => Uint8Array.from(Chunk.toReadonlyArray(chunks).flatMap((bytes) => Array.from(bytes)))

const download = (blob: Descriptor.Descriptor | Digest.Digest, options?: BlobDownload.Options) =>
  Effect.flatMap(RegistryTransport.RegistryTransport, (transport) =>
    Effect.map(Stream.runCollect(BlobDownload.stream(transport, repository, blob, options)), join)
  )

const seed = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.seedBlob(repository.name, content))

const blobRequests = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
  Effect.map(registry.requests, (requests) => requests.filter((request) => request.endpoint === "blob"))
)

const blobs = { path: /\/blobs\/sha/, method: "GET" }

describe("BlobDownload", () => {
  it.effect("gives the bytes of a blob, with one request", () =>
    Effect.gen(function* () {
      const blob = yield* seed
      expect(yield* download(blob)).toEqual(content)
      expect(yield* download(blob.digest)).toEqual(content)
      expect((yield* blobRequests).map(({ method, status }) => [method, status])).toEqual([
        ["GET", 200],
        ["GET", 200]
      ])
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("gives no empty pieces, whatever the network gives", () => {
    const pieces = Fault.custom("pieces", (exchange) => {
      const empty = new Uint8Array(0)
      const body = Stream.fromChunk(Chunk.make(empty, content.subarray(0, 7), empty, content.subarray(7), empty))
      return Fault.respond(200, { "content-length": String(content.byteLength) }, body).apply(exchange)
    })
    return Effect.gen(function* () {
      const blob = yield* seed
      const transport = yield* RegistryTransport.RegistryTransport
      for (const stream of [
        BlobDownload.stream(transport, repository, blob),
        BlobDownload.streamRange(transport, repository, blob.digest, { offset: 0 }),
        BlobDownload.streamRange(transport, repository, blob.digest, { offset: 0, length: content.byteLength })
      ]) {
        const lengths = Chunk.toReadonlyArray(Chunk.map(yield* Stream.runCollect(stream), (bytes) => bytes.byteLength))
        expect(lengths).toEqual([7, content.byteLength - 7])
      }
    }).pipe(Effect.provide(Registries.layer({ rules: [{ match: blobs, fault: pieces }] })))
  })

  it.effect("says what the registry says of a blob it refuses", () =>
    Effect.gen(function* () {
      const transport = yield* RegistryTransport.RegistryTransport
      const missing = Digest.fromBytes(Uint8Array.of(1))
      const whole = yield* Effect.flip(download(missing))
      const part = yield* Effect.flip(Stream.runDrain(BlobDownload.streamRange(transport, repository, missing, { offset: 1 })))
      for (const error of [whole, part]) {
        expect(error).toMatchObject({ _tag: "BlobUnknown", status: 404, diagnostics: [{ code: "BLOB_UNKNOWN" }] })
      }
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("uses the data of a descriptor without any request", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const data = Buffer.from(content).toString("base64")
      const blob = { mediaType: "application/octet-stream", digest: Digest.fromBytes(content), size: content.byteLength, data }
      expect(yield* download(blob)).toEqual(content)
      for (const kept of [0, 120, content.byteLength]) {
        expect(yield* download(blob, { partial: Stream.make(content.subarray(0, kept)) })).toEqual(content.subarray(kept))
      }
      const tooLong = yield* Effect.flip(download(blob, { partial: Stream.make(content, content.subarray(0, 10)) }))
      expect(tooLong).toMatchObject({ _tag: "SizeMismatch", expected: 200, actual: 210 })
      expect(yield* Effect.flip(download(blob, { partial: Stream.make(new Uint8Array(10)) }))).toMatchObject({ _tag: "DigestMismatch" })
      expect(yield* registry.requests).toEqual([])
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("goes on after a cut at every offset, with one more request and no byte twice", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const faults = yield* FaultyHttp.FaultyHttp
      const blob = yield* seed
      for (let offset = 0; offset < content.byteLength; offset++) {
        yield* registry.clearRequests
        yield* faults.setRules([{ match: { ...blobs, count: 1 }, fault: Fault.cutResponseAt(offset) }])
        expect(yield* download(blob)).toEqual(content)
        const requests = yield* blobRequests
        expect(requests.length).toBe(2)
        expect(requests[1]?.headers["range"]).toBe(offset === 0 ? undefined : `bytes=${offset}-`)
        expect(requests[1]?.bytesOut).toBe(content.byteLength - offset)
      }
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("takes a body that ends early without an error for a cut one", () =>
    Effect.gen(function* () {
      const blob = yield* seed
      expect(yield* download(blob)).toEqual(content)
      expect((yield* blobRequests).length).toBe(2)
    }).pipe(Effect.provide(Registries.layer({ rules: [{ match: { ...blobs, count: 1 }, fault: Fault.endResponseAt(70) }] })))
  )

  it.effect("skips what it has when the registry ignores the range", () =>
    Effect.gen(function* () {
      const blob = yield* seed
      expect(yield* download(blob)).toEqual(content)
      const requests = yield* blobRequests
      expect(requests.map(({ status }) => status)).toEqual([200, 200])
    }).pipe(
      Effect.provide(
        Registries.layer({
          rules: [
            { match: { ...blobs, count: 1 }, fault: Fault.cutResponseAt(70) },
            { match: blobs, fault: Fault.ignoreRange }
          ]
        })
      )
    )
  )

  it.effect("does not believe an answer that begins elsewhere, and asks for the whole", () =>
    Effect.gen(function* () {
      const blob = yield* seed
      const fiber = yield* Effect.fork(download(blob))
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toEqual(content)
      expect((yield* blobRequests).map(({ headers }) => headers["range"])).toEqual([undefined, "bytes=70-", undefined])
    }).pipe(
      Effect.provide(
        Registries.layer({
          rules: [
            { match: { ...blobs, count: 1 }, fault: Fault.cutResponseAt(70) },
            { match: blobs, fault: Fault.wrongContentRange("bytes 80-199/200") }
          ]
        })
      )
    )
  )

  it.effect("fails on a wrong byte before the last chunk is out", () =>
    Effect.gen(function* () {
      const transport = yield* RegistryTransport.RegistryTransport
      const blob = yield* seed
      let received = 0
      const error = yield* BlobDownload.stream(transport, repository, blob).pipe(
        Stream.runForEach((bytes) => Effect.sync(() => (received += bytes.byteLength))),
        Effect.flip
      )
      expect(error._tag).toBe("DigestMismatch")
      expect(error).toMatchObject({ registry: "registry.test", repository: "acme/app", expected: blob.digest })
      expect(received).toBeLessThan(content.byteLength)
    }).pipe(Effect.provide(Registries.layer({ rules: [{ match: blobs, fault: Fault.corruptResponseAt(10) }] })))
  )

  it.effect("fails when the descriptor's size and the registry's differ, before reading", () =>
    Effect.gen(function* () {
      const blob = yield* seed
      const error = yield* Effect.flip(download({ ...blob, size: 199 }))
      expect(error).toMatchObject({ _tag: "SizeMismatch", expected: 199, actual: 200 })
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("gives up after so many cuts without progress, and waits between them", () =>
    Effect.gen(function* () {
      const blob = yield* seed
      const fiber = yield* Effect.fork(Effect.flip(download(blob, { maxResumes: 4 })))
      yield* TestClock.adjust("100 millis")
      expect((yield* blobRequests).length).toBeLessThan(5)
      yield* TestClock.adjust("10 seconds")
      expect((yield* Fiber.join(fiber))._tag).toBe("TransportError")
      expect((yield* blobRequests).length).toBe(5)
    }).pipe(Effect.provide(Registries.layer({ rules: [{ match: blobs, fault: Fault.cutResponseAt(0) }] })))
  )

  it.effect("gives up by the retry policy, where nothing else is said", () =>
    Effect.gen(function* () {
      const blob = yield* seed
      const fiber = yield* Effect.fork(Effect.flip(download(blob)))
      yield* TestClock.adjust("1 minute")
      expect((yield* Fiber.join(fiber))._tag).toBe("TransportError")
      expect((yield* blobRequests).length).toBe(9)
    }).pipe(Effect.provide(Registries.layer({ retry: { maxResumes: 8 }, rules: [{ match: blobs, fault: Fault.cutResponseAt(0) }] })))
  )

  it.effect("does not count cuts that come with progress", () =>
    Effect.gen(function* () {
      const blob = yield* seed
      expect(yield* download(blob, { maxResumes: 1 })).toEqual(content)
      expect((yield* blobRequests).length).toBe(20)
    }).pipe(Effect.provide(Registries.layer({ rules: [{ match: { ...blobs, count: 19 }, fault: Fault.cutResponseAt(10) }] })))
  )

  it.effect("a stalled body is gone on with", () =>
    Effect.gen(function* () {
      const blob = yield* seed
      const fiber = yield* Effect.fork(download(blob))
      yield* TestClock.adjust("5 minutes")
      expect(yield* Fiber.join(fiber)).toEqual(content)
    }).pipe(Effect.provide(Registries.layer({ rules: [{ match: { ...blobs, count: 1 }, fault: Fault.stallResponseAt(50) }] })))
  )

  it.effect("says that there is no such blob", () =>
    Effect.gen(function* () {
      yield* seed
      const error = yield* Effect.flip(download(Digest.fromBytes(new Uint8Array([1]))))
      expect(error).toMatchObject({ _tag: "BlobUnknown", status: 404, operation: "getBlob", repository: "acme/app" })
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("asks the addresses of a foreign layer, without credentials, when the registry does not have it", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seed
      const elsewhere = yield* registry.at("files.test").seedBlob("layers", "foreign content")
      const urls = ["https://gone.test/x", `https://files.test/v2/layers/blobs/${elsewhere.digest}`]
      const bytes = yield* download({ ...elsewhere, urls })
      expect(new TextDecoder().decode(bytes)).toBe("foreign content")
      const refused = yield* Effect.flip(download({ ...elsewhere, urls }, { foreignUrls: false }))
      expect(refused._tag).toBe("BlobUnknown")
    }).pipe(
      Effect.provide(Registries.layer({ hosts: { "registry.test": {}, "files.test": {} }, retry: { statuses: [], while: () => false } }))
    )
  )

  it.effect("continues what an earlier download left", () =>
    Effect.gen(function* () {
      const blob = yield* seed
      const rest = yield* download(blob, { partial: Stream.make(content.subarray(0, 50), content.subarray(50, 120)) })
      expect(rest).toEqual(content.subarray(120))
      expect((yield* blobRequests).map(({ headers }) => headers["range"])).toEqual(["bytes=120-"])
      const tooLong = yield* Effect.flip(download(blob, { partial: Stream.make(content, content.subarray(0, 10)) }))
      expect(tooLong).toMatchObject({ _tag: "SizeMismatch", expected: 200, actual: 210 })
      const wrong = yield* Effect.flip(download(blob, { partial: Stream.make(new Uint8Array(10)) }))
      expect(wrong._tag).toBe("DigestMismatch")
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("a reader that stops early closes the connection and gives its place back", () =>
    Effect.gen(function* () {
      const transport = yield* RegistryTransport.RegistryTransport
      const registry = yield* MemoryRegistry.MemoryRegistry
      const big = yield* registry.seedBlob(repository.name, new Uint8Array(4 * 1024 * 1024))
      for (let round = 0; round < 40; round++) {
        yield* Stream.runDrain(Stream.take(BlobDownload.stream(transport, repository, big), 1))
      }
      expect((yield* blobRequests).length).toBe(40)
    }).pipe(Effect.provide(Registries.layer({ settings: { "*": { concurrency: 2 } } })))
  )

  describe("streamRange", () => {
    const range = (offset: number, length?: number) =>
      Effect.flatMap(RegistryTransport.RegistryTransport, (transport) =>
        Effect.map(Stream.runCollect(BlobDownload.streamRange(transport, repository, Digest.fromBytes(content), { offset, length })), join)
      )

    it.effect("gives some bytes", () =>
      Effect.gen(function* () {
        yield* seed
        expect(yield* range(10, 5)).toEqual(content.subarray(10, 15))
        expect(yield* range(190)).toEqual(content.subarray(190))
        expect(yield* range(0, 1)).toEqual(content.subarray(0, 1))
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("takes an infinite length for the rest, and nothing that is no part", () =>
      Effect.gen(function* () {
        yield* seed
        expect(yield* range(10, Number.POSITIVE_INFINITY)).toEqual(content.subarray(10))
        expect(yield* range(10, 0)).toEqual(new Uint8Array())
        for (const [offset, length] of [
          [-5],
          [Number.NaN],
          [1.5],
          [Number.POSITIVE_INFINITY],
          [0, -1],
          [0, Number.NaN],
          [0, 2.5]
        ] as const) {
          const exit = yield* Effect.exit(range(offset, length))
          expect(Exit.isFailure(exit) && Cause.dieOption(exit.cause)).toEqual(Option.some(expect.any(RangeError)))
        }
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("goes on after a cut and ignores what is too much", () =>
      Effect.gen(function* () {
        yield* seed
        expect(yield* range(10, 100)).toEqual(content.subarray(10, 110))
      }).pipe(
        Effect.provide(
          Registries.layer({
            rules: [
              { match: { ...blobs, count: 1 }, fault: Fault.cutResponseAt(30) },
              { match: { ...blobs, count: 1 }, fault: Fault.ignoreRange }
            ]
          })
        )
      )
    )
  })

  describe("blob-response.json", () => {
    const Row = Schema.Struct({
      input: Schema.Struct({ expectedSize: Schema.NullOr(Schema.Number), contentLength: Schema.NullOr(Schema.Number) }),
      expected: Schema.optional(Schema.String),
      expectedError: Schema.optional(Schema.String)
    })
    for (const [index, { input, expectedError }] of load("blob-response", Row).entries()) {
      it.effect(`row ${index}: ${JSON.stringify(input)}`, () => {
        const size = input.contentLength ?? input.expectedSize ?? 10
        const bytes = content.subarray(0, size)
        const digest = Digest.fromBytes(bytes)
        // Without a length the body comes in pieces, as it does with chunked encoding.
        const script = ScriptedHttp.make(({ target }) =>
          target === "/v2/"
            ? { status: 200 }
            : {
                status: 200,
                headers: input.contentLength === null ? {} : { "content-length": String(input.contentLength) },
                body: bytes
              }
        )
        const blob = input.expectedSize === null ? digest : { mediaType: "application/octet-stream", digest, size: input.expectedSize }
        return Effect.gen(function* () {
          const outcome = yield* Effect.either(download(blob))
          if (expectedError === undefined) expect(Either.getOrThrow(outcome)).toEqual(bytes)
          else expect(Either.flip(outcome)).toMatchObject({ right: { _tag: "SizeMismatch", expected: input.expectedSize, actual: size } })
        }).pipe(Effect.provide(Registries.layerOver(script.layer)))
      })
    }
  })

  describe("verify-content.json", () => {
    const Row = Schema.Struct({
      input: Schema.Struct({
        content: Schema.optional(Schema.String),
        size: Schema.optional(Schema.Number),
        digest: Schema.optional(Schema.String),
        descriptor: Schema.optional(
          Schema.Struct({
            data: Schema.optional(Schema.String),
            digest: Schema.optional(Schema.String),
            size: Schema.optional(Schema.Number)
          })
        )
      }),
      expectedError: Schema.NullOr(Schema.String)
    })
    type Row = typeof Row.Type
    const deviations: ReadonlyArray<Deviation<Row>> = [
      {
        name: "longer content is too long",
        reason:
          "Go reads no further than the size and hashes that, so a prefix can pass; here content beyond the size is an error of its own",
        applies: ({ input }) =>
          input.digest?.startsWith("sha") === true &&
          input.content !== undefined &&
          (input.size ?? -1) >= 0 &&
          input.content.length > (input.size ?? 0)
      }
    ]
    const verified = (input: Row["input"]) =>
      Effect.gen(function* () {
        const digest = yield* Digest.parse(input.digest ?? "")
        const size = input.size === undefined || input.size < 0 ? undefined : input.size
        return yield* Stream.runDrain(Digest.verifyStream(digest, size)(Stream.make(new TextEncoder().encode(input.content ?? ""))))
      })
    const dataOf = (descriptor: NonNullable<Row["input"]["descriptor"]>) =>
      Effect.gen(function* () {
        const data = descriptor.data === undefined ? undefined : Buffer.from(descriptor.data).toString("base64")
        const decoded = yield* Schema.decodeUnknown(Descriptor.Descriptor)({
          mediaType: "application/octet-stream",
          digest: descriptor.digest ?? "",
          size: descriptor.size ?? 0,
          data
        })
        return yield* Effect.flatten(Descriptor.content(decoded))
      })
    for (const [index, row] of load("verify-content", Row).entries()) {
      it.effect(`row ${index}: ${JSON.stringify(row.input)}`, () =>
        Effect.gen(function* () {
          const { input } = row
          const outcome = yield* Effect.either(
            input.descriptor === undefined ? Effect.asVoid(verified(input)) : Effect.asVoid(dataOf(input.descriptor))
          )
          expect(Either.isLeft(outcome)).toBe(row.expectedError !== null)
          if (deviation(deviations, row) !== undefined) expect(Either.flip(outcome)).toMatchObject({ right: { _tag: "SizeMismatch" } })
        })
      )
    }
  })
})
