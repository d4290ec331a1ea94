// Streams of bytes, in the units in which files like them.
import type { PlatformError } from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as BlobUpload from "../../client/BlobUpload.ts"
import { join } from "../../model/internal/bytes.ts"
import { LimitExceeded } from "../../model/RegistryError.ts"

/** @internal */
export const unitBytes = 1024 * 1024

/** @internal */
export const toStream = <E, R>(content: BlobUpload.Source<E, R>): Stream.Stream<Uint8Array, E, R> => {
  if (content instanceof Uint8Array) return Stream.make(content)
  if ("once" in content) return content.once
  return "from" in content ? content.from(0) : content
}

/** Looks at the bytes as they pass. @internal */
export const tapBytes =
  (look: (bytes: Uint8Array) => void) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> =>
    Stream.mapChunks(self, (chunk) => {
      for (const bytes of chunk) look(bytes)
      return chunk
    })

/** Told what passes and up to where, if anybody is. @internal */
export const counted =
  (onBytes: BlobUpload.Options["onBytes"]) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> => {
    if (onBytes === undefined) return self
    return Stream.suspend(() => {
      let reached = 0
      return tapBytes(({ length }) => {
        reached += length
        onBytes(length, reached)
      })(self)
    })
  }

/** Fails once there are more than so many bytes. @internal */
export const limited =
  (what: string, limitBytes: number) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | LimitExceeded, R> =>
    Stream.suspend(() => {
      let sizeBytes = 0
      return Stream.mapChunksEffect(self, (chunk) => {
        sizeBytes += Chunk.reduce(chunk, 0, (sum, bytes) => sum + bytes.length)
        return sizeBytes > limitBytes ? new LimitExceeded({ what, limit: limitBytes }) : Effect.succeed(chunk)
      })
    })

/** All the bytes; not for content whose length nobody checked. @internal */
export const collect = <E, R>(self: Stream.Stream<Uint8Array, E, R>): Effect.Effect<Uint8Array, E, R> =>
  Effect.map(Stream.runCollect(self), (chunk) => join(Chunk.toReadonlyArray(chunk)))

/** How files are read: large units, and few of them ahead, since each is memory of its own. @internal */
export const reading = { chunkSize: unitBytes, bufferSize: 2 }

/**
 * Runs the stream and writes what comes in large units. What is given to `write` is overwritten once it is done.
 *
 * @internal
 */
export const pour = <E, R, E2>(
  self: Stream.Stream<Uint8Array, E, R>,
  write: (bytes: Uint8Array) => Effect.Effect<void, E2>
): Effect.Effect<void, E | E2, R> =>
  Effect.suspend(() => {
    // One for all units: to allocate each anew costs more than to fill it. It grows, since most content is far smaller.
    let unit = new Uint8Array()
    let filled = 0

    const grow = (sizeBytes: number) => {
      if (sizeBytes <= unit.length) return
      const larger = new Uint8Array(Math.min(unitBytes, Math.max(sizeBytes, 4 * unit.length)))
      larger.set(unit.subarray(0, filled))
      unit = larger
    }

    const flush = Effect.suspend(() => {
      const part = unit.subarray(0, filled)
      filled = 0
      return part.length === 0 ? Effect.void : write(part)
    })

    /** Takes what there is room for, and says what is left. */
    const fill = (bytes: Uint8Array): Uint8Array => {
      const part = bytes.subarray(0, unitBytes - filled)
      grow(filled + part.length)
      unit.set(part, filled)
      filled += part.length
      return bytes.subarray(part.length)
    }

    const put = (bytes: Uint8Array): Effect.Effect<void, E2> => {
      if (filled === 0 && bytes.length >= unitBytes) return write(bytes)
      const left = fill(bytes)
      return filled < unitBytes
        ? Effect.void
        : Effect.zipRight(
            flush,
            Effect.suspend(() => put(left))
          )
    }

    return Stream.runForEach(self, put).pipe(Effect.zipRight(flush))
  })

/** Runs the stream into a file, opened with that flag; `failed` says what a failure of the file is. @internal */
export const pourInto = <E, R, E2>(
  self: Stream.Stream<Uint8Array, E, R>,
  fs: FileSystem.FileSystem,
  path: string,
  flag: FileSystem.OpenFlag,
  failed: (error: PlatformError) => E2
): Effect.Effect<void, E | E2, Exclude<R, Scope.Scope>> =>
  Effect.mapError(fs.open(path, { flag }), failed).pipe(
    Effect.flatMap((file) => pour(self, (bytes) => Effect.mapError(file.writeAll(bytes), failed))),
    Effect.scoped
  )
