/**
 * Indexes: one name for the images of several platforms, and what belongs to them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as ContentStore from "../content/ContentStore.ts"
import * as Descriptor from "../model/Descriptor.ts"
import type * as Digest from "../model/Digest.ts"
import * as Manifest from "../model/Manifest.ts"
import * as MediaType from "../model/MediaType.ts"
import * as Platform from "../model/Platform.ts"
import type { MalformedContent, UnsupportedManifest } from "../model/RegistryError.ts"
import * as Image from "./Image.ts"
import * as Drafts from "./internal/draft.ts"
import * as Pushing from "./internal/pushing.ts"
import { manifestOf, remembered } from "./internal/reading.ts"
import { unsupported } from "./internal/resolution.ts"

// --- reading ---

/** One entry of an index. @since 0.1.0 */
export interface Child<E> {
  readonly descriptor: Descriptor.Descriptor
  /** What the index says it is for; it may say nothing. */
  readonly platform: Option.Option<Platform.Platform>
  /** Fetched once. */
  readonly manifest: Effect.Effect<Manifest.Manifest, E | Image.ImageError>
  /** The child as an image. An entry that is an index again is asked for an image of this entry's platform. */
  readonly image: Effect.Effect<Image.Image<E>, E | Image.ImageError>
}

/** An index in some place. Its manifest is at hand, the children are fetched when they are asked for. @since 0.1.0 */
export interface ImageIndex<E> {
  readonly descriptor: Descriptor.Descriptor
  readonly manifest: Manifest.ImageIndex
  readonly children: ReadonlyArray<Child<E>>
}

/** The index a tag or digest stands for. Fails as `UnsupportedManifest` when that is no index. @since 0.1.0 */
export const fetch = <E>(source: ContentStore.Source<E>, reference: string): Effect.Effect<ImageIndex<E>, E | UnsupportedManifest> =>
  Effect.flatMap(
    source.fetchManifest(reference),
    (manifest): Effect.Effect<ImageIndex<E>, UnsupportedManifest> =>
      manifest._tag === "ImageIndex"
        ? Effect.succeed(fromManifest(source, manifest))
        : Effect.fail(unsupported(source, "index", manifest, "it is no index"))
  ).pipe(Effect.withSpan("ImageIndex.fetch", { attributes: { place: source.label, reference } }))

/** The index of a manifest. @since 0.1.0 */
export const fromManifest = <E>(source: ContentStore.Source<E>, manifest: Manifest.ImageIndex): ImageIndex<E> => ({
  descriptor: manifest.descriptor,
  manifest,
  children: manifest.manifests.map((descriptor) => childOf(source, descriptor))
})

const childOf = <E>(source: ContentStore.Source<E>, descriptor: Descriptor.Descriptor): Child<E> => {
  const manifest = remembered(manifestOf(source, descriptor))
  return {
    descriptor,
    platform: Option.fromNullable(descriptor.platform),
    manifest,
    image: Effect.flatMap(
      manifest,
      (found): Effect.Effect<Image.Image<E>, E | Image.ImageError> =>
        found._tag === "ImageManifest"
          ? Effect.succeed(Image.fromImageManifest(source, found, descriptor))
          : Image.fromManifest(source, found, { platform: descriptor.platform })
    )
  }
}

/** The child for a platform; see `Platform.choose`. `policy`: default `normalized`. @since 0.1.0 */
export const find = <E>(
  index: ImageIndex<E>,
  platform: Platform.Platform,
  policy: Platform.Policy = "normalized"
): Option.Option<Child<E>> =>
  Option.flatMap(Platform.choose(index.manifest.manifests, platform, policy), (chosen) =>
    Option.fromNullable(index.children.find(({ descriptor }) => descriptor === chosen))
  )

// --- building ---

/**
 * An index in the making: a value. `images` are those of its entries that are pushed with it; the others have to be in place.
 *
 * @since 0.1.0
 */
export interface Draft<E = never, R = never> {
  readonly format: Image.Format
  readonly manifests: ReadonlyArray<Descriptor.Descriptor>
  readonly images: ReadonlyArray<Image.Built<E, R>>
  readonly annotations: Readonly<Record<string, string>>
  readonly artifactType: string | undefined
  readonly subject: Descriptor.Descriptor | undefined
}

