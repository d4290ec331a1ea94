// What of a layout is still in use, and the removal of what is not.
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import { collect } from "./blobBytes.ts"
import { type FolderFiles, isUnfinished } from "./folderFiles.ts"
import * as Index from "./layoutIndex.ts"
import type { Reader } from "./place.ts"
import { manifestLimitBytes } from "./place.ts"
import * as Reach from "./reach.ts"
import type { Reading } from "./storage.ts"

type Marked = ReadonlySet<Digest.Digest>

const marking = (storage: Reading, marked: Set<Digest.Digest>) => (used: Reach.Used) => {
  const digest = Reach.digestOf(used)
  marked.add(digest)
  return Effect.map(storage.sizeOf(digest), Option.isSome)
}

/** All that is reachable. Fails when a manifest is damaged, for then nobody knows what it names. @internal */
export const mark = Effect.fnUntraced(function* (storage: Reading, reader: Reader, roots: ReadonlyArray<Descriptor.Descriptor>) {
  const marked = new Set<Digest.Digest>()
  yield* Reach.walk(roots.map(Reach.known), marking(storage, marked), Reach.named(storage, reader))
  return marked
})

const subjectOf = Effect.fnUntraced(function* (storage: Reading, reader: Reader, entry: Descriptor.Descriptor) {
  if (!MediaType.isManifest(entry.mediaType) || Option.isNone(yield* storage.sizeOf(entry.digest))) return undefined
  return Option.getOrUndefined(Manifest.subject(yield* reader.fetchManifest(entry)))?.digest
})

/** The index without entries that have no tag, except those that refer to a manifest that is kept. @internal */
export const withoutUntagged = Effect.fnUntraced(function* (storage: Reading, reader: Reader, index: Index.Index) {
  const kept = new Set(index.manifests.filter((_) => Index.tagOf(_) !== undefined))
  // Referrers have referrers: until none is added.
  for (let before = -1; before < kept.size; ) {
    before = kept.size
    const marked = yield* mark(storage, reader, [...kept])
    for (const entry of index.manifests) {
      const subject = kept.has(entry) ? undefined : yield* subjectOf(storage, reader, entry)
      if (subject !== undefined && marked.has(subject)) kept.add(entry)
    }
  }
  return { ...index, manifests: index.manifests.filter((_) => kept.has(_)) }
})

/** Whether a file is so old that it may go. @internal */
export type IsOld = (info: FileSystem.File.Info) => boolean

/** @internal */
export const olderThan = (minAge: Duration.DurationInput): Effect.Effect<IsOld> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const minAgeMillis = Duration.toMillis(minAge)
    return ({ mtime }) => minAgeMillis === 0 || Option.exists(mtime, (time) => now - time.getTime() >= minAgeMillis)
  })

/** The folders of blobs, by their algorithms. */
const folders = (files: FolderFiles) =>
  Effect.flatMap(
    files.list(["blobs"]),
    Effect.filter((algorithm) =>
      Effect.map(
        files.info(["blobs", algorithm]),
        Option.exists((_) => _.type === "Directory")
      )
    )
  )

/** The blobs of a folder that are not marked. What has no digest for a name is not ours. */
const unmarked = (files: FolderFiles, marked: Marked, algorithm: string) =>
  Effect.map(
    files.list(["blobs", algorithm]),
    Arr.filterMap((name) =>
      Option.map(
        Option.filter(Either.getRight(Digest.make(algorithm, name)), (digest) => !marked.has(digest)),
        (digest) => ({ digest, parts: ["blobs", algorithm, name] })
      )
    )
  )

/** A manifest, if it is one of a kind that is known. */
const manifestIn = (storage: Reading, digest: Digest.Digest): Effect.Effect<Option.Option<Manifest.Manifest>> =>
  collect(storage.read(digest)).pipe(
    Effect.flatMap((bytes) => Manifest.decode(bytes)),
    Effect.option,
    Effect.map(Option.filter((manifest) => manifest._tag !== "UnknownManifest"))
  )

/**
 * What is marked, and what young manifests lead to: they may be about to get a tag, and what they name may be older. What of it cannot be
 * read counts for nothing.
 *
 * @internal
 */
export const withYoung = Effect.fnUntraced(function* (files: FolderFiles, storage: Reading, reader: Reader, marked: Marked, isOld: IsOld) {
  const roots: Array<Reach.Used> = []
  for (const algorithm of yield* folders(files)) {
    for (const { digest, parts } of yield* unmarked(files, marked, algorithm)) {
      const info = yield* files.info(parts)
      const isCandidate = Option.exists(info, (_) => _.type === "File" && _.size <= manifestLimitBytes && !isOld(_))
      const manifest = isCandidate ? yield* manifestIn(storage, digest) : Option.none()
      if (Option.isSome(manifest)) roots.push(...Reach.usedBy(manifest.value))
    }
  }
  const all = new Set(marked)
  const look = Reach.named(storage, reader)
  yield* Reach.walk(roots, marking(storage, all), (used) => Effect.orElseSucceed(look(used), () => []))
  return all
})

/** @internal */
export interface Removed {
  readonly digests: ReadonlyArray<Digest.Digest>
  readonly sizeBytes: number
}

/** Removes files of blobs that are not marked, and what was left half written. @internal */
export const sweep = Effect.fnUntraced(function* (files: FolderFiles, marked: Marked, isOld: IsOld) {
  const removed: Array<Digest.Digest> = []
  let sizeBytes = 0

  const removeUnfinished = Effect.fnUntraced(function* (folder: ReadonlyArray<string>) {
    for (const name of (yield* files.list(folder)).filter(isUnfinished)) yield* files.removeIf([...folder, name], isOld)
  })

  for (const algorithm of yield* folders(files)) {
    for (const { digest, parts } of yield* unmarked(files, marked, algorithm)) {
      const size = yield* files.removeIf(parts, isOld)
      if (Option.isNone(size)) continue
      removed.push(digest)
      sizeBytes += size.value
    }
    yield* removeUnfinished(["blobs", algorithm])
  }
  yield* removeUnfinished([])
  const result: Removed = { digests: removed.sort(Digest.Order), sizeBytes }
  return result
})
