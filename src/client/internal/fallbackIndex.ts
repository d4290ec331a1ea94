import * as Body from "@effect/platform/HttpBody"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Digest from "../../model/Digest.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import * as Reference from "../../model/Reference.ts"
import { DigestMismatch, MalformedContent, MediaTypeMismatch, type ResponseError } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { fallbackTags, type PutManifestError, putManifestTags } from "./errors.ts"
import * as ManifestDigest from "./manifestDigest.ts"
import { exclusively, type ManifestState } from "./manifestState.ts"
import { manifestLimitBytes } from "./manifests.ts"
import { acceptHeader, manifestPath, originOf, type Place, precondition, type Request, send, strongEtag } from "./repositoryRequest.ts"

// A registry without referrers API keeps the referrers of a manifest in an index under a tag made of its digest (distribution-spec
// «Referrers Tag Schema»). Everyone who pushes a referrer rewrites that index, so an entry is only safe once it was seen in place, or
// written under a precondition that the registry is known to check.

interface Access {
  /** What tokens are asked for. */
  readonly scopes: ReadonlyArray<string>
  readonly read?: Request["read"]
}

/** The index under a fall-back tag, and how a write can demand that it is still this one. @internal */
export interface Current {
  readonly index: Option.Option<Manifest.ImageIndex>
  readonly etag: string | undefined
}

/** Why an index cannot be read. @internal */
export type ReadError =
  | ResponseError<(typeof fallbackTags)[number] | "UnknownRegistryError">
  | RegistryTransport.TransportFailure
  | ManifestDigest.TaggedReadError

/** There is no index. @internal */
export const absent: Current = { index: Option.none(), etag: undefined }

const indexIn = Effect.fnUntraced(function* (
  place: Place,
  response: RegistryTransport.TransportResponse
): Effect.fn.Return<Current, ReadError> {
  if (response.status === 404) return absent
  if (response.status !== 200) return yield* response.fail(fallbackTags)
  const bytes = yield* response.bytes(manifestLimitBytes)
  const manifest = yield* ManifestDigest.readTagged(bytes, response.headers, originOf(place))
  if (manifest._tag !== "ImageIndex" || manifest.mediaType !== MediaType.ociImageIndex) {
    return yield* new MediaTypeMismatch({ ...originOf(place), expected: MediaType.ociImageIndex, actual: manifest.mediaType })
  }
  return { index: Option.some(manifest), etag: strongEtag(response) }
})

/**
 * Reads the index of a subject. Every manifest type is accepted, or what else is under the tag would look like nothing and be overwritten.
 * A mirror that has no index there is passed over, and the registry has its say.
 *
 * @internal
 */
export const read = (place: Place, subject: Digest.Digest, access: Access): Effect.Effect<Current, ReadError> => {
  const from = (read: Access["read"]): Effect.Effect<Current, ReadError, Scope.Scope> =>
    Effect.gen(function* () {
      const response = yield* send(place, {
        endpoint: "manifest",
        method: "GET",
        path: manifestPath(place, Reference.referrersTag(subject)),
        headers: acceptHeader(undefined),
        scopes: access.scopes,
        read,
        wholeBytes: manifestLimitBytes
      })
      const current = indexIn(place, response)
      return yield* response.mirror ? Effect.catchAll(current, () => Effect.zipRight(response.passOver, from(undefined))) : current
    })
  return Effect.scoped(from(access.read))
}

/** Stores the index if the old one is still in place; gives the refusal when it is not. */
const write = Effect.fnUntraced(function* (
  place: Place,
  subject: Digest.Digest,
  access: Access,
  index: Manifest.ImageIndex,
  { index: old, etag }: Current
): Effect.fn.Return<PutManifestError | undefined, PutManifestError, Scope.Scope> {
  const response = yield* send(place, {
    endpoint: "manifest",
    method: "PUT",
    path: manifestPath(place, Reference.referrersTag(subject)),
    headers: { ...precondition(Option.isSome(old), etag), "content-type": index.mediaType },
    body: Body.uint8Array(index.bytes, index.mediaType),
    scopes: access.scopes
  })
  if (response.status === 412) return yield* Effect.flip(response.fail(putManifestTags))
  if (response.status !== 200 && response.status !== 201 && response.status !== 202) return yield* response.fail(putManifestTags)
  yield* response.discard
  return undefined
}, Effect.scoped)

/** What the tag stands for, as far as a `HEAD` tells. */
const tagged = Effect.fnUntraced(function* (place: Place, subject: Digest.Digest, access: Access) {
  const response = yield* send(place, {
    endpoint: "manifest",
    method: "HEAD",
    path: manifestPath(place, Reference.referrersTag(subject)),
    headers: acceptHeader(undefined),
    scopes: access.scopes
  })
  return response.status === 200 ? ManifestDigest.announced(response.headers) : Option.none()
}, Effect.scoped)

const mismatch = (place: Place, { digest }: Manifest.ImageIndex, found: Option.Option<Digest.Digest>) =>
  new DigestMismatch({ ...originOf(place), expected: digest, actual: Option.getOrElse(found, () => "unknown") })

/** What is wrong when the tag does not stand for this index. */
const misplaced = (place: Place, subject: Digest.Digest, access: Access, index: Manifest.ImageIndex) =>
  Effect.map(tagged(place, subject, access), (found) => (Option.contains(found, index.digest) ? undefined : mismatch(place, index, found)))

