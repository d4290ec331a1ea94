/**
 * Images: what a place holds, read when it is asked for, and new ones, put together as values and then pushed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ContentStore from "../content/ContentStore.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import type * as Digest from "../model/Digest.ts"
import * as ImageConfig from "../model/ImageConfig.ts"
import * as Manifest from "../model/Manifest.ts"
import * as MediaType from "../model/MediaType.ts"
import * as Platform from "../model/Platform.ts"
import { type InvalidDigest, LimitExceeded, MalformedContent } from "../model/RegistryError.ts"
import type * as BuiltImage from "./internal/built.ts"
import * as Drafts from "./internal/draft.ts"
import * as Pushing from "./internal/pushing.ts"
import { bytesOf, manifestOf, remembered } from "./internal/reading.ts"
import { type ResolutionError as ImageError, resolve, unsupported } from "./internal/resolution.ts"
import * as Layer from "./Layer.ts"

// --- reading ---

export type {
  /** @since 0.1.0 */
  ResolutionError as ImageError
} from "./internal/resolution.ts"

/** What is wrong with a config: its bytes, its size or what it says. @since 0.1.0 */
export type ConfigError = Layer.LayerError | LimitExceeded

/**
 * An image in some place. Its manifest is at hand; config and layers are read when they are asked for.
 *
 * @since 0.1.0
 */
export interface Image<E> {
  /** The image's; when an index led to it, what the index says about it. */
  readonly descriptor: Descriptor.Descriptor
  readonly manifest: Manifest.ImageManifest
  /** What the index says it is for; the config knows too. */
  readonly platform: Option.Option<Platform.Platform>
  /** Fetched once, verified, and at most `configLimitBytes` long. */
  readonly configBytes: Effect.Effect<Uint8Array, E | ConfigError>
  readonly config: Effect.Effect<ImageConfig.ImageConfig, E | ConfigError>
  /** Base first. */
  readonly layers: ReadonlyArray<Layer.Layer<E | ConfigError>>
  /** Of the manifest, the config and the layers, each once. */
  readonly mediaTypes: ReadonlyArray<string>
  /** Where its blobs may be taken over from. */
  readonly mounts: Option.Option<ContentStore.Mounts["mounts"]>
}

/**
 * - `platform`: which image of an index, default `linux/amd64`
 * - `policy`: how platforms are compared, default `normalized`
 *
 * @since 0.1.0
 */
export interface FetchOptions {
  readonly platform?: Platform.Platform | undefined
  readonly policy?: Platform.Policy | undefined
}

/** The longest config that is read: twice the longest manifest. @since 0.1.0 */
export const configLimitBytes = 8 * 1024 * 1024

const maxManifests = 10_000
const concurrency = 8

/**
 * The image that a tag or digest stands for. Of an index, that for the platform, also through nested indexes. Docker schema 1, other kinds of
 * manifests, and indexes without anything for the platform fail as `UnsupportedManifest`.
 *
 * @since 0.1.0
 */
export const fetch = <E>(
  source: ContentStore.Source<E>,
  reference: string,
  options: FetchOptions = {}
): Effect.Effect<Image<E>, E | ImageError> =>
  Effect.flatMap(source.fetchManifest(reference), (manifest) => fromManifest(source, manifest, options)).pipe(
    Effect.withSpan("Image.fetch", { attributes: { place: source.label, reference } })
  )

/** {@link fetch} for a manifest that is at hand. Of an index, the image is fetched. @since 0.1.0 */
export const fromManifest = <E>(
  source: ContentStore.Source<E>,
  manifest: Manifest.Manifest,
  options: FetchOptions = {}
): Effect.Effect<Image<E>, E | ImageError> =>
  Effect.map(
    resolve(source, manifest, { platform: options.platform ?? Platform.linuxAmd64, policy: options.policy ?? "normalized" }),
    (resolved) => fromImageManifest(source, resolved.manifest, resolved.descriptor)
  )

