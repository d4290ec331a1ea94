import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as PullStream from "../../http/internal/pullStream.ts"

/** What is pulled, without its first `count` bytes. @internal */
export const skipping = <E>(pull: PullStream.Pull<E>, count: number): PullStream.Pull<E> => {
  if (count === 0) return pull
  let left = count
  const next: PullStream.Pull<E> = Effect.flatMap(pull, (chunk) => {
    if (left === 0) return Effect.succeed(chunk)
    const kept: Array<Uint8Array> = []
    for (const bytes of chunk) {
      const cut = Math.min(left, bytes.byteLength)
      left -= cut
      if (cut < bytes.byteLength) kept.push(cut === 0 ? bytes : bytes.subarray(cut))
    }
    return kept.length === 0 ? next : Effect.succeed(Chunk.unsafeFromArray(kept))
  })
  return next
}
