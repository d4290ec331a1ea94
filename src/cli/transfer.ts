/** Moves images between places: what `copy`, `pull`, `push`, `export` and `import` have in common. */
import * as Path from "@effect/platform/Path"
import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as TagSelection from "../client/TagSelection.ts"
import * as ContentStore from "../content/ContentStore.ts"
import * as DockerNames from "../content/internal/dockerNames.ts"
import * as Index from "../content/internal/layoutIndex.ts"
import * as Place from "../content/Place.ts"
import * as Copy from "../copy/Copy.ts"
import * as MediaType from "../model/MediaType.ts"
import * as Platform from "../model/Platform.ts"
import { DigestMismatch } from "../model/RegistryError.ts"
import * as Failure from "./failure.ts"
import * as Images from "./images.ts"
import * as Places from "./places.ts"
import * as ProgressView from "./progress.ts"
import * as Report from "./report.ts"
import * as Size from "./size.ts"
import * as UsageError from "./usageError.ts"

export interface Options {
  readonly platform: ReadonlyArray<Platform.Platform>
  readonly jobs: number
  readonly referrers: boolean
  readonly digestTags: boolean
  readonly nondistributable: boolean
  readonly force: boolean
  readonly quiet: boolean
}

/** A docker archive holds images, not indexes: of an index it gets one. */
const platforms = (wanted: ReadonlyArray<Platform.Platform>, to: Places.Writable): Copy.Platforms | undefined => {
  const [first, ...others] = wanted
  if (first !== undefined) return others.length === 0 ? { only: first } : { strip: wanted }
  return to.place._tag === "DockerArchive" ? { only: Platform.linuxAmd64 } : undefined
}

const copyOptions = (options: Options, to: Places.Writable) =>
  Effect.map(ProgressView.listener(options), (onProgress) => ({
    jobs: options.jobs,
    platforms: platforms(options.platform, to),
    referrers: options.referrers,
    digestTags: options.digestTags,
    nondistributable: options.nondistributable,
    force: options.force,
    onProgress
  }))

type Counts = Omit<Copy.Result, "descriptor">

const summary = ({ blobs, bytes, manifests, mounted, skipped, unchanged }: Counts): string => {
  if (unchanged) return "unchanged"
  const parts = [
    `${Size.counted(blobs, "blob")} and ${Size.counted(manifests, "manifest")} copied (${Size.format(bytes)})`,
    ...(mounted === 0 ? [] : [`${mounted} mounted`]),
    ...(skipped === 0 ? [] : [`${skipped} there already`])
  ]
  return parts.join(", ")
}

/** What an image is called at its target that has this name in an archive or a folder: mostly the tag in it. */
const targetTag = (to: Places.Writable, name: string): string => {
  const kept = to.keepsNames ? DockerNames.whole(name) : Option.none()
  return Option.getOrElse(kept, () => Places.tagOf(name) ?? name)
}

/** The target's tag, else the source's, else `latest`; none for what either side names by digest. */
const tagFor = (from: Places.Readable, { name, reference, tag }: Places.Named, to: Places.Writable): string | undefined => {
  if (to.tag !== undefined) return to.tag
  if (to.digest !== undefined) return undefined
  if (to.keepsNames && name !== undefined) return name
  if (tag !== undefined) return to.place._tag === "Registry" ? targetTag(to, tag) : tag
  return from.isSpelledOut && Index.isDigest(reference) ? undefined : "latest"
}

/** A target that names a digest is a promise about what gets there, kept before anything moves. */
const expectDigest = Effect.fnUntraced(function* (from: Places.Readable, expected: string, [only, ...others]: Options["platform"]) {
  const some = others.length > 0
  const { digest, mediaType } = yield* Images.descriptor(from, some ? Option.none() : Option.fromNullable(only))
  if (some && MediaType.isIndex(mediaType)) {
    return yield* UsageError.fail("the index of some platforms has a digest of its own: the target cannot name one")
  }
  if (digest !== expected) return yield* new DigestMismatch({ operation: "copy", expected, actual: digest })
})

