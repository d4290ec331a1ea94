import * as Either from "effect/Either"
import * as LinkHeader from "../../http/internal/linkHeader.ts"
import * as Origin from "../../http/internal/origin.ts"
import { sanitizeUrl } from "../../model/internal/sanitize.ts"
import { RedirectRefused } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { Cursor } from "../Pagination.ts"

/** The longest page of a list that is read: 1000 tags are 128 kB at most, but some registries ignore `n` and send all. @internal */
export const listLimitBytes = 16 * 1024 * 1024

type Response = RegistryTransport.TransportResponse

/** What stands before `/v2/…` in the URLs of the place that answered: an origin and, for mirrors, a path. */
const baseOf = (response: Response, path: string): string => {
  const at = response.context.url.indexOf(path)
  return at === -1 ? "" : response.context.url.slice(0, at)
}

/** A mirror that is told the registry by `ns` may repeat it, and it is added to every request anyway. */
const withoutNamespace = (path: string): string => path.replace(/([?&])ns=[^&]*(?:&|$)/, "$1").replace(/[?&]$/, "")

/**
 * The next page as a path, so that whoever answers for the registry by then is asked, credentials and all. Only a registry that redirected
 * us elsewhere has its next page there: that one stays a URL, which is asked without credentials.
 */
const cursorOf = (next: URL, response: Response, path: string): Cursor => {
  const base = baseOf(response, path)
  const target = `${next.pathname}${next.search}`
  const home = Origin.parse(base)
  if (home === undefined || !Origin.same(next, home)) return Cursor.make(next.href)
  const prefix = home.pathname.replace(/\/$/, "")
  const relative = prefix !== "" && target.startsWith(`${prefix}/`) ? target.slice(prefix.length) : target
  return Cursor.make(response.mirror ? withoutNamespace(relative) : relative)
}

/** Where the page after this one is, if there is one. @internal */
export const nextPage = (response: Response, path: string): Either.Either<{ readonly next?: Cursor }, RedirectRefused> =>
  Either.mapBoth(LinkHeader.next(response.headers["link"], response.url), {
    onLeft: (reason) =>
      new RedirectRefused({
        registry: response.context.registry,
        repository: response.context.repository,
        operation: response.context.operation,
        method: response.context.method,
        url: sanitizeUrl(response.context.url),
        target: sanitizeUrl(/<([^>]*)/.exec(response.headers["link"] ?? "")?.[1] ?? ""),
        reason
      }),
    onRight: (next) => (next === undefined ? {} : { next: cursorOf(next, response, path) })
  })
