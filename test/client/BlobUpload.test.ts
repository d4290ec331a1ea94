import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as BlobUpload from "../../src/client/BlobUpload.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import { whileTimePasses } from "../support/ScriptedHttp.ts"

const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))

const bytesOf = (length: number, seed = 31) => Uint8Array.from({ length }, (_, index) => (index * seed + (index >> 8)) % 251)

const content = bytesOf(200)

const describeBytes = (bytes: Uint8Array, algorithm: "sha256" | "sha512" = "sha256") => ({
  mediaType: "application/octet-stream",
  digest: Digest.fromBytes(bytes, algorithm),
  size: bytes.byteLength
})

const blob = describeBytes(content)

/** The bytes in pieces, as often as asked for. */
const pieces = (bytes: Uint8Array, size = 7) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))
  ).pipe(Stream.rechunk(3))

/** A stream that breaks the test when it is run a second time. */
const onceOnly = (bytes: Uint8Array, size = 7) => {
  let runs = 0
  return Stream.suspend(() => (++runs === 1 ? pieces(bytes, size) : Stream.die("the source was read twice")))
}

const put = <E = never, R = never>(
  bytes: Uint8Array,
  source: BlobUpload.Source<E, R> = bytes,
  options?: BlobUpload.Options,
  memory = BlobUpload.makeMemory()
) =>
  Effect.flatMap(RegistryTransport.RegistryTransport, (transport) =>
    BlobUpload.put(transport, memory, repository, describeBytes(bytes), source, options)
  )

const putStream = <E = never, R = never>(
  stream: Stream.Stream<Uint8Array, E, R>,
  options?: BlobUpload.StreamOptions,
  memory = BlobUpload.makeMemory()
) => Effect.flatMap(RegistryTransport.RegistryTransport, (transport) => BlobUpload.putStream(transport, memory, repository, stream, options))

const stored = (digest: Digest.Digest = blob.digest) =>
  Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => Effect.map(registry.blob(repository.name, digest), Option.getOrUndefined))

const openUploads = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => Effect.map(registry.openUploads, (open) => open.length))

/** What was asked, without the ping, as `POST 202`. */
const lines = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
  Effect.map(registry.requests, (requests) =>
    requests.filter(({ endpoint }) => endpoint !== "base").map(({ method, status }) => `${method} ${status ?? "-"}`)
  )
)

const requests = (method: string) =>
  Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
    Effect.map(registry.requests, (all) => all.filter((request) => request.method === method))
  )

const uploadPath = /\/blobs\/uploads\//

describe("BlobUpload", () => {
  describe("content of known digest", () => {
    it.effect("is not sent when it is there: one request", () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        yield* registry.seedBlob(repository.name, content)
        const result = yield* put(content)
        expect(result).toEqual({ descriptor: blob, outcome: "existed", from: undefined, sentBytes: 0, resentBytes: 0 })
        expect(yield* lines).toEqual(["HEAD 200"])
      }).pipe(Effect.provide(Registries.layer()))
    )

    const sources: Record<string, () => BlobUpload.Source> = {
      bytes: () => content,
      "a stream": () => pieces(content),
      "a stream from an offset on": () => ({ from: (offset) => pieces(content.subarray(offset)) }),
      "a stream that can be run once": () => ({ once: onceOnly(content) })
    }
    for (const [name, source] of Object.entries(sources)) {
      it.effect(`is sent with three requests: ${name}`, () =>
        Effect.gen(function* () {
          const result = yield* put(content, source())
          expect(result).toEqual({ descriptor: blob, outcome: "uploaded", sentBytes: 200, resentBytes: 0 })
          expect(yield* stored()).toEqual(content)
          expect(yield* lines).toEqual(["HEAD 404", "POST 202", "PUT 201"])
          expect(yield* openUploads).toBe(0)
          const [request] = yield* requests("PUT")
          expect(request?.headers["content-length"]).toBe("200")
          expect(request?.headers["content-range"]).toBeUndefined()
        }).pipe(Effect.provide(Registries.layer()))
      )
    }
  })

  describe("broken connections", () => {
    const everyOffset = Array.from({ length: content.byteLength + 1 }, (_, offset) => offset)
    const plans: Record<string, BlobUpload.Options> = {
      single: { plan: "single" },
      streamed: { plan: "streamed" },
      chunked: { plan: "chunked", chunkBytes: 64 }
    }
    for (const [name, options] of Object.entries(plans)) {
      it.effect(`a cut at every offset: ${name}`, () =>
        Effect.gen(function* () {
          const registry = yield* MemoryRegistry.MemoryRegistry
          const faults = yield* FaultyHttp.FaultyHttp
          for (const offset of everyOffset) {
            yield* registry.reset
            yield* faults.setRules([{ match: { method: ["PUT", "PATCH"], count: 1 }, fault: Fault.cutRequestAt(offset) }])
            const result = yield* whileTimePasses(put(content, { from: (at) => pieces(content.subarray(at), 1) }, options))
            expect(yield* stored()).toEqual(content)
            expect(yield* openUploads).toBe(0)
            const log = yield* lines
            if (offset < 3 || offset > 198) console.log(name, offset, result.sentBytes, result.resentBytes, yield* registry.bytesReceived, log)
          }
        }).pipe(Effect.provide(Registries.layer()))
      )
    }
  })
})
