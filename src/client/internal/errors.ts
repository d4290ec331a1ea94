import type {
  DigestMismatch,
  InvalidDigest,
  MalformedContent,
  MediaTypeMismatch,
  ResponseError,
  ResponseErrorTag,
  SizeMismatch,
  UnknownRegistryError,
  UploadFailed
} from "../../model/RegistryError.ts"
import type { TransportFailure } from "../../transport/RegistryTransport.ts"

// The errors each operation declares, beside the type that follows from the same list, so that the two cannot part.

const tags = <const Tags extends ReadonlyArray<ResponseErrorTag>>(...list: Tags): Tags => list

/** What any endpoint of a repository may answer. @internal */
export const accessTags = tags("NameInvalid", "NameUnknown", "Unauthorized", "Denied", "TooManyRequests", "Unsupported", "Unavailable")

/** @internal */
export const registryTags = tags("Unauthorized", "Denied", "TooManyRequests", "Unsupported", "Unavailable")

/** @internal */
export const manifestTags = tags("ManifestUnknown", "ManifestInvalid", "ManifestUnverified", "TagInvalid", "DigestInvalid", ...accessTags)

/** @internal */
export const putManifestTags = tags("ManifestBlobUnknown", "BlobUnknown", "SizeInvalid", ...manifestTags)

/** @internal */
export const blobTags = tags("BlobUnknown", "DigestInvalid", "RangeInvalid", ...accessTags)

/** @internal */
export const uploadTags = tags(
  "BlobUnknown",
  "BlobUploadInvalid",
  "BlobUploadUnknown",
  "DigestInvalid",
  "SizeInvalid",
  "RangeInvalid",
  ...accessTags
)

/** @internal */
export const listTags = tags("PaginationNumberInvalid", ...accessTags)

/** @internal */
export const catalogTags = tags("PaginationNumberInvalid", ...registryTags)

/** @internal */
export const referrersTags = tags("ManifestUnknown", "ManifestInvalid", "DigestInvalid", "PaginationNumberInvalid", ...accessTags)

/** What reading an index under a fall-back tag may answer, on behalf of `referrers` and of `putManifest`. @internal */
export const fallbackTags = tags("ManifestUnknown", "ManifestInvalid", "DigestInvalid", ...accessTags)

type Answer<Tags extends ReadonlyArray<ResponseErrorTag>> = ResponseError<Tags[number]> | UnknownRegistryError

/** Why `ping` fails. @since 0.1.0 */
export type PingError = Answer<typeof registryTags> | TransportFailure

/** Why `resolve` fails. @since 0.1.0 */
export type ResolveError =
  | Answer<typeof manifestTags>
  | TransportFailure
  | DigestMismatch
  | InvalidDigest
  | MalformedContent
  | MediaTypeMismatch

/** Why `manifestExists` fails. @since 0.1.0 */
export type ManifestExistsError = Answer<typeof manifestTags> | TransportFailure

/** Why `getManifest` fails. @since 0.1.0 */
export type GetManifestError = ResolveError

/** Why `putManifest` fails. @since 0.1.0 */
export type PutManifestError = Answer<typeof putManifestTags> | TransportFailure | DigestMismatch | MalformedContent | MediaTypeMismatch

/** Why `deleteManifest` fails. @since 0.1.0 */
export type DeleteManifestError = PutManifestError

/** Why `deleteTag` fails. @since 0.1.0 */
export type DeleteTagError = Answer<typeof manifestTags> | TransportFailure

/** Why `headBlob` fails. @since 0.1.0 */
export type HeadBlobError = Answer<typeof blobTags> | TransportFailure | DigestMismatch | MalformedContent

/** Why a blob's bytes end early. @since 0.1.0 */
export type GetBlobError = Answer<typeof blobTags> | TransportFailure | DigestMismatch | SizeMismatch | InvalidDigest | MalformedContent

/** Why `putBlob` fails. The errors of the content's own source come beside these. @since 0.1.0 */
export type PutBlobError = Answer<typeof uploadTags> | TransportFailure | DigestMismatch | SizeMismatch | InvalidDigest | UploadFailed

/** Why `mountBlob` fails. @since 0.1.0 */
export type MountBlobError = PutBlobError

/** Why `deleteBlob` fails. @since 0.1.0 */
export type DeleteBlobError = Answer<typeof blobTags> | TransportFailure

/** Why a list of tags ends early. @since 0.1.0 */
export type ListTagsError = Answer<typeof listTags> | TransportFailure | MalformedContent

/** Why a list of repositories ends early. @since 0.1.0 */
export type ListRepositoriesError = Answer<typeof catalogTags> | TransportFailure | MalformedContent

/** Why a list of referrers ends early. @since 0.1.0 */
export type ListReferrersError = Answer<typeof referrersTags> | TransportFailure | DigestMismatch | MalformedContent | MediaTypeMismatch

/** Why a permission check fails. @since 0.1.0 */
export type CheckPushError = Answer<typeof uploadTags> | TransportFailure

/** Why a permission check fails. @since 0.1.0 */
export type CheckDeleteError = Answer<typeof manifestTags> | TransportFailure
