import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpMethod from "@effect/platform/HttpMethod"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AuthFailure } from "../../auth/internal/authenticator.ts"
import type * as Keychain from "../../auth/Keychain.ts"
import type * as TokenCache from "../../auth/TokenCache.ts"
import { NameResolver } from "../../http/internal/addressPolicy.ts"
import * as Origin from "../../http/internal/origin.ts"
import * as RateLimitHeader from "../../http/internal/rateLimitHeader.ts"
import * as RetryAfter from "../../http/internal/retryAfter.ts"
import * as Wire from "../../http/internal/Wire.ts"
import * as Warnings from "../../http/internal/warnings.ts"
import * as Reference from "../../model/Reference.ts"
import type { Endpoint as EndpointKind, RequestContext } from "../../model/RegistryError.ts"
import type { RateLimit } from "../RateLimit.ts"
import type * as RegistryHosts from "../RegistryHosts.ts"
import type * as RetryPolicy from "../RetryPolicy.ts"
import { attempts, type Heard } from "./attempts.ts"
import * as Endpoint from "./endpoint.ts"
import type { Pass } from "./hostGate.ts"
import { answer, type TransportRequest, type TransportResponse } from "./message.ts"

/** @internal */
export interface Dependencies {
  readonly client: HttpClient.HttpClient
  readonly keychain: Keychain.Service
  readonly tokenCache: TokenCache.Service
  readonly policy: RetryPolicy.Service
  readonly hosts: RegistryHosts.Service
  readonly wire: Wire.WireOptions
  readonly clientId: string | undefined
  /** Whether the client is used as it is: no ping, no credentials. */
  readonly unwrapped: boolean
}

/** How long a mirror that could not be reached is left alone. */
const mirrorRestMillis = 30_000

/** The URL a path stands for, and whether it is the endpoint's own, to which credentials may go. */
const target = (
  connection: Endpoint.Connection,
  endpoint: Endpoint.Endpoint,
  path: string
): { readonly url: string; readonly own: boolean } => {
  if (!path.startsWith("/")) {
    const to = Origin.parse(path)
    const from = Origin.parse(connection.origin)
    return { url: path, own: to !== undefined && from !== undefined && Origin.same(from, to) }
  }
  const url = `${connection.origin}${connection.prefix}${path}`
  if (endpoint.mirror?.proxy !== true) return { url, own: true }
  return { url: `${url}${path.includes("?") ? "&" : "?"}ns=${encodeURIComponent(endpoint.registry)}`, own: true }
}

const withAuthorization = (headers: TransportRequest["headers"], authorization: Option.Option<Redacted.Redacted>) =>
  Option.match(authorization, {
    onNone: () => headers ?? {},
    onSome: (value) => ({ ...headers, authorization: Redacted.value(value) })
  })

/** Gives the place back while the consumer of the body rests. */
const paced = <R extends Wire.WireResponse>(response: R, pass: Pass): R => ({
  ...response,
  body: Stream.fromPull(Effect.map(Stream.toPull(response.body), pass.moving)),
  bytes: (limitBytes) => pass.moving(response.bytes(limitBytes)),
  text: (limitBytes) => pass.moving(response.text(limitBytes))
})