/** @since 0.1.0 */
export interface EntryOptions {
  /** Default what the image is for. */
  readonly platform?: Platform.Platform | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/** An index without entries. `format`: default `oci`. @since 0.1.0 */
export const empty = (options: { readonly format?: Image.Format | undefined } = {}): Draft => ({
  format: options.format ?? "oci",
  manifests: [],
  images: [],
  annotations: {},
  artifactType: undefined,
  subject: undefined
})

/** An index to go on from. Its images have to be where it will be pushed. @since 0.1.0 */
export const edit = (manifest: Manifest.ImageIndex): Draft => ({
  format: manifest.mediaType === MediaType.dockerManifestList ? "docker" : "oci",
  manifests: manifest.manifests,
  images: [],
  annotations: Manifest.annotations(manifest),
  artifactType: manifest.artifactType,
  subject: manifest.subject
})

/**
 * Puts an entry at the end, or in place of the entry that has its digest: an image that is pushed along, or the descriptor of a manifest
 * that is in place. Entries for the same platform stay; the first one is what clients take.
 *
 * @since 0.1.0
 */
export const add = <E, R, E2 = never, R2 = never>(
  draft: Draft<E, R>,
  entry: Image.Built<E2, R2> | Descriptor.Descriptor,
  options: EntryOptions = {}
): Draft<E | E2, R | R2> => {
  const image = "blobs" in entry ? Option.some(entry) : Option.none()
  const descriptor = descriptorOf("blobs" in entry ? { ...entry.manifest.descriptor, platform: entry.platform } : entry, options)
  const known = draft.manifests.some(({ digest }) => digest === descriptor.digest)
  return {
    ...draft,
    manifests: known
      ? draft.manifests.map((other) => (other.digest === descriptor.digest ? descriptor : other))
      : [...draft.manifests, descriptor],
    images: [...draft.images.filter(({ manifest }) => manifest.digest !== descriptor.digest), ...Option.toArray(image)]
  }
}

const descriptorOf = (entry: Descriptor.Fields, { platform, annotations }: EntryOptions): Descriptor.Descriptor =>
  Descriptor.make({
    ...entry,
    platform: platform ?? entry.platform,
    annotations: annotations === undefined ? entry.annotations : { ...entry.annotations, ...annotations }
  })

/** An index of these images, in this order. @since 0.1.0 */
export const fromImages = <E = never, R = never>(
  images: ReadonlyArray<Image.Built<E, R>>,
  options: { readonly format?: Image.Format | undefined } = {}
): Draft<E, R> => images.reduce((draft: Draft<E, R>, image) => add(draft, image), empty(options))

// Where BuildKit says which image an attestation is about.
const aboutDigest = "vnd.docker.reference.digest"

const without = <E, R>(draft: Draft<E, R>, leaves: (entry: Descriptor.Descriptor) => boolean): Draft<E, R> => {
  const stay = draft.manifests.filter((entry) => !leaves(entry))
  const gone = new Set<string>(draft.manifests.filter(leaves).map(({ digest }) => digest))
  // What serves another platform too is still there, and so is what is said about it.
  for (const { digest } of stay) gone.delete(digest)
  const manifests = stay.filter(({ annotations }) => !gone.has(annotations?.[aboutDigest] ?? ""))
  const kept = new Set<string>(manifests.map(({ digest }) => digest))
  return { ...draft, manifests, images: draft.images.filter(({ manifest }) => kept.has(manifest.digest)) }
}

/** Takes an entry out, and BuildKit's attestations about it. @since 0.1.0 */
export const remove = <E, R>(draft: Draft<E, R>, digest: Digest.Digest): Draft<E, R> => without(draft, (entry) => entry.digest === digest)

/**
 * Takes out all entries for a platform, and BuildKit's attestations about them. Names are compared after `Platform.normalize`; other variants
 * of the architecture stay. An entry without platform counts as `linux/amd64`.
 *
 * @since 0.1.0
 */
export const removePlatform = <E, R>(draft: Draft<E, R>, platform: Platform.Platform): Draft<E, R> => {
  const wanted = Platform.normalize(platform)
  return without(draft, (entry) => Platform.equals(wanted, Platform.normalize(entry.platform ?? Platform.linuxAmd64)))
}

/** Adds annotations to the index; `undefined` takes one away. @since 0.1.0 */
export const annotate = <E, R>(draft: Draft<E, R>, annotations: Readonly<Record<string, string | undefined>>): Draft<E, R> => ({
  ...draft,
  annotations: Drafts.merged(draft.annotations, annotations)
})

/** The manifest of an index. Fails when the artifact type it came with is none. @since 0.1.0 */
export const build = <E, R>(draft: Draft<E, R>): Either.Either<Manifest.ImageIndex, MalformedContent> =>
  Drafts.checked("manifest", () =>
    Manifest.imageIndex({
      mediaType: draft.format === "docker" ? MediaType.dockerManifestList : MediaType.ociImageIndex,
      manifests: draft.manifests,
      annotations: Drafts.orNone(draft.annotations),
      artifactType: draft.artifactType,
      subject: draft.subject
    })
  )

/**
 * Pushes the images that come with an index, one after the other, then the index with its tags. Nothing happens when the tags stand for it
 * already. The result is the manifest.
 *
 * @since 0.1.0
 */
export const push = <E, E2, R>(
  target: ContentStore.Target<E>,
  draft: Draft<E2, R>,
  options: Image.PushOptions = {}
): Effect.Effect<Manifest.ImageIndex, E | E2 | MalformedContent, R> =>
  Effect.gen(function* () {
    const manifest = yield* build(draft)
    const tags = options.tags ?? []
    if (yield* Pushing.isCurrent(target, manifest, options)) return manifest
    yield* Effect.forEach(draft.images, (image) => Pushing.push(target, image, { ...options, tags: [] }), { discard: true })
    yield* target.pushManifest(manifest, { tags })
    return manifest
  }).pipe(Effect.withSpan("ImageIndex.push", { attributes: { place: target.label, tags: options.tags } }))
