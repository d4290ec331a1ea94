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
