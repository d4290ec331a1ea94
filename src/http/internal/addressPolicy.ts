/**
 * Which hosts a server may send us to. A registry on the internet must not be able to make this process talk to its own machine, its
 * private network or a cloud's metadata service (CVE-2020-15157 and its descendants); a registry inside such a network may name its
 * neighbours.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Origin from "./origin.ts"

/** What is special about an address; `undefined` for an address of the internet and for a name. @internal */
export type Reach = "loopback" | "private" | "link-local" | "unspecified" | "multicast" | "reserved"

/** Turns a host name into addresses. An empty list means that it could not be told. @internal */
export type Resolve = (host: string) => Effect.Effect<ReadonlyArray<string>>

/**
 * Holds connections to `host` to what a server at `from` may name, since names are looked up again when connections are made; why that cannot
 * be promised, otherwise.
 *
 * @internal
 */
export type Guard = (host: string, from: string) => string | undefined

/** @internal */
export interface Resolver {
  readonly resolve: Resolve | undefined
  readonly guard?: Guard | undefined
  /** Told of a host that the user named: that may be anywhere, whoever else names it. */
  readonly trust?: ((host: string) => void) | undefined
}

/** How names are looked up for the policy; unset, only IP literals and `localhost` are judged. @internal */
export class NameResolver extends Context.Reference<NameResolver>()("effect-oci/NameResolver", {
  defaultValue: (): Resolver => ({ resolve: undefined })
}) {}

/** @internal */
export interface CheckOptions {
  /** Asks about the schemes only. */
  readonly allowInternal?: boolean | undefined
  /** Instead of the one in the context. */
  readonly resolver?: Context.Tag.Service<NameResolver> | undefined
}

/** IPv4 blocks by prefix length, RFC 6890 and its updates. */
const blocks4: ReadonlyArray<readonly [prefix: string, length: number, reach: Reach]> = [
  ["0.0.0.0", 8, "unspecified"],
  ["10.0.0.0", 8, "private"],
  ["100.64.0.0", 10, "private"],
  ["127.0.0.0", 8, "loopback"],
  ["169.254.0.0", 16, "link-local"],
  ["172.16.0.0", 12, "private"],
  ["192.0.0.0", 24, "reserved"],
  ["192.168.0.0", 16, "private"],
  ["198.18.0.0", 15, "private"],
  ["224.0.0.0", 4, "multicast"],
  ["240.0.0.0", 4, "reserved"]
]

const number4 = (text: string): number | undefined => {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number)
  return octets?.every((octet) => octet < 256) ? octets.reduce((sum, octet) => sum * 256 + octet, 0) : undefined
}

const reach4 = (address: number): Reach | undefined =>
  blocks4.find(([prefix, length]) => {
    const size = 2 ** (32 - length)
    return Math.floor(address / size) === Math.floor((number4(prefix) ?? 0) / size)
  })?.[2]

/** The eight groups of an IPv6 address without brackets and zone, `undefined` when it is none. */
const groups6 = (text: string): ReadonlyArray<number> | undefined => {
  const href = Origin.parse(`http://[${text}]/`)?.hostname
  if (href === undefined) return undefined
  const [head = "", tail] = href.slice(1, -1).split("::")
  const numbers = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)))
  const before = numbers(head)
  const after = tail === undefined ? [] : numbers(tail)
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
}

const reach6 = (groups: ReadonlyArray<number>): Reach | undefined => {
  const [a = 0, b = 0, c = 0] = groups
  const [g = 0, h = 0] = groups.slice(6)
  const low = g * 65536 + h
  const leading = (count: number) => groups.slice(0, count).every((group) => group === 0)
  if (leading(7) && h === 0) return "unspecified"
  if (leading(7) && h === 1) return "loopback"
  // IPv4 in IPv6 clothes: compatible, mapped, translated (NAT64) and 6to4 addresses reach the IPv4 host.
  if (leading(6) || (leading(5) && groups[5] === 0xffff)) return reach4(low)
  if (a === 0x64 && b === 0xff9b) return reach4(low)
  if (a === 0x2002) return reach4(b * 65536 + c)
  if ((a & 0xfe00) === 0xfc00 || (a & 0xffc0) === 0xfec0) return "private"
  if ((a & 0xffc0) === 0xfe80) return "link-local"
  return (a & 0xff00) === 0xff00 ? "multicast" : undefined
}

/**
 * The reach of a host as it stands in a URL or an address list: an IP literal (with or without brackets) or `localhost`.
 *
 * @internal
 */
