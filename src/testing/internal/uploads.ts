import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Digest from "../../model/Digest.ts"
import type { StoreError } from "../../model/RegistryError.ts"
import type { Response } from "../RegistryOptions.ts"
import { allows } from "./access.ts"
import { parseChunkRange, received } from "./byteRange.ts"
import { empty, type Refusal, type RequestAborted, refuse, unsupported } from "./exchange.ts"
import * as ManifestContent from "./manifestContent.ts"
import { limited, type TooLong } from "./requestBody.ts"
import { checkAlgorithm, checkDigest, checkRepositoryForPush, contentLength, type Site } from "./site.ts"
import type { Upload } from "./storageService.ts"

type Failure = Refusal | RequestAborted | StoreError

const uploadPath = (upload: Upload) => `/v2/${upload.repository}/blobs/uploads/${upload.id}`

/** How much the registry says has arrived. */
const told = (site: Site, upload: Upload, sizeBytes: number): number => {
  const chunked = site.chunked.get(upload.id)
  if (chunked === undefined) return sizeBytes
  return site.uploads.range === "stuck" ? chunked.firstBytes : sizeBytes + chunked.lostBytes
}

/** What every answer about an open session tells. */
const session = (site: Site, upload: Upload, sizeBytes: number): Response["headers"] => ({
  Location: site.locate(uploadPath(upload)),
  Range: received(told(site, upload, sizeBytes)),
  "Docker-Upload-UUID": upload.id,
  ...(site.limits.chunkMinBytes > 0 ? { "OCI-Chunk-Min-Length": String(site.limits.chunkMinBytes) } : {})
})

const created = (site: Site, name: string, digest: Digest.Digest): Response =>
  empty(201, { Location: site.locate(`/v2/${name}/blobs/${digest}`), "Docker-Content-Digest": digest })

const tooLong = refuse(413, "SIZE_INVALID", "the request body is too large")

type Take<A> = (body: Stream.Stream<Uint8Array, RequestAborted | TooLong>) => Effect.Effect<A, RequestAborted | TooLong | StoreError>

/** Hands the body of the request over, up to the length that is allowed. */
const takeBody = <A>(site: Site, take: Take<A>): Effect.Effect<A, Failure> => {
  const announced = contentLength(site.request)
  if (announced !== undefined && announced > site.limits.uploadBodyBytes) return tooLong
  return Effect.catchTag(take(limited(site.request.body, site.limits.uploadBodyBytes)), "TooLong", () => tooLong)
}

const append = (site: Site, upload: Upload): Effect.Effect<number, Failure> => takeBody(site, upload.append)

/** Reads the body and forgets it; how long it was. */
const lose = (site: Site): Effect.Effect<number, Failure> =>
  takeBody(
    site,
    Stream.runFold(0, (size, bytes) => size + bytes.length)
  )

const commit = (site: Site, upload: Upload, digest: Digest.Digest): Effect.Effect<Response, Failure> =>
  Effect.catchTags(Effect.as(upload.commit(digest), created(site, upload.repository, digest)), {
    DigestMismatch: (mismatch) =>
      refuse(400, "DIGEST_INVALID", "provided digest did not match uploaded content", {
        digest: mismatch.expected,
        reason: `content has digest ${mismatch.actual}`
      }),
    InvalidDigest: (invalid) => refuse(400, "DIGEST_INVALID", invalid.reason)
  })

const open = (site: Site, name: string, algorithm: string) =>
  Effect.catchTag(site.storage.openUpload(name, { algorithm }), "InvalidDigest", (invalid) => refuse(400, "DIGEST_INVALID", invalid.reason))

/** Whether a manifest of the repository, or of any, names the blob. */
const isCommitted = Effect.fnUntraced(function* (site: Site, blob: Digest.Digest, from: string): Effect.fn.Return<boolean, Failure> {
  for (const repository of from === "" ? yield* site.storage.repositories : [from]) {
    for (const digest of yield* site.storage.manifests(repository)) {
      const manifest = Option.getOrUndefined(yield* site.storage.manifest(repository, digest))
      if (manifest === undefined) continue
      const content = ManifestContent.parse(manifest.bytes, manifest.mediaType)
      if (Either.isRight(content) && content.right.blobs.includes(blob)) return true
    }
  }
  return false
})

const mount = Effect.fnUntraced(function* (site: Site, name: string): Effect.fn.Return<Option.Option<Response>, Failure> {
  if (!site.query.has("mount") || !site.can.mount) return Option.none()
  const digest = yield* checkDigest(site, site.query.get("mount"))
  const from = site.query.get("from") ?? ""
  if (from === "" ? !site.can.anonymousMount : !allows(site.grants, `repository:${from}`, "pull")) return Option.none()
  if (!site.can.mountUncommitted && !(yield* isCommitted(site, digest, from))) return Option.none()
  const linked = yield* site.storage.linkBlob(digest, name, from === "" ? undefined : from)
  return Option.map(linked, () => created(site, name, digest))
})

/** `POST …/blobs/uploads/`: a mount, a whole blob, or a new session (spec «Pushing blobs», «Mounting a blob»). @internal */
export const start = Effect.fnUntraced(function* (site: Site, name: string): Effect.fn.Return<Response, Failure> {
  yield* checkRepositoryForPush(site, name)
  const mounted = yield* mount(site, name)
  if (Option.isSome(mounted)) return mounted.value
  if (site.query.has("digest") && site.can.singlePost) {
    const digest = yield* checkDigest(site, site.query.get("digest"))
    const upload = yield* open(site, name, Digest.algorithm(digest))
    return yield* append(site, upload).pipe(
      // Nobody learns of this session, so it must not outlive a request that broke off.
      Effect.onError(() => Effect.ignore(upload.cancel)),
      Effect.zipRight(commit(site, upload, digest))
    )
  }
  const algorithm = (site.can.digestAlgorithm ? site.query.get("digest-algorithm") : null) ?? "sha256"
  yield* checkAlgorithm(site, algorithm)
  return empty(202, session(site, yield* open(site, name, algorithm), 0))
})

