/** A layer on its way to a registry of the first protocol: compressed, and with the two checksums that are confirmed in the end. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { gzip } from "../../content/internal/compression.ts"
import { sha2 } from "../../model/internal/sha2.ts"
import * as TarSum from "../TarSum.ts"

/** What an image was pushed with: of its layer, the TarSum, and the digest of the JSON and the bytes that were sent. @since 0.1.0 */
export interface Checksums {
  readonly checksum: string
  readonly checksumPayload: string
}

/**
 * - `body`: can be sent once
 * - `broken`: fails as the layer did, if that was why the body ended
 * - `checksums`: none while the body has not been sent to its end
 *
 * @internal
 */
export interface Upload<E> {
  readonly body: HttpBody.HttpBody
  readonly broken: Effect.Effect<void, E>
  readonly checksums: Effect.Effect<Checksums | undefined>
}

const contentType = "application/octet-stream"

/** @internal */
export const upload = Effect.fnUntraced(function* <E>(layer: Stream.Stream<Uint8Array, E>, json: Uint8Array) {
  const tapped = yield* TarSum.tap(layer, { json })
  const payload = sha2("sha256")
  payload.update(json)
  payload.update(new TextEncoder().encode("\n"))
  let end: Exit.Exit<void, E | TarSum.Failure> | undefined
  let payloadSum: string | undefined
  const noted = Stream.onError(tapped.stream, (cause) =>
    Effect.sync(() => {
      // Whoever sends it may give up; then it is not the layer that is broken.
      if (!Cause.isInterruptedOnly(cause)) end ??= Exit.failCause(cause)
    })
  )
  const packed = Stream.mapChunks(gzip(noted), (chunk) => {
    for (const bytes of chunk) payload.update(bytes)
    return chunk
  })
  const whole = Effect.sync(() => {
    payloadSum = `sha256:${Encoding.encodeHex(payload.digest())}`
  })
  const result: Upload<E | TarSum.Failure> = {
    body: HttpBody.stream(Stream.concat(packed, Stream.drain(Stream.fromEffect(whole))), contentType),
    broken: Effect.suspend(() => end ?? Effect.void),
    checksums: Effect.suspend(() => {
      const checksumPayload = payloadSum
      if (checksumPayload === undefined) return Effect.succeed(undefined)
      return Effect.map(tapped.sum, (checksum): Checksums => ({ checksum, checksumPayload }))
    })
  }
  return result
})
