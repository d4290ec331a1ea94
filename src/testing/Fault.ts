/**
 * Ways for an HTTP exchange to go wrong, as values for the rules of `FaultyHttp`. A fault gets the request and the means to send it, and
 * gives back whatever the caller shall see.
 *
 * @since 0.1.0
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as clientRequest from "./internal/clientRequest.ts"
import * as clientResponse from "./internal/clientResponse.ts"
import * as Bytes from "./internal/faultBytes.ts"

/** What a fault has to work with. `execute` sends a request over the network below. @since 0.1.0 */
export interface Exchange {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly url: URL
  readonly signal: AbortSignal
  readonly execute: (
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
}

/** @since 0.1.0 */
export interface Fault {
  readonly name: string
  readonly apply: (exchange: Exchange) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>
}

/** Headers of an answer; several values are several header lines. @since 0.1.0 */
export type ResponseHeaders = Readonly<Record<string, string | ReadonlyArray<string>>>

/** @since 0.1.0 */
export type ResponseBody = string | Uint8Array | Stream.Stream<Uint8Array, unknown>

const transport = (exchange: Exchange, cause: unknown) =>
  new HttpClientError.RequestError({ request: exchange.request, reason: "Transport", cause })

const toStream = (body: ResponseBody): Stream.Stream<Uint8Array, unknown> => {
  if (typeof body === "string") return body === "" ? Stream.empty : Stream.make(new TextEncoder().encode(body))
  return body instanceof Uint8Array ? Stream.make(body) : body
}

const answer = (exchange: Exchange, status: number, headers: ResponseHeaders, body: ResponseBody) =>
  clientResponse.make(exchange.request, { status, headers, body: toStream(body) }, exchange.signal)

/** The body of an answer whose failures are the network's own, without the platform's wrapping. */
const bodyOf = (response: HttpClientResponse.HttpClientResponse): Stream.Stream<Uint8Array, unknown> =>
  Stream.mapError(response.stream, (error) => error.cause ?? error)

/** Changes the answer of an exchange that itself goes well. */
const onResponse = (
  name: string,
  change: (
    response: HttpClientResponse.HttpClientResponse,
    body: Stream.Stream<Uint8Array, unknown>
  ) => { readonly status?: number; readonly headers?: ResponseHeaders; readonly body?: Stream.Stream<Uint8Array, unknown> }
): Fault => ({
  name,
  apply: (exchange) =>
    Effect.map(exchange.execute(exchange.request), (response) => {
      const body = bodyOf(response)
      const changed = change(response, body)
      return answer(exchange, changed.status ?? response.status, changed.headers ?? response.headers, changed.body ?? body)
    })
})

const without = (headers: Readonly<Record<string, string>>, ...names: ReadonlyArray<string>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))

/** A fault of one's own. @since 0.1.0 */
export const custom = (name: string, apply: Fault["apply"]): Fault => ({ name, apply })

/** `outer` sees `inner` as its network. @since 0.1.0 */
export const compose = (outer: Fault, inner: Fault): Fault => ({
  name: `${outer.name} over ${inner.name}`,
  apply: (exchange) => outer.apply({ ...exchange, execute: (request) => inner.apply({ ...exchange, request }) })
})

// --- the connection ---

/** The connection breaks before the request is sent. @since 0.1.0 */
export const reset: Fault = { name: "reset", apply: (exchange) => Effect.fail(transport(exchange, Bytes.connectionReset())) }

/** There is no such host, or nobody listens. @since 0.1.0 */
export const refuseConnection: Fault = {
  name: "refuseConnection",
  apply: (exchange) => Effect.fail(transport(exchange, Bytes.connectionRefused(exchange.url.host)))
}

/** The request is carried out, its answer is lost. @since 0.1.0 */
export const loseResponse: Fault = {
  name: "loseResponse",
  apply: (exchange) =>
    exchange.execute(exchange.request).pipe(
      Effect.flatMap((response) => Effect.ignore(Stream.runDrain(response.stream))),
      Effect.zipRight(Effect.fail(transport(exchange, Bytes.connectionReset())))
    )
}

/** No answer ever comes. @since 0.1.0 */
export const stall: Fault = { name: "stall", apply: () => Effect.never }

/** The request starts that much later. @since 0.1.0 */
export const delay = (duration: Duration.DurationInput): Fault => ({
  name: `delay(${Duration.format(duration)})`,
  apply: (exchange) => Effect.delay(exchange.execute(exchange.request), duration)
})

/** The connection breaks when that many bytes of the request body were received. @since 0.1.0 */
export const cutRequestAt = (bytes: number): Fault => ({
  name: `cutRequestAt(${bytes})`,
  apply: (exchange) => {
    const headers = clientRequest.headers(exchange.request, exchange.url.host)
    const length = headers["content-length"]
    const cut = Bytes.cutAt(clientRequest.body(exchange.request, headers), bytes, Bytes.connectionReset())
    return exchange.execute(
      HttpClientRequest.bodyStream(exchange.request, cut, {
        contentType: exchange.request.headers["content-type"] ?? "application/octet-stream",
        ...(length === undefined ? {} : { contentLength: Number(length) })
      })
    )
  }
})

// --- the body of the answer ---

/** The connection breaks after that many bytes of the answer. @since 0.1.0 */
export const cutResponseAt = (bytes: number): Fault =>
  onResponse(`cutResponseAt(${bytes})`, (_, body) => ({ body: Bytes.cutAt(body, bytes, Bytes.otherSideClosed()) }))

/** The answer ends after that many bytes as if it were complete. @since 0.1.0 */
export const endResponseAt = (bytes: number): Fault =>
  onResponse(`endResponseAt(${bytes})`, (response, body) => ({
    headers: without(response.headers, "content-length"),
    body: Bytes.takeBytes(body, bytes)
  }))

