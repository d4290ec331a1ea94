import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TokenScope from "../../auth/TokenScope.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Digest from "../../model/Digest.ts"
import * as Manifest from "../../model/Manifest.ts"
import type * as Reference from "../../model/Reference.ts"
import { MalformedContent, MediaTypeMismatch } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import * as Pagination from "../Pagination.ts"
import { type ListReferrersError, manifestTags, type PutManifestError, referrersTags } from "./errors.ts"
import * as FallbackIndex from "./fallbackIndex.ts"
import { learnReferrersApi, type ManifestState, referrersApi } from "./manifestState.ts"
import { listLimitBytes, nextPage } from "./pages.ts"
import * as ReferrersApi from "./referrersApi.ts"
import { asUnsupported, originOf, type Place } from "./repositoryRequest.ts"

/**
 * - `artifactType`: only referrers of this type; the registry filters if it can, else they are filtered here
 * - `maxPages`: how many pages are read before the list is called endless, default 10 000
 *
 * @since 0.1.0
 */
export interface ReferrersOptions {
  readonly artifactType?: string | undefined
  readonly maxPages?: number | undefined
}

type Page = Pagination.Page<Descriptor.Descriptor>

const ofType = (artifactType: string | undefined, descriptors: ReadonlyArray<Descriptor.Descriptor>) =>
  artifactType === undefined ? descriptors : descriptors.filter((descriptor) => descriptor.artifactType === artifactType)

/** `OCI-Filters-Applied` is a list of what was filtered by; older registries filter without saying so, which does no harm. */
const filtered = (response: RegistryTransport.TransportResponse): boolean =>
  (response.headers["oci-filters-applied"] ?? "").split(",").some((name) => name.trim() === "artifactType")

const access = (place: Place) => ({ scopes: [TokenScope.pull(place.repository.name)], read: "referrers" as const })

const readPage = Effect.fnUntraced(function* (
  place: Place,
  response: RegistryTransport.TransportResponse,
  path: string,
  artifactType: string | undefined
): Effect.fn.Return<Page, RegistryTransport.TransportFailure | MalformedContent | MediaTypeMismatch> {
  const bytes = yield* response.bytes(listLimitBytes)
  const contentType = response.headers["content-type"]
  const index = yield* Effect.mapError(Manifest.decode(bytes, { contentType }), (error) =>
    error._tag === "MalformedContent"
      ? new MalformedContent({ ...originOf(place), kind: "list of referrers", reason: error.reason })
      : new MediaTypeMismatch({ ...originOf(place), expected: error.expected, actual: error.actual })
  )
  const all = index._tag === "ImageIndex" ? index.manifests : []
  const items = filtered(response) ? all : ofType(artifactType, all)
  return { items, ...(yield* nextPage(response, path)) }
})

/** The index under the fall-back tag. What is no index is none (distribution-spec «Listing Referrers»). */
const readFallback = Effect.fnUntraced(function* (
  place: Place,
  digest: Digest.Digest,
  artifactType: string | undefined
): Effect.fn.Return<Page, ListReferrersError> {
  const { index } = yield* FallbackIndex.read(place, digest, access(place)).pipe(
    Effect.catchTags({
      MediaTypeMismatch: () => Effect.succeed(FallbackIndex.absent),
      MalformedContent: () => Effect.succeed(FallbackIndex.absent)
    })
  )
  return { items: ofType(artifactType, Option.match(index, { onNone: () => [], onSome: ({ manifests }) => manifests })) }
})

