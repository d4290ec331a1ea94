import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TokenScope from "../../auth/TokenScope.ts"
import * as Digest from "../../model/Digest.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as Reference from "../../model/Reference.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { type DeleteManifestError, type DeleteTagError, manifestTags } from "./errors.ts"
import * as FallbackIndex from "./fallbackIndex.ts"
import type { ManifestState } from "./manifestState.ts"
import { getManifest } from "./manifests.ts"
import * as ReferrersApi from "./referrersApi.ts"
import { asUnsupported, isGone, manifestPath, type Place, send } from "./repositoryRequest.ts"

/**
 * - `referrers`: what happens to the index under the fall-back tag of the manifest's subject, where the registry has no referrers API.
 *   `auto`, the default, takes the manifest out of it, if the host's settings allow; that costs a look at the manifest before it is
 *   deleted. `skip` leaves the index as it is.
 * - `subject`: the digest of the subject, if it is known, or `none` if the manifest has none; then nothing has to be looked at
 *
 * @since 0.1.0
 */
export interface DeleteManifestOptions {
  readonly referrers?: "auto" | "skip" | undefined
  readonly subject?: Digest.Digest | "none" | undefined
}

const scopes = (place: Place): ReadonlyArray<string> => [TokenScope.remove(place.repository.name)]

/**
 * Only 200 and 202 say that something was deleted (distribution-spec «Content Management» names 202 alone; go-containerregistry takes
 * both and no other). 400 and 405 say that the registry does not delete this way.
 */
const remove = Effect.fnUntraced(function* (place: Place, tagOrDigest: string): Effect.fn.Return<void, DeleteTagError, Scope.Scope> {
  const response = yield* send(place, {
    endpoint: "manifest",
    method: "DELETE",
    path: manifestPath(place, tagOrDigest),
    scopes: scopes(place)
  })
  if (response.status === 200 || response.status === 202 || isGone(response)) return yield* response.discard
  const refusal = yield* Effect.flip(response.fail(manifestTags))
  const cannot = response.status === 400 && (refusal._tag === "UnknownRegistryError" || refusal._tag === "DigestInvalid")
  return yield* cannot ? asUnsupported(refusal) : refusal
}, Effect.scoped)

/** The subject in the manifest itself; none when it cannot be read: then nobody can have entered it anywhere. */
const subjectOf = (place: Place, digest: Digest.Digest) =>
  getManifest(place.transport, new Reference.Reference({ repository: place.repository, digest })).pipe(
    Effect.map((manifest) => Option.map(Manifest.subject(manifest), (subject) => subject.digest)),
    Effect.catchTags({
      ManifestUnknown: () => Effect.succeedNone,
      NameUnknown: () => Effect.succeedNone,
      DigestMismatch: () => Effect.succeedNone,
      InvalidDigest: () => Effect.succeedNone,
      LimitExceeded: () => Effect.succeedNone,
      MalformedContent: () => Effect.succeedNone,
      MediaTypeMismatch: () => Effect.succeedNone
    })
  )

/** Whether the index under the fall-back tag is ours to keep. */
const keepsIndex = (place: Place, state: ManifestState, digest: Digest.Digest) =>
  place.transport.settings(place.repository.registry).referrersFallback
    ? Effect.map(ReferrersApi.supported(place, state, digest, manifestTags, scopes(place)), (supported) => !supported)
    : Effect.succeed(false)

/**
 * Deletes a manifest, and with it all its tags. Where the registry has no referrers API the index of its subject is corrected afterwards.
 *
 * @internal
 */
export const deleteManifest: (
  transport: RegistryTransport.Service,
  state: ManifestState,
  repository: Reference.Repository,
  digest: Digest.Digest,
  options?: DeleteManifestOptions
) => Effect.Effect<void, DeleteManifestError> = Effect.fnUntraced(function* (transport, state, repository, digest, options = {}) {
  const place: Place = { transport, repository, operation: "deleteManifest" }
  const concerned = options.referrers !== "skip" && options.subject !== "none" && (yield* keepsIndex(place, state, digest))
  const subject = !concerned
    ? Option.none<Digest.Digest>()
    : Digest.isDigest(options.subject)
      ? Option.some(options.subject)
      : yield* subjectOf(place, digest)
  const deleted = yield* Effect.either(remove(place, digest))
  // One that is gone already may have left its entry behind, if it was deleted in two steps and the second failed.
  if (Either.isLeft(deleted) && deleted.left._tag !== "ManifestUnknown") return yield* deleted.left
  if (Option.isSome(subject)) yield* FallbackIndex.remove(place, state, subject.value, digest, { scopes: scopes(place) })
  return yield* deleted
})

/**
 * Deletes a tag. A registry that cannot answers `Unsupported`; the manifest is never deleted in its place, since that would take its other
 * tags along.
 *
 * @internal
 */
export const deleteTag = (
  transport: RegistryTransport.Service,
  repository: Reference.Repository,
  tag: Reference.Tag
): Effect.Effect<void, DeleteTagError> => remove({ transport, repository, operation: "deleteTag" }, tag)
