/**
 * How one request crosses the wire: over any `HttpClient`, with its own redirects, timeouts, limits and spans. The only module that sends
 * requests.
 *
 * A status is never an error here. The socket of an answer is freed when the scope closes: a small unread body is read when all went well,
 * anything else is aborted.
 *
 * @internal
 */
import type * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { sanitizeUrl } from "../../model/internal/sanitize.ts"
import { version } from "../../model/internal/version.ts"
import { type LimitExceeded, RedirectRefused, type RequestContext, TransportError } from "../../model/RegistryError.ts"
import * as AddressPolicy from "./addressPolicy.ts"
import type * as Body from "./body.ts"
import * as Exchange from "./exchange.ts"
import * as Origin from "./origin.ts"
import * as Redirect from "./redirect.ts"
import * as Watchdog from "./watchdog.ts"

/** @internal */
export interface WireRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** Absolute; reaches the socket byte for byte, except for a fragment, which is not sent. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: HttpBody.HttpBody | undefined
  /** Whether a stream body may be run again for a redirect; `true` by default. */
  readonly replayable?: boolean | undefined
  /** For errors and spans. */
  readonly context: RequestContext
}

/** @internal */
export interface WireResponse {
  readonly status: number
  readonly headers: Headers.Headers
  /** The URL that answered, after redirects, with its query: what `Location` and `Link` are resolved against. Not for display. */
  readonly url: string
  /** The origin of `url`. */
  readonly origin: string
  /** The coding the server applied although identity was asked for. `body` gives the bytes as they came: a digest decides about them. */
  readonly contentEncoding: string | undefined
  /** Can be run once. Fails with `idle` when no bytes come for `idleTimeout` while they are waited for. */
  readonly body: Stream.Stream<Uint8Array, TransportError>
  /** The whole body; fails (`protocol`) when it is compressed. */
  readonly bytes: (limitBytes: number) => Effect.Effect<Uint8Array, TransportError | LimitExceeded>
  readonly text: (limitBytes: number) => Effect.Effect<string, TransportError | LimitExceeded>
  /** Frees the connection now: reads a little, else aborts. */
  readonly discard: Effect.Effect<void>
}

/** @internal */
export interface WireOptions {
  readonly maxRedirects?: number | undefined
  /** Together with `headersTimeout` the time without any progress until the answer's headers are there; a generic client cannot tell the two apart. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** Default: 1 minute for GET, HEAD and DELETE; 5 minutes for the others, whose answer may wait until everything is stored. */
  readonly headersTimeout?: Duration.DurationInput | undefined
  readonly idleTimeout?: Duration.DurationInput | undefined
  /** An empty one is not sent. */
  readonly userAgent?: string | undefined
  /** Sends `traceparent` and `b3` to the first origin. */
  readonly propagateTrace?: boolean | undefined
  /** A reason to refuse a redirect that the address policy would let pass. */
  readonly allowRedirect?: ((from: URL, to: URL) => string | undefined) | undefined
  /** Whether a redirect may take who we are to another origin; never unless this says so. Cookies stay where they are in any case. */
  readonly sharesCredentials?: ((from: URL, to: URL) => boolean) | undefined
  /** How names are looked up for the address policy, instead of the resolver in the context. */
  readonly resolver?: AddressPolicy.CheckOptions["resolver"]
}

/** An answer for whoever takes care of it without a scope. @internal */
export interface Reply extends WireResponse {
  /** Ends whatever is left of the body; undefined when there never was anything. */
  readonly settle: Body.Settle | undefined
  /** From now on the body keeps to the pace, and leaves with its end. */
  readonly keepTo: (pace: Body.Pace) => void
  /** What `Set-Cookie` says: of several lines of it the headers have one, or none that can be told apart. */
  readonly cookies?: (() => Cookies.Cookies) | undefined
}

