/** Connections through a proxy, made by hand: undici's own agent tries again for ever when a proxy hangs up on `CONNECT`. */
import * as Http from "node:http"
import * as Https from "node:https"
import type * as Net from "node:net"
import * as Undici from "@effect/platform-node/Undici"
import * as Redacted from "effect/Redacted"
import * as CodedError from "../../http/internal/codedError.ts"
import * as Origin from "../../http/internal/origin.ts"

/** Connections being made, which undici's pools cannot end. */
export type Connecting = Set<{ destroy(): void }>

export interface Settings {
  readonly proxy: Redacted.Redacted
  readonly connecting: Connecting
  readonly origin: URL
  readonly connectTimeoutMillis: number
  readonly pool: Undici.Pool.Options
  readonly connect: Undici.buildConnector.BuildOptions
}

/** The proxy did not make the tunnel. */
const failed = (message: string): Error => CodedError.make("ERR_PROXY_TUNNEL", message)

/** It says that it is the request that is wrong (RFC 9110, 15.5), as for want of a password: asked again it says the same. */
const refused = (target: string, status: number): Error => {
  const message = `the proxy answered CONNECT ${target} with status ${status}`
  const lasts = status >= 400 && status < 500 && status !== 408 && status !== 429
  return lasts ? CodedError.make("ERR_PROXY_REFUSED", message) : failed(message)
}

/**
 * Tunnels for https. Plain http asks the proxy for the absolute URL instead: few proxies allow tunnels to port 80. Throws, as undici expects
 * it, when the proxy is none that can be used.
 */
export const make = (settings: Settings): Undici.Dispatcher => {
  const proxy = proxyUrl(settings)
  return settings.origin.protocol === "https:" ? tunnels(settings, proxy) : forwarded(settings, proxy)
}

/** What is wrong is told without the text, which may hold a password. */
const proxyUrl = ({ origin, proxy }: Settings): URL => {
  const url = Origin.parse(Redacted.value(proxy))
  if (url === undefined) throw unusable(`the proxy for ${origin.host} is not a URL`)
  if (!isEncoded(url.username) || !isEncoded(url.password)) {
    throw unusable(`the user or the password of the proxy for ${origin.host} has a % that is not %25`)
  }
  if (url.protocol === "http:" || url.protocol === "https:") return url
  throw unusable(`the proxy for ${origin.host} is reached by ${url.protocol.slice(0, -1)}, which is not supported: http and https are`)
}

const isEncoded = (text: string): boolean => !/%(?![0-9a-f]{2})/i.test(text)

const unusable = (message: string): Error => CodedError.make("ERR_INVALID_PROXY", message)

const tunnels = ({ connect, connecting, connectTimeoutMillis, origin, pool }: Settings, proxy: URL): Undici.Dispatcher => {
  const handshake = Undici.buildConnector(connect)
  const target = `${origin.hostname}:${origin.port === "" ? 443 : origin.port}`
  return new Undici.Pool(origin, {
    ...pool,
    connect: (options, callback) => {
      const asked = openTunnel(proxy, target, connectTimeoutMillis, (error, socket) => {
        connecting.delete(asked)
        if (socket === undefined) return callback(error, null)
        connecting.add(socket)
        handshake({ ...options, httpSocket: socket }, (...result) => {
          connecting.delete(socket)
          callback(...result)
        })
      })
      connecting.add(asked)
    }
  })
}

type Opened = (...result: [error: Error, socket: undefined] | [error: undefined, socket: Net.Socket]) => void

const openTunnel = (proxy: URL, target: string, timeoutMillis: number, opened: Opened): Http.ClientRequest => {
  const { request } = proxy.protocol === "https:" ? Https : Http
  const asked = request({
    method: "CONNECT",
    host: Origin.hostOf(proxy),
    port: proxy.port === "" ? (proxy.protocol === "https:" ? 443 : 80) : proxy.port,
    path: target,
    headers: { host: target, ...authorization(proxy) },
    agent: false,
    timeout: timeoutMillis
  })
  asked.once("timeout", () => asked.destroy(failed("the proxy did not answer in time")))
  asked.once("error", (error) => opened(error, undefined))
  asked.once("connect", (answer, socket, head) => {
    socket.setTimeout(0)
    const { statusCode = 0 } = answer
    if (statusCode >= 200 && statusCode < 300) {
      if (head.byteLength > 0) socket.unshift(head)
      return opened(undefined, socket)
    }
    socket.destroy()
    opened(refused(target, statusCode), undefined)
  })
  asked.end()
  return asked
}

const forwarded = ({ connect, origin, pool }: Settings, proxy: URL): Undici.Dispatcher =>
  new Undici.Pool(proxy.origin, { ...pool, connect }).compose(
    (dispatch) => (options, handler) =>
      dispatch(
        {
          ...options,
          path: `${origin.origin}${options.path}`,
          // The headers of our client: a record with lower-case names.
          headers: { host: origin.host, ...Object(options.headers), ...authorization(proxy) }
        },
        handler
      )
  )

const authorization = (proxy: URL): Readonly<Record<string, string>> => {
  if (proxy.username === "" && proxy.password === "") return {}
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  return { "proxy-authorization": `Basic ${Buffer.from(user).toString("base64")}` }
}