/** Where an image goes, and what it is to be called there. */
interface End {
  readonly to: Places.Writable
  readonly name: string
  readonly tags: ReadonlyArray<string>
}

const endOf = Effect.fnUntraced(function* (from: Places.Readable, named: Places.Named, to: Places.Writable, { platform }: Options) {
  const tag = tagFor(from, named, to)
  if (tag !== undefined) yield* to.requireTag(tag)
  if (to.digest !== undefined) yield* expectDigest(from, to.digest, platform)
  const end: End = { to, name: to.nameOf(tag), tags: tag === undefined ? [] : [tag] }
  return end
})

const copied = ({ name, tags }: End, { descriptor: { digest, mediaType, size }, ...counts }: Copy.Result) => ({
  target: name,
  tags,
  digest,
  mediaType,
  size,
  ...counts
})

/** One image. */
const one = Effect.fnUntraced(function* (from: Places.Readable, to: Places.Writable, options: Options) {
  const report = yield* Report.Report
  const named = yield* from.named
  const end = yield* endOf(from, named, to, options)
  const result = yield* Effect.scoped(
    Effect.flatMap(copyOptions(options, to), (shared) => Copy.copy(from.source, named.reference, to.target, { ...shared, tags: end.tags }))
  )
  yield* to.commit
  yield* report.result({ source: Place.format(from.place), ...copied(end, result) }, [
    `${end.name}@${result.descriptor.digest}`,
    summary(result)
  ])
})

/** What is told about one of several. */
const told = (end: End, outcome: Either.Either<Copy.Result, Places.PlaceError | Copy.CopyError>) =>
  Either.match(outcome, {
    onRight: (result) => ({ json: copied(end, result), line: `${end.name}@${result.descriptor.digest}: ${summary(result)}` }),
    onLeft: (error) => {
      const { error: told, line } = Failure.among(end.name, error)
      return { json: { target: end.name, error: told }, line }
    }
  })

/** An archive is written whole: of two targets in one file the second would take the place of the first. */
const requireOwnFiles = Effect.fnUntraced(function* (places: ReadonlyArray<Places.Writable>) {
  const paths = yield* Path.Path
  const files = places.flatMap(({ place }) =>
    place._tag === "OciArchive" || place._tag === "DockerArchive" ? [paths.resolve(place.path)] : []
  )
  const twice = files.find((file, index) => files.indexOf(file) !== index)
  if (twice !== undefined) return yield* UsageError.fail(`${twice} is the target twice, and an archive is written once`)
})

/** One image to several places. One that fails leaves the others alone; the first failure is that of the command. */
const several = Effect.fnUntraced(function* (from: Places.Readable, places: Arr.NonEmptyReadonlyArray<Places.Writable>, options: Options) {
  const archives = places.filter(({ place }) => place._tag === "DockerArchive").length
  if (options.platform.length === 0 && archives > 0 && archives < places.length) {
    return yield* UsageError.fail("a docker archive holds images, not indexes: among other targets it needs --platform")
  }
  yield* requireOwnFiles(places)
  const report = yield* Report.Report
  const named = yield* from.named
  const ends = yield* Effect.forEach(places, (to) => endOf(from, named, to, options))
  const destinations = ends.map(({ tags, to: { target } }) => ({ target, tags }))
  const results = yield* Effect.scoped(
    Effect.flatMap(copyOptions(options, places[0]), (shared) => Copy.copyToMany(from.source, named.reference, destinations, shared))
  )
  const outcomes = yield* Effect.forEach(Arr.zip(ends, results), ([{ to }, result]) => Effect.either(Effect.zipLeft(result, to.commit)))
  const all = Arr.zipWith(ends, outcomes, told)
  yield* report.result(
    { source: Place.format(from.place), targets: all.map(({ json }) => json) },
    all.map(({ line }) => line)
  )
  yield* Either.all(outcomes)
})

