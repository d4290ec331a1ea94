/**
 * The checksum that registries of the first protocol keep of a layer: of a tar archive's entries instead of its bytes, so that it does not
 * depend on their order (moby `pkg/tarsum`).
 *
 * ```ts
 * const sum = yield* TarSum.of(layer.uncompressed, { json })
 * // tarsum+sha256:036f5bba…
 * ```
 *
 * It does not tell everything apart: where one field of an entry ends and the next begins is not part of it, nor are the names of owners. Where
 * content must be what it claims to be, take `Digest`.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { LimitExceeded, MalformedContent } from "../model/RegistryError.ts"
import * as TarSums from "./internal/tarSums.ts"

/** `v0` takes the time of a file into account; `v1` leaves it out and takes its extended attributes. @since 0.1.0 */
export type Version = "v0" | "v1"

/**
 * - `json`: the image's own description, which goes into the checksum of its layer
 * - `version`: default `v0`, which is what the protocol demands
 *
 * @since 0.1.0
 */
export interface Options {
  readonly json?: Uint8Array | undefined
  readonly version?: Version | undefined
}

/** No tar archive, or one with more than a million entries, a header over 1 MiB or holes of more than 64 GiB. @since 0.1.0 */
export type Failure = MalformedContent | LimitExceeded

const summing = ({ json, version = "v0" }: Options) => {
  const running = TarSums.run(version)
  return { push: running.push, end: Effect.map(running.end, (sums) => TarSums.total(sums, version, json)) }
}

/**
 * The checksum of an archive that is not compressed: `tarsum+sha256:…` or `tarsum.v1+sha256:…`. It is read once, to its end, and takes some
 * hundred bytes of memory for each entry.
 *
 * All that Go reads is read, GNU's and pax headers and files with holes included. Where Go then fails because it cannot write an entry again, a
 * file whose name ends in a slash for one, there is a checksum all the same. When more than twelve entries have a path among them that occurs
 * twice, Go's checksum depends on its sort, and so on its version; here it does not.
 *
 * @since 0.1.0
 */
export const of: <E, R>(archive: Stream.Stream<Uint8Array, E, R>, options?: Options) => Effect.Effect<string, E | Failure, R> = Effect.fn(
  "TarSum.of"
)(function* <E, R>(archive: Stream.Stream<Uint8Array, E, R>, options: Options = {}) {
  const sum = summing(options)
  yield* Stream.runForEach(archive, sum.push)
  return yield* sum.end
})

/** An archive on its way. @since 0.1.0 */
export interface Tapped<E, R> {
  /** The bytes as they are. It fails with the first ones that show it is no tar archive, or at its end. */
  readonly stream: Stream.Stream<Uint8Array, E | Failure, R>
  /** Waits until the stream was read to its end. When it is read several times, the first one tells. */
  readonly sum: Effect.Effect<string>
}

/**
 * Computes the checksum of an archive while it is read for something else:
 *
 * ```ts
 * const { stream, sum } = yield* TarSum.tap(layer.uncompressed, { json })
 * yield* send(stream)
 * yield* confirm(yield* sum)
 * ```
 *
 * @since 0.1.0
 */
export const tap: <E, R>(archive: Stream.Stream<Uint8Array, E, R>, options?: Options) => Effect.Effect<Tapped<E, R>> = Effect.fnUntraced(
  function* <E, R>(archive: Stream.Stream<Uint8Array, E, R>, options: Options = {}) {
    const found = yield* Deferred.make<string>()
    const stream = Stream.suspend(() => {
      const sum = summing(options)
      const end = Effect.flatMap(sum.end, (text) => Deferred.succeed(found, text))
      return Stream.concat(Stream.tap(archive, sum.push), Stream.drain(Stream.fromEffect(end)))
    })
    const tapped: Tapped<E, R> = { stream, sum: Deferred.await(found) }
    return tapped
  }
)