/** The image of a manifest; `descriptor` is what an index says about it. @since 0.1.0 */
export const fromImageManifest = <E>(
  source: ContentStore.Source<E>,
  manifest: Manifest.ImageManifest,
  descriptor: Descriptor.Descriptor = manifest.descriptor
): Image<E> => {
  const configBytes = remembered(bytesOf(source, manifest.config, "an image config", configLimitBytes))
  const config = remembered(Effect.flatMap(configBytes, ImageConfig.decode))
  const diffId = (position: number) =>
    MediaType.isConfig(manifest.config.mediaType) ? Effect.flatMap(config, (_) => Effect.asSome(diffIdAt(_, position))) : Effect.succeedNone
  return {
    descriptor,
    manifest,
    platform: Option.fromNullable(descriptor.platform),
    configBytes,
    config,
    layers: manifest.layers.map((layer, position) => Layer.make(source, layer, { diffId: diffId(position) })),
    mediaTypes: [...new Set([manifest.mediaType, manifest.config.mediaType, ...manifest.layers.map(({ mediaType }) => mediaType)])],
    mounts: ContentStore.hasMounts(source) ? Option.some(source.mounts) : Option.none()
  }
}

const malformedConfig = (reason: string) => new MalformedContent({ kind: "image config", reason })

const diffIdAt = ({ rootfs }: ImageConfig.ImageConfig, position: number): Either.Either<Digest.Digest, MalformedContent> =>
  Either.fromNullable(rootfs.diff_ids[position], () => malformedConfig(`it has no diff id for layer ${position + 1}`))

/** @since 0.1.0 */
export interface Manifests {
  /** None when the reference stands for a single image. */
  readonly index: Option.Option<Manifest.ImageIndex>
  /** The entries of the index, in its order, or the single image. */
  readonly manifests: ReadonlyArray<Manifest.Manifest>
}

/**
 * The index that a tag or digest stands for with all the manifests it names, or the single image. Nested indexes are not followed; more than
 * 10 000 entries fail as `LimitExceeded`, and Docker schema 1 as `UnsupportedManifest`.
 *
 * @since 0.1.0
 */
export const fetchAll = <E>(source: ContentStore.Source<E>, reference: string): Effect.Effect<Manifests, E | ImageError> =>
  Effect.gen(function* () {
    const manifest = yield* source.fetchManifest(reference)
    if (manifest._tag === "Schema1Manifest") return yield* unsupported(source, "fetchAll", manifest, "Docker schema 1 is not read")
    if (manifest._tag !== "ImageIndex") return { index: Option.none(), manifests: [manifest] }
    if (manifest.manifests.length > maxManifests) {
      return yield* new LimitExceeded({ repository: source.label, what: "the number of manifests", limit: maxManifests })
    }
    const manifests = yield* Effect.forEach(manifest.manifests, (entry) => manifestOf(source, entry), { concurrency })
    return { index: Option.some(manifest), manifests }
  }).pipe(Effect.withSpan("Image.fetchAll", { attributes: { place: source.label, reference } }))

// --- building ---

export type {
  /** @since 0.1.0 */
  Format
} from "./internal/draft.ts"

/**
 * An image in the making: a value, out of which equal steps make equal bytes. `L` is what its layers are: `Layer.Blob`s, whose digests are
 * known, or `Layer.Streamed` too.
 *
 * @since 0.1.0
 */
export interface Draft<L = Layer.Blob> extends Drafts.Draft<L> {}

/** An image that is complete: its manifest and the blobs it is made of, layers first. @since 0.1.0 */
export interface Built<E = never, R = never> extends BuiltImage.Built<E, R> {}

/** `platform`: default `linux/amd64`; `format`: default `oci`. @since 0.1.0 */
export interface EmptyOptions {
  readonly platform?: Platform.Platform | undefined
  readonly format?: Drafts.Format | undefined
}

