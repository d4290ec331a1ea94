/**
 * One step of following a redirect: the next request, or why it may not be sent.
 *
 * 303 turns everything but HEAD into a GET. All others repeat the request as it was: RFC 9110 lets a client turn a 301 or 302 into a GET,
 * which makes sense for forms, while no operation of a registry means the same with another method.
 *
 * @internal
 */
import * as Body from "@effect/platform/HttpBody"
import * as Either from "effect/Either"
import type { Outgoing } from "./exchange.ts"
import * as Location from "./location.ts"
import * as Origin from "./origin.ts"

const statuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Whether the answer asks to go elsewhere. @internal */
export const isRedirect = (status: number, location: string | undefined): location is string =>
  statuses.has(status) && location !== undefined

/** What may be told to a host that was not asked in the first place: what is wanted, and what the body is. Never who we are. */
const harmless: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "content-digest",
  "content-length",
  "content-range",
  "content-type",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "range",
  "user-agent"
])

const aboutBody = /^(content-|transfer-encoding$)/

const filter = (headers: Readonly<Record<string, string>>, keep: (name: string) => boolean) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => keep(name)))

/** Whether the same bytes can be sent once more. */
const replayable = (body: Body.HttpBody, streamReplayable: boolean): boolean =>
  body._tag === "Stream" ? streamReplayable : body._tag !== "Raw" || typeof body.body === "string" || body.body instanceof Uint8Array

/** Where a `Location` leads, without fragment: what is judged. @internal */
export const target = (location: string, from: URL): URL | undefined => {
  const to = Origin.parse(location.trim(), from)
  if (to !== undefined) to.hash = ""
  return to
}

/** What may be told to `to`. */
const tellable = (from: URL, to: URL, sharesCredentials: boolean): ((name: string) => boolean) => {
  if (Origin.same(from, to)) return () => true
  return (name) => (sharesCredentials ? name !== "cookie" : harmless.has(name))
}

/** The request at `to`, which `location` was found to name. @internal */
export const next = (
  request: Outgoing,
  status: number,
  from: URL,
  to: URL,
  options: { readonly location: string; readonly replayable: boolean; readonly sharesCredentials?: boolean | undefined }
): Either.Either<Outgoing, string> => {
  const becomesGet = status === 303 && request.method !== "HEAD" && request.method !== "GET"
  const body = becomesGet ? Body.empty : request.body
  if (!replayable(body, options.replayable)) return Either.left("the request body cannot be sent a second time")
  const kept = becomesGet ? filter(request.headers, (name) => !aboutBody.test(name)) : request.headers
  return Either.right({
    method: becomesGet ? "GET" : request.method,
    url: Location.verbatim(options.location, from, to),
    headers: filter(kept, tellable(from, to, options.sharesCredentials ?? false)),
    body,
    context: request.context
  })
}