/** @internal */
export interface Wire {
  readonly send: (
    request: WireRequest,
    options?: Partial<WireOptions>
  ) => Effect.Effect<WireResponse, TransportError | RedirectRefused, Scope.Scope>
  /** Into a scope at hand. */
  readonly sendIn: (
    scope: Scope.Scope,
    request: WireRequest,
    options?: Partial<WireOptions>
  ) => Effect.Effect<WireResponse, TransportError | RedirectRefused>
  /** To be run uninterruptibly: `restore` is for the waits, and whoever gets the reply has to settle it. Every request of the transport is sent so. */
  readonly open: (request: WireRequest, restore: Exchange.Restore) => Effect.Effect<Reply, TransportError | RedirectRefused>
}

/** @internal */
export const defaultUserAgent = `effect-oci/${version}`

/** A name of one's own goes in front of the library's. @internal */
export const userAgentOf = (own: string | undefined): string | undefined => (own === undefined ? undefined : `${own} ${defaultUserAgent}`)

const defaultMaxRedirects = 10
const defaultConnectTimeout = Duration.seconds(30)
const defaultIdleTimeout = Duration.minutes(1)

/** Whether the answer needs nothing to be stored first. */
const isQuick = (method: WireRequest["method"]): boolean => method === "GET" || method === "HEAD" || method === "DELETE"

const defaultHeadersTimeout = (method: WireRequest["method"]) => (isQuick(method) ? Duration.minutes(1) : Duration.minutes(5))

const settingsOf = (method: WireRequest["method"], options: WireOptions): Exchange.Settings => ({
  answerMillis:
    Duration.toMillis(options.connectTimeout ?? defaultConnectTimeout) +
    Duration.toMillis(options.headersTimeout ?? defaultHeadersTimeout(method)),
  idleMillis: Duration.toMillis(options.idleTimeout ?? defaultIdleTimeout),
  propagateTrace: options.propagateTrace ?? false
})

const lowerCase = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

const withoutFragment = (url: string): string => {
  const hash = url.indexOf("#")
  return hash === -1 ? url : url.slice(0, hash)
}

const userAgentHeader = ({ userAgent = defaultUserAgent }: WireOptions): Readonly<Record<string, string>> =>
  userAgent === "" ? {} : { "user-agent": userAgent }

/** What the options mean, worked out once for all requests that have no others. */
interface Prepared {
  readonly options: WireOptions
  readonly settingsOf: (method: WireRequest["method"]) => Exchange.Settings
  readonly headers: Readonly<Record<string, string>>
}

const prepare = (options: WireOptions): Prepared => {
  const quick = settingsOf("GET", options)
  const slow = settingsOf("PUT", options)
  return {
    options,
    settingsOf: (method) => (isQuick(method) ? quick : slow),
    headers: { "accept-encoding": "identity", ...userAgentHeader(options) }
  }
}

const outgoing = (request: WireRequest, { headers }: Prepared): Exchange.Outgoing => ({
  method: request.method,
  url: withoutFragment(request.url),
  headers: { ...headers, ...lowerCase(request.headers) },
  body: request.body ?? HttpBody.empty,
  context: request.context
})

const refused = (request: Exchange.Outgoing, target: string, reason: string): RedirectRefused =>
  new RedirectRefused({ ...Exchange.named(request), target: sanitizeUrl(target), reason })

const badUrl = (request: Exchange.Outgoing): TransportError =>
  new TransportError({
    ...Exchange.named(request),
    reason: "protocol",
    detail: "not an absolute http or https URL",
    retryable: false
  })

const replyOf = ({ body, cookies, headers, status }: Exchange.Exchange, request: Exchange.Outgoing, origin: string): Reply => ({
  status,
  headers,
  url: request.url,
  origin,
  contentEncoding: body.encoding,
  body: body.stream,
  bytes: body.bytes,
  text: (limitBytes) => Effect.map(body.bytes(limitBytes), (bytes) => new TextDecoder().decode(bytes)),
  discard: body.discard,
  settle: body.settle,
  keepTo: body.keepTo,
  cookies
})

