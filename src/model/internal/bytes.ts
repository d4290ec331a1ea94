/** Several pieces as one. @internal */
export const concat = (pieces: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> => {
  let length = 0
  for (const piece of pieces) length += piece.length
  const whole = new Uint8Array(length)
  let position = 0
  for (const piece of pieces) {
    whole.set(piece, position)
    position += piece.length
  }
  return whole
}

/** The same; a piece that is alone is not copied. @internal */
export const join = (pieces: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [only] = pieces
  return only !== undefined && pieces.length === 1 ? only : concat(pieces)
}

/** @internal */
export const equal = (one: Uint8Array, another: Uint8Array): boolean =>
  one.length === another.length && one.every((byte, at) => byte === another[at])
