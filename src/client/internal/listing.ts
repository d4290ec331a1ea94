import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as TokenScope from "../../auth/TokenScope.ts"
import { parseReason } from "../../model/internal/parseReason.ts"
import type * as Reference from "../../model/Reference.ts"
import { MalformedContent, type ResponseErrorTag } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import * as Pagination from "../Pagination.ts"
import { catalogTags, type ListRepositoriesError, type ListTagsError, listTags } from "./errors.ts"
import { listLimitBytes, nextPage } from "./pages.ts"

/** A list of names that a registry gives out in pages. */
interface List<Tag extends ResponseErrorTag> {
  readonly registry: string
  readonly repository: string | undefined
  readonly operation: string
  readonly endpoint: "tags" | "catalog"
  readonly path: string
  readonly scopes: ReadonlyArray<string>
  /** The errors the operation declares. */
  readonly errors: ReadonlyArray<Tag>
  readonly decode: (text: string) => Either.Either<ReadonlyArray<string>, MalformedContent>
}

const Names = Schema.optionalWith(Schema.Array(Schema.String), { exact: true, nullable: true, default: () => [] })

const decoder = <A, I>(kind: string, schema: Schema.Schema<A, I>, names: (document: A) => ReadonlyArray<string>) => {
  const decode = Schema.decodeUnknownEither(Schema.parseJson(schema))
  return (text: string) =>
    Either.mapBoth(decode(text), { onRight: names, onLeft: (error) => new MalformedContent({ kind, reason: parseReason(error) }) })
}

// Go writes an empty list as null. What else is in the documents, such as the `next` some of them have, is not in the specification.
const decodeTags = decoder("list of tags", Schema.Struct({ tags: Names }), ({ tags }) => tags)

const decodeRepositories = decoder("list of repositories", Schema.Struct({ repositories: Names }), ({ repositories }) => repositories)

const tagList = (repository: Reference.Repository, operation: string): List<(typeof listTags)[number]> => ({
  registry: repository.registry,
  repository: repository.name,
  operation,
  endpoint: "tags",
  path: `/v2/${repository.name}/tags/list`,
  scopes: [TokenScope.pull(repository.name)],
  errors: listTags,
  decode: decodeTags
})

const repositoryList = (registry: string, operation: string): List<(typeof catalogTags)[number]> => ({
  registry,
  repository: undefined,
  operation,
  endpoint: "catalog",
  path: "/v2/_catalog",
  scopes: [TokenScope.catalog],
  errors: catalogTags,
  decode: decodeRepositories
})

/** The first page. `n=0` would ask for none (distribution-spec «Listing Tags»), so 0 is not sent. */
const firstPage = (path: string, n: number, last: string | undefined): Pagination.Cursor => {
  const query = new URLSearchParams({
    ...(last === undefined || last === "" ? {} : { last }),
    ...(n > 0 ? { n: String(n) } : {})
  }).toString()
  return Pagination.Cursor.make(query === "" ? path : `${path}?${query}`)
}

const ask = <Tag extends ResponseErrorTag>(
  transport: RegistryTransport.Service,
  { registry, repository, operation, endpoint, scopes }: List<Tag>,
  path: string,
  read: "list" | undefined
) =>
  transport.execute({
    registry,
    repository,
    operation,
    endpoint,
    method: "GET",
    path,
    headers: { accept: "application/json" },
    scopes,
    read,
    wholeBytes: listLimitBytes
  })

const pageIn = <Tag extends ResponseErrorTag>(response: RegistryTransport.TransportResponse, list: List<Tag>, cursor: Pagination.Cursor) =>
  Effect.gen(function* () {
    if (response.status !== 200) return yield* response.fail(list.errors)
    const { registry, repository, operation } = list
    const text = yield* response.text(listLimitBytes)
    const items = yield* Either.mapLeft(
      list.decode(text),
      ({ kind, reason }) => new MalformedContent({ registry, repository, operation, kind, reason })
    )
    const page: Pagination.Page = { items, ...(yield* nextPage(response, cursor)) }
    return page
  })

/** A mirror that gives no such list is passed over, and the registry has its say. */
const readPage = <Tag extends ResponseErrorTag>(transport: RegistryTransport.Service, list: List<Tag>, cursor: Pagination.Cursor) =>
  Effect.gen(function* () {
    const response = yield* ask(transport, list, cursor, "list")
    const page = pageIn(response, list, cursor)
    if (!response.mirror) return yield* page
    const ofRegistry = Effect.flatMap(ask(transport, list, cursor, undefined), (response) => pageIn(response, list, cursor))
    return yield* Effect.catchAll(page, () => Effect.zipRight(response.passOver, ofRegistry))
  }).pipe(Effect.scoped)

const onePage = <Tag extends ResponseErrorTag>(
  transport: RegistryTransport.Service,
  list: List<Tag>,
  { n, last, cursor }: Pagination.PageOptions
) => readPage(transport, list, cursor ?? firstPage(list.path, n ?? transport.settings(list.registry).pageSize, last))

const allPages = <Tag extends ResponseErrorTag>(
  transport: RegistryTransport.Service,
  list: List<Tag>,
  { pageSize, last, maxPages }: Pagination.ListOptions
) => {
  const { registry, repository, operation } = list
  const start = firstPage(list.path, pageSize ?? transport.settings(registry).pageSize, last)
  return Pagination.stream((cursor = start) => readPage(transport, list, cursor), {
    start,
    maxPages,
    origin: { registry, repository, operation }
  })
}

/** @internal */
export const tags = (
  transport: RegistryTransport.Service,
  repository: Reference.Repository,
  options: Pagination.ListOptions = {}
): Stream.Stream<string, ListTagsError> => allPages(transport, tagList(repository, "tags"), options)

/** @internal */
export const tagsPage = (
  transport: RegistryTransport.Service,
  repository: Reference.Repository,
  options: Pagination.PageOptions = {}
): Effect.Effect<Pagination.Page, ListTagsError> => onePage(transport, tagList(repository, "tagsPage"), options)

/** @internal */
export const repositories = (
  transport: RegistryTransport.Service,
  registry: string,
  options: Pagination.ListOptions = {}
): Stream.Stream<string, ListRepositoriesError> => allPages(transport, repositoryList(registry, "repositories"), options)

/** @internal */
export const repositoriesPage = (
  transport: RegistryTransport.Service,
  registry: string,
  options: Pagination.PageOptions = {}
): Effect.Effect<Pagination.Page, ListRepositoriesError> => onePage(transport, repositoryList(registry, "repositoriesPage"), options)
