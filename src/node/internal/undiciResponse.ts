/** A response of undici as the platform knows responses. */
import * as Headers from "@effect/platform/Headers"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as DirectBody from "../../http/internal/directBody.ts"
import { PlatformResponse, type Source } from "../../http/internal/platformResponse.ts"
import { concat } from "../../model/internal/bytes.ts"
import type { Exchange } from "./exchange.ts"

export class UndiciResponse extends PlatformResponse implements DirectBody.HasDirectBody {
  readonly [DirectBody.DirectBody]: () => DirectBody.DirectBody | undefined

  constructor(
    request: HttpClientRequest.HttpClientRequest,
    exchange: Exchange,
    status: number,
    headers: Record<string, string | Array<string> | undefined>
  ) {
    let free = true
    const claim = (): boolean => {
      const claimed = free
      free = false
      return claimed
    }
    super(request, { status, headers: Headers.fromInput(headers), setCookie: headers["set-cookie"] }, bodyOf(exchange, claim))
    this[DirectBody.DirectBody] = () => (claim() ? { pull: exchange.pull, abort: () => exchange.abort(unread) } : undefined)
  }
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