/** An image without layers. @since 0.1.0 */
export const empty = (options: EmptyOptions = {}): Draft => {
  const { architecture, os, ...rest } = Platform.make(options.platform ?? Platform.linuxAmd64)
  const { features: _, ...known } = rest
  return {
    format: options.format ?? "oci",
    config: { architecture, os, ...known, config: {}, rootfs: { type: "layers", diff_ids: [] }, history: [] },
    original: Option.none(),
    layers: [],
    annotations: {},
    artifactType: undefined,
    subject: undefined
  }
}

/**
 * An image to go on from. Its layers come out of its place when the new image is pushed, or are mounted there; its config stays byte for
 * byte unless something in it changes.
 *
 * @since 0.1.0
 */
export const edit = <E>(image: Image<E>): Effect.Effect<Draft<Layer.Blob<E | ConfigError>>, E | ConfigError> =>
  Effect.gen(function* () {
    const { manifest } = image
    const bytes = yield* image.configBytes
    const config = yield* image.config
    const layers = yield* Effect.forEach(image.layers, ({ descriptor, compressed }, position) =>
      Either.map(diffIdAt(config, position), (diffId) => ({ ...Layer.fromBlob(descriptor, compressed, diffId), mounts: mountsOf(image) }))
    )
    if (config.rootfs.diff_ids.length > layers.length) return yield* malformedConfig("it has more diff ids than there are layers")
    return {
      format: manifest.mediaType === MediaType.dockerManifest ? "docker" : "oci",
      config,
      original: Option.some({ config, bytes, descriptor: manifest.config }),
      layers,
      annotations: Manifest.annotations(manifest),
      artifactType: manifest.artifactType,
      subject: manifest.subject
    }
  })

const mountsOf = <E>(image: Image<E>) => Option.getOrUndefined(image.mounts)

/**
 * Puts a layer on top. It gets the media type of its kind in the image's format, and an entry in the history if all layers have one.
 *
 * @since 0.1.0
 */
export const appendLayer: {
  <E, R, E2, R2>(
    draft: Draft<Layer.Blob<E, R>>,
    layer: Layer.Blob<E2, R2>,
    history?: ImageConfig.HistoryEntry
  ): Draft<Layer.Blob<E | E2, R | R2>>
  <E, R, E2, R2>(
    draft: Draft<Layer.New<E, R>>,
    layer: Layer.New<E2, R2>,
    history?: ImageConfig.HistoryEntry
  ): Draft<Layer.New<E | E2, R | R2>>
} = <L, L2 extends Layer.New<unknown, unknown>>(draft: Draft<L>, layer: L2, history: ImageConfig.HistoryEntry = {}): Draft<L | L2> =>
  Drafts.append(draft, layer, history)

/** Changes the config. What it says about layers (`rootfs`) is written anew from the layers. @since 0.1.0 */
export const setConfig = <L>(draft: Draft<L>, change: (config: ImageConfig.ImageConfig) => ImageConfig.ImageConfig): Draft<L> => ({
  ...draft,
  config: change(draft.config)
})

/** Adds annotations to the manifest; `undefined` takes one away. @since 0.1.0 */
export const annotate = <L>(draft: Draft<L>, annotations: Readonly<Record<string, string | undefined>>): Draft<L> => ({
  ...draft,
  annotations: Drafts.merged(draft.annotations, annotations)
})

/** The image of a draft whose digests are known. Fails when the config, or the artifact type it came with, is not what it should be. @since 0.1.0 */
export const build = <E, R>(draft: Draft<Layer.Blob<E, R>>): Either.Either<Built<E, R>, MalformedContent> =>
  Either.map(Drafts.documents(draft), ({ manifest, config }) => ({
    manifest,
    blobs: [...draft.layers, config],
    platform: ImageConfig.platform(draft.config)
  }))

