import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { RequestAborted } from "./exchange.ts"

const unsupported = (reason: string) => Stream.fail(new RequestAborted({ cause: new Error(reason) }))

const broken = (cause: unknown) => new RequestAborted({ cause })

const fromRaw = (body: unknown): Stream.Stream<Uint8Array, RequestAborted> => {
  if (typeof body === "string") return Stream.make(new TextEncoder().encode(body))
  if (body instanceof Uint8Array) return Stream.make(body)
  if (body instanceof ArrayBuffer) return Stream.make(new Uint8Array(body))
  if (body instanceof ReadableStream) return Stream.fromReadableStream<Uint8Array, RequestAborted>(() => body, broken)
  return unsupported("this kind of request body is not supported")
}

const source = (request: HttpClientRequest.HttpClientRequest): Stream.Stream<Uint8Array, RequestAborted> => {
  switch (request.body._tag) {
    case "Empty":
      return Stream.empty
    case "Uint8Array":
      return Stream.make(request.body.body)
    case "Stream":
      return Stream.mapError(request.body.stream, broken)
    case "Raw":
      return fromRaw(request.body.body)
    case "FormData":
      return unsupported("a registry takes no form data")
  }
}

/** What undici would add to the headers. @internal */
export const headers = (request: HttpClientRequest.HttpClientRequest, host: string): Readonly<Record<string, string>> => {
  const { body } = request
  const given: Readonly<Record<string, string>> = { host, ...request.headers }
  if (given["content-length"] !== undefined) return given
  if (body._tag === "Empty") {
    return request.method === "GET" || request.method === "HEAD" ? given : { ...given, "content-length": "0" }
  }
  const length = "contentLength" in body ? body.contentLength : undefined
  return length === undefined ? { ...given, "transfer-encoding": "chunked" } : { ...given, "content-length": String(length) }
}

/**
 * The body as the registry receives it. A body that is longer or shorter than its `Content-Length` breaks the connection, as on a real
 * one.
 *
 * @internal
 */
export const body = (
  request: HttpClientRequest.HttpClientRequest,
  headers: Readonly<Record<string, string>>
): Stream.Stream<Uint8Array, RequestAborted> => {
  const sent = source(request)
  const announced = headers["content-length"]
  if (announced === undefined) return sent
  const expected = Number(announced)
  const mismatch = () => broken(new Error("Request body length does not match content-length header"))
  return Stream.suspend(() => {
    let length = 0
    const counted = Stream.mapChunksEffect(sent, (chunk) => {
      for (const bytes of chunk) length += bytes.length
      return length > expected ? Effect.fail(mismatch()) : Effect.succeed(chunk)
    })
    return Stream.concat(
      counted,
      Stream.suspend(() => (length === expected ? Stream.empty : Stream.fail(mismatch())))
    )
  })
}
