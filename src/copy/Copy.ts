/**
 * Copies of images, indexes and artifacts from any place to any place.
 *
 * The graph behind a manifest is walked and moved children first: blobs, configs, child manifests, then the manifest itself, its tags last, so
 * that no tag ever points to something incomplete. Each digest moves once per run; bytes flow from place to place and are never held whole;
 * what a place has already is left alone, and inside one registry blobs are mounted. Manifests are moved byte for byte.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as ContentStore from "../content/ContentStore.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Manifest from "../model/Manifest.ts"
import * as MediaType from "../model/MediaType.ts"
import * as Platform from "../model/Platform.ts"
import { type LimitExceeded, UnsupportedManifest } from "../model/RegistryError.ts"
import * as Graph from "./Graph.ts"
import * as Companions from "./internal/companions.ts"
import * as FanOut from "./internal/fanOut.ts"
import * as Mover from "./internal/mover.ts"
import * as Run from "./internal/run.ts"
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

/** One of the targets of one source; `tags` go over the common ones. @since 0.1.0 */
export interface Destination<E> {
  readonly target: ContentStore.Target<E>
  readonly tags?: ReadonlyArray<string> | undefined
}

/**
 * Copies one thing to many targets and reads it once: manifests are fetched once, and the blobs that several targets lack flow to them out
 * of one read, which keeps half a megabyte of each blob in memory. `jobs` are blobs, each with all its targets.
 *
 * The results are in the order of the targets. A target that fails leaves the others alone: its failure is its result, and
 * `Effect.flatMap(Effect.all)` makes it that of the whole. What fails as a whole is the source, as long as its manifests are read.
 *
 * The slowest target sets the pace. One that does nothing for some seconds is left behind, and reads what it lacks by itself later; so does
 * one whose upload has to begin again. Within a registry one target gets a blob, and the others mount it from there.
 *
 * @since 0.1.0
 */
export const copyToMany = <E1, E2>(
  source: ContentStore.Source<E1>,
  reference: string,
  destinations: ReadonlyArray<Destination<E2>>,
  options: Options = {}
): Effect.Effect<ReadonlyArray<Either.Either<Result, E1 | E2 | CopyError>>, E1 | CopyError> =>
  Effect.scoped(Effect.suspend(() => fanOut(runOf<E1 | E2>(options), source, reference, destinations, options)))

/** The events of a copy as a stream; a slow reader does not hold it up. @since 0.1.0 */
export const stream = <E1, E2>(
  source: ContentStore.Source<E1>,
  reference: string,
  target: ContentStore.Target<E2>,
  options: Omit<Options, "onProgress"> = {}
): Stream.Stream<Progress.Event, E1 | E2 | CopyError> =>
  Progress.toStream((onProgress) => copy(source, reference, target, { ...options, onProgress }))

const jobsOf = (options: Options): number => options.jobs ?? defaultJobs

const runOf = <E>(options: Options): Run.Run<E> =>
  Run.make({ jobs: jobsOf(options), listener: options.onProgress, nondistributable: options.nondistributable ?? false })

const tagsOf = (reference: string, options: Options): ReadonlyArray<string> => options.tags ?? (reference.includes(":") ? [] : [reference])

/** Whether the tags of the target do not say that all is there. */
const looksDeeper = ({ digestTags, force, platforms, referrers }: Options): boolean =>
  force === true || platforms !== undefined || referrers === true || digestTags === true

const digestOf = <E>(source: ContentStore.Source<E>, reference: string): Effect.Effect<string, E> =>
  isDigest(reference) ? Effect.succeed(reference) : Effect.map(source.resolve(reference), ({ digest }) => digest)

const copyIn = <E1, E2>(
  run: Run.Run<E1 | E2>,
  source: ContentStore.Source<E1>,
  reference: string,
  target: ContentStore.Target<E2>,
  options: Options
): Effect.Effect<Result, E1 | E2 | CopyError> =>
  Effect.gen(function* () {
    const tags = tagsOf(reference, options)
    const known = looksDeeper(options) ? Option.none() : yield* unchanged(digestOf(source, reference), target, tags)
    if (Option.isSome(known)) return resultOf(run, known.value, true)

    const manifest = yield* source.fetchManifest(reference)
    const { root, select } = yield* chosen(source, manifest, options.platforms)
    const mover = Mover.make(run, source, target)
    const skip = options.force === true ? undefined : (descriptor: Descriptor.Descriptor) => target.exists(descriptor)
    const moved = (known: typeof skip) => Effect.tap(Graph.load(source, root, { select, skip: known }), (node) => mover.move(node, tags))
    // The target may have said of a child that it is there, and have lost it.
    const mayBeMissing = (error: unknown) => skip !== undefined && Mover.isMissingContent(error)
    const node = yield* Effect.catchIf(moved(skip), mayBeMissing, () => moved(undefined))
    yield* Companions.move(mover, source, node, options)
    return resultOf(run, root.descriptor, false)
  })

