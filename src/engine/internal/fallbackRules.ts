/**
 * What an error of one endpoint says about the next (`distribution/errors.go` of the engine, by the errors of this library).
 *
 * @internal
 */
import * as RegistryError from "../../model/RegistryError.ts"

type Tag = RegistryError.RegistryError["_tag"]

/** Where one asks makes no difference. */
const ofEveryEndpoint: ReadonlySet<Tag> = new Set(["StoreError", "InvalidReference", "InvalidDigest"])

/** Nothing was said that could be understood. */
const withoutAnswer: ReadonlySet<Tag> = new Set(["TransportError", "ChallengeError", "TokenExchangeError"])

/** What a registry of version 2 says of what another endpoint may have, or of who may have it. */
const worthAnother: ReadonlySet<Tag> = new Set(["Unauthorized", "ManifestUnknown", "NameUnknown"])

/** Who can make these has given content, or the address of a token service. */
const ofV2: ReadonlySet<Tag> = new Set([
  "DigestMismatch",
  "SizeMismatch",
  "MediaTypeMismatch",
  "MalformedContent",
  "UnsupportedManifest",
  "TokenExchangeError",
  "InsecureRealm"
])

/** @internal */
export const isOfEveryEndpoint = (error: unknown): boolean => {
  if (RegistryError.isRegistryError(error)) return ofEveryEndpoint.has(error._tag)
  // ESRCH: what was to unpack the content is gone.
  return error instanceof Error && /no such process/i.test(error.message)
}

/** @internal */
export const mayBeBetterElsewhere = (error: unknown): boolean => {
  if (!RegistryError.isRegistryError(error)) return true
  if (!RegistryError.isResponseError(error)) return withoutAnswer.has(error._tag)
  if (worthAnother.has(error._tag) || error.status >= 500) return true
  return error.diagnostics.length === 0 && error._tag !== "TooManyRequests"
}

/** @internal */
export const isAnswerOfV2 = (error: unknown): boolean => {
  if (!RegistryError.isRegistryError(error)) return false
  return RegistryError.isResponseError(error) ? error.diagnostics.length > 0 : ofV2.has(error._tag)
}

/** Whether nobody may have been there to speak to: the first request to a host is a ping. @internal */
export const isWithoutConnection = (error: unknown): boolean =>
  RegistryError.isRegistryError(error) &&
  error._tag === "TransportError" &&
  (error.operation === "ping" || error.reason === "connect" || error.reason === "tls" || error.reason === "timeout")
