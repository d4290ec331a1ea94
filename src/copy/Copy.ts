/**
 * Copies of images, indexes and artifacts from any place to any place.
 *
 * The graph behind a manifest is walked and moved children first: blobs, configs, child manifests, then the manifest itself, its tags last, so
 * that no tag ever points to something incomplete. Each digest moves once per run; bytes flow from place to place and are never held whole;
 * what a place has already is left alone, and inside one registry blobs are mounted. Manifests are moved byte for byte.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as ContentStore from "../content/ContentStore.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Manifest from "../model/Manifest.ts"
import * as MediaType from "../model/MediaType.ts"
import * as Platform from "../model/Platform.ts"
import { type LimitExceeded, UnsupportedManifest } from "../model/RegistryError.ts"
import * as Graph from "./Graph.ts"
import * as Mover from "./internal/mover.ts"
import * as Progress from "./Progress.ts"

/**
 * Which platforms of an index are copied.
 *
 * - `only`: the image for one platform, in place of the index
 * - `strip`: an index of these platforms alone, which is another index with another digest
 * - `sparse`: the index as it is, with these platforms' images alone; many registries refuse an index whose images are missing
 *
 * A platform the index does not have fails as `UnsupportedManifest`.
 *
 * @since 0.1.0
 */
export type Platforms =
  | { readonly only: Platform.Platform }
  | { readonly strip: ReadonlyArray<Platform.Platform> }
  | { readonly sparse: ReadonlyArray<Platform.Platform> }

/**
 * - `tags`: what the copy is called at its target; the source's tag unless given, nothing when it was named by digest
 * - `jobs`: pieces of content moving at once, default 16
 * - `platforms`: see `Platforms`, default all
 * - `referrers`: whether what refers to the copied manifests comes along, signatures and the like, default no
 * - `digestTags`: whether tags such as `sha256-….sig` come along, default no
 * - `nondistributable`: whether layers meant to be fetched elsewhere are copied too, default no
 * - `force`: looks at every blob and manifest again even if the target's tag says that all is there, default no
 * - `onProgress`: told about every event; it should return at once
 *
 * @since 0.1.0
 */
export interface Options {
  readonly tags?: ReadonlyArray<string> | undefined
  readonly jobs?: number | undefined
  readonly platforms?: Platforms | undefined
  readonly referrers?: boolean | undefined
  readonly digestTags?: boolean | undefined
  readonly nondistributable?: boolean | undefined
  readonly force?: boolean | undefined
  readonly onProgress?: Progress.Listener | undefined
}

/**
 * What was copied. Counts are of the whole run: `blobs` and `manifests` moved with their `bytes`, blobs `mounted`, and `skipped` because they
 * were there. `unchanged` says that the tags pointed to this very manifest already and nothing was looked at further.
 *
 * @since 0.1.0
 */
export interface Result {
  readonly descriptor: Descriptor.Descriptor
  readonly unchanged: boolean
  readonly blobs: number
  readonly manifests: number
  readonly bytes: number
  readonly skipped: number
  readonly mounted: number
}

/** Failures of the copy itself, beside those of its places. @since 0.1.0 */
export type CopyError = UnsupportedManifest | LimitExceeded

const defaultJobs = 16

// The name of an image in a docker archive has a colon as well: `app:v1`.
const isDigest = (reference: string) => /^[a-z0-9+._-]+:[0-9a-f]{32,}$/.test(reference)

/** Copies what a tag or digest of the source stands for. @since 0.1.0 */
export const copy = <E1, E2>(
  source: ContentStore.Source<E1>,
  reference: string,
  target: ContentStore.Target<E2>,
  options: Options = {}
): Effect.Effect<Result, E1 | E2 | CopyError> => Effect.suspend(() => copyIn(runOf<E1 | E2>(options), source, reference, target, options))

/** One of many copies; its own options go over the common ones. @since 0.1.0 */
export interface Entry<E1, E2> {
  readonly source: ContentStore.Source<E1>
  readonly reference: string
  readonly target: ContentStore.Target<E2>
  readonly tags?: ReadonlyArray<string> | undefined
}