const orUnknown: <A>(found: Option.Option<A>) => Effect.Effect<A, Refusal> = Option.match({
  onNone: () => refuse(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
  onSome: Effect.succeed
})

const find = (site: Site, name: string, id: string): Effect.Effect<Upload, Refusal> =>
  Effect.flatMap(site.storage.upload(name, id), orUnknown)

/** One request at a time; one that waited behind the last one of its session comes too late. */
const inTurn = <A>(upload: Upload, request: Effect.Effect<A, Failure>): Effect.Effect<A, Failure> =>
  Effect.flatMap(upload.exclusive(request), orUnknown)

const outOfOrder = (site: Site, upload: Upload, sizeBytes: number, message: string) =>
  refuse(416, "RANGE_INVALID", message, undefined, session(site, upload, sizeBytes))

const chunkRange = (site: Site) => {
  const header = site.request.headers["content-range"]
  if (header === undefined) return Effect.succeed(undefined)
  const range = parseChunkRange(header)
  return range === undefined ? refuse(416, "RANGE_INVALID", `invalid content range ${header}`) : Effect.succeed(range)
}

/** Takes a chunk, when it is the next one and as long as it says; how much the session then holds. */
const takeChunk = Effect.fnUntraced(function* (
  site: Site,
  upload: Upload,
  range: { readonly start: number; readonly length: number }
): Effect.fn.Return<number, Failure> {
  const before = site.chunked.get(upload.id)
  const { sizeBytes } = yield* upload.info
  const lostBytes = before?.lostBytes ?? 0
  const expected = sizeBytes + lostBytes
  if (range.start !== expected) {
    return yield* outOfOrder(site, upload, sizeBytes, `the chunk starts at ${range.start}, expected ${expected}`)
  }
  const announced = contentLength(site.request)
  if (announced !== undefined && announced !== range.length) {
    return yield* refuse(400, "SIZE_INVALID", `the chunk has ${announced} bytes, its range ${range.length}`)
  }
  if (before?.short === true) {
    return yield* refuse(400, "SIZE_INVALID", `only the last chunk may be shorter than ${site.limits.chunkMinBytes} bytes`)
  }
  const lost = site.uploads.laterChunks === "lost" && expected > 0
  const received = lost ? yield* lose(site) : (yield* append(site, upload)) - sizeBytes
  if (received !== range.length) {
    return yield* refuse(400, "SIZE_INVALID", `the chunk has ${received} bytes, its range ${range.length}`)
  }
  site.chunked.set(upload.id, {
    firstBytes: before?.firstBytes ?? expected + received,
    lostBytes: lostBytes + (lost ? received : 0),
    short: received < site.limits.chunkMinBytes
  })
  return lost ? sizeBytes : sizeBytes + received
})

/** `PATCH` of a session: the next chunk, or with no range the whole content as a stream. @internal */
export const patch = Effect.fnUntraced(function* (site: Site, name: string, id: string): Effect.fn.Return<Response, Failure> {
  const range = yield* chunkRange(site)
  if (range === undefined ? !site.can.streamedUpload : !site.can.chunkedUpload) return yield* unsupported("uploading in parts")
  const upload = yield* find(site, name, id)
  const receive = Effect.gen(function* () {
    if (range !== undefined) return yield* takeChunk(site, upload, range)
    const { sizeBytes } = yield* upload.info
    if (sizeBytes > 0 && !site.can.streamedAppend) {
      return yield* refuse(400, "BLOB_UPLOAD_INVALID", "a chunk after the first one needs a Content-Range")
    }
    return yield* append(site, upload)
  })
  const sizeBytes = yield* inTurn(upload, receive)
  return empty(site.uploads.patchStatus, session(site, upload, sizeBytes))
})

/** `PUT` of a session: the rest of the content, if any, and the digest that closes it. @internal */
export const close = Effect.fnUntraced(function* (site: Site, name: string, id: string): Effect.fn.Return<Response, Failure> {
  const digest = yield* checkDigest(site, site.query.get("digest"))
  const range = yield* chunkRange(site)
  const upload = yield* find(site, name, id)
  return yield* inTurn(
    upload,
    Effect.gen(function* () {
      if (!site.can.singlePut && contentLength(site.request) !== 0) return yield* unsupported("content in the closing request")
      yield* range === undefined ? append(site, upload) : takeChunk(site, upload, range)
      site.chunked.delete(upload.id)
      return yield* commit(site, upload, digest)
    })
  )
})

/** `GET` of a session: how much has arrived. @internal */
export const status = Effect.fnUntraced(function* (site: Site, name: string, id: string): Effect.fn.Return<Response, Failure> {
  if (!site.can.uploadStatus) return yield* unsupported("the status of an upload")
  const upload = yield* find(site, name, id)
  return empty(204, session(site, upload, (yield* upload.info).sizeBytes))
})

/** `DELETE` of a session. @internal */
export const cancel = Effect.fnUntraced(function* (site: Site, name: string, id: string): Effect.fn.Return<Response, Failure> {
  if (!site.can.cancel) return yield* unsupported("cancelling an upload")
  const upload = yield* find(site, name, id)
  // Not in the middle of a request that closes it: its content would be taken from under it.
  yield* inTurn(upload, upload.cancel)
  site.chunked.delete(upload.id)
  return empty(204, { "Docker-Upload-UUID": upload.id })
})
