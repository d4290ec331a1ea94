/** The platform's client over whatever carries a request to its server: undici's dispatchers, or the connections of Node itself. */
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Direct from "../../http/internal/direct.ts"
import { Exchange } from "./exchange.ts"
import * as IncomingResponse from "./incomingResponse.ts"
import * as UploadBody from "./uploadBody.ts"

/** A request as it goes out. */
export interface Outgoing {
  readonly origin: string
  /** Path and query, byte for byte. */
  readonly path: string
  readonly method: string
  /** A plain copy, with names in lower case: undici's proxy agents write into it. */
  readonly headers: Record<string, string>
  readonly body: UploadBody.Body
}

/** Sends the request and tells the exchange what comes of it; may throw what makes it unsendable. */
export type Dispatch = (outgoing: Outgoing, exchange: Exchange) => void

export const make = (dispatch: Dispatch): HttpClient.HttpClient => {
  const client = HttpClient.make((request, url, signal) =>
    Effect.suspend(() => {
      const { abort, response } = begin(dispatch, request, url.origin, () => url)
      signal.addEventListener("abort", abort)
      // The signal may be that of a scope, which ends later.
      return Effect.onInterrupt(response, () => Effect.sync(abort))
    })
  )
  return Direct.withStart(client, (request, { origin, url }) => begin(dispatch, request, origin, url))
}

const begin = (dispatch: Dispatch, request: HttpClientRequest.HttpClientRequest, origin: string, url: () => URL): Direct.DirectExchange => {
  let abort = () => {}
  const send = (upload: UploadBody.UploadBody) =>
    Effect.async<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>((resume) => {
      const exchange = new Exchange({
        onHead: (status, headers) => {
          // From here on whoever may still abort holds the exchange alone, and not the fiber that got the answer, and with it the answer.
          abort = aborting(exchange)
          resume(Effect.succeed(IncomingResponse.make(request, exchange, status, headers)))
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
        dispatch(
          {
            origin,
            path: requestTarget(request, url),
            method: request.method,
            headers: requestHeaders(request, upload),
            body: upload.body
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
  return { response: Effect.flatMap(Effect.mapError(UploadBody.make(request.body), unsendable(request)), send), abort: () => abort() }
}

const unsendable =
  (request: HttpClientRequest.HttpClientRequest) =>
  ({ error }: Cause.UnknownException) =>
    new HttpClientError.RequestError({ request, reason: "Encode", cause: error })

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

const requestHeaders = (request: HttpClientRequest.HttpClientRequest, { headers }: UploadBody.UploadBody): Record<string, string> => {
  const length = streamLength(request.body)
  return { ...request.headers, ...headers, ...(length === undefined ? undefined : { "content-length": String(length) }) }
}

const streamLength = (body: HttpBody.HttpBody) => (body._tag === "Stream" ? body.contentLength : undefined)
