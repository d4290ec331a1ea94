/** A folder that several processes share: a file for each text, written beside and renamed, and files as locks. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as FileLock from "../../content/internal/fileLock.ts"
import { fromPlatform, isReason } from "../../content/internal/localError.ts"
import * as Digest from "../../model/Digest.ts"
import { aloneHere, type Shelf } from "./shelf.ts"

/** Keys hold what no name of a file may. */
const nameOf = (key: string): string => Digest.encoded(Digest.fromBytes(new TextEncoder().encode(key)))

/** @internal */
export const make = Effect.fnUntraced(function* (folder: string, expiry: Duration.DurationInput) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const failed = (operation: string) => Effect.mapError(fromPlatform(folder, operation))
  yield* failed("open")(fs.makeDirectory(folder, { recursive: true }))
  const fileOf = (key: string) => path.join(folder, `${nameOf(key)}.json`)
  const here = aloneHere()

  const write = Effect.fnUntraced(function* (file: string, text: string) {
    const beside = `${file}.${globalThis.crypto.randomUUID()}`
    yield* fs.writeFileString(beside, text, { flag: "wx" }).pipe(
      Effect.zipRight(fs.rename(beside, file)),
      Effect.onError(() => Effect.ignore(fs.remove(beside))),
      Effect.uninterruptible
    )
  })

  const shelf: Shelf = {
    get: (key) =>
      failed("read")(Effect.catchIf(Effect.asSome(fs.readFileString(fileOf(key))), isReason("NotFound"), () => Effect.succeedNone)),
    set: (key, text) => failed("write")(write(fileOf(key), text)),
    remove: (key) => failed("remove")(Effect.catchIf(fs.remove(fileOf(key)), isReason("NotFound"), () => Effect.void)),
    alone: (name, use) => {
      const lock = FileLock.make(fs, {
        label: folder,
        file: path.join(folder, `${nameOf(name)}.lock`),
        expiry,
        timeout: Duration.times(expiry, 1.5)
      })
      return Effect.map(
        here(
          name,
          lock.runIfFree(() => use)
        ),
        Option.flatten
      )
    }
  }
  return shelf
})
