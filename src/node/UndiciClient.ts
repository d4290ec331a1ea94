/**
 * The platform's `HttpClient` over undici, made for registries: no redirects, no decompression and no time limits of its own, the URL
 * byte for byte as given, response headers beyond 16 KiB, bodies that stream both ways with back-pressure and little cost.
 *
 * Failures before the response are `RequestError`s, failures of a body `ResponseError`s with the reason `Decode`; `cause` is undici's or
 * Node's error. When the *source* of an upload fails the reason is `Encode` and `cause` is the source's error: the request is aborted, so
 * that the server never takes a part for the whole.
 *
 * @since 0.1.0
 */

import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Undici from "@effect/platform-node/Undici"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as AddressPolicy from "../http/internal/addressPolicy.ts"
import * as Direct from "../http/internal/direct.ts"
import * as Dispatcher from "./Dispatcher.ts"
import { Exchange } from "./internal/exchange.ts"
import * as Names from "./internal/nameResolver.ts"
import * as UndiciResponse from "./internal/undiciResponse.ts"
import * as UploadBody from "./internal/uploadBody.ts"

/**
 * A client over any undici dispatcher, which stays the caller's to close.
 *
 * @since 0.1.0
 */
export const make = (dispatcher: Undici.Dispatcher): HttpClient.HttpClient => {
  const client = HttpClient.make((request, url, signal) =>
    Effect.suspend(() => {
      const { abort, response } = begin(dispatcher, request, url.origin, () => url)
      signal.addEventListener("abort", abort)
      // The signal may be that of a scope, which ends later.
      return Effect.onInterrupt(response, () => Effect.sync(abort))
    })
  )
  return Direct.withStart(client, (request, { origin, url }) => begin(dispatcher, request, origin, url))
}

/**
 * The client over the `Dispatcher` in the context.
 *
 * @since 0.1.0
 */
export const layerWithoutDispatcher: Layer.Layer<HttpClient.HttpClient, never, Dispatcher.Dispatcher> = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(Dispatcher.Dispatcher, make)
)

/**
 * The client with connection pools of its own, which are destroyed with the layer. What is built on it follows redirects, `Location`s and
 * realms to names of hosts only where their addresses allow it, and connects to the addresses it looked at.
 *
 * @since 0.1.0
 */
export const layer = (options: Dispatcher.Options = {}): Layer.Layer<HttpClient.HttpClient> =>
  Layer.unwrapEffect(
    Effect.map(Names.make(options.lookup), ({ lookup, resolve }) =>
      Layer.merge(
        Layer.provide(layerWithoutDispatcher, Dispatcher.layer({ ...options, lookup })),
        Layer.succeed(AddressPolicy.NameResolver, { resolve })
      )
    )
  )

const begin = (
  dispatcher: Undici.Dispatcher,
  request: HttpClientRequest.HttpClientRequest,
  origin: string,
  url: () => URL
): Direct.DirectExchange => {
  let abort = () => {}
  const send = (upload: UploadBody.UploadBody) =>
    Effect.async<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>((resume) => {
      const exchange = new Exchange({
        onHead: (status, headers) => {
          // From here on whoever may still abort holds the exchange alone, and not the fiber that got the answer, and with it the answer.
          abort = aborting(exchange)
          resume(Effect.succeed(UndiciResponse.make(request, exchange, status, headers)))
        },
        onFailed: (error) => resume(Effect.zipRight(upload.close, requestFailure(request, upload, error))),
        onClosed: upload.stop
      })
      abort = () => {
        // Whoever aborts does not wait for the source of the upload.
        resume(requestFailure(request, upload, aborted))
        exchange.abort(aborted)
      }
      const dispatched = Either.try(() =>
        dispatcher.dispatch(
          {
            origin,
            path: requestTarget(request, url),
            method: request.method,
            headers: requestHeaders(request),
            body: upload.body,
            headersTimeout: 0,
            bodyTimeout: 0,
            // undici closes the connection after a HEAD to please servers that send a body along; registries are asked with HEAD all day long.
            ...(request.method === "HEAD" ? { reset: false } : undefined)
          },
          exchange
        )
      )
      if (Either.isLeft(dispatched)) resume(requestFailure(request, upload, dispatched.left))
      // Whoever is interrupted aborts; only the source of an upload is something to wait for.
      if (request.body._tag !== "Stream") return
      return Effect.suspend(() => {
        abort()
        return upload.close
      })
    })
  return { response: Effect.flatMap(UploadBody.make(request.body), send), abort: () => abort() }
}

const aborted = new Error("the request was aborted")

const aborting = (exchange: Exchange) => () => exchange.abort(aborted)

/** The failure of the body's source where that was the reason, else the failure of the wire. */
const requestFailure = (request: HttpClientRequest.HttpClientRequest, upload: UploadBody.UploadBody, error: unknown) =>
  Option.match(upload.failure(), {
    onNone: () => Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause: error })),
    onSome: (cause) =>
      Option.match(Cause.failureOption(cause), {
        onNone: () => Effect.failCause(Cause.flatMap(cause, (never) => Cause.die(never))),
        onSome: (failure) => Effect.fail(new HttpClientError.RequestError({ request, reason: "Encode", cause: failure }))
      })
  })

const sendable = /^[!-~]+$/

/**
 * Path and query exactly as they stand in the request's URL: signed URLs break when they are parsed and printed again. Only a request with
 * separate `urlParams`, or with characters no request line can hold, goes by the parsed URL.
 */
const requestTarget = (request: HttpClientRequest.HttpClientRequest, url: () => URL): string => {
  const text = request.urlParams.length > 0 ? undefined : /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*([^#]*)/i.exec(request.url)?.[1]
  const target = text?.startsWith("/") === false ? `/${text}` : text
  if (target !== undefined && sendable.test(target)) return target
  const { pathname, search } = url()
  return pathname + search
}

/** A plain copy: undici's proxy agents write into it. */
const requestHeaders = (request: HttpClientRequest.HttpClientRequest): Record<string, string> => {
  const length = streamLength(request.body)
  return length === undefined ? { ...request.headers } : { ...request.headers, "content-length": String(length) }
}

const streamLength = (body: HttpBody.HttpBody) => (body._tag === "Stream" ? body.contentLength : undefined)