/** Counts are of the whole run so far: the largest is that of the copy that ended last. */
const total = (results: ReadonlyArray<Copy.Result>): Counts => {
  const largest = (count: (_: Copy.Result) => number) => Math.max(0, ...results.map(count))
  return {
    unchanged: results.every(({ unchanged }) => unchanged),
    blobs: largest((_) => _.blobs),
    manifests: largest((_) => _.manifests),
    bytes: largest((_) => _.bytes),
    skipped: largest((_) => _.skipped),
    mounted: largest((_) => _.mounted)
  }
}

/** The first two of the names that are of different images. */
const differing = Effect.fnUntraced(function* (source: Places.Readable["source"], names: Arr.NonEmptyReadonlyArray<string>) {
  if (names.length === 1) return undefined
  const [first, ...others] = yield* Effect.forEach(names, (name) => Effect.map(source.resolve(name), ({ digest }) => ({ name, digest })))
  const other = others.find(({ digest }) => digest !== first.digest)
  return other === undefined ? undefined : ([first.name, other.name] as const)
})

/** Names of an archive may differ in more than the tag, which is all that is left of them in the target. */
const requireApart = Effect.fnUntraced(function* (source: Places.Readable["source"], to: Places.Writable, names: ReadonlyArray<string>) {
  for (const [tag, sharing] of Object.entries(Arr.groupBy(names, (name) => targetTag(to, name)))) {
    const two = yield* differing(source, sharing)
    if (two !== undefined) {
      return yield* UsageError.fail(`${two.join(" and ")} are different images, and both would be ${to.nameOf(tag)}: copy them one by one`)
    }
  }
})

/** The selected tags of the source, each under its own name. */
const all = Effect.fnUntraced(function* (from: Places.Readable, to: Places.Writable, selection: TagSelection.Selection, options: Options) {
  if (from.isSpelledOut || to.tag !== undefined || to.digest !== undefined) {
    return yield* UsageError.fail("--all-tags goes with places that name no tag or digest")
  }
  const report = yield* Report.Report
  const { source } = from
  const { label } = to.target
  if (!ContentStore.hasTags<typeof source, Places.PlaceError>(source)) return yield* UsageError.fail(`${source.label} has no tags to list`)
  const names = Chunk.toReadonlyArray(yield* Stream.runCollect(Places.selected(source.tags, selection)))
  if (names.length === 0) return yield* UsageError.fail(`${source.label} has no such tags`)
  const entries = names.map((name) => ({ source, reference: name, target: to.target, tags: [targetTag(to, name)] }))
  yield* Effect.forEach(entries, ({ tags: [tag] }) => (tag === undefined ? Effect.void : to.requireTag(tag)), { discard: true })
  yield* requireApart(source, to, names)
  const results = yield* Effect.scoped(Effect.flatMap(copyOptions(options, to), (shared) => Copy.copyMany(entries, shared)))
  yield* to.commit
  const images = Arr.zipWith(entries, results, ({ tags }, { descriptor, unchanged }) => ({ tags, digest: descriptor.digest, unchanged }))
  const counts = total(results)
  yield* report.result({ source: source.label, target: label, images, ...counts }, [
    ...images.map(({ digest, tags: [tag] }) => `${to.nameOf(tag)}@${digest}`),
    summary(counts)
  ])
})

export interface Wanted extends Options {
  /** Which tags, when it is not one image. */
  readonly allTags: TagSelection.Selection | undefined
}

/** What a command line asks for. */
export const run = (from: Places.Readable, to: Places.Writable, options: Wanted) =>
  options.allTags === undefined ? one(from, to, options) : all(from, to, options.allTags, options)

/** The same for one target or several. */
export const runToMany = (from: Places.Readable, targets: Arr.NonEmptyReadonlyArray<Places.Writable>, options: Wanted) => {
  if (targets.length === 1) return run(from, targets[0], options)
  return options.allTags === undefined ? several(from, targets, options) : UsageError.fail("--all-tags goes with one target")
}
