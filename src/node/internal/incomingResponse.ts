/** An answer as the platform knows answers. */
import * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Direct from "../../http/internal/direct.ts"
import type { Source } from "../../http/internal/platformResponse.ts"
import { concat } from "../../model/internal/bytes.ts"
import type { Exchange } from "./exchange.ts"

/** Its body is taken once, whichever way. */
export const make = (
  request: HttpClientRequest.HttpClientRequest,
  exchange: Exchange,
  status: number,
  headers: Record<string, string | Array<string> | undefined>
): HttpClientResponse => {
  let free = true
  const claim = (): boolean => {
    const claimed = free
    free = false
    return claimed
  }
  const head = { status, headers: Headers.fromInput(headers), setCookie: headers["set-cookie"] }
  return new Direct.Response(request, head, bodyOf(exchange, claim), () =>
    claim() ? { pull: exchange.pull, abort: () => exchange.abort(unread) } : undefined
  )
}

const unread = new Error("the body is not wanted")

const spent = new Error("the body was read before")

const bodyOf = (exchange: Exchange, claim: () => boolean): Source => ({
  stream: Stream.suspend(() => (claim() ? Stream.repeatEffectChunkOption(exchange.pull) : Stream.fail(spent))),
  bytes: (limitBytes) => Effect.suspend(() => (claim() ? collect(exchange, limitBytes) : Effect.fail(spent)))
})

const collect = (exchange: Exchange, limitBytes: number): Effect.Effect<Uint8Array, Error> => {
  const parts: Array<Uint8Array> = []
  let size = 0
  const add = (chunk: Chunk.Chunk<Uint8Array>) => {
    for (const part of chunk) {
      parts.push(part)
      size += part.byteLength
    }
    return size > limitBytes ? Effect.fail(Option.some(new Error(`the body exceeds ${limitBytes} bytes`))) : Effect.void
  }
  return Effect.matchEffect(Effect.forever(Effect.flatMap(exchange.pull, add)), {
    onSuccess: (never) => never,
    onFailure: Option.match({ onNone: () => Effect.sync(() => concat(parts)), onSome: Effect.fail })
  })
}
