/**
 * Every error of the library as a value: one tag per OCI error code, the failures of our own checks, and the rules that turn a
 * registry's answer into one of them.
 *
 * Errors hold plain data (they encode to JSON and back) and never a request, a response, a credential or a signed query.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type ErrorEntry, parseErrorBody } from "./internal/errorBody.ts"
import { sanitizeText, sanitizeUrl } from "./internal/sanitize.ts"

/** @since 0.1.0 */
export const TypeId = "~effect-oci/RegistryError"

/** @since 0.1.0 */
export type TypeId = typeof TypeId

/**
 * One entry of the `errors` list of a registry's error body. `code` is kept as received, known or not, and is empty when there was none.
 *
 * @since 0.1.0
 */
export class Diagnostic extends Schema.Class<Diagnostic>("effect-oci/Diagnostic")({
  code: Schema.String,
  message: Schema.String,
  detail: Schema.optional(Schema.Unknown)
}) {
  /** `CODE: message`, and `; detail` as JSON when there is one. */
  override toString(): string {
    return this.detail == null ? `${this.code}: ${this.message}` : `${this.code}: ${this.message}; ${JSON.stringify(this.detail)}`
  }
}

const place = {
  registry: Schema.String,
  repository: Schema.optional(Schema.String),
  operation: Schema.String
}

const request = {
  ...place,
  method: Schema.String,
  url: Schema.String
}

const response = {
  ...request,
  status: Schema.Int,
  diagnostics: Schema.Array(Diagnostic),
  body: Schema.optional(Schema.String),
  requestId: Schema.optional(Schema.String),
  retryAfter: Schema.optional(Schema.DurationFromMillis),
  retryable: Schema.Boolean
}

interface ResponseFields {
  readonly method: string
  readonly url: string
  readonly status: number
  readonly diagnostics: ReadonlyArray<Diagnostic>
  readonly body?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

const responseMessage = (error: ResponseFields, hint?: string): string => {
  const said =
    error.diagnostics.length > 0
      ? error.diagnostics.map(String).join(", ")
      : error.body === undefined || error.body === ""
        ? "the registry gave no reason"
        : error.body.slice(0, 300)
  const wait = error.retryAfter === undefined ? "" : ` (retry after ${Duration.format(error.retryAfter)})`
  return `${error.method} ${error.url}: status ${error.status}: ${said}${wait}${hint === undefined ? "" : `. ${hint}`}`
}

const at = (error: {
  readonly registry?: string | undefined
  readonly repository?: string | undefined
  readonly operation?: string | undefined
}) => [error.operation, [error.registry, error.repository].filter(Boolean).join("/")].filter(Boolean).join(" ")

const prefixed = (prefix: string, message: string) => (prefix === "" ? message : `${prefix}: ${message}`)

// --- one tag per OCI error code (distribution-spec «Error Codes») ---

/** The blob is not in the repository: `BLOB_UNKNOWN`, or 404 on a blob. @since 0.1.0 */
export class BlobUnknown extends Schema.TaggedError<BlobUnknown>("effect-oci/BlobUnknown")("BlobUnknown", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The registry refused the upload: `BLOB_UPLOAD_INVALID`. @since 0.1.0 */
export class BlobUploadInvalid extends Schema.TaggedError<BlobUploadInvalid>("effect-oci/BlobUploadInvalid")(
  "BlobUploadInvalid",
  response
) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The upload session is gone: `BLOB_UPLOAD_UNKNOWN`, or 404 on an upload. @since 0.1.0 */
export class BlobUploadUnknown extends Schema.TaggedError<BlobUploadUnknown>("effect-oci/BlobUploadUnknown")(
  "BlobUploadUnknown",
  response
) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The registry found another digest than the one sent: `DIGEST_INVALID`. @since 0.1.0 */
export class DigestInvalid extends Schema.TaggedError<DigestInvalid>("effect-oci/DigestInvalid")("DigestInvalid", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The manifest names content the repository does not hold: `MANIFEST_BLOB_UNKNOWN`. @since 0.1.0 */
export class ManifestBlobUnknown extends Schema.TaggedError<ManifestBlobUnknown>("effect-oci/ManifestBlobUnknown")(
  "ManifestBlobUnknown",
  response
) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this, "Push the manifest's blobs and children first")
  }
}

