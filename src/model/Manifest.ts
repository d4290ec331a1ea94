/**
 * Manifests: image manifests, indexes and what else a registry keeps under tags (image-spec «Image Manifest», «Image Index»; Docker «Image
 * Manifest V2»).
 *
 * A manifest is its bytes. They are kept as they came, they are what the digest is made of, and they are what is pushed again: nothing is
 * ever encoded anew (image-spec «Considerations»: canonical JSON is not required). The other members are read from them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Descriptor from "./Descriptor.ts"
import * as Digest from "./Digest.ts"
import { jsonBytes } from "./internal/json.ts"
import {
  type CommonFields,
  type ImageFields,
  type IndexFields,
  imageDocument,
  indexDocument,
  readArtifact,
  readImage,
  readIndex
} from "./internal/manifestDocument.ts"
import { type Document, identify } from "./internal/manifestKind.ts"
import { layerDigests, signedPayload } from "./internal/schema1.ts"
import * as MediaType from "./MediaType.ts"
import { DigestMismatch, InvalidDigest, type MalformedContent, type MediaTypeMismatch } from "./RegistryError.ts"

/** @since 0.1.0 */
export const TypeId = "~effect-oci/Manifest"

/** @since 0.1.0 */
export type TypeId = typeof TypeId

interface Proto extends Equal.Equal, Inspectable.Inspectable {
  readonly [TypeId]: TypeId
  /** The manifest exactly as it came or will be sent. Not to be written to. */
  readonly bytes: Uint8Array
  readonly mediaType: string
  /** The digest of `bytes`. */
  readonly digest: Digest.Digest
  /** The length of `bytes`. */
  readonly size: number
  /** Media type, digest and size together: what an index or a tag says about this manifest. */
  readonly descriptor: Descriptor.Descriptor
}

/** An OCI image manifest or a Docker schema 2 manifest. @since 0.1.0 */
export interface ImageManifest extends Proto {
  readonly _tag: "ImageManifest"
  readonly config: Descriptor.Descriptor
  readonly layers: ReadonlyArray<Descriptor.Descriptor>
  readonly subject?: Descriptor.Descriptor
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** An OCI image index or a Docker manifest list. @since 0.1.0 */
export interface ImageIndex extends Proto {
  readonly _tag: "ImageIndex"
  readonly manifests: ReadonlyArray<Descriptor.Descriptor>
  readonly subject?: Descriptor.Descriptor
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** An artifact manifest. It did not make it into image-spec 1.1, but there are registries that hold some. @since 0.1.0 */
export interface ArtifactManifest extends Proto {
  readonly _tag: "ArtifactManifest"
  readonly blobs: ReadonlyArray<Descriptor.Descriptor>
  readonly subject?: Descriptor.Descriptor
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/**
 * A Docker schema 1 manifest, signed or not. It is kept and copied but not interpreted. Registries name a signed one by the digest of what
 * was signed, `payloadDigest`, and not by that of its bytes.
 *
 * @since 0.1.0
 */
export interface Schema1Manifest extends Proto {
  readonly _tag: "Schema1Manifest"
  readonly payloadDigest: Digest.Digest
  /** The layers, base first, without duplicates removed; sizes are not known. Empty when the body cannot be read. */
  readonly layerDigests: ReadonlyArray<Digest.Digest>
}

/** A manifest of a media type that is not known here. It is kept and copied as it is. @since 0.1.0 */
export interface UnknownManifest extends Proto {
  readonly _tag: "UnknownManifest"
}

/** @since 0.1.0 */
export type Manifest = ImageManifest | ImageIndex | ArtifactManifest | Schema1Manifest | UnknownManifest

/** @since 0.1.0 */
export const isManifest = (u: unknown): u is Manifest => Predicate.hasProperty(u, TypeId)

/** @since 0.1.0 */
export const isImageManifest = (manifest: Manifest): manifest is ImageManifest => manifest._tag === "ImageManifest"

/** @since 0.1.0 */
export const isImageIndex = (manifest: Manifest): manifest is ImageIndex => manifest._tag === "ImageIndex"

// --- making values ---

interface Raw {
  readonly bytes: Uint8Array
  readonly mediaType: string
  readonly digest: Digest.Digest
}

class Value<Tag extends Manifest["_tag"]> implements Proto {
  readonly [TypeId]: TypeId = TypeId
  readonly _tag: Tag
  readonly bytes: Uint8Array
  readonly mediaType: string
  readonly digest: Digest.Digest
  readonly size: number
  readonly descriptor: Descriptor.Descriptor

