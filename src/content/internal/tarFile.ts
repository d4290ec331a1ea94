// A tar archive on disk to read from anywhere in it. One that is compressed is unpacked to a temporary file first.
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LimitExceeded, MalformedContent, type StoreError } from "../../model/RegistryError.ts"
import { collect, limited, pourInto, reading } from "./blobBytes.ts"
import { decompress, sniff } from "./compression.ts"
import { fromPlatform } from "./localError.ts"
import * as TarIndex from "./tarIndex.ts"

/** @internal */
export interface TarFile {
  readonly find: (name: string) => Option.Option<TarIndex.Entry>
  readonly read: (entry: TarIndex.Entry) => Stream.Stream<Uint8Array, StoreError>
  /** The first bytes of an entry, as many as there are. */
  readonly readHead: (entry: TarIndex.Entry, sizeBytes: number) => Effect.Effect<Uint8Array, StoreError>
  /** A file that decides what the archive holds; none when it is not there. There must be only one of its name. */
  readonly only: (name: string) => Either.Either<Option.Option<TarIndex.Entry>, MalformedContent>
  /** All of a small file. */
  readonly whole: (entry: TarIndex.Entry, limitBytes: number) => Effect.Effect<Uint8Array, StoreError | LimitExceeded>
  /** All of the small file of this name, as for `only`. */
  readonly document: (
    name: string,
    limitBytes: number
  ) => Effect.Effect<Option.Option<Uint8Array>, StoreError | MalformedContent | LimitExceeded>
}

const malformed = (reason: string) => new MalformedContent({ kind: "tar archive", reason })

const foreign: ReadonlyArray<readonly [string, ReadonlyArray<number>]> = [
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58]]
]

/** @internal */
export const open = Effect.fnUntraced(function* (file: string, label: string, unpackedLimitBytes: number) {
  const fs = yield* FileSystem.FileSystem
  const failed = fromPlatform(label, "open")
  const stream = (path: string, offset: number, sizeBytes: number) =>
    sizeBytes === 0
      ? Stream.empty
      : Stream.mapError(fs.stream(path, { ...reading, offset, bytesToRead: sizeBytes }), fromPlatform(label, "read"))

  const head = [...(yield* collect(stream(file, 0, 4)))]
  const refused = foreign.find(([_, magic]) => magic.every((byte, at) => head[at] === byte))
  if (refused !== undefined) return yield* malformed(`it is compressed with ${refused[0]}, which is not read here`)

  const unpack = Effect.gen(function* () {
    const path = yield* Effect.mapError(fs.makeTempFileScoped({ prefix: "effect-oci-" }), failed)
    const content = fs.stream(file, reading).pipe(Stream.mapError(failed), decompress, limited("the unpacked archive", unpackedLimitBytes))
    yield* pourInto(content, fs, path, "w", failed)
    return path
  })
  const path = sniff(head) === "none" ? file : yield* unpack
  const index = yield* TarIndex.read(fs, path, label)

  const read: TarFile["read"] = ({ offset, sizeBytes }) => stream(path, offset, sizeBytes)

  const only: TarFile["only"] = (name) =>
    index.isAmbiguous(name) ? Either.left(malformed(`it has several files ${name}`)) : Either.right(index.find(name))

  const whole: TarFile["whole"] = (entry, limitBytes) =>
    entry.sizeBytes > limitBytes
      ? Effect.fail(new LimitExceeded({ what: `${entry.name} in the archive`, limit: limitBytes }))
      : collect(read(entry))

  const made: TarFile = {
    find: index.find,
    read,
    readHead: ({ offset, sizeBytes }, count) => collect(stream(path, offset, Math.min(count, sizeBytes))),
    only,
    whole,
    document: Effect.fnUntraced(function* (name, limitBytes) {
      const entry = yield* only(name)
      return Option.isSome(entry) ? Option.some(yield* whole(entry.value, limitBytes)) : Option.none()
    })
  }
  return made
})