/** The registry refused the manifest: `MANIFEST_INVALID`, or 413. @since 0.1.0 */
export class ManifestInvalid extends Schema.TaggedError<ManifestInvalid>("effect-oci/ManifestInvalid")("ManifestInvalid", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** There is no such tag or manifest: `MANIFEST_UNKNOWN`, or 404 on a manifest. @since 0.1.0 */
export class ManifestUnknown extends Schema.TaggedError<ManifestUnknown>("effect-oci/ManifestUnknown")("ManifestUnknown", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** A schema 1 signature did not verify: the legacy code `MANIFEST_UNVERIFIED`. @since 0.1.0 */
export class ManifestUnverified extends Schema.TaggedError<ManifestUnverified>("effect-oci/ManifestUnverified")(
  "ManifestUnverified",
  response
) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The registry does not accept the repository name: `NAME_INVALID`. @since 0.1.0 */
export class NameInvalid extends Schema.TaggedError<NameInvalid>("effect-oci/NameInvalid")("NameInvalid", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The repository does not exist: `NAME_UNKNOWN`, or 404 on a list of tags. @since 0.1.0 */
export class NameUnknown extends Schema.TaggedError<NameUnknown>("effect-oci/NameUnknown")("NameUnknown", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The content has another length than the one announced: `SIZE_INVALID`. @since 0.1.0 */
export class SizeInvalid extends Schema.TaggedError<SizeInvalid>("effect-oci/SizeInvalid")("SizeInvalid", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** Credentials are missing or wrong: `UNAUTHORIZED`, or 401. @since 0.1.0 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>("effect-oci/Unauthorized")("Unauthorized", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this, `Check the credentials for ${this.registry}`)
  }
}

/** The credentials do not allow this: `DENIED`, or 403. @since 0.1.0 */
export class Denied extends Schema.TaggedError<Denied>("effect-oci/Denied")("Denied", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The registry cannot do this: `UNSUPPORTED`, or 405 and 415. @since 0.1.0 */
export class Unsupported extends Schema.TaggedError<Unsupported>("effect-oci/Unsupported")("Unsupported", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** A rate limit was hit: `TOOMANYREQUESTS`, or 429. `retryAfter` is the time the registry asked for. @since 0.1.0 */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>("effect-oci/TooManyRequests")("TooManyRequests", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The tag is not acceptable: the legacy code `TAG_INVALID`. @since 0.1.0 */
export class TagInvalid extends Schema.TaggedError<TagInvalid>("effect-oci/TagInvalid")("TagInvalid", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The registry is out of order for now: `UNAVAILABLE`, or any 5xx. @since 0.1.0 */
export class Unavailable extends Schema.TaggedError<Unavailable>("effect-oci/Unavailable")("Unavailable", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The byte range cannot be served or was out of order: `RANGE_INVALID`, or 416. @since 0.1.0 */
export class RangeInvalid extends Schema.TaggedError<RangeInvalid>("effect-oci/RangeInvalid")("RangeInvalid", response) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** The page size is out of bounds: `PAGINATION_NUMBER_INVALID`. @since 0.1.0 */
export class PaginationNumberInvalid extends Schema.TaggedError<PaginationNumberInvalid>("effect-oci/PaginationNumberInvalid")(
  "PaginationNumberInvalid",
  response
) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

/** Any other answer that is not a success. It keeps what the server said: `status`, `diagnostics` and the start of the body. @since 0.1.0 */
export class UnknownRegistryError extends Schema.TaggedError<UnknownRegistryError>("effect-oci/UnknownRegistryError")(
  "UnknownRegistryError",
  response
) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return responseMessage(this)
  }
}

// --- our own checks ---

/** The text is not a reference, a repository, a tag or a registry. @since 0.1.0 */
export class InvalidReference extends Schema.TaggedError<InvalidReference>("effect-oci/InvalidReference")("InvalidReference", {
  input: Schema.String,
  reason: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return `${JSON.stringify(this.input)} is not a valid reference: ${this.reason}`
  }
}

/** The text is not a digest, or its algorithm cannot be verified here. @since 0.1.0 */
export class InvalidDigest extends Schema.TaggedError<InvalidDigest>("effect-oci/InvalidDigest")("InvalidDigest", {
  input: Schema.String,
  reason: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return `${JSON.stringify(this.input)} is not a usable digest: ${this.reason}`
  }
}

const somePlace = {
  registry: Schema.optional(Schema.String),
  repository: Schema.optional(Schema.String),
  operation: Schema.optional(Schema.String)
}

/** The content does not have the digest it was asked for by. @since 0.1.0 */
export class DigestMismatch extends Schema.TaggedError<DigestMismatch>("effect-oci/DigestMismatch")("DigestMismatch", {
  ...somePlace,
  expected: Schema.String,
  actual: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return prefixed(at(this), `content has digest ${this.actual}, expected ${this.expected}`)
  }
}

/** The content is longer or shorter than announced. Sizes are bytes; `actual` is what had arrived when it was noticed. @since 0.1.0 */
export class SizeMismatch extends Schema.TaggedError<SizeMismatch>("effect-oci/SizeMismatch")("SizeMismatch", {
  ...somePlace,
  expected: Schema.Number,
  actual: Schema.Number
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return prefixed(at(this), `content has ${this.actual} bytes, expected ${this.expected}`)
  }
}

/** The media type of the answer, of the body and of the descriptor do not agree. @since 0.1.0 */
export class MediaTypeMismatch extends Schema.TaggedError<MediaTypeMismatch>("effect-oci/MediaTypeMismatch")("MediaTypeMismatch", {
  ...somePlace,
  expected: Schema.String,
  actual: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return prefixed(at(this), `content has media type ${this.actual}, expected ${this.expected}`)
  }
}

/** What was read is not the `kind` of document it should be: no JSON, or JSON of another shape. @since 0.1.0 */
export class MalformedContent extends Schema.TaggedError<MalformedContent>("effect-oci/MalformedContent")("MalformedContent", {
  ...somePlace,
  kind: Schema.String,
  reason: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return prefixed(at(this), `not a valid ${this.kind}: ${this.reason}`)
  }
}

/** The manifest is of a kind that can be stored and copied but not interpreted, such as Docker schema 1. @since 0.1.0 */
export class UnsupportedManifest extends Schema.TaggedError<UnsupportedManifest>("effect-oci/UnsupportedManifest")("UnsupportedManifest", {
  ...somePlace,
  mediaType: Schema.String,
  reason: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return prefixed(at(this), `manifest of media type ${this.mediaType} cannot be used here: ${this.reason}`)
  }
}

/** How a request failed before there was a usable answer. @since 0.1.0 */
export const TransportReason = Schema.Literal("connect", "tls", "timeout", "idle", "aborted", "protocol")

/** @since 0.1.0 */
export type TransportReason = typeof TransportReason.Type

/**
 * The request did not reach the registry or its answer broke off. `reason`: `connect` no connection, `tls` no trust, `timeout` no answer
 * in time, `idle` the body stalled, `aborted` the connection broke, `protocol` not understandable as HTTP.
 *
 * @since 0.1.0
 */
export class TransportError extends Schema.TaggedError<TransportError>("effect-oci/TransportError")("TransportError", {
  ...request,
  reason: TransportReason,
  detail: Schema.String,
  retryable: Schema.Boolean
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return `${this.method} ${this.url}: ${this.reason}: ${this.detail}`
  }
}

/** The registry asked for authentication in a way that cannot be answered. @since 0.1.0 */
export class ChallengeError extends Schema.TaggedError<ChallengeError>("effect-oci/ChallengeError")("ChallengeError", {
  ...place,
  reason: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return prefixed(at(this), this.reason)
  }
}

/** The token service gave no token. `realm` is its URL without query; `status` is absent when the answer was a success without a token. @since 0.1.0 */
export class TokenExchangeError extends Schema.TaggedError<TokenExchangeError>("effect-oci/TokenExchangeError")("TokenExchangeError", {
  ...place,
  realm: Schema.String,
  status: Schema.optional(Schema.Int),
  reason: Schema.String,
  retryable: Schema.Boolean
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return prefixed(at(this), `no token from ${this.realm}${this.status === undefined ? "" : ` (status ${this.status})`}: ${this.reason}`)
  }
}

/** Credentials could not be read or a credential helper failed. `source` is the file or the helper. @since 0.1.0 */
export class KeychainError extends Schema.TaggedError<KeychainError>("effect-oci/KeychainError")("KeychainError", {
  registry: Schema.optional(Schema.String),
  source: Schema.String,
  reason: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return `${this.source}: ${this.reason}`
  }
}

/** The token service named by the registry may not be given credentials. `realm` is its URL without query. @since 0.1.0 */
export class InsecureRealm extends Schema.TaggedError<InsecureRealm>("effect-oci/InsecureRealm")("InsecureRealm", {
  ...place,
  realm: Schema.String,
  reason: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return prefixed(at(this), `token service ${this.realm} refused: ${this.reason}`)
  }
}

/** A redirect, `Location` or `Link` led where it may not be followed. `target` is its URL without query. @since 0.1.0 */
export class RedirectRefused extends Schema.TaggedError<RedirectRefused>("effect-oci/RedirectRefused")("RedirectRefused", {
  ...request,
  target: Schema.String,
  reason: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return `${this.method} ${this.url}: redirect to ${this.target} refused: ${this.reason}`
  }
}

/** Something was larger than its limit: `what` names it, `limit` is the limit in bytes or as a count. @since 0.1.0 */
export class LimitExceeded extends Schema.TaggedError<LimitExceeded>("effect-oci/LimitExceeded")("LimitExceeded", {
  ...somePlace,
  what: Schema.String,
  limit: Schema.Number
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return prefixed(at(this), `${this.what} exceeds the limit of ${this.limit}`)
  }
}

/** The upload cannot go on: no session, no `Location`, or a source that cannot be read again. @since 0.1.0 */
export class UploadFailed extends Schema.TaggedError<UploadFailed>("effect-oci/UploadFailed")("UploadFailed", {
  ...place,
  reason: Schema.String,
  sentBytes: Schema.Number,
  retryable: Schema.Boolean
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return prefixed(at(this), `upload failed after ${this.sentBytes} bytes: ${this.reason}`)
  }
}

/** A place on disk or in a store could not be read or written. @since 0.1.0 */
export class StoreError extends Schema.TaggedError<StoreError>("effect-oci/StoreError")("StoreError", {
  store: Schema.String,
  operation: Schema.String,
  reason: Schema.String
}) {
  readonly [TypeId]: TypeId = TypeId
  override get message(): string {
    return `${this.operation} ${this.store}: ${this.reason}`
  }
}

/** The errors made from a registry's answer, by tag. @since 0.1.0 */
const responseErrors = {
  BlobUnknown,
  BlobUploadInvalid,
  BlobUploadUnknown,
  DigestInvalid,
  ManifestBlobUnknown,
  ManifestInvalid,
  ManifestUnknown,
  ManifestUnverified,
  NameInvalid,
  NameUnknown,
  SizeInvalid,
  Unauthorized,
  Denied,
  Unsupported,
  TooManyRequests,
  TagInvalid,
  Unavailable,
  RangeInvalid,
  PaginationNumberInvalid,
  UnknownRegistryError
}

/** @since 0.1.0 */
export type ResponseErrorTag = keyof typeof responseErrors

/** @since 0.1.0 */
export type ResponseError<Tag extends ResponseErrorTag = ResponseErrorTag> = InstanceType<(typeof responseErrors)[Tag]>

/** @since 0.1.0 */
export const RegistryError = Schema.Union(
  BlobUnknown,
  BlobUploadInvalid,
  BlobUploadUnknown,
  DigestInvalid,
  ManifestBlobUnknown,
  ManifestInvalid,
  ManifestUnknown,
  ManifestUnverified,
  NameInvalid,
  NameUnknown,
  SizeInvalid,
  Unauthorized,
  Denied,
  Unsupported,
  TooManyRequests,
  TagInvalid,
  Unavailable,
  RangeInvalid,
  PaginationNumberInvalid,
  UnknownRegistryError,
  InvalidReference,
  InvalidDigest,
  DigestMismatch,
  SizeMismatch,
  MediaTypeMismatch,
  MalformedContent,
  UnsupportedManifest,
  TransportError,
  ChallengeError,
  TokenExchangeError,
  KeychainError,
  InsecureRealm,
  RedirectRefused,
  LimitExceeded,
  UploadFailed,
  StoreError
)

/** Any error of the library; the schema encodes each to JSON and back. @since 0.1.0 */
export type RegistryError = typeof RegistryError.Type

/** @since 0.1.0 */
export const isRegistryError = (u: unknown): u is RegistryError => Predicate.hasProperty(u, TypeId)

/** Whether the error was made from a registry's answer and so has `status` and `diagnostics`. @since 0.1.0 */
export const isResponseError = (u: unknown): u is ResponseError => isRegistryError(u) && u._tag in responseErrors

/** Whether the same call may succeed later without any change. @since 0.1.0 */
export const isRetryable = (error: RegistryError): boolean => "retryable" in error && error.retryable

const tagOfCode: Readonly<Record<string, ResponseErrorTag>> = {
  BLOB_UNKNOWN: "BlobUnknown",
  BLOB_UPLOAD_INVALID: "BlobUploadInvalid",
  BLOB_UPLOAD_UNKNOWN: "BlobUploadUnknown",
  DIGEST_INVALID: "DigestInvalid",
  MANIFEST_BLOB_UNKNOWN: "ManifestBlobUnknown",
  MANIFEST_INVALID: "ManifestInvalid",
  MANIFEST_UNKNOWN: "ManifestUnknown",
  MANIFEST_UNVERIFIED: "ManifestUnverified",
  NAME_INVALID: "NameInvalid",
  NAME_UNKNOWN: "NameUnknown",
  SIZE_INVALID: "SizeInvalid",
  UNAUTHORIZED: "Unauthorized",
  DENIED: "Denied",
  UNSUPPORTED: "Unsupported",
  TOOMANYREQUESTS: "TooManyRequests",
  TAG_INVALID: "TagInvalid",
  UNAVAILABLE: "Unavailable",
  RANGE_INVALID: "RangeInvalid",
  REQUESTED_RANGE_NOT_SATISFIABLE: "RangeInvalid",
  PAGINATION_NUMBER_INVALID: "PaginationNumberInvalid"
}

/** What a request was about; decides what a status without a usable body means. @since 0.1.0 */
export type Endpoint = "base" | "manifest" | "blob" | "upload" | "tags" | "catalog" | "referrers"

const tagOfStatus = (status: number, endpoint: Endpoint): ResponseErrorTag => {
  if (status === 404) {
    switch (endpoint) {
      case "manifest":
      case "referrers":
        return "ManifestUnknown"
      case "blob":
        return "BlobUnknown"
      case "upload":
        return "BlobUploadUnknown"
      case "tags":
        return "NameUnknown"
      case "base":
      case "catalog":
        return "Unsupported"
    }
  }
  if (status === 401) return "Unauthorized"
  if (status === 403) return "Denied"
  if (status === 405 || status === 415) return "Unsupported"
  if (status === 413 && endpoint === "manifest") return "ManifestInvalid"
  if (status === 416) return "RangeInvalid"
  if (status === 429) return "TooManyRequests"
  return status >= 500 ? "Unavailable" : "UnknownRegistryError"
}

const temporaryStatus: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])
const temporaryCode: ReadonlySet<string> = new Set(["BLOB_UPLOAD_INVALID", "TOOMANYREQUESTS", "UNKNOWN", "UNAVAILABLE"])

/**
 * Whether an answer is worth a retry: with codes, when every one of them is temporary, whatever the status; without, by the status
 * (go-containerregistry `Error.Temporary`).
 *
 * @since 0.1.0
 */
export const isTemporary = (status: number, codes: ReadonlyArray<string>): boolean =>
  codes.length === 0 ? temporaryStatus.has(status) : codes.every((code) => temporaryCode.has(code))

/** Where an answer belongs. @since 0.1.0 */
export interface RequestContext {
  readonly registry: string
  readonly repository?: string | undefined
  readonly operation: string
  readonly endpoint: Endpoint
  readonly method: string
  readonly url: string
}

/** A registry's answer, read to its end. `secrets` are masked should the body repeat them. @since 0.1.0 */
export interface ResponseParts {
  readonly status: number
  readonly body: string
  readonly requestId?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
  readonly secrets?: ReadonlyArray<string> | undefined
}

const maxDiagnostics = 32
const maxBodyLength = 2048

const toDiagnostic = (entry: ErrorEntry, secrets: ReadonlyArray<string>): Diagnostic => {
  const detail =
    entry.detail === undefined
      ? undefined
      : JSON.parse(
          sanitizeText(
            JSON.stringify(entry.detail),
            secrets.map((_) => JSON.stringify(_).slice(1, -1))
          )
        )
  return Diagnostic.make({ code: entry.code.slice(0, 256), message: sanitizeText(entry.message, secrets).slice(0, maxBodyLength), detail })
}

/**
 * Turns a registry's answer into the error it means. The first code decides; without a usable body the status and the endpoint do. A
 * tag outside `tags`, the errors the operation declares, becomes `UnknownRegistryError`, so that a union of errors stays exact whatever
 * a server invents.
 *
 * @since 0.1.0
 */
export const fromResponse = <const Tag extends ResponseErrorTag>(
  tags: ReadonlyArray<Tag>,
  context: RequestContext,
  parts: ResponseParts
): ResponseError<Tag> | UnknownRegistryError => {
  const secrets = parts.secrets ?? []
  const entries = parseErrorBody(parts.body)
  const diagnostics = entries.slice(0, maxDiagnostics).map((entry) => toDiagnostic(entry, secrets))
  const code = entries[0]?.code
  const known = code === undefined ? undefined : tagOfCode[code]
  const wanted = known ?? tagOfStatus(parts.status, context.endpoint)
  const declared = tags.find((tag) => tag === wanted)
  const fields = {
    registry: context.registry,
    repository: context.repository,
    operation: context.operation,
    method: context.method,
    url: sanitizeUrl(context.url),
    status: parts.status,
    diagnostics,
    body: diagnostics.length > 0 || parts.body === "" ? undefined : sanitizeText(parts.body, secrets).slice(0, maxBodyLength),
    requestId: parts.requestId,
    retryAfter: parts.retryAfter,
    retryable: isTemporary(
      parts.status,
      entries.map((_) => _.code)
    )
  }
  if (declared === undefined) return new UnknownRegistryError(fields)
  const Declared: new (_: typeof fields) => ResponseError = responseErrors[declared]
  // The class was looked up under `declared`, which is one of `tags`; TypeScript cannot follow the look-up.
  return new Declared(fields) as ResponseError<Tag>
}
