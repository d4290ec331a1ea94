/**
 * A part of a blob, in pieces.
 *
 * @internal
 */
export interface Window {
  /** Where the bytes end that were added. */
  readonly end: () => number
  /** The bytes that begin at the offset, a piece or what is left of it. */
  readonly from: (offset: number) => Uint8Array | undefined
  readonly add: (bytes: Uint8Array) => void
  /** Lets go of the pieces that end before the offset. */
  readonly trim: (offset: number) => void
}

interface Piece {
  readonly start: number
  readonly end: number
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
export const make = (): Window => {
  const pieces: Array<Piece> = []
  let end = 0
  return {
    end: () => end,
    from: (offset) => {
      const found = pieces.find((piece) => piece.start <= offset && offset < piece.end)
      return found?.bytes.subarray(offset - found.start)
    },
    add: (bytes) => {
      if (bytes.byteLength === 0) return
      const start = end
      end += bytes.byteLength
      pieces.push({ start, end, bytes })
    },
    trim: (offset) => {
      const kept = pieces.findIndex((piece) => piece.end > offset)
      pieces.splice(0, kept === -1 ? pieces.length : kept)
    }
  }
}
