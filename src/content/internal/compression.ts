// Compression of layers: recognised by its first bytes, undone and done as a stream.
import * as Cause from "effect/Cause"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as MediaType from "../../model/MediaType.ts"
import { MalformedContent } from "../../model/RegistryError.ts"
import { fromNode, fromWeb, type Transform, through } from "./transform.ts"
import { unzstd } from "./zstd.ts"

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

// Node's own zlib where there is any: the web's transforms there are a layer above it that works in units of 16 KiB, a third as fast, and
// that ends the process when one is given up while bytes are on their way ("Controller is already closed", seen in Node 20).
const native = globalThis.process?.getBuiltinModule?.("node:zlib")
const unit = { chunkSize: 256 * 1024 }

const openGunzip = (): Transform => (native === undefined ? fromWeb(new DecompressionStream("gzip")) : fromNode(native.createGunzip(unit)))

const openGzip = (): Transform => (native === undefined ? fromWeb(new CompressionStream("gzip")) : fromNode(native.createGzip(unit)))

/** Unpacks gzip members, one or several (RFC 1952 §2.2). @internal */
export const gunzip: <E, R>(self: Stream.Stream<Uint8Array, E, R>) => Stream.Stream<Uint8Array, E | MalformedContent, R> = through(
  openGunzip,
  (cause) => Cause.fail(new MalformedContent({ kind: "gzip content", reason: reasonOf(cause) }))
)

/** Any content can be compressed: a failure is the runtime's. @internal */
export const gzip: <E, R>(self: Stream.Stream<Uint8Array, E, R>) => Stream.Stream<Uint8Array, E, R> = through<never>(openGzip, Cause.die)

const magicBytes = 4

const startsWith = (bytes: ReadonlyArray<number>, ...magic: ReadonlyArray<number>) => magic.every((byte, at) => bytes[at] === byte)

/** How content is compressed that begins with these four bytes. @internal */
export const sniff = (bytes: ReadonlyArray<number>): MediaType.Compression => {
  if (startsWith(bytes, 0x1f, 0x8b)) return "gzip"
  if (startsWith(bytes, 0x28, 0xb5, 0x2f, 0xfd)) return "zstd"
  // A frame to be skipped may come first (RFC 8878 §3.1.2).
  const [first = 0, ...rest] = bytes
  return first >> 4 === 5 && startsWith(rest, 0x2a, 0x4d, 0x18) ? "zstd" : "none"
}

const beginning = (parts: ReadonlyArray<Uint8Array>): ReadonlyArray<number> => {
  const bytes: Array<number> = []
  for (const part of parts) bytes.push(...part.subarray(0, magicBytes - bytes.length))
  return bytes
}

/** What comes first, as much as it takes to tell, or all there is. */
const first = <E, R>(pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>, R>): Effect.Effect<ReadonlyArray<Uint8Array>, E, R> => {
  const from = (parts: ReadonlyArray<Uint8Array>): Effect.Effect<ReadonlyArray<Uint8Array>, E, R> =>
    beginning(parts).length === magicBytes
      ? Effect.succeed(parts)
      : Effect.matchEffect(pull, {
          onFailure: Option.match({ onNone: () => Effect.succeed(parts), onSome: (error) => Effect.fail(error) }),
          onSuccess: (chunk) => from([...parts, ...chunk])
        })
  return from([])
}

/** Unpacks what its first bytes say is compressed and lets through what is not. @internal */
export const decompress = <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | MalformedContent, R> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const pull = yield* Stream.toPull(self)
      const parts = yield* first(pull)
      const whole = Stream.concat(Stream.fromIterable(parts), Stream.repeatEffectChunkOption(pull))
      const unpacked: Readonly<Record<MediaType.Compression, () => Stream.Stream<Uint8Array, E | MalformedContent, R>>> = {
        gzip: () => gunzip(whole),
        zstd: () => unzstd(whole),
        none: () => whole
      }
      return unpacked[sniff(beginning(parts))]()
    })
  )
