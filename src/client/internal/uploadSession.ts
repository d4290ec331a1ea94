import * as Body from "@effect/platform/HttpBody"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as TokenScope from "../../auth/TokenScope.ts"
import { parseUploadRange } from "../../http/internal/contentRange.ts"
import * as Location from "../../http/internal/location.ts"
import * as Digest from "../../model/Digest.ts"
import type * as Reference from "../../model/Reference.ts"
import { UploadFailed } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { type PutBlobError, uploadTags } from "./errors.ts"

/** Where an upload takes place. @internal */
export interface Place {
  readonly transport: RegistryTransport.Service
  readonly repository: Reference.Repository
  readonly operation: string
  /** Repositories a mount may take content from; tokens for the upload cover them too. */
  readonly mountFrom: ReadonlyArray<string>
}

/** An open upload: where its next request goes, what the registry holds, and the least it wants in a chunk. @internal */
export interface Session {
  readonly location: string
  readonly offset: number
  readonly minChunkBytes: number
}

/** What `POST` may lead to: the blob is there, or a session is open. @internal */
export type Started = { readonly _tag: "Created" } | { readonly _tag: "Opened"; readonly session: Session }

type Request = Pick<RegistryTransport.TransportRequest, "method" | "path"> &
  Partial<Pick<RegistryTransport.TransportRequest, "headers" | "body" | "replayable" | "priority">>

const octets = { "content-type": "application/octet-stream" }

/** @internal */
export const failed = (place: Place, reason: string, sentBytes: number, retryable = false): UploadFailed =>
  new UploadFailed({
    registry: place.repository.registry,
    repository: place.repository.name,
    operation: place.operation,
    reason,
    sentBytes,
    retryable
  })

/** Uploads decide themselves what is sent again, so the transport's own retries are off for everything that carries content. */
const request = (place: Place, options: Request, retry: boolean) =>
  place.transport.execute({
    operation: place.operation,
    endpoint: "upload",
    registry: place.repository.registry,
    repository: place.repository.name,
    scopes: [TokenScope.push(place.repository.name), ...place.mountFrom.map(TokenScope.pull)],
    retry,
    ...options
  })

const minChunk = (response: RegistryTransport.TransportResponse): number => {
  const text = response.headers["oci-chunk-min-length"] ?? ""
  return /^\d{1,12}$/.test(text) ? Number(text) : 0
}

/** The `Location` of an answer, resolved against the URL that gave it; uploads never leave for internal addresses. */
const locationOf = (place: Place, response: RegistryTransport.TransportResponse, sentBytes: number) => {
  const header = response.headers["location"]
  if (header === undefined) return Either.left(failed(place, "the registry named no Location to go on at", sentBytes))
  return Either.mapLeft(Location.resolve(header, response.url), (reason) => failed(place, reason, sentBytes))
}

const uploadsPath = (place: Place) => `/v2/${place.repository.name}/blobs/uploads/`

const enc = encodeURIComponent

const begin = Effect.fnUntraced(function* (place: Place, query: string) {
  const response = yield* request(
    place,
    { method: "POST", path: `${uploadsPath(place)}${query}`, headers: { "content-length": "0" } },
    true
  )
  if (response.status === 201) {
    yield* response.discard
    const created: Started = { _tag: "Created" }
    return created
  }
  if (response.status !== 202) return yield* response.fail(uploadTags)
  yield* response.discard
  const location = yield* locationOf(place, response, 0)
  const opened: Started = { _tag: "Opened", session: { location, offset: 0, minChunkBytes: minChunk(response) } }
  return opened
}, Effect.scoped)

/** Opens an upload (distribution-spec «Pushing blobs»). The algorithm is named when it is not the usual one. @internal */
export const start = (place: Place, algorithm: string): Effect.Effect<Started, PutBlobError> =>
  begin(place, algorithm === "sha256" ? "" : `?digest-algorithm=${enc(algorithm)}`)

