/**
 * A conversation with an index and registries that speak the first Docker Registry API, `/v1/` (balena-engine v18, `registry.Session`): search,
 * and pull and push of images that are named by ids, with their layers one by one.
 *
 * ```ts
 * const { endpoint, ping } = yield* V1Endpoint.connect({ name: "docker.io", official: true, secure: true })
 * const session = yield* V1Session.make({ endpoint, ping })
 * const { results } = yield* session.search("nginx", { limit: 5 })
 * ```
 *
 * A session keeps the cookies and the token that it was given. Nothing is tried again but what `imageLayer` says.
 *
 * Unlike the engine's, it tells the password to its endpoint alone, takes no cookie or password along to another origin (to another of Docker's
 * own hosts the password, over https), repeats a redirected request as it was, and sends the archive of a layer as it is.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Stream from "effect/Stream"
import * as Credentials from "../auth/Credentials.ts"
import type * as Reference from "../model/Reference.ts"
import type { LimitExceeded, MalformedContent } from "../model/RegistryError.ts"
import type { ImageNotFound, InvalidSearchLimit, LoginRefused, NoRegistryNamed, RepositoryNotFound } from "./internal/v1Errors.ts"
import type { Refused, Unanswered } from "./internal/v1Exchange.ts"
import * as Exchange from "./internal/v1Exchange.ts"
import type { ImageError, ImageJson, PutImageError } from "./internal/v1Images.ts"
import * as Images from "./internal/v1Images.ts"
import * as Index from "./internal/v1Index.ts"
import type { Checksums } from "./internal/v1Layer.ts"
import * as internal from "./internal/v1Login.ts"
import type { ImageData, SearchResults } from "./internal/v1Results.ts"
import type { TagError } from "./internal/v1Tags.ts"
import * as Tags from "./internal/v1Tags.ts"
import * as V1Wire from "./internal/v1Wire.ts"
import type * as TarSum from "./TarSum.ts"
import * as V1Endpoint from "./V1Endpoint.ts"

export * from "./internal/v1Errors.ts"
export type {
  /** @since 0.1.0 */
  Refused,
  /** @since 0.1.0 */
  Unanswered
} from "./internal/v1Exchange.ts"
export type {
  /** @since 0.1.0 */
  ImageError,
  /** @since 0.1.0 */
  ImageJson,
  /** @since 0.1.0 */
  PutImageError
} from "./internal/v1Images.ts"
export {
  /** @since 0.1.0 */
  RepositoryData
} from "./internal/v1Index.ts"
export type {
  /** @since 0.1.0 */
  Checksums
} from "./internal/v1Layer.ts"
export {
  /** @since 0.1.0 */
  ImageData,
  /** @since 0.1.0 */
  SearchResult,
  /** @since 0.1.0 */
  SearchResults
} from "./internal/v1Results.ts"
export type {
  /** @since 0.1.0 */
  TagError
} from "./internal/v1Tags.ts"

/** Why `search` fails. @since 0.1.0 */
export type SearchError = Unanswered | Refused | MalformedContent | LimitExceeded | InvalidSearchLimit

/** Why `repositoryData` fails. @since 0.1.0 */
export type RepositoryDataError = Unanswered | Refused | MalformedContent | LimitExceeded | RepositoryNotFound

/** Why `putImageIndex` fails. @since 0.1.0 */
export type PutImageIndexError = Unanswered | Refused | NoRegistryNamed

/**
 * A repository is asked for by its name alone: what counts is the endpoint of the session, and not the registry of the reference.
 *
 * @since 0.1.0
 */
