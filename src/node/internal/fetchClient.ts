/** The platform's fetch client as registries need it. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

export interface Settings {
  readonly redirects: "manual" | "follow"
  readonly bufferBytes: number
}

/** No cookies, no cache, no referrer: a registry is asked as if for the first time. */
const requestInit = ({ redirects }: Settings): Context.Tag.Service<typeof FetchHttpClient.RequestInit> => ({
  redirect: redirects,
  credentials: "omit",
  cache: "no-store",
  referrerPolicy: "no-referrer"
})

/** fetch sends a length with buffers only; a stream of known and moderate length becomes one. */
const buffered =
  (limitBytes: number) =>
  (request: HttpClientRequest.HttpClientRequest): Effect.Effect<HttpClientRequest.HttpClientRequest, HttpClientError.RequestError> => {
    const { body } = request
    if (body._tag !== "Stream" || body.contentLength === undefined || body.contentLength > limitBytes) return Effect.succeed(request)
    const { contentLength, contentType, stream } = body
    const broken = (cause: unknown) => new HttpClientError.RequestError({ request, reason: "Encode", cause })
    const whole = new Uint8Array(contentLength)
    const fill = Stream.runFoldEffect(stream, 0, (offset, bytes) => {
      if (offset + bytes.byteLength > contentLength) return Effect.fail(`more than the ${contentLength} bytes announced`)
      whole.set(bytes, offset)
      return Effect.succeed(offset + bytes.byteLength)
    })
    return fill.pipe(
      Effect.filterOrFail(
        (size) => size === contentLength,
        (size) => `${size} bytes instead of the ${contentLength} announced`
      ),
      Effect.mapBoth({
        onFailure: broken,
        onSuccess: () => HttpClientRequest.setBody(request, HttpBody.uint8Array(whole, contentType))
      })
    )
  }

export const layer = (settings: Settings): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) =>
      client.pipe(
        HttpClient.transformResponse(Effect.provideService(FetchHttpClient.RequestInit, requestInit(settings))),
        HttpClient.mapRequestEffect(buffered(settings.bufferBytes))
      )
    )
  ).pipe(Layer.provide(FetchHttpClient.layer))
