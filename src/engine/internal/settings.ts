/**
 * The settings of `daemon.json` one by one: what each entry may be, and what the engine says of one that it may not be.
 *
 * @internal
 */
import * as Either from "effect/Either"
import * as DockerHub from "../DockerHub.ts"
import * as GoText from "./goText.ts"
import * as GoUrl from "./goUrl.ts"
import * as HostPort from "./hostPort.ts"
import * as IpNetwork from "./ipNetwork.ts"
import { maskText, maskUrl } from "./settingText.ts"

/** What is wrong with an entry: the entry as it may be shown, and the words of the engine. @internal */
export interface Problem {
  readonly value: string
  readonly reason: string
}

type Checked<A> = Either.Either<A, Problem>

const problem = (value: string, reason: (shown: string) => string): Checked<never> => {
  const shown = maskText(value)
  return Either.left({ value: shown, reason: reason(shown) })
}

/** `ValidateIndexName`. @internal */
export const indexName = (text: string): Checked<string> => {
  if (text.startsWith("-") || text.endsWith("-")) {
    return problem(text, (shown) => `invalid index name (${shown}). Cannot begin or end with a hyphen`)
  }
  return Either.right(text === DockerHub.indexHostname ? DockerHub.indexName : text)
}

/** `ValidateMirror`. @internal */
export const mirror = (text: string): Checked<string> => {
  const url = GoUrl.parse(text)
  if (url === undefined) return problem(text, (shown) => `invalid mirror: ${GoText.quote(shown)} is not a valid URI`)
  const value = GoUrl.print(maskUrl(url))
  const refused = (reason: string): Checked<never> => Either.left({ value, reason: `invalid mirror: ${reason} ${GoText.quote(value)}` })
  if (url.scheme !== "http" && url.scheme !== "https") return refused(`unsupported scheme ${GoText.quote(url.scheme)} in`)
  const ends = (url.path === "" || url.path === "/") && (url.query ?? "") === "" && url.fragment === ""
  if (!ends) return refused("path, query, or fragment at end of the URI")
  // Without slashes Go finds no user in it, and a password would stay in the configuration.
  if (url.user !== undefined || url.opaque.includes("@")) return refused("username/password not allowed in URI")
  return Either.right(`${text.replace(/\/$/, "")}/`)
}

const unique = (texts: ReadonlyArray<string>): ReadonlyArray<string> => Array.from(new Set(texts))

/** `LoadMirrors`: without repetitions, the order kept. @internal */
export const mirrors = (texts: ReadonlyArray<string>): Checked<ReadonlyArray<string>> => Either.map(Either.all(texts.map(mirror)), unique)

/** @internal */
export interface Entries {
  readonly cidrs: ReadonlyArray<string>
  readonly hosts: ReadonlyArray<string>
}

interface Entry {
  readonly cidr?: string
  readonly host?: string
}

const entry = (list: string, text: string): Checked<Entry> => {
  const network = IpNetwork.parseNetwork(text)
  if (network !== undefined) return Either.right({ cidr: IpNetwork.printNetwork(network) })
  const reason = HostPort.problemOf(text)
  return reason === undefined ? Either.right({ host: text }) : problem(text, (shown) => `${list} registry ${shown} is not valid: ${reason}`)
}

const collect = (entries: ReadonlyArray<Entry>): Entries => ({
  cidrs: unique(entries.flatMap(({ cidr }) => cidr ?? [])),
  hosts: unique(entries.flatMap(({ host }) => host ?? []))
})

const schemed = (list: string, text: string): Checked<never> =>
  problem(text, (shown) => `${list} registry ${shown} should not contain '://'`)

/** `LoadAllowNondistributableArtifacts`. @internal */
export const nondistributable = (texts: ReadonlyArray<string>): Checked<Entries> => {
  const list = "allow-nondistributable-artifacts"
  const read = (text: string) => Either.flatMap(indexName(text), () => (text.includes("://") ? schemed(list, text) : entry(list, text)))
  return Either.map(Either.all(texts.map(read)), collect)
}

/** What is insecure without being listed. */
const loopback = "127.0.0.0/8"

/** `LoadInsecureRegistries`: a scheme is left out, this machine is always in, Docker Hub never. @internal */
export const insecure = (texts: ReadonlyArray<string>): Checked<Entries> => {
  const list = "insecure"
  const read = (text: string) =>
    Either.flatMap(indexName(text), () => {
      const bare = text.replace(/^https?:\/\//i, "")
      return bare === text && text.includes("://") ? schemed(list, text) : entry(list, bare)
    })
  return Either.map(Either.all([...texts, loopback].map(read)), (entries) => {
    const { cidrs, hosts } = collect(entries)
    return { cidrs, hosts: hosts.filter((host) => host !== DockerHub.indexName) }
  })
}
