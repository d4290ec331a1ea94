/**
 * Artifacts: anything that is kept in a registry and is no image, alone or about something else (image-spec «Guidelines for Artifact Usage»).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as BlobUpload from "../client/BlobUpload.ts"
import type * as ContentStore from "../content/ContentStore.ts"
import * as Annotations from "../model/Annotations.ts"
import * as Descriptor from "../model/Descriptor.ts"
import * as Manifest from "../model/Manifest.ts"
import * as MediaType from "../model/MediaType.ts"
import type { InvalidDigest, MalformedContent } from "../model/RegistryError.ts"
import type * as BuiltArtifact from "./internal/built.ts"
import type { Blob } from "./internal/built.ts"
import { checked } from "./internal/draft.ts"
import { described } from "./internal/measuring.ts"
import * as Pushing from "./internal/pushing.ts"

export type {
  /** @since 0.1.0 */
  Blob
} from "./internal/built.ts"

/** `title`: the file name it is to be stored under; `mediaType`: default `application/octet-stream`. @since 0.1.0 */
export interface BlobOptions {
  readonly title?: string | undefined
  readonly mediaType?: string | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

const fieldsOf = ({ title, mediaType, annotations }: BlobOptions) => ({
  mediaType: mediaType ?? MediaType.octetStream,
  annotations: title === undefined ? annotations : { ...annotations, [Annotations.title]: title }
})

/** A blob of bytes in memory. @since 0.1.0 */
export const fromBytes = (bytes: Uint8Array, options: BlobOptions = {}): Blob => {
  const fields = fieldsOf(options)
  return { descriptor: Descriptor.make({ ...Descriptor.fromBytes(bytes, fields.mediaType), ...fields }), content: bytes }
}

/** A blob of text in UTF-8. @since 0.1.0 */
export const fromText = (text: string, options: BlobOptions = {}): Blob => fromBytes(new TextEncoder().encode(text), options)

/** Content that can be read again, from its beginning or from anywhere: a file, for instance. @since 0.1.0 */
export type Readable<E = never, R = never> = Exclude<BlobUpload.Source<E, R>, { readonly once: unknown }>

/** A blob of content that can be read more than once: now, for its digest and size, and when it is pushed. @since 0.1.0 */
export const fromSource = <E = never, R = never>(
  content: Readable<E, R>,
  options: BlobOptions = {}
): Effect.Effect<Blob<E, R>, E | InvalidDigest, R> =>
  Effect.map(described(content), ({ digest, size }) => ({
    descriptor: Descriptor.make({ digest, size, ...fieldsOf(options) }),
    content
  }))

/**
 * - `artifactType`: what it is, a media type
 * - `config`: the empty one unless given
 * - `blobs`: the empty one, once, when there are none (image-spec: at least one entry in `layers`)
 * - `subject`: the manifest it is about
 *
 * @since 0.1.0
 */
export interface PackOptions<E = never, R = never> {
  readonly artifactType: string
  readonly config?: Blob<E, R> | undefined
  readonly blobs?: ReadonlyArray<Blob<E, R>> | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly subject?: Descriptor.Descriptor | undefined
}

/** An artifact that is complete: its manifest and the blobs it is made of. @since 0.1.0 */
export interface Packed<E = never, R = never> extends BuiltArtifact.Built<E, R> {}

const emptyBlob = (): Blob => ({ descriptor: Descriptor.empty, content: Descriptor.emptyBytes() })

// A subject is named, not described: what an index says about it does not belong here.
const named = ({ mediaType, digest, size }: Descriptor.Descriptor) => Descriptor.make({ mediaType, digest, size })

/**
 * Puts an artifact together as an image manifest, the form every registry takes. Equal options give equal bytes. Fails when the artifact
 * type is not a media type.
 *
 * @since 0.1.0
 */
export const pack = <E = never, R = never>(options: PackOptions<E, R>): Either.Either<Packed<E, R>, MalformedContent> => {
  const config: Blob<E, R> = options.config ?? emptyBlob()
  const blobs: ReadonlyArray<Blob<E, R>> = options.blobs === undefined || options.blobs.length === 0 ? [emptyBlob()] : options.blobs
  return Either.map(
    checked("artifact", () =>
      Manifest.artifact({
        artifactType: options.artifactType,
        config: config.descriptor,
        layers: blobs.map(({ descriptor }) => descriptor),
        annotations: options.annotations,
        subject: options.subject === undefined ? undefined : named(options.subject)
      })
    ),
    (manifest) => ({ manifest, blobs: [...blobs, config] })
  )
}

/** @since 0.1.0 */
export interface PushOptions extends Pick<BuiltArtifact.PushOptions, "tags" | "jobs"> {}

/** Pushes the blobs, then the manifest with its tags. Nothing happens when the tags stand for it already. The result is the manifest. @since 0.1.0 */
export const push = <E, E2, R>(
  target: ContentStore.Target<E>,
  { manifest, blobs }: Packed<E2, R>,
  options: PushOptions = {}
): Effect.Effect<Manifest.ImageManifest, E | E2, R> =>
  // What kinds of images may not be pushed says nothing about artifacts.
  Effect.as(Pushing.push(target, { manifest, blobs }, { ...options, nondistributable: true }), manifest).pipe(
    Effect.withSpan("Artifact.push", { attributes: { place: target.label, tags: options.tags } })
  )

/**
 * Pushes an artifact as one that is about a manifest, which makes it a referrer of that. It has no tag: it is found by asking for the
 * referrers. The result is its manifest, now with the subject.
 *
 * @since 0.1.0
 */
export const attach = <E, E2, R>(
  target: ContentStore.Target<E>,
  subject: Descriptor.Descriptor,
  packed: Packed<E2, R>
): Effect.Effect<Manifest.ImageManifest, E | E2 | MalformedContent, R> =>
  Effect.flatMap(withSubject(packed, subject), (about) => push(target, about))

/** The same artifact about another manifest. @since 0.1.0 */
export const withSubject = <E, R>(packed: Packed<E, R>, subject: Descriptor.Descriptor): Either.Either<Packed<E, R>, MalformedContent> => {
  const { config, layers, annotations, artifactType } = packed.manifest
  return Either.map(
    checked("artifact", () => Manifest.imageManifest({ config, layers, annotations, artifactType, subject: named(subject) })),
    (manifest) => ({ ...packed, manifest })
  )
}

/** The file name a blob is to be stored under, as it was packed. It is a stranger's text: not a path to write to without a look. @since 0.1.0 */
export const title = (descriptor: Descriptor.Descriptor): Option.Option<string> =>
  Option.fromNullable(descriptor.annotations?.[Annotations.title])
