import * as Body from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TokenScope from "../../auth/TokenScope.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as Reference from "../../model/Reference.ts"
import type { ResponseError } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { manifestTags, type PutManifestError, putManifestTags } from "./errors.ts"
import * as FallbackIndex from "./fallbackIndex.ts"
import * as ManifestDigest from "./manifestDigest.ts"
import type { ManifestState } from "./manifestState.ts"
import { resolve } from "./manifests.ts"
import { names } from "./referrers.ts"
import * as ReferrersApi from "./referrersApi.ts"
import { manifestPath, originOf, type Place, send } from "./repositoryRequest.ts"

/**
 * - `tag`, `tags`: what the manifest will be known by besides its digest; both together are one list
 * - `referrers`: what happens when the manifest has a subject and the registry keeps no list of its referrers. `auto`, the default, enters
 *   it into the index under the fall-back tag, if the host's settings allow; `skip` asks and writes nothing.
 *
 * @since 0.1.0
 */
export interface PutManifestOptions {
  readonly tag?: Reference.Tag | undefined
  readonly tags?: ReadonlyArray<Reference.Tag> | undefined
  readonly referrers?: "auto" | "skip" | undefined
}

/**
 * What became of a pushed manifest.
 *
 * - `descriptor`: what it is and the digest it can be fetched by
 * - `referrers`: who lists it among the referrers of its subject: the `registry`, the index under the `fallback` tag, or nobody
 *   (`unlisted`); `none` when it has no subject
 *
 * @since 0.1.0
 */
export interface PutManifestResult {
  readonly descriptor: Descriptor.Descriptor
  readonly referrers: "none" | "registry" | "fallback" | "unlisted"
}

interface Stored {
  /** The tags of `OCI-Tag`: those of `?tag=` that the registry has set. */
  readonly tags: ReadonlyArray<string>
  readonly listsReferrers: boolean
}

interface Refused {
  readonly status: number
  readonly error: ResponseError<(typeof putManifestTags)[number] | "UnknownRegistryError">
}

const scopes = (place: Place): ReadonlyArray<string> => [TokenScope.push(place.repository.name)]

