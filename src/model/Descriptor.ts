/**
 * Descriptors: what a piece of content is, how long it is and what its digest is (image-spec «Content Descriptors»).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Equivalence_ from "effect/Equivalence"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Digest from "./Digest.ts"
import { sortedMap } from "./internal/json.ts"
import { open, optional, StringMap } from "./internal/openStruct.ts"
import * as MediaType from "./MediaType.ts"
import * as Platform from "./Platform.ts"
import { type DigestMismatch, type InvalidDigest, MalformedContent, SizeMismatch } from "./RegistryError.ts"

/**
 * A descriptor. Members that are not listed here are kept when one is decoded and encoded again.
 *
 * @since 0.1.0
 */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest.Digest
  /** Bytes. */
  readonly size: number
  /** The content itself in base64, not checked yet: read it with {@link content}. */
  readonly data?: string
  readonly urls?: ReadonlyArray<string>
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: Platform.Platform
  readonly artifactType?: string
}

/** @since 0.1.0 */
export interface DescriptorEncoded {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly data?: string | null
  readonly urls?: ReadonlyArray<string> | null
  readonly annotations?: Readonly<Record<string, string>> | null
  readonly platform?: Platform.PlatformEncoded | null
  readonly artifactType?: string | null
}

const Size = Schema.Int.pipe(Schema.between(0, Number.MAX_SAFE_INTEGER, { identifier: "a whole number of bytes" }))

/** The JSON form. Unknown members and algorithms are fine (image-spec «Digests»); sizes are whole and never negative. @since 0.1.0 */
export const Descriptor: Schema.Schema<Descriptor, DescriptorEncoded> = open(
  "Descriptor",
  Schema.Struct({
    mediaType: Schema.String,
    digest: Digest.Digest,
    size: Size,
    data: optional(Schema.String),
    urls: optional(Schema.Array(Schema.String)),
    annotations: optional(StringMap),
    platform: optional(Platform.Platform),
    artifactType: optional(Schema.String)
  })
)

/** What {@link make} takes; members that are `undefined` are left out. @since 0.1.0 */
export interface Fields {
  readonly mediaType: string
  readonly digest: Digest.Digest
  readonly size: number
  readonly data?: string | undefined
  readonly urls?: ReadonlyArray<string> | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly platform?: Platform.Platform | undefined
  readonly artifactType?: string | undefined
}

/**
 * A descriptor with its members in the order the specification lists them and its annotations sorted, so that equal fields give equal
 * JSON. Members that are not in {@link Fields} follow.
 *
 * @since 0.1.0
 */
export const make = (fields: Fields): Descriptor => {
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType, ...others } = fields
  return {
    mediaType,
    digest,
    size,
    ...(urls === undefined ? {} : { urls }),
    ...(annotations === undefined ? {} : { annotations: sortedMap(annotations) }),
    ...(data === undefined ? {} : { data }),
    ...(platform === undefined ? {} : { platform: Platform.make(platform) }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...others
  }
}

/** The descriptor of some bytes. @since 0.1.0 */
export const fromBytes = (bytes: Uint8Array, mediaType: string, algorithm?: "sha256" | "sha512"): Descriptor =>
  make({ mediaType, digest: Digest.fromBytes(bytes, algorithm), size: bytes.length })

/** The descriptor with the content inside. The bytes must be what it describes; only new content may be given `data` (image-spec). @since 0.1.0 */
export const withData = (descriptor: Descriptor, bytes: Uint8Array): Descriptor =>
  make({ ...descriptor, data: Encoding.encodeBase64(bytes) })

/** The two bytes `{}` that {@link empty} describes. A fresh array each time, since arrays of bytes can be written to. @since 0.1.0 */
export const emptyBytes = (): Uint8Array => new Uint8Array([0x7b, 0x7d])

/** The empty descriptor: stands where a config or a layer is required and there is none (image-spec «Guidance for an Empty Descriptor»). @since 0.1.0 */
export const empty: Descriptor = {
  mediaType: MediaType.ociEmpty,
  digest: Either.getOrThrow(Digest.parse("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")),
  size: 2,
  data: "e30="
}

/** Equal when the digests are: the same content, whatever else is said about it. @since 0.1.0 */
export const Equivalence: Equivalence_.Equivalence<Descriptor> = Equivalence_.mapInput(Equivalence_.string, (_: Descriptor) => _.digest)

// The length that `sizeBytes` bytes have in base64, so that a wrong size is seen before anything is decoded or hashed.
const base64Length = (sizeBytes: number): number => Math.ceil(sizeBytes / 3) * 4

const malformed = (reason: string) => new MalformedContent({ kind: "descriptor", reason })

/**
 * The content inside a descriptor, checked against its size and digest; none when it carries no `data`. Fails when it is not base64
 * (RFC 4648 §4), or not the content described, or has an algorithm nobody here can compute.
 *
 * @since 0.1.0
 */
export const content: (
  descriptor: Descriptor
) => Effect.Effect<Option.Option<Uint8Array>, MalformedContent | SizeMismatch | DigestMismatch | InvalidDigest> = Effect.fnUntraced(
  function* (descriptor) {
    const { data, size } = descriptor
    if (data === undefined) return Option.none()
    if (/[^A-Za-z0-9+/=]/.test(data)) return yield* malformed("data is not base64")
    if (data.length > base64Length(size)) {
      return yield* new SizeMismatch({ expected: size, actual: Math.floor((data.replace(/(?<!=)=+$/, "").length * 3) / 4) })
    }
    const bytes = yield* Either.mapLeft(Encoding.decodeBase64(data), () => malformed("data is not base64"))
    if (bytes.length !== size) return yield* new SizeMismatch({ expected: size, actual: bytes.length })
    yield* Digest.verify(bytes, descriptor.digest)
    return Option.some(bytes)
  }
)
