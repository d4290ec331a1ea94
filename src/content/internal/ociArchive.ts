// An image layout in a tar archive, for reading and for writing.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Digest from "../../model/Digest.ts"
import { MalformedContent } from "../../model/RegistryError.ts"
import { pour } from "./blobBytes.ts"
import { indexLimitBytes } from "./layoutFolder.ts"
import * as Index from "./layoutIndex.ts"
import { type LocalError, missing, storeError } from "./localError.ts"
import type { Reading, Writing } from "./storage.ts"
import type { TarFile } from "./tarFile.ts"
import type { TarWriter } from "./tarWriter.ts"

const headerLimitBytes = 64 * 1024

const nameOf = (digest: Digest.Digest) => Effect.map(Index.blobFile(digest), (parts) => parts.join("/"))

const document = Effect.fnUntraced(function* (tar: TarFile, name: string, limitBytes: number) {
  const found = yield* tar.document(name, limitBytes)
  return Option.isSome(found) ? found.value : yield* new MalformedContent({ kind: "image layout", reason: `there is no ${name}` })
})

/** Fails when the archive holds no image layout of a known version. @internal */
export const read = Effect.fnUntraced(function* (label: string, tar: TarFile) {
  yield* Index.checkLayout(yield* document(tar, Index.layoutFile, headerLimitBytes))
  const index = yield* Index.parse(yield* document(tar, Index.indexFile, indexLimitBytes))
  const find = (digest: Digest.Digest) => Effect.map(nameOf(digest), tar.find)
  const storage: Reading = {
    label,
    index: Effect.succeed(index),
    sizeOf: (digest) =>
      Effect.map(
        find(digest),
        Option.map((entry) => entry.sizeBytes)
      ),
    read: (digest) =>
      Stream.unwrap(
        Effect.map(
          find(digest),
          Option.match({
            onNone: (): Stream.Stream<Uint8Array, LocalError> => Stream.fail(missing(label, "read", digest)),
            onSome: tar.read
          })
        )
      )
  }
  return storage
})

/** @internal */
export interface ArchiveWriting {
  readonly storage: Reading & Writing
  readonly commit: Effect.Effect<void, LocalError>
}

/** @internal */
export const write = Effect.fnUntraced(function* (label: string, tar: TarWriter) {
  let index = Index.empty
  const sizes = new Map<Digest.Digest, number>()
  yield* tar.appendBytes(Index.layoutFile, Index.layoutBytes())

  const storage: Reading & Writing = {
    label,
    index: Effect.sync(() => index),
    sizeOf: (digest) => Effect.sync(() => Option.fromNullable(sizes.get(digest))),
    read: () => Stream.fail(storeError(label, "read", "the archive is being written")),
    change: (f) =>
      tar.change(() => {
        index = f(index)
      }),
    keep: (digest) => Effect.sync(() => sizes.has(digest)),
    write: (digest, size, bytes) =>
      Effect.flatMap(nameOf(digest), (name) =>
        tar.append(
          (put) =>
            // Another fiber may have written it while this one waited for its turn.
            sizes.has(digest)
              ? Effect.succeed(undefined)
              : Effect.as(pour(bytes, put), { name, written: () => void sizes.set(digest, size) }),
          name
        )
      )
  }
  const made: ArchiveWriting = { storage, commit: tar.commit(Index.indexFile, () => Index.bytes(index)) }
  return made
})
