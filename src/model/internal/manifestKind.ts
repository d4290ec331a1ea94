import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as MediaType from "../MediaType.ts"
import { MalformedContent, MediaTypeMismatch } from "../RegistryError.ts"
import { isJsonObject, type JsonObject, parseJsonBytes } from "./json.ts"

/** @internal */
export type Kind = "ImageManifest" | "ImageIndex" | "ArtifactManifest" | "Schema1Manifest"

const kinds: ReadonlyMap<string, Kind> = new Map([
  [MediaType.ociImageManifest, "ImageManifest"],
  [MediaType.dockerManifest, "ImageManifest"],
  [MediaType.ociImageIndex, "ImageIndex"],
  [MediaType.dockerManifestList, "ImageIndex"],
  [MediaType.ociArtifactManifest, "ArtifactManifest"],
  [MediaType.dockerManifestSchema1, "Schema1Manifest"],
  [MediaType.dockerManifestSchema1Signed, "Schema1Manifest"]
])

/** None for a media type that is not known here; such a manifest is kept as it is. @internal */
export const kindOf = (mediaType: string): Option.Option<Kind> => Option.fromNullable(kinds.get(MediaType.essence(mediaType)))

/** @internal */
export interface Document {
  readonly mediaType: string
  readonly kind: Option.Option<Kind>
  /** None when the body is not a JSON object, which only an opaque manifest may be. */
  readonly json: Option.Option<JsonObject>
}

const malformed = (reason: string) => new MalformedContent({ kind: "manifest", reason })

// What servers say that have no idea: it is a file, it is text. It names no kind of manifest, so it contradicts none.
const saysNothing = /^(?:|text\/.*|application\/json|application\/octet-stream|binary\/octet-stream)$/

const shapes: ReadonlyArray<readonly [member: string, mediaType: string]> = [
  ["manifests", MediaType.ociImageIndex],
  ["blobs", MediaType.ociArtifactManifest],
  ["config", MediaType.ociImageManifest],
  ["layers", MediaType.ociImageManifest],
  ["signatures", MediaType.dockerManifestSchema1Signed],
  ["fsLayers", MediaType.dockerManifestSchema1]
]

const has = (json: JsonObject, member: string): boolean => json[member] !== undefined && json[member] !== null

const shapeOf = (json: JsonObject): string | undefined => shapes.find(([member]) => has(json, member))?.[1]

// A body that is a manifest to one reader and an index to another would mean two images under one digest (CVE-2021-41190).
const foreignMembers: Readonly<Record<Kind, ReadonlyArray<string>>> = {
  ImageManifest: ["manifests", "fsLayers"],
  ImageIndex: ["config", "layers", "fsLayers"],
  ArtifactManifest: ["manifests", "config", "layers", "fsLayers"],
  Schema1Manifest: []
}

const ambiguity = (kind: Kind, json: JsonObject): string | undefined => foreignMembers[kind].find((member) => has(json, member))

const parseObject = (bytes: Uint8Array): Either.Either<JsonObject, MalformedContent> =>
  parseJsonBytes(bytes).pipe(
    Either.mapLeft(malformed),
    Either.filterOrLeft(isJsonObject, () => malformed("it is not a JSON object"))
  )

const isOpaque = (kind: Option.Option<Kind>): boolean => Option.getOrElse(kind, () => "Schema1Manifest") === "Schema1Manifest"

/**
 * Decides what a body is. The `Content-Type`, without its parameters, and the body's `mediaType` must agree (distribution-spec «Pulling
 * manifests»); one of them is enough; without either the members decide. A kind not known here need not even be JSON.
 *
 * @internal
 */
export const identify = (
  bytes: Uint8Array,
  contentType: string | undefined
): Either.Either<Document, MalformedContent | MediaTypeMismatch> => {
  const given = MediaType.essence(contentType ?? "")
  const stated = saysNothing.test(given) ? undefined : given
  const parsed = parseObject(bytes)
  if (Either.isLeft(parsed)) {
    const kind = Option.flatMap(Option.fromNullable(stated), kindOf)
    return stated !== undefined && isOpaque(kind)
      ? Either.right({ mediaType: stated, kind, json: Option.none() })
      : Either.left(parsed.left)
  }

  const json = parsed.right
  const named = json["mediaType"] ?? ""
  if (typeof named !== "string") return Either.left(malformed("mediaType is not text"))
  if (stated !== undefined && named !== "" && MediaType.essence(named) !== stated) {
    return Either.left(new MediaTypeMismatch({ expected: stated, actual: named.slice(0, 256) }))
  }

  const mediaType = named !== "" ? named : (stated ?? shapeOf(json))
  if (mediaType === undefined) return Either.left(malformed("neither the Content-Type nor the body says what it is"))
  const kind = kindOf(mediaType)
  const foreign = Option.isSome(kind) ? ambiguity(kind.value, json) : undefined
  return foreign === undefined
    ? Either.right({ mediaType, kind, json: Option.some(json) })
    : Either.left(malformed(`a document of type ${mediaType} must not have ${foreign}`))
}