const query = (artifactType: string | undefined): string =>
  artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`

/**
 * What refers to a manifest: each once, by the referrers API or from the index under the fall-back tag.
 *
 * @internal
 */
export const referrers = (
  transport: RegistryTransport.Service,
  state: ManifestState,
  repository: Reference.Repository,
  digest: Digest.Digest,
  options: ReferrersOptions = {}
): Stream.Stream<Descriptor.Descriptor, ListReferrersError> => {
  const { artifactType, maxPages } = options
  const place: Place = { transport, repository, operation: "referrers" }
  const fallsBack = transport.settings(repository.registry).referrersFallback
  const start = Pagination.Cursor.make(`${ReferrersApi.referrersPath(place, digest)}${query(artifactType)}`)

  const fetch = Effect.fnUntraced(function* (cursor: Pagination.Cursor = start): Effect.fn.Return<Page, ListReferrersError> {
    const first = cursor === start
    if (first && fallsBack && (yield* referrersApi(state, repository.registry)) === false) {
      return yield* readFallback(place, digest, artifactType)
    }
    // A mirror that answers with something else is passed over, and the registry has its say.
    const from = (read: "referrers" | undefined): Effect.Effect<Page | undefined, ListReferrersError, Scope.Scope> =>
      Effect.gen(function* () {
        const answer = yield* ReferrersApi.ask(place, cursor, referrersTags, { ...access(place), read, wholeBytes: listLimitBytes })
        if (first) yield* ReferrersApi.learn(place, state, answer)
        const { response } = answer
        const page: Effect.Effect<Page, ListReferrersError> =
          answer._tag === "Page" ? readPage(place, response, cursor, artifactType) : Effect.fail(answer.refusal)
        if (response.mirror) return yield* Effect.catchAll(page, () => Effect.zipRight(response.passOver, from(undefined)))
        if (answer._tag === "Page" || !first) return yield* page
        return fallsBack ? undefined : yield* asUnsupported(answer.refusal)
      })
    const page = yield* Effect.scoped(from("referrers"))
    return page ?? (yield* readFallback(place, digest, artifactType))
  })

  return Stream.suspend(() => {
    const seen = new Set<Digest.Digest>()
    return Stream.filter(Pagination.stream(fetch, { start, maxPages, origin: originOf(place) }), (descriptor) => {
      if (seen.has(descriptor.digest)) return false
      seen.add(descriptor.digest)
      return true
    })
  })
}

/** A list is not searched any further. */
const searchedPages = 10

/**
 * Whether the API names a manifest among the referrers of its subject. Only that proves that a registry which does not say so by
 * `OCI-Subject` keeps a list: an index for every digest may be an empty one. What cannot be read names nothing.
 *
 * @internal
 */
export const names = (
  place: Place,
  state: ManifestState,
  subject: Digest.Digest,
  digest: Digest.Digest,
  scopes: ReadonlyArray<string>
): Effect.Effect<boolean, PutManifestError> => {
  const { registry } = place.repository
  const start = Pagination.Cursor.make(ReferrersApi.referrersPath(place, subject))

  const fetch = Effect.fnUntraced(function* (cursor: Pagination.Cursor = start): Effect.fn.Return<Page, PutManifestError, Scope.Scope> {
    const answer = yield* ReferrersApi.ask(place, cursor, manifestTags, { scopes, wholeBytes: listLimitBytes })
    if (answer._tag === "Page") return yield* readPage(place, answer.response, cursor, undefined)
    if (cursor === start) yield* ReferrersApi.learn(place, state, answer)
    return { items: [] }
  }, Effect.scoped)

  return Effect.gen(function* () {
    if ((yield* referrersApi(state, registry)) === false) return false
    const all = Pagination.stream(fetch, { start, maxPages: searchedPages })
    const found = yield* Stream.runHead(Stream.filter(all, (entry) => entry.digest === digest))
    if (Option.isSome(found)) yield* learnReferrersApi(state, registry, true)
    return Option.isSome(found)
  }).pipe(
    Effect.catchTags({
      LimitExceeded: () => Effect.succeed(false),
      MalformedContent: () => Effect.succeed(false),
      MediaTypeMismatch: () => Effect.succeed(false),
      RedirectRefused: () => Effect.succeed(false)
    })
  )
}
