import { isJsonObject, type JsonObject } from "./json.ts"

/**
 * The URL as it may be shown: no user info, no query, no fragment. Uploads keep their session state and storage hosts their signature
 * in the query, so nothing of it is kept.
 *
 * @internal
 */
export const sanitizeUrl = (url: string): string => {
  const cut = url.search(/[?#]/)
  const bare = cut === -1 ? url : url.slice(0, cut)
  // URL parsers take backslashes for slashes, and any number of them after http(s).
  return bare.replace(
    /^\s*(?:(https?:)[\\/]*|([a-z][a-z0-9+.-]*:)?[\\/]{2})[^\\/]*@/i,
    (_, web: string | undefined, other: string | undefined) => `${web ?? other ?? ""}//`
  )
}

const redacted = "<redacted>"

// Every expression here has to take time in proportion to the text, which a server may have made to be slow to read. So a URL is found by its
// colon, of which a scheme has one, and not by its start, which may be at every hyphen.
const urls = /:(?<=\b([a-z][a-z0-9+.-]*):)([\\/]{2,}[^\s"'<>]+)/gi
const sanitizeFound = (_: string, scheme: string, rest: string): string => sanitizeUrl(`${scheme}:${rest}`).slice(scheme.length)

// What servers repeat of a request although nobody may see it: credentials, tokens, upload state, signatures.
// A digit, a capital or padding tells a token from the next word of a sentence.
const authorization = /\b([Bb]earer|BEARER|[Bb]asic|BASIC)\s+(?=[^\s"',;]*[0-9A-Z=])[A-Za-z0-9+/=._~-]{8,}/g
const dotted = /[A-Za-z0-9._-]+/g
const tokenStart = /\beyJ[A-Za-z0-9_-]{4}/
const query =
  /([?&;](?:_state|sig|signature|[a-z0-9_.-]*(?:token|secret|password|credential|signature)|x-(?:amz|goog|ms)-[a-z-]+)=)[^\s"'<>&;]+/gi

/** Masks a JSON Web Token: where the first part of one begins, with another part behind it, and all that follows. */
const maskWebToken = (text: string): string => {
  const parts = text.split(".")
  for (const [index, part] of parts.entries()) {
    const start = (parts[index + 1] ?? "") === "" ? -1 : part.search(tokenStart)
    if (start !== -1) return [...parts.slice(0, index), part.slice(0, start) + redacted].join(".")
  }
  return text
}

// A secret may come back as it was sent, inside a URL or inside JSON.
const spellings = (secret: string): ReadonlyArray<string> => [secret, encodeSafely(secret), JSON.stringify(secret).slice(1, -1)]

const encodeSafely = (secret: string): string => {
  try {
    return encodeURIComponent(secret)
  } catch {
    // Half of a surrogate pair has no place in a URL.
    return secret
  }
}

// The longest first, so that none hides in what is left of another.
const mask = (text: string, secrets: ReadonlyArray<string>): string =>
  [...new Set(secrets.flatMap(spellings))]
    .filter((secret) => secret !== "")
    .sort((a, b) => b.length - a.length)
    .reduce((masked, secret) => masked.split(secret).join(redacted), text)

/**
 * Text from a server as it may be shown: the secrets that were sent are masked should the server echo them, and so is whatever looks like a
 * credential or a token; URLs lose user info and query.
 *
 * @internal
 */
export const sanitizeText = (text: string, secrets: ReadonlyArray<string>): string =>
  mask(text, secrets)
    .replace(urls, sanitizeFound)
    .replace(query, `$1${redacted}`)
    .replace(authorization, `$1 ${redacted}`)
    .replace(dotted, maskWebToken)

/**
 * {@link sanitizeText}, then cut to a length. What is far past it is dropped before, together with the word the cut goes through: half a secret
 * would not be found.
 *
 * @internal
 */
export const sanitizeBounded = (text: string, secrets: ReadonlyArray<string>, maxLength: number): string => {
  const reach = maxLength * 4
  const near = text.length <= reach ? text : text.slice(0, reach).replace(/(?<!\S)\S*$/, "")
  return sanitizeText(near, secrets).slice(0, maxLength)
}

const maxDepth = 6
// What an item costs beside its text: many small ones are as long as one large.
const itemLength = 8

/**
 * A JSON value from a server as it may be kept: every text in it sanitized, and no more than its start, however long, wide or deep it is.
 *
 * @internal
 */
export const sanitizeJson = (value: unknown, secrets: ReadonlyArray<string>, maxLength: number): unknown => {
  let left = maxLength

  const text = (value: string): string => {
    const kept = sanitizeBounded(value, secrets, Math.max(0, left))
    left -= kept.length
    return kept
  }

  const visit = (value: unknown, depth: number): unknown => {
    left -= itemLength
    if (typeof value === "string") return text(value)
    if (typeof value === "number") return Number.isFinite(value) ? value : null
    if (!Array.isArray(value) && !isJsonObject(value)) return value
    if (depth === maxDepth) return "…"
    return Array.isArray(value) ? items(value, depth + 1) : members(value, depth + 1)
  }

  const items = (list: ReadonlyArray<unknown>, depth: number): ReadonlyArray<unknown> => {
    const kept: Array<unknown> = []
    for (const item of list) {
      if (left <= 0) break
      kept.push(visit(item, depth))
    }
    return kept
  }

  const members = (object: JsonObject, depth: number): JsonObject => {
    const kept: Array<readonly [string, unknown]> = []
    for (const [key, item] of Object.entries(object)) {
      if (left <= 0) break
      kept.push([text(key), visit(item, depth)])
    }
    return Object.fromEntries(kept)
  }

  return visit(value, 0)
}

/** Text on one line, without what moves the cursor of a terminal. @internal */
export const oneLine = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be removed
    .replace(/[\s\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
    .trim()
