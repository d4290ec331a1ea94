import type * as Body from "@effect/platform/HttpBody"
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as TokenScope from "../../auth/TokenScope.ts"
import { parseUploadRange } from "../../http/internal/contentRange.ts"
import * as Location from "../../http/internal/location.ts"
import * as Digest from "../../model/Digest.ts"
import { type ResponseError, type UnknownRegistryError, UploadFailed } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { type PutBlobError, uploadTags } from "./errors.ts"
import * as Request from "./repositoryRequest.ts"

/** Where an upload takes place. @internal */
export interface Place extends Request.Place {
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

type Sending = Pick<RegistryTransport.TransportRequest, "method" | "path"> &
  Partial<Pick<RegistryTransport.TransportRequest, "headers" | "body" | "replayable" | "priority">>

/** How long an upload that ends may keep its caller waiting. @internal */
export const patience = Duration.seconds(5)

/**
 * Runs the effect for as long as an upload may wait, although the caller is interrupted meanwhile: where a fiber cannot be interrupted its
 * children still can, and a time limit makes some.
 *
 * @internal
 */
export const inPeace = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E | Cause.TimeoutException> =>
  Effect.flatMap(Effect.forkDaemon(Effect.timeout(Effect.interruptible(self), patience)), Fiber.join)

const octets = { "content-type": "application/octet-stream" }

/** @internal */
export const failed = (place: Place, reason: string, sentBytes: number, retryable = false): UploadFailed =>
  new UploadFailed({ ...Request.originOf(place), reason, sentBytes, retryable })

/** Tokens of an upload are for its repository and for those that content may be mounted from. @internal */
export const scopesOf = ({ repository, mountFrom }: Place): ReadonlyArray<string> => [
  TokenScope.push(repository.name),
  ...mountFrom.map(TokenScope.pull)
]

/** Uploads decide themselves what is sent again, so the transport's own retries are off for everything that carries content. */
const request = (scope: Scope.Scope, place: Place, options: Sending, retry: boolean) =>
  place.transport.executeIn(scope, {
    ...Request.originOf(place),
    endpoint: "upload",
    scopes: scopesOf(place),
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

const enc = encodeURIComponent

const begin = (place: Place, query: string, retry: boolean) => Effect.scopedWith((scope) => beginIn(scope, place, query, retry))

const beginIn = Effect.fnUntraced(function* (scope: Scope.Scope, place: Place, query: string, retry: boolean) {
  const response = yield* request(
    scope,
    place,
    { method: "POST", path: `${Request.uploadsPath(place)}${query}`, headers: { "content-length": "0" } },
    retry
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
})

/** The parameter that names the algorithm when it is not the usual one. */
const algorithmParameter = (algorithm: string): ReadonlyArray<string> =>
  algorithm === "sha256" ? [] : [`digest-algorithm=${enc(algorithm)}`]

const queryOf = (parameters: ReadonlyArray<string>): string => (parameters.length === 0 ? "" : `?${parameters.join("&")}`)

/** Opens an upload (distribution-spec «Pushing blobs»). @internal */
export const start = (place: Place, algorithm: string): Effect.Effect<Started, PutBlobError> =>
  begin(place, queryOf(algorithmParameter(algorithm)), true)

/** @internal */
export interface MountOptions {
  readonly from?: string | undefined
  readonly origin?: string | undefined
  readonly retry: boolean
}

/**
 * Asks for the blob out of another repository; without `from` out of any (distribution-spec «Mounting a blob»). `origin` is Google's own
 * parameter. Retries are for a mount that is wanted for its own sake: one that only saves an upload is not worth waiting for.
 *
 * @internal
 */
export const mount = (place: Place, digest: Digest.Digest, options: MountOptions): Effect.Effect<Started, PutBlobError> => {
  const from = options.from === undefined ? [] : [`from=${enc(options.from)}`]
  const origin = options.origin === undefined ? [] : [`origin=${enc(options.origin)}`]
  return begin(place, queryOf([`mount=${enc(digest)}`, ...from, ...origin, ...algorithmParameter(Digest.algorithm(digest))]), options.retry)
}

/** Content that was refused; nothing of the request is held any more. @internal */
export interface Refused {
  readonly _tag: "Refused"
  readonly status: number
  readonly error: ResponseError<(typeof uploadTags)[number]> | UnknownRegistryError
  readonly retryAfter: Duration.Duration | undefined
}

/** What came of sending content: where the session is now, or why it was refused. @internal */
export type Sent = { readonly _tag: "Stored"; readonly session: Session } | Refused

const refusal = (response: RegistryTransport.TransportResponse): Effect.Effect<Sent> =>
  Effect.map(Effect.flip(response.fail(uploadTags)), (error) => ({
    _tag: "Refused",
    status: response.status,
    error,
    retryAfter: response.retryAfter
  }))

/** Content for one request. @internal */
export interface Piece {
  readonly body: Body.HttpBody
  /** Undefined for a stream that ends when it ends. */
  readonly length: number | undefined
  /** Whether its place is told: the registry then refuses what does not belong there. */
  readonly ranged: boolean
  readonly replayable: boolean
}

const headersOf = ({ offset }: Session, { length, ranged }: Piece): Readonly<Record<string, string>> => ({
  ...octets,
  ...(length === undefined ? {} : { "content-length": String(length) }),
  ...(ranged && length !== undefined && length > 0 ? { "content-range": `${offset}-${offset + length - 1}` } : {})
})

const transfer = (scope: Scope.Scope, place: Place, method: "PATCH" | "PUT", path: string, session: Session, piece: Piece) =>
  request(
    scope,
    place,
    {
      method,
      path,
      headers: headersOf(session, piece),
      body: piece.body,
      replayable: piece.replayable,
      priority: piece.length === 0 ? "small" : "bulk"
    },
    false
  )

/** One `PATCH`. `Range` in its answer is not looked at: some registries do not move it (Amazon ECR), and what was accepted counts. @internal */
export const patch = (place: Place, session: Session, piece: Piece): Effect.Effect<Sent, PutBlobError> =>
  Effect.scopedWith((scope) => patchIn(scope, place, session, piece))

const patchIn = Effect.fnUntraced(function* (
  scope: Scope.Scope,
  place: Place,
  session: Session,
  piece: Piece
): Effect.fn.Return<Sent, PutBlobError> {
  const response = yield* transfer(scope, place, "PATCH", session.location, session, piece)
  if (response.status !== 201 && response.status !== 202 && response.status !== 204) return yield* refusal(response)
  yield* response.discard
  const location = yield* locationOf(place, response, session.offset)
  return { _tag: "Stored", session: { ...session, location, offset: session.offset + (piece.length ?? 0) } }
})

/** The closing `PUT`, with the rest of the content if there is any. @internal */
export const finish = (place: Place, session: Session, digest: Digest.Digest, piece: Piece): Effect.Effect<Sent, PutBlobError> =>
  Effect.scopedWith((scope) => finishIn(scope, place, session, digest, piece))

const finishIn = Effect.fnUntraced(function* (
  scope: Scope.Scope,
  place: Place,
  session: Session,
  digest: Digest.Digest,
  piece: Piece
): Effect.fn.Return<Sent, PutBlobError> {
  const response = yield* transfer(scope, place, "PUT", Location.withDigest(session.location, digest), session, piece)
  if (response.status !== 201) return yield* refusal(response)
  yield* response.discard
  return { _tag: "Stored", session: { ...session, offset: session.offset + (piece.length ?? 0) } }
})

/**
 * How far the registry got (distribution-spec «Pushing a blob in chunks»): where the session goes on, and how many bytes it says it has;
 * undefined when it does not say.
 *
 * @internal
 */
export const status = Effect.fnUntraced(function* (place: Place, session: Session) {
  const response = yield* request(yield* Effect.scope, place, { method: "GET", path: session.location }, true)
  if (response.status !== 204 && response.status !== 200 && response.status !== 202) return yield* response.fail(uploadTags)
  yield* response.discard
  const end = parseUploadRange(response.headers["range"] ?? "")
  const header = response.headers["location"]
  const location = header === undefined ? session.location : yield* locationOf(place, response, session.offset)
  return { location, receivedBytes: end === undefined ? undefined : end + 1 }
}, Effect.scoped)

/** Gives the session up; a registry that cannot is left to forget it (distribution-spec «Cancelling»). @internal */
export const cancel = (place: Place, session: Session): Effect.Effect<void> =>
  Effect.scopedWith((scope) =>
    Effect.flatMap(request(scope, place, { method: "DELETE", path: session.location }, false), (response) => response.discard)
  ).pipe(inPeace, Effect.ignore)
