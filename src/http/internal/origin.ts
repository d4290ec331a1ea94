/**
 * Where a URL leads: its origin and the address its host stands for, compared with the default ports filled in and without regard to case.
 *
 * @internal
 */

/** The URL, or `undefined` when the text is none. @internal */
export const parse = (url: string, base?: string | URL): URL | undefined => {
  try {
    return new URL(url, base)
  } catch {
    return undefined
  }
}

const defaultPorts: Readonly<Record<string, string>> = { http: "80", https: "443" }

/** What has to be known of a URL to go there. @internal */
export interface Target {
  readonly origin: string
  readonly hostname: string
  readonly port: number
  readonly url: () => URL
}

/** Where an http or https URL leads; `undefined` for any other. @internal */
export const targetOf = (url: URL): Target | undefined => {
  const { hostname, origin, port, protocol } = url
  if (protocol !== "https:" && protocol !== "http:") return undefined
  return { origin, hostname, port: port === "" ? Number(defaultPorts[protocol.slice(0, -1)]) : Number(port), url: () => url }
}

const maxKnown = 100

/** Finds where absolute URLs lead. All requests go to a few hosts, so what is said of those need not be found out each time. @internal */
export const targets = (): ((url: string) => Target | undefined) => {
  const known = new Map<string, Target>()
  return (text) => {
    const end = text.indexOf("/", "https://".length)
    const origin = end === -1 ? text : text.slice(0, end)
    // An origin spelled as URLs print it, and then a path: nothing in it can change where it leads.
    const found = known.get(origin)
    if (found !== undefined && end !== -1) return { ...found, url: () => new URL(text) }
    const url = parse(text)
    const target = url === undefined ? undefined : targetOf(url)
    if (target?.origin === origin) {
      if (known.size === maxKnown) known.clear()
      known.set(origin, target)
    }
    return target
  }
}

/** The name or address to connect to; in a URL an IPv6 address stands in brackets. @internal */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, "$1")

/** Whether both URLs have the same scheme, host and effective port. @internal */
export const same = (a: URL, b: URL): boolean => a.protocol === b.protocol && a.host === b.host

/** Whether the URL leads to the origin, judged by its text alone: then nobody need parse it. The origin is one as URLs print it. @internal */
export const isPlainlyAt = (origin: string, url: string): boolean => url.startsWith(origin) && url[origin.length] === "/"

/** `same` for texts; one that is no URL leads nowhere. @internal */
export const sameText = (a: string, b: string): boolean => {
  if (a === b) return true
  const from = parse(a)
  const to = parse(b)
  return from !== undefined && to !== undefined && same(from, to)
}

/** Splits `host:port` and `[v6]:port`; what has no port is all host, and `undefined` is what could have several. */
const split = (address: string): { readonly host: string; readonly port: string } | undefined => {
  const colons = address.split(":").length - 1
  if (colons !== 1 && !address.includes("]:")) return { host: address.replace(/^\[([^[\]]*)\]$/, "$1"), port: "" }
  const [matched, bracketed, plain = "", port = ""] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(address) ?? []
  return matched === undefined ? undefined : { host: bracketed ?? plain, port }
}

/**
 * `host:port` in lower case, with the default port of the scheme and IPv6 in brackets; text whose host and port cannot be told apart is left so.
 *
 * @internal
 */
export const canonicalAddress = (address: string, scheme: "http" | "https"): string => {
  const lower = address.toLowerCase()
  const parts = split(lower)
  if (parts === undefined) return lower
  const port = parts.port === "" ? defaultPorts[scheme] : parts.port
  return `${parts.host.includes(":") ? `[${parts.host}]` : parts.host}:${port}`
}

/**
 * Whether credentials of `registry` may be sent to `host`: only to the very same address, whatever a `Host` header claims.
 *
 * @internal
 */
export const mayReceiveCredentials = (registry: string, host: string, scheme: "http" | "https"): boolean =>
  canonicalAddress(registry, scheme) === canonicalAddress(host, scheme)
