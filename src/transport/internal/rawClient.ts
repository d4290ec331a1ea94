import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpMethod from "@effect/platform/HttpMethod"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { AuthFailure } from "../../auth/internal/authenticator.ts"
import type * as Keychain from "../../auth/Keychain.ts"
import { PlatformResponse } from "../../http/internal/platformResponse.ts"
import { sanitizeUrl } from "../../model/internal/sanitize.ts"
import { type Endpoint, TransportError } from "../../model/RegistryError.ts"
import type { TransportRequest, TransportResponse } from "./message.ts"

const endpoints: Readonly<Record<string, Endpoint>> = {
  manifests: "manifest",
  "blobs/uploads": "upload",
  blobs: "blob",
  tags: "tags",
  referrers: "referrers",
  _catalog: "catalog"
}

const endpointOf = (path: string): Endpoint =>
  endpoints[/\/(manifests|blobs\/uploads|blobs|tags|referrers|_catalog)\b/.exec(path)?.[1] ?? ""] ?? "base"

const methods: ReadonlyArray<TransportRequest["method"]> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

/** The query parameters of a request go into its URL as they are. */
const pathOf = (request: HttpClientRequest.HttpClientRequest): string => {
  const query = UrlParams.toString(request.urlParams)
  return query === "" ? request.url : `${request.url}${request.url.includes("?") ? "&" : "?"}${query}`
}

/** Whether a body that is no `HttpBody` of the platform is consumed by being sent. */
const mayBeSentAgain = ({ body }: HttpClientRequest.HttpClientRequest): boolean =>
  body._tag !== "Raw" || typeof body.body === "string" || body.body instanceof Uint8Array

const unknownMethod = (registry: string, request: HttpClientRequest.HttpClientRequest) =>
  new TransportError({
    registry,
    operation: "httpClient",
    method: request.method,
    url: sanitizeUrl(request.url),
    reason: "protocol",
    detail: `registries know no ${request.method} requests`,
    retryable: false
  })

/**
 * A client of the platform on top of the transport. Its answers hold the request as the caller made it, without what was added.
 *
 * @internal
 */
export const make = (
  execute: (request: TransportRequest) => Effect.Effect<TransportResponse, AuthFailure, Scope.Scope>,
  { registry, repository }: Keychain.Resource,
  scopes: ReadonlyArray<string>
): HttpClient.HttpClient.With<AuthFailure, Scope.Scope> =>
  HttpClient.makeWith<never, never, AuthFailure, Scope.Scope>(
    Effect.flatMap((request) => {
      const method = methods.find((known) => known === request.method)
      if (method === undefined) return Effect.fail(unknownMethod(registry, request))
      const path = pathOf(request)
      const response = execute({
        operation: "httpClient",
        endpoint: endpointOf(path),
        registry,
        repository,
        method,
        path,
        headers: request.headers,
        body: HttpMethod.hasBody(method) ? request.body : undefined,
        replayable: mayBeSentAgain(request),
        scopes
      })
      // The limits, time-outs and places of the transport hold for its body too.
      return Effect.map(response, ({ body, bytes, headers, status }) => {
        const head = { status, headers, setCookie: headers["set-cookie"] }
        return new PlatformResponse(request, head, { stream: body, bytes })
      })
    }),
    Effect.succeed
  )
