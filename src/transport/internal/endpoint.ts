import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Authenticator from "../../auth/internal/authenticator.ts"
import type { SingleFlight } from "../../auth/internal/singleFlight.ts"
import type * as Keychain from "../../auth/Keychain.ts"
import type * as TokenCache from "../../auth/TokenCache.ts"
import * as AddressPolicy from "../../http/internal/addressPolicy.ts"
import * as Origin from "../../http/internal/origin.ts"
import * as RetryAfter from "../../http/internal/retryAfter.ts"
import type { Wire } from "../../http/internal/Wire.ts"
import * as Reference from "../../model/Reference.ts"
import type { RedirectRefused, RequestContext, TransportError } from "../../model/RegistryError.ts"
import type * as RegistryHosts from "../RegistryHosts.ts"
import type * as RetryPolicy from "../RetryPolicy.ts"
import { attempts } from "./attempts.ts"
import { enterIn, type HostGate } from "./hostGate.ts"
import { buffered, type Heard } from "./message.ts"
import * as Ping from "./ping.ts"
import * as Preparation from "./preparation.ts"

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
  readonly mirror: RegistryHosts.Mirror | undefined
  readonly gate: HostGate
  readonly policy: RetryPolicy.Service
  /** What was found on first use, unless the registry was out of order. */
  readonly known: () => Connection | undefined
  /** Finds scheme and challenge on first use. */
  readonly connection: Effect.Effect<Connection, TransportError | RedirectRefused>
}

/** @internal */
export interface Connection {
  /** Scheme, host and port. */
  readonly origin: string
  /** Path before `/v2/`; empty for registries. */
  readonly prefix: string
  readonly ping: Ping.PingAnswer
  /** The whole answer to the ping, for those who waited for it. */
  readonly greeting: Heard | undefined
  readonly authenticator: Authenticator.Authenticator
}

/** @internal */
export interface Environment {
  readonly wire: Wire
  readonly keychain: Keychain.Service
  readonly tokenCache: TokenCache.Service
  readonly clientId: string | undefined
  /** Whether the client is used as it is: no ping, no credentials. */
  readonly unwrapped: boolean
  readonly flights: SingleFlight<Connection>
  /** How names are looked up: as the layer has it, not as whoever makes a request. */
  readonly resolver: AddressPolicy.CheckOptions["resolver"]
  /** See `RegistryHosts.Service`. */
  readonly prepare: RegistryHosts.Service["prepare"]
}

/** @internal */
export interface Options {
  readonly registry: string
  readonly host: string
  /** The name of the host in URLs. */
  readonly apiHost: string
  readonly prefix: string
  readonly mirror: RegistryHosts.Mirror | undefined
  /** As they are by now: what is found out about a host may change them. */
  readonly settings: () => RegistryHosts.HostSettings
  readonly gate: HostGate
  readonly policy: RetryPolicy.Service
}

const pingContext = ({ apiHost, prefix, registry }: Options, scheme: Ping.Scheme): RequestContext => ({
  registry,
  operation: "ping",
  endpoint: "base",
  method: "GET",
  url: `${scheme}://${apiHost}${prefix}/v2/`
})

