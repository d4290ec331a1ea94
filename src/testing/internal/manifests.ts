import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Digest from "../../model/Digest.ts"
import type { StoreError } from "../../model/RegistryError.ts"
import type { Response } from "../RegistryOptions.ts"
import { empty, noBytes, type Refusal, type RequestAborted, refuse, unsupported } from "./exchange.ts"
import * as ManifestContent from "./manifestContent.ts"
import { etag, mayWrite, notModified } from "./preconditions.ts"
import { readAll } from "./requestBody.ts"
import { isTag } from "./route.ts"
import { checkDigest, checkRepositoryForPush, contentLength, type Site } from "./site.ts"

type Failure = Refusal | RequestAborted | StoreError

const isDigestLike = (reference: string): boolean => reference.includes(":")

const unknown = (reference: string) => refuse(404, "MANIFEST_UNKNOWN", "manifest unknown", { reference })

/** The digest a reference stands for; 404 for a tag that does not exist, also for one that never could. */
const resolve = Effect.fnUntraced(function* (site: Site, name: string, reference: string): Effect.fn.Return<Digest.Digest, Refusal> {
  if (isDigestLike(reference)) return yield* checkDigest(site, reference)
  const digest = yield* site.storage.tag(name, reference)
  return Option.isSome(digest) ? digest.value : yield* unknown(reference)
})

/** `GET` and `HEAD` of a manifest (spec «Pulling manifests»). @internal */
export const read = Effect.fnUntraced(function* (site: Site, name: string, reference: string): Effect.fn.Return<Response, Failure> {
  const digest = yield* resolve(site, name, reference)
  const found = yield* site.storage.manifest(name, digest)
  if (Option.isNone(found)) return yield* unknown(reference)
  const { bytes, mediaType } = found.value
  const headers = {
    "Content-Type": mediaType,
    "Content-Length": String(bytes.length),
    "Docker-Content-Digest": digest,
    ...(site.can.conditional ? { ETag: etag(digest) } : {})
  }
  if (site.can.conditional && notModified(site.request, digest)) {
    const { "Content-Length": _, ...rest } = headers
    return empty(304, rest)
  }
  return { status: 200, headers, body: site.request.method === "HEAD" ? noBytes : bytes }
})

const invalid = (message: string) => refuse(400, "MANIFEST_INVALID", message)

const tooLarge = refuse(413, "MANIFEST_INVALID", "the manifest is larger than this registry accepts")

const readBody = (site: Site): Effect.Effect<Uint8Array, Failure> => {
  const announced = contentLength(site.request)
  if (announced !== undefined && announced > site.limits.manifestBytes) return tooLarge
  return Effect.catchTag(readAll(site.request.body, site.limits.manifestBytes), "TooLong", () => tooLarge)
}

const checkReferences = Effect.fnUntraced(function* (
  site: Site,
  name: string,
  content: ManifestContent.Content
): Effect.fn.Return<void, Failure> {
  const missing: Array<Digest.Digest> = []
  for (const digest of content.blobs) {
    if (Option.isNone(yield* site.storage.blobSize(name, digest))) missing.push(digest)
  }
  for (const digest of content.children) {
    if (!(yield* site.storage.hasManifest(name, digest))) missing.push(digest)
  }
  if (missing.length > 0) {
    return yield* refuse(404, "MANIFEST_BLOB_UNKNOWN", "manifest references a manifest or blob unknown to registry", { digests: missing })
  }
})

/** The tags a push sets: the one in its path, or those of `?tag=` beside a digest (spec «Pushing Manifests»). */
const wantedTags = (site: Site, reference: string): Effect.Effect<ReadonlyArray<string>, Refusal> => {
  const parameters = isDigestLike(reference) && site.can.tagParameter ? [...new Set(site.query.getAll("tag"))] : []
  const tags = isDigestLike(reference) ? parameters : [reference]
  if (parameters.length > site.limits.tagParameters) return refuse(414, "TAG_INVALID", `more than ${site.limits.tagParameters} tags`)
  const bad = tags.find((tag) => !isTag(tag))
  return bad === undefined ? Effect.succeed(tags) : refuse(400, "TAG_INVALID", "manifest tag did not match the grammar", { tag: bad })
}