/** What is wrong when the tag stands for another index than the one that was dropped: what was taken out of that may be in this. */
const replaced = (place: Place, subject: Digest.Digest, access: Access, index: Manifest.ImageIndex) =>
  Effect.map(tagged(place, subject, access), (found) =>
    Option.exists(found, (digest) => digest !== index.digest) ? mismatch(place, index, found) : undefined
  )

/**
 * Removes an index that would be empty, by its digest: the tag goes along unless it stands for another index by now. False when the
 * registry does not let us.
 */
const drop = Effect.fnUntraced(function* (place: Place, access: Access, index: Manifest.ImageIndex) {
  const response = yield* send(place, {
    endpoint: "manifest",
    method: "DELETE",
    path: manifestPath(place, index.digest),
    scopes: access.scopes
  })
  return response.status === 200 || response.status === 202 || response.status === 404
}, Effect.scoped)

/** The index with other entries and all else that was in it. What may not be written again is refused. */
const rebuilt = (place: Place, old: Option.Option<Manifest.ImageIndex>, manifests: ReadonlyArray<Descriptor.Descriptor>) =>
  Effect.try({
    try: () =>
      Option.match(old, {
        onNone: () => Manifest.imageIndex({ manifests }),
        onSome: ({ annotations, artifactType, subject }) => Manifest.imageIndex({ manifests, annotations, artifactType, subject })
      }),
    catch: (cause) =>
      new MalformedContent({
        ...originOf(place),
        kind: "index of referrers",
        reason: cause instanceof MalformedContent ? cause.reason : String(cause)
      })
  })

type Entries = ReadonlyArray<Descriptor.Descriptor>

/** What an edit makes of the entries; none when they are as they should be. */
type Change = (entries: Entries) => Option.Option<Entries>

/**
 * One turn: reads the index, changes it, writes it, and makes sure. Gives what stood in the way, if anything. A `412` proves that the
 * registry checks preconditions, and from then on a write it accepts needs no second look; an `ETag` alone proves nothing (field:
 * distribution sends one and ignores `If-Match`).
 */
const turn = Effect.fnUntraced(function* (
  place: Place,
  state: ManifestState,
  subject: Digest.Digest,
  access: Access,
  change: Change
): Effect.fn.Return<PutManifestError | undefined, PutManifestError> {
  const { registry } = place.repository
  const current = yield* read(place, subject, access)
  const changed = change(Option.match(current.index, { onNone: () => [], onSome: ({ manifests }) => manifests }))
  if (Option.isNone(changed)) return undefined
  if (changed.value.length === 0 && Option.isSome(current.index) && (yield* drop(place, access, current.index.value))) {
    return yield* replaced(place, subject, access, current.index.value)
  }
  const next = yield* rebuilt(place, current.index, changed.value)
  const refusal = yield* write(place, subject, access, next, current)
  if (refusal !== undefined) {
    state.conditional.add(registry)
    return refusal
  }
  const guarded = Option.isNone(current.index) || current.etag !== undefined
  return guarded && state.conditional.has(registry) ? undefined : yield* misplaced(place, subject, access, next)
})

const maxTurns = 32

/** Waits a random time, so that writers who met do not meet again: up to 20 ms, doubling, 1 s at most. */
const rest = (turns: number) =>
  Effect.flatMap(Random.nextRange(0, Math.min(1000, 20 * 2 ** turns)), (millis) => Effect.sleep(Duration.millis(millis)))

const edit = (
  place: Place,
  state: ManifestState,
  subject: Digest.Digest,
  access: Access,
  change: Change
): Effect.Effect<void, PutManifestError> => {
  const loop = (turns: number): Effect.Effect<void, PutManifestError> =>
    Effect.flatMap(turn(place, state, subject, access, change), (obstacle) => {
      if (obstacle === undefined) return Effect.void
      return turns === maxTurns ? Effect.fail(obstacle) : Effect.zipRight(rest(turns), loop(turns + 1))
    })
  return exclusively(state, `${place.repository} ${subject}`)(loop(1))
}

/**
 * Enters a referrer into the index of its subject, unless it is there. Fails with `MediaTypeMismatch` when something else is under the
 * tag, which is left alone.
 *
 * @internal
 */
export const add = (
  place: Place,
  state: ManifestState,
  subject: Digest.Digest,
  entry: Descriptor.Descriptor,
  access: Access
): Effect.Effect<void, PutManifestError> =>
  edit(place, state, subject, access, (entries) =>
    entries.some(({ digest }) => digest === entry.digest) ? Option.none() : Option.some([...entries, entry])
  )

/**
 * Takes a referrer out of the index of its subject; the index goes with its last entry. What is no index has no entries.
 *
 * @internal
 */
export const remove = (
  place: Place,
  state: ManifestState,
  subject: Digest.Digest,
  digest: Digest.Digest,
  access: Access
): Effect.Effect<void, PutManifestError> =>
  Effect.catchTag(
    edit(place, state, subject, access, (entries) => {
      const kept = entries.filter((entry) => entry.digest !== digest)
      return kept.length === entries.length ? Option.none() : Option.some(kept)
    }),
    "MediaTypeMismatch",
    () => Effect.void
  )
