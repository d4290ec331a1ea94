/** What the index of a V1 session is asked: what there is, where it lies, and to take what comes. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { queryEscape } from "../../http/internal/queryEscape.ts"
import { jsonBytes } from "../../model/internal/json.ts"
import type * as Reference from "../../model/Reference.ts"
import type { LimitExceeded, MalformedContent } from "../../model/RegistryError.ts"
import * as DockerHub from "../DockerHub.ts"
import * as V1Endpoint from "../V1Endpoint.ts"
import { authorityOf } from "./v1Address.ts"
import { InvalidSearchLimit, NoRegistryNamed, RepositoryNotFound } from "./v1Errors.ts"
import type { Exchange, Refused, Request, Unanswered } from "./v1Exchange.ts"
import { decoded } from "./v1Json.ts"
import { decodeImages, decodeSearch, ImageData, type SearchResults } from "./v1Results.ts"

/** Why anything that the index is asked can fail. @internal */
export type AskError = Unanswered | Refused | MalformedContent | LimitExceeded

/** The images of a repository, and the registries that have them. @since 0.1.0 */
export const RepositoryData = Schema.Struct({
  images: Schema.Array(ImageData),
  endpoints: Schema.Array(V1Endpoint.V1Endpoint)
}).annotations({ identifier: "RepositoryData" })

/** @since 0.1.0 */
export type RepositoryData = typeof RepositoryData.Type

/**
 * The registries that `X-Docker-Endpoints` names, by the scheme of the index. What is no address is left out: Go makes `https:///v1/` of an
 * empty one.
 *
 * @internal
 */
export const endpointsOf = (header: string | undefined, index: { readonly url: string }): ReadonlyArray<V1Endpoint.V1Endpoint> => {
  const scheme = index.url.slice(0, index.url.indexOf(":"))
  const names = (header ?? "").split(",").map((name) => name.trim())
  return names.flatMap((name) => Either.match(V1Endpoint.parse(`${scheme}://${name}/v1/`), { onLeft: () => [], onRight: (one) => [one] }))
}

const jsonOf = (images: ReadonlyArray<ImageData>): HttpBody.HttpBody =>
  HttpBody.uint8Array(
    // What is empty Go leaves out.
    jsonBytes(images.map(({ checksum, id, tag }) => ({ id, ...(checksum && { checksum }), ...(tag && { Tag: tag }) }))),
    "application/json"
  )

const hasChecksum = ({ checksum }: ImageData): boolean => checksum !== undefined && checksum !== ""

/** @internal */
export const make = (exchange: Exchange, index: V1Endpoint.V1Endpoint) => {
  const ask = (request: Omit<Request, "endpoint" | "asksForToken">) => exchange.send({ ...request, endpoint: index, asksForToken: true })

  const search = Effect.fn("V1Session.search")(function* (
    term: string,
    options: { readonly limit?: number | undefined } = {}
  ): Effect.fn.Return<SearchResults, AskError | InvalidSearchLimit> {
    const { limit = DockerHub.defaultSearchLimit } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > 100) return yield* new InvalidSearchLimit({ limit })
    const asked = Effect.gen(function* () {
      const answer = yield* ask({ operation: "search", method: "GET", path: `search?q=${queryEscape(term)}&n=${limit}` })
      return answer.status === 200 ? yield* decoded(exchange, answer, "search result", decodeSearch) : yield* answer.fail
    })
    return yield* Effect.scoped(asked)
  })

  const repositoryData = Effect.fn("V1Session.repositoryData")(function* (
    repository: Reference.Repository
  ): Effect.fn.Return<RepositoryData, AskError | RepositoryNotFound> {
    const { name } = repository
    const asked = Effect.gen(function* () {
      const answer = yield* ask({
        operation: "repositoryData",
        repository: name,
        method: "GET",
        path: `repositories/${name}/images`
      })
      if (answer.status === 404) return yield* new RepositoryNotFound({ registry: authorityOf(index.url), repository: name })
      if (answer.status !== 200) return yield* answer.fail
      const named = endpointsOf(answer.headers["x-docker-endpoints"], index)
      const itself = { url: index.url.replace(/^(https?:\/\/[^/]*).*$/, "$1/v1/") }
      const images = yield* decoded(exchange, answer, "list of images", decodeImages)
      return { images, endpoints: named.length === 0 ? [itself] : named }
    })
    return yield* Effect.scoped(asked)
  })

  const putImageIndex = Effect.fn("V1Session.putImageIndex")(function* (
    repository: Reference.Repository,
    images: ReadonlyArray<ImageData>
  ): Effect.fn.Return<ReadonlyArray<V1Endpoint.V1Endpoint>, Unanswered | Refused | NoRegistryNamed> {
    const { name } = repository
    const asked = Effect.gen(function* () {
      const answer = yield* ask({
        operation: "putImageIndex",
        repository: name,
        method: "PUT",
        path: `repositories/${name}/`,
        headers: { "content-type": "application/json" },
        body: jsonOf(images)
      })
      if (answer.status !== 200 && answer.status !== 201) return yield* answer.fail
      const named = endpointsOf(answer.headers["x-docker-endpoints"], index)
      yield* answer.discard
      return named.length === 0 ? yield* new NoRegistryNamed({ registry: authorityOf(index.url), repository: name }) : named
    })
    return yield* Effect.scoped(asked)
  })

  const confirmImageIndex = Effect.fn("V1Session.confirmImageIndex")(function* (
    repository: Reference.Repository,
    images: ReadonlyArray<ImageData>,
    registries: ReadonlyArray<V1Endpoint.V1Endpoint>
  ): Effect.fn.Return<void, Unanswered | Refused> {
    const { name } = repository
    const asked = Effect.gen(function* () {
      const answer = yield* ask({
        operation: "confirmImageIndex",
        repository: name,
        method: "PUT",
        path: `repositories/${name}/images`,
        headers: {
          "content-type": "application/json",
          // Of several lines Go makes as many; they mean the same list (RFC 9110, 5.3).
          ...(registries.length > 0 && { "x-docker-endpoints": registries.map(({ url }) => url).join(", ") })
        },
        body: jsonOf(images.filter(hasChecksum))
      })
      if (answer.status !== 204) return yield* answer.fail
      yield* answer.discard
    })
    return yield* Effect.scoped(asked)
  })

  return { search, repositoryData, putImageIndex, confirmImageIndex }
}
