import type * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import { join } from "../../model/internal/bytes.ts"
import { StoreError } from "../../model/RegistryError.ts"
import type { Place, RepositoryRecord } from "./place.ts"

/** Small writes cost more than the copy that avoids them. */
const unitBytes = 1024 * 1024

const Record = Schema.parseJson(
  Schema.Struct({
    name: Schema.String,
    blobs: Schema.ReadonlyMap({ key: Digest.Digest, value: Schema.Number }),
    manifests: Schema.ReadonlyMap({
      key: Digest.Digest,
      value: Schema.Struct({
        mediaType: Schema.String,
        subject: Schema.optional(Digest.Digest),
        referrer: Schema.optional(Descriptor.Descriptor)
      })
    }),
    tags: Schema.ReadonlyMap({ key: Schema.String, value: Digest.Digest })
  })
)

const recordFile = "_repository.json"

/**
 * A folder: `blobs/<algorithm>/<encoded>` for content, `uploads/<id>` for what is being received, and one record per repository in
 * `repositories/<name>/_repository.json`. A repository name cannot hold a component that starts with an underscore.
 *
 * @internal
 */
export const make = (
  fs: FileSystem.FileSystem,
  path: Path.Path,
  directory: string
): Place & { readonly load: Effect.Effect<ReadonlyArray<RepositoryRecord>, StoreError> } => {
  const root = path.resolve(directory)
  const contentFile = (digest: Digest.Digest) => path.join(root, "blobs", Digest.algorithm(digest), Digest.encoded(digest))
  const uploadFile = (id: string) => path.join(root, "uploads", encodeURIComponent(id))
  const repositories = path.join(root, "repositories")

  const failure = (operation: string) => (cause: { readonly message: string }) =>
    new StoreError({ store: root, operation, reason: cause.message })

  /** Whole or not at all: written beside and renamed. */
  const writeFile = (file: string, bytes: Uint8Array): Effect.Effect<void, PlatformError.PlatformError> => {
    const beside = `${file}.${globalThis.crypto.randomUUID()}.new`
    return fs.makeDirectory(path.dirname(file), { recursive: true }).pipe(
      Effect.zipRight(fs.writeFile(beside, bytes)),
      Effect.zipRight(fs.rename(beside, file)),
      Effect.onError(() => Effect.ignore(fs.remove(beside)))
    )
  }

  const append: Place["append"] = <E>(id: string, body: Stream.Stream<Uint8Array, E>, written: (bytes: Uint8Array) => void) =>
    Effect.scoped(
      Effect.gen(function* () {
        const file = yield* fs.open(uploadFile(id), { flag: "a" }).pipe(Effect.mapError(failure("append to")))
        let held: Array<Uint8Array> = []
        let heldBytes = 0
        const flush = Effect.suspend(() => {
          if (heldBytes === 0) return Effect.void
          const unit = join(held)
          held = []
          heldBytes = 0
          return Effect.tap(Effect.mapError(file.writeAll(unit), failure("append to")), () => Effect.sync(() => written(unit)))
        }).pipe(Effect.uninterruptible)
        yield* Stream.runForEachChunk(body, (chunk) => {
          for (const bytes of chunk) {
            held.push(bytes.slice())
            heldBytes += bytes.length
          }
          return heldBytes < unitBytes ? Effect.void : flush
        }).pipe(
          // What arrived before the sender went away counts: resuming starts behind it.
          Effect.onError(() => Effect.ignore(flush))
        )
        yield* flush
      })
    )

  const loadRecord = (file: string) =>
    fs.readFileString(file).pipe(Effect.flatMap(Schema.decode(Record)), Effect.mapError(failure(`read ${path.basename(file)} in`)))

  const load = Effect.gen(function* () {
    yield* fs.remove(path.join(root, "uploads"), { recursive: true, force: true })
    yield* fs.makeDirectory(path.join(root, "uploads"), { recursive: true })
    yield* fs.makeDirectory(repositories, { recursive: true })
    const files = yield* fs.readDirectory(repositories, { recursive: true })
    return files.filter((file) => path.basename(file) === recordFile).map((file) => path.join(repositories, file))
  }).pipe(
    Effect.mapError(failure("open")),
    Effect.flatMap((files) => Effect.forEach(files, loadRecord, { concurrency: 8 }))
  )

  return {
    load,
    append,
    readUpload: (id) => Stream.mapError(fs.stream(uploadFile(id), { chunkSize: unitBytes }), failure("read upload in")),
    seal: (id, digest, sizeBytes) => {
      const target = contentFile(digest)
      const file = uploadFile(id)
      return fs.makeDirectory(path.dirname(target), { recursive: true }).pipe(
        // A session that received nothing has no file yet; the empty blob is a blob all the same.
        Effect.zipRight(Effect.unlessEffect(fs.writeFile(file, new Uint8Array(0)), fs.exists(file))),
        Effect.zipRight(fs.stat(file)),
        Effect.filterOrFail(
          ({ size }) => Number(size) === sizeBytes,
          () => new Error(`a part of upload ${id} is gone`)
        ),
        Effect.zipRight(fs.rename(file, target)),
        Effect.mapError(failure("store blob in"))
      )
    },
    discard: (id) => Effect.mapError(fs.remove(uploadFile(id), { force: true }), failure("discard upload in")),
    put: (digest, bytes) => Effect.mapError(writeFile(contentFile(digest), bytes), failure("store manifest in")),
    read: (digest, range) =>
      Stream.mapError(
        fs.stream(contentFile(digest), {
          chunkSize: unitBytes,
          ...(range === undefined ? {} : { offset: range.offset, bytesToRead: range.length })
        }),
        failure(`read ${digest} in`)
      ),
    remove: (digest) => Effect.mapError(fs.remove(contentFile(digest), { force: true }), failure("remove content in")),
    save: (record) =>
      Schema.encode(Record)(record).pipe(
        Effect.flatMap((text) => writeFile(path.join(repositories, record.name, recordFile), new TextEncoder().encode(text))),
        Effect.mapError(failure(`save ${record.name} in`))
      ),
    clear: Effect.zipRight(
      Effect.forEach(["blobs", "uploads", "repositories"], (folder) =>
        fs.remove(path.join(root, folder), { recursive: true, force: true })
      ),
      fs.makeDirectory(path.join(root, "uploads"), { recursive: true })
    ).pipe(Effect.mapError(failure("clear")), Effect.asVoid)
  }
}
