// One class per OCI error code (distribution-spec «Error Codes»). `RegistryError` exports them.
import * as Schema from "effect/Schema"
import { response, TypeId } from "./errorFields.ts"
import { responseMessage } from "./errorMessage.ts"

/** The blob is not in the repository: `BLOB_UNKNOWN`, or 404 on a blob. @since 0.1.0 */
export class BlobUnknown extends Schema.TaggedError<BlobUnknown>("effect-oci/BlobUnknown")("BlobUnknown", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}

/** The registry refused the upload: `BLOB_UPLOAD_INVALID`. @since 0.1.0 */
export class BlobUploadInvalid extends Schema.TaggedError<BlobUploadInvalid>("effect-oci/BlobUploadInvalid")(
  "BlobUploadInvalid",
  response
) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}

/** The upload session is gone: `BLOB_UPLOAD_UNKNOWN`, or 404 on an upload. @since 0.1.0 */
export class BlobUploadUnknown extends Schema.TaggedError<BlobUploadUnknown>("effect-oci/BlobUploadUnknown")(
  "BlobUploadUnknown",
  response
) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}

/** The registry found another digest than the one sent: `DIGEST_INVALID`. @since 0.1.0 */
export class DigestInvalid extends Schema.TaggedError<DigestInvalid>("effect-oci/DigestInvalid")("DigestInvalid", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}

/** The manifest names content the repository does not hold: `MANIFEST_BLOB_UNKNOWN`. @since 0.1.0 */
export class ManifestBlobUnknown extends Schema.TaggedError<ManifestBlobUnknown>("effect-oci/ManifestBlobUnknown")(
  "ManifestBlobUnknown",
  response
) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this, "Push the manifest's blobs and children first")
  }
}

/** The registry refused the manifest: `MANIFEST_INVALID`, or 413. @since 0.1.0 */
export class ManifestInvalid extends Schema.TaggedError<ManifestInvalid>("effect-oci/ManifestInvalid")("ManifestInvalid", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}

/** There is no such tag or manifest: `MANIFEST_UNKNOWN`, or 404 on a manifest. @since 0.1.0 */
export class ManifestUnknown extends Schema.TaggedError<ManifestUnknown>("effect-oci/ManifestUnknown")("ManifestUnknown", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this, "Check the tag or digest")
  }
}

/** A schema 1 signature did not verify: the legacy code `MANIFEST_UNVERIFIED`. @since 0.1.0 */
export class ManifestUnverified extends Schema.TaggedError<ManifestUnverified>("effect-oci/ManifestUnverified")(
  "ManifestUnverified",
  response
) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}

/** The registry does not accept the repository name: `NAME_INVALID`. @since 0.1.0 */
export class NameInvalid extends Schema.TaggedError<NameInvalid>("effect-oci/NameInvalid")("NameInvalid", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this, "Check the name of the repository")
  }
}

/** The repository does not exist: `NAME_UNKNOWN`, or 404 on a list of tags. @since 0.1.0 */
export class NameUnknown extends Schema.TaggedError<NameUnknown>("effect-oci/NameUnknown")("NameUnknown", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this, "Check the name of the repository")
  }
}

/** The content has another length than the one announced: `SIZE_INVALID`. @since 0.1.0 */
export class SizeInvalid extends Schema.TaggedError<SizeInvalid>("effect-oci/SizeInvalid")("SizeInvalid", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}

/** Credentials are missing or wrong: `UNAUTHORIZED`, or 401. @since 0.1.0 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>("effect-oci/Unauthorized")("Unauthorized", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this, `Check the credentials for ${this.registry}`)
  }
}

/** The credentials do not allow this: `DENIED`, or 403. @since 0.1.0 */
export class Denied extends Schema.TaggedError<Denied>("effect-oci/Denied")("Denied", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this, `Check that the credentials for ${this.registry} allow it`)
  }
}

/** The registry cannot do this: `UNSUPPORTED`, or 405 and 415. @since 0.1.0 */
export class Unsupported extends Schema.TaggedError<Unsupported>("effect-oci/Unsupported")("Unsupported", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    // What a registry says of it is seldom of use: docker-registry, that a digest is not right.
    const takesNoTag = "The registry takes no tag away by itself: deleting the manifest takes all of its tags"
    return responseMessage(this, this.operation === "deleteTag" ? takesNoTag : undefined)
  }
}

/** A rate limit was hit: `TOOMANYREQUESTS`, or 429. `retryAfter` is the time the registry asked for. @since 0.1.0 */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>("effect-oci/TooManyRequests")("TooManyRequests", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this, "Wait, or log in for a higher limit")
  }
}

/** The tag is not acceptable: the legacy code `TAG_INVALID`. @since 0.1.0 */
export class TagInvalid extends Schema.TaggedError<TagInvalid>("effect-oci/TagInvalid")("TagInvalid", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this, "Use another tag")
  }
}

/** The registry is out of order for now: `UNAVAILABLE`, or any 5xx. @since 0.1.0 */
export class Unavailable extends Schema.TaggedError<Unavailable>("effect-oci/Unavailable")("Unavailable", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}

/** The byte range cannot be served or was out of order: `RANGE_INVALID`, or 416. @since 0.1.0 */
export class RangeInvalid extends Schema.TaggedError<RangeInvalid>("effect-oci/RangeInvalid")("RangeInvalid", response) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}

/** The page size is out of bounds: `PAGINATION_NUMBER_INVALID`. @since 0.1.0 */
export class PaginationNumberInvalid extends Schema.TaggedError<PaginationNumberInvalid>("effect-oci/PaginationNumberInvalid")(
  "PaginationNumberInvalid",
  response
) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}

/** Any other answer that is not a success. It keeps what the server said: `status`, `diagnostics` and the start of the body. @since 0.1.0 */
export class UnknownRegistryError extends Schema.TaggedError<UnknownRegistryError>("effect-oci/UnknownRegistryError")(
  "UnknownRegistryError",
  response
) {
  get [TypeId](): TypeId {
    return TypeId
  }
  override get message(): string {
    return responseMessage(this)
  }
}