/** After that many bytes nothing more comes, and the connection stays open. @since 0.1.0 */
export const stallResponseAt = (bytes: number): Fault =>
  onResponse(`stallResponseAt(${bytes})`, (_, body) => ({ body: Stream.concat(Bytes.takeBytes(body, bytes), Stream.never) }))

/** The answer comes in small pieces, one per interval. @since 0.1.0 */
export const trickle = (pieceBytes: number, interval: Duration.DurationInput): Fault =>
  onResponse(`trickle(${pieceBytes}, ${Duration.format(interval)})`, (_, body) => ({
    body: Stream.mapEffect(Bytes.pieces(body, pieceBytes), (piece) => Effect.delay(Effect.succeed(piece), interval))
  }))

/** One byte of the answer is another one. @since 0.1.0 */
export const corruptResponseAt = (offset: number): Fault =>
  onResponse(`corruptResponseAt(${offset})`, (_, body) => ({ body: Bytes.flipAt(body, offset) }))

/** The answer is compressed without having been asked for. @since 0.1.0 */
export const gzip: Fault = onResponse("gzip", (response, body) => ({
  headers: { ...without(response.headers, "content-length"), "content-encoding": "gzip" },
  body: Bytes.gzip(body)
}))

/** Only the first half of the answer, which for JSON is no JSON. @since 0.1.0 */
export const truncateJson: Fault = onResponse("truncateJson", (response, body) => ({
  headers: without(response.headers, "content-length"),
  body: Bytes.firstHalf(body)
}))

// --- the head of the answer ---

/** A `Range` is not heard: the answer is 200 with everything. @since 0.1.0 */
export const ignoreRange: Fault = {
  name: "ignoreRange",
  apply: (exchange) => {
    const { request } = exchange
    const full = HttpClientRequest.modify(HttpClientRequest.make("GET")(request.url), {
      method: request.method,
      urlParams: request.urlParams,
      headers: without(request.headers, "range", "if-range"),
      body: request.body
    })
    return exchange.execute(full)
  }
}

/** The answer says it holds another range than it does. @since 0.1.0 */
export const wrongContentRange = (contentRange: string): Fault =>
  onResponse(`wrongContentRange(${contentRange})`, (response) => ({ headers: { ...response.headers, "content-range": contentRange } }))

/** A header of that many bytes. @since 0.1.0 */
export const hugeHeader = (bytes: number, name = "x-huge"): Fault =>
  onResponse(`hugeHeader(${bytes})`, (response) => ({ headers: { ...response.headers, [name]: "h".repeat(bytes) } }))

/** Headers added to the answer or replaced in it; `undefined` removes one. Names in lower case. @since 0.1.0 */
export const changeHeaders = (changes: Readonly<Record<string, string | undefined>>): Fault =>
  onResponse("changeHeaders", (response) => ({
    headers: {
      ...without(response.headers, ...Object.keys(changes)),
      ...Object.fromEntries(Object.entries(changes).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
    }
  }))

// --- other answers ---

/** An answer the registry knows nothing about. @since 0.1.0 */
export const respond = (status: number, headers: ResponseHeaders = {}, body: ResponseBody = ""): Fault => ({
  name: `respond(${status})`,
  apply: (exchange) => Effect.sync(() => answer(exchange, status, headers, body))
})

/** 429, with `Retry-After` in seconds, as a date, or not at all. @since 0.1.0 */
export const tooManyRequests = (retryAfter?: number | Date | undefined): Fault => {
  const value = retryAfter instanceof Date ? retryAfter.toUTCString() : retryAfter === undefined ? undefined : String(retryAfter)
  const body = JSON.stringify({ errors: [{ code: "TOOMANYREQUESTS", message: "too many requests" }] })
  return respond(429, { "content-type": "application/json", ...(value === undefined ? {} : { "retry-after": value }) }, body)
}

/** A redirect; a function makes the target from the URL asked for. @since 0.1.0 */
export const redirect = (to: string | ((url: URL) => string), status = 307): Fault => ({
  name: `redirect(${status})`,
  apply: (exchange) =>
    Effect.sync(() => answer(exchange, status, { location: typeof to === "string" ? to : to(exchange.url), "content-length": "0" }, ""))
})

/** The answer comes when that many bytes of the request body were received; the rest is not read. @since 0.1.0 */
export const earlyAnswer = (afterBytes: number, status: number, headers: ResponseHeaders = {}, body: ResponseBody = ""): Fault => ({
  name: `earlyAnswer(${afterBytes}, ${status})`,
  apply: (exchange) => {
    const sent = clientRequest.body(exchange.request, clientRequest.headers(exchange.request, exchange.url.host))
    return Stream.runDrain(Bytes.takeBytes(sent, afterBytes)).pipe(
      Effect.mapError(({ cause }) => transport(exchange, cause)),
      Effect.as(answer(exchange, status, headers, body))
    )
  }
})

/** A body without end, as a hostile server sends it. @since 0.1.0 */
export const endlessResponse = (status = 200, headers: ResponseHeaders = {}): Fault =>
  respond(status, headers, Stream.repeatValue(new Uint8Array(16 * 1024).fill(0x20)))

/** The faults one after the other, one per exchange; the last one stays. @since 0.1.0 */
export const sequence = (first: Fault, ...rest: ReadonlyArray<Fault>): Effect.Effect<Fault> =>
  Effect.map(Ref.make<ReadonlyArray<Fault>>([first, ...rest]), (queue) => ({
    name: "sequence",
    apply: (exchange) =>
      Effect.flatMap(
        Ref.modify(queue, (faults) => [faults[0] ?? first, faults.length > 1 ? faults.slice(1) : faults]),
        (fault) => fault.apply(exchange)
      )
  }))