export const reachOf = (host: string): Reach | undefined => {
  const bare = host
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase()
  if (bare === "localhost" || bare.endsWith(".localhost")) return "loopback"
  const four = number4(bare)
  if (four !== undefined) return reach4(four)
  if (!bare.includes(":")) return undefined
  const groups = groups6(bare.replace(/%.*$/, ""))
  return groups === undefined ? undefined : reach6(groups)
}

/** The neighbours a registry of each reach may name. Metadata services live at link-local addresses, so these are nobody's neighbour. */
const neighbours: Readonly<Record<Reach, ReadonlyArray<Reach>>> = {
  loopback: ["loopback", "private"],
  private: ["private"],
  "link-local": ["link-local"],
  unspecified: ["loopback", "private"],
  multicast: [],
  reserved: []
}

const mayReach = (from: Reach | undefined, to: Reach): boolean => from !== undefined && neighbours[from].includes(to)

const schemeRefusal = (from: URL, to: URL): string | undefined => {
  if (to.protocol !== "https:" && to.protocol !== "http:") return `scheme ${to.protocol.slice(0, -1)} is not http or https`
  return from.protocol === "https:" && to.protocol === "http:" ? "from https to http" : undefined
}

/**
 * Why a server at `from` may not send us to `to`, judged by what the URLs say; `undefined` when it may. Another port of the same host is
 * always allowed.
 *
 * @internal
 */
export const refusal = (from: URL, to: URL): string | undefined => {
  const reason = schemeRefusal(from, to)
  if (reason !== undefined || from.hostname === to.hostname) return reason
  const reach = reachOf(to.hostname)
  return reach === undefined || mayReach(reachOf(from.hostname), reach) ? undefined : `${to.hostname} is a ${reach} address`
}

/**
 * What is special about the first of the addresses to which a host at `sources` may not send us.
 *
 * @internal
 */
export const forbidden = (targets: ReadonlyArray<string>, sources: ReadonlyArray<string>): Reach | undefined => {
  const from = sources.map(reachOf)
  return targets.map(reachOf).find((target) => target !== undefined && !from.some((source) => mayReach(source, target)))
}

/** The addresses of a host, as far as they are needed: what is told by its text is not looked up. */
const addressesOf = (resolve: Resolve | undefined, host: string): Effect.Effect<ReadonlyArray<string>> =>
  resolve === undefined || reachOf(host) !== undefined ? Effect.succeed([host]) : resolve(host)

/**
 * Like `refusal`, and looks names up when there is a `NameResolver`. A name that cannot be looked up may pass: a proxy may know it. When it is
 * connected to directly, the guard has the last word.
 *
 * @internal
 */
export const check = (from: URL, to: URL, options: CheckOptions): Effect.Effect<string | undefined> => {
  const reason = schemeRefusal(from, to)
  if (reason !== undefined || options.allowInternal === true || from.hostname === to.hostname) return Effect.succeed(reason)
  const resolver = options.resolver === undefined ? NameResolver : Effect.succeed(options.resolver)
  return Effect.flatMap(resolver, ({ guard, resolve }) =>
    Effect.flatMap(addressesOf(resolve, to.hostname), (targets) => {
      const known = forbidden(targets, []) === undefined ? Effect.succeed([]) : addressesOf(resolve, from.hostname)
      return Effect.map(known, (sources) => {
        const reach = forbidden(targets, sources)
        return reach === undefined ? guard?.(to.hostname, from.hostname) : `${to.hostname} is a ${reach} address`
      })
    })
  )
}

const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/\\?#]+(?:[/?#]|$)/i

// URL parsers leave some of them out, so that the URL looks like another.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const control = /[\u0000-\u001f\u007f]/

/**
 * Why a URL that a manifest names for a foreign layer may not be fetched: https only (http when the registry itself is plain http), and
 * never an internal address.
 *
 * @internal
 */
export const foreignRefusal = (url: string, plainHttp: boolean): string | undefined => {
  const to = absolute.test(url) && !control.test(url) ? Origin.parse(url) : undefined
  if (to === undefined) return "not an absolute URL"
  if (to.protocol !== "https:" && !(plainHttp && to.protocol === "http:")) return `scheme ${to.protocol.slice(0, -1)} is not allowed`
  const reach = reachOf(to.hostname)
  return reach === undefined ? undefined : `${to.hostname} is a ${reach} address`
}
