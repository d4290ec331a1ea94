/**
 * The cookies of a session (RFC 6265). They go back to the origin that set them and nowhere else, whatever their `Domain` says: load balancers
 * in front of V1 registries want theirs, and nobody else has any.
 */
import type * as Cookies from "@effect/platform/Cookies"
import * as Duration from "effect/Duration"

interface Kept {
  readonly origin: string
  readonly path: string
  readonly name: string
  readonly value: string
  readonly endMillis: number
}

/** @internal */
export interface CookieJar {
  /** The `Cookie` header of a request. */
  readonly header: (url: URL, nowMillis: number) => string | undefined
  readonly keep: (url: URL, cookies: Cookies.Cookies, nowMillis: number) => void
  /** What must not be shown. */
  readonly secrets: () => ReadonlyArray<string>
}

const maxKept = 100
/** What is shorter is no secret, and would be found in every word. */
const minSecretLength = 4
const maxLength = 4096

/** RFC 6265, 5.1.4. */
const defaultPath = ({ pathname }: URL): string => pathname.slice(0, Math.max(1, pathname.lastIndexOf("/")))

const fits = (path: string, { pathname }: URL): boolean =>
  pathname === path || (pathname.startsWith(path) && (path.endsWith("/") || pathname[path.length] === "/"))

/** Only a host below the domain may speak for it. */
const isOwn = (domain: string | undefined, { hostname }: URL): boolean => {
  const name = (domain ?? "").replace(/^\./, "").toLowerCase()
  return name === "" || hostname === name || hostname.endsWith(`.${name}`)
}

const endOf = ({ options }: Cookies.Cookie, nowMillis: number): number => {
  if (options?.maxAge !== undefined) return nowMillis + Duration.toMillis(options.maxAge)
  const end = options?.expires?.getTime() ?? Number.POSITIVE_INFINITY
  return Number.isNaN(end) ? Number.POSITIVE_INFINITY : end
}

/** @internal */
export const make = (): CookieJar => {
  let kept: ReadonlyArray<Kept> = []
  const keepOne = (url: URL, cookie: Cookies.Cookie, nowMillis: number) => {
    const { name, options, valueEncoded: value } = cookie
    if (!isOwn(options?.domain, url) || (options?.secure === true && url.protocol !== "https:")) return
    if (name.length + value.length > maxLength) return
    const path = options?.path?.startsWith("/") === true ? options.path : defaultPath(url)
    const others = kept.filter((one) => one.name !== name || one.path !== path || one.origin !== url.origin)
    const endMillis = endOf(cookie, nowMillis)
    kept = endMillis > nowMillis ? [...others, { origin: url.origin, path, name, value, endMillis }].slice(-maxKept) : others
  }
  return {
    header: (url, nowMillis) => {
      const fitting = kept.filter((one) => one.origin === url.origin && fits(one.path, url) && one.endMillis > nowMillis)
      // The longest path first, RFC 6265, 5.4.
      const pairs = fitting.toSorted((a, b) => b.path.length - a.path.length).map(({ name, value }) => `${name}=${value}`)
      return pairs.length === 0 ? undefined : pairs.join("; ")
    },
    keep: (url, cookies, nowMillis) => {
      for (const cookie of Object.values(cookies.cookies)) keepOne(url, cookie, nowMillis)
    },
    secrets: () => kept.map(({ value }) => value).filter((value) => value.length >= minSecretLength)
  }
}
