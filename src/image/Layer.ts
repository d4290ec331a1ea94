/**
 * Layers of images: those that are in some place, read packed or unpacked, and new ones to build images of.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as BlobUpload from "../client/BlobUpload.ts"
import type * as ContentStore from "../content/ContentStore.ts"
import { collect, limited, tapBytes, toStream } from "../content/internal/blobBytes.ts"
import * as Compression from "../content/internal/compression.ts"
import * as Descriptor from "../model/Descriptor.ts"
import * as Digest from "../model/Digest.ts"
import * as MediaType from "../model/MediaType.ts"
import type { DigestMismatch, InvalidDigest, LimitExceeded, MalformedContent, SizeMismatch } from "../model/RegistryError.ts"
import type * as Built from "./internal/built.ts"
import { described } from "./internal/measuring.ts"
import { blobOf } from "./internal/reading.ts"

/** Content that is not what its descriptor, its config or its first bytes say. @since 0.1.0 */
export type LayerError = MalformedContent | SizeMismatch | DigestMismatch | InvalidDigest

/**
 * A layer in some place. Nothing is read before a stream is run, and each run reads anew.
 *
 * @since 0.1.0
 */
export interface Layer<E> {
  readonly descriptor: Descriptor.Descriptor
  /** The bytes as they are stored; the last ones come when size and digest are right. */
  readonly compressed: Stream.Stream<Uint8Array, E | LayerError>
  /**
   * The tar archive in it. How it is compressed is seen by its first bytes, gzip, zstd or not at all, since media types are often wrong. The
   * last bytes come when they have the digest that the image's config says (`diff_ids`), if it says one.
   */
  readonly uncompressed: Stream.Stream<Uint8Array, E | LayerError>
}

/** `diffId`: the digest of the unpacked content, if it is known. @since 0.1.0 */
export interface LayerOptions<E> {
  readonly diffId?: Effect.Effect<Option.Option<Digest.Digest>, E> | undefined
}

/** The layer a descriptor describes, out of the descriptor's `data` or out of a place. @since 0.1.0 */
export const make = <E, E2 = never>(
  source: Pick<ContentStore.Source<E>, "fetchBlob">,
  descriptor: Descriptor.Descriptor,
  options: LayerOptions<E2> = {}
): Layer<E | E2> => {
  const compressed = blobOf(source, descriptor)
  const unpacked = Compression.decompress(compressed)
  const verified = (diffId: Option.Option<Digest.Digest>) =>
    Option.isSome(diffId) ? Digest.verifyStream(diffId.value, undefined, { operation: "uncompressed" })(unpacked) : unpacked
  return {
    descriptor,
    compressed,
    uncompressed: options.diffId === undefined ? unpacked : Stream.unwrap(Effect.map(options.diffId, verified))
  }
}

// --- new layers ---

/**
 * A blob whose digests are known: a layer to be put into an image. `diffId` is the digest of the tar archive, which is that of the
 * descriptor when it is not compressed.
 *
 * @since 0.1.0
 */
export interface Blob<E = never, R = never> extends Built.Blob<E, R> {
  readonly _tag: "Blob"
  readonly diffId: Digest.Digest
}

/**
 * A tar archive that is packed while it leaves: its digests and its size are known when it has been pushed.
 *
 * @since 0.1.0
 */
export interface Streamed<E = never, R = never> {
  readonly _tag: "Streamed"
  readonly tar: BlobUpload.Source<E, R>
  readonly compression: "gzip" | "none"
  readonly mediaType: string
  readonly annotations: Readonly<Record<string, string>> | undefined
}

/** @since 0.1.0 */
export type New<E = never, R = never> = Blob<E, R> | Streamed<E, R>

/**
 * - `compression`: default gzip, whose bytes are the same for the same archive and the same runtime
 * - `mediaType`: default that of an OCI layer with this compression
 * - `annotations`: of the layer's descriptor
 *
 * @since 0.1.0
 */
