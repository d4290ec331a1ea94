import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import { parseReason } from "../../model/internal/parseReason.ts"

/** What a registry reads in a manifest; everything else is none of its business. @internal */
export interface Content {
  readonly mediaType: string
  /** Blobs that must be there. */
  readonly blobs: ReadonlyArray<Digest.Digest>
  /** Manifests that must be there. */
  readonly children: ReadonlyArray<Digest.Digest>
  readonly subject: Digest.Digest | undefined
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
  /** Why no registry takes it, although it can be read. */
  readonly flaw: string | undefined
}

// A registry fake that used the client's own manifest decoder could not catch that decoder's mistakes.
const Reference = Schema.Struct({
  digest: Digest.Digest,
  mediaType: Schema.optional(Schema.String),
  urls: Schema.optional(Schema.NullOr(Schema.Array(Schema.String)))
})
const References = Schema.optional(Schema.NullOr(Schema.Array(Reference)))

const Document = Schema.Struct({
  schemaVersion: Schema.optional(Schema.Unknown),
  mediaType: Schema.optional(Schema.String),
  artifactType: Schema.optional(Schema.String),
  config: Schema.optional(Schema.NullOr(Reference)),
  layers: References,
  blobs: References,
  manifests: References,
  subject: Schema.optional(Schema.NullOr(Reference)),
  annotations: Schema.optional(Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.String })))
})

const decode = Schema.decodeUnknownEither(Document)

const manifestOfArtifact = "application/vnd.oci.artifact.manifest.v1+json"

const manifestTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  manifestOfArtifact,
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json"
])

const indexTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json"
])

/** What CNCF distribution looks at, too: the version, the config, and that it is not an image to one reader and an index to another. */
const flawOf = (mediaType: string, document: typeof Document.Type): string | undefined => {
  if (!manifestTypes.has(mediaType) || mediaType === manifestOfArtifact) return undefined
  if (document.schemaVersion !== undefined && document.schemaVersion !== 2) return "its schemaVersion is not 2"
  if (!indexTypes.has(mediaType)) {
    if (document.config == null) return "the manifest of an image has a config"
    return document.manifests == null ? undefined : "the manifest of an image has no manifests"
  }
  return document.config == null && document.layers == null ? undefined : "an index has no config and no layers"
}

const schema1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/

// RFC 9110 section 8.3.1.
const inHeader = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+$/

const isForeign = (reference: typeof Reference.Type): boolean =>
  (reference.urls ?? []).length > 0 || /nondistributable|\.foreign\./.test(reference.mediaType ?? "")

/** The media type without its parameters, as it is spelt. */
const withoutParameters = (contentType: string): string => (contentType.split(";")[0] ?? "").trim()

const parseJson = (bytes: Uint8Array): Either.Either<unknown, string> =>
  Either.try({
    try: (): unknown => JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)),
    catch: () => "the manifest is not JSON"
  })

/** Reads what was pushed; the reason when it is refused. @internal */
export const parse = (bytes: Uint8Array, contentType: string | undefined): Either.Either<Content, string> =>
  Either.gen(function* () {
    const json = yield* parseJson(bytes)
    if (!Predicate.isRecord(json)) return yield* Either.left("the manifest is not a JSON object")
    const announced = withoutParameters(contentType ?? "")
    if (schema1.test(announced.toLowerCase())) {
      const nothing = { subject: undefined, artifactType: undefined, annotations: undefined, flaw: undefined }
      return { mediaType: announced, blobs: [], children: [], ...nothing }
    }
    const document = yield* Either.mapLeft(decode(json), parseReason)
    const stated = document.mediaType ?? ""
    if (stated !== "" && announced !== "" && stated.toLowerCase() !== announced.toLowerCase()) {
      return yield* Either.left(`the manifest says it is ${stated.slice(0, 200)}, its Content-Type ${announced}`)
    }
    // Empty text is as good as none, as Go writes and reads it.
    const mediaType =
      announced ||
      stated ||
      (document.manifests == null ? "application/vnd.oci.image.manifest.v1+json" : "application/vnd.oci.image.index.v1+json")
    // The Content-Type of every answer that gives it.
    if (!inHeader.test(mediaType)) return yield* Either.left("the mediaType of the manifest is no media type")
    const owned = [...(document.config == null ? [] : [document.config]), ...(document.layers ?? []), ...(document.blobs ?? [])]
    return {
      mediaType,
      blobs: owned.filter((reference) => !isForeign(reference)).map((reference) => reference.digest),
      children: (document.manifests ?? []).filter((child) => manifestTypes.has(child.mediaType ?? "")).map((child) => child.digest),
      subject: document.subject?.digest,
      // Empty text is as good as none (spec «Listing Referrers»).
      artifactType: document.artifactType || document.config?.mediaType || undefined,
      annotations: document.annotations ?? undefined,
      flaw: flawOf(mediaType.toLowerCase(), document)
    }
  })

const imageConfigs = /^application\/vnd\.(oci\.image\.config|docker\.container\.image)\.v1\+json$/

/** Whether this is a container image, or a list of some. @internal */
export const isImage = (content: Content): boolean =>
  content.artifactType === undefined ? content.mediaType !== manifestOfArtifact : imageConfigs.test(content.artifactType)

/** How the manifest appears among the referrers of its subject (spec «Listing Referrers»). @internal */
export const referrer = (content: Content, digest: Digest.Digest, size: number): Option.Option<Descriptor.Descriptor> =>
  Option.map(Option.fromNullable(content.subject), () => ({
    mediaType: content.mediaType,
    digest,
    size,
    ...(content.artifactType === undefined ? {} : { artifactType: content.artifactType }),
    ...(content.annotations === undefined ? {} : { annotations: content.annotations })
  }))