/** @internal */
export const make = Effect.fnUntraced(function* (dependencies: Dependencies) {
  const { hosts, policy, keychain, tokenCache } = dependencies
  const scope = yield* Effect.scope
  const resolver = yield* NameResolver
  /** The resolver of the layer counts, not that of whoever makes a request. */
  const resolving = Effect.provideService(NameResolver, resolver)
  const wire = Wire.make(dependencies.client, dependencies.wire)
  const environment: Endpoint.Environment = {
    wire,
    keychain,
    tokenCache,
    policy,
    scope,
    clientId: dependencies.clientId,
    unwrapped: dependencies.unwrapped
  }
  const warnings = yield* PubSub.sliding<Warnings.Warning>(256)
  const rateLimits = yield* PubSub.sliding<RateLimit>(256)
  const heard = Warnings.seen()
  const budgets = new Map<string, RateLimit>()
  const endpoints = new Map<string, Endpoint.Endpoint>()
  const mirrorsAtRest = new Map<string, number>()

  const endpointFor = (key: string, create: () => Endpoint.Endpoint): Endpoint.Endpoint => {
    const known = endpoints.get(key)
    if (known !== undefined) return known
    const created = create()
    endpoints.set(key, created)
    return created
  }

  const origin = (registry: string): Endpoint.Endpoint =>
    endpointFor(registry, () =>
      Endpoint.make(environment, {
        registry,
        host: registry,
        apiHost: Reference.registryHost(registry),
        prefix: "",
        mirror: undefined,
        settings: hosts.get(registry)
      })
    )

  const mirrorsOf = (request: TransportRequest): ReadonlyArray<Endpoint.Endpoint> => {
    const wanted = request.read
    if (wanted === undefined || !request.path.startsWith("/")) return []
    return hosts.get(request.registry).mirrors.flatMap((mirror) => {
      const url = Origin.parse(mirror.url)
      if (url === undefined || !mirror.capabilities.includes(wanted)) return []
      const create = () =>
        Endpoint.make(environment, {
          registry: request.registry,
          host: url.host,
          apiHost: url.host,
          prefix: url.pathname.replace(/\/+$/, ""),
          mirror,
          settings: { ...hosts.get(url.host), scheme: url.protocol === "http:" ? "http" : "https" }
        })
      return [endpointFor(`${request.registry} ${mirror.url}`, create)]
    })
  }

  const observe = (endpoint: Endpoint.Endpoint, response: Wire.WireResponse) =>
    Effect.gen(function* () {
      for (const warning of heard.fresh(endpoint.host, response.headers)) {
        yield* Effect.logDebug(`Warning from ${endpoint.host}: ${warning.text}`)
        yield* PubSub.publish(warnings, warning)
      }
      const budget = RateLimitHeader.parse(response.headers, yield* Clock.currentTimeMillis)
      if (budget === undefined) return
      const limit: RateLimit = { registry: endpoint.host, ...budget }
      budgets.set(endpoint.host, limit)
      yield* PubSub.publish(rateLimits, limit)
    })

  const enter = (endpoint: Endpoint.Endpoint, request: TransportRequest) =>
    Effect.uninterruptibleMask((restore) => {
      const lane = request.method === "GET" || request.method === "HEAD" ? "read" : "write"
      return Effect.tap(restore(endpoint.gate.enter(lane, request.priority ?? "small")), (pass) => Effect.addFinalizer(() => pass.leave))
    })

  /** One request and, after a 401 that can be answered, one more. */
  const attempt = Effect.fnUntraced(function* (
    endpoint: Endpoint.Endpoint,
    connection: Endpoint.Connection,
    request: TransportRequest
  ): Effect.fn.Return<Heard<TransportResponse>, AuthFailure, Scope.Scope> {
    const { url, own } = target(connection, endpoint, request.path)
    const context: RequestContext = {
      registry: request.registry,
      repository: request.repository,
      operation: request.operation,
      endpoint: request.endpoint,
      method: request.method,
      url
    }
    const need = { repository: request.repository, scopes: request.scopes, context }
    const first = own ? yield* connection.authenticator.authorize(need) : Option.none<Redacted.Redacted>()
    const pass = yield* enter(endpoint, request)
    const send = (authorization: Option.Option<Redacted.Redacted>) =>
      pass.moving(
        wire.send({
          method: request.method,
          url,
          headers: withAuthorization(request.headers, authorization),
          body: request.body,
          replayable: request.replayable,
          context
        })
      )
    const heardFrom = Effect.fnUntraced(function* (response: Wire.WireResponse, authorization: Option.Option<Redacted.Redacted>) {
      if (own) yield* observe(endpoint, response)
      const retryAfter = RetryAfter.parse(response.headers["retry-after"], yield* Clock.currentTimeMillis)
      const message = answer(paced(response, pass), {
        context,
        mirror: endpoint.mirror !== undefined,
        authorization: Option.getOrUndefined(authorization),
        retryAfter
      })
      return { response: message, retryAfter }
    })
    const response = yield* send(first)
    if (response.status !== 401 || !own) return yield* heardFrom(response, first)
    const second = yield* connection.authenticator.answer(need, Endpoint.challengesOf(response), first, response.origin)
    if (Option.isNone(second) || request.replayable === false) return yield* heardFrom(response, first)
    yield* response.discard
    return yield* heardFrom(yield* send(second), second)
  })

  const executeAt = (endpoint: Endpoint.Endpoint, request: TransportRequest) =>
    Effect.flatMap(endpoint.connection, (connection) =>
      attempts(
        {
          policy,
          gate: endpoint.gate,
          method: request.method,
          mayRepeat: request.retry !== false && request.replayable !== false
        },
        attempt(endpoint, connection, request),
        (response, kept) => ({ ...response, body: kept.body, bytes: kept.bytes, text: kept.text, discard: kept.discard })
      )
    )

  /** What a mirror answered with success; anything else sends the request on. */
  const executeAtMirror = Effect.fnUntraced(function* (endpoint: Endpoint.Endpoint, request: TransportRequest) {
    const now = yield* Clock.currentTimeMillis
    if ((mirrorsAtRest.get(endpoint.host) ?? 0) > now) return Option.none<TransportResponse>()
    const outcome = yield* Effect.either(executeAt(endpoint, request))
    if (Either.isLeft(outcome)) {
      yield* Effect.logDebug(`Mirror ${endpoint.host} passed over: ${outcome.left.message}`)
      if (outcome.left._tag === "TransportError") mirrorsAtRest.set(endpoint.host, now + mirrorRestMillis)
      return Option.none<TransportResponse>()
    }
    if (outcome.right.status < 300) return Option.some(outcome.right)
    yield* outcome.right.discard
    return Option.none<TransportResponse>()
  })

  const execute = Effect.fnUntraced(function* (request: TransportRequest): Effect.fn.Return<TransportResponse, AuthFailure, Scope.Scope> {
    for (const mirror of mirrorsOf(request)) {
      const answered = yield* executeAtMirror(mirror, request)
      if (Option.isSome(answered)) return answered.value
    }
    return yield* executeAt(origin(request.registry), request)
  })

  const token = Effect.fnUntraced(function* (resource: Keychain.Resource, scopes: ReadonlyArray<string>) {
    const connection = yield* origin(resource.registry).connection
    return yield* connection.authenticator.token({
      repository: resource.repository,
      scopes,
      context: {
        registry: resource.registry,
        repository: resource.repository,
        operation: "token",
        endpoint: "base",
        method: "GET",
        url: `${connection.origin}/v2/`
      }
    })
  })

  const httpClient = (resource: Keychain.Resource, scopes: ReadonlyArray<string>): HttpClient.HttpClient.With<AuthFailure, Scope.Scope> =>
    HttpClient.makeWith<never, never, AuthFailure, Scope.Scope>(
      Effect.flatMap((request) => Effect.map(resolving(execute(rawRequest(resource, scopes, request))), (response) => response.source)),
      Effect.succeed
    )

  return {
    execute: (request: TransportRequest) => resolving(execute(request)),
    token: (resource: Keychain.Resource, scopes: ReadonlyArray<string>) => resolving(token(resource, scopes)),
    httpClient,
    ping: (registry: string) => Effect.map(resolving(origin(registry).connection), (connection) => connection.ping),
    settings: hosts.get,
    rateLimit: (registry: string) => Effect.sync(() => budgets.get(registry)),
    rateLimits: Stream.fromPubSub(rateLimits),
    warnings: Stream.fromPubSub(warnings),
    /** Places taken at a host, for tests. */
    taken: (registry: string) => origin(registry).gate.taken
  }
})

const endpointOf = (path: string): EndpointKind => {
  const kind = /\/(manifests|blobs\/uploads|blobs|tags|referrers)\//.exec(path)?.[1]
  switch (kind) {
    case "manifests":
      return "manifest"
    case "blobs/uploads":
      return "upload"
    case "blobs":
      return "blob"
    case "tags":
      return "tags"
    case "referrers":
      return "referrers"
    default:
      return path.includes("/_catalog") ? "catalog" : "base"
  }
}

const methods: ReadonlyArray<TransportRequest["method"]> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

/** A request of a raw client; its query parameters go into the URL. */
const rawRequest = (
  resource: Keychain.Resource,
  scopes: ReadonlyArray<string>,
  request: HttpClientRequest.HttpClientRequest
): TransportRequest => {
  const query = UrlParams.toString(request.urlParams)
  const path = query === "" ? request.url : `${request.url}${request.url.includes("?") ? "&" : "?"}${query}`
  return {
    operation: "httpClient",
    endpoint: endpointOf(path),
    registry: resource.registry,
    repository: resource.repository,
    method: methods.find((method) => method === request.method) ?? "GET",
    path,
    headers: request.headers,
    body: HttpMethod.hasBody(request.method) ? request.body : undefined,
    scopes
  }
}
