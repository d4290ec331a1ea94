// An image layout in a folder as a storage (image-spec «Image Layout Specification»).
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Digest from "../../model/Digest.ts"
import { equal } from "../../model/internal/bytes.ts"
import * as Ending from "../../model/internal/ending.ts"
import * as Jobs from "../../model/internal/jobs.ts"
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

const readBytes = (files: FolderFiles): Effect.Effect<Uint8Array, LocalError> =>
  Effect.flatMap(
    files.readSmall([Index.indexFile], indexLimitBytes),
    Option.match({
      onNone: () => new MalformedContent({ kind: "image layout", reason: `there is no ${Index.indexFile}` }),
      onSome: Effect.succeed
    })
  )

const readIndex = (files: FolderFiles): Effect.Effect<Index.Index, LocalError> => Effect.flatMap(readBytes(files), Index.parse)

const writeBytes = (files: FolderFiles, bytes: Uint8Array, held: Effect.Effect<boolean>): Effect.Effect<boolean, LocalError> =>
  files.write([Index.indexFile], Stream.make(bytes), held)

/** False when the lock under which it was made is not held any more. @internal */
export const writeIndex = (files: FolderFiles, index: Index.Index, held: Effect.Effect<boolean>): Effect.Effect<boolean, LocalError> =>
  writeBytes(files, Index.bytes(index), held)

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
const maxAttempts = 6

interface Change {
  readonly f: (index: Index.Index) => Index.Index
  exit: Exit.Exit<void, LocalError> | undefined
}

/**
 * Changes `index.json` as the only one to do so. Those who wait for their turn meanwhile are served together, in one writing: a copy of many
 * manifests would write as many growing indexes. Who no longer waits when the writing begins changes nothing.
 *
 * @internal
 */
export const change = (label: string, files: FolderFiles, lock: FileLock): Writing["change"] => {
  const turns = Jobs.make(1)
  const waiting = new Set<Change>()

  // What was written last is mostly what is there, and need not be parsed.
  let last: { readonly bytes: Uint8Array; readonly index: Index.Index } | undefined
  const read = Effect.flatMap(readBytes(files), (bytes) =>
    last !== undefined && equal(bytes, last.bytes) ? Effect.succeed(last.index) : Index.parse(bytes)
  )

  const write = (held: Effect.Effect<boolean>) =>
    Effect.suspend(() => {
      const group = [...waiting]
      const written = Effect.flatMap(read, (index) => {
        const changed = group.reduce((before, { f }) => f(before), index)
        if (changed === index) return Effect.succeed(true)
        const bytes = Index.bytes(changed)
        return Effect.tap(writeBytes(files, bytes, held), () => {
          last = { bytes, index: changed }
          return Effect.void
        })
      })
      return Effect.map(Effect.exit(written), (exit) => {
        // The lock was lost: they go on waiting, and what they change is what is there then.
        if (Exit.isSuccess(exit) && !exit.value) return
        for (const one of group) {
          one.exit = Exit.asVoid(exit)
          waiting.delete(one)
        }
      })
    })

  // Once begun it ends, and all of the group are told: who is interrupted is only one of them.
  const once = lock.run((held) => Effect.uninterruptible(write(held)))

  return (f) =>
    Effect.suspend(() => {
      const one: Change = { f, exit: undefined }
      const attempt = (left: number): Effect.Effect<void, LocalError> =>
        Effect.suspend(() => {
          if (one.exit !== undefined) return one.exit
          return left === 0 ? storeError(label, "change", "the lock was lost again and again") : Effect.zipRight(once, attempt(left - 1))
        })
      return Ending.between(
        () => waiting.add(one),
        Jobs.one(turns, attempt(maxAttempts)),
        () => waiting.delete(one)
      )
    })
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
      Effect.flatMap(Effect.zip(Index.blobFile(digest), Clock.currentTimeMillis), ([parts, now]) => files.setTime(parts, now)),
    change: change(label, files, lock),
    remove: (digest) => Effect.flatMap(Index.blobFile(digest), files.remove)
  }
}