const fanOut = <E1, E2>(
  run: Run.Run<E1 | E2>,
  source: ContentStore.Source<E1>,
  reference: string,
  destinations: ReadonlyArray<Destination<E2>>,
  options: Options
): Effect.Effect<ReadonlyArray<Either.Either<Result, E1 | E2 | CopyError>>, E1 | CopyError, Scope.Scope> =>
  Effect.gen(function* () {
    type Lane = FanOut.Lane<E1 | E2>
    const ends = yield* Effect.forEach(destinations, ({ target, tags = tagsOf(reference, options) }) =>
      Effect.map(FanOut.lane<E1 | E2>(run, jobsOf(options), source, target), (lane) => ({ lane, tags }))
    )
    const tagsFor = new Map<Lane, ReadonlyArray<string>>(ends.map(({ lane, tags }) => [lane, tags]))

    // Asked at most once. That the source fails shows again when it is read.
    const wanted = yield* Effect.cached(Effect.orElseSucceed(digestOf(source, reference), () => undefined))
    const same = new Map<Lane, Descriptor.Descriptor>()
    const look = ({ lane, tags }: (typeof ends)[number]) =>
      FanOut.within(lane, unchanged(wanted, lane.target, tags)).pipe(
        Effect.map(Option.map((descriptor) => same.set(lane, descriptor))),
        Effect.exit
      )
    if (!looksDeeper(options)) yield* Effect.forEach(ends, look, { concurrency: "unbounded", discard: true })

    const lanes = ends.map(({ lane }) => lane).filter((lane) => !lane.failed && !same.has(lane))
    const moved = lanes.length === 0 ? undefined : yield* moveAll(run, source, reference, lanes, tagsFor, options)

    const ended = ({ lane, tags }: (typeof ends)[number]): Effect.Effect<Result, E1 | E2 | CopyError> => {
      const known = same.get(lane) ?? moved
      if (!lane.failed && known !== undefined) return Effect.succeed(resultOf(lane.run, known, same.has(lane)))
      // Content that a target said it had and has not: it is looked through by itself.
      return Effect.catchIf(Deferred.await(lane.failure), Mover.isMissingContent, () =>
        copyIn(lane.run, source, reference, lane.target, { ...options, tags })
      )
    }
    return yield* Effect.forEach(ends, (end) => Effect.either(ended(end)), { concurrency: "unbounded" })
  })

/** Brings all lanes what they lack; what it was. */
const moveAll = <E1, E2>(
  run: Run.Run<E1 | E2>,
  source: ContentStore.Source<E1>,
  reference: string,
  lanes: ReadonlyArray<FanOut.Lane<E1 | E2>>,
  tags: ReadonlyMap<FanOut.Lane<E1 | E2>, ReadonlyArray<string>>,
  options: Options
): Effect.Effect<Descriptor.Descriptor, E1 | CopyError, Scope.Scope> =>
  Effect.gen(function* () {
    const { root, select } = yield* chosen(source, yield* source.fetchManifest(reference), options.platforms)
    const mover = FanOut.make<E1 | E2>(run, source, lanes, yield* Effect.scope)
    const node = yield* Graph.load(source, root, { select, skip: options.force === true ? undefined : mover.held })
    yield* mover.moveTo(node, (lane) => tags.get(lane) ?? [])
    yield* Companions.move(mover, source, node, options)
    return root.descriptor
  })

const resultOf = <E>(run: Run.Run<E>, descriptor: Descriptor.Descriptor, same: boolean): Result => ({
  descriptor,
  unchanged: same,
  ...run.tally
})

/** What all tags stand for already, when that is what is wanted: the whole of a copy that has nothing to do. */
const unchanged = <E1, E2>(
  wanted: Effect.Effect<string | undefined, E1>,
  target: ContentStore.Target<E2>,
  tags: ReadonlyArray<string>
): Effect.Effect<Option.Option<Descriptor.Descriptor>, E1 | E2> =>
  Effect.gen(function* () {
    const [first, ...others] = yield* Effect.forEach(tags, target.current, { concurrency: 4 })
    if (first === undefined || Option.isNone(first)) return Option.none()
    const { digest } = first.value
    if (others.some((other) => Option.isNone(other) || other.value.digest !== digest)) return Option.none()
    return (yield* wanted) === digest ? first : Option.none()
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
