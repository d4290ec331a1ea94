// A tar archive that is being written: entries go to a file beside, one after the other, and it takes its place when it is complete.
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { join } from "../../model/internal/bytes.ts"
import * as Jobs from "../../model/internal/jobs.ts"
import type { StoreError } from "../../model/RegistryError.ts"
import * as Destination from "./destination.ts"
import { fromPlatform, storeError } from "./localError.ts"
import * as TarHeader from "./tarHeader.ts"

/** Writes the content of an entry, unit by unit. @internal */
export type Write = (bytes: Uint8Array) => Effect.Effect<void, StoreError>

/** What an entry is called, and who is told at once when it is there. @internal */
export interface Filled {
  readonly name: string
  readonly written: () => void
}

/** @internal */
export interface TarWriter {
  /**
   * Appends one entry, one at a time. The header goes before its content last, so that neither size nor name need to be known at first: the
   * name is what `fill` gives, at most 100 bytes and in no folder unless `expected` says it before. When it fails or gives none, nothing is
   * there. The folders it is in are entries before it: skopeo takes those that are not for the system's, and fails for who is not root.
   */
  readonly append: <E, R>(
    fill: (write: Write) => Effect.Effect<Filled | undefined, E, R>,
    expected?: string
  ) => Effect.Effect<void, StoreError | E, R>
  readonly appendBytes: (name: string, bytes: Uint8Array) => Effect.Effect<void, StoreError>
  /** Changes what the last file will say. */
  readonly change: (f: () => void) => Effect.Effect<void, StoreError>
  /** Ends the archive with one more file, in no folder, and puts it in its place. When that fails all goes on as if it had not been tried. */
  readonly commit: (name: string, content: () => Uint8Array) => Effect.Effect<void, StoreError>
}

/**
 * Where the archive is put together, and how it comes to its place: a file is replaced at once, and keeps who may read it; to what is none,
 * such as a pipe, the archive is written once it is complete.
 */
const ending = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, paths: Path.Path, target: string, label: string) {
  const failed = fromPlatform(label, "write")
  const name = `.${globalThis.crypto.randomUUID()}.part`
  const { isSpecial, path, there } = yield* Destination.look(fs, paths, target)
  if (Option.exists(there, ({ type }) => type === "Directory")) return yield* storeError(label, "write", "it is a folder")
  if (isSpecial) {
    const beside = paths.join(yield* Effect.mapError(fs.makeTempDirectoryScoped(), failed), name)
    const whole = Stream.run(fs.stream(beside), fs.sink(target, { flag: Destination.specialFlag }))
    return { beside, publish: Effect.mapError(whole, failed), isFinal: true }
  }
  const beside = paths.join(paths.dirname(path), name)
  const keepMode = Option.match(there, { onNone: () => Effect.void, onSome: ({ mode }) => fs.chmod(beside, mode & 0o7777) })
  const replace = Effect.uninterruptible(Effect.zipRight(keepMode, fs.rename(beside, path)))
  return { beside, publish: Effect.mapError(replace, failed), isFinal: false }
})

/** A file that is open. */
interface Opened {
  readonly file: FileSystem.File
  readonly close: Effect.Effect<void>
}

/** What is not committed when the scope closes is removed. @internal */
export const make = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, paths: Path.Path, target: string, label: string) {
  const failed = fromPlatform(label, "write")
  const { beside, isFinal, publish } = yield* ending(fs, paths, target, label)
  yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(beside, { force: true })))
  const scope = yield* Effect.scope
  const open = Effect.fnUntraced(function* (flag: FileSystem.OpenFlag) {
    const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
    const file = yield* fs.open(beside, { flag }).pipe(Scope.extend(own), Effect.mapError(failed))
    const made: Opened = { file, close: Scope.close(own, Exit.void) }
    return made
  }, Effect.uninterruptible)
  let opened: Opened | undefined = yield* open("wx+")
  const turn = Jobs.make(1)
  const folders = new Set<string>()
  let end = 0
  let isOpen = true

  // A commit that failed may have closed it.
  const use = Effect.suspend(() =>
    opened === undefined
      ? Effect.map(open("r+"), (again) => {
          opened = again
          return again.file
        })
      : Effect.succeed(opened.file)
  )

  // The disk goes on with what it has begun: an interruption waits for it, or the next entry would be written at the same time.
  const writeAt = (offset: number, bytes: Uint8Array) =>
    Effect.uninterruptible(
      Effect.flatMap(use, (file) => Effect.zipRight(file.seek(BigInt(offset), "start"), Effect.mapError(file.writeAll(bytes), failed)))
    )

  const requireOpen = Effect.suspend(() => (isOpen ? Effect.void : storeError(label, "write", "the archive is complete")))

  const append: TarWriter["append"] = (fill, expected = "") =>
    Jobs.one(
      turn,
      Effect.gen(function* () {
        yield* requireOpen
        const entered = TarHeader.foldersOf(expected).filter((folder) => !folders.has(folder))
        const opening = TarHeader.encodeFolders(entered)
        const start = end + opening.length + TarHeader.encode(expected, 0).length
        let sizeBytes = 0
        const filled = yield* fill((bytes) => {
          const offset = start + sizeBytes
          sizeBytes += bytes.length
          return writeAt(offset, bytes)
        })
        if (filled === undefined) return
        const padding = TarHeader.paddedBytes(sizeBytes) - sizeBytes
        const complete = Effect.gen(function* () {
          if (padding > 0) yield* writeAt(start + sizeBytes, new Uint8Array(padding))
          yield* writeAt(end, join([opening, TarHeader.encode(filled.name, sizeBytes)]))
          for (const folder of entered) folders.add(folder)
          end = start + sizeBytes + padding
          filled.written()
        })
        // The entry is there, and everybody knows, or it is not.
        yield* Effect.uninterruptible(complete)
      })
    )

  /** Cuts off what an entry that failed has left behind, and closes the file: not every system renames open ones. */
  const endAt = Effect.fnUntraced(function* (sizeBytes: number) {
    const file = yield* use
    yield* Effect.mapError(file.truncate(BigInt(sizeBytes)), failed)
    if (opened !== undefined) yield* opened.close
    opened = undefined
  })

  const commit: TarWriter["commit"] = (name, content) =>
    Jobs.one(
      turn,
      Effect.gen(function* () {
        yield* requireOpen
        const bytes = content()
        const padding = new Uint8Array(TarHeader.paddedBytes(bytes.length) - bytes.length)
        const last = join([TarHeader.encode(name, bytes.length), bytes, padding, TarHeader.trailer()])
        // `end` stays where it is: what is written next, if this fails, takes its place.
        yield* Effect.uninterruptible(Effect.zipRight(writeAt(end, last), endAt(end + last.length)))
        // A pipe may have a part of it already.
        isOpen = !isFinal
        yield* Effect.uninterruptibleMask((restore) =>
          Effect.map(restore(publish), () => {
            isOpen = false
          })
        )
      })
    )

  const made: TarWriter = {
    append,
    appendBytes: (name, bytes) =>
      append((write) => Effect.as(bytes.length === 0 ? Effect.void : write(bytes), { name, written: () => {} }), name),
    change: (f) => Jobs.one(turn, Effect.zipRight(requireOpen, Effect.sync(f))),
    commit
  }
  return made
})
