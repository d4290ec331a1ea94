import * as Either from "effect/Either"
import * as AddressPolicy from "./addressPolicy.ts"
import * as Origin from "./origin.ts"

/** What a request line can hold, without the backslash: URLs take it for a slash. */
const plain = /^[!-[\]-~]+$/
const absolute = /^https?:\/\/[^/?#@]+(?:[/?]|$)/i

const withoutFragment = (url: string): string => url.split("#", 1)[0] ?? url

/**
 * The URL to send where a `Location` was found to lead to `to`: byte for byte what came, as its query may be signed, and without fragment.
 * Text that does not plainly say the same as `to`, which was judged, goes by `to`.
 *
 * @internal
 */
export const verbatim = (location: string, from: URL, to: URL): string => {
  const text = withoutFragment(location.trim())
  const url = /^\/(?!\/)/.test(text) ? from.origin + text : text
  const judged = withoutFragment(to.href)
  return plain.test(url) && absolute.test(url) && Origin.parse(url)?.href === judged ? url : judged
}

/**
 * A `Location` (RFC 9110, 10.2.2) resolved against the URL that gave it. Left is why it may not be followed. What the URL holds is kept as
 * it came.
 *
 * @internal
 */
export const resolve = (location: string, requestUrl: string): Either.Either<string, string> => {
  const from = Origin.parse(requestUrl)
  const to = from === undefined ? undefined : Origin.parse(location.trim(), from)
  if (from === undefined || to === undefined) return Either.left("the Location is not a URL")
  const reason = AddressPolicy.refusal(from, to)
  return reason === undefined ? Either.right(verbatim(location, from, to)) : Either.left(reason)
}

/**
 * Sets `digest` in the query of a URL without touching the rest of it (distribution-spec «Pushing a blob»): parsing and printing a query
 * may change bytes that the registry signed.
 *
 * @internal
 */
export const withDigest = (url: string, digest: string): string => {
  const [path = "", ...rest] = withoutFragment(url).split("?")
  // Another question mark is part of the query.
  const query = rest.join("?").replace(/(?<=^|&)digest(?:=[^&]*)?(?:&|$)/g, "")
  const joint = query === "" || query.endsWith("&") ? "" : "&"
  return `${path}?${query}${joint}digest=${encodeURIComponent(digest)}`
}