  constructor(tag: Tag, { bytes, mediaType, digest }: Raw) {
    this._tag = tag
    this.bytes = bytes
    this.mediaType = mediaType
    this.digest = digest
    this.size = bytes.length
    this.descriptor = Descriptor.make({ mediaType, digest, size: bytes.length })
  }
  [Equal.symbol](that: unknown): boolean {
    return that instanceof Value && this.digest === that.digest && this.mediaType === that.mediaType
  }
  [Hash.symbol](): number {
    return Hash.string(this.digest)
  }
  toJSON() {
    return { _id: "Manifest", _tag: this._tag, mediaType: this.mediaType, digest: this.digest, size: this.size }
  }
  toString(): string {
    return Inspectable.format(this.toJSON())
  }
  [Inspectable.NodeInspectSymbol]() {
    return this.toJSON()
  }
}

const value = <Tag extends Manifest["_tag"], Fields extends object>(tag: Tag, raw: Raw, fields: Fields): Value<Tag> & Fields =>
  Object.assign(new Value(tag, raw), fields)

// --- decoding ---

const schema1 = (raw: Raw): Schema1Manifest => {
  const payload = signedPayload(raw.bytes)
  const members = {
    payloadDigest: Option.match(payload, { onNone: () => raw.digest, onSome: (_) => Digest.fromBytes(_) }),
    // The signatures cover the payload only; what the rest of the body says about layers means nothing.
    layerDigests: layerDigests(Option.getOrElse(payload, () => raw.bytes))
  }
  return value("Schema1Manifest", raw, members)
}

const interpret = (raw: Raw, { kind, json }: Document): Either.Either<Manifest, MalformedContent> => {
  const document = Option.getOrElse(json, () => ({}))
  switch (Option.getOrUndefined(kind)) {
    case "ImageManifest":
      return Either.map(readImage(document), ({ schemaVersion: _, ...members }) => value("ImageManifest", raw, members))
    case "ImageIndex":
      return Either.map(readIndex(document), ({ schemaVersion: _, ...members }) =>
        value("ImageIndex", raw, { ...members, manifests: members.manifests ?? [] })
      )
    case "ArtifactManifest":
      return Either.map(readArtifact(document), ({ schemaVersion: _, ...members }) => value("ArtifactManifest", raw, members))
    case "Schema1Manifest":
      return Either.right(schema1(raw))
    case undefined:
      return Either.right(value("UnknownManifest", raw, {}))
  }
}

/** What {@link decode} may be told about the bytes. @since 0.1.0 */
export interface DecodeOptions {
  /** The `Content-Type` they came with; parameters are ignored. */
  readonly contentType?: string | undefined
  /** The digest they were asked for by. */
  readonly digest?: Digest.Digest | undefined
}

/** @since 0.1.0 */
export type DecodeError = MalformedContent | MediaTypeMismatch

const decodeAs = (bytes: Uint8Array, digest: Digest.Digest, contentType: string | undefined): Either.Either<Manifest, DecodeError> =>
  Either.flatMap(identify(bytes, contentType), (document) => interpret({ bytes, mediaType: document.mediaType, digest }, document))

const mismatch = (expected: Digest.Digest, actual: Digest.Digest) => Either.left(new DigestMismatch({ expected, actual }))

// A signed schema 1 manifest goes by the digest of its payload; everything else by that of its bytes.
const decodeAsked = (
  bytes: Uint8Array,
  asked: Digest.Digest,
  contentType: string | undefined
): Either.Either<Manifest, DecodeError | DigestMismatch | InvalidDigest> => {
  const algorithm = Digest.algorithm(asked)
  if (algorithm !== "sha256" && algorithm !== "sha512") {
    return Either.left(new InvalidDigest({ input: asked, reason: `${algorithm} can be verified by Manifest.decodeVerified only` }))
  }
  const actual = Digest.fromBytes(bytes, algorithm)
  if (actual === asked) return decodeAs(bytes, asked, contentType)
  return Either.flatMap(
    Either.orElse(decodeAs(bytes, Digest.fromBytes(bytes), contentType), () => mismatch(asked, actual)),
    (manifest) =>
      manifest._tag === "Schema1Manifest" && manifest.payloadDigest === asked ? Either.right(manifest) : mismatch(asked, actual)
  )
}

/**
 * Reads a manifest.
 *
 * Its media type is the `mediaType` of the body and the `Content-Type`; when both name one and they differ it is refused
 * (distribution-spec «Pulling manifests»). When neither does, the members of the body decide. Media types nobody here knows give an
 * `UnknownManifest`, never an error (image-spec «Extensibility»).
 *
 * With `digest`, the bytes are checked against it first and the manifest keeps it, whether `sha256` or `sha512`; other algorithms need
 * {@link decodeVerified}. Without, the digest is the `sha256` of the bytes. A signed schema 1 manifest may also be asked for by its
 * `payloadDigest`.
 *
 * @since 0.1.0
 */
export function decode(
  bytes: Uint8Array,
  options?: { readonly contentType?: string | undefined; readonly digest?: undefined }
): Either.Either<Manifest, DecodeError>
export function decode(bytes: Uint8Array, options: DecodeOptions): Either.Either<Manifest, DecodeError | DigestMismatch | InvalidDigest>
export function decode(bytes: Uint8Array, options?: DecodeOptions): Either.Either<Manifest, DecodeError | DigestMismatch | InvalidDigest> {
  return options?.digest === undefined
    ? decodeAs(bytes, Digest.fromBytes(bytes), options?.contentType)
    : decodeAsked(bytes, options.digest, options.contentType)
}

/**
 * {@link decode} for a digest of any algorithm in `Digest.Hashers`.
 *
 * @since 0.1.0
 */
export const decodeVerified: (
  bytes: Uint8Array,
  options: DecodeOptions & { readonly digest: Digest.Digest }
) => Effect.Effect<Manifest, DecodeError | DigestMismatch | InvalidDigest> = Effect.fnUntraced(function* (bytes, { digest, contentType }) {
  const algorithm = Digest.algorithm(digest)
  if (algorithm === "sha256" || algorithm === "sha512") return yield* decodeAsked(bytes, digest, contentType)
  yield* Digest.verify(bytes, digest)
  return yield* decodeAs(bytes, digest, contentType)
})

// --- asking ---

/** The manifest this one is about, which makes it a referrer. @since 0.1.0 */
export const subject = (manifest: Manifest): Option.Option<Descriptor.Descriptor> =>
  "subject" in manifest ? Option.fromNullable(manifest.subject) : Option.none()

/** The annotations; none of them when the manifest has no place for any. @since 0.1.0 */
export const annotations = (manifest: Manifest): Readonly<Record<string, string>> =>
  ("annotations" in manifest ? manifest.annotations : undefined) ?? {}

/**
 * What kind of artifact this is: `artifactType`, else the media type of the config (distribution-spec «Listing Referrers»).
 *
 * @since 0.1.0
 */
export const artifactType = (manifest: Manifest): Option.Option<string> => {
  const named = "artifactType" in manifest ? manifest.artifactType : undefined
  return Option.liftPredicate(named || (manifest._tag === "ImageManifest" ? manifest.config.mediaType : ""), (_) => _ !== "")
}

/**
 * The content that must be in place before this manifest: config and layers, or the manifests of an index, or blobs, in document order.
 * The `subject` is not among them: it may be missing (distribution-spec «Pushing Manifests with Subject»).
 *
 * @since 0.1.0
 */
export const successors = (manifest: Manifest): ReadonlyArray<Descriptor.Descriptor> => {
  switch (manifest._tag) {
    case "ImageManifest":
      return [manifest.config, ...manifest.layers]
    case "ImageIndex":
      return manifest.manifests
    case "ArtifactManifest":
      return manifest.blobs
    case "Schema1Manifest":
    case "UnknownManifest":
      return []
  }
}

/**
 * The descriptor a list of referrers has for this manifest: with its artifact type and all its annotations (distribution-spec «Listing
 * Referrers»).
 *
 * @since 0.1.0
 */
export const referrer = (manifest: Manifest): Descriptor.Descriptor => {
  const all = annotations(manifest)
  return Descriptor.make({
    ...manifest.descriptor,
    artifactType: Option.getOrUndefined(artifactType(manifest)),
    annotations: Object.keys(all).length === 0 ? undefined : all
  })
}

// --- building ---

/** How {@link imageManifest}, {@link imageIndex} and {@link artifact} hash what they make. @since 0.1.0 */
export interface BuildOptions {
  /** `sha256` unless given. */
  readonly algorithm?: "sha256" | "sha512" | undefined
}

/** @since 0.1.0 */
export interface ImageManifestFields extends ImageFields, BuildOptions {
  /** An OCI image manifest unless given. */
  readonly mediaType?: typeof MediaType.ociImageManifest | typeof MediaType.dockerManifest | undefined
}

/** @since 0.1.0 */
export interface ImageIndexFields extends IndexFields, BuildOptions {
  /** An OCI image index unless given. */
  readonly mediaType?: typeof MediaType.ociImageIndex | typeof MediaType.dockerManifestList | undefined
}

/** @since 0.1.0 */
export interface ArtifactFields extends CommonFields, BuildOptions {
  readonly artifactType: string
  /** The empty descriptor unless given. */
  readonly config?: Descriptor.Descriptor | undefined
  /** The empty descriptor, once, when there are none. */
  readonly layers?: ReadonlyArray<Descriptor.Descriptor> | undefined
}

const encode = (document: { readonly mediaType: string }, { algorithm }: BuildOptions): Raw => {
  const bytes = jsonBytes(document)
  return { bytes, mediaType: document.mediaType, digest: Digest.fromBytes(bytes, algorithm) }
}

/**
 * Makes an image manifest. Equal fields give equal bytes. Throws `MalformedContent` when the config is the empty one and there is no
 * `artifactType`, or that is not a media type (image-spec «Image Manifest»).
 *
 * @since 0.1.0
 */
export const imageManifest = (fields: ImageManifestFields): ImageManifest => {
  const document = imageDocument(fields, fields.mediaType ?? MediaType.ociImageManifest)
  const { schemaVersion: _, mediaType: __, ...members } = document
  return value("ImageManifest", encode(document, fields), members)
}

/**
 * Makes the image manifest of something that is not an image (image-spec «Guidelines for Artifact Usage»). Throws `MalformedContent` when the
 * artifact type is not a media type.
 *
 * @since 0.1.0
 */
export const artifact = (fields: ArtifactFields): ImageManifest => {
  const { config = Descriptor.empty, layers = [], ...rest } = fields
  return imageManifest({ ...rest, config, layers: layers.length === 0 ? [Descriptor.empty] : layers })
}

/** Makes an image index. Equal fields give equal bytes. Throws `MalformedContent` when the artifact type is not a media type. @since 0.1.0 */
export const imageIndex = (fields: ImageIndexFields): ImageIndex => {
  const document = indexDocument(fields, fields.mediaType ?? MediaType.ociImageIndex)
  const { schemaVersion: _, mediaType: __, ...members } = document
  return value("ImageIndex", encode(document, fields), members)
}
