// The files of one folder. Nothing outside of it is read or written, not even through links.
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LimitExceeded, type StoreError } from "../../model/RegistryError.ts"
import { pourInto, reading } from "./blobBytes.ts"
import { fromPlatform, isReason, missing, storeError } from "./localError.ts"

/** A path below the folder, by its parts; each part is a name without `/`. @internal */
export type Parts = ReadonlyArray<string>

/** @internal */
export interface FolderFiles {
  readonly path: (parts: Parts) => string
  /** What a file is; none when there is none. */
  readonly info: (parts: Parts) => Effect.Effect<Option.Option<FileSystem.File.Info>, StoreError>
  /** A whole small file; none when there is none. */
  readonly readSmall: (parts: Parts, limitBytes: number) => Effect.Effect<Option.Option<Uint8Array>, StoreError | LimitExceeded>
  readonly read: (parts: Parts) => Stream.Stream<Uint8Array, StoreError>
  /** Writes beside and puts the file in its place when it is complete and `may` agrees. */
  readonly write: <E, R>(
    parts: Parts,
    bytes: Stream.Stream<Uint8Array, E, R>,
    may?: Effect.Effect<boolean>
  ) => Effect.Effect<boolean, StoreError | E, R>
  /** Names in a folder; empty when there is none. */
  readonly list: (parts: Parts) => Effect.Effect<ReadonlyArray<string>, StoreError>
  /** False when there was none. */
  readonly remove: (parts: Parts) => Effect.Effect<boolean, StoreError>
  /** The size of a file that was removed, for which it must still look so; none when it stays. */
  readonly removeIf: (parts: Parts, may: (info: FileSystem.File.Info) => boolean) => Effect.Effect<Option.Option<number>, StoreError>
  /** False when there is no file. One whose time cannot be set, such as someone else's, is left as it is. */
  readonly setTime: (parts: Parts, millis: number) => Effect.Effect<boolean, StoreError>
}

/** Names of files that are being written. */
const unfinished = /^\.[0-9a-f-]{36}\.part$/

/** @internal */
export const isUnfinished = (name: string): boolean => unfinished.test(name)

/** A name in the same folder: another folder may be on another disk, to which nothing can be renamed. */
const besideOf = (parts: Parts): Parts => [...parts.slice(0, -1), `.${globalThis.crypto.randomUUID()}.part`]

const isNotFound = isReason("NotFound")

/** `keepModes`: whether what takes the place of a file may be read by those who could read that. @internal */
export interface Options {
  readonly label: string
  readonly followLinks: boolean
  readonly keepModes?: boolean | undefined
}

