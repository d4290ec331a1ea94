import * as Body from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as PullStream from "../../http/internal/pullStream.ts"
import type { SizeMismatch } from "../../model/RegistryError.ts"

/**
 * Content of a blob between two positions of it.
 *
 * @internal
 */
export interface Content<E> {
  readonly start: number
  readonly end: number
  /** Whether `body` may be asked more than once. */
  readonly replayable: boolean
  /** The bytes from `offset` on, `length` of them, as a request body. */
  readonly body: (offset: number, length: number) => Body.HttpBody
  /** Why the source broke, when it did: clients report a broken source as a broken connection. */
  readonly broken: () => Cause.Cause<E | SizeMismatch> | undefined
}

/** @internal */
export type Blocks = ReadonlyArray<Uint8Array>

type Bytes = Chunk.Chunk<Uint8Array>

/** Told how many bytes leave, and up to which position of the blob. @internal */
export type OnBytes = (count: number, reached: number) => void

/** Progress is seen, and a connection known to be alive, in steps of this size. @internal */
export const stepBytes = 256 * 1024

const type = "application/octet-stream"

/** @internal */
export const sizeOf = (blocks: Iterable<Uint8Array>): number => {
  let size = 0
  for (const bytes of blocks) size += bytes.byteLength
  return size
}

/** The part of the blocks between two positions in them. @internal */
export const slice = (blocks: Iterable<Uint8Array>, from: number, to: number): Blocks => {
  const parts: Array<Uint8Array> = []
  let position = 0
  for (const bytes of blocks) {
    const start = Math.max(from - position, 0)
    const end = Math.min(to - position, bytes.byteLength)
    if (start < end) parts.push(start === 0 && end === bytes.byteLength ? bytes : bytes.subarray(start, end))
    position += bytes.byteLength
  }
  return parts
}

/** Blocks side by side, up to the size in which progress is seen. */
const groups = (blocks: Blocks): ReadonlyArray<Bytes> => {
  const chunks: Array<Bytes> = []
  let group: Array<Uint8Array> = []
  let size = 0
  for (const block of blocks) {
    if (size > 0 && size + block.byteLength > stepBytes) {
      chunks.push(Chunk.unsafeFromArray(group))
      group = []
      size = 0
    }
    group.push(block)
    size += block.byteLength
  }
  return size === 0 ? chunks : [...chunks, Chunk.unsafeFromArray(group)]
}

/** From a position on, `onBytes` is told. */
const counting = (start: number, onBytes: OnBytes) => {
  let reached = start
  return (chunk: Bytes): Bytes => {
    const count = sizeOf(chunk)
    reached += count
    onBytes(count, reached)
    return chunk
  }
}

const counted = (start: number, blocks: Blocks, onBytes: OnBytes): Stream.Stream<Uint8Array> =>
  Stream.suspend(() => Stream.mapChunks(Stream.fromChunks(...groups(blocks)), counting(start, onBytes)))

/** Content in memory. @internal */
export const fromBlocks = (start: number, blocks: Blocks, onBytes: OnBytes): Content<never> => ({
  start,
  end: start + sizeOf(blocks),
  replayable: true,
  body: (offset, length) => {
    const wanted = slice(blocks, offset - start, offset - start + length)
    const [only] = wanted
    if (only === undefined) return Body.empty
    if (wanted.length > 1) return Body.stream(counted(offset, wanted, onBytes), type, length)
    onBytes(length, offset + length)
    return Body.uint8Array(only, type)
  },
  broken: () => undefined
})

/** @internal */
export const fromBytes = (bytes: Uint8Array, onBytes: OnBytes): Content<never> =>
  fromBlocks(
    0,
    Array.from({ length: Math.ceil(bytes.byteLength / stepBytes) }, (_, index) =>
      bytes.subarray(index * stepBytes, (index + 1) * stepBytes)
    ),
    onBytes
  )

interface Window<E> {
  /** Where in the blob it begins. */
  readonly start: number
  readonly skip: number
  readonly length: number
  /** The source must end where the window does. */
  readonly last: boolean
  readonly mismatch: (actual: number) => SizeMismatch
  readonly onBytes: OnBytes
  readonly onBroken: (cause: Cause.Cause<E | SizeMismatch>) => void
}

/**
 * Lets a part of a stream through. The bytes that complete the last part are held back until the source has ended, so that a source that is
 * too long never looks complete to the registry.
 */
