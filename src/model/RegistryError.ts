/**
 * The errors of the library as values: one tag per OCI error code, the failures of our own checks, and the rules that turn a
 * registry's answer into one of them.
 *
 * Errors hold plain data (they encode to JSON and back) and never a request, a response, a credential or a signed query.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import {
  ChallengeError,
  DigestMismatch,
  InsecureRealm,
  InvalidDigest,
  InvalidReference,
  KeychainError,
  LimitExceeded,
  MalformedContent,
  MediaTypeMismatch,
  RedirectRefused,
  SizeMismatch,
  StoreError,
  TokenExchangeError,
  TransportError,
  UnsupportedManifest,
  UploadFailed
} from "./internal/checkErrors.ts"
import { type ErrorEntry, parseErrorBody } from "./internal/errorBody.ts"
import { Diagnostic, TypeId } from "./internal/errorFields.ts"
import * as meaning from "./internal/errorMeaning.ts"
import {
  BlobUnknown,
  BlobUploadInvalid,
  BlobUploadUnknown,
  Denied,
  DigestInvalid,
  ManifestBlobUnknown,
  ManifestInvalid,
  ManifestUnknown,
  ManifestUnverified,
  NameInvalid,
  NameUnknown,
  PaginationNumberInvalid,
  RangeInvalid,
  SizeInvalid,
  TagInvalid,
  TooManyRequests,
  Unauthorized,
  Unavailable,
  UnknownRegistryError,
  Unsupported
} from "./internal/responseErrors.ts"
import { sanitizeBounded, sanitizeJson, sanitizeUrl } from "./internal/sanitize.ts"

export * from "./internal/checkErrors.ts"
export { Diagnostic, TypeId } from "./internal/errorFields.ts"
export type {
  /** @since 0.1.0 */
  Endpoint
} from "./internal/errorMeaning.ts"
export * from "./internal/responseErrors.ts"

// By tag.
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

/**
 * Any error that a place or a registry ends in; the schema encodes each to JSON and back. A few modules have errors of their own, which are
 * schemas as well: `TagUpdate.TagMoved`, `TagSelection.InvalidSelection`, and those of the container engine's view of registries.
 *
 * @since 0.1.0
 */
export type RegistryError = typeof RegistryError.Type

/** @since 0.1.0 */
export const isRegistryError = (u: unknown): u is RegistryError => Predicate.hasProperty(u, TypeId)

/** Whether the error was made from a registry's answer and so has `status` and `diagnostics`. @since 0.1.0 */
export const isResponseError = (u: unknown): u is ResponseError => isRegistryError(u) && Object.hasOwn(responseErrors, u._tag)

/** Whether the same call may succeed later without any change. @since 0.1.0 */
export const isRetryable = (error: RegistryError): boolean => "retryable" in error && error.retryable

/**
 * Whether an answer is worth a retry: with codes, when every one of them is temporary, whatever the status; without, by the status
 * (go-containerregistry `Error.Temporary`).
 *
 * @since 0.1.0
 */
export const isTemporary = (status: number, codes: ReadonlyArray<string>): boolean => meaning.isTemporary(status, codes)

/** Where an answer belongs. @since 0.1.0 */
export interface RequestContext {
  readonly registry: string
  readonly repository?: string | undefined
  readonly operation: string
  readonly endpoint: meaning.Endpoint
  readonly method: string
  readonly url: string
}

/** A registry's answer, read to its end. @since 0.1.0 */
export interface ResponseParts {
  readonly status: number
  readonly body: string
  readonly requestId?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
  /** What was sent and must not be shown; masked should the body repeat it. */
  readonly secrets?: ReadonlyArray<string> | undefined
  /** The `error` and `error_description` of a Bearer challenge (RFC 6750 §3.1); goes before what the body says. */
  readonly challenge?: { readonly error: string; readonly description?: string | undefined } | undefined
}

const maxDiagnostics = 32
const maxTextLength = 2048
const maxCodeLength = 256

const toDiagnostic = (entry: ErrorEntry, secrets: ReadonlyArray<string>): Diagnostic =>
  Diagnostic.make({
    code: sanitizeBounded(entry.code, secrets, maxCodeLength),
    message: sanitizeBounded(entry.message, secrets, maxTextLength),
    detail: sanitizeJson(entry.detail, secrets, maxTextLength)
  })

const codeOfChallenge: ReadonlyMap<string, string> = new Map([
  ["invalid_token", "UNAUTHORIZED"],
  ["insufficient_scope", "DENIED"]
])

const challengeEntries = ({ challenge }: ResponseParts): ReadonlyArray<ErrorEntry> => {
  const code = codeOfChallenge.get(challenge?.error ?? "")
  return code === undefined ? [] : [{ code, message: challenge?.description ?? "" }]
}

// Whole milliseconds survive encoding; a wait without end means nothing.
const finite = (wait: Duration.Duration | undefined): Duration.Duration | undefined =>
  wait === undefined || !Duration.isFinite(wait) ? undefined : Duration.millis(Math.ceil(Duration.toMillis(wait)))

const toFields = (context: RequestContext, parts: ResponseParts, entries: ReadonlyArray<ErrorEntry>, text: string) => {
  const secrets = parts.secrets ?? []
  return {
    registry: context.registry,
    repository: context.repository,
    operation: context.operation,
    method: context.method,
    url: sanitizeUrl(context.url),
    status: parts.status,
    diagnostics: entries.slice(0, maxDiagnostics).map((entry) => toDiagnostic(entry, secrets)),
    body: entries.length > 0 || text === "" ? undefined : sanitizeBounded(text, secrets, maxTextLength),
    requestId: parts.requestId === undefined ? undefined : sanitizeBounded(parts.requestId, secrets, maxCodeLength),
    retryAfter: finite(parts.retryAfter),
    retryable: isTemporary(
      parts.status,
      entries.map((_) => _.code)
    )
  }
}

/**
 * Turns a registry's answer into the error it means. The first code of the specification in it decides; without one the status and the
 * endpoint do. A tag outside `tags`, the errors the operation declares, becomes `UnknownRegistryError`, so that a union of errors stays
 * exact whatever a server invents.
 *
 * All text from the server is bounded and sanitized: no user info, no query, none of the `secrets`, nothing that looks like a token.
 *
 * @since 0.1.0
 */
export const fromResponse = <const Tag extends ResponseErrorTag>(
  tags: ReadonlyArray<Tag>,
  context: RequestContext,
  parts: ResponseParts
): ResponseError<Tag> | UnknownRegistryError => {
  const body = parseErrorBody(parts.body)
  const entries = [...challengeEntries(parts), ...body.entries]
  const fields = toFields(context, parts, entries, body.text ?? parts.body)
  const wanted = meaning.meaningOf(
    entries.map((_) => _.code),
    parts.status,
    context.endpoint
  )
  const declared = tags.find((tag) => tag === wanted)
  if (declared === undefined) return new UnknownRegistryError(fields)
  const Declared: new (_: typeof fields) => ResponseError = responseErrors[declared]
  // The class was looked up under `declared`, which is one of `tags`; TypeScript cannot follow the look-up.
  return new Declared(fields) as ResponseError<Tag>
}