/** Why the redirect may not be followed, or `undefined`. */
const policy = (from: URL, to: URL, options: WireOptions): Effect.Effect<string | undefined> =>
  Effect.map(AddressPolicy.check(from, to, { resolver: options.resolver }), (reason) => reason ?? options.allowRedirect?.(from, to))

const follow = (
  means: Exchange.Means,
  first: Exchange.Outgoing,
  { options, settingsOf }: Prepared,
  streamReplayable: boolean,
  restore: Exchange.Restore
): Effect.Effect<Reply, TransportError | RedirectRefused> => {
  const settings = settingsOf(first.method)
  const maxRedirects = options.maxRedirects ?? defaultMaxRedirects
  const visited: Array<string> = []

  const redirected = (
    request: Exchange.Outgoing,
    { body, status }: Exchange.Exchange,
    from: URL,
    location: string
  ): Effect.Effect<Reply, TransportError | RedirectRefused> =>
    Effect.gen(function* () {
      const hops = visited.push(`${request.method} ${from.href}`)
      yield* Effect.onError(restore(body.discard), (cause) => body.settle?.(Exit.failCause(cause)) ?? Effect.void)
      const to = Redirect.target(location, from)
      if (to === undefined) return yield* refused(request, location, "not a URL")
      const no = yield* restore(policy(from, to, options))
      if (no !== undefined) return yield* refused(request, to.href, no)
      if (hops > maxRedirects) return yield* refused(request, to.href, `more than ${maxRedirects} redirects`)
      const sharesCredentials = options.sharesCredentials?.(from, to) ?? false
      const following = Redirect.next(request, status, from, to, { location, replayable: streamReplayable, sharesCredentials })
      if (Either.isLeft(following)) return yield* refused(request, to.href, following.left)
      const { method } = following.right
      if (visited.includes(`${method} ${to.href}`)) return yield* refused(request, to.href, "it was there before: a loop")
      return yield* step(following.right, { ...settings, propagateTrace: false })
    })

  const step = (request: Exchange.Outgoing, settings: Exchange.Settings): Effect.Effect<Reply, TransportError | RedirectRefused> => {
    const from = means.targetOf(request.url)
    if (from === undefined) return Effect.fail(badUrl(request))
    return Effect.flatMap(Exchange.open(means, request, from, settings, restore), (exchange) => {
      const location = exchange.headers["location"]
      return Redirect.isRedirect(exchange.status, location)
        ? redirected(request, exchange, from.url(), location)
        : Effect.succeed(replyOf(exchange, request, from.origin))
    })
  }
  return step(first, settings)
}

/** A wire over the client. @internal */
export const make = (client: HttpClient.HttpClient, options: WireOptions = {}): Wire => {
  const means: Exchange.Means = { client, patrolOf: Watchdog.patrols(), targetOf: Origin.targets() }
  const prepared = prepare(options)
  const openWith = (prepared: Prepared, request: WireRequest, restore: Exchange.Restore) =>
    follow(means, outgoing(request, prepared), prepared, request.replayable ?? true, restore)
  const sendIn: Wire["sendIn"] = (scope, request, perRequest) =>
    Effect.uninterruptibleMask((restore) => {
      const reply = openWith(perRequest === undefined ? prepared : prepare({ ...options, ...perRequest }), request, restore)
      return Effect.tap(reply, (reply) => settleWith(scope, reply))
    })
  return {
    send: (request, perRequest) => Effect.flatMap(Effect.scope, (scope) => sendIn(scope, request, perRequest)),
    sendIn,
    open: (request, restore) => openWith(prepared, request, restore)
  }
}

/** Whatever is left of the reply ends with the scope. @internal */
export const settleWith = (scope: Scope.Scope, { settle }: Reply): Effect.Effect<void> =>
  settle === undefined ? Effect.void : Scope.addFinalizerExit(scope, settle)
