const label = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
const dnsName = new RegExp(`^${label}(?:\\.${label})*$`)
const bracketed = /^\[[0-9a-f:.]+\]$/
const digits = /^[1-9][0-9]{0,4}$/

/** Docker Hub is one registry with three names; the first is the one users know. */
const dockerHub: ReadonlySet<string> = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"])

/**
 * Whether the first part of a name is a registry and not a namespace. Only lower case is allowed in a repository, so a part with an
 * upper-case letter is a registry too (docker's `splitDockerDomain`).
 *
 * @internal
 */
export const isRegistry = (part: string): boolean => /[.:]/.test(part) || part === "localhost" || part !== part.toLowerCase()

const splitPort = (name: string): readonly [host: string, port: string | undefined] => {
  const colon = name.lastIndexOf(":")
  return colon === -1 || name.endsWith("]") ? [name, undefined] : [name.slice(0, colon), name.slice(colon + 1)]
}

/** The host as a URL would have it, if it is one: what is printed is what will be connected to. */
const canonicalHost = (host: string): string | undefined => {
  if (!dnsName.test(host) && !bracketed.test(host)) return undefined
  if (!URL.canParse(`http://${host}`)) return undefined
  const { hostname } = new URL(`http://${host}`)
  return hostname === host || host.startsWith("[") ? hostname : undefined
}

/**
 * The one spelling of a registry, or none when the text is not `host[:port]` with a DNS name, an IPv4 address or an IPv6 address in
 * brackets. Hosts are case-insensitive and come out in lower case, except one without dot and port: only its capitals tell it from a namespace.
 *
 * @internal
 */
export const normalizeRegistry = (name: string): string | undefined => {
  const lower = name.toLowerCase()
  const [host, port] = splitPort(lower)
  if (port !== undefined && (!digits.test(port) || Number(port) > 65535)) return undefined
  const canonical = canonicalHost(host)
  if (canonical === undefined || !isRegistry(name)) return undefined
  if (!isRegistry(lower)) return name
  const registry = port === undefined ? canonical : `${canonical}:${port}`
  return dockerHub.has(registry) ? "docker.io" : registry
}

const privateNetworks = /^(?:10\.\d+|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.\d+\.\d+$/
const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/

/**
 * The rule of go-containerregistry (`Registry.Scheme`): private IPv4 networks, `localhost:port`, `*.localhost`, 127.0.0.1 and `[::1]`.
 * A bare `localhost` is not among them.
 *
 * @internal
 */
export const isLocal = (registry: string): boolean => {
  const [host, port] = splitPort(registry)
  if (host === "localhost") return port !== undefined
  if (host.endsWith(".localhost") || host === "127.0.0.1" || host === "[::1]") return true
  return ipv4.test(host) && privateNetworks.test(host)
}
