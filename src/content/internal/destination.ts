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

/** @internal */
export const look = (fs: FileSystem.FileSystem, paths: Path.Path, path: string): Effect.Effect<Destination> =>
  Effect.all({
    path: Effect.orElseSucceed(fs.realPath(path), () => paths.resolve(path)),
    // Resolved too: the empty path is the folder one is in, and `stat` does not know it.
    there: Effect.option(fs.stat(paths.resolve(path)))
  }).pipe(Effect.map((found) => ({ ...found, isSpecial: Option.exists(found.there, ({ type }) => type !== "File") })))
