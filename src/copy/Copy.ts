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
import * as ContentStore from "../content/ContentStore.ts"
import * as Index from "../content/internal/layoutIndex.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Interruption from "../model/internal/interruption.ts"
import * as Jobs from "../model/internal/jobs.ts"
import type * as Manifest from "../model/Manifest.ts"
import * as MediaType from "../model/MediaType.ts"
import type { LimitExceeded, UnsupportedManifest } from "../model/RegistryError.ts"
import * as Graph from "./Graph.ts"
import * as Choice from "./internal/choice.ts"
import * as Companions from "./internal/companions.ts"
import * as FanOut from "./internal/fanOut.ts"
import * as Mover from "./internal/mover.ts"
import * as Run from "./internal/run.ts"
import * as Standing from "./internal/standing.ts"
import * as Progress from "./Progress.ts"

export type {
  /** @since 0.1.0 */
  Platforms
} from "./internal/choice.ts"

/**
 * - `tags`: what the copy is called at its target; the source's tag unless given, nothing when it was named by digest. Archives have names
 *   for tags, such as `app:v1`, which registries do not take
 * - `jobs`: pieces of content moving at once, at least one, default 16
 * - `platforms`: see `Platforms`, default all
 * - `referrers`: whether what refers to the copied manifests comes along, signatures and the like, default no
 * - `digestTags`: whether tags such as `sha256-….sig` come along, default no
 * - `nondistributable`: whether layers meant to be fetched elsewhere are copied too, default no
 * - `force`: looks at every blob and manifest again even if the target has the manifest already, default no
 * - `onProgress`: told about every event; it should return at once
 *
 * @since 0.1.0
 */
export interface Options {
  readonly tags?: ReadonlyArray<string> | undefined
  readonly jobs?: number | undefined
  readonly platforms?: Choice.Platforms | undefined
  readonly referrers?: boolean | undefined
  readonly digestTags?: boolean | undefined
  readonly nondistributable?: boolean | undefined
  readonly force?: boolean | undefined
  readonly onProgress?: Progress.Listener | undefined
}

/**
 * What was copied. Counts are of the whole run: `blobs` and `manifests` moved with their `bytes`, blobs `mounted`, and `skipped` because they
 * were there. `unchanged` says that the tags pointed to this very manifest already, or that it was there and no tags were wanted, and nothing
 * was looked at further.
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

/**
 * Copies what a tag or digest of the source stands for. What the target has by one of the tags, or by the digest that was asked for, is not
 * looked into: only tags are set that do not stand for it yet.
 *
 * @since 0.1.0
 */
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

/** What the places of an entry fail with. @since 0.1.0 */
export type EntryFailure<One> = One extends Entry<infer E1, infer E2> ? E1 | E2 : never

/**
 * Many copies at once, between places of any kinds, which share the limit of `jobs` and what they learn: content that one of them put into a
 * registry is mounted by the others. The first failure ends them all, and is told when they have ended.
 *
 * @since 0.1.0
 */
export const copyMany = <One extends Entry<unknown, unknown>>(
  entries: ReadonlyArray<One & Entry<EntryFailure<One>, EntryFailure<One>>>,
  options: Omit<Options, "tags"> = {}
): Effect.Effect<ReadonlyArray<Result>, EntryFailure<One> | CopyError> =>
  Effect.suspend(() => {
    const run = runOf<EntryFailure<One>>(options)
    return Jobs.forEach(entries, jobsOf(options), ({ source, reference, target, tags }) =>
      copyIn(run, source, reference, target, { ...options, tags })
    )
  })

/** One of the targets of one source; `tags` go over the common ones. @since 0.1.0 */
export interface Destination<E> {
  readonly target: ContentStore.Target<E>
  readonly tags?: ReadonlyArray<string> | undefined
}

/** What the target of a destination fails with. @since 0.1.0 */
export type DestinationFailure<One> = One extends Destination<infer E> ? E : never

/**
 * Copies one thing to many targets, of any kinds, and reads it once: manifests are fetched once, and the blobs that several targets lack flow
 * to them out of one read, of which the fastest target is at most half a megabyte ahead of the slowest. `jobs` are blobs, each with all its
 * targets.
 *
 * The results are in the order of the targets. A target that fails leaves the others alone: its failure is its result, and
 * `Effect.flatMap(Effect.all)` makes it that of the whole. What fails as a whole is the source, as long as its manifests are read.
 *
 * The slowest target sets the pace. One that does nothing for some seconds is left behind, and reads what it lacks by itself later; so does
 * one whose upload has to begin again. Within a registry one target gets a blob, and the others mount it from there.
 *
 * @since 0.1.0
 */
export const copyToMany = <E1, One extends Destination<unknown>>(
  source: ContentStore.Source<E1>,
  reference: string,
  destinations: ReadonlyArray<One & Destination<DestinationFailure<One>>>,
  options: Options = {}
): Effect.Effect<ReadonlyArray<Either.Either<Result, E1 | DestinationFailure<One> | CopyError>>, E1 | CopyError> =>
  Effect.suspend(() => fanOut(runOf<E1 | DestinationFailure<One>>(options), source, reference, destinations, options)).pipe(
    Effect.scoped,
    Interruption.lasting
  )

