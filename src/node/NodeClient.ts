/**
 * The platform's `HttpClient` for registries on Node: no redirects, no decompression and no time limits of its own, the URL byte for byte as
 * given, response headers beyond 16 KiB, bodies that stream both ways with back-pressure and little cost.
 *
 * Connections are those of Node's own HTTP, and undici's through proxies and for HTTP/2.
 *
 * Failures before the response are `RequestError`s, failures of a body `ResponseError`s with the reason `Decode`; `cause` is Node's or
 * undici's error. When the *source* of an upload fails the reason is `Encode` and `cause` is the source's error: the request is aborted, so
 * that the server never takes a part for the whole.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as AddressPolicy from "../http/internal/addressPolicy.ts"
import * as CodedError from "../http/internal/codedError.ts"
import type * as Dispatcher from "./Dispatcher.ts"
import * as ClientOver from "./internal/clientOver.ts"
import * as ConnectionLimits from "./internal/connectionLimits.ts"
import * as HttpPool from "./internal/httpPool.ts"
import * as Names from "./internal/nameResolver.ts"
import * as ProxyRules from "./internal/proxyRules.ts"
import * as ReadBuffer from "./internal/readBuffer.ts"
import * as Trust from "./internal/trust.ts"
import * as UndiciDispatch from "./internal/undiciDispatch.ts"

/** The options of `Dispatcher`. @since 0.1.0 */
export interface Options extends Dispatcher.Options {}

/**
 * A client whose connections are closed, with every request still under way, when the scope closes.
 *
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}): Effect.fn.Return<HttpClient.HttpClient, never, Scope.Scope> {
  const proxy = yield* ProxyRules.settings(options.proxy ?? "environment")
  const direct = yield* connections(options)
  if (options.http2 !== true && proxy.http === undefined && proxy.https === undefined) return ClientOver.make(direct)
  // Loaded only where it is wanted: it takes longer than all else that a short program does.
  const undici = yield* Effect.promise(() => import("./Dispatcher.ts"))
  const other = UndiciDispatch.make(yield* undici.make({ ...options, proxy }))
  const isOther = (origin: string) => options.http2 === true || Option.isSome(ProxyRules.proxyFor(new URL(origin), proxy))
  return ClientOver.make((outgoing, exchange) => (isOther(outgoing.origin) ? other : direct)(outgoing, exchange))
})

/**
 * The client. What is built on it follows redirects, `Location`s and realms to names of hosts only where their addresses allow it, and
 * connects to no others.
 *
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<HttpClient.HttpClient> =>
  Layer.unwrapEffect(
    Effect.map(Names.make(options.lookup), ({ guard, lookup, resolve, trust }) =>
      Layer.merge(
        Layer.scoped(HttpClient.HttpClient, make({ ...options, lookup })),
        Layer.succeed(AddressPolicy.NameResolver, { guard, resolve, trust })
      )
    )
  )

/** So many origins may be known at once before those without a connection are forgotten. */
const manyOrigins = 64

/** Connections of Node itself, until the scope closes. */
const connections = (options: Options): Effect.Effect<ClientOver.Dispatch, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => poolsByOrigin(options)),
    (pools) => Effect.sync(pools.destroy)
  ).pipe(Effect.map(({ dispatch }) => dispatch))

const poolsByOrigin = (options: Options) => {
  const settings = {
    connections: options.connections,
    limits: ConnectionLimits.make(options),
    lookup: options.lookup,
    reading: ReadBuffer.make()
  }
  const pools = new Map<string, { readonly pool: HttpPool.Pool; readonly trust: Dispatcher.TlsSettings | undefined }>()
  let closed = false
  const forgetEmpty = () => {
    for (const [origin, { pool }] of pools) if (pool.isEmpty()) pools.delete(origin)
  }
  const poolOf = (origin: string): HttpPool.Pool => {
    if (closed) throw HttpPool.clientClosed()
    const known = pools.get(origin)
    // More may have been found out about the host since. While connections are open, these tell how it is trusted.
    if (known !== undefined && (!known.pool.isEmpty() || known.trust === options.tls?.(origin))) return known.pool
    if (pools.size >= manyOrigins) forgetEmpty()
    const url = new URL(origin)
    if (!/^https?:$/.test(url.protocol)) throw CodedError.make("ERR_INVALID_PROTOCOL", `${url.protocol} is neither http nor https`)
    const trust = options.tls?.(origin)
    const tls = url.protocol === "https:" ? Trust.connectOptions(trust ?? {}) : {}
    const pool = HttpPool.make(url, { ...settings, tls })
    pools.set(origin, { pool, trust })
    return pool
  }
  const dispatch: ClientOver.Dispatch = (outgoing, exchange) => poolOf(outgoing.origin).dispatch(outgoing, exchange)
  const destroy = () => {
    closed = true
    for (const { pool } of pools.values()) pool.destroy()
  }
  return { dispatch, destroy }
}
