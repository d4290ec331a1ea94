// What our own checks and the way to the registry can find. `RegistryError` exports them.
import * as Schema from "effect/Schema"
import { place, request, somePlace, TypeId } from "./errorFields.ts"
import { placedMessage, retryAfterText } from "./errorMessage.ts"

/** The text is not a reference, a repository, a tag or a registry. @since 0.1.0 */
export class InvalidReference extends Schema.TaggedError<InvalidReference>("effect-oci/InvalidReference")("InvalidReference", {
  input: Schema.String,
  reason: Schema.String
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return `${JSON.stringify(this.input)} is not a valid reference: ${this.reason}`
  }
}

/** The text is not a digest, or its algorithm cannot be verified here. @since 0.1.0 */
export class InvalidDigest extends Schema.TaggedError<InvalidDigest>("effect-oci/InvalidDigest")("InvalidDigest", {
  input: Schema.String,
  reason: Schema.String
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return `${JSON.stringify(this.input)} is not a usable digest: ${this.reason}`
  }
}

/** The content does not have the digest it was asked for by. @since 0.1.0 */
export class DigestMismatch extends Schema.TaggedError<DigestMismatch>("effect-oci/DigestMismatch")("DigestMismatch", {
  ...somePlace,
  expected: Schema.String,
  actual: Schema.String
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return placedMessage(this, `content has digest ${this.actual}, expected ${this.expected}`)
  }
}

/** The content is longer or shorter than announced. Sizes are bytes; `actual` is what had arrived when it was noticed. @since 0.1.0 */
export class SizeMismatch extends Schema.TaggedError<SizeMismatch>("effect-oci/SizeMismatch")("SizeMismatch", {
  ...somePlace,
  expected: Schema.Finite,
  actual: Schema.Finite
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return placedMessage(this, `content has ${this.actual} bytes, expected ${this.expected}`)
  }
}

/** The media type of the answer, of the body and of the descriptor do not agree. @since 0.1.0 */
export class MediaTypeMismatch extends Schema.TaggedError<MediaTypeMismatch>("effect-oci/MediaTypeMismatch")("MediaTypeMismatch", {
  ...somePlace,
  expected: Schema.String,
  actual: Schema.String
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return placedMessage(this, `content has media type ${this.actual}, expected ${this.expected}`)
  }
}

/** What was read is not the `kind` of document it should be: no JSON, or JSON of another shape. @since 0.1.0 */
export class MalformedContent extends Schema.TaggedError<MalformedContent>("effect-oci/MalformedContent")("MalformedContent", {
  ...somePlace,
  kind: Schema.String,
  reason: Schema.String
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return placedMessage(this, `not a valid ${this.kind}: ${this.reason}`)
  }
}

/** The manifest is of a kind that can be stored and copied but not interpreted, such as Docker schema 1. @since 0.1.0 */
export class UnsupportedManifest extends Schema.TaggedError<UnsupportedManifest>("effect-oci/UnsupportedManifest")("UnsupportedManifest", {
  ...somePlace,
  mediaType: Schema.String,
  reason: Schema.String
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return placedMessage(this, `manifest of media type ${this.mediaType} cannot be used here: ${this.reason}`)
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
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return `${this.method} ${this.url}: ${this.reason}: ${this.detail}`
  }
}

/** The registry asked for authentication in a way that cannot be answered. @since 0.1.0 */
export class ChallengeError extends Schema.TaggedError<ChallengeError>("effect-oci/ChallengeError")("ChallengeError", {
  ...place,
  reason: Schema.String
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return placedMessage(this, this.reason)
  }
}

/**
 * The token service gave no token. `realm` is its URL without query; `status` is absent when the answer was a success without a token;
 * `retryAfter` is the time the service asked for.
 *
 * @since 0.1.0
 */
export class TokenExchangeError extends Schema.TaggedError<TokenExchangeError>("effect-oci/TokenExchangeError")("TokenExchangeError", {
  ...place,
  realm: Schema.String,
  status: Schema.optional(Schema.Int),
  reason: Schema.String,
  retryAfter: Schema.optional(Schema.DurationFromMillis),
  retryable: Schema.Boolean
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    const status = this.status === undefined ? "" : ` (status ${this.status})`
    return placedMessage(this, `no token from ${this.realm}${status}: ${this.reason}${retryAfterText(this.retryAfter)}`)
  }
}

/** Credentials could not be read or a credential helper failed. `source` is the file or the helper. @since 0.1.0 */
export class KeychainError extends Schema.TaggedError<KeychainError>("effect-oci/KeychainError")("KeychainError", {
  registry: Schema.optional(Schema.String),
  source: Schema.String,
  reason: Schema.String
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
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
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return placedMessage(this, `token service ${this.realm} refused: ${this.reason}`)
  }
}

/** A redirect, `Location` or `Link` led where it may not be followed. `target` is its URL without query. @since 0.1.0 */
export class RedirectRefused extends Schema.TaggedError<RedirectRefused>("effect-oci/RedirectRefused")("RedirectRefused", {
  ...request,
  target: Schema.String,
  reason: Schema.String
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return `${this.method} ${this.url}: redirect to ${this.target} refused: ${this.reason}`
  }
}

/** Something was larger than its limit: `what` names it, `limit` is the limit in bytes or as a count. @since 0.1.0 */
export class LimitExceeded extends Schema.TaggedError<LimitExceeded>("effect-oci/LimitExceeded")("LimitExceeded", {
  ...somePlace,
  what: Schema.String,
  limit: Schema.Finite
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return placedMessage(this, `${this.what} exceeds the limit of ${this.limit}`)
  }
}

/** The upload cannot go on: no session, no `Location`, or a source that cannot be read again. @since 0.1.0 */
export class UploadFailed extends Schema.TaggedError<UploadFailed>("effect-oci/UploadFailed")("UploadFailed", {
  ...place,
  reason: Schema.String,
  sentBytes: Schema.Finite,
  retryable: Schema.Boolean
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return placedMessage(this, `upload failed after ${this.sentBytes} bytes: ${this.reason}`)
  }
}

/**
 * A place on disk or in a store could not be read or written. `missing`: what was asked for, be it a tag, a blob or the place itself, is not
 * there, and nothing else is wrong.
 *
 * @since 0.1.0
 */
export class StoreError extends Schema.TaggedError<StoreError>("effect-oci/StoreError")("StoreError", {
  store: Schema.String,
  operation: Schema.String,
  reason: Schema.String,
  missing: Schema.propertySignature(Schema.Boolean).pipe(Schema.withConstructorDefault(() => false))
}) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return `${this.operation} ${this.store}: ${this.reason}`
  }
}
