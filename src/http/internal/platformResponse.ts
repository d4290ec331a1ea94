import * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** Where the body comes from: it is taken once, either as a stream or as a whole. @internal */
export interface Source {
  readonly stream: Stream.Stream<Uint8Array, unknown>
  readonly bytes: (limitBytes: number) => Effect.Effect<Uint8Array, unknown>
}

/** @internal */
export interface Head {
  readonly status: number
  readonly headers: Headers.Headers
  readonly setCookie?: string | ReadonlyArray<string> | undefined
}

type Read<A> = Effect.Effect<A, HttpClientError.ResponseError>

/** In a buffer of its own. */
const exact = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength ? new Uint8Array(bytes.buffer) : new Uint8Array(bytes)

/**
 * An answer as the platform knows answers. The body is read once; as a whole it is kept.
 *
 * @internal
 */
export class PlatformResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly remoteAddress = Option.none<string>()
  readonly #setCookie: string | ReadonlyArray<string>
  readonly #source: Source
  #whole: Read<Uint8Array<ArrayBuffer>> | undefined

  constructor(request: HttpClientRequest.HttpClientRequest, head: Head, source: Source) {
    super()
    this.request = request
    this.status = head.status
    this.headers = head.headers
    this.#setCookie = head.setCookie ?? []
    this.#source = source
  }

  get cookies(): Cookies.Cookies {
    return Cookies.fromSetCookie(this.#setCookie)
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.mapError(this.#source.stream, this.#broken)
  }

  get arrayBuffer(): Read<ArrayBuffer> {
    return Effect.map(this.#bytes, (bytes) => bytes.buffer)
  }

  get text(): Read<string> {
    return Effect.map(this.#bytes, (bytes) => new TextDecoder().decode(bytes))
  }

  get json(): Read<unknown> {
    return this.#decode((text): unknown => (text === "" ? null : JSON.parse(text)))
  }

  get urlParamsBody(): Read<UrlParams.UrlParams> {
    return this.#decode((text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Read<FormData> {
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

  get #bytes(): Read<Uint8Array<ArrayBuffer>> {
    return Effect.suspend(() => {
      this.#whole ??= Effect.runSync(Effect.cached(this.#collect))
      return this.#whole
    })
  }

  get #collect(): Read<Uint8Array<ArrayBuffer>> {
    return Effect.flatMap(HttpIncomingMessage.MaxBodySize, (limit) => {
      const limitBytes = Option.match(limit, { onNone: () => Number.POSITIVE_INFINITY, onSome: Number })
      return Effect.mapBoth(this.#source.bytes(limitBytes), { onFailure: this.#broken, onSuccess: exact })
    })
  }

  #decode<A>(decode: (text: string) => A): Read<A> {
    return Effect.tryMap(this.text, { try: decode, catch: this.#broken })
  }

  readonly #broken = (cause: unknown) =>
    new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", cause })
}
