/**
 * The search of repositories by a term, as the container engine does it: `GET /v1/search`, the one part of the V1 protocol that Docker Hub still
 * speaks.
 *
 * ```ts
 * const { results } = yield* Search.search("nginx", { limit: 5 })
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Credentials from "../auth/Credentials.ts"
import { sanitizeUrl } from "../model/internal/sanitize.ts"
import type { TransportFailure } from "../transport/RegistryTransport.ts"
import * as DockerHub from "./DockerHub.ts"
import * as EngineConfig from "./EngineConfig.ts"
import * as NamedWire from "./internal/namedWire.ts"
import * as V2Endpoint from "./internal/v2Endpoint.ts"
import * as V1Endpoint from "./V1Endpoint.ts"
import * as V1Session from "./V1Session.ts"

/** What was given is a URL, where the name of a repository or a registry was expected. @since 0.1.0 */
export class InvalidRepositoryName extends Schema.TaggedError<InvalidRepositoryName>("effect-oci/InvalidRepositoryName")(
  "InvalidRepositoryName",
  { input: Schema.String }
) {
  override get message(): string {
    return `Invalid repository name (ex: "registry.domain.tld/myrepos")`
  }
}

/** Where is searched, and for what. @since 0.1.0 */
export interface Term {
  /** The index: Docker Hub's or another registry's name, as it was written. */
  readonly index: string
  readonly term: string
}

const split = (text: string): Term => {
  const slash = text.indexOf("/")
  const first = text.slice(0, Math.max(0, slash))
  return /[.:]/.test(first) || first === "localhost"
    ? { index: first, term: text.slice(slash + 1) }
    : { index: DockerHub.indexName, term: text }
}

/**
 * Reads what people search for: what stands before the first slash is an index when it looks like a host (it contains `.` or `:`, or is
 * `localhost`), and everything is a term for Docker Hub otherwise. A URL is refused.
 *
 * @since 0.1.0
 */
export const parse = (text: string): Either.Either<Term, InvalidRepositoryName> =>
  text.includes("://") ? Either.left(new InvalidRepositoryName({ input: sanitizeUrl(text) })) : Either.right(split(text))

/** The index that a term names, as one knows it without any `daemon.json` (balena-engine `ParseSearchIndexInfo`). @since 0.1.0 */
export const indexOf = (text: string): Effect.Effect<EngineConfig.IndexInfo, EngineConfig.InvalidEngineConfig> =>
  EngineConfig.indexInfo(EngineConfig.empty, split(text).index)

/**
 * - `limit`: of results, 1 to 100; 25 when absent
 * - `config`: which registries may be asked unverified, or by plain http
 * - `credentials`: a user and password, or an identity token for the registry's token service
 * - `userAgent`: put in front of the library's own
 * - `headers`: go with every request to the index
 * - `clientId`: how the library names itself to token services, default `effect-oci`
 *
 * @since 0.1.0
 */
export interface Options {
  readonly limit?: number | undefined
  readonly config?: EngineConfig.EngineConfig | undefined
  readonly credentials?: Credentials.Credentials | undefined
  readonly userAgent?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly clientId?: string | undefined
}

/** Why `search` fails. @since 0.1.0 */
export type SearchError =
  | InvalidRepositoryName
  | EngineConfig.InvalidEngineConfig
  | V1Endpoint.InvalidV1Endpoint
  | V1Endpoint.EndpointUnreachable
  | V1Session.SearchError
  | TransportFailure

/** What a token must allow (docker's scope for searches, as balena-engine asks for it). */
const searchScope = "registry:catalog:search"

/**
 * An identity token is exchanged for one that allows searches, at the token service of the registry that calls itself a v2 one beside the
 * index. Where there is none its owner is nobody: a user name with an empty password, as the engine sends it then, is never sent.
 */
const credentialsFor = Effect.fnUntraced(function* (endpoint: V1Endpoint.V1Endpoint, registry: string, options: Options) {
  const { clientId, credentials = Credentials.anonymous, userAgent } = options
  if (!Credentials.isIdentityToken(credentials)) return credentials
  const url = endpoint.url.replace(/\/v1\/$/, "")
  const pinged = V2Endpoint.ping({ registry, url, operation: "search", credentials, clientId, userAgent }, false)
  const v2 = Option.filter(yield* Effect.option(pinged), ({ confirmed }) => confirmed)
  const token = Option.isNone(v2) ? Option.none() : (yield* v2.value.authorize([searchScope])).token
  return Option.match(token, {
    onNone: () => credentials,
    onSome: ({ value }) => Credentials.registryToken(value)
  })
})

/**
 * Searches an index for repositories whose name or description has the term in it: `nginx` at Docker Hub, `quay.io/prometheus` at quay.io.
 * `library/` before a term is left out at Docker Hub, whose official images have no such name there.
 *
 * Needs an `HttpClient` that knows how each host is verified, as that of `NodeRegistry` with `EngineHosts`.
 *
 * @since 0.1.0
 */
export const search: (text: string, options?: Options) => Effect.Effect<V1Session.SearchResults, SearchError, HttpClient.HttpClient> =
  Effect.fn("Search.search")(function* (text: string, options: Options = {}) {
    const { index: name, term } = yield* parse(text)
    const index = yield* EngineConfig.indexInfo(options.config ?? EngineConfig.empty, name)
    const wire = { ...NamedWire.patience, userAgent: options.userAgent, headers: options.headers }
    const { endpoint, ping } = yield* V1Endpoint.connect(index, wire)
    const credentials = yield* credentialsFor(endpoint, index.name, options)
    const session = yield* V1Session.make({ ...wire, endpoint, ping, credentials })
    return yield* session.search(index.official ? term.replace(/^library\//, "") : term, { limit: options.limit })
  })
