import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** What is at a path that is to be written. @internal */
export interface Destination {
  /** Where a link leads: that is replaced, not the link. */
  readonly path: string
  /** None where nothing is. */
  readonly there: Option.Option<FileSystem.File.Info>
  /** Whether it is no file, such as a pipe or a device, and is to be written to as it is. */
  readonly isSpecial: boolean
}

/** How what is special is opened: what is appended goes without a position, which pipes do not have. @internal */
export const specialFlag = "a"

const maxLinks = 8

/** The end of links, also of those to what is still to be written. */
const endOf = (fs: FileSystem.FileSystem, paths: Path.Path, path: string, left = maxLinks): Effect.Effect<string> =>
  fs.realPath(path).pipe(
    Effect.orElse(() =>
      Effect.zipWith(fs.realPath(paths.dirname(path)), fs.readLink(path), (folder, link) => paths.resolve(folder, link)).pipe(
        Effect.flatMap((next) => (left === 0 ? Effect.succeed(next) : endOf(fs, paths, next, left - 1)))
      )
    ),
    Effect.orElseSucceed(() => paths.resolve(path))
  )

/** @internal */
export const look = (fs: FileSystem.FileSystem, paths: Path.Path, path: string): Effect.Effect<Destination> =>
  Effect.all({
    path: endOf(fs, paths, path),
    // Resolved too: the empty path is the folder one is in, and `stat` does not know it.
    there: Effect.option(fs.stat(paths.resolve(path)))
  }).pipe(Effect.map((found) => ({ ...found, isSpecial: Option.exists(found.there, ({ type }) => type !== "File") })))
