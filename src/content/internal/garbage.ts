// What of a layout is still in use, and the removal of what is not.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import * as Manifest from "../../model/Manifest.ts"
import { type FolderFiles, isUnfinished } from "./folderFiles.ts"
import * as Index from "./layoutIndex.ts"
import type { LocalError } from "./localError.ts"
import type { Reader } from "./place.ts"
import * as Reach from "./reach.ts"
import type { Reading } from "./storage.ts"

type Marked = ReadonlySet<Digest.Digest>

/** All that is reachable. Fails when a manifest is damaged, for then nobody knows what it names. @internal */
export const mark = Effect.fnUntraced(function* (storage: Reading, reader: Reader, roots: ReadonlyArray<Descriptor.Descriptor>) {
  const marked = new Set<Digest.Digest>()
  yield* Reach.walk(storage, reader, roots.map(Reach.known), (used) => {
    const digest = Reach.digestOf(used)
    marked.add(digest)
    return Effect.map(storage.sizeOf(digest), Option.isSome)
  })
  return marked
})

const subjectOf = Effect.fnUntraced(function* (storage: Reading, reader: Reader, entry: Descriptor.Descriptor) {
  if (Option.isNone(yield* storage.sizeOf(entry.digest))) return undefined
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

/** @internal */
export interface Removed {
  readonly digests: ReadonlyArray<Digest.Digest>
  readonly sizeBytes: number
}

/** Removes files of blobs that are not marked, and what was left half written. @internal */
export const sweep = Effect.fnUntraced(function* (files: FolderFiles, marked: Marked, minAge: Duration.DurationInput) {
  const minAgeMillis = Duration.toMillis(minAge)
  const now = yield* Clock.currentTimeMillis
  const removed: Array<Digest.Digest> = []
  let sizeBytes = 0

  /** The size of a file that may go. */
  const removable = (parts: ReadonlyArray<string>): Effect.Effect<Option.Option<number>, LocalError> =>
    Effect.map(
      files.info(parts),
      Option.filterMap(({ mtime, size, type }) => {
        const old = minAgeMillis === 0 || Option.exists(mtime, (time) => now - time.getTime() >= minAgeMillis)
        return type === "File" && old ? Option.some(Number(size)) : Option.none()
      })
    )

  const removeUnfinished = Effect.fnUntraced(function* (folder: ReadonlyArray<string>) {
    for (const name of (yield* files.list(folder)).filter(isUnfinished)) {
      if (Option.isSome(yield* removable([...folder, name]))) yield* files.remove([...folder, name])
    }
  })

  for (const algorithm of yield* files.list(["blobs"])) {
    const folder = yield* files.info(["blobs", algorithm])
    if (!Option.exists(folder, (_) => _.type === "Directory")) continue
    for (const name of yield* files.list(["blobs", algorithm])) {
      const digest = Digest.make(algorithm, name)
      // What has no digest for a name is not ours.
      if (Either.isLeft(digest) || marked.has(digest.right)) continue
      const parts = ["blobs", algorithm, name]
      const size = yield* removable(parts)
      if (Option.isNone(size) || !(yield* files.remove(parts))) continue
      removed.push(digest.right)
      sizeBytes += size.value
    }
    yield* removeUnfinished(["blobs", algorithm])
  }
  yield* removeUnfinished([])
  const result: Removed = { digests: removed.sort(Digest.Order), sizeBytes }
  return result
})
