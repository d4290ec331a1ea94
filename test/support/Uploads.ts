/** What the tests of uploads share: some content, an upload of it to a registry in memory, and what the registry saw of it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as BlobUpload from "../../src/client/BlobUpload.ts"
import { memory as makeMemory } from "../../src/client/internal/uploadPlan.ts"
import type * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"

export const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))

export const bytesOf = (length: number, seed = 31) => Uint8Array.from({ length }, (_, index) => (index * seed + (index >> 8)) % 251)

export const descriptorOf = (bytes: Uint8Array, algorithm: "sha256" | "sha512" = "sha256"): Descriptor.Descriptor => ({
  mediaType: "application/octet-stream",
  digest: Digest.fromBytes(bytes, algorithm),
  size: bytes.byteLength
})

/** The bytes in pieces, as often as asked for. */
export const pieces = (bytes: Uint8Array, size = 7): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))
  ).pipe(Stream.rechunk(1))

/** The bytes in pieces, once. */
export const onceOnly = (bytes: Uint8Array, size = 7): Stream.Stream<Uint8Array> => {
  let runs = 0
  return Stream.suspend(() => (++runs === 1 ? pieces(bytes, size) : Stream.die("the source was read twice")))
}

/** The same content as every kind of source. */
export const sources: Readonly<Record<string, (bytes: Uint8Array) => BlobUpload.Source>> = {
  bytes: (bytes) => bytes,
  "a stream": (bytes) => pieces(bytes),
  "a stream from an offset on": (bytes) => ({ from: (offset) => pieces(bytes.subarray(offset)) }),
  "a stream that can be run once": (bytes) => ({ once: onceOnly(bytes) })
}

export interface PutOptions extends BlobUpload.Options {
  readonly descriptor?: Descriptor.Descriptor
  readonly memory?: ReturnType<typeof makeMemory>
}

export const put = <E = never, R = never>(bytes: Uint8Array, source: BlobUpload.Source<E, R> = bytes, options: PutOptions = {}) =>
  Effect.flatMap(RegistryTransport.RegistryTransport, (transport) => {
    const { descriptor = descriptorOf(bytes), memory = makeMemory(), ...rest } = options
    return BlobUpload.put(transport, memory, repository, descriptor, source, rest)
  })

export interface PutStreamOptions extends BlobUpload.StreamOptions {
  readonly memory?: ReturnType<typeof makeMemory>
}

export const putStream = <E = never, R = never>(stream: Stream.Stream<Uint8Array, E, R>, options: PutStreamOptions = {}) =>
  Effect.flatMap(RegistryTransport.RegistryTransport, (transport) => {
    const { memory = makeMemory(), ...rest } = options
    return BlobUpload.putStream(transport, memory, repository, stream, rest)
  })

const registry = MemoryRegistry.MemoryRegistry

/** The blob of this digest, as the registry holds it. */
export const stored = (digest: Digest.Digest) =>
  Effect.flatMap(registry, (control) => Effect.map(control.blob(repository.name, digest), Option.getOrUndefined))

/** Whether the registry holds exactly these bytes. */
export const holds = (bytes: Uint8Array) =>
  Effect.map(stored(Digest.fromBytes(bytes)), (found) => found !== undefined && Buffer.compare(found, bytes) === 0)

export const openUploads = Effect.flatMap(registry, (control) => Effect.map(control.openUploads, (open) => open.length))

const received = Effect.flatMap(registry, (control) =>
  Effect.map(control.requests, (requests) => requests.filter(({ endpoint }) => endpoint !== "base"))
)

/** What the registry was asked, without the ping, as `POST 202`. */
export const lines = Effect.map(received, (requests) => requests.map(({ method, status }) => `${method} ${status ?? "-"}`))

export const requests = (...methods: ReadonlyArray<string>) =>
  Effect.map(received, (all) => all.filter(({ method }) => methods.includes(method)))

/** `Content-Range` of all content, in order. */
export const ranges = Effect.map(requests("PATCH", "PUT"), (all) => all.map(({ headers }) => headers["content-range"]))

export const setRules = (...rules: ReadonlyArray<FaultyHttp.Rule>) =>
  Effect.flatMap(FaultyHttp.FaultyHttp, (faults) => faults.setRules(rules))
