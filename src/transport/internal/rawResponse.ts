import * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import type * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { TransportResponse } from "./message.ts"

type Read<A> = Effect.Effect<A, HttpClientError.ResponseError>

/**
 * An answer of the transport as the platform knows answers, so that limits, time-outs and places hold for raw requests too.
 *
 * @internal
 */
export class RawResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly remoteAddress = Option.none<string>()
  readonly #answer: TransportResponse
  #whole: Read<HttpClientResponse.HttpClientResponse> | undefined

  constructor(request: HttpClientRequest.HttpClientRequest, answer: TransportResponse) {
    super()
    this.request = request
    this.status = answer.status
    this.headers = answer.headers
    this.#answer = answer
  }

  get cookies(): Cookies.Cookies {
    return Cookies.fromSetCookie(this.headers["set-cookie"] ?? [])
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.mapError(this.#answer.body, this.#broken)
  }

  get arrayBuffer(): Read<ArrayBuffer> {
    return Effect.flatMap(this.#read, (whole) => whole.arrayBuffer)
  }

  get text(): Read<string> {
    return Effect.flatMap(this.#read, (whole) => whole.text)
  }

  get json(): Read<unknown> {
    return Effect.flatMap(this.#read, (whole) => whole.json)
  }

  get urlParamsBody(): Read<UrlParams.UrlParams> {
    return Effect.flatMap(this.#read, (whole) => whole.urlParamsBody)
  }

  get formData(): Read<FormData> {
    return Effect.flatMap(this.#read, (whole) => whole.formData)
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
  get #read(): Read<HttpClientResponse.HttpClientResponse> {
    return Effect.suspend(() => {
      this.#whole ??= Effect.runSync(Effect.cached(this.#collect))
      return this.#whole
    })
  }

  get #collect(): Read<HttpClientResponse.HttpClientResponse> {
    return Effect.flatMap(HttpIncomingMessage.MaxBodySize, (limit) => {
      const limitBytes = Option.match(limit, { onNone: () => Number.POSITIVE_INFINITY, onSome: Number })
      return Effect.mapBoth(this.#answer.bytes(limitBytes), {
        onFailure: this.#broken,
        onSuccess: (bytes) => {
          const headers = { "content-type": this.headers["content-type"] ?? "" }
          return HttpClientResponse.fromWeb(this.request, new Response(new Uint8Array(bytes), { headers }))
        }
      })
    })
  }

  readonly #broken = (cause: unknown) =>
    new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", cause })
}
