import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Descriptor from "../Descriptor.ts"
import * as MediaType from "../MediaType.ts"
import { MalformedContent } from "../RegistryError.ts"
import { type JsonObject, sortedMap } from "./json.ts"
import { optional, StringMap } from "./openStruct.ts"
import { parseReason } from "./parseReason.ts"

// --- reading ---

const descriptors = Schema.Array(Descriptor.Descriptor)

const list = Schema.optionalWith(descriptors, { exact: true, nullable: true, default: () => [] })

const common = {
  schemaVersion: optional(Schema.Literal(2)),
  subject: optional(Descriptor.Descriptor),
  artifactType: optional(Schema.String),
  annotations: optional(StringMap)
}

const ImageDocument = Schema.Struct({ ...common, config: Descriptor.Descriptor, layers: list })

// Unlike layers, the list must be there, if only as the null that Go writes: `{}` is not an index without entries.
const IndexDocument = Schema.Struct({ ...common, manifests: Schema.NullOr(descriptors) })

const ArtifactDocument = Schema.Struct({ ...common, blobs: list })

const reader = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeUnknownEither(schema)
  return (document: JsonObject): Either.Either<A, MalformedContent> =>
    Either.mapLeft(decode(document), (error) => new MalformedContent({ kind: "manifest", reason: parseReason(error) }))
}

/** @internal */
export const readImage = reader(ImageDocument)

/** @internal */
export const readIndex = reader(IndexDocument)

/** @internal */
export const readArtifact = reader(ArtifactDocument)

// --- writing ---

/** @internal */
export interface CommonFields {
  readonly artifactType?: string | undefined
  readonly subject?: Descriptor.Descriptor | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

// RFC 6838 §4.2, which image-spec requires of artifact types.
const registrable = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/

const checked = (artifactType: string): string => {
  if (registrable.test(artifactType)) return artifactType
  throw new MalformedContent({ kind: "artifact type", reason: `${JSON.stringify(artifactType)} is not a media type` })
}

const artifactTypeMember = ({ artifactType }: CommonFields) => (artifactType === undefined ? {} : { artifactType: checked(artifactType) })

const lastMembers = ({ subject, annotations }: CommonFields) => ({
  ...(subject === undefined ? {} : { subject: Descriptor.make(subject) }),
  ...(annotations === undefined ? {} : { annotations: sortedMap(annotations) })
})

/** @internal */
export interface ImageFields extends CommonFields {
  readonly config: Descriptor.Descriptor
  readonly layers: ReadonlyArray<Descriptor.Descriptor>
}

/** The members in the order Go writes them, so that equal fields give equal bytes. @internal */
export const imageDocument = (fields: ImageFields, mediaType: string) => {
  if (fields.config.mediaType === MediaType.ociEmpty && fields.artifactType === undefined) {
    throw new MalformedContent({ kind: "manifest", reason: "a manifest with the empty config needs an artifactType" })
  }
  return {
    schemaVersion: 2,
    mediaType,
    ...artifactTypeMember(fields),
    config: Descriptor.make(fields.config),
    layers: fields.layers.map(Descriptor.make),
    ...lastMembers(fields)
  }
}

/** @internal */
export interface IndexFields extends CommonFields {
  readonly manifests: ReadonlyArray<Descriptor.Descriptor>
}

/** @internal */
export const indexDocument = (fields: IndexFields, mediaType: string) => ({
  schemaVersion: 2,
  mediaType,
  ...artifactTypeMember(fields),
  manifests: fields.manifests.map(Descriptor.make),
  ...lastMembers(fields)
})
