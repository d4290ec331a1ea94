import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { AuthFailure } from "../../auth/internal/authenticator.ts"
import * as SingleFlight from "../../auth/internal/singleFlight.ts"
import type * as Keychain from "../../auth/Keychain.ts"
import type * as TokenCache from "../../auth/TokenCache.ts"
import * as AddressPolicy from "../../http/internal/addressPolicy.ts"
import * as Origin from "../../http/internal/origin.ts"
import * as Wire from "../../http/internal/Wire.ts"
import { sanitizeUrl } from "../../model/internal/sanitize.ts"
import * as Reference from "../../model/Reference.ts"
import { RedirectRefused, type RequestContext } from "../../model/RegistryError.ts"
import type * as RegistryHosts from "../RegistryHosts.ts"
import * as RetryPolicy from "../RetryPolicy.ts"
import { attempt } from "./attempt.ts"
import { attempts } from "./attempts.ts"
import * as Endpoint from "./endpoint.ts"
import * as HostGate from "./hostGate.ts"
import { answer, type Heard, secretsOf, type TransportRequest, type TransportResponse, withBody } from "./message.ts"
import * as Mirrors from "./mirrors.ts"
import * as Notices from "./notices.ts"
import * as RawClient from "./rawClient.ts"

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

const memoize = <A>() => {
  const known = new Map<string, A>()
  return (key: string, create: () => A): A => {
    const found = known.get(key)
    if (found !== undefined) return found
    const created = create()
    known.set(key, created)
    return created
  }
}

/** Whether this is the request that every first contact begins with. */
const isPing = ({ body, headers, method, path }: TransportRequest): boolean =>
  method === "GET" && path === "/v2/" && headers === undefined && body === undefined

/** A URL that is not the registry's own came from it all the same: it may lead no further than a redirect. */
const mayLead = Effect.fnUntraced(function* (
  connection: Endpoint.Connection,
  request: TransportRequest,
  resolver: AddressPolicy.CheckOptions["resolver"]
) {
  const from = Origin.parse(connection.origin)
  const to = Origin.parse(request.path)
  if (from === undefined || to === undefined) return
  const reason = yield* AddressPolicy.check(from, to, { resolver })
  if (reason === undefined) return
  const { method, operation, registry, repository } = request
  const target = sanitizeUrl(to.href)
  return yield* new RedirectRefused({ registry, repository, operation, method, url: connection.origin, target, reason })
})

/** The answer, of which whatever is left ends with the scope. */
const keep = (scope: Scope.Scope, reply: Wire.Reply, response: TransportResponse): Effect.Effect<TransportResponse> =>
  reply.settle === undefined ? Effect.succeed(response) : Effect.as(Wire.settleWith(scope, reply), response)

/** The one name of a registry that has several, as docker.io. */
const nameOf = (registry: string): string => Either.getOrElse(Reference.parseRegistry(registry), () => registry)

