/** The tags of repositories at the registries of a V1 session. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import { jsonBytes } from "../../model/internal/json.ts"
import type * as Reference from "../../model/Reference.ts"
import type { LimitExceeded, MalformedContent } from "../../model/RegistryError.ts"
import type * as V1Endpoint from "../V1Endpoint.ts"
import { authorityOf } from "./v1Address.ts"
import { NoRegistryAnswered, RepositoryNotFound } from "./v1Errors.ts"
import type { Exchange, Refused, Unanswered } from "./v1Exchange.ts"
import { decoded } from "./v1Json.ts"
import { decodeId, decodeTags } from "./v1Results.ts"

/** Why tags could not be read. @since 0.1.0 */
export type TagError = Unanswered | MalformedContent | LimitExceeded | RepositoryNotFound | NoRegistryAnswered

/** As docker has it, of private registries too: those take a name without namespace for one in `library`. */
const withNamespace = ({ name }: Reference.Repository): string => (name.includes("/") ? name : `library/${name}`)

/** @internal */
export const make = (exchange: Exchange, index: V1Endpoint.V1Endpoint) => {
  /** The first registry that has an answer; undefined from one that has none. */
  const read = <A>(
    operation: string,
    repository: Reference.Repository,
    path: string,
    registries: ReadonlyArray<V1Endpoint.V1Endpoint>,
    kind: string,
    decode: (body: string) => Either.Either<A, string>
  ): Effect.Effect<A, TagError> => {
    const name = withNamespace(repository)
    const ask = (endpoint: V1Endpoint.V1Endpoint) =>
      Effect.gen(function* () {
        const answer = yield* exchange.send({
          operation,
          repository: name,
          method: "GET",
          endpoint,
          path: `repositories/${name}/${path}`
        })
        const { registry } = answer.context
        if (answer.status === 404) return yield* new RepositoryNotFound({ registry, repository: name })
        if (answer.status === 200) return { value: yield* decoded(exchange, answer, kind, decode) }
        yield* answer.discard
        return { status: answer.status }
      })
    return Effect.gen(function* () {
      const statuses: Array<number> = []
      for (const registry of registries) {
        const found = yield* Effect.scoped(ask(registry))
        if ("value" in found) return found.value
        statuses.push(found.status)
      }
      return yield* new NoRegistryAnswered({ registries: registries.map(({ url }) => authorityOf(url)), repository: name, statuses })
    })
  }

  const tag = Effect.fn("V1Session.tag")(
    (
      repository: Reference.Repository,
      tag: Reference.Tag,
      registries: ReadonlyArray<V1Endpoint.V1Endpoint> = [index]
    ): Effect.Effect<string, TagError> => read("tag", repository, `tags/${tag}`, registries, "image id", decodeId)
  )

  const tags = Effect.fn("V1Session.tags")(
    (
      repository: Reference.Repository,
      registries: ReadonlyArray<V1Endpoint.V1Endpoint> = [index]
    ): Effect.Effect<Readonly<Record<string, string>>, TagError> => read("tags", repository, "tags", registries, "map of tags", decodeTags)
  )

  const putTag = Effect.fn("V1Session.putTag")(function* (
    repository: Reference.Repository,
    tag: Reference.Tag,
    image: string,
    registry: V1Endpoint.V1Endpoint = index
  ): Effect.fn.Return<void, Unanswered | Refused> {
    const { name } = repository
    const asked = Effect.gen(function* () {
      const answer = yield* exchange.send({
        operation: "putTag",
        repository: name,
        method: "PUT",
        endpoint: registry,
        path: `repositories/${name}/tags/${tag}`,
        headers: { "content-type": "application/json" },
        body: HttpBody.uint8Array(jsonBytes(image), "application/json")
      })
      if (answer.status !== 200 && answer.status !== 201) return yield* answer.fail
      yield* answer.discard
    })
    return yield* Effect.scoped(asked)
  })

  return { tag, tags, putTag }
}
