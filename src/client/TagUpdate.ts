/**
 * Setting a tag only when it stands for what one thinks it does: `putManifest` lets the last writer win, this does not.
 *
 * A registry that checks preconditions compares and sets in one step (`If-Match` with the `ETag` it gave, `If-None-Match` where there was no
 * tag; RFC 9110, 13.1). Of one that does not, the tag is looked at before and after, so that a writer who comes between is seen, though not kept
 * out.
 *
 * @since 0.1.0
 */
import * as Body from "@effect/platform/HttpBody"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as TokenScope from "../auth/TokenScope.ts"
import type * as Digest from "../model/Digest.ts"
import type * as Manifest from "../model/Manifest.ts"
import type * as Reference from "../model/Reference.ts"
import * as RegistryTransport from "../transport/RegistryTransport.ts"
import { type GetManifestError, manifestTags, type PutManifestError, putManifestTags } from "./internal/errors.ts"
import * as ManifestDigest from "./internal/manifestDigest.ts"
import { manifestLimitBytes, refusesHead } from "./internal/manifests.ts"
import { acceptHeader, manifestPath, originOf, type Place, precondition, send, strongEtag } from "./internal/repositoryRequest.ts"

/** The tag stands for something else than was expected, and was left alone. `absent`: for nothing. @since 0.1.0 */
export class TagMoved extends Schema.TaggedError<TagMoved>("effect-oci/TagMoved")("TagMoved", {
  registry: Schema.String,
  repository: Schema.String,
  operation: Schema.String,
  tag: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `${this.operation} ${this.registry}/${this.repository}:${this.tag}: stands for ${this.actual}, expected ${this.expected}`
  }
}

/** Why `ensure` fails: the tag could not be looked at, could not be written, or was somebody else's. @since 0.1.0 */
export type EnsureError = GetManifestError | PutManifestError | TagMoved

/**
 * - `expected`: what the tag has to stand for, or `absent` when there must be no such tag; when not said, whatever it stands for when it is
 *   first looked at
 *
 * @since 0.1.0
 */
export interface Options {
  readonly expected?: Digest.Digest | "absent" | undefined
}

interface Current {
  readonly digest: Option.Option<Digest.Digest>
  readonly etag: string | undefined
}

const nameOf = (digest: Option.Option<Digest.Digest>): string => Option.getOrElse(digest, () => "absent")

/** What the tag stands for, told by the registry itself: a mirror may be behind. */
const look = Effect.fnUntraced(function* (
  place: Place,
  tag: Reference.Tag,
  method: "HEAD" | "GET" = "HEAD"
): Effect.fn.Return<Current, GetManifestError, Scope.Scope> {
  const response = yield* send(place, {
    endpoint: "manifest",
    method,
    path: manifestPath(place, tag),
    headers: acceptHeader(undefined),
    scopes: [TokenScope.push(place.repository.name)],
    wholeBytes: method === "GET" ? manifestLimitBytes : undefined
  })
  if (response.status === 404) return { digest: Option.none(), etag: undefined }
  if (method === "HEAD" && refusesHead.has(response.status)) return yield* look(place, tag, "GET")
  if (response.status !== 200) return yield* response.fail(manifestTags)
  const etag = strongEtag(response)
  const announced = ManifestDigest.announced(response.headers)
  if (Option.isSome(announced)) return { digest: announced, etag }
  if (method === "HEAD") return yield* look(place, tag, "GET")
  const manifest = yield* ManifestDigest.readTagged(yield* response.bytes(manifestLimitBytes), response.headers, originOf(place))
  return { digest: Option.some(ManifestDigest.knownBy(manifest)), etag }
}, Effect.scoped)

/** False when the registry says that the tag is another by now. */
const set = Effect.fnUntraced(function* (
  place: Place,
  tag: Reference.Tag,
  manifest: Manifest.Manifest,
  current: Current
): Effect.fn.Return<boolean, PutManifestError, Scope.Scope> {
  const response = yield* send(place, {
    endpoint: "manifest",
    method: "PUT",
    path: manifestPath(place, tag),
    headers: { ...precondition(Option.isSome(current.digest), current.etag), "content-type": manifest.mediaType },
    body: Body.uint8Array(manifest.bytes, manifest.mediaType),
    scopes: [TokenScope.push(place.repository.name)]
  })
  if (response.status === 412) {
    yield* response.discard
    return false
  }
  if (response.status !== 200 && response.status !== 201 && response.status !== 202) return yield* response.fail(putManifestTags)
  yield* ManifestDigest.confirm(manifest, response.headers, originOf(place))
  yield* response.discard
  return true
}, Effect.scoped)

/**
 * Makes a tag stand for a manifest that the repository holds. A tag that does so already is not written, so that one that may not be moved is no
 * failure; one that stands for something unexpected is left alone, and told.
 *
 * ```ts
 * const previous = yield* client.resolve(reference)
 * yield* TagUpdate.ensure(repository, tag, manifest, { expected: previous.digest })
 * ```
 *
 * @since 0.1.0
 */
export const ensure: (
  repository: Reference.Repository,
  tag: Reference.Tag,
  manifest: Manifest.Manifest,
  options?: Options
) => Effect.Effect<"set" | "unchanged", EnsureError, RegistryTransport.RegistryTransport> = Effect.fn("TagUpdate.ensure")(function* (
  repository: Reference.Repository,
  tag: Reference.Tag,
  manifest: Manifest.Manifest,
  options: Options = {}
) {
  const place: Place = { transport: yield* RegistryTransport.RegistryTransport, repository, operation: "ensureTag" }
  const wanted = ManifestDigest.knownBy(manifest)
  const moved = (expected: string, { digest }: Current) => new TagMoved({ ...originOf(place), tag, expected, actual: nameOf(digest) })
  const current = yield* look(place, tag)
  if (Option.contains(current.digest, wanted)) return "unchanged"
  const found = nameOf(current.digest)
  if (options.expected !== undefined && options.expected !== found) return yield* moved(options.expected, current)
  const isSet = yield* set(place, tag, manifest, current)
  // Also after a write that was taken: whether its precondition was heeded is not told.
  const after = yield* look(place, tag)
  if (Option.contains(after.digest, wanted)) return "set"
  return yield* moved(isSet ? wanted : found, after)
})
