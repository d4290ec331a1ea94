import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type { StoreError } from "../../model/RegistryError.ts"
import { fromPlatform, storeError } from "./localError.ts"

/** The text of a file of at most so many bytes. @internal */
export const read = (file: string, operation: string, limitBytes: number): Effect.Effect<string, StoreError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const failed = fromPlatform(file, operation)
    const { size } = yield* Effect.mapError(fs.stat(file), failed)
    if (size > limitBytes) return yield* storeError(file, operation, `it is larger than ${limitBytes} bytes`)
    return yield* Effect.mapError(fs.readFileString(file), failed)
  })