const digestOf = Effect.fnUntraced(function* (site: Site, reference: string, bytes: Uint8Array): Effect.fn.Return<Digest.Digest, Refusal> {
  if (!isDigestLike(reference)) return Digest.fromBytes(bytes)
  const wanted = yield* checkDigest(site, reference)
  const actual = Digest.fromBytes(bytes, Digest.algorithm(wanted) === "sha512" ? "sha512" : "sha256")
  return actual === wanted ? actual : yield* refuse(400, "DIGEST_INVALID", "the manifest has another digest", { actual })
})

const checkTagsAreNew = Effect.fnUntraced(function* (site: Site, name: string, tags: ReadonlyArray<string>) {
  for (const tag of tags) {
    if (Option.isSome(yield* site.storage.tag(name, tag))) return yield* refuse(400, "TAG_INVALID", `the tag ${tag} is immutable`)
  }
})

/** What a tag or a digest stands for now must be what the request wants to replace or remove. */
const checkPrecondition = Effect.fnUntraced(function* (site: Site, name: string, reference: string): Effect.fn.Return<void, Refusal> {
  if (!site.can.conditional) return
  const current = Digest.isDigest(reference)
    ? (yield* site.storage.hasManifest(name, reference))
      ? reference
      : undefined
    : Option.getOrUndefined(yield* site.storage.tag(name, reference))
  if (!mayWrite(site.request, current)) yield* refuse(412, "DENIED", "the precondition does not hold")
})

/** `PUT` of a manifest (spec «Pushing Manifests»). @internal */
export const put = Effect.fnUntraced(function* (site: Site, name: string, reference: string): Effect.fn.Return<Response, Failure> {
  yield* checkRepositoryForPush(site, name)
  const tags = yield* wantedTags(site, reference)
  const bytes = yield* readBody(site)
  const parsed = ManifestContent.parse(bytes, site.request.headers["content-type"])
  if (Either.isLeft(parsed)) return yield* invalid(parsed.left)
  const content = parsed.right
  if (content.flaw !== undefined) return yield* invalid(content.flaw)
  if (!site.can.artifacts && !ManifestContent.isImage(content)) return yield* invalid("only container images are accepted")
  const digest = yield* digestOf(site, reference, bytes)
  const referrer = Option.getOrUndefined(ManifestContent.referrer(content, digest, bytes.length))
  yield* site.storage.exclusive(
    Effect.gen(function* () {
      if (!site.can.moveTags) yield* checkTagsAreNew(site, name, tags)
      if (site.can.validateReferences) yield* checkReferences(site, name, content)
      yield* checkPrecondition(site, name, isDigestLike(reference) ? digest : reference)
      yield* site.storage.putManifest(name, { digest, mediaType: content.mediaType, bytes, subject: content.subject, referrer }, tags)
    })
  )
  return empty(201, {
    Location: site.locate(`/v2/${name}/manifests/${digest}`),
    "Docker-Content-Digest": digest,
    ...(content.subject !== undefined && (site.can.referrers || site.claimsSubject) ? { "OCI-Subject": content.subject } : {}),
    ...(isDigestLike(reference) && tags.length > 0 ? { "OCI-Tag": tags } : {})
  })
})

/** `DELETE` of a tag or, by digest, of a manifest and its tags (spec «Content Management»). @internal */
export const remove = Effect.fnUntraced(function* (site: Site, name: string, reference: string): Effect.fn.Return<Response, Failure> {
  const digest = isDigestLike(reference) ? yield* checkDigest(site, reference) : undefined
  if (digest === undefined ? !site.can.deleteTag : !site.can.deleteManifest) {
    return yield* unsupported(digest === undefined ? "deleting tags" : "deleting manifests")
  }
  if (!(yield* site.storage.hasRepository(name))) return yield* refuse(404, "NAME_UNKNOWN", "repository name not known to registry")
  const removed = yield* site.storage.exclusive(
    Effect.zipRight(
      checkPrecondition(site, name, reference),
      digest === undefined ? site.storage.removeTag(name, reference) : site.storage.removeManifest(name, digest)
    )
  )
  return removed ? empty(202) : yield* unknown(reference)
})
