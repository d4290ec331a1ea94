import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Digest from "../../model/Digest.ts"
import { StoreError } from "../../model/RegistryError.ts"
import type { Place } from "./place.ts"
import type { ByteRange } from "./storageService.ts"

type Pieces = ReadonlyArray<Uint8Array>

/** The pieces that hold a range, without copying. */
const slice = (pieces: Pieces, range: ByteRange | undefined): Pieces => {
  if (range === undefined) return pieces
  const selected: Array<Uint8Array> = []
  let position = 0
  for (const piece of pieces) {
    const from = Math.max(0, range.offset - position)
    const to = Math.min(piece.length, range.offset + range.length - position)
    if (from < to) selected.push(piece.subarray(from, to))
    position += piece.length
  }
  return selected
}

const missing = (name: string) => new StoreError({ store: "memory", operation: "read", reason: `${name} is gone` })

/** @internal */
export const make = (): Place => {
  const uploads = new Map<string, Array<Uint8Array>>()
  const contents = new Map<Digest.Digest, Pieces>()

  const read = (name: string, pieces: Pieces | undefined, range?: ByteRange): Stream.Stream<Uint8Array, StoreError> =>
    pieces === undefined ? Stream.fail(missing(name)) : Stream.fromChunk(Chunk.unsafeFromArray(slice(pieces, range)))

  return {
    append: (id, body, written) =>
      Stream.runForEachChunk(body, (chunk) =>
        Effect.sync(() => {
          const pieces = uploads.get(id) ?? []
          uploads.set(id, pieces)
          for (const bytes of chunk) {
            // A sender may reuse its buffer; a store must not notice.
            const copy = bytes.slice()
            pieces.push(copy)
            written(copy)
          }
        })
      ),
    readUpload: (id) => Stream.suspend(() => read(id, uploads.get(id) ?? [])),
    seal: (id, digest, sizeBytes) =>
      Effect.suspend(() => {
        const pieces = uploads.get(id) ?? []
        uploads.delete(id)
        if (pieces.reduce((size, piece) => size + piece.length, 0) !== sizeBytes) return Effect.fail(missing(`a part of upload ${id}`))
        contents.set(digest, pieces)
        return Effect.void
      }),
    discard: (id) => Effect.sync(() => void uploads.delete(id)),
    put: (digest, bytes) => Effect.sync(() => void contents.set(digest, [bytes.slice()])),
    read: (digest, range) => Stream.suspend(() => read(digest, contents.get(digest), range)),
    remove: (digest) => Effect.sync(() => void contents.delete(digest)),
    save: () => Effect.void,
    clear: Effect.sync(() => {
      uploads.clear()
      contents.clear()
    })
  }
}
