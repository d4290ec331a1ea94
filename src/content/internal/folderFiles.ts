// The files of one folder. Nothing outside of it is read or written, not even through links.
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LimitExceeded, type StoreError } from "../../model/RegistryError.ts"
import { pour, reading } from "./blobBytes.ts"
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
  readonly setTime: (parts: Parts, millis: number) => Effect.Effect<void, StoreError>
}

/** Names of files that are being written. */
const unfinished = /^\.[0-9a-f-]{36}\.part$/

/** @internal */
export const isUnfinished = (name: string): boolean => unfinished.test(name)

/** @internal */
export interface Options {
  readonly label: string
  readonly followLinks: boolean
}

/** `root` is the folder's real path. @internal */
export const make = (fs: FileSystem.FileSystem, paths: Path.Path, root: string, { followLinks, label }: Options): FolderFiles => {
  const failed = (operation: string) => Effect.mapError(fromPlatform(label, operation))
  const path = (parts: Parts): string => paths.join(root, ...parts)

  const orNone = <A>(effect: Effect.Effect<A, PlatformError>) =>
    Effect.catchIf(Effect.asSome(effect), isReason("NotFound"), () => Effect.succeedNone)

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

  const write: FolderFiles["write"] = (parts, bytes, may = Effect.succeed(true)) =>
    Effect.suspend(() => {
      const folder = parts.slice(0, -1)
      // In the same folder: another one may be on another disk, to which nothing can be renamed.
      const beside = path([...folder, `.${globalThis.crypto.randomUUID()}.part`])
      const fill = Effect.scoped(
        Effect.flatMap(fs.open(beside, { flag: "wx" }).pipe(failed("write")), (file) =>
          pour(bytes, (unit) => file.writeAll(unit).pipe(failed("write")))
        )
      )
      const publish = Effect.gen(function* () {
        if (!(yield* may)) return false
        yield* fs.rename(beside, path(parts)).pipe(failed("write"))
        return true
      })
      return makeFolder(folder).pipe(
        Effect.zipRight(fill),
        Effect.zipRight(Effect.uninterruptible(publish)),
        Effect.onExit((exit) => (Exit.isSuccess(exit) && exit.value ? Effect.void : Effect.ignore(fs.remove(beside, { force: true }))))
      )
    })

  return {
    path,
    info,
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
        Option.isNone(real) ? Effect.void : fs.utimes(real.value, millis / 1000, millis / 1000).pipe(failed("write"))
      )
  }
}
