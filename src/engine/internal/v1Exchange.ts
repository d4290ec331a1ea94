/**
 * One request of a V1 session and its answer: with what the session knows of the host, which is what its earlier answers said.
 */
import type * as HttpBody from "@effect/platform/HttpBody"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Credentials from "../../auth/Credentials.ts"
import * as AddressPolicy from "../../http/internal/addressPolicy.ts"
import * as Origin from "../../http/internal/origin.ts"
import * as RetryAfter from "../../http/internal/retryAfter.ts"
import * as Wire from "../../http/internal/Wire.ts"
import { sanitizeUrl } from "../../model/internal/sanitize.ts"
import * as RegistryError from "../../model/RegistryError.ts"
import { authorityOf } from "./v1Address.ts"
import * as Authorization from "./v1Authorization.ts"
import * as CookieJar from "./v1Cookies.ts"
import { isTrusted } from "./v1Trust.ts"
import type { V1Wire } from "./v1Wire.ts"

/** @internal */
export interface Request {
  readonly operation: string
  readonly method: "GET" | "PUT"
  /** The endpoint that is asked, and what is below it. */
  readonly endpoint: { readonly url: string }
  readonly path: string
  readonly repository?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: HttpBody.HttpBody | undefined
  readonly replayable?: boolean | undefined
  /** Whether `X-Docker-Token` is asked for; such a request says who we are. */
  readonly asksForToken?: boolean | undefined
}

const tags = ["Unauthorized", "Denied", "TooManyRequests", "Unavailable"] as const

/** What a registry may answer to anything: that it does not want to. @since 0.1.0 */
export type Refused = RegistryError.ResponseError<(typeof tags)[number]> | RegistryError.UnknownRegistryError

/** A request did not come back with an answer. @since 0.1.0 */
export type Unanswered = RegistryError.TransportError | RegistryError.RedirectRefused

/** @internal */
export interface Answer extends Wire.WireResponse {
  readonly context: RegistryError.RequestContext
  /** The start of the body, whatever it is. */
  readonly said: Effect.Effect<string>
  /** The error that the answer means, where this is what it said. */
  readonly refused: (said: string) => Effect.Effect<never, Refused>
  /** Fails with the error that the answer means. */
  readonly fail: Effect.Effect<never, Refused>
}

/** An answer that goes against the protocol. @internal */
export const protocol = ({ context }: Answer, detail: string): RegistryError.TransportError => {
  const { method, operation, registry, repository, url } = context
  return new RegistryError.TransportError({
    registry,
    repository,
    operation,
    method,
    url: sanitizeUrl(url),
    reason: "protocol",
    detail,
    retryable: false
  })
}

/** @internal */
export interface Exchange {
  /** Any status is an answer. */
  readonly send: (request: Request) => Effect.Effect<Answer, Unanswered, Scope.Scope>
  /** What must not be shown. */
  readonly secrets: () => ReadonlyArray<string>
}

const errorBodyLimitBytes = 64 * 1024

/** @internal */
export interface Options {
  readonly endpoint: { readonly url: string }
  readonly credentials: Credentials.Credentials
  readonly always: boolean
}

/** @internal */
export const make = ({ headers, resolver, wire }: V1Wire, { endpoint, credentials, always }: Options): Exchange => {
  const own = Origin.parse(endpoint.url)
  const authorization = Authorization.make({ origin: own?.origin ?? "", credentials, always })
  const cookies = CookieJar.make()
  const secrets = () => [...authorization.secrets(), ...cookies.secrets()]

  /** Other registries are named by the index, so they are no farther away than a redirect of it may lead. */
  const lead = Effect.fnUntraced(function* (to: URL | undefined, { method, url, ...context }: RegistryError.RequestContext) {
    if (own === undefined || to === undefined || Origin.same(own, to)) return
    const reason = yield* AddressPolicy.check(own, to, { resolver })
    if (reason === undefined) return
    const { operation, registry, repository } = context
    const target = sanitizeUrl(url)
    return yield* new RegistryError.RedirectRefused({ registry, repository, operation, method, url: endpoint.url, target, reason })
  })

  /** Nobody that we did not ask may give us a token, other than Docker itself. */
  const hear = (asked: URL | undefined, reply: Wire.Reply, nowMillis: number) => {
    const from = Origin.parse(reply.url)
    if (from === undefined || asked === undefined) return
    if (Origin.same(asked, from) || isTrusted(from)) authorization.hear(reply.headers["x-docker-token"])
    const set = reply.cookies?.()
    if (set !== undefined) cookies.keep(from, set, nowMillis)
  }

  /** `known` is what must not be shown of the request: the answer may have put other tokens and cookies in its place. */
  const answerOf = (reply: Wire.Reply, context: RegistryError.RequestContext, known: ReadonlyArray<string>): Answer => {
    const said = Effect.orElseSucceed(reply.text(errorBodyLimitBytes), () => "")
    const refused = (body: string) =>
      Effect.flatMap(RetryAfter.of(reply.headers), (retryAfter) =>
        Effect.fail(
          RegistryError.fromResponse(tags, context, { status: reply.status, body, retryAfter, secrets: [...known, ...secrets()] })
        )
      )
    return { ...reply, context, said, refused, fail: Effect.flatMap(said, refused) }
  }

  const send = (request: Request) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const { asksForToken = false, body, method, operation, replayable, repository } = request
        const url = `${request.endpoint.url}${request.path}`
        const context: RegistryError.RequestContext = { registry: authorityOf(url), repository, operation, endpoint: "base", method, url }
        const to = Origin.parse(url)
        yield* restore(lead(to, context))
        const authorized = authorization.header(to?.origin ?? "", asksForToken)
        const cookie = to === undefined ? undefined : cookies.header(to, yield* Clock.currentTimeMillis)
        const known = secrets()
        const reply = yield* wire.open(
          {
            method,
            url,
            headers: {
              ...headers,
              ...request.headers,
              ...(asksForToken && { "x-docker-token": "true" }),
              ...(authorized !== undefined && { authorization: Redacted.value(authorized) }),
              ...(cookie !== undefined && { cookie })
            },
            body,
            replayable,
            context
          },
          restore
        )
        yield* Wire.settleWith(yield* Effect.scope, reply)
        hear(to, reply, yield* Clock.currentTimeMillis)
        return answerOf(reply, context, known)
      })
    )

  return { send, secrets }
}
