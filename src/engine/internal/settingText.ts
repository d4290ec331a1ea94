/**
 * What may be shown of a setting that is wrong: somebody may have put a password in it.
 *
 * @internal
 */
import type * as GoUrl from "./goUrl.ts"

const hidden = "xxxxx"

// It looks ahead whether there is a value at all: a name that goes on and on would otherwise be gone through once for each word in it.
const secretParameter =
  /(^|[?&;])(?=[^?&;=]*=[^&;#])([^?&;=]*(?:token|secret|password|passwd|credential|signature|sig|key|auth)[^?&;=]*)=[^&;#]+/gi

const maskParameters = (text: string): string => text.replace(secretParameter, `$1$2=${hidden}`)

/** Without password; nor with a user alone, which may be a token. @internal */
export const maskUrl = (url: GoUrl.GoUrl): GoUrl.GoUrl => ({
  ...url,
  opaque: maskText(url.opaque),
  path: url.path.replace(/^\/.*@/s, `/${hidden}@`),
  query: url.query === undefined ? undefined : maskParameters(url.query),
  ...(url.user !== undefined && { user: { name: url.user.password === undefined ? hidden : url.user.name, password: hidden } })
})

/** Text that need be no URL. What stands before its last `@` may be a user and a password. @internal */
export const maskText = (text: string): string => {
  const [, scheme = "", user, rest] = /^((?:[a-z][a-z0-9+.-]*:)?\/\/)?(.*)(@.*)$/is.exec(text) ?? []
  if (user === undefined || rest === undefined) return maskParameters(text)
  const colon = user.indexOf(":")
  return `${scheme}${colon === -1 ? hidden : `${user.slice(0, colon)}:${hidden}`}${maskParameters(rest)}`
}
