/** A token service in memory, behind the real wire. */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Wire from "../../src/http/internal/Wire.ts"
import type { RequestContext } from "../../src/model/RegistryError.ts"

export interface Seen {
  readonly method: string
  readonly url: string
  readonly authorization: string | undefined
  readonly contentType: string | undefined
  readonly body: string
}

export interface Reply {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

const bodyOf = (request: HttpClientRequest.HttpClientRequest): string =>
  request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""

const responseOf = (reply: Reply): Response => {
  const body = typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body ?? {})
  return new Response(reply.status === 204 ? null : body, { status: reply.status ?? 200, headers: reply.headers ?? {} })
}

/** `reply` gets each request and its number, from 1 on. */
export const make = (reply: (request: Seen, count: number) => Reply | Effect.Effect<Reply>) => {
  const seen: Array<Seen> = []
  const client = HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const request_: Seen = {
        method: request.method,
        url: url.href,
        authorization: request.headers["authorization"],
        contentType: request.headers["content-type"] ?? request.body.contentType,
        body: bodyOf(request)
      }
      seen.push(request_)
      const answer = reply(request_, seen.length)
      return HttpClientResponse.fromWeb(request, responseOf(Effect.isEffect(answer) ? yield* answer : answer))
    })
  )
  return { wire: Wire.make(client), seen }
}

/** A service that gives `token-1`, `token-2`, … */
export const counting = (extra: Record<string, unknown> = {}) => make((_, count) => ({ body: { token: `token-${count}`, ...extra } }))

export const context: RequestContext = {
  registry: "registry.example.com",
  repository: "a/b",
  operation: "getManifest",
  endpoint: "manifest",
  method: "GET",
  url: "https://registry.example.com/v2/a/b/manifests/v1"
}
