import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Blocks, slice } from "./uploadContent.ts"

/**
 * Reads a stream that can be run once in parts of a size.
 *
 * @internal
 */
export interface Reader<E> {
  /** The next part; shorter than the size only at the end, empty after it. */
  readonly next: Effect.Effect<Blocks, E>
  /** All that is left, as it comes. */
  readonly rest: Stream.Stream<Uint8Array, E>
}

/** Larger pieces are kept as they are; smaller ones, of which a part may have very many, are copied together. */
const largePieceBytes = 16 * 1024

const gatheredBytes = 64 * 1024

/** Pieces of content up to a size. */
class Filling {
  private readonly blocks: Array<Uint8Array> = []
  private gathered: Uint8Array | undefined
  private used = 0
  private left: number

  constructor(sizeBytes: number) {
    this.left = sizeBytes
  }

  get full(): boolean {
    return this.left === 0
  }

  /** Takes what fits and returns how much that was. */
  add(bytes: Uint8Array): number {
    const piece = bytes.subarray(0, this.left)
    this.left -= piece.byteLength
    if (piece.byteLength >= largePieceBytes) {
      this.seal()
      this.blocks.push(piece)
    } else {
      this.gather(piece)
    }
    return piece.byteLength
  }

  private gather(piece: Uint8Array): void {
    if (this.used + piece.byteLength > gatheredBytes) this.seal()
    this.gathered ??= new Uint8Array(gatheredBytes)
    this.gathered.set(piece, this.used)
    this.used += piece.byteLength
  }

  private seal(): void {
    if (this.gathered !== undefined && this.used > 0) this.blocks.push(this.gathered.subarray(0, this.used))
    this.gathered = undefined
    this.used = 0
  }

  result(): Blocks {
    this.seal()
    return this.blocks
  }
}

/** `inspect` sees all content once, in order. @internal */
export const make = <E>(
  pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>>,
  sizeBytes: number,
  inspect: (chunk: Chunk.Chunk<Uint8Array>) => Effect.Effect<void, E>
): Reader<E> => {
  let waiting: Blocks = []
  let ended = false

  const inspected = Effect.tap(pull, (chunk) => Effect.mapError(inspect(chunk), Option.some))

  const more = Effect.matchEffect(inspected, {
    onSuccess: (chunk) =>
      Effect.sync(() => {
        waiting = Chunk.toReadonlyArray(chunk)
      }),
    onFailure: Option.match({
      onNone: () =>
        Effect.sync(() => {
          ended = true
        }),
      onSome: Effect.fail<E>
    })
  })

  const move = (filling: Filling) => {
    let taken = 0
    for (const bytes of waiting) taken += filling.add(bytes)
    waiting = slice(waiting, taken, Number.POSITIVE_INFINITY)
  }

  const fill = (filling: Filling): Effect.Effect<Blocks, E> =>
    Effect.suspend(() => {
      move(filling)
      return filling.full || ended ? Effect.succeed(filling.result()) : Effect.zipRight(more, fill(filling))
    })

  return {
    next: Effect.suspend(() => fill(new Filling(sizeBytes))),
    rest: Stream.suspend(() => Stream.concat(Stream.fromIterable(waiting), Stream.repeatEffectChunkOption(inspected)))
  }
}