export interface Session {
  /** 64 random hexadecimal digits. */
  readonly id: string
  /** The index. */
  readonly endpoint: V1Endpoint.V1Endpoint
  /** Repositories whose name or description has a term in it; `limit` is 1 to 100, 25 when it is not said. */
  readonly search: (term: string, options?: { readonly limit?: number | undefined }) => Effect.Effect<SearchResults, SearchError>
  /** The images of a repository, and the registries that have them: the index itself where it names none. Asks for a token for them. */
  readonly repositoryData: (repository: Reference.Repository) => Effect.Effect<Index.RepositoryData, RepositoryDataError>
  /** Announces the images that are going to be pushed; gives the registries to push them to. Asks for a token for them. */
  readonly putImageIndex: (
    repository: Reference.Repository,
    images: ReadonlyArray<ImageData>
  ) => Effect.Effect<ReadonlyArray<V1Endpoint.V1Endpoint>, PutImageIndexError>
  /** Ends a push: tells the index the checksums of the images that have one, and the registries that they are at. */
  readonly confirmImageIndex: (
    repository: Reference.Repository,
    images: ReadonlyArray<ImageData>,
    registries: ReadonlyArray<V1Endpoint.V1Endpoint>
  ) => Effect.Effect<void, Unanswered | Refused>
  /** The id of the image that a tag stands for, by the first registry that has an answer; the index itself unless others are given. */
  readonly tag: (
    repository: Reference.Repository,
    tag: Reference.Tag,
    registries?: ReadonlyArray<V1Endpoint.V1Endpoint>
  ) => Effect.Effect<string, TagError>
  /** All tags with the ids of their images, as `tag`. */
  readonly tags: (
    repository: Reference.Repository,
    registries?: ReadonlyArray<V1Endpoint.V1Endpoint>
  ) => Effect.Effect<Readonly<Record<string, string>>, TagError>
  /** Makes a tag stand for an image. */
  readonly putTag: (
    repository: Reference.Repository,
    tag: Reference.Tag,
    image: string,
    registry?: V1Endpoint.V1Endpoint
  ) => Effect.Effect<void, Unanswered | Refused>
  /** The ids of an image and of those below it, itself first. */
  readonly ancestry: (image: string, registry?: V1Endpoint.V1Endpoint) => Effect.Effect<ReadonlyArray<string>, ImageError>
  readonly imageExists: (image: string, registry?: V1Endpoint.V1Endpoint) => Effect.Effect<boolean, Unanswered | Refused>
  readonly imageJson: (image: string, registry?: V1Endpoint.V1Endpoint) => Effect.Effect<ImageJson, ImageError>
  /**
   * The layer of an image, as the registry keeps it. With its `size` in bytes, and where the registry gives ranges, it is gone on with where it
   * broke off: after 5 seconds, and with ever longer waits while no answer comes, of which there may be four.
   */
  readonly imageLayer: (
    image: string,
    options?: { readonly registry?: V1Endpoint.V1Endpoint | undefined; readonly size?: number | undefined }
  ) => Stream.Stream<Uint8Array, Unanswered | Refused | ImageNotFound>
  /** What describes an image; its layer comes after it. */
  readonly putImageJson: (image: string, json: Uint8Array, registry?: V1Endpoint.V1Endpoint) => Effect.Effect<void, PutImageError>
  /**
   * The layer of an image: a tar archive that is not compressed, which is sent once, compressed with gzip. A registry that is slow to take it
   * slows it down. Where the layer cannot be read, that is the error.
   */
  readonly putImageLayer: <E>(
    image: string,
    layer: Stream.Stream<Uint8Array, E>,
    json: Uint8Array,
    registry?: V1Endpoint.V1Endpoint
  ) => Effect.Effect<Checksums, Unanswered | Refused | TarSum.Failure | E>
  /** Ends the push of an image, with what `putImageLayer` gave. */
  readonly putChecksum: (image: string, checksums: Checksums, registry?: V1Endpoint.V1Endpoint) => Effect.Effect<void, PutImageError>
}

/**
 * - `endpoint`: the index, or a registry that is its own
 * - `credentials`: a user and password go to the endpoint alone, with the requests that ask for a token, and with every one where the endpoint
 *   is spoken to by https and keeps its own users; half a pair is never sent. A registry token goes there with every request, as Bearer.
 *   An endpoint with `http` gets them in clear: it was asked for
 * - `ping`: what the endpoint said of itself; it is asked where that matters and is not said
 *
 * @since 0.1.0
 */
export interface Options extends V1Endpoint.Options {
  readonly endpoint: V1Endpoint.V1Endpoint
  readonly credentials?: Credentials.Credentials | undefined
  readonly ping?: V1Endpoint.PingResult | undefined
}

const sessionId = Effect.map(Effect.all(Array.from({ length: 32 }, () => Random.nextIntBetween(0, 256))), (bytes) =>
  bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")
)

/** Whether the password goes with every request: over plain http it does not, nor to Docker Hub, which keeps its users elsewhere. */
const isStandalone = (endpoint: V1Endpoint.V1Endpoint, said: V1Endpoint.PingResult | undefined, options: V1Endpoint.Options) => {
  if (endpoint.url === V1Endpoint.dockerHub.url || !endpoint.url.startsWith("https:")) return Effect.succeed(false)
  const ping = said === undefined ? V1Endpoint.ping(endpoint, options) : Effect.succeed(said)
  return Effect.map(ping, ({ standalone }) => standalone)
}

/**
 * Begins a session. An https endpoint other than Docker Hub's is pinged first, unless `ping` is given.
 *
 * @since 0.1.0
 */
export const make: (options: Options) => Effect.Effect<Session, V1Endpoint.PingError, HttpClient.HttpClient> = Effect.fn("V1Session.make")(
  function* (options: Options) {
    const { credentials = Credentials.anonymous, endpoint, ping, ...rest } = options
    const always = yield* isStandalone(endpoint, ping, rest)
    const exchange = Exchange.make(yield* V1Wire.open(endpoint.url, rest), { endpoint, credentials, always })
    const session: Session = {
      id: yield* sessionId,
      endpoint,
      ...Index.make(exchange, endpoint),
      ...Tags.make(exchange, endpoint),
      ...Images.make(exchange, endpoint)
    }
    return session
  }
)

/**
 * Asks a registry whether it knows a user: `GET /v1/users/` with the password (balena-engine `loginV1`). Succeeds when it does.
 *
 * @since 0.1.0
 */
export const login: (
  endpoint: V1Endpoint.V1Endpoint,
  credentials: Credentials.Credentials,
  options?: V1Endpoint.Options
) => Effect.Effect<void, LoginRefused | Unanswered, HttpClient.HttpClient> = Effect.fn("V1Session.login")(
  (endpoint: V1Endpoint.V1Endpoint, credentials: Credentials.Credentials, options: V1Endpoint.Options = {}) =>
    internal.login(endpoint, credentials, options)
)