const window = <E>(source: Stream.Stream<Uint8Array, E>, options: Window<E>): Stream.Stream<Uint8Array, E | SizeMismatch> =>
  PullStream.make((scope) =>
    Effect.map(PullStream.openIn(scope, source), (pull) => {
      const end = options.skip + options.length
      let position = 0
      let held: Bytes = Chunk.empty()
      let ended = false
      const count = counting(options.start, options.onBytes)
      const wrongSize = (): PullStream.Pull<E | SizeMismatch> => {
        const mismatch = options.mismatch(position)
        options.onBroken(Cause.fail(mismatch))
        return Effect.fail(Option.some(mismatch))
      }
      const give = (chunk: Bytes): PullStream.Pull<E | SizeMismatch> => (Chunk.isEmpty(chunk) ? next : Effect.succeed(count(chunk)))
      const last = Effect.suspend(() => {
        ended = true
        return position < end ? wrongSize() : give(held)
      })
      const take = (chunk: Bytes): PullStream.Pull<E | SizeMismatch> => {
        const start = position
        position += sizeOf(chunk)
        if (options.last && position > end) return wrongSize()
        const whole = start >= options.skip && position <= end
        const wanted = whole ? chunk : Chunk.unsafeFromArray(slice(chunk, options.skip - start, end - start))
        if (position < end) return give(wanted)
        if (!options.last) {
          ended = true
          return give(wanted)
        }
        held = Chunk.appendAll(held, wanted)
        return next
      }
      const pulled = Effect.matchCauseEffect(pull, {
        onSuccess: take,
        onFailure: (cause): PullStream.Pull<E | SizeMismatch> => {
          const failure = Cause.flipCauseOption(cause)
          if (Option.isNone(failure)) return last
          options.onBroken(failure.value)
          return Effect.failCause(cause)
        }
      })
      const next: PullStream.Pull<E | SizeMismatch> = Effect.suspend(() => (ended ? Effect.fail(Option.none()) : pulled))
      return next
    })
  )

/**
 * The whole of a blob, out of streams. `open` gives one that begins at the offset; when the content is not replayable, the only one there
 * is, which begins at 0 and of which what is not wanted is dropped.
 *
 * @internal
 */
export const fromStream = <E>(options: {
  readonly sizeBytes: number
  readonly open: (offset: number) => Stream.Stream<Uint8Array, E>
  readonly replayable: boolean
  readonly mismatch: (actual: number) => SizeMismatch
  readonly onBytes: OnBytes
}): Content<E> => {
  const { sizeBytes, open, replayable, mismatch, onBytes } = options
  let failure: Cause.Cause<E | SizeMismatch> | undefined
  return {
    start: 0,
    end: sizeBytes,
    replayable,
    broken: () => failure,
    body: (offset, length) => {
      if (length === 0) return Body.empty
      const bytes = window(open(offset), {
        start: offset,
        skip: replayable ? 0 : offset,
        length,
        last: offset + length === sizeBytes,
        mismatch: (actual) => mismatch(replayable ? offset + actual : actual),
        onBytes,
        onBroken: (cause) => {
          failure = cause
        }
      })
      return Body.stream(bytes, type, length)
    }
  }
}

/** A request body whose length shows when it was sent. @internal */
export interface Unmeasured<E> {
  readonly body: Body.HttpBody
  readonly sentBytes: () => number
  /** Whether the source came to its end. */
  readonly ended: () => boolean
  readonly broken: () => Cause.Cause<E> | undefined
}

/** @internal */
export const unmeasured = <E>(source: Stream.Stream<Uint8Array, E>, onBytes: OnBytes): Unmeasured<E> => {
  let sentBytes = 0
  let ended = false
  let failure: Cause.Cause<E> | undefined
  const counting = PullStream.make((scope) =>
    Effect.map(PullStream.openIn(scope, source), (pull) =>
      Effect.matchCauseEffect(pull, {
        onSuccess: (chunk) => {
          const count = sizeOf(chunk)
          sentBytes += count
          onBytes(count, sentBytes)
          return Effect.succeed(chunk)
        },
        onFailure: (cause) => {
          const broken = Cause.flipCauseOption(cause)
          if (Option.isNone(broken)) ended = true
          else failure = broken.value
          return Effect.failCause(cause)
        }
      })
    )
  )
  return {
    body: Body.stream(counting, type),
    sentBytes: () => sentBytes,
    ended: () => ended,
    broken: () => failure
  }
}