/** The events of a copy as a stream; a slow reader does not hold it up. @since 0.1.0 */
export const stream = <E1, E2>(
  source: ContentStore.Source<E1>,
  reference: string,
  target: ContentStore.Target<E2>,
  options: Omit<Options, "onProgress"> = {}
): Stream.Stream<Progress.Event, E1 | E2 | CopyError> =>
  Progress.toStream((onProgress) => copy(source, reference, target, { ...options, onProgress }))

const jobsOf = (options: Options): number => Math.max(1, options.jobs ?? defaultJobs)

const runOf = <E>(options: Options): Run.Run<E> =>
  Run.make({ jobs: jobsOf(options), listener: options.onProgress, nondistributable: options.nondistributable ?? false })

const tagsOf = (reference: string, options: Options): ReadonlyArray<string> =>
  options.tags ?? (Index.isDigest(reference) ? [] : [reference])

/** Whether the tags of the target do not say that all the manifest names is there. */
const looksDeeper = ({ force, nondistributable, platforms }: Options): boolean =>
  force === true || nondistributable === true || platforms !== undefined

/** Whether there may be more than what the manifest names. */
const wantsCompanions = ({ digestTags, referrers }: Options): boolean => digestTags === true || referrers === true

/**
 * Which manifests that the target has need not be looked into. One that is there may have come without layers meant to be fetched elsewhere,
 * and of an index it may be wanted what belongs to its manifests.
 */
const skipOf = <E>(options: Options, exists: (descriptor: Descriptor.Descriptor) => Effect.Effect<boolean, E>) => {
  if (options.force === true || options.nondistributable === true) return undefined
  const companions = wantsCompanions(options)
  return (descriptor: Descriptor.Descriptor) =>
    companions && MediaType.isIndex(descriptor.mediaType) ? Effect.succeed(false) : exists(descriptor)
}

const digestOf = <E>(source: ContentStore.Source<E>, reference: string): Effect.Effect<string, E> =>
  Index.isDigest(reference) ? Effect.succeed(reference) : Effect.map(source.resolve(reference), ({ digest }) => digest)

/** The target is asked first what its tags stand for, and the source gets ready meanwhile; for a digest it may not be asked at all. */
const prepared = <E>(
  source: ContentStore.Source<E>,
  reference: string,
  tags: ReadonlyArray<string>
): Effect.Effect<void, never, Scope.Scope> =>
  ContentStore.hasPrepare(source) && !Index.isDigest(reference) && tags.length > 0 ? Effect.forkScoped(source.prepare) : Effect.void

const copyIn = <E1, E2>(
  run: Run.Run<E1 | E2>,
  source: ContentStore.Source<E1>,
  reference: string,
  target: ContentStore.Target<E2>,
  options: Options
): Effect.Effect<Result, E1 | E2 | CopyError> =>
  Effect.gen(function* () {
    const tags = tagsOf(reference, options)
    const shallow = !looksDeeper(options)
    const companions = wantsCompanions(options)
    const standing = shallow ? yield* Effect.zipRight(prepared(source, reference, tags), Standing.ask(target, tags)) : []
    const same = Standing.common(standing)
    const isSame = Option.isSome(same) && same.value.digest === (yield* digestOf(source, reference))
    if (isSame && !companions) return resultOf(run, same.value, true)
    const mover = Mover.make(run, source, target)
    const companionsOf = (subjects: ReadonlyArray<Descriptor.Descriptor>) =>
      Companions.move(mover, source, subjects, options, options.force === true ? undefined : Companions.knownBy(target))
    // An image names no other manifests, to which something might belong as well.
    if (isSame && !MediaType.isIndex(same.value.mediaType)) {
      yield* companionsOf([same.value])
      return resultOf(run, same.value, false)
    }

    const manifest = yield* source.fetchManifest(reference)
    const left = shallow ? yield* Standing.lacking(target, standing, manifest, Index.isDigest(reference)) : Option.none()
    if (Option.isSome(left) && left.value.length === 0 && !companions) return resultOf(run, manifest.descriptor, true)

    const { root, select } = yield* Choice.choose(source, manifest, options.platforms)
    const skip = skipOf(options, (descriptor: Descriptor.Descriptor) => Standing.holds(target, descriptor))
    const load = (known: typeof skip) => Graph.load(source, root, { select, skip: known })
    const moved = (loading: ReturnType<typeof load>) => Effect.tap(loading, (node) => mover.move(node, tags))
    const leaf: Graph.Node = { descriptor: root.descriptor, manifest: root, blobs: [], children: [] }
    // What the target has it has whole. Of its indexes it is still to be known what they name, for what belongs to that.
    const inPlace = companions ? load(({ mediaType }) => Effect.succeed(!MediaType.isIndex(mediaType))) : Effect.succeed(leaf)
    const first = Option.match(left, {
      onSome: (missing) => Effect.zipRight(missing.length === 0 ? Effect.void : mover.move(leaf, missing), inPlace),
      onNone: () => moved(load(skip))
    })
    // The target may have said of a manifest that it is there, and have lost what it names.
    const mayBeMissing = (error: unknown) => skip !== undefined && Mover.isMissingContent(error)
    const node = yield* Effect.catchIf(first, mayBeMissing, () => moved(load(undefined)))
    yield* companionsOf(Companions.manifestsOf(node, select))
    return resultOf(run, root.descriptor, false)
  }).pipe(Effect.scoped, Interruption.lasting)

