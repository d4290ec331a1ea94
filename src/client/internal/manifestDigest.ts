import type * as Headers from "@effect/platform/Headers"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Digest from "../../model/Digest.ts"
import * as Manifest from "../../model/Manifest.ts"
import { DigestMismatch, type InvalidDigest, MalformedContent, MediaTypeMismatch } from "../../model/RegistryError.ts"

/** Why bytes are not a manifest, or not the one that was announced. @internal */
export type TaggedReadError = DigestMismatch | MalformedContent | MediaTypeMismatch

/** `Docker-Content-Digest`; none when it is absent or no digest. @internal */
export const announced = (headers: Headers.Headers): Option.Option<Digest.Digest> =>
  Option.filter(Option.fromNullable(headers["docker-content-digest"]), Digest.isDigest)

/** The digest registries know a manifest by: for a signed schema 1 manifest that of what was signed. @internal */
export const knownBy = (manifest: Manifest.Manifest): Digest.Digest =>
  manifest._tag === "Schema1Manifest" ? manifest.payloadDigest : manifest.digest

/** The same failure, told where it happened. */
const placed = (error: TaggedReadError, origin: Digest.Origin): TaggedReadError => {
  switch (error._tag) {
    case "DigestMismatch":
      return new DigestMismatch({ ...origin, expected: error.expected, actual: error.actual })
    case "MediaTypeMismatch":
      return new MediaTypeMismatch({ ...origin, expected: error.expected, actual: error.actual })
    case "MalformedContent":
      return new MalformedContent({ ...origin, kind: error.kind, reason: error.reason })
  }
}

/**
 * Reads a manifest that was asked for by tag. The announced digest names it once it is verified (distribution-spec «Pulling manifests»: it
 * must be, and may be of another algorithm); one of an algorithm nobody here can compute is not used. Registries disagree on the digests of
 * schema 1 manifests, so what they announce proves nothing and those are named by what can be computed.
 *
 * @internal
 */
export const readTagged = (
  bytes: Uint8Array,
  headers: Headers.Headers,
  origin: Digest.Origin
): Effect.Effect<Manifest.Manifest, TaggedReadError> =>
  Effect.gen(function* () {
    const contentType = headers["content-type"]
    const manifest = yield* Manifest.decode(bytes, { contentType })
    const name = announced(headers)
    if (Option.isNone(name) || manifest._tag === "Schema1Manifest" || name.value === manifest.digest) return manifest
    const verified = Manifest.decodeVerified(bytes, { contentType, digest: name.value })
    return yield* Effect.catchTag(verified, "InvalidDigest", () => Effect.succeed(manifest))
  }).pipe(Effect.mapError((error) => placed(error, origin)))

/**
 * Reads a manifest that was asked for by digest: it has that digest, by its own algorithm, or is refused, signed schema 1 manifests
 * included. What the registry announces beside it does not count.
 *
 * @internal
 */
export const readAsked = (
  bytes: Uint8Array,
  headers: Headers.Headers,
  digest: Digest.Digest,
  origin: Digest.Origin
): Effect.Effect<Manifest.Manifest, TaggedReadError | InvalidDigest> =>
  Effect.mapError(Manifest.decodeVerified(bytes, { contentType: headers["content-type"], digest }), (error) =>
    error._tag === "InvalidDigest" ? error : placed(error, origin)
  )

/**
 * Whether a registry that took a manifest speaks of the same one (distribution-spec «Pushing Manifests»). A digest of an algorithm nobody
 * here can compute says nothing.
 *
 * @internal
 */
export const confirm = (
  manifest: Manifest.Manifest,
  headers: Headers.Headers,
  origin: Digest.Origin
): Effect.Effect<void, DigestMismatch> =>
  Option.match(announced(headers), {
    onNone: () => Effect.void,
    onSome: (digest) =>
      digest === manifest.digest || digest === knownBy(manifest)
        ? Effect.void
        : Effect.catchTag(Digest.verify(manifest.bytes, digest, origin), "InvalidDigest", () => Effect.void)
  })
