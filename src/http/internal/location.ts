import * as Either from "effect/Either"
import * as AddressPolicy from "./addressPolicy.ts"
import * as Origin from "./origin.ts"

/**
 * A `Location` (RFC 9110, 10.2.2) resolved against the URL that gave it. Left is why it may not be followed. What the URL holds is kept as
 * it came: some registries sign the query.
 *
 * @internal
 */
export const resolve = (location: string, requestUrl: string): Either.Either<string, string> => {
  const text = location.trim()
  const from = Origin.parse(requestUrl)
  const to = from === undefined ? undefined : Origin.parse(text, from)
  if (from === undefined || to === undefined) return Either.left("the Location is not a URL")
  const reason = AddressPolicy.refusal(from, to)
  if (reason !== undefined) return Either.left(reason)
  return Either.right(/^https?:\/\//i.test(text) ? text : to.href)
}

/**
 * Sets `digest` in the query of a URL without touching the rest of it (distribution-spec «Pushing a blob»): parsing and printing a query
 * may change bytes that the registry signed.
 *
 * @internal
 */
export const withDigest = (url: string, digest: string): string => {
  const hash = url.indexOf("#")
  const bare = (hash === -1 ? url : url.slice(0, hash)).replace(/(?<=[?&])digest=[^&]*(?:&|$)/g, "")
  const joint = !bare.includes("?") ? "?" : /[?&]$/.test(bare) ? "" : "&"
  return `${bare}${joint}digest=${encodeURIComponent(digest)}`
}
