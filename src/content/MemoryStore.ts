/**
 * A place in memory that can do all that an image layout can: for tests, and for content that is made and pushed at once.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Digest from "../model/Digest.ts"
import type * as ContentStore from "./ContentStore.ts"
import { collect } from "./internal/blobBytes.ts"
import * as Keeper from "./internal/keeper.ts"
import * as Index from "./internal/layoutIndex.ts"
import { type LocalError, missing } from "./internal/localError.ts"
import * as Place from "./internal/place.ts"
import type { Reading, Removing, Writing } from "./internal/storage.ts"

/** Why reading or writing fails. What is not there is a `StoreError` that is `missing`. @since 0.1.0 */
export type MemoryError = LocalError

/** @since 0.1.0 */
export interface MemoryStore
  extends ContentStore.Source<MemoryError>,
    ContentStore.Target<MemoryError>,
    ContentStore.ResolvesBlobs<MemoryError>,
    ContentStore.Tags<MemoryError>,
    ContentStore.Referrers<MemoryError>,
    ContentStore.Deletes<MemoryError>,
    ContentStore.Keeps<MemoryError> {}

/** `label`: what it is called, default `memory`. @since 0.1.0 */
export interface Options {
  readonly label?: string | undefined
}

const makeStorage = (label: string): Reading & Writing & Removing => {
  let index = Index.empty
  const blobs = new Map<Digest.Digest, Uint8Array>()
  return {
    label,
    index: Effect.sync(() => index),
    sizeOf: (digest) => Effect.sync(() => Option.map(Option.fromNullable(blobs.get(digest)), (bytes) => bytes.length)),
    read: (digest) =>
      Stream.suspend(() => {
        const bytes = blobs.get(digest)
        return bytes === undefined ? Stream.fail(missing(label, "read", digest)) : Stream.make(bytes)
      }),
    change: (f) =>
      Effect.sync(() => {
        index = f(index)
      }),
    // A copy: what was given stays the giver's to write to.
    write: (digest, _, bytes) => Effect.map(collect(bytes), (all) => void blobs.set(digest, all.slice())),
    keep: (digest) => Effect.sync(() => blobs.has(digest)),
    remove: (digest) => Effect.sync(() => blobs.delete(digest))
  }
}

/** An empty store. @since 0.1.0 */
export const make = (options: Options = {}): Effect.Effect<MemoryStore> =>
  Effect.sync(() => {
    const storage = makeStorage(options.label ?? "memory")
    const all = Place.reader(storage)
    const { main: _, roots: __, ...reader } = all
    return { ...reader, ...Place.writer(storage), ...Place.deleter(storage), ...Keeper.make(storage, all) }
  })
