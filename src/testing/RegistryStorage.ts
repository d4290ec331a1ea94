/**
 * Where a registry of the test kit keeps its content. One registry, one storage; blobs are kept once, whatever the number of repositories
 * that link them, and every upload is verified before it becomes a blob.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as RegistryError from "../model/RegistryError.ts"
import * as folder from "./internal/folderPlace.ts"
import * as memory from "./internal/memoryPlace.ts"
import * as internal from "./internal/storage.ts"
import type { Service } from "./internal/storageService.ts"

export type {
  /** The bytes from `offset` on, at most `length` of them. */
  ByteRange,
  /** A manifest with what the registry knows about it. */
  Manifest,
  /** What a storage does. */
  Service,
  /** An open upload session. */
  Upload,
  /** What there is to know about an upload session. */
  UploadInfo
} from "./internal/storageService.ts"

/** @since 0.1.0 */
export class RegistryStorage extends Context.Tag("effect-oci/RegistryStorage")<RegistryStorage, Service>() {}

/** A storage in memory. @since 0.1.0 */
export const makeMemory: Effect.Effect<Service> = Effect.map(Effect.sync(memory.make), (place) => internal.make(place, []))

/** @since 0.1.0 */
export const layerMemory: Layer.Layer<RegistryStorage> = Layer.effect(RegistryStorage, makeMemory)

/**
 * A storage in a folder that nobody else writes to. Uploads are written beside the blobs and renamed into place once verified; sessions
 * left open by an earlier run are dropped.
 *
 * @since 0.1.0
 */
export const makeFolder: (directory: string) => Effect.Effect<Service, RegistryError.StoreError, FileSystem.FileSystem | Path.Path> =
  Effect.fnUntraced(function* (directory) {
    const place = folder.make(yield* FileSystem.FileSystem, yield* Path.Path, directory)
    return internal.make(place, yield* place.load)
  })

/** @since 0.1.0 */
export const layerFolder = (directory: string): Layer.Layer<RegistryStorage, RegistryError.StoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(RegistryStorage, makeFolder(directory))
