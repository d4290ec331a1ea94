import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Challenge from "../../auth/Challenge.ts"
import * as Authenticator from "../../auth/internal/authenticator.ts"
import type * as Keychain from "../../auth/Keychain.ts"
import type * as TokenCache from "../../auth/TokenCache.ts"
import type { Wire, WireResponse } from "../../http/internal/Wire.ts"
import * as Reference from "../../model/Reference.ts"
import type { RedirectRefused, RequestContext, TransportError } from "../../model/RegistryError.ts"
import type { HostSettings, Mirror } from "../RegistryHosts.ts"
import type * as RetryPolicy from "../RetryPolicy.ts"
import * as HostGate from "./hostGate.ts"
import { once } from "./once.ts"

/**
 * A place that answers for a registry: the registry itself or one of its mirrors.
 *
 * @internal
 */
export interface Endpoint {
  /** The registry the answers are for. */
  readonly registry: string
  /** The host that is asked, as keychain and settings know it. */
  readonly host: string
  readonly mirror: Mirror | undefined
  readonly settings: HostSettings
  readonly gate: HostGate.HostGate
  /** Finds scheme and challenge on first use. */
  readonly connection: Effect.Effect<Connection, TransportError | RedirectRefused>
}

/** @internal */
export interface Connection {
  /** Scheme, host and port. */
  readonly origin: string
  /** Path before `/v2/`; empty for registries. */
  readonly prefix: string
  readonly ping: PingAnswer
  readonly authenticator: Authenticator.Authenticator
}

/** @internal */
export interface PingAnswer {
  readonly scheme: "https" | "http"
  readonly status: number
  readonly challenges: ReadonlyArray<Challenge.Challenge>
  readonly apiVersion: string | undefined
}

/** @internal */
export interface Environment {
  readonly wire: Wire
  readonly keychain: Keychain.Service
  readonly tokenCache: TokenCache.Service
  readonly scope: Scope.Scope
  readonly policy: RetryPolicy.Service
  readonly clientId: string | undefined
  /** Whether the client is used as it is: no ping, no credentials. */
  readonly unwrapped: boolean
}

/** The challenges of an answer. @internal */
export const challengesOf = (response: WireResponse): ReadonlyArray<Challenge.Challenge> => {
  const header = response.headers["www-authenticate"]
  return header === undefined ? [] : Challenge.parse([header])
}

const pingContext = (registry: string, url: string): RequestContext => ({
  registry,
  operation: "ping",
  endpoint: "base",
  method: "GET",
  url
})

const ping = Effect.fnUntraced(function* (wire: Wire, registry: string, url: string) {
  const response = yield* wire.send({ method: "GET", url, headers: {}, context: pingContext(registry, url) })
  yield* response.discard
  const answer: PingAnswer = {
    scheme: response.url.startsWith("http:") ? "http" : "https",
    status: response.status,
    challenges: response.status === 401 ? challengesOf(response) : [],
    apiVersion: response.headers["docker-distribution-api-version"]
  }
  return answer
}, Effect.scoped)

/**
 * https at once, plain http 300 ms later or as soon as https has failed; the first that answers wins, and when neither does the failure of
 * https is told (go-containerregistry `transport.Ping`).
 */
const pingEither = <E>(attempt: (scheme: "https" | "http") => Effect.Effect<PingAnswer, E>): Effect.Effect<PingAnswer, E> =>
  Effect.gen(function* () {
    const refused = yield* Deferred.make<never, E>()
    const secure = Effect.tapError(attempt("https"), (error) => Deferred.fail(refused, error))
    const head = Effect.raceFirst(Effect.sleep("300 millis"), Effect.ignore(Deferred.await(refused)))
    const plain = Effect.zipRight(head, attempt("http"))
    return yield* Effect.catchAll(Effect.race(secure, plain), () => Deferred.await(refused))
  })

/** @internal */
export const make = (
  environment: Environment,
  options: {
    readonly registry: string
    readonly host: string
    readonly apiHost: string
    readonly prefix: string
    readonly mirror: Mirror | undefined
    readonly settings: HostSettings
  }
): Endpoint => {
  const { settings, registry, host } = options
  const address = (scheme: "https" | "http") => `${scheme}://${options.apiHost}${options.prefix}/v2/`
  const attempt = (scheme: "https" | "http"): Effect.Effect<PingAnswer, TransportError | RedirectRefused> =>
    environment.unwrapped
      ? Effect.succeed({ scheme, status: 200, challenges: [], apiVersion: undefined })
      : ping(environment.wire, registry, address(scheme)).pipe(
          Effect.retry({
            schedule: environment.policy.schedule,
            while: (error) => error._tag === "TransportError" && environment.policy.retriesError("GET", error)
          })
        )
  const mayFallBack = settings.scheme === "auto" && Reference.mayUsePlainHttp(host)
  const reach = settings.scheme === "http" ? attempt("http") : mayFallBack ? pingEither(attempt) : attempt("https")
  const connect = Effect.gen(function* () {
    const answer = yield* reach
    // A ping that was redirected to another scheme does not change how the registry is reached.
    const scheme = settings.scheme === "auto" && !mayFallBack ? "https" : settings.scheme === "auto" ? answer.scheme : settings.scheme
    const origin = `${scheme}://${options.apiHost}`
    const authenticator = yield* Authenticator.make({
      registry: host,
      origin,
      plainHttp: scheme === "http",
      challenges: answer.challenges,
      keychain: environment.keychain,
      tokenCache: environment.tokenCache,
      wire: environment.wire,
      clientId: environment.clientId,
      trustedRealms: settings.trustedRealms
    })
    const connection: Connection = { origin, prefix: options.prefix, ping: answer, authenticator }
    return connection
  })
  return {
    registry,
    host,
    mirror: options.mirror,
    settings,
    gate: HostGate.make(settings),
    connection: once(connect, environment.scope)
  }
}
