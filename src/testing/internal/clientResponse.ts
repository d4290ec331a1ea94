import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { concat } from "./bytes.ts"

/** An answer before it is a platform response. @internal */
export interface Source {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly body: Stream.Stream<Uint8Array, unknown>
}

const aborted = (signal: AbortSignal): Effect.Effect<never, unknown> =>
  Effect.async<never, unknown>((resume) => {
    const fail = () => resume(Effect.fail(new Error("the request was aborted")))
    if (signal.aborted) return fail()
    signal.addEventListener("abort", fail, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", fail))
  })

/**
 * A response that behaves as the platform's undici client's does: the body is pulled as it is wanted, can be read once, is empty rather
 * than an error for 204, and breaks off when the signal says so.
 */
class Response extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  readonly headers: Headers.Headers
  readonly cookies: Cookies.Cookies
  readonly remoteAddress: Option.Option<string> = Option.none()
  readonly stream: Stream.Stream<Uint8Array, HttpClientError.ResponseError>
  readonly arrayBuffer: Effect.Effect<ArrayBuffer, HttpClientError.ResponseError>
  readonly text: Effect.Effect<string, HttpClientError.ResponseError>
  readonly json: Effect.Effect<unknown, HttpClientError.ResponseError>
  readonly urlParamsBody: Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError>
  readonly formData: Effect.Effect<FormData, HttpClientError.ResponseError>

  constructor(request: HttpClientRequest.HttpClientRequest, source: Source, signal: AbortSignal) {
    super()
    this.request = request
    this.status = source.status
    this.headers = Headers.fromInput(source.headers)
    this.cookies = Cookies.empty
    const failure = (cause: unknown) => new HttpClientError.ResponseError({ request, response: this, reason: "Decode", cause })
    let taken = false
    this.stream = Stream.suspend(() => {
      if (taken) return Stream.empty
      taken = true
      return Stream.mapError(Stream.interruptWhen(source.body, aborted(signal)), failure)
    })
    this.arrayBuffer = Effect.map(Stream.runCollect(this.stream), (pieces) => concat(pieces).buffer)
    this.text = Effect.map(this.arrayBuffer, (bytes) => new TextDecoder().decode(bytes))
    this.json = Effect.flatMap(this.text, (text) =>
      Effect.try({ try: (): unknown => (text === "" ? null : JSON.parse(text)), catch: failure })
    )
    this.urlParamsBody = Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
    this.formData = Effect.fail(failure(new Error("a registry sends no form data")))
  }

  toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}

/** @internal */
export const make = (
  request: HttpClientRequest.HttpClientRequest,
  source: Source,
  signal: AbortSignal
): HttpClientResponse.HttpClientResponse => new Response(request, source, signal)