/** What an image is for: said by the index it came out of, else by its config. An artifact says nothing. */
const platformOf = <E>({ configBytes, manifest, platform }: Image<E>): Effect.Effect<Platform.Platform | undefined, E | ConfigError> =>
  Option.isSome(platform) || !MediaType.isConfig(manifest.config.mediaType)
    ? Effect.succeed(Option.getOrUndefined(platform))
    : Effect.map(configBytes, (bytes) =>
        Option.getOrUndefined(Option.flatMapNullable(Either.getRight(ImageConfig.decode(bytes)), ImageConfig.platform))
      )

/** An image of some place as it is, to be pushed somewhere else. Its config is read when no index has said what it is for. @since 0.1.0 */
export const built = <E>(image: Image<E>): Effect.Effect<Built<E | ConfigError>, E | ConfigError> =>
  Effect.map(platformOf(image), (platform) => {
    const mounts = mountsOf(image)
    const layers = image.layers.map(({ descriptor, compressed }) => ({ descriptor, content: compressed, mounts }))
    const config = { descriptor: image.manifest.config, content: Stream.fromEffect(image.configBytes), mounts }
    return { manifest: image.manifest, blobs: [...layers, config], platform }
  })

/**
 * - `tags`: what it is called; without any it can be had by digest alone
 * - `jobs`: how many blobs move at once, default 4
 * - `nondistributable`: whether layers that are meant to be fetched elsewhere are pushed too, default no
 *
 * @since 0.1.0
 */
export interface PushOptions extends BuiltImage.PushOptions {}

/**
 * Pushes an image: layers, config, then the manifest with its tags. Nothing happens when the tags stand for it already. Blobs that the place
 * has are left alone; those of a place next to it are mounted. The result is the manifest.
 *
 * Streamed layers are packed while they leave. A place that cannot take them so gets them measured first, see `Layer.measure`.
 *
 * @since 0.1.0
 */
export const push = <E, E2, R>(
  target: ContentStore.Target<E>,
  image: Built<E2, R> | Draft<Layer.New<E2, R>>,
  options: PushOptions = {}
): Effect.Effect<Manifest.ImageManifest, E | E2 | MalformedContent | InvalidDigest | LimitExceeded, R> =>
  Effect.gen(function* () {
    const whole = "manifest" in image ? image : yield* withoutStreams(target, image, options)
    yield* Pushing.push(target, whole, options)
    return whole.manifest
  }).pipe(Effect.withSpan("Image.push", { attributes: { place: target.label, tags: options.tags } }))

/** The image of a draft, its streamed layers in their place already, since their digests make the config. */
const withoutStreams = <E, E2, R>(
  target: ContentStore.Target<E>,
  draft: Draft<Layer.New<E2, R>>,
  options: PushOptions
): Effect.Effect<Built<E2, R>, E | E2 | MalformedContent | InvalidDigest | LimitExceeded, R> =>
  Effect.gen(function* () {
    const layers = yield* Effect.forEach(draft.layers, (layer) => (layer._tag === "Blob" ? Effect.succeed(layer) : sent(target, layer)), {
      concurrency: Pushing.jobsOf(options)
    })
    const { manifest, config } = yield* Drafts.documents({ ...draft, layers })
    const blobs = layers.flatMap((layer) => ("content" in layer ? [layer] : []))
    return { manifest, blobs: [...blobs, config], platform: ImageConfig.platform(draft.config) }
  })

const sent = <E, E2, R>(
  target: ContentStore.Target<E>,
  layer: Layer.Streamed<E2, R>
): Effect.Effect<Drafts.Known | Layer.Blob<E2, R>, E | E2 | InvalidDigest | LimitExceeded, R> =>
  ContentStore.hasStreams<ContentStore.Target<E>, E>(target)
    ? Effect.map(
        Layer.pack(layer, (packed) => target.pushStream(packed, { mediaType: layer.mediaType })),
        ({ descriptor, diffId }) => ({ _tag: "Blob", descriptor, diffId })
      )
    : Layer.measure(layer)
