import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as CodedError from "../../http/internal/codedError.ts"
import { concat } from "../../model/internal/bytes.ts"

/** @internal */
export const connectionReset = (): Error => CodedError.make("ECONNRESET", "read ECONNRESET")

/** @internal */
export const connectionRefused = (host: string): Error => CodedError.make("ECONNREFUSED", `connect ECONNREFUSED ${host}`)

/** @internal */
export const otherSideClosed = (): Error => CodedError.make("UND_ERR_SOCKET", "other side closed")

/** The first `count` bytes; nothing more is pulled once they are there. @internal */
export const takeBytes = <E, R>(self: Stream.Stream<Uint8Array, E, R>, count: number): Stream.Stream<Uint8Array, E, R> =>
  count <= 0
    ? Stream.empty
    : self.pipe(
        Stream.mapAccum(
          count,
          (left, bytes) => [left - bytes.length, { taken: bytes.subarray(0, Math.max(0, left)), isLast: bytes.length >= left }] as const
        ),
        Stream.takeUntil(({ isLast }) => isLast),
        Stream.map(({ taken }) => taken)
      )

/** The first `count` bytes, then a failure; a stream that is shorter fails at its end. @internal */
export const cutAt = <E, R>(self: Stream.Stream<Uint8Array, E, R>, count: number, error: unknown): Stream.Stream<Uint8Array, unknown, R> =>
  Stream.concat(takeBytes(self, count), Stream.fail(error))

/** The same bytes in pieces of at most `size`. @internal */
export const pieces = <E, R>(self: Stream.Stream<Uint8Array, E, R>, size: number): Stream.Stream<Uint8Array, E, R> =>
  Stream.mapConcat(self, (bytes) =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))
  )

/** The same bytes but for one bit of the one at `offset`. @internal */
export const flipAt = <E, R>(self: Stream.Stream<Uint8Array, E, R>, offset: number): Stream.Stream<Uint8Array, E, R> =>
  Stream.suspend(() => {
    let position = 0
    return Stream.map(self, (bytes) => {
      const at = offset - position
      position += bytes.length
      if (at < 0 || at >= bytes.length) return bytes
      const changed = bytes.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      return changed
    })
  })

const collect = <E, R>(self: Stream.Stream<Uint8Array, E, R>): Effect.Effect<Uint8Array<ArrayBuffer>, E, R> =>
  Effect.map(Stream.runCollect(self), concat)

/** @internal */
export const firstHalf = <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> =>
  Stream.fromEffect(Effect.map(collect(self), (whole) => whole.subarray(0, Math.floor(whole.length / 2))))

/** @internal */
export const gzip = <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, unknown, R> =>
  Stream.unwrap(
    Effect.map(collect(self), (whole) =>
      Stream.fromReadableStream<Uint8Array, unknown>(
        () => new Blob([whole]).stream().pipeThrough(new CompressionStream("gzip")),
        (cause) => cause
      )
    )
  )
