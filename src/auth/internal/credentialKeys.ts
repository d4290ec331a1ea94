/**
 * The keys under which credentials are kept, and which of them speak for a resource. People and tools write the same registry in many
 * ways: `host`, `https://host`, `https://host/v1/`, and podman adds paths, `host/team` or `host/team/app`.
 */
import * as Arr from "effect/Array"
import * as Order from "effect/Order"
import { bracketed } from "./hostname.ts"

/** The key docker itself keeps the credentials of Docker Hub under. */
export const hubKey = "https://index.docker.io/v1/"

const hubHosts: ReadonlySet<string> = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"])

/** One name for Docker Hub, lower case for every other host. */
export const canonicalHost = (host: string): string => {
  const lower = host.toLowerCase()
  return hubHosts.has(lower) ? "docker.io" : lower
}

interface ParsedKey {
  readonly key: string
  /** A host, or a pattern of one in which `*` stands for one label or a part of one. */
  readonly host: string
  /** The path below the host, empty when the key speaks for the whole registry. */
  readonly path: string
  /** Which spelling wins among those that mean the same; lower is better. */
  readonly rank: number
}

const rankOf = (key: string, scheme: string, host: string, path: string): number => {
  if (key === hubKey) return -1
  if (scheme === "") return key === host ? 0 : 4
  if (scheme === "http") return 5
  return path === "v1" ? 1 : path === "" ? 2 : 3
}

const parseKey = (key: string): ParsedKey | undefined => {
  const [, scheme = "", rest = ""] = /^(?:(https?):\/\/)?(.*)$/i.exec(key) ?? []
  const [authority = "", ...segments] = rest.split(/[?#]/, 1).join("").split("/")
  const written = authority.slice(authority.lastIndexOf("@") + 1)
  const host = scheme === "" ? written : bracketed(written)
  if (host === "" || host.endsWith(":")) return undefined
  const path = segments.filter((_) => _ !== "").join("/")
  return {
    key,
    host: canonicalHost(host),
    path: path === "v1" || path === "v2" ? "" : path,
    rank: rankOf(key, scheme.toLowerCase(), host, path)
  }
}

/**
 * Whether a host fits a pattern: `*` stands for one or more characters within one label, as Kubernetes reads the hosts of its credential
 * providers. It never spans a dot, so that `*.example.com` cannot be led to `a.b.example.com`.
 */
export const hostMatches = (pattern: string, host: string): boolean => {
  const wanted = canonicalHost(pattern)
  const given = canonicalHost(host)
  if (!wanted.includes("*")) return wanted === given
  const source = wanted
    .split("*")
    .map((_) => _.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^.:]+")
  return new RegExp(`^${source}$`).test(given)
}

/**
 * What credentials are asked for. `registry` is the name as references have it (`docker.io`, `ghcr.io`, `localhost:5000`), `repository`
 * the path in it (`library/ubuntu`) where one is known.
 */
export interface Resource {
  readonly registry: string
  readonly repository?: string | undefined
}

/** The key under which tools write the credentials for a resource. */
export const keyFor = (resource: Resource): string => {
  const host = canonicalHost(resource.registry)
  if (resource.repository !== undefined) return `${host}/${resource.repository}`
  return host === "docker.io" ? hubKey : host
}

/** A key that speaks for a resource; `path` is empty when it speaks for the whole registry. */
export interface KeyMatch {
  readonly key: string
  readonly path: string
}

const speaksFor = (path: string, repository: string | undefined): boolean =>
  path === "" || (repository !== undefined && (repository === path || repository.startsWith(`${path}/`)))

const mostSpecificFirst: Order.Order<ParsedKey> = Order.combineAll([
  Order.mapInput(Order.reverse(Order.number), (_: ParsedKey) => _.path.length),
  Order.mapInput(Order.boolean, (_: ParsedKey) => _.host.includes("*")),
  Order.mapInput(Order.reverse(Order.number), (_: ParsedKey) => _.host.length),
  Order.mapInput(Order.number, (_: ParsedKey) => _.rank),
  Order.mapInput(Order.string, (_: ParsedKey) => _.key)
])

/**
 * The keys that speak for a resource, most specific first: the repository, its parent paths, then the registry, each in a fixed order of
 * spellings. A key with a path never speaks for the host itself (docker lets it, in random order).
 */
export const matchKeys = (
  keys: Iterable<string>,
  resource: Resource,
  options?: { readonly wildcards?: boolean | undefined }
): ReadonlyArray<KeyMatch> =>
  Arr.fromIterable(keys)
    .flatMap((key) => {
      const parsed = parseKey(key)
      if (parsed === undefined || !speaksFor(parsed.path, resource.repository)) return []
      const fits =
        options?.wildcards === true ? hostMatches(parsed.host, resource.registry) : parsed.host === canonicalHost(resource.registry)
      return fits ? [parsed] : []
    })
    .sort(mostSpecificFirst)
    .map(({ key, path }) => ({ key, path }))

/**
 * The key in a table of helpers that names exactly this registry or repository. No parents and no URLs, but for docker's own of the hub;
 * among the names of the hub docker's comes first.
 */
export const helperKey = (keys: Iterable<string>, resource: Resource): string | undefined =>
  matchKeys(keys, resource).find((_) => _.path === (resource.repository ?? "") && (_.key === hubKey || !_.key.includes("://")))?.key