const fanOut = <E1, E2>(
  run: Run.Run<E1 | E2>,
  source: ContentStore.Source<E1>,
  reference: string,
  destinations: ReadonlyArray<Destination<E2>>,
  options: Options
): Effect.Effect<ReadonlyArray<Either.Either<Result, E1 | E2 | CopyError>>, E1 | CopyError, Scope.Scope> =>
  Effect.gen(function* () {
    const shallow = !looksDeeper(options) && !wantsCompanions(options)
    const ends = yield* Effect.forEach(destinations, ({ target, tags = tagsOf(reference, options) }) =>
      Effect.map(FanOut.lane<E1 | E2>(run, jobsOf(options), source, target), (lane) => ({ lane, tags }))
    )
    type End = (typeof ends)[number]
    const standings = new Map<End, Standing.Standing>()
    /** Those that have it already, and only lacked tags if anything. */
    const settled = new Map<End, Pick<Result, "descriptor" | "unchanged">>()
    const rest = () => ends.filter((end) => !end.lane.failed && !settled.has(end))
    const eachOf = (some: ReadonlyArray<End>, look: (end: End) => Effect.Effect<void, E1 | E2>) =>
      Effect.forEach(some, (end) => Effect.exit(FanOut.within(end.lane, look(end))), { concurrency: "unbounded", discard: true })

    // Asked at most once. That the source fails shows again when it is read.
    const wanted = yield* Effect.cached(Effect.orElseSucceed(digestOf(source, reference), () => undefined))
    const look = (end: End) =>
      Effect.gen(function* () {
        const standing = yield* Standing.ask(end.lane.target, end.tags)
        standings.set(end, standing)
        const common = Standing.common(standing)
        if (Option.isSome(common) && common.value.digest === (yield* wanted))
          settled.set(end, { descriptor: common.value, unchanged: true })
      })
    if (shallow)
      yield* prepared(
        source,
        reference,
        ends.flatMap(({ tags }) => tags)
      )
    if (shallow) yield* eachOf(ends, look)

    const manifest = rest().length === 0 ? undefined : yield* source.fetchManifest(reference)
    const setTags = (all: Manifest.Manifest) => (end: End) =>
      Effect.gen(function* () {
        const left = yield* Standing.lacking(end.lane.target, standings.get(end) ?? [], all, Index.isDigest(reference))
        if (Option.isNone(left)) return
        if (left.value.length > 0) yield* end.lane.deliver.manifest(all, left.value)
        settled.set(end, { descriptor: all.descriptor, unchanged: left.value.length === 0 })
      })
    if (shallow && manifest !== undefined) yield* eachOf(rest(), setTags(manifest))
    const moved =
      manifest === undefined || rest().length === 0
        ? undefined
        : { descriptor: yield* moveAll(run, source, manifest, rest(), options), unchanged: false }

    const ended = (end: End): Effect.Effect<Result, E1 | E2 | CopyError> => {
      const { lane, tags } = end
      const done = settled.get(end) ?? moved
      if (!lane.failed && done !== undefined) return Effect.succeed(resultOf(lane.run, done.descriptor, done.unchanged))
      // Content that a target said it had and has not: it is looked through by itself.
      return Effect.catchIf(Deferred.await(lane.failure), Mover.isMissingContent, () =>
        copyIn(lane.run, source, reference, lane.target, { ...options, tags, force: true })
      )
    }
    return yield* Effect.forEach(ends, (end) => Effect.either(ended(end)), { concurrency: "unbounded" })
  })

/** Brings all lanes what they lack; what it was. */
const moveAll = <E1, E2>(
  run: Run.Run<E1 | E2>,
  source: ContentStore.Source<E1>,
  manifest: Manifest.Manifest,
  ends: ReadonlyArray<{ readonly lane: FanOut.Lane<E1 | E2>; readonly tags: ReadonlyArray<string> }>,
  options: Options
): Effect.Effect<Descriptor.Descriptor, E1 | CopyError, Scope.Scope> =>
  Effect.gen(function* () {
    const { root, select } = yield* Choice.choose(source, manifest, options.platforms)
    const tags = new Map(ends.map((end) => [end.lane, end.tags]))
    const mover = FanOut.make<E1 | E2>(run, source, [...tags.keys()], yield* Effect.scope)
    const node = yield* Graph.load(source, root, { select, skip: skipOf(options, mover.held) })
    yield* mover.moveTo(node, (lane) => tags.get(lane) ?? [])
    yield* Companions.move(mover, source, Companions.manifestsOf(node, select), options)
    return root.descriptor
  })

const resultOf = <E>(run: Run.Run<E>, descriptor: Descriptor.Descriptor, unchanged: boolean): Result => ({
  descriptor,
  unchanged,
  ...run.tally
})
