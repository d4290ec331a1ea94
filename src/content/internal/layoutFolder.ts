// An image layout in a folder as a storage (image-spec «Image Layout Specification»).
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Digest from "../../model/Digest.ts"
import { MalformedContent } from "../../model/RegistryError.ts"
import type { FileLock } from "./fileLock.ts"
import type { FolderFiles } from "./folderFiles.ts"
import * as Index from "./layoutIndex.ts"
import { type LocalError, storeError } from "./localError.ts"
import type { Reading, Removing, Writing } from "./storage.ts"

/** @internal */
export const indexLimitBytes = 64 * 1024 * 1024

const headerLimitBytes = 64 * 1024

/** Not part of the layout: it is there while `index.json` is being changed. @internal */
export const lockFile = ".index.json.lock"

const readIndex = (files: FolderFiles): Effect.Effect<Index.Index, LocalError> =>
  Effect.flatMap(
    files.readSmall([Index.indexFile], indexLimitBytes),
    Option.match({
      onNone: () => new MalformedContent({ kind: "image layout", reason: `there is no ${Index.indexFile}` }),
      onSome: Index.parse
    })
  )

/** False when the lock under which it was made is not held any more. @internal */
export const writeIndex = (files: FolderFiles, index: Index.Index, held: Effect.Effect<boolean>): Effect.Effect<boolean, LocalError> =>
  files.write([Index.indexFile], Stream.make(Index.bytes(index)), held)

/** Whether the folder is a layout. Fails when it is one of a version that is not known. @internal */
export const checkHeader = (files: FolderFiles): Effect.Effect<boolean, LocalError> =>
  Effect.flatMap(
    files.readSmall([Index.layoutFile], headerLimitBytes),
    Option.match({ onNone: () => Effect.succeed(false), onSome: (bytes) => Effect.as(Index.checkLayout(bytes), true) })
  )

/** Makes the folder a layout, unless it is one. @internal */
export const create = Effect.fnUntraced(function* (files: FolderFiles, lock: FileLock) {
  if (yield* checkHeader(files)) return
  yield* lock.run(
    Effect.fnUntraced(function* (held) {
      if (yield* checkHeader(files)) return
      const index = yield* files.info([Index.indexFile])
      if (Option.isNone(index)) yield* writeIndex(files, Index.empty, held)
      // Last: a folder with this file is complete.
      yield* files.write([Index.layoutFile], Stream.make(Index.layoutBytes()), held)
    })
  )
})

// How often a change is made anew because the lock was lost on the way to the last step.
const maxAttempts = 5

/** Changes `index.json` as the only one to do so. @internal */
export const change =
  (label: string, files: FolderFiles, lock: FileLock) =>
  (f: (index: Index.Index) => Index.Index): Effect.Effect<void, LocalError> => {
    const once = lock.run((held) =>
      Effect.flatMap(readIndex(files), (index) => {
        const changed = f(index)
        return changed === index ? Effect.succeed(true) : writeIndex(files, changed, held)
      })
    )
    const attempt = (left: number): Effect.Effect<void, LocalError> =>
      Effect.flatMap(once, (done) => {
        if (done) return Effect.void
        return left === 0 ? storeError(label, "change", "the lock was lost again and again") : attempt(left - 1)
      })
    return attempt(maxAttempts)
  }

/** @internal */
export const make = (label: string, files: FolderFiles, lock: FileLock): Reading & Writing & Removing => {
  const sizeOf = (digest: Digest.Digest): Effect.Effect<Option.Option<number>, LocalError> =>
    Effect.flatMap(Index.blobFile(digest), (parts) =>
      Effect.map(
        files.info(parts),
        Option.filterMap((info) => (info.type === "File" ? Option.some(Number(info.size)) : Option.none()))
      )
    )

  return {
    label,
    index: readIndex(files),
    sizeOf,
    read: (digest) => Stream.unwrap(Effect.map(Index.blobFile(digest), files.read)),
    write: (digest, _, bytes) => Effect.flatMap(Index.blobFile(digest), (parts) => Effect.asVoid(files.write(parts, bytes))),
    // A collection of garbage leaves alone what is young.
    keep: (digest) =>
      Effect.flatMap(Effect.zip(Index.blobFile(digest), Clock.currentTimeMillis), ([parts, now]) =>
        // Someone else's file, or one on a read-only disk, is there all the same.
        Effect.ignore(files.setTime(parts, now))
      ),
    change: change(label, files, lock),
    remove: (digest) => Effect.flatMap(Index.blobFile(digest), files.remove)
  }
}
