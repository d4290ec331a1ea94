import * as Body from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { SizeMismatch } from "../../model/RegistryError.ts"

/**
 * Content of known length that can be read from any offset: as often as needed, or once only.
 *
 * @internal
 */
export interface Content {
  readonly sizeBytes: number
  readonly replayable: boolean
  /** The bytes from `offset` on, at most `length` of them, as a request body. */
  readonly body: (offset: number, length: number) => Body.HttpBody
  /** Why the source broke, when it did: clients report a broken source as a broken connection. */
  readonly broken: () => Cause.Cause<unknown> | undefined
}

const type = "application/octet-stream"

/** @internal */
export const fromBytes = (bytes: Uint8Array, onBytes: (count: number) => void): Content => ({
  sizeBytes: bytes.byteLength,
  replayable: true,
  body: (offset, length) => {
    if (length === 0) return Body.empty
    onBytes(length)
    return Body.uint8Array(bytes.subarray(offset, offset + length), type)
  },
  broken: () => undefined
})

type Bytes = Chunk.Chunk<Uint8Array>

const sizeOf = (chunk: Bytes): number => {
  let size = 0
  for (const bytes of chunk) size += bytes.byteLength
  return size
}

/** The part of `chunk` between two positions of it, in bytes. */
const slice = (chunk: Bytes, from: number, to: number): Bytes => {
  const parts: Array<Uint8Array> = []
  let position = 0
  for (const bytes of chunk) {
    const start = Math.max(from - position, 0)
    const end = Math.min(to - position, bytes.byteLength)
    if (start < end) parts.push(start === 0 && end === bytes.byteLength ? bytes : bytes.subarray(start, end))
    position += bytes.byteLength
  }
  return Chunk.unsafeFromArray(parts)
}

/**
 * Lets `[skip, skip + length)` of a stream through. The source must end exactly where `last` says: sending a blob that is longer or shorter
 * than announced would be noticed by the registry only when all of it is there.
 */
const window = <E>(
  source: Stream.Stream<Uint8Array, E>,
  options: {
    readonly skip: number
    readonly length: number
    readonly last: boolean
    readonly mismatch: (actual: number) => SizeMismatch
    readonly onBytes: (count: number) => void
  }
): Stream.Stream<Uint8Array, E | SizeMismatch> =>
  Stream.suspend(() => {
    const end = options.skip + options.length
    let position = 0
    type Stage = Channel.Channel<Bytes, Bytes, E | SizeMismatch, E, void, unknown>
    const loop: Stage = Channel.readWithCause({
      onInput: (chunk: Bytes) => {
        const start = position
        position += sizeOf(chunk)
        if (options.last && position > end) return Channel.fail(options.mismatch(position))
        const wanted = start >= options.skip && position <= end ? chunk : slice(chunk, options.skip - start, end - start)
        const more = !options.last && position >= end ? Channel.void : loop
        if (Chunk.isEmpty(wanted)) return more
        options.onBytes(sizeOf(wanted))
        return Channel.flatMap(Channel.write(wanted), () => more)
      },
      onFailure: Channel.failCause,
      onDone: () => (position < end ? Channel.fail(options.mismatch(position)) : Channel.void)
    })
    return Stream.pipeThroughChannel(source, loop)
  })

/**
 * Content out of streams. `open` gives the stream from an offset on; `rewinds` says that it can be asked more than once.
 *
 * @internal
 */
export const fromStream = <E>(
  sizeBytes: number,
  options: {
    readonly open: (offset: number) => Stream.Stream<Uint8Array, E>
    /** Whether `open` honours the offset; otherwise each stream begins at 0 and what is not wanted is dropped. */
    readonly seeks: boolean
    readonly replayable: boolean
    readonly mismatch: (actual: number) => SizeMismatch
    readonly onBytes: (count: number) => void
  }
): Content => {
  let failure: Cause.Cause<unknown> | undefined
  return {
    sizeBytes,
    replayable: options.replayable,
    broken: () => failure,
    body: (offset, length) => {
      if (length === 0) return Body.empty
      const skip = options.seeks ? 0 : offset
      const stream = window(options.open(offset), {
        skip,
        length,
        last: offset + length === sizeBytes,
        mismatch: (actual) => options.mismatch(options.seeks ? offset + actual : actual),
        onBytes: options.onBytes
      })
      const watched = Stream.catchAllCause(stream, (cause) => {
        if (!Cause.isInterruptedOnly(cause)) failure = cause
        return Stream.failCause(cause)
      })
      return Body.stream(watched, type, length)
    }
  }
}

/** The failure of the source, in its own type. @internal */
export const failureOf = <E>(content: Content): Effect.Effect<never, E | SizeMismatch> | undefined => {
  const cause = content.broken()
  // `broken` only ever holds what the stream of `fromStream` failed with, whose type its caller knows as `E`.
  return cause === undefined
    ? undefined
    : (Stream.runDrain(Stream.failCause(cause as Cause.Cause<E | SizeMismatch>)) as Effect.Effect<never, E | SizeMismatch>)
}
