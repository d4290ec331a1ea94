/**
 * A part of a blob, in pieces.
 *
 * @internal
 */
export interface Window {
  readonly end: () => number
  /** Whether a reader that begins at the offset gets all that follows it. */
  readonly reaches: (offset: number) => boolean
  /** The bytes that begin at the offset, a piece or what is left of it. */
  readonly from: (offset: number) => Uint8Array | undefined
  readonly add: (bytes: Uint8Array) => void
  /** Lets go of what is before the offset, as far as there is too much. */
  readonly trim: (offset: number) => void
  /** Lets go of everything, and keeps nothing any more. */
  readonly clear: () => void
}

interface Piece {
  readonly start: number
  readonly bytes: Uint8Array
}

/** Slow readers show signs of life after each piece. */
const pieceBytes = 64 * 1024

/** @internal */
export const split = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  bytes.byteLength <= pieceBytes
    ? [bytes]
    : Array.from({ length: Math.ceil(bytes.byteLength / pieceBytes) }, (_, index) =>
        bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes)
      )

/** @internal */
export const make = (sizeBytes: number): Window => {
  const pieces: Array<Piece> = []
  let start = 0
  let end = 0
  let cleared = false

  const dropFirst = ({ bytes }: Piece) => {
    pieces.shift()
    start += bytes.byteLength
  }

  return {
    end: () => end,
    reaches: (offset) => !cleared && offset >= start,
    from: (offset) => {
      const found = pieces.find((piece) => piece.start <= offset && offset < piece.start + piece.bytes.byteLength)
      return found?.bytes.subarray(offset - found.start)
    },
    add: (bytes) => {
      if (bytes.byteLength === 0) return
      if (!cleared) pieces.push({ start: end, bytes })
      end += bytes.byteLength
    },
    trim: (offset) => {
      for (let [first] = pieces; first !== undefined && end - start > sizeBytes; [first] = pieces) {
        if (first.start + first.bytes.byteLength > offset) return
        dropFirst(first)
      }
    },
    clear: () => {
      pieces.length = 0
      cleared = true
    }
  }
}
