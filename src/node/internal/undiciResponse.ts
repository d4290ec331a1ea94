/** A response of undici as the platform knows responses. */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as DirectBody from "../../http/internal/directBody.ts"
import type { Exchange } from "./exchange.ts"

export class UndiciResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse, DirectBody.HasDirectBody {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly remoteAddress = Option.none<string>()
  readonly [DirectBody.DirectBody]: () => DirectBody.DirectBody | undefined
  readonly #setCookie: string | ReadonlyArray<string> | undefined
  readonly #exchange: Exchange
  #used = false
  #whole: Effect.Effect<Uint8Array<ArrayBuffer>, HttpClientError.ResponseError> | undefined

  constructor(
    request: HttpClientRequest.HttpClientRequest,
    exchange: Exchange,
    status: number,
    headers: Record<string, string | Array<string> | undefined>
  ) {
    super()
    this.request = request
    this.status = status
    this.headers = Headers.fromInput(headers)
    this.#setCookie = headers["set-cookie"]
    this.#exchange = exchange
    this[DirectBody.DirectBody] = () => (this.#claim() ? { pull: exchange.pull, abort: () => exchange.abort(unread) } : undefined)
  }

  get cookies(): Cookies.Cookies {
    return this.#setCookie === undefined ? Cookies.empty : Cookies.fromSetCookie(this.#setCookie)
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.suspend(() =>
      this.#claim()
        ? Stream.repeatEffectChunkOption(Effect.mapError(this.#exchange.pull, Option.map(this.#broken)))
        : Stream.fail(this.#spent)
    )
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(this.#bytes, (bytes) => bytes.buffer)
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return Effect.map(this.#bytes, (bytes) => new TextDecoder().decode(bytes))
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return this.#decode((text): unknown => (text === "" ? null : JSON.parse(text)))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return this.#decode((text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.flatMap(this.#bytes, (bytes) =>
      Effect.tryPromise({
        try: () => new Response(bytes, { headers: { "content-type": this.headers["content-type"] ?? "" } }).formData(),
        catch: this.#broken
      })
    )
  }

  /** Without the body: looking at a response must not consume it. */
  toJSON(): unknown {
    return {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status,
      headers: Inspectable.redact(this.headers)
    }
  }

  /** The whole body, read once and kept. */
  get #bytes(): Effect.Effect<Uint8Array<ArrayBuffer>, HttpClientError.ResponseError> {
    return Effect.suspend(() => {
      this.#whole ??= Effect.runSync(Effect.cached(this.#claim() ? this.#collect : Effect.fail(this.#spent)))
      return this.#whole
    })
  }

  get #collect(): Effect.Effect<Uint8Array<ArrayBuffer>, HttpClientError.ResponseError> {
    return Effect.flatMap(HttpIncomingMessage.MaxBodySize, (limit) => {
      const limitBytes = Option.match(limit, { onNone: () => Number.POSITIVE_INFINITY, onSome: Number })
      const parts: Array<Uint8Array> = []
      let size = 0
      const add = (chunk: Chunk.Chunk<Uint8Array>) => {
        for (const part of chunk) {
          parts.push(part)
          size += part.byteLength
        }
        return size > limitBytes ? Effect.fail(Option.some(new Error(`the body exceeds ${limitBytes} bytes`))) : Effect.void
      }
      return Effect.matchEffect(Effect.forever(Effect.flatMap(this.#exchange.pull, add)), {
        onSuccess: (never) => never,
        onFailure: Option.match({ onNone: () => Effect.succeed(concat(parts, size)), onSome: (error) => Effect.fail(this.#broken(error)) })
      })
    })
  }

  #decode<A>(decode: (text: string) => A): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.tryMap(this.text, { try: decode, catch: this.#broken })
  }

  #claim(): boolean {
    const free = !this.#used
    this.#used = true
    return free
  }

  readonly #broken = (cause: unknown) =>
    new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", cause })

  get #spent(): HttpClientError.ResponseError {
    return this.#broken(new Error("the body was read before"))
  }
}

const unread = new Error("the body is not wanted")

const concat = (parts: ReadonlyArray<Uint8Array>, size: number): Uint8Array<ArrayBuffer> => {
  const whole = new Uint8Array(size)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.byteLength
  }
  return whole
}
