/**
 * An image layout in a folder (image-spec «Image Layout Specification»): `oci-layout`, `index.json` and `blobs/`.
 *
 * Any number of processes may write at once: content is written beside and renamed once it is verified, and `index.json` is changed under a
 * lock. Other tools that write know nothing of that lock. A layout may be sparse: what is missing fails when it is asked for. Nothing
 * outside of the folder is touched.
 *
 * A tag is the annotation `org.opencontainers.image.ref.name` of an entry of `index.json`, and nowhere else. Manifests pushed without tag
 * are entries without it, unless an index has them. A tag that other tools gave to several manifests fails when it is resolved, until it is
 * given to one.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Descriptor from "../model/Descriptor.ts"
import type * as Digest from "../model/Digest.ts"
import * as Jobs from "../model/internal/jobs.ts"
import { MalformedContent } from "../model/RegistryError.ts"
import type * as ContentStore from "./ContentStore.ts"
import * as FileLock from "./internal/fileLock.ts"
import * as FolderFiles from "./internal/folderFiles.ts"
import * as Garbage from "./internal/garbage.ts"
import * as Keeper from "./internal/keeper.ts"
import * as LayoutFolder from "./internal/layoutFolder.ts"
import { fromPlatform, type LocalError, storeError } from "./internal/localError.ts"
import * as Place from "./internal/place.ts"

/** Why reading or writing a layout fails. What is not there is a `StoreError` that is `missing`. @since 0.1.0 */
export type LayoutError = LocalError

/**
 * - `minAge`: how old a file must be to be removed, so that what others are just pushing stays, as does what manifests lead to that are
 *   younger; default one hour
 * - `untagged`: whether entries of `index.json` without tag are let go too, except referrers of what is kept; default no
 *
 * @since 0.1.0
 */
export interface GarbageOptions {
  readonly minAge?: Duration.DurationInput | undefined
  readonly untagged?: boolean | undefined
}

/** What was removed. @since 0.1.0 */
export interface Removed {
  readonly digests: ReadonlyArray<Digest.Digest>
  readonly sizeBytes: number
}

/** @since 0.1.0 */
export interface OciLayout
  extends ContentStore.Source<LayoutError>,
    ContentStore.Target<LayoutError>,
    ContentStore.ResolvesBlobs<LayoutError>,
    ContentStore.Tags<LayoutError>,
    ContentStore.Referrers<LayoutError>,
    ContentStore.Deletes<LayoutError>,
    ContentStore.Keeps<LayoutError> {
  /** The entries of `index.json`, their tags among the annotations. */
  readonly roots: Effect.Effect<ReadonlyArray<Descriptor.Descriptor>, LayoutError>
  /** What is meant when nothing is named: the only manifest, else the one tagged `latest`, else the only one but for untagged ones with a `subject`. */
  readonly main: Effect.Effect<Descriptor.Descriptor, LayoutError>
  /** Removes the blobs that no entry of `index.json` leads to. Fails, and removes nothing, when a manifest on the way is damaged. */
  readonly garbageCollect: (options?: GarbageOptions) => Effect.Effect<Removed, LayoutError>
}

/**
 * - `followLinks`: whether links inside the folder may lead out of it, as in the layouts of some build tools; default no
 * - `lockExpiry`: how long the lock of `index.json` may show no sign of life before it is taken over; default 10 seconds
 * - `lockTimeout`: how long to wait for the lock; default one minute
 *
 * @since 0.1.0
 */
export interface Options {
  readonly followLinks?: boolean | undefined
  readonly lockExpiry?: Duration.DurationInput | undefined
  readonly lockTimeout?: Duration.DurationInput | undefined
}

const defaultMinAge = Duration.hours(1)

interface Parts {
  readonly label: string
  readonly files: FolderFiles.FolderFiles
  readonly lock: FileLock.FileLock
}

const parts = Effect.fnUntraced(function* (directory: string, options: Options) {
  const fs = yield* FileSystem.FileSystem
  const label = `oci:${directory}`
  const root = yield* Effect.mapError(fs.realPath(directory), fromPlatform(label, "open"))
  const files = FolderFiles.make(fs, yield* Path.Path, root, { label, followLinks: options.followLinks ?? false })
  const shared = FileLock.make(fs, {
    label,
    file: files.path([LayoutFolder.lockFile]),
    expiry: options.lockExpiry ?? Duration.seconds(10),
    timeout: options.lockTimeout ?? Duration.minutes(1)
  })
  // The fibers of this process queue up, so that only one of them asks the disk.
  const own = Jobs.make(1)
  const made: Parts = { label, files, lock: { run: (use) => Jobs.one(own, shared.run(use)) } }
  return made
})

const over = ({ files, label, lock }: Parts): OciLayout => {
  const storage = LayoutFolder.make(label, files, lock)
  const reader = Place.reader(storage)
  const lostLock = storeError(label, "garbageCollect", "another process has taken over the lock")

  const garbageCollect: OciLayout["garbageCollect"] = Effect.fn("OciLayout.garbageCollect")((options = {}) =>
    // Whoever publishes a manifest waits until this is done, and has pushed or kept what it names within `minAge`.
    lock.run(
      Effect.fnUntraced(function* (held) {
        const index = yield* storage.index
        const kept = options.untagged === true ? yield* Garbage.withoutUntagged(storage, reader, index) : index
        const marked = yield* Garbage.mark(storage, reader, kept.manifests)
        if (kept !== index && !(yield* LayoutFolder.writeIndex(files, kept, held))) return yield* lostLock
        const isOld = yield* Garbage.olderThan(options.minAge ?? defaultMinAge)
        return yield* Garbage.sweep(files, yield* Garbage.withYoung(files, storage, reader, marked, isOld), isOld)
      })
    )
  )

  return { ...reader, ...Place.writer(storage), ...Place.deleter(storage), ...Keeper.make(storage, reader), garbageCollect }
}

/** A layout that is there. Fails with `MalformedContent` when the folder is no layout of version 1.0.0. @since 0.1.0 */
export const open = Effect.fn("OciLayout.open")(function* (directory: string, options: Options = {}) {
  const made = yield* parts(directory, options)
  if (!(yield* LayoutFolder.checkHeader(made.files))) {
    return yield* new MalformedContent({ kind: "image layout", reason: `${directory} has no file oci-layout` })
  }
  return over(made)
})

/** A layout that is there or is made now, with its folder. @since 0.1.0 */
export const create = Effect.fn("OciLayout.create")(function* (directory: string, options: Options = {}) {
  const fs = yield* FileSystem.FileSystem
  yield* Effect.mapError(fs.makeDirectory(directory, { recursive: true }), fromPlatform(`oci:${directory}`, "create"))
  const made = yield* parts(directory, options)
  yield* LayoutFolder.create(made.files, made.lock)
  return over(made)
})
