import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type * as Digest from "../../model/Digest.ts"
import type { SizeMismatch } from "../../model/RegistryError.ts"
import type { PutBlobError } from "./errors.ts"
import * as Content from "./uploadContent.ts"
import type { Plan } from "./uploadPlan.ts"
import * as Reader from "./uploadReader.ts"
import type { Transfer } from "./uploadTransfer.ts"

/** What was sent: the digest the content turned out to have, and its size. @internal */
export interface Sent {
  readonly digest: Digest.Digest
  readonly sizeBytes: number
}

/** @internal */
export interface Options {
  readonly hasher: Digest.Hasher
  readonly onBytes: Content.OnBytes
  /** Told the size so far; fails when it is too much. */
  readonly checkSize: (sizeBytes: number) => Effect.Effect<void, SizeMismatch>
  /** Told what the content turned out to be, before the upload is closed. */
  readonly check: (sent: Sent) => Effect.Effect<void, PutBlobError>
  /** The plans for content that fits into one chunk: its digest is known before it is sent. */
  readonly plansForSmall: (sizeBytes: number) => ReadonlyArray<Plan>
}

/**
 * Uploads a stream that can be run once. It leaves in chunks, hashed on the way and each kept in memory until the registry has it: at most
 * one that is sent and one that is read. Where chunks are refused or not wanted, or would be too long to be kept, it leaves as one stream,
 * which cannot be gone on with.
 *
 * @internal
 */
export const upload = <E>(
  transfer: Transfer,
  source: Stream.Stream<Uint8Array, E>,
  options: Options
): Effect.Effect<Sent, PutBlobError | E> =>
  Effect.gen(function* () {
    const { hasher, onBytes } = options
    let sizeBytes = 0
    const inspect = (chunk: Chunk.Chunk<Uint8Array>) => {
      for (const bytes of chunk) {
        hasher.update(bytes)
        sizeBytes += bytes.byteLength
      }
      return options.checkSize(sizeBytes)
    }
    const reader = Reader.make<E | SizeMismatch>(yield* Stream.toPull(source), transfer.chunkBytes(), inspect)

    /** Sends the last of it, and closes. */
    const close = Effect.fnUntraced(function* (start: number, blocks: Content.Blocks) {
      const sent: Sent = { digest: hasher.digest(), sizeBytes }
      yield* options.check(sent)
      yield* transfer.send({ content: Content.fromBlocks(start, blocks, onBytes), digest: sent.digest })
      return sent
    })

    const stream = Effect.fnUntraced(function* (read: Content.Blocks) {
      yield* transfer.pour(Content.unmeasured(Stream.concat(Stream.fromIterable(read), reader.rest), onBytes))
      return yield* close(sizeBytes, [])
    })

    /** Sends blocks that others follow; what is left of them, if the registry would find it too short, goes with the next ones. */
    let start = 0
    const advance = (blocks: Content.Blocks) => {
      const end = start + Content.sizeOf(blocks)
      return Effect.map(transfer.send({ content: Content.fromBlocks(start, blocks, onBytes) }), () => {
        const reached = Math.min(Math.max(transfer.offset(), start), end)
        const left = Content.slice(blocks, reached - start, end - start)
        start = reached
        return left
      })
    }

    if (!transfer.canKeep()) transfer.choose(["streamed"])
    if (transfer.plan() === "streamed") return yield* stream([])
    const first = yield* reader.next
    const second = yield* reader.next
    if (second.length === 0) {
      transfer.choose(options.plansForSmall(sizeBytes))
      return yield* close(0, first)
    }
    let left = yield* advance(first)
    if (transfer.plan() === "streamed") return yield* stream([...first, ...second])
    for (let part = second; part.length > 0; ) {
      const following = yield* Effect.forkScoped(reader.next)
      left = yield* advance([...left, ...part])
      part = yield* Fiber.join(following)
    }
    return yield* close(start, left)
  }).pipe(Effect.scoped)
