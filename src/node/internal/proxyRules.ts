/** Which proxy a request takes: the rules of Go's `golang.org/x/net/http/httpproxy`, which container tools share. */
import * as Net from "node:net"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Origin from "../../http/internal/origin.ts"

export interface Proxies {
  readonly http?: Redacted.Redacted | undefined
  readonly https?: Redacted.Redacted | undefined
  readonly noProxy?: string | undefined
}

/** A variable that is set to nothing counts as not set. */
const variable = (name: string): Effect.Effect<Redacted.Redacted | undefined> =>
  Config.redacted(Config.nonEmptyString(name)).pipe(
    Config.orElse(() => Config.redacted(Config.nonEmptyString(name.toLowerCase()))),
    Effect.orElseSucceed(() => undefined)
  )

/** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, else their lower-case forms. */
export const fromEnvironment: Effect.Effect<Proxies> = Effect.map(
  Effect.all([variable("HTTP_PROXY"), variable("HTTPS_PROXY"), variable("NO_PROXY")]),
  ([http, https, noProxy]) => ({ http, https, noProxy: noProxy === undefined ? undefined : Redacted.value(noProxy) })
)

/** The proxies that are meant. */
export const settings = (proxy: "environment" | "none" | Proxies): Effect.Effect<Proxies> => {
  if (proxy === "environment") return fromEnvironment
  return Effect.succeed(proxy === "none" ? {} : proxy)
}

/** The URL of the proxy for an origin; `none` connects directly, as always to this machine itself. */
export const proxyFor = (origin: URL, proxies: Proxies): Option.Option<Redacted.Redacted> => {
  const proxy = origin.protocol === "https:" ? proxies.https : proxies.http
  if (proxy === undefined || isExempt(origin, proxies.noProxy ?? "")) return Option.none()
  const url = Redacted.value(proxy)
  return Option.some(/^[a-z][a-z0-9]*:\/\//i.test(url) ? proxy : Redacted.make(`http://${url}`))
}

const isExempt = (origin: URL, noProxy: string): boolean => {
  const host = bare(origin.hostname)
  if (host === "localhost" || isLoopback(host)) return true
  const port = origin.port === "" ? (origin.protocol === "https:" ? "443" : "80") : origin.port
  return noProxy
    .toLowerCase()
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .some((entry) => covers(entry, host, port))
}

const covers = (entry: string, host: string, port: string): boolean => {
  if (entry === "*") return true
  if (entry.includes("/")) return inNetwork(host, entry)
  const { name, port: only } = splitPort(entry)
  if (only !== undefined && only !== port) return false
  if (Net.isIP(name) !== 0) return host === name
  const suffix = name.replace(/^\*(?=\.)/, "")
  return suffix.startsWith(".") ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`)
}

const splitPort = (entry: string): { readonly name: string; readonly port: string | undefined } => {
  if (Net.isIPv6(entry)) return { name: inUrls(entry), port: undefined }
  const match = /^(.*):(\d+)$/.exec(entry)
  return { name: inUrls(bare(match?.[1] ?? entry)), port: match?.[2] }
}

/** An address or a name as the host of a URL is written: the shortest form, and letters beyond ASCII encoded. */
const inUrls = (name: string): string => {
  const [, dots = "", host = ""] = /^(\*?\.)?(.*)$/s.exec(name) ?? []
  const url = Origin.parse(`http://${Net.isIPv6(host) ? `[${host}]` : host}`)
  return url === undefined ? name : dots + bare(url.hostname)
}

const bare = (host: string): string =>
  host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")

const family = (address: string) => (Net.isIPv6(address) ? "ipv6" : "ipv4")

const inNetwork = (host: string, network: string): boolean => {
  const [address = "", prefix = ""] = network.split("/")
  if (Net.isIP(host) === 0 || Net.isIP(address) === 0 || !/^\d{1,3}$/.test(prefix)) return false
  if (Number(prefix) > (Net.isIPv6(address) ? 128 : 32)) return false
  const list = new Net.BlockList()
  list.addSubnet(address, Number(prefix), family(address))
  return list.check(host, family(host))
}

const loopback = new Net.BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

const isLoopback = (host: string): boolean => Net.isIP(host) !== 0 && loopback.check(host, family(host))
