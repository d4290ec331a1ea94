import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { Decompress } from "fzstd"
import type { MalformedContent } from "../../model/RegistryError.ts"
import { cutter, malformed, type Piece } from "./zstdFrames.ts"

type Bytes = Chunk.Chunk<Uint8Array>
type Stage<E> = Channel.Channel<Bytes, Bytes, E | MalformedContent, E, void, unknown>

/** Decodes piece by piece. A block unpacks to 128 KiB at most, so that a small input never makes a large output at once. */
const decoder = () => {
  let out: Array<Uint8Array> = []
  let frame = new Decompress()
  return (piece: Piece): Either.Either<ReadonlyArray<Uint8Array>, MalformedContent> =>
    Either.try({
      try: () => {
        if (piece.starts) frame = new Decompress((bytes) => void out.push(bytes))
        frame.push(piece.bytes, piece.ends)
        const made = out
        out = []
        return made
      },
      catch: (cause) => malformed(cause instanceof Error ? cause.message : String(cause))
    })
}

const stage = <E>(): Stage<E> => {
  const frames = cutter()
  const decode = decoder()

  // By position: a chunk may have very many pieces, and what is left of them is not copied for each.
  const emit = (pieces: ReadonlyArray<Piece>, then: Stage<E>, at = 0): Stage<E> => {
    const piece = pieces[at]
    if (piece === undefined) return then
    const made = decode(piece)
    if (Either.isLeft(made)) return Channel.fail(made.left)
    const following = Channel.suspend(() => emit(pieces, then, at + 1))
    const bytes = made.right.filter((_) => _.length > 0)
    return bytes.length === 0 ? following : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(bytes)), () => following)
  }

  const take = (inputs: ReadonlyArray<Uint8Array>): Stage<E> => {
    const [first, ...rest] = inputs
    if (first === undefined) return loop
    const { pieces, failure } = frames.push(first)
    return emit(pieces, failure === undefined ? Channel.suspend(() => take(rest)) : Channel.fail(failure))
  }

  const loop: Stage<E> = Channel.readWithCause({
    onInput: (chunk: Bytes) => take(Chunk.toReadonlyArray(chunk)),
    onFailure: Channel.failCause,
    onDone: () => {
      const failure = frames.end()
      return failure === undefined ? Channel.void : Channel.fail(failure)
    }
  })
  return loop
}

/** Unpacks Zstandard frames (RFC 8878); their checksums are not looked at. @internal */
export const unzstd = <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | MalformedContent, R> =>
  Stream.suspend(() => Stream.pipeThroughChannel(self, stage<E>()))
