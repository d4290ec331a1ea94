/**
 * What a worker remembers between its rounds, and what workers share: what they have put where, and whose turn it is.
 *
 * It saves questions and tells a worker's own tags from others'. It is never believed about what a target has, holds no credentials and no
 * signed address, and may be deleted at any time: then everything is asked for again, and nothing is pruned that was written before.
 *
 * @since 0.1.0
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import type * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Digest from "../model/Digest.ts"
import type { StoreError } from "../model/RegistryError.ts"
import * as FolderShelf from "./internal/folderShelf.ts"
import * as Shelf from "./internal/shelf.ts"

/**
 * What was put under a tag of a target.
 *
 * - `rule`: that did it
 * - `sourceDigest`: what the tag of the source stood for
 * - `targetDigest`: what was written, or was about to be, which differs where only some platforms were copied
 * - `filter`: what of it was copied
 * - `at`: when, in milliseconds since 1970
 *
 * @since 0.1.0
 */
export const Snapshot = Schema.Struct({
  rule: Schema.String,
  sourceDigest: Digest.Digest,
  targetDigest: Digest.Digest,
  filter: Schema.String,
  at: Schema.Number
})

/** @since 0.1.0 */
export type Snapshot = typeof Snapshot.Type

/** @since 0.1.0 */
export interface Service {
  /** What was put under a tag of a target: `registry.corp/mirror/alpine:3.20`. */
  readonly snapshot: (target: string) => Effect.Effect<Option.Option<Snapshot>, StoreError>
  readonly remember: (target: string, snapshot: Snapshot) => Effect.Effect<void, StoreError>
  readonly forget: (target: string) => Effect.Effect<void, StoreError>
  /**
   * Runs an effect unless another worker that shares the state is at the same. What one left behind that was killed is taken over, after it has
   * shown no sign of life for a while.
   */
  readonly alone: <A, E, R>(name: string, use: Effect.Effect<A, E, R>) => Effect.Effect<Option.Option<A>, E | StoreError, R>
}

/** @since 0.1.0 */
export class SyncState extends Context.Tag("effect-oci/SyncState")<SyncState, Service>() {}

const Kept = Schema.parseJson(Schema.Struct({ version: Schema.Literal(1), snapshot: Snapshot }))
const decode = Schema.decodeOption(Kept)
const encode = Schema.encodeSync(Kept)

const over = (shelf: Shelf.Shelf): Service => {
  const keyOf = (target: string) => `effect-oci/sync/snapshot/${target}`
  return {
    // What cannot be read, or is of another version, was never known.
    snapshot: (target) =>
      Effect.map(shelf.get(keyOf(target)), (text) => Option.map(Option.flatMap(text, decode), ({ snapshot }) => snapshot)),
    remember: (target, snapshot) => shelf.set(keyOf(target), encode({ version: 1, snapshot })),
    forget: (target) => shelf.remove(keyOf(target)),
    alone: (name, use) => shelf.alone(`effect-oci/sync/${name}`, use)
  }
}

/** In memory: all is asked for again in the next process. @since 0.1.0 */
export const layerMemory: Layer.Layer<SyncState> = Layer.sync(SyncState, () => over(Shelf.memory()))

/**
 * In any `KeyValueStore`. Such a store cannot tell who was first, so only workers of one process keep out of each other's way; for workers of
 * several processes there is `layerFolder`.
 *
 * @since 0.1.0
 */
export const layerKeyValueStore: Layer.Layer<SyncState, never, KeyValueStore.KeyValueStore> = Layer.effect(
  SyncState,
  Effect.map(KeyValueStore.KeyValueStore, (store) => over(Shelf.keyValueStore(store)))
)

/**
 * In a folder, which is made when it is not there, for workers of one process or of many, also of several machines that share it. Files are
 * written beside and renamed. `expiry`: how long one that was killed keeps others waiting, default 30 seconds.
 *
 * @since 0.1.0
 */
export const layerFolder = (
  folder: string,
  options: { readonly expiry?: Duration.DurationInput | undefined } = {}
): Layer.Layer<SyncState, StoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(SyncState, Effect.map(FolderShelf.make(folder, options.expiry ?? Duration.seconds(30)), over))
