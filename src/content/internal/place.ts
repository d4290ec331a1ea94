// The rules of a place over a storage: how references are resolved, content is checked on its way in and out, and tags move.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import { LimitExceeded, SizeMismatch } from "../../model/RegistryError.ts"
import type * as ContentStore from "../ContentStore.ts"
import { collect, counted, toStream } from "./blobBytes.ts"
import * as Index from "./layoutIndex.ts"
import { type LocalError, missing, storeError } from "./localError.ts"
import * as ReferrerScan from "./referrerScan.ts"
import type { Reading, Removing, Writing } from "./storage.ts"

/** The longest manifest, as for registries (distribution-spec «Pushing Manifests»). @internal */
export const manifestLimitBytes = 4 * 1024 * 1024

/** @internal */
export interface Reader
  extends ContentStore.Source<LocalError>,
    ContentStore.ResolvesBlobs<LocalError>,
    ContentStore.Tags<LocalError>,
    ContentStore.Referrers<LocalError> {
  readonly roots: Effect.Effect<ReadonlyArray<Descriptor.Descriptor>, LocalError>
  readonly main: Effect.Effect<Descriptor.Descriptor, LocalError>
}

/** How the images of a place are called. @internal */
export interface Naming {
  /** The entries of that name. */
  readonly find: (index: Index.Index, name: string) => ReadonlyArray<Descriptor.Descriptor>
  readonly tags: (index: Index.Index) => ReadonlyArray<string>
}

const byTags: Naming = { find: Index.ofTag, tags: Index.tags }

const hasSize = (storage: Reading, descriptor: Descriptor.Descriptor) =>
  Effect.map(storage.sizeOf(descriptor.digest), (size) => Option.contains(size, descriptor.size))

/** A manifest by what a descriptor says, or by its digest alone; none when it is not there. */
const manifestOf = Effect.fnUntraced(function* (storage: Reading, digest: Digest.Digest, expected?: Descriptor.Descriptor) {
  const size = yield* storage.sizeOf(digest)
  if (Option.isNone(size)) return Option.none()
  if (expected !== undefined && size.value !== expected.size) {
    return yield* new SizeMismatch({ operation: "fetchManifest", expected: expected.size, actual: size.value })
  }
  if (size.value > manifestLimitBytes) return yield* new LimitExceeded({ what: `manifest ${digest}`, limit: manifestLimitBytes })
  const bytes = yield* collect(storage.read(digest))
  return Option.some(yield* Manifest.decodeVerified(bytes, { digest, contentType: expected?.mediaType }))
})

/** What has a digest, said by the index or, for the children of an index, by itself. */
const byDigest = Effect.fnUntraced(function* (storage: Reading, index: Index.Index, digest: Digest.Digest) {
  const listed = Index.byDigest(index, digest)
  if (Option.isSome(listed)) return listed
  const found = yield* Effect.catchTag(manifestOf(storage, digest), "MalformedContent", () => Effect.succeedNone)
  // A blob may well be JSON: only what is known to be a manifest is one.
  return Option.filterMap(found, (manifest) => (manifest._tag === "UnknownManifest" ? Option.none() : Option.some(manifest.descriptor)))
})

/** Whether it is there for another manifest, such as a signature. What has a tag, or cannot be read, counts as an image of its own. */
const isReferrer = (storage: Reading, entry: Descriptor.Descriptor): Effect.Effect<boolean> =>
  Index.tagOf(entry) !== undefined
    ? Effect.succeed(false)
    : manifestOf(storage, entry.digest, entry).pipe(
        Effect.map(Option.exists((manifest) => Option.isSome(Manifest.subject(manifest)))),
        Effect.orElseSucceed(() => false)
      )

const maxShown = 10

const shown = (names: ReadonlyArray<string>): string => {
  const some = names.slice(0, maxShown).join(", ")
  if (names.length === 0) return "them by digest"
  return names.length > maxShown ? `${some} and ${names.length - maxShown} more` : some
}

/** The manifest that entries of a name are of. Of several none is meant more than the others. */
const oneOf = (
  { label }: Reading,
  { tags }: Naming,
  index: Index.Index,
  name: string,
  entries: ReadonlyArray<Descriptor.Descriptor>
): Either.Either<Option.Option<Descriptor.Descriptor>, LocalError> => {
  const found = Index.only(entries)
  if (Option.isSome(found) || entries.length === 0) return Either.right(found)
  const names = tags(Index.replace(index, entries)).filter((_) => _ !== name)
  return Either.left(storeError(label, "resolve", `several images have the tag ${name}: name one of ${shown(names)}`))
}

/** The image people mean who do not say which: the only one, else `latest`, else the only one that does not refer to another. */
const mainOf = Effect.fnUntraced(function* (storage: Reading, naming: Naming, index: Index.Index) {
  const { manifests } = index
  if (manifests.length === 0) return yield* missing(storage.label, "resolve", "a manifest")
  const alone = Index.only(manifests)
  if (Option.isSome(alone)) return alone.value
  const latest = yield* oneOf(storage, naming, index, "latest", naming.find(index, "latest"))
  if (Option.isSome(latest)) return latest.value
  const images = yield* Effect.filter(manifests, (entry) => isReferrer(storage, entry), { negate: true })
  return yield* Effect.mapError(Index.only(images), () =>
    storeError(
      storage.label,
      "resolve",
      `it holds several manifests, none of them is tagged latest: name one of ${shown(naming.tags(index))}`
    )
  )
})