const ping = Effect.fnUntraced(function* (wire: Wire, options: Options, wanted: RegistryHosts.Scheme) {
  const { apiHost, gate, host, policy } = options
  const contextOf = (scheme: Ping.Scheme) => pingContext(options, scheme)
  const mayFallBack = wanted === "either" || (wanted === "auto" && Reference.mayUsePlainHttp(host))
  const reach = (scope: Scope.Scope) => {
    const send = (scheme: Ping.Scheme) => {
      const context = contextOf(scheme)
      return wire.sendIn(scope, { method: "GET", url: context.url, headers: {}, context })
    }
    const from = (scheme: Ping.Scheme) => Effect.map(send(scheme), (response) => [scheme, response] as const)
    return mayFallBack ? Ping.eitherScheme(send, { impatient: wanted === "auto" }) : from(wanted === "http" ? "http" : "https")
  }
  const once = Effect.fnUntraced(function* (scope: Scope.Scope) {
    const pass = yield* enterIn(scope, gate, "read", "small")
    const [asked, response] = yield* pass.moving(reach(scope))
    // A redirect to https at the very same address is the host's own word: from there on it is spoken to as it wishes.
    const scheme = Origin.sameText(`https://${apiHost}`, response.origin) ? "https" : asked
    const heard: Heard & { readonly scheme: Ping.Scheme } = {
      scheme,
      response: yield* buffered(response),
      context: contextOf(scheme),
      authorizations: [],
      retryAfter: yield* RetryAfter.of(response.headers),
      direct: Origin.sameText(`${scheme}://${apiHost}`, response.origin)
    }
    return heard
  })
  const pinged = Effect.uninterruptibleMask((restore) =>
    attempts({ policy, gate, method: "GET", mayRepeat: true }, () => restore(Effect.scopedWith(once)), restore)
  )
  const { scheme, ...greeting } = yield* pinged
  const { direct, response } = greeting
  const answer: Ping.PingAnswer = {
    scheme,
    status: response.status,
    // Only the host itself may say who is to be shown its credentials.
    challenges: direct ? Ping.challengesOf(response) : [],
    apiVersion: response.headers["docker-distribution-api-version"]
  }
  return { answer, greeting }
})

/** Out of order for now: asked again next time. */
const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500

/** Plain http that was agreed upon, or that does not leave this machine. A fall-back on a network would be an attacker's to bring about. */
const mayHaveCredentials = (apiHost: string, wanted: RegistryHosts.Scheme, scheme: Ping.Scheme): boolean => {
  if (scheme === "https" || wanted === "http" || wanted === "either") return true
  return AddressPolicy.reachOf(Origin.parse(`http://${apiHost}`)?.hostname ?? "") === "loopback"
}

const noCredentials: Authenticator.Authenticator = {
  isAsked: () => false,
  authorize: () => Effect.succeedNone,
  answer: () => Effect.succeedNone,
  accepted: () => {},
  token: () => Effect.succeedNone
}

const connect = Effect.fnUntraced(function* (environment: Environment, options: Options) {
  const { keychain, tokenCache, wire, clientId, resolver } = environment
  yield* Preparation.prepare(environment, options.host, pingContext(options, "https"))
  const settings = options.settings()
  const { answer, greeting } = yield* ping(wire, options, settings.scheme)
  const origin = `${answer.scheme}://${options.apiHost}`
  const authenticator = yield* Authenticator.make({
    registry: options.host,
    origin,
    plainHttp: answer.scheme === "http" && mayHaveCredentials(options.apiHost, settings.scheme, answer.scheme),
    challenges: answer.challenges,
    keychain,
    tokenCache,
    wire,
    clientId,
    trustedRealms: settings.trustedRealms,
    eager: settings.eagerCredentials,
    resolver
  })
  const connection: Connection = { origin, prefix: options.prefix, ping: answer, greeting, authenticator }
  return connection
})

const unwrapped = ({ apiHost, prefix, settings }: Options): Connection => {
  const scheme = settings().scheme === "http" ? "http" : "https"
  return {
    origin: `${scheme}://${apiHost}`,
    prefix,
    ping: { scheme, status: 200, challenges: [], apiVersion: undefined },
    greeting: undefined,
    authenticator: noCredentials
  }
}

/** @internal */
export const make = (environment: Environment, options: Options): Endpoint => {
  const url = Origin.parse(`http://${options.apiHost}`)
  if (url !== undefined) environment.resolver?.trust?.(url.hostname)
  let known = environment.unwrapped ? unwrapped(options) : undefined
  const first = Effect.map(connect(environment, options), (connection) => {
    if (!isPassing(connection.ping.status)) known = { ...connection, greeting: undefined }
    return connection
  })
  const name = `${options.registry} ${options.host}${options.prefix}`
  return {
    registry: options.registry,
    host: options.host,
    mirror: options.mirror,
    gate: options.gate,
    policy: options.policy,
    known: () => known,
    connection: Effect.suspend(() => (known === undefined ? environment.flights.run(name, first) : Effect.succeed(known)))
  }
}