/** Asks for the blob out of another repository; without `from` out of any (distribution-spec «Mounting a blob»). @internal */
export const mount = (
  place: Place,
  digest: Digest.Digest,
  from: string | undefined,
  origin: string | undefined
): Effect.Effect<Started, PutBlobError> =>
  begin(
    place,
    `?mount=${enc(digest)}${from === undefined ? "" : `&from=${enc(from)}`}${origin === undefined ? "" : `&origin=${enc(origin)}`}`
  )

/** What came of sending content. @internal */
export type Sent =
  | { readonly _tag: "Stored"; readonly session: Session }
  /** The registry refused it; `retryAfter` and `status` say how. */
  | { readonly _tag: "Refused"; readonly response: RegistryTransport.TransportResponse }

/**
 * One `PATCH`: a chunk with `Content-Range` when `length` is known and `ranged`, a stream without it otherwise.
 *
 * @internal
 */
export const patch = Effect.fnUntraced(function* (
  place: Place,
  session: Session,
  content: { readonly body: Body.HttpBody; readonly length: number | undefined; readonly ranged: boolean; readonly replayable: boolean }
): Effect.fn.Return<Sent, PutBlobError, Scope.Scope> {
  const { length } = content
  const end = length === undefined ? undefined : session.offset + length
  const response = yield* request(
    place,
    {
      method: "PATCH",
      path: session.location,
      headers: {
        ...octets,
        ...(length === undefined ? {} : { "content-length": String(length) }),
        ...(content.ranged && end !== undefined ? { "content-range": `${session.offset}-${end - 1}` } : {})
      },
      body: content.body,
      replayable: content.replayable,
      priority: "bulk"
    },
    false
  )
  if (response.status !== 201 && response.status !== 202 && response.status !== 204) return { _tag: "Refused", response }
  yield* response.discard
  const location = yield* locationOf(place, response, session.offset)
  // `Range` is only a hint here: some registries do not move it (Amazon ECR); what was accepted counts.
  return { _tag: "Stored", session: { ...session, location, offset: end ?? session.offset } }
})

/** The closing `PUT`, with the rest of the content if there is any. @internal */
export const finish = Effect.fnUntraced(function* (
  place: Place,
  session: Session,
  digest: Digest.Digest,
  content?: { readonly body: Body.HttpBody; readonly length: number; readonly ranged: boolean; readonly replayable: boolean }
): Effect.fn.Return<Sent, PutBlobError, Scope.Scope> {
  const length = content?.length ?? 0
  const response = yield* request(
    place,
    {
      method: "PUT",
      path: Location.withDigest(session.location, digest),
      headers: {
        ...octets,
        "content-length": String(length),
        ...(content?.ranged === true && length > 0 ? { "content-range": `${session.offset}-${session.offset + length - 1}` } : {})
      },
      body: content?.body ?? Body.empty,
      replayable: content?.replayable ?? true,
      ...(length > 0 ? { priority: "bulk" as const } : {})
    },
    false
  )
  if (response.status !== 201) return { _tag: "Refused", response }
  yield* response.discard
  return { _tag: "Stored", session: { ...session, offset: session.offset + length } }
})

/** How far the registry got (distribution-spec «Pushing a blob in chunks»): the session with its new location and offset. @internal */
export const status = Effect.fnUntraced(function* (place: Place, session: Session) {
  const response = yield* request(place, { method: "GET", path: session.location }, true)
  if (response.status !== 204 && response.status !== 200) return yield* response.fail(uploadTags)
  yield* response.discard
  const end = parseUploadRange(response.headers["range"] ?? "")
  const header = response.headers["location"]
  const location = header === undefined ? session.location : yield* locationOf(place, response, session.offset)
  return { ...session, location, offset: end === undefined ? 0 : end + 1 }
}, Effect.scoped)

/** Gives the session up; a registry that cannot is left to forget it (distribution-spec «Cancelling»). @internal */
export const cancel = (place: Place, session: Session): Effect.Effect<void> =>
  request(place, { method: "DELETE", path: session.location }, false).pipe(
    Effect.flatMap((response) => response.discard),
    Effect.scoped,
    Effect.timeout(Duration.seconds(10)),
    Effect.ignore
  )