/** `root` is the folder's real path. @internal */
export const make = (
  fs: FileSystem.FileSystem,
  paths: Path.Path,
  root: string,
  { followLinks, keepModes = false, label }: Options
): FolderFiles => {
  const failed = (operation: string) => Effect.mapError(fromPlatform(label, operation))
  const path = (parts: Parts): string => paths.join(root, ...parts)

  const orNone = <A>(effect: Effect.Effect<A, PlatformError>) => Effect.catchIf(Effect.asSome(effect), isNotFound, () => Effect.succeedNone)

  const isInside = (real: string): boolean => real === root || real.startsWith(root.endsWith(paths.sep) ? root : root + paths.sep)

  /** The real path of what is there, when it may be touched. */
  const inside = (parts: Parts, operation: string): Effect.Effect<Option.Option<string>, StoreError> =>
    orNone(fs.realPath(path(parts))).pipe(
      failed(operation),
      Effect.filterOrFail(
        (real) => followLinks || Option.isNone(real) || isInside(real.value),
        () => storeError(label, operation, `${parts.join("/")} is a link that leads out of the folder`)
      )
    )

  const info: FolderFiles["info"] = Effect.fnUntraced(function* (parts) {
    const real = yield* inside(parts, "stat")
    return Option.isNone(real) ? Option.none() : yield* orNone(fs.stat(real.value)).pipe(failed("stat"))
  })

  const makeFolder = Effect.fnUntraced(function* (parts: Parts) {
    if (parts.length === 0 || Option.isSome(yield* inside(parts, "write"))) return
    // Checked before, so that no folder is made behind a link, and after, so that none is written to.
    for (let count = 1; count <= parts.length; count++) {
      if (Option.isNone(yield* inside(parts.slice(0, count), "write"))) break
    }
    yield* fs.makeDirectory(path(parts), { recursive: true }).pipe(failed("write"))
    yield* inside(parts, "write")
  })

  const keepMode = Effect.fnUntraced(function* (parts: Parts, beside: string) {
    const there = yield* info(parts)
    if (Option.isSome(there)) yield* fs.chmod(beside, there.value.mode & 0o7777).pipe(failed("write"))
  })

  const write: FolderFiles["write"] = (parts, bytes, may = Effect.succeed(true)) =>
    Effect.suspend(() => {
      const folder = parts.slice(0, -1)
      const beside = path(besideOf(parts))
      const fill = pourInto(bytes, fs, beside, "wx", fromPlatform(label, "write"))
      const publish = Effect.gen(function* () {
        if (!(yield* may)) return false
        if (keepModes) yield* keepMode(parts, beside)
        yield* fs.rename(beside, path(parts)).pipe(failed("write"))
        return true
      })
      return makeFolder(folder).pipe(
        Effect.zipRight(fill),
        Effect.zipRight(Effect.uninterruptible(publish)),
        Effect.onExit((exit) => (Exit.isSuccess(exit) && exit.value ? Effect.void : Effect.ignore(fs.remove(beside, { force: true }))))
      )
    })

  // Another name as well, and not a renaming: what has come to the place meanwhile is not lost.
  const putBack = Effect.fnUntraced(function* (aside: Parts, parts: Parts) {
    yield* fs.link(path(aside), path(parts)).pipe(
      Effect.catchIf(isReason("AlreadyExists"), () => Effect.void),
      // Not every disk has links.
      Effect.catchAll(() => Effect.unlessEffect(fs.rename(path(aside), path(parts)), fs.exists(path(parts)))),
      failed("remove")
    )
    yield* fs.remove(path(aside), { force: true }).pipe(failed("remove"))
  })

  const removeIf: FolderFiles["removeIf"] = Effect.fnUntraced(function* (parts, may) {
    const fits = (found: Option.Option<FileSystem.File.Info>) => Option.filter(found, (_) => _.type === "File" && may(_))
    if (Option.isNone(fits(yield* info(parts)))) return Option.none()
    yield* inside(parts.slice(0, -1), "remove")
    const aside = besideOf(parts)
    // Under another name it is nobody's any more, and can be looked at once more: somebody may have wanted it again just now.
    const take = Effect.gen(function* () {
      if (Option.isNone(yield* orNone(fs.rename(path(parts), path(aside))).pipe(failed("remove")))) return Option.none()
      const last = fits(yield* info(aside))
      if (Option.isNone(last)) yield* putBack(aside, parts)
      else yield* fs.remove(path(aside)).pipe(failed("remove"))
      return Option.map(last, ({ size }) => Number(size))
    })
    return yield* Effect.uninterruptible(take)
  })

  return {
    path,
    info,
    removeIf,
    write,
    read: (parts) =>
      Stream.unwrap(
        Effect.map(inside(parts, "read"), (real) =>
          Option.isNone(real)
            ? Stream.fail(missing(label, "read", parts.join("/")))
            : Stream.mapError(fs.stream(real.value, reading), fromPlatform(label, "read"))
        )
      ),
    readSmall: Effect.fnUntraced(function* (parts, limitBytes) {
      const found = yield* info(parts)
      if (Option.isNone(found)) return Option.none()
      if (found.value.size > BigInt(limitBytes)) return yield* new LimitExceeded({ what: parts.join("/"), limit: limitBytes })
      return yield* orNone(fs.readFile(path(parts))).pipe(failed("read"))
    }),
    list: (parts) =>
      Effect.flatMap(inside(parts, "list"), (real) =>
        Option.isNone(real) ? Effect.succeed([]) : fs.readDirectory(real.value).pipe(failed("list"))
      ),
    // The link itself when it is one: what it leads to is not ours.
    remove: Effect.fnUntraced(function* (parts) {
      yield* inside(parts.slice(0, -1), "remove")
      return Option.isSome(yield* orNone(fs.remove(path(parts))).pipe(failed("remove")))
    }),
    setTime: (parts, millis) =>
      Effect.flatMap(inside(parts, "write"), (real) =>
        Option.isNone(real)
          ? Effect.succeed(false)
          : fs
              .utimes(real.value, millis / 1000, millis / 1000)
              .pipe(Effect.match({ onFailure: (error) => !isNotFound(error), onSuccess: () => true }))
      )
  }
}