export interface TarOptions {
  readonly compression?: "gzip" | "none" | undefined
  readonly mediaType?: string | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/** A layer that exists: what its descriptor says and where its bytes come from. @since 0.1.0 */
export const fromBlob = <E = never, R = never>(
  descriptor: Descriptor.Descriptor,
  content: BlobUpload.Source<E, R>,
  diffId: Digest.Digest
): Blob<E, R> => ({ _tag: "Blob", descriptor, content, diffId })

/** A layer of a tar archive that is being made or read; see `BlobUpload.Source` for what can be run twice. @since 0.1.0 */
export const fromStream = <E = never, R = never>(tar: BlobUpload.Source<E, R>, options: TarOptions = {}): Streamed<E, R> => {
  const compression = options.compression ?? "gzip"
  const mediaType = options.mediaType ?? (compression === "gzip" ? MediaType.ociLayerTarGzip : MediaType.ociLayerTar)
  return { _tag: "Streamed", tar, compression, mediaType, annotations: options.annotations }
}

/** A layer of a tar archive in memory. @since 0.1.0 */
export const fromTar = (tar: Uint8Array, options: TarOptions = {}): Effect.Effect<Blob> => {
  const streamed = fromStream(tar, options)
  return Effect.map(collect(packed(streamed, () => {})), (bytes) => {
    const { digest, size } = Descriptor.fromBytes(bytes, streamed.mediaType)
    return fromBlob(descriptorOf(streamed, digest, size), bytes, Digest.fromBytes(tar))
  })
}

const descriptorOf = ({ mediaType, annotations }: Streamed<unknown, unknown>, digest: Digest.Digest, size: number) =>
  Descriptor.make({ mediaType, digest, size, annotations })

/** The bytes as they leave; `look` sees the archive. */
const packed = <E, R>({ tar, compression }: Streamed<E, R>, look: (bytes: Uint8Array) => void): Stream.Stream<Uint8Array, E, R> => {
  const seen = tapBytes(look)(toStream(tar))
  return compression === "gzip" ? Compression.gzip(seen) : seen
}

/**
 * Packs a streamed layer and gives it to something that reads it to its end and tells digest and size: an upload, for instance.
 *
 * @since 0.1.0
 */
export const pack = <E, R, E2, R2>(
  streamed: Streamed<E, R>,
  consume: (packed: Stream.Stream<Uint8Array, E, R>) => Effect.Effect<Pick<Descriptor.Descriptor, "digest" | "size">, E2, R2>
): Effect.Effect<{ readonly descriptor: Descriptor.Descriptor; readonly diffId: Digest.Digest }, E2 | InvalidDigest, R2> =>
  Effect.gen(function* () {
    const hasher = yield* Digest.hasher("sha256")
    const { digest, size } = yield* consume(packed(streamed, hasher.update))
    return { descriptor: descriptorOf(streamed, digest, size), diffId: hasher.digest() }
  })

/** What {@link measure} keeps in memory at most of an archive that can be read once only. @since 0.1.0 */
export const defaultLimitBytes = 256 * 1024 * 1024

/**
 * Makes the digests of a streamed layer known before it is pushed. An archive that can be read again is packed twice, now and when it is
 * pushed; one that can be read once only is kept in memory, packed, up to a limit (`limitBytes`, default 256 MiB).
 *
 * @since 0.1.0
 */
export const measure = <E, R>(
  streamed: Streamed<E, R>,
  options: { readonly limitBytes?: number | undefined } = {}
): Effect.Effect<Blob<E, R>, E | InvalidDigest | LimitExceeded, R> =>
  Effect.gen(function* () {
    const hasher = yield* Digest.hasher("sha256")
    const content = packed(streamed, hasher.update)
    if (isOnce(streamed.tar)) {
      const limit = options.limitBytes ?? defaultLimitBytes
      const bytes = yield* collect(limited("a layer that can be read once only", limit)(content))
      const { digest, size } = Descriptor.fromBytes(bytes, streamed.mediaType)
      return fromBlob<E, R>(descriptorOf(streamed, digest, size), bytes, hasher.digest())
    }
    const { digest, size } = yield* described(content)
    return fromBlob(
      descriptorOf(streamed, digest, size),
      packed(streamed, () => {}),
      hasher.digest()
    )
  })

const isOnce = <E, R>(content: BlobUpload.Source<E, R>): boolean => !(content instanceof Uint8Array) && "once" in content
