import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { concat } from "../../model/internal/bytes.ts"
import type { RequestAborted } from "./exchange.ts"

/** More than the registry is willing to read. @internal */
export class TooLong {
  readonly _tag = "TooLong"
}

/** The whole body, or `TooLong` as soon as it exceeds the limit. @internal */
export const readAll = (
  body: Stream.Stream<Uint8Array, RequestAborted>,
  limitBytes: number
): Effect.Effect<Uint8Array, RequestAborted | TooLong> =>
  Effect.suspend(() => {
    const pieces: Array<Uint8Array> = []
    let length = 0
    return Stream.runForEach(body, (bytes) => {
      length += bytes.length
      if (length > limitBytes) return Effect.fail(new TooLong())
      pieces.push(bytes.slice())
      return Effect.void
    }).pipe(Effect.map(() => concat(pieces)))
  })

/** The body with a failure once more than `limitBytes` came. @internal */
export const limited = (
  body: Stream.Stream<Uint8Array, RequestAborted>,
  limitBytes: number
): Stream.Stream<Uint8Array, RequestAborted | TooLong> => {
  if (limitBytes === Number.POSITIVE_INFINITY) return body
  return Stream.suspend(() => {
    let length = 0
    return Stream.mapEffect(body, (bytes) => {
      length += bytes.length
      return length > limitBytes ? Effect.fail(new TooLong()) : Effect.succeed(bytes)
    })
  })
}