/**
 * Many copies at once, which share the limit of `jobs` and what they learn: content that one of them put into a registry is mounted by the
 * others. The first failure ends them all.
 *
 * @since 0.1.0
 */
export const copyMany = <E1, E2>(
  entries: ReadonlyArray<Entry<E1, E2>>,
  options: Omit<Options, "tags"> = {}
): Effect.Effect<ReadonlyArray<Result>, E1 | E2 | CopyError> =>
  Effect.suspend(() => {
    const run = runOf<E1 | E2>(options)
    return Effect.forEach(entries, ({ source, reference, target, tags }) => copyIn(run, source, reference, target, { ...options, tags }), {
      concurrency: options.jobs ?? defaultJobs
    })
  })

/** The events of a copy as a stream; a slow reader does not hold it up. @since 0.1.0 */
export const stream = <E1, E2>(
  source: ContentStore.Source<E1>,
  reference: string,
  target: ContentStore.Target<E2>,
  options: Omit<Options, "onProgress"> = {}
): Stream.Stream<Progress.Event, E1 | E2 | CopyError> =>
  Progress.toStream((onProgress) => copy(source, reference, target, { ...options, onProgress }))

const runOf = <E>(options: Options): Mover.Run<E> =>
  Mover.makeRun({
    jobs: options.jobs ?? defaultJobs,
    listener: options.onProgress,
    nondistributable: options.nondistributable ?? false
  })

const copyIn = <E1, E2>(
  run: Mover.Run<E1 | E2>,
  source: ContentStore.Source<E1>,
  reference: string,
  target: ContentStore.Target<E2>,
  options: Options
): Effect.Effect<Result, E1 | E2 | CopyError> =>
  Effect.gen(function* () {
    const tags = options.tags ?? (reference.includes(":") ? [] : [reference])
    const looksDeeper =
      options.force === true || options.platforms !== undefined || options.referrers === true || options.digestTags === true
    const known = looksDeeper ? Option.none() : yield* unchanged(source, reference, target, tags)
    if (Option.isSome(known)) return resultOf(run, known.value, true)

    const manifest = yield* source.fetchManifest(reference)
    const { root, select } = yield* chosen(source, manifest, options.platforms)
    const mover = Mover.make(run, source, target)
    const skip = options.force === true ? undefined : (descriptor: Descriptor.Descriptor) => target.exists(descriptor)
    const moved = (known: typeof skip) => Effect.tap(Graph.load(source, root, { select, skip: known }), (node) => mover.move(node, tags))
    // The target may have said of a child that it is there, and have lost it.
    const mayBeMissing = (error: unknown) => skip !== undefined && Predicate.isTagged(error, "ManifestBlobUnknown")
    const node = yield* Effect.catchIf(moved(skip), mayBeMissing, () => moved(undefined))
    if (options.referrers === true) yield* copyReferrers(mover, source, manifestsOf(node))
    if (options.digestTags === true) yield* copyDigestTags(mover, source, manifestsOf(node))
    return resultOf(run, root.descriptor, false)
  })

const resultOf = <E>(run: Mover.Run<E>, descriptor: Descriptor.Descriptor, same: boolean): Result => ({
  descriptor,
  unchanged: same,
  ...run.tally
})

/** The manifests of a graph and those they name, which may have been in place and so have no node. */
const manifestsOf = (node: Graph.Node): ReadonlyArray<Descriptor.Descriptor> =>
  Graph.postOrder(node)
    .flatMap(({ descriptor, manifest }) => [descriptor, ...Manifest.successors(manifest)])
    .filter(({ mediaType }) => MediaType.isManifest(mediaType))

/** What all tags stand for already, when that is what the reference stands for: the whole of a copy that has nothing to do. */
const unchanged = <E1, E2>(
  source: ContentStore.Source<E1>,
  reference: string,
  target: ContentStore.Target<E2>,
  tags: ReadonlyArray<string>
): Effect.Effect<Option.Option<Descriptor.Descriptor>, E1 | E2> =>
  Effect.gen(function* () {
    const [first, ...others] = yield* Effect.forEach(tags, target.current, { concurrency: 4 })
    if (first === undefined || Option.isNone(first)) return Option.none()
    const { digest } = first.value
    if (others.some((other) => Option.isNone(other) || other.value.digest !== digest)) return Option.none()
    const wanted = isDigest(reference) ? reference : (yield* source.resolve(reference)).digest
    return wanted === digest ? first : Option.none()
  })

