import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TokenScope from "../../auth/TokenScope.ts"
import { parse as parseContentRange } from "../../http/internal/contentRange.ts"
import * as PullStream from "../../http/internal/pullStream.ts"
import { TransportError } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { waitAfter } from "./backoff.ts"
import { blobTags, type GetBlobError } from "./errors.ts"
import * as Request from "./repositoryRequest.ts"
import { skipping } from "./skipping.ts"

type Bytes = Chunk.Chunk<Uint8Array>

type Response = RegistryTransport.TransportResponse

/**
 * The bytes from `offset` on, to `end` if there is one. Without `ranges` the whole is asked for and its first part skipped. `etag` is that of
 * the answer to be gone on with.
 *
 * @internal
 */
export interface Wanted {
  readonly offset: number
  readonly end?: number | undefined
  readonly etag?: string | undefined
  readonly ranges: boolean
  readonly mirrors: boolean
}

/** A body that goes on where it was wanted, of a blob of `sizeBytes` if the registry told. @internal */
export interface Opened {
  readonly pull: PullStream.Pull<TransportError>
  readonly sizeBytes: number | undefined
  /** How far into the blob the body reaches, if the registry told. */
  readonly end: number | undefined
  /** Says whether a later answer goes on with the same bytes. */
  readonly etag: string | undefined
}

const broken = (response: Response, detail: string, retryable = true) =>
  new TransportError({
    registry: response.context.registry,
    repository: response.context.repository,
    operation: response.context.operation,
    method: response.context.method,
    url: response.context.url.replace(/[?#].*$/, ""),
    reason: "protocol",
    detail,
    retryable
  })

/**
 * Fails for an answer in which places are not those of the blob: the whole, compressed on its way. Of a part (206), the coding belongs to what
 * is stored, as at some storages. A digest would tell; a range has none.
 *
 * @internal
 */
export const requirePlaces = (response: Response): Effect.Effect<void, TransportError> =>
  response.status === 200 && response.contentEncoding !== undefined
    ? broken(response, `the answer is compressed (Content-Encoding: ${response.contentEncoding})`, false)
    : Effect.void

const isRanged = ({ ranges, offset, end }: Wanted): boolean => ranges && (offset > 0 || end !== undefined)

/** Asks for a blob; the answer may be anything. @internal */
export const ask = (
  scope: Scope.Scope,
  place: Request.Place,
  path: string,
  wanted: Wanted
): Effect.Effect<Response, RegistryTransport.TransportFailure> => {
  const { offset, end, etag } = wanted
  const ranged = isRanged(wanted)
  return place.transport.executeIn(scope, {
    ...Request.originOf(place),
    endpoint: "blob",
    method: "GET",
    path,
    headers: {
      ...(ranged ? { range: `bytes=${offset}-${end === undefined ? "" : end - 1}` } : {}),
      ...(ranged && etag !== undefined ? { "if-range": etag } : {})
    },
    scopes: [TokenScope.pull(place.repository.name)],
    read: wanted.mirrors ? "pull" : undefined,
    priority: "bulk"
  })
}

/** Opens the body of an answer. Fails with `TransportError` when it does not fit what was asked. @internal */
export const read = Effect.fnUntraced(function* (
  scope: Scope.Scope,
  response: Response,
  wanted: Wanted
): Effect.fn.Return<Opened, GetBlobError> {
  const etag = Request.strongEtag(response)
  // The body of a refusal is left to `fail`, which reads what the registry says in it.
  const from = (start: number, end: number | undefined, sizeBytes: number | undefined) =>
    Effect.map(
      PullStream.openIn(scope, response.body),
      (pull): Opened => ({ pull: skipping(pull, wanted.offset - start), sizeBytes, end, etag })
    )
  if (response.status === 200) {
    const sizeBytes = Request.contentLength(response)
    return yield* from(0, sizeBytes, sizeBytes)
  }
  if (response.status === 206 && isRanged(wanted)) {
    const range = parseContentRange(response.headers["content-range"] ?? "")
    if (range === undefined || range.start > wanted.offset) {
      return yield* broken(response, "the answer is not the range that was asked for")
    }
    return yield* from(range.start, range.end + 1, range.total)
  }
  if (response.status === 206) return yield* broken(response, "a part was sent although the whole was asked for")
  return yield* response.fail(blobTags)
})

/** The length of the blob, as the refusal of a range tells it in `Content-Range` (RFC 9110, 15.5.17). @internal */
export const toldSize = ({ status, headers }: Response): number | undefined => {
  const digits = status === 416 ? /^\s*bytes\s+\*\/(\d{1,15})\s*$/i.exec(headers["content-range"] ?? "")?.[1] : undefined
  return digits === undefined ? undefined : Number(digits)
}

const hasStatus = (error: GetBlobError, ...statuses: ReadonlyArray<number>): boolean =>
  "status" in error && error.status !== undefined && statuses.includes(error.status)

/** @internal */
export const refusesRange = (error: GetBlobError): boolean => error._tag === "RangeInvalid" || hasStatus(error, 416)

/** What storage answers to a signed address that has just expired, or on a bad day; the next request gets another one. @internal */
export const refusesForNow = (error: GetBlobError): boolean => hasStatus(error, 400, 403)

const isEmpty = (bytes: Uint8Array) => bytes.byteLength === 0

/** Whoever writes them to a file would find that nothing was written. @internal */
export const withoutEmpty = (chunk: Bytes): Bytes => (Chunk.some(chunk, isEmpty) ? Chunk.filter(chunk, (bytes) => !isEmpty(bytes)) : chunk)

/** The wait before a body that broke so often in a row is gone on with. @internal */
export const rest = (fruitless: number) => (fruitless < 2 ? Effect.void : Effect.sleep(waitAfter(fruitless)))
