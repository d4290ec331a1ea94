/**
 * How a registry is reached: requests that authenticate, retry, keep to the limits of the host and report what went wrong.
 *
 * `RegistryClient` speaks the distribution protocol over it. Use it directly for endpoints the client does not know.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as AccessToken from "../auth/AccessToken.ts"
import type * as Challenge from "../auth/Challenge.ts"
import type { AuthFailure as TransportFailure } from "../auth/internal/authenticator.ts"
import * as Keychain from "../auth/Keychain.ts"
import * as TokenCache from "../auth/TokenCache.ts"
import * as Wire from "../http/internal/Wire.ts"
import type { Warning } from "../http/internal/warnings.ts"
import type { TransportRequest, TransportResponse } from "./internal/message.ts"
import * as internal from "./internal/transport.ts"
import type { RateLimit } from "./RateLimit.ts"
import type { HostSettings } from "./RegistryHosts.ts"
import * as RegistryHosts from "./RegistryHosts.ts"
import * as RetryPolicy from "./RetryPolicy.ts"

export type {
  /** @since 0.1.0 */
  AuthFailure as TransportFailure
} from "../auth/internal/authenticator.ts"
export type {
  /** @since 0.1.0 */
  Warning
} from "../http/internal/warnings.ts"
export type {
  /** @since 0.1.0 */
  TransportRequest,
  /** @since 0.1.0 */
  TransportResponse
} from "./internal/message.ts"

/**
 * The answer to `GET /v2/`.
 *
 * - `scheme`: the one the registry is reached by
 * - `challenges`: what the registry asks for; empty when it is open to everyone
 * - `apiVersion`: `Docker-Distribution-Api-Version`; many registries do not send it
 *
 * @since 0.1.0
 */
export interface Ping {
  readonly scheme: "https" | "http"
  readonly status: number
  readonly challenges: ReadonlyArray<Challenge.Challenge>
  readonly apiVersion: string | undefined
}

/** @since 0.1.0 */
export interface Service {
  /**
   * Sends a request: to the mirrors that may answer it, then to the registry; authenticated, again with a new token after a 401 and again
   * by the retry policy. The answer is given whatever its status.
   */
  readonly execute: (request: TransportRequest) => Effect.Effect<TransportResponse, TransportFailure, Scope.Scope>
  /** The same with a scope at hand. */
  readonly executeIn: (scope: Scope.Scope, request: TransportRequest) => Effect.Effect<TransportResponse, TransportFailure>
  /** `GET /v2/`: scheme and challenge, found once and kept, unless the registry is out of order. Succeeds with any status. */
  readonly ping: (registry: string) => Effect.Effect<Ping, TransportFailure>
  /** A token for these scopes, cached or fetched from the registry's token service; none where the registry asks for none. */
  readonly token: (
    resource: Keychain.Resource,
    scopes: ReadonlyArray<string>
  ) => Effect.Effect<Option.Option<AccessToken.AccessToken>, TransportFailure>
  /**
   * An `HttpClient` whose requests to the registry are authenticated for these scopes and treated as those of `execute`; its URLs are
   * absolute or begin with `/v2/`. To other origins it goes without credentials, and only where a redirect may.
   */
  readonly httpClient: (
    resource: Keychain.Resource,
    scopes: ReadonlyArray<string>
  ) => HttpClient.HttpClient.With<TransportFailure, Scope.Scope>
  /** The settings of a registry's host. */
  readonly settings: (registry: string) => HostSettings
  /** How requests are retried; whoever moves content in several requests goes by it too. */
  readonly retryPolicy: RetryPolicy.Service
  /** What the registry last said about its rate limits. */
  readonly rateLimit: (registry: string) => Effect.Effect<Option.Option<RateLimit>>
  /** What registries say about their rate limits, as they say it; the slowest reader misses the oldest. */
  readonly rateLimits: Stream.Stream<RateLimit>
  /** The warnings of registries (distribution-spec «Warnings»), each once. */
  readonly warnings: Stream.Stream<Warning>
}

/** @since 0.1.0 */
export class RegistryTransport extends Context.Tag("effect-oci/RegistryTransport")<RegistryTransport, Service>() {}

/**
 * - `userAgent`: put in front of the library's own
 * - `connectTimeout`, `headersTimeout`: together, how long nothing may happen until the answer's headers arrive; by default 30 s and 1
 *   minute, 5 minutes for POST, PUT and PATCH, whose answer may wait until everything is stored
 * - `idleTimeout`: how long a body may stand still, default 1 minute; one that trickles is under way, and how long a whole transfer may take
 *   is for `Effect.timeout` to say
 * - `maxRedirects`: default 10
 * - `propagateTrace`: whether `traceparent` and `b3` headers are sent, default no
 * - `clientId`: how the library names itself to token services, default `effect-oci`
 *
 * @since 0.1.0
 */
export interface Options {
  readonly userAgent?: string | undefined
  readonly connectTimeout?: Duration.DurationInput | undefined
  readonly headersTimeout?: Duration.DurationInput | undefined
  readonly idleTimeout?: Duration.DurationInput | undefined
  readonly maxRedirects?: number | undefined
  readonly propagateTrace?: boolean | undefined
  readonly clientId?: string | undefined
}

/** A client that is used as it is may name itself. */
const userAgentOf = (own: string | undefined, unwrapped: boolean): string | undefined => (unwrapped ? (own ?? "") : Wire.userAgentOf(own))

const build = (options: Options, unwrapped: boolean) =>
  Effect.gen(function* () {
    const { clientId, userAgent, ...wire } = options
    const service: Service = yield* internal.make({
      client: yield* HttpClient.HttpClient,
      keychain: yield* Keychain.Keychain,
      tokenCache: yield* TokenCache.TokenCache,
      policy: yield* RetryPolicy.RetryPolicy,
      hosts: yield* RegistryHosts.RegistryHosts,
      wire: { ...wire, userAgent: userAgentOf(userAgent, unwrapped) },
      clientId,
      unwrapped
    })
    return service
  })

/** @since 0.1.0 */
export const make = (
  options: Options = {}
): Effect.Effect<
  Service,
  never,
  HttpClient.HttpClient | Keychain.Keychain | TokenCache.TokenCache | RetryPolicy.RetryPolicy | Scope.Scope
> => build(options, false)

/** @since 0.1.0 */
export const layer = (
  options: Options = {}
): Layer.Layer<RegistryTransport, never, HttpClient.HttpClient | Keychain.Keychain | TokenCache.TokenCache | RetryPolicy.RetryPolicy> =>
  Layer.scoped(RegistryTransport, make(options))

/**
 * Over an `HttpClient` that already knows the registry: no ping, no credentials, no user agent, no retries. Registries are reached by
 * https, unless the settings of their host say `http`.
 *
 * @since 0.1.0
 */
export const layerUnwrapped = (options: Options = {}): Layer.Layer<RegistryTransport, never, HttpClient.HttpClient> =>
  Layer.scoped(RegistryTransport, build(options, true)).pipe(
    Layer.provide([Keychain.layerAnonymous, TokenCache.layerNone, RetryPolicy.layerNone])
  )
