/** What a request was about; decides what a status without a usable body means. */
export type Endpoint = "base" | "manifest" | "blob" | "upload" | "tags" | "catalog" | "referrers"

const tagOfCode = {
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
} as const

/** @internal */
export type Meaning = (typeof tagOfCode)[keyof typeof tagOfCode] | "UnknownRegistryError"

// A map, since codes come from outside and `constructor` is not one.
const meanings: ReadonlyMap<string, Meaning> = new Map(Object.entries(tagOfCode))

const notFound: Readonly<Record<Endpoint, Meaning>> = {
  manifest: "ManifestUnknown",
  referrers: "ManifestUnknown",
  blob: "BlobUnknown",
  upload: "BlobUploadUnknown",
  tags: "NameUnknown",
  base: "Unsupported",
  catalog: "Unsupported"
}

const meaningOfStatus = (status: number, endpoint: Endpoint): Meaning => {
  switch (status) {
    case 401:
      return "Unauthorized"
    case 403:
      return "Denied"
    case 404:
      return notFound[endpoint]
    case 405:
    case 415:
      return "Unsupported"
    case 413:
      return endpoint === "manifest" ? "ManifestInvalid" : "UnknownRegistryError"
    case 416:
      return "RangeInvalid"
    case 429:
      return "TooManyRequests"
    default:
      return status >= 500 ? "Unavailable" : "UnknownRegistryError"
  }
}

/** What an answer means: the first code of the specification in it, else its status and what was asked for. @internal */
export const meaningOf = (codes: ReadonlyArray<string>, status: number, endpoint: Endpoint): Meaning => {
  const code = codes.find((code) => meanings.has(code)) ?? ""
  return meanings.get(code) ?? meaningOfStatus(status, endpoint)
}

const temporaryStatus: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])
const temporaryCode: ReadonlySet<string> = new Set(["BLOB_UPLOAD_INVALID", "TOOMANYREQUESTS", "UNKNOWN", "UNAVAILABLE"])

/** @internal */
export const isTemporary = (status: number, codes: ReadonlyArray<string>): boolean =>
  codes.length === 0 ? temporaryStatus.has(status) : codes.every((code) => temporaryCode.has(code))
