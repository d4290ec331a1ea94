import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Digest from "../../model/Digest.ts"
import * as MediaType from "../../model/MediaType.ts"
import type { ResponseError, ResponseErrorTag, UnknownRegistryError } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { learnReferrersApi, type ManifestState, referrersApi } from "./manifestState.ts"
import * as Request from "./repositoryRequest.ts"

/** What came of asking the referrers API: a page, or a refusal of the kind that registries without it give. @internal */
export type Answer<Tag extends ResponseErrorTag> =
  | { readonly _tag: "Page"; readonly response: RegistryTransport.TransportResponse }
  | {
      readonly _tag: "Missing"
      readonly response: RegistryTransport.TransportResponse
      readonly refusal: ResponseError<Tag> | UnknownRegistryError
    }

/** Answers of registries that do not know the API (distribution-spec «Listing Referrers»: 404; field: 400, 405, 406). */
const withoutApi: ReadonlySet<number> = new Set([400, 404, 405, 406])

const isPage = (response: RegistryTransport.TransportResponse): boolean =>
  response.status === 200 && MediaType.essence(response.headers["content-type"] ?? "") === MediaType.ociImageIndex

/** @internal */
export const referrersPath = ({ repository }: Request.Place, digest: Digest.Digest): string => `/v2/${repository.name}/referrers/${digest}`

/**
 * Asks for a page of referrers. A 200 that is no index is the page of something else (field: web front ends answer every path), and so is
 * whatever a mirror takes for a success.
 *
 * @internal
 */
export const ask = <const Tag extends ResponseErrorTag>(
  place: Request.Place,
  path: string,
  tags: ReadonlyArray<Tag>,
  options: Pick<Request.Request, "scopes" | "read" | "wholeBytes">
): Effect.Effect<Answer<Tag>, RegistryTransport.TransportFailure | ResponseError<Tag> | UnknownRegistryError, Scope.Scope> =>
  Effect.gen(function* () {
    const headers = { accept: MediaType.ociImageIndex }
    const response = yield* Request.send(place, { endpoint: "referrers", method: "GET", path, headers, ...options })
    if (isPage(response)) return { _tag: "Page", response } as const
    const refusal = yield* Effect.flip(response.fail(tags))
    const missing = response.status === 200 || response.mirror || withoutApi.has(response.status)
    if (!missing) return yield* Effect.fail(refusal)
    return { _tag: "Missing", response, refusal } as const
  })

/** Remembers whether the registry has the API. An unknown repository and a mirror prove nothing. @internal */
export const learn = (place: Request.Place, state: ManifestState, answer: Answer<ResponseErrorTag>): Effect.Effect<void> => {
  if (answer.response.mirror || (answer._tag === "Missing" && answer.refusal._tag === "NameUnknown")) return Effect.void
  return learnReferrersApi(state, place.repository.registry, answer._tag === "Page")
}

/** Whether the registry has the API: what is known, else what it answers about this digest. @internal */
export const supported = <const Tag extends ResponseErrorTag>(
  place: Request.Place,
  state: ManifestState,
  digest: Digest.Digest,
  tags: ReadonlyArray<Tag>,
  scopes: ReadonlyArray<string>
): Effect.Effect<boolean, RegistryTransport.TransportFailure | ResponseError<Tag> | UnknownRegistryError> =>
  Effect.gen(function* () {
    const known = yield* referrersApi(state, place.repository.registry)
    if (known !== undefined) return known
    const answer = yield* ask(place, referrersPath(place, digest), tags, { scopes })
    yield* learn(place, state, answer)
    return answer._tag === "Page"
  }).pipe(Effect.scoped)