/** @internal */
export const reader = (storage: Reading, naming: Naming = byTags): Reader => {
  const { label } = storage

  const resolve = Effect.fnUntraced(function* (reference: string) {
    const index = yield* storage.index
    const named = Index.isDigest(reference) ? Option.none() : yield* oneOf(storage, naming, index, reference, naming.find(index, reference))
    const found = Option.isNone(named) && Digest.isDigest(reference) ? yield* byDigest(storage, index, reference) : named
    return Option.isSome(found) ? found.value : yield* missing(label, "resolve", reference)
  })

  const fetchManifest = Effect.fnUntraced(function* (reference: string | Descriptor.Descriptor) {
    const descriptor = typeof reference === "string" ? yield* resolve(reference) : reference
    const manifest = yield* manifestOf(storage, descriptor.digest, descriptor)
    return Option.isSome(manifest) ? manifest.value : yield* missing(label, "fetchManifest", descriptor.digest)
  })

  const scan = ReferrerScan.make(storage, (descriptor) => manifestOf(storage, descriptor.digest, descriptor))

  return {
    label,
    resolve,
    fetchManifest,
    exists: (descriptor) => hasSize(storage, descriptor),
    resolveBlob: (digest) =>
      Effect.flatMap(
        storage.sizeOf(digest),
        Option.match({
          onNone: () => missing(label, "resolveBlob", digest),
          onSome: (size) => Effect.succeed(Descriptor.make({ mediaType: MediaType.octetStream, digest, size }))
        })
      ),
    fetchBlob: (descriptor) =>
      Digest.verifyStream(descriptor.digest, descriptor.size, { operation: "fetchBlob" })(storage.read(descriptor.digest)),
    tags: Stream.unwrap(Effect.map(storage.index, (index) => Stream.fromIterable(naming.tags(index)))),
    referrers: (descriptor, options) =>
      Stream.unwrap(
        Effect.map(scan.referrers(descriptor.digest), (found) =>
          Stream.fromIterable(options?.artifactType === undefined ? found : found.filter((_) => _.artifactType === options.artifactType))
        )
      ),
    roots: Effect.map(storage.index, (index) => index.manifests),
    main: Effect.flatMap(storage.index, (index) => mainOf(storage, naming, index))
  }
}

/** Whether content is there, and to stay for a while. It may go between the two questions. @internal */
export const holds = (storage: Reading & Writing, descriptor: Descriptor.Descriptor): Effect.Effect<boolean, LocalError> =>
  Effect.if(hasSize(storage, descriptor), { onTrue: () => storage.keep(descriptor.digest), onFalse: () => Effect.succeed(false) })

/** @internal */
export const writer = (storage: Reading & Writing): ContentStore.Target<LocalError> => {
  const { label } = storage

  const store = <E, R>(operation: string, { digest, size }: Descriptor.Descriptor, bytes: Stream.Stream<Uint8Array, E, R>) =>
    storage.write(digest, size, Digest.verifyStream(digest, size, { operation })(bytes))

  const requireManifest = Effect.fnUntraced(function* (descriptor: Descriptor.Descriptor) {
    if (!(yield* holds(storage, descriptor))) return yield* missing(label, "tag", descriptor.digest)
  })

  return {
    label,
    exists: (descriptor) => hasSize(storage, descriptor),
    current: (tag) => Effect.map(storage.index, (index) => Index.byTag(index, tag)),
    pushBlob: Effect.fnUntraced(function* (descriptor, content, options) {
      if (options?.checkExists !== false && (yield* holds(storage, descriptor))) return "existed"
      yield* store("pushBlob", descriptor, counted(options?.onBytes)(toStream(content)))
      return "stored"
    }),
    pushManifest: Effect.fnUntraced(function* (manifest, options) {
      const { descriptor } = manifest
      if (manifest.size > manifestLimitBytes) return yield* new LimitExceeded({ what: "the manifest", limit: manifestLimitBytes })
      const tags = yield* Effect.forEach(options?.tags ?? [], Index.parseTag)
      if (!(yield* holds(storage, descriptor))) yield* store("pushManifest", descriptor, Stream.make(manifest.bytes))
      yield* storage.change((index) => {
        const others = Index.withoutChildren(index, Manifest.successors(manifest))
        return tags.length === 0 ? Index.add(others, descriptor) : tags.reduce((_, tag) => Index.setTag(_, descriptor, tag), others)
      })
    }),
    tag: Effect.fnUntraced(function* (descriptor, tag) {
      const name = yield* Index.parseTag(tag)
      yield* requireManifest(descriptor)
      yield* storage.change((index) => Index.setTag(index, descriptor, name))
    })
  }
}

/** @internal */
export const deleter = (storage: Reading & Writing & Removing): ContentStore.Deletes<LocalError> => ({
  label: storage.label,
  untag: Effect.fnUntraced(function* (tag) {
    let found = false
    yield* storage.change((index) => {
      found = Index.ofTag(index, tag).length > 0
      return Index.removeTag(index, tag)
    })
    if (!found) return yield* missing(storage.label, "untag", tag)
  }),
  delete: Effect.fnUntraced(function* ({ digest }) {
    // First the index: a layout must not name by tag what is not there any more.
    yield* storage.change((index) => Index.remove(index, digest))
    if (!(yield* storage.remove(digest))) return yield* missing(storage.label, "delete", digest)
  })
})
