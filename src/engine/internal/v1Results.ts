// What the first API answers with. `V1Session` exports it; encoded, each is the JSON of balena-engine.
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { inAnyCase, parseJson } from "../../model/internal/json.ts"
import { parseReason } from "../../model/internal/parseReason.ts"

/** As Go decodes: what is absent or null is empty, the whole included. */
const text = Schema.optionalWith(Schema.String, { default: () => "", nullable: true })
const flag = Schema.optionalWith(Schema.Boolean, { default: () => false, nullable: true })
const count = Schema.optionalWith(Schema.Int, { default: () => 0, nullable: true })

/**
 * One repository that was found. `automated`: its images are built from a source repository.
 *
 * @since 0.1.0
 */
export const SearchResult = Schema.Struct({
  name: text,
  description: text,
  stars: count.pipe(Schema.fromKey("star_count")),
  official: flag.pipe(Schema.fromKey("is_official")),
  automated: flag.pipe(Schema.fromKey("is_automated"))
}).annotations({ identifier: "SearchResult" })

/** @since 0.1.0 */
export type SearchResult = typeof SearchResult.Type

/** What a search found. `total` is what the index says, however many it sent. @since 0.1.0 */
export const SearchResults = Schema.Struct({
  query: text,
  total: count.pipe(Schema.fromKey("num_results")),
  results: Schema.optionalWith(Schema.Array(SearchResult), { default: () => [], nullable: true })
}).annotations({ identifier: "SearchResults" })

/** @since 0.1.0 */
export type SearchResults = typeof SearchResults.Type

/**
 * An image as an index knows it: its id, the checksum of its layer (`tarsum+sha256:…`) and a tag that stands for it.
 *
 * @since 0.1.0
 */
export const ImageData = Schema.Struct({
  id: Schema.String,
  checksum: Schema.optionalWith(Schema.String, { exact: true, nullable: true }),
  tag: Schema.optionalWith(Schema.String, { exact: true, nullable: true }).pipe(Schema.fromKey("Tag"))
}).annotations({ identifier: "ImageData" })

/** @since 0.1.0 */
export type ImageData = typeof ImageData.Type

const searchCase = inAnyCase("query", "num_results", "results")
const resultCase = inAnyCase("name", "description", "star_count", "is_official", "is_automated")
const imageCase = inAnyCase("id", "checksum", "Tag")

const each = (change: (value: unknown) => unknown, value: unknown): unknown => (Array.isArray(value) ? value.map(change) : value)

const decoder =
  <A, I>(schema: Schema.Schema<A, I>, inOneCase: (value: unknown) => unknown) =>
  (body: string): Either.Either<A, string> =>
    Either.flatMap(parseJson(body), (json) => Either.mapLeft(Schema.decodeUnknownEither(schema)(inOneCase(json)), parseReason))

/** @internal */
export const decodeSearch = decoder(SearchResults, (json) => {
  const search = searchCase(json ?? {})
  return search instanceof Object && "results" in search ? { ...search, results: each(resultCase, search.results) } : search
})

/** @internal */
export const decodeImages = decoder(Schema.Array(ImageData), (json) => each(imageCase, json ?? []))

/** @internal */
export const decodeIds = decoder(Schema.Array(Schema.String), (json) => json ?? [])

/** @internal */
export const decodeId = decoder(Schema.String, (json) => json)

/** @internal */
export const decodeTags = decoder(Schema.Record({ key: Schema.String, value: Schema.String }), (json) => json ?? {})
