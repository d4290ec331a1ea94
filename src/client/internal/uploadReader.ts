import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Blocks, blockBytes, slice } from "./uploadContent.ts"

/**
 * Reads a stream that can be run once in parts of a size. The bytes are copied into blocks of our own, as the source may reuse its buffers
 * while a part waits for the registry.
 *
 * @internal
 */
export interface Reader<E> {
  /** The next part; shorter than the size only at the end, empty after it. */
  readonly next: Effect.Effect<Blocks, E>
  /** All that is left, as it comes. */
  readonly rest: Stream.Stream<Uint8Array, E>
}

/** Fills blocks up to a size. */
class Filling {
  readonly blocks: Array<Uint8Array> = []
  private used = 0
  private left: number

  constructor(sizeBytes: number) {
    this.left = sizeBytes
  }

  get full(): boolean {
    return this.left === 0
  }

  private room(): Uint8Array {
    const block = this.blocks[this.blocks.length - 1]
    if (block !== undefined && this.used < block.byteLength) return block
    const fresh = new Uint8Array(Math.min(blockBytes, this.left))
    this.blocks.push(fresh)
    this.used = 0
    return fresh
  }

  /** Copies what fits and returns how much that was. */
  add(bytes: Uint8Array): number {
    const wanted = Math.min(bytes.byteLength, this.left)
    for (let done = 0; done < wanted; ) {
      const block = this.room()
      const count = Math.min(wanted - done, block.byteLength - this.used)
      block.set(bytes.subarray(done, done + count), this.used)
      this.used += count
      this.left -= count
      done += count
    }
    return wanted
  }

  get result(): Blocks {
    const last = this.blocks.length - 1
    return this.blocks.map((block, index) => (index === last ? block.subarray(0, this.used) : block))
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
      return filling.full || ended ? Effect.succeed(filling.result) : Effect.zipRight(more, fill(filling))
    })

  return {
    next: Effect.suspend(() => fill(new Filling(sizeBytes))),
    rest: Stream.suspend(() => Stream.concat(Stream.fromIterable(waiting), Stream.repeatEffectChunkOption(inspected)))
  }
}