interface Chosen {
  readonly root: Manifest.Manifest
  readonly select: ((entry: Descriptor.Descriptor) => boolean) | undefined
}

const chosen = <E>(
  source: ContentStore.Source<E>,
  manifest: Manifest.Manifest,
  platforms: Platforms | undefined
): Effect.Effect<Chosen, E | UnsupportedManifest> =>
  Effect.gen(function* () {
    if (platforms === undefined || !Manifest.isImageIndex(manifest)) return { root: manifest, select: undefined }
    const find = (platform: Platform.Platform) =>
      Option.match(Platform.choose(manifest.manifests, platform, "normalized"), {
        onSome: Effect.succeed,
        onNone: () =>
          new UnsupportedManifest({
            repository: source.label,
            operation: "copy",
            mediaType: manifest.mediaType,
            reason: `it has nothing for ${Platform.format(platform)}`
          })
      })
    if ("only" in platforms) {
      const root = yield* source.fetchManifest(yield* find(platforms.only))
      return yield* chosen(source, root, platforms)
    }
    const entries = yield* Effect.forEach("strip" in platforms ? platforms.strip : platforms.sparse, find)
    const digests = new Set(entries.map(({ digest }) => digest))
    const select = (entry: Descriptor.Descriptor) => digests.has(entry.digest)
    if ("sparse" in platforms) return { root: manifest, select: (entry) => select(entry) || !manifest.manifests.includes(entry) }
    const { annotations, subject, artifactType } = manifest
    const mediaType = manifest.mediaType === MediaType.dockerManifestList ? MediaType.dockerManifestList : MediaType.ociImageIndex
    const stripped = Manifest.imageIndex({ mediaType, annotations, subject, artifactType, manifests: manifest.manifests.filter(select) })
    return { root: stripped, select: undefined }
  })

/** What refers to these manifests, and what refers to that, each once. */
const copyReferrers = <E1, E2>(
  mover: Mover.Mover<E1 | E2>,
  source: ContentStore.Source<E1>,
  subjects: ReadonlyArray<Descriptor.Descriptor>
): Effect.Effect<void, E1 | E2 | LimitExceeded> => {
  if (!ContentStore.hasReferrers<ContentStore.Source<E1>, E1>(source)) return Effect.void
  const seen = new Set<string>()
  const follow = (subject: Descriptor.Descriptor): Effect.Effect<void, E1 | E2 | LimitExceeded> =>
    Effect.suspend(() => {
      if (seen.has(subject.digest)) return Effect.void
      seen.add(subject.digest)
      return Stream.runForEach(source.referrers(subject), (referrer) =>
        Effect.gen(function* () {
          const node = yield* Graph.load(source, yield* source.fetchManifest(referrer))
          yield* mover.move(node, [])
          yield* follow(node.descriptor)
        })
      )
    })
  return Effect.forEach(subjects, follow, { discard: true })
}

/** Tags that are named after a digest, as older signing tools use them: `sha256-….sig`, `.att`, `.sbom` and whatever else ends them. */
const copyDigestTags = <E1, E2>(
  mover: Mover.Mover<E1 | E2>,
  source: ContentStore.Source<E1>,
  subjects: ReadonlyArray<Descriptor.Descriptor>
): Effect.Effect<void, E1 | E2 | LimitExceeded> => {
  if (!ContentStore.hasTags<ContentStore.Source<E1>, E1>(source)) return Effect.void
  const prefixes = new Set(subjects.map(({ digest }) => digest.replace(":", "-")))
  const belongs = (tag: string) => prefixes.has(tag.replace(/\..*$/, "")) && tag.includes(".")
  return Stream.runForEach(Stream.filter(source.tags, belongs), (tag) =>
    Effect.gen(function* () {
      const node = yield* Graph.load(source, yield* source.fetchManifest(tag))
      yield* mover.move(node, [tag])
    })
  )
}
