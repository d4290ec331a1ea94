import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Response } from "../RegistryOptions.ts"
import { json, type Refusal, refuse } from "./exchange.ts"
import { checkDigest, type Site } from "./site.ts"

interface Page<A> {
  readonly entries: ReadonlyArray<A>
  /** The key of the last entry, when more follow. */
  readonly last: string | undefined
}

/** The page that `n` and `last` ask for. A `last` that is not in the list still has a place in its order. */
const page = <A>(site: Site, all: ReadonlyArray<A>, key: (entry: A) => string): Either.Either<Page<A>, string> => {
  const asked = site.query.get("n")
  if (asked !== null && !/^\d+$/.test(asked)) return Either.left("n must be a whole number")
  if (asked !== null && Number(asked) > site.limits.pageParameter) return Either.left(`n must not exceed ${site.limits.pageParameter}`)
  const count = Math.min(asked === null ? site.limits.pageEntries : Number(asked), site.limits.pageEntries)
  const after = site.query.get("last")
  const rest = after === null ? all : all.filter((entry) => key(entry) > after)
  const entries = rest.slice(0, count)
  const final = entries.at(-1)
  return Either.right({ entries, last: rest.length > count && final !== undefined ? key(final) : undefined })
}

const next = (site: Site, path: string, last: string | undefined): Response["headers"] => {
  if (last === undefined) return {}
  const query = new URLSearchParams(site.query)
  query.set("last", last)
  return { Link: `<${site.locate(path)}?${query.toString()}>; rel="next"` }
}

const paginationInvalid = (message: string) => refuse(400, "PAGINATION_NUMBER_INVALID", message)

/** `GET /v2/<name>/tags/list` (spec «Listing Tags»). @internal */
export const tags = Effect.fnUntraced(function* (site: Site, name: string): Effect.fn.Return<Response, Refusal> {
  if (!(yield* site.storage.hasRepository(name))) {
    return yield* refuse(404, "NAME_UNKNOWN", "repository name not known to registry", { name })
  }
  const result = page(site, yield* site.storage.tags(name), (tag) => tag)
  if (Either.isLeft(result)) return yield* paginationInvalid(result.left)
  return json(200, { name, tags: result.right.entries }, next(site, `/v2/${name}/tags/list`, result.right.last))
})

const noEndpoint = refuse(404, "UNSUPPORTED", "no such endpoint")

/** `GET /v2/_catalog`. @internal */
export const catalog = Effect.fnUntraced(function* (site: Site): Effect.fn.Return<Response, Refusal> {
  if (!site.can.catalog) return yield* noEndpoint
  const result = page(site, yield* site.storage.repositories, (name) => name)
  if (Either.isLeft(result)) return yield* paginationInvalid(result.left)
  return json(200, { repositories: result.right.entries }, next(site, "/v2/_catalog", result.right.last))
})

/** `GET /v2/<name>/referrers/<digest>`: never 404 where it is supported (spec «Listing Referrers»). @internal */
export const referrers = Effect.fnUntraced(function* (site: Site, name: string, text: string): Effect.fn.Return<Response, Refusal> {
  if (!site.can.referrers) return yield* noEndpoint
  const subject = yield* checkDigest(site, text)
  const wanted = site.can.referrersFilter ? site.query.get("artifactType") : null
  const all = (yield* site.storage.referrers(name, subject))
    .filter((descriptor) => wanted === null || descriptor.artifactType === wanted)
    .sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const result = page(site, all, (descriptor) => descriptor.digest)
  if (Either.isLeft(result)) return yield* paginationInvalid(result.left)
  const mediaType = "application/vnd.oci.image.index.v1+json"
  const headers = {
    ...next(site, `/v2/${name}/referrers/${subject}`, result.right.last),
    ...(wanted === null ? {} : { "OCI-Filters-Applied": "artifactType" })
  }
  return json(200, { schemaVersion: 2, mediaType, manifests: result.right.entries }, headers, mediaType)
})