const list = (header: string | undefined): ReadonlyArray<string> =>
  (header ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")

/** One `PUT` of the bytes as they are. */
const put = Effect.fnUntraced(function* (
  place: Place,
  manifest: Manifest.Manifest,
  target: string,
  tags: ReadonlyArray<Reference.Tag>
): Effect.fn.Return<Either.Either<Stored, Refused>, PutManifestError, Scope.Scope> {
  const query = tags.map((tag) => `tag=${tag}`).join("&")
  const response = yield* send(place, {
    endpoint: "manifest",
    method: "PUT",
    path: `${manifestPath(place, target)}${query === "" ? "" : `?${query}`}`,
    headers: { "content-type": manifest.mediaType },
    body: Body.uint8Array(manifest.bytes, manifest.mediaType),
    scopes: scopes(place)
  })
  const { headers, status } = response
  if (status !== 201 && status !== 200 && status !== 202) {
    return Either.left({ status, error: yield* Effect.flip(response.fail(putManifestTags)) })
  }
  yield* ManifestDigest.confirm(manifest, headers, originOf(place))
  yield* response.discard
  return Either.right({ tags: list(headers["oci-tag"]), listsReferrers: headers["oci-subject"] !== undefined })
}, Effect.scoped)

type Outcome = Effect.Effect<Stored, PutManifestError>

const putDigest = (place: Place, manifest: Manifest.Manifest): Outcome =>
  Effect.flatMap(put(place, manifest, ManifestDigest.knownBy(manifest), []), (sent) => Either.mapLeft(sent, ({ error }) => error))

/** How registries refuse to move a tag that may not be moved (field: Amazon ECR, Harbor, Quay). */
const immutable: ReadonlySet<string> = new Set(["TagInvalid", "Denied", "Unsupported", "UnknownRegistryError"])

/** By one tag. That the tag cannot be set is no failure when it stands for this manifest already. */
const putTag = Effect.fnUntraced(function* (
  place: Place,
  manifest: Manifest.Manifest,
  tag: Reference.Tag
): Effect.fn.Return<Stored, PutManifestError> {
  const sent = yield* put(place, manifest, tag, [])
  if (Either.isRight(sent)) return sent.right
  const { status, error } = sent.left
  if (status < 500 && immutable.has(error._tag)) {
    const reference = new Reference.Reference({ repository: place.repository, tag })
    const told = yield* Effect.option(resolve(place.transport, reference))
    if (Option.exists(told, ({ digest }) => digest === ManifestDigest.knownBy(manifest))) return { tags: [], listsReferrers: false }
  }
  return yield* error
})

/** What registries answer to more parameters than they take, or to any (distribution-spec «Pushing Manifests»: 414 and 431). */
const refusesParameters: ReadonlySet<number> = new Set([400, 414, 431])

const anyListed = (all: ReadonlyArray<Stored>): boolean => all.some(({ listsReferrers }) => listsReferrers)

/**
 * By digest with all tags in one request, and then by each tag the registry did not set. How many tags a registry takes at once is
 * remembered, once it was seen to take the same manifest tag by tag.
 */
const putTags = Effect.fnUntraced(function* (
  place: Place,
  state: ManifestState,
  manifest: Manifest.Manifest,
  tags: ReadonlyArray<Reference.Tag>
): Effect.fn.Return<boolean, PutManifestError> {
  const { registry } = place.repository
  const digest = ManifestDigest.knownBy(manifest)
  const together = tags.length <= (state.tagParameters.get(registry) ?? Number.POSITIVE_INFINITY)
  const sent = together ? yield* put(place, manifest, digest, tags) : undefined
  const refused = sent !== undefined && Either.isLeft(sent) ? sent.left : undefined
  if (refused !== undefined && !refusesParameters.has(refused.status)) return yield* refused.error
  const stored: Array<Stored> = sent !== undefined && Either.isRight(sent) ? [sent.right] : []
  // Registries that are pushed to by tag name the manifest by sha256.
  if (stored.length === 0 && Digest.algorithm(digest) !== "sha256") stored.push(yield* putDigest(place, manifest))
  const set = new Set(stored.flatMap((one) => one.tags))
  for (const tag of tags.filter((one) => !set.has(one))) stored.push(yield* putTag(place, manifest, tag))
  if (refused !== undefined) state.tagParameters.set(registry, refused.status === 400 ? 0 : tags.length - 1)
  else if (together && set.size === 0) state.tagParameters.set(registry, 0)
  return anyListed(stored)
})

const push = (
  place: Place,
  state: ManifestState,
  manifest: Manifest.Manifest,
  tags: ReadonlyArray<Reference.Tag>
): Effect.Effect<boolean, PutManifestError> => {
  const [tag, ...others] = tags
  if (tag === undefined) return Effect.map(putDigest(place, manifest), ({ listsReferrers }) => listsReferrers)
  return others.length === 0 && Digest.algorithm(manifest.digest) === "sha256"
    ? Effect.map(putTag(place, manifest, tag), ({ listsReferrers }) => listsReferrers)
    : putTags(place, state, manifest, tags)
}

/**
 * Whether the registry lists the manifest. Its word in `OCI-Subject` is believed unless it turns out to have no API (field: Amazon ECR sends
 * the header without having it; distribution-spec «Enabling the Referrers API»). Without the header, the list itself has to tell.
 */
const isListed = (
  place: Place,
  state: ManifestState,
  manifest: Manifest.Manifest,
  subject: Digest.Digest,
  claimed: boolean
): Effect.Effect<boolean, PutManifestError> =>
  claimed
    ? Effect.orElseSucceed(ReferrersApi.supported(place, state, subject, manifestTags, scopes(place)), () => true)
    : names(place, state, subject, ManifestDigest.knownBy(manifest), scopes(place))

/** Sees to it that the subject's referrers include this manifest. */
const enlist = Effect.fnUntraced(function* (
  place: Place,
  state: ManifestState,
  manifest: Manifest.Manifest,
  subject: Digest.Digest,
  options: PutManifestOptions,
  claimed: boolean
): Effect.fn.Return<PutManifestResult["referrers"], PutManifestError> {
  if (options.referrers === "skip") return claimed ? "registry" : "unlisted"
  if (yield* isListed(place, state, manifest, subject, claimed)) return "registry"
  if (!place.transport.settings(place.repository.registry).referrersFallback) return "unlisted"
  yield* FallbackIndex.add(place, state, subject, Manifest.referrer(manifest), { scopes: scopes(place) })
  return "fallback"
})

/**
 * Stores a manifest's bytes as they are, under its tags or, without any, under its digest alone.
 *
 * @internal
 */
export const putManifest: (
  transport: RegistryTransport.Service,
  state: ManifestState,
  repository: Reference.Repository,
  manifest: Manifest.Manifest,
  options?: PutManifestOptions
) => Effect.Effect<PutManifestResult, PutManifestError> = Effect.fnUntraced(function* (
  transport,
  state,
  repository,
  manifest,
  options = {}
) {
  const place: Place = { transport, repository, operation: "putManifest" }
  const tags = new Set([...(options.tag === undefined ? [] : [options.tag]), ...(options.tags ?? [])])
  const claimed = yield* push(place, state, manifest, [...tags])
  const subject = Manifest.subject(manifest)
  return {
    descriptor: { ...manifest.descriptor, digest: ManifestDigest.knownBy(manifest) },
    referrers: Option.isNone(subject) ? "none" : yield* enlist(place, state, manifest, subject.value.digest, options, claimed)
  }
})
