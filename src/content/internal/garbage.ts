// What of a layout is still in use, and the removal of what is not.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import { parseJsonBytes } from "../../model/internal/json.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import { collect } from "./blobBytes.ts"
import { type FolderFiles, isUnfinished } from "./folderFiles.ts"
import * as Index from "./layoutIndex.ts"
import type { LocalError } from "./localError.ts"
import type { Reader } from "./place.ts"
import { manifestLimitBytes } from "./place.ts"
import type { Reading } from "./storage.ts"

type Marked = ReadonlySet<Digest.Digest>

/** Every digest in a document of a kind that is not known: rather keep too much. */
const digestsIn = (value: unknown): ReadonlyArray<Digest.Digest> => {
  const found: Array<Digest.Digest> = []
  const queue = [value]
  for (const next of queue) {
    if (Digest.isDigest(next)) found.push(next)
    // The loop goes on with what is added here.
    else if (typeof next === "object" && next !== null) for (const member of Object.values(next)) queue.push(member)
  }
  return found
}

/** Something in use: a manifest or content by its descriptor; by its digest alone when it may be anything. */
type Used = Descriptor.Descriptor | Digest.Digest

const known = (descriptor: Descriptor.Descriptor): Used => (MediaType.isManifest(descriptor.mediaType) ? descriptor : descriptor.digest)

const usedByUnknown = (bytes: Uint8Array): ReadonlyArray<Digest.Digest> =>
  Either.match(parseJsonBytes(bytes), { onLeft: () => [], onRight: digestsIn })

const usedBy = (manifest: Manifest.Manifest): ReadonlyArray<Used> => {
  switch (manifest._tag) {
    case "UnknownManifest":
      return usedByUnknown(manifest.bytes)
    case "Schema1Manifest":
      return manifest.layerDigests
    case "ImageIndex":
      return manifest.manifests.map(known)
    default:
      return Manifest.successors(manifest)
  }
}

/** All that is reachable. Fails when a manifest is damaged, for then nobody knows what it names. @internal */
export const mark = Effect.fnUntraced(function* (storage: Reading, reader: Reader, roots: ReadonlyArray<Descriptor.Descriptor>) {
  const marked = new Set<Digest.Digest>()
  const queue = roots.map(known)

  const named = Effect.fnUntraced(function* (used: Used, sizeBytes: number) {
    if (typeof used !== "string") return MediaType.isManifest(used.mediaType) ? usedBy(yield* reader.fetchManifest(used)) : []
    return sizeBytes > manifestLimitBytes ? [] : usedByUnknown(yield* collect(storage.read(used)))
  })

  for (const used of queue) {
    const digest = typeof used === "string" ? used : used.digest
    const size = marked.has(digest) ? Option.none() : yield* storage.sizeOf(digest)
    marked.add(digest)
    if (Option.isNone(size)) continue
    // The loop goes on with what is added here.
    for (const next of yield* named(used, size.value)) queue.push(next)
  }
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
