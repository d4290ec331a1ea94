/** Exit codes by class of error; `docs/cli.md` has them as a table. */
import type { RegistryError } from "../model/RegistryError.ts"

export const ok = 0
export const unexpected = 1
export const usage = 2
export const notFound = 3
export const notAllowed = 4
export const network = 5
export const rateLimited = 6
export const wrongContent = 7
export const unsupported = 8
export const refused = 9
export const local = 10
export const interrupted = 130
/** What a shell reports for a program that a closed pipe ended. */
export const closedPipe = 141

/** Every error of the library has its class; a new one does not compile without. */
const codes: Readonly<Record<RegistryError["_tag"], number>> = {
  InvalidDigest: usage,
  InvalidReference: usage,

  BlobUnknown: notFound,
  BlobUploadUnknown: notFound,
  ManifestUnknown: notFound,
  NameUnknown: notFound,

  ChallengeError: notAllowed,
  Denied: notAllowed,
  InsecureRealm: notAllowed,
  KeychainError: notAllowed,
  TokenExchangeError: notAllowed,
  Unauthorized: notAllowed,

  RedirectRefused: network,
  TransportError: network,
  Unavailable: network,
  UploadFailed: network,

  TooManyRequests: rateLimited,

  DigestMismatch: wrongContent,
  MalformedContent: wrongContent,
  MediaTypeMismatch: wrongContent,
  SizeMismatch: wrongContent,

  Unsupported: unsupported,
  UnsupportedManifest: unsupported,

  BlobUploadInvalid: refused,
  DigestInvalid: refused,
  LimitExceeded: refused,
  ManifestBlobUnknown: refused,
  ManifestInvalid: refused,
  ManifestUnverified: refused,
  NameInvalid: refused,
  PaginationNumberInvalid: refused,
  RangeInvalid: refused,
  SizeInvalid: refused,
  TagInvalid: refused,
  UnknownRegistryError: refused,

  StoreError: local
}

const writing = ["create", "write"]

/** What was to be read on this machine and is not there is no trouble with its files; a folder to write to is. */
const isNotFound = (error: RegistryError): boolean => error._tag === "StoreError" && error.missing && !writing.includes(error.operation)

export const ofError = (error: RegistryError): number => (isNotFound(error) ? notFound : codes[error._tag])
