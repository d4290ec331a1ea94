/**
 * A registry endpoint as the container engine looks at it: one ping whose status does not matter, and then a request with what the ping
 * asked for.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AccessToken from "../../auth/AccessToken.ts"
import type * as Credentials from "../../auth/Credentials.ts"
import * as Authenticator from "../../auth/internal/authenticator.ts"
import * as Keychain from "../../auth/Keychain.ts"
import * as TokenCache from "../../auth/TokenCache.ts"
import * as Origin from "../../http/internal/origin.ts"
import * as RetryAfter from "../../http/internal/retryAfter.ts"
import type * as Wire from "../../http/internal/Wire.ts"
import type { RequestContext } from "../../model/RegistryError.ts"
import * as Message from "../../transport/internal/message.ts"
import * as Ping from "../../transport/internal/ping.ts"
import * as Preparation from "../../transport/internal/preparation.ts"
import * as NamedWire from "./namedWire.ts"

/** @internal */
export interface Options {
  /** The registry as keychains know it. */
  readonly registry: string
  /** Scheme, host and port, with or without a slash at the end. */
  readonly url: string
  readonly operation: string
  readonly credentials: Credentials.Credentials
  readonly clientId: string | undefined
  /** Put in front of the library's own. */
  readonly userAgent: string | undefined
}

/** @internal */
export interface Authorization {
  /** None where nothing is asked for, or no credentials fit. */
  readonly header: Option.Option<Redacted.Redacted>
  /** None unless a token is asked for. */
  readonly token: Option.Option<AccessToken.AccessToken>
}

/** An endpoint that has answered. @internal */
export interface V2Endpoint {
  /** Whether it said that it speaks `registry/2.0`; others may still do. */
  readonly confirmed: boolean
  readonly greeting: Message.TransportResponse
  /** What its challenge asks for. */
  readonly authorize: (scopes: ReadonlyArray<string>) => Effect.Effect<Authorization, Authenticator.AuthFailure>
  /** `GET /v2/` once more. */
  readonly get: (authorization: Option.Option<Redacted.Redacted>) => Effect.Effect<Message.TransportResponse, Authenticator.AuthFailure>
}

/** Whether a `Docker-Distribution-Api-Version` names `registry/2.0`, the kind in any case. */
const announcesV2 = (header: string | undefined): boolean =>
  (header ?? "").split(/[\s,]+/).some((version) => /^registry\/2\.0$/i.test(version))

const contextOf = ({ registry }: Options, operation: string, origin: string): RequestContext => ({
  registry,
  operation,
  endpoint: "base",
  method: "GET",
  url: `${origin}/v2/`
})

const get = Effect.fnUntraced(function* (
  wire: Wire.Wire,
  context: RequestContext,
  origin: string,
  authorization: Option.Option<Redacted.Redacted>
) {
  const headers = Option.match(authorization, { onNone: () => ({}), onSome: (value) => ({ authorization: Redacted.value(value) }) })
  const response = yield* wire.send({ method: "GET", url: context.url, headers, context })
  const heard: Message.Heard = {
    response: yield* Message.buffered(response, NamedWire.bodyPatience),
    context,
    authorizations: Option.toArray(authorization),
    retryAfter: yield* RetryAfter.of(response.headers),
    direct: Origin.sameText(origin, response.origin)
  }
  return Message.answer(heard, false)
}, Effect.scoped)

/** With `offline` token services are asked for a refresh token as well. @internal */
export const ping = Effect.fnUntraced(function* (options: Options, offline: boolean) {
  const { clientId, credentials, registry } = options
  const { resolver, wire } = yield* NamedWire.open(options.url, { ...NamedWire.patience, userAgent: options.userAgent })
  const named = options.url.replace(/\/$/, "")
  const first = contextOf(options, "ping", named)
  yield* Preparation.prepare(yield* Preparation.Preparation, registry, first)
  const greeting = yield* get(wire, first, named, Option.none())
  // A redirect from plain http to https at the same address is the host's own word.
  const secured = named.replace(/^http:/, "https:")
  const origin = Origin.sameText(secured, greeting.origin) ? secured : named
  const authenticator = yield* Authenticator.make({
    registry,
    origin,
    plainHttp: origin.startsWith("http:"),
    // Only the host itself may say who is to be shown its credentials.
    challenges: Origin.sameText(origin, greeting.origin) ? Ping.challengesOf(greeting) : [],
    keychain: Keychain.fromFunction(() => Effect.succeed(credentials)),
    tokenCache: TokenCache.none,
    wire,
    clientId,
    offline,
    resolver
  })
  const authorize = Effect.fnUntraced(function* (scopes: ReadonlyArray<string>) {
    const need: Authenticator.Need = { scopes, context: { ...greeting.context, operation: options.operation } }
    const token = yield* authenticator.token(need)
    const header = Option.isSome(token) ? Option.some(AccessToken.authorization(token.value)) : yield* authenticator.authorize(need)
    const authorization: Authorization = { header, token }
    return authorization
  })
  const endpoint: V2Endpoint = {
    confirmed: announcesV2(greeting.headers["docker-distribution-api-version"]),
    greeting,
    authorize,
    get: (authorization) => get(wire, contextOf(options, options.operation, origin), origin, authorization)
  }
  return endpoint
})
