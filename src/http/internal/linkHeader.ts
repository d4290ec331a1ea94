/**
 * The `Link` header of paginated lists (RFC 8288; distribution-spec «Listing Tags»).
 *
 * @internal
 */
import * as Either from "effect/Either"
import { refusal } from "./addressPolicy.ts"
import * as Origin from "./origin.ts"

/** @internal */
export interface Link {
  readonly target: string
  /** The relation types in lower case; empty when there was no `rel`. */
  readonly rel: ReadonlyArray<string>
}

const maxLength = 64 * 1024

// Sticky, so that text is looked at once, from left to right. A target ends at the first `>`, whatever registries forget to escape in it.
const uriReference = /[\s,]*<([^>]*)>/y
const parameter = /\s*;\s*([^\s=;,"]*)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/y
const rest = /[^,]*/y

const at = (pattern: RegExp, text: string, index: number): RegExpExecArray | null => {
  pattern.lastIndex = index
  return pattern.exec(text)
}

const relOf = (parameters: ReadonlyArray<readonly [name: string, value: string]>): ReadonlyArray<string> => {
  // Only the first `rel` counts (RFC 8288, 3.3).
  const rel = parameters.find(([name]) => name === "rel")?.[1]
  return rel === undefined ? [] : rel.toLowerCase().split(/\s+/).filter(Boolean)
}

/** Every link of the header; what is odd behind a link is passed over. Left when it does not begin with one. @internal */
export const parse = (header: string): Either.Either<ReadonlyArray<Link>, string> => {
  if (header.length > maxLength) return Either.left("the Link header is too long")
  const links: Array<Link> = []
  let index = 0
  for (let found = at(uriReference, header, index); found !== null; found = at(uriReference, header, index)) {
    index += found[0].length
    const parameters: Array<readonly [string, string]> = []
    for (let pair = at(parameter, header, index); pair !== null; pair = at(parameter, header, index)) {
      index += pair[0].length
      parameters.push([(pair[1] ?? "").toLowerCase(), (pair[2] ?? pair[3] ?? "").replace(/\\(.)/g, "$1")])
    }
    links.push({ target: (found[1] ?? "").trim(), rel: relOf(parameters) })
    index += at(rest, header, index)?.[0].length ?? 0
  }
  return links.length === 0 ? Either.left("the Link header does not have the form <url>; rel=next") : Either.right(links)
}

/**
 * The next page: the link with `rel=next`, else the first without any `rel`, as registries of old send it. It must be on the origin that
 * named it, since the next request goes there in the user's name. Left is why it may not be followed.
 *
 * @internal
 */
export const next = (header: string | undefined, requestUrl: string): Either.Either<URL | undefined, string> => {
  if (header === undefined || header.trim() === "") return Either.right(undefined)
  const links = parse(header)
  if (Either.isLeft(links)) return Either.left(links.left)
  const link = links.right.find(({ rel }) => rel.includes("next")) ?? links.right.find(({ rel }) => rel.length === 0)
  if (link === undefined || link.target === "") return Either.right(undefined)
  const from = Origin.parse(requestUrl)
  const to = from === undefined ? undefined : Origin.parse(link.target, from)
  if (from === undefined || to === undefined) return Either.left("the link is not a URL")
  if (!Origin.same(from, to)) return Either.left(refusal(from, to) ?? `the link leads from ${from.origin} to ${to.origin}`)
  to.hash = ""
  return Either.right(to)
}
