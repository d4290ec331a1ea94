/**
 * undici's connection pools for registries: one per origin, with the trust settings of that origin, directly or through the proxy the
 * environment names.
 *
 * @since 0.1.0
 */
import type * as Net from "node:net"
import * as Undici from "@effect/platform-node/Undici"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as RegistryHosts from "../transport/RegistryHosts.ts"
import * as ConnectionLimits from "./internal/connectionLimits.ts"
import * as ProxyConnections from "./internal/proxyConnections.ts"
import * as ProxyRules from "./internal/proxyRules.ts"
import * as Trust from "./internal/trust.ts"

/**
 * The dispatcher requests go through. Any undici dispatcher will do.
 *
 * @since 0.1.0
 */
export class Dispatcher extends Context.Tag("effect-oci/Dispatcher")<Dispatcher, Undici.Dispatcher>() {}

/**
 * Trust towards one origin; `serverName` is the name asked for in the TLS handshake and looked for in the certificate, the host otherwise.
 *
 * @since 0.1.0
 */
export interface TlsSettings extends RegistryHosts.TlsSettings {
  readonly serverName?: string | undefined
}

/**
 * Proxies by the scheme of the request, as URLs that may hold a user and a password. `noProxy` is a list like the environment variable's:
 * `example.com` (and names below it), `.example.com` (only those), `10.0.0.0/8`, `host:port`, `*`.
 *
 * @since 0.1.0
 */
export interface ProxySettings {
  readonly http?: Redacted.Redacted | undefined
  readonly https?: Redacted.Redacted | undefined
  readonly noProxy?: string | undefined
}

/**
 * - `tls`: trust settings by origin (`https://registry.example.com:5000`), asked when the first connection of several is made
 * - `proxy`: `environment` (default) takes `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, or their lower-case forms, from the `ConfigProvider`;
 *   `none` never uses a proxy
 * - `lookup`: how connections find the addresses of a name, the system's name service by default; a proxy looks names up by itself
 * - `connections`: sockets per origin, without limit by default; requests beyond it wait
 * - `connectTimeout`: for the TCP and TLS handshakes, 30 seconds by default; `0` and infinite are without limit
 * - `keepAlive`: how long an unused connection is kept, 30 seconds by default; a server's `Keep-Alive` header may make it shorter;
 *   with `0` it closes at once
 * - `maxHeaderBytes`: the limit of all response headers together, 256 KiB by default
 * - `http2`: whether HTTP/2 is offered to the server, false by default. undici (7.30) leaves the stream of a body that is not read to its end
 *   open at the server, which takes no more requests after as many of them as it allows streams at once
 *
 * @since 0.1.0
 */
export interface Options {
  readonly tls?: ((origin: string) => TlsSettings) | undefined
  readonly proxy?: "environment" | "none" | ProxySettings | undefined
  readonly lookup?: Net.LookupFunction | undefined
  readonly connections?: number | undefined
  readonly connectTimeout?: Duration.DurationInput | undefined
  readonly keepAlive?: Duration.DurationInput | undefined
  readonly maxHeaderBytes?: number | undefined
  readonly http2?: boolean | undefined
}

/**
 * Pools that are destroyed, with every request still under way, when the scope closes.
 *
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}): Effect.fn.Return<Undici.Dispatcher, never, Scope.Scope> {
  const proxy = yield* ProxyRules.settings(options.proxy ?? "environment")
  const connecting: ProxyConnections.Connecting = new Set()
  return yield* Effect.acquireRelease(
    Effect.sync(() => new Undici.Agent({ factory: (origin) => connectionsTo(new URL(origin), options, proxy, connecting) })),
    (agent) =>
      Effect.promise(() => {
        for (const connection of connecting) connection.destroy()
        return agent.destroy()
      })
  )
})

/** @since 0.1.0 */
export const layer = (options: Options = {}): Layer.Layer<Dispatcher> => Layer.scoped(Dispatcher, make(options))

const connectionsTo = (
  origin: URL,
  options: Options,
  proxies: ProxySettings,
  connecting: ProxyConnections.Connecting
): Undici.Dispatcher => {
  const { connectTimeoutMillis, keepAliveMillis, maxHeaderBytes } = ConnectionLimits.make(options)
  const connections = ConnectionLimits.connections(options.connections)
  const connect = {
    timeout: connectTimeoutMillis,
    allowH2: options.http2 ?? false,
    ...(options.lookup === undefined ? undefined : { lookup: options.lookup }),
    ...(origin.protocol === "https:" ? Trust.connectOptions(options.tls?.(origin.origin) ?? {}) : undefined)
  }
  const pool = {
    connections: Number.isFinite(connections) ? connections : null,
    keepAliveTimeout: keepAliveMillis,
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: 0,
    bodyTimeout: 0,
    allowH2: options.http2 ?? false
  }
  return Option.match(ProxyRules.proxyFor(origin, proxies), {
    onNone: () => new Undici.Pool(origin, { ...pool, connect }),
    onSome: (proxy) => ProxyConnections.make({ proxy, connecting, origin, connectTimeoutMillis, pool, connect })
  })
}