/** @internal */
export const make = Effect.fnUntraced(function* (dependencies: Dependencies) {
  const { clientId, hosts, keychain, policy, tokenCache, unwrapped } = dependencies
  // That of the layer counts, not that of whoever makes a request.
  const resolver = yield* AddressPolicy.NameResolver
  const wire = Wire.make(dependencies.client, { ...dependencies.wire, resolver })
  const flights = SingleFlight.make<Endpoint.Connection>(yield* Effect.scope)
  const environment: Endpoint.Environment = { wire, keychain, tokenCache, clientId, unwrapped, flights, resolver, prepare: hosts.prepare }
  const notices = yield* Notices.make
  const mirrors = Mirrors.make(policy.maxRetryAfter)
  const endpoint = memoize<Endpoint.Endpoint>()
  const gate = memoize<HostGate.HostGate>()
  const gateOf = (host: string) => gate(host, () => HostGate.make(hosts.get(host)))

  const origin = (registry: string): Endpoint.Endpoint =>
    endpoint(registry, () => {
      const name = nameOf(registry)
      return Endpoint.make(environment, {
        registry: name,
        host: name,
        apiHost: Reference.registryHost(name),
        prefix: "",
        mirror: undefined,
        settings: () => hosts.get(name),
        gate: gateOf(name),
        policy
      })
    })

  const mirrorOf = (registry: string, mirror: RegistryHosts.Mirror, url: URL): Endpoint.Endpoint =>
    endpoint(`${registry} ${mirror.url}`, () =>
      Endpoint.make(environment, {
        registry: nameOf(registry),
        host: url.host,
        apiHost: url.host,
        prefix: url.pathname.replace(/\/+$/, ""),
        mirror,
        settings: () => ({ ...hosts.get(url.host), scheme: url.protocol === "http:" ? "http" : "https" }),
        gate: gateOf(url.host),
        // The registry itself is the second attempt.
        policy: RetryPolicy.none
      })
    )

  /** Those that may answer the request; the URLs that a registry hands out are its own. */
  const mirrorsOf = ({ path, read, registry }: TransportRequest): ReadonlyArray<Endpoint.Endpoint> => {
    if (read === undefined || !path.startsWith("/")) return []
    return hosts.get(registry).mirrors.flatMap((mirror) => {
      const url = mirror.capabilities.includes(read) ? Origin.parse(mirror.url) : undefined
      return url === undefined ? [] : [mirrorOf(registry, mirror, url)]
    })
  }

  const listenAt =
    (at: Endpoint.Endpoint) =>
    ({ authorizations, direct, response }: Heard) =>
      direct ? notices.hear(at.host, response.headers, () => authorizations.flatMap(secretsOf)) : undefined

  const executeAt = (at: Endpoint.Endpoint, request: TransportRequest, scope: Scope.Scope): Effect.Effect<TransportResponse, AuthFailure> =>
    Effect.uninterruptibleMask((restore) => {
      const listen = listenAt(at)
      // A mirror is not asked again: whoever reads what it sent passes it over.
      const wholeBytes = at.mirror === undefined ? request.wholeBytes : undefined
      const ask = (connection: Endpoint.Connection) => {
        const heard = attempts(
          {
            policy: at.policy,
            gate: at.gate,
            method: request.method,
            mayRepeat: request.retry !== false && request.replayable !== false,
            listen
          },
          () => Effect.flatMap(attempt(wire, at, connection, request, restore), (heard) => withBody(heard, wholeBytes, restore)),
          restore
        )
        return Effect.flatMap(heard, (heard) => keep(scope, heard.response, answer(heard, at.mirror !== undefined)))
      }
      const reached = (connection: Endpoint.Connection): Effect.Effect<TransportResponse, AuthFailure> => {
        const { greeting } = connection
        if (greeting !== undefined && greeting.response.status !== 401 && isPing(request)) {
          return Effect.as(listen(greeting) ?? Effect.void, answer(greeting, false))
        }
        if (request.path.startsWith("/") || Origin.isPlainlyAt(connection.origin, request.path)) return ask(connection)
        return Effect.flatMap(restore(mayLead(connection, request, resolver)), () => ask(connection))
      }
      const known = at.known()
      return known === undefined ? Effect.flatMap(restore(at.connection), reached) : reached(known)
    })

  const executeIn = (scope: Scope.Scope, request: TransportRequest): Effect.Effect<TransportResponse, AuthFailure> =>
    Effect.suspend(() => {
      const asked = mirrorsOf(request)
      const itself = executeAt(origin(request.registry), request, scope)
      if (asked.length === 0) return itself
      const atMirrors = mirrors.ask(scope, asked, (mirror, inner) => executeAt(mirror, request, inner))
      return Effect.flatMap(atMirrors, Option.match({ onNone: () => itself, onSome: Effect.succeed }))
    })

  const execute = (request: TransportRequest): Effect.Effect<TransportResponse, AuthFailure, Scope.Scope> =>
    Effect.flatMap(Effect.scope, (scope) => executeIn(scope, request))

  const token = Effect.fnUntraced(function* ({ registry, repository }: Keychain.Resource, scopes: ReadonlyArray<string>) {
    const connection = yield* origin(registry).connection
    const context: RequestContext = {
      registry,
      repository,
      operation: "token",
      endpoint: "base",
      method: "GET",
      url: `${connection.origin}/v2/`
    }
    return yield* connection.authenticator.token({ repository, scopes, context })
  })

  return {
    execute,
    executeIn,
    token,
    /** Places taken at a host, for tests. */
    taken: (host: string) => gateOf(host).taken,
    httpClient: (resource: Keychain.Resource, scopes: ReadonlyArray<string>) => RawClient.make(execute, resource, scopes),
    ping: (registry: string) => Effect.map(origin(registry).connection, (connection) => connection.ping),
    settings: hosts.get,
    retryPolicy: policy,
    rateLimit: (registry: string) => notices.rateLimit(nameOf(registry)),
    rateLimits: notices.rateLimits,
    warnings: notices.warnings
  }
})
