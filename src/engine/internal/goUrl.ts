/**
 * URLs as Go reads and prints them (`net/url` of Go 1.19, with which the tables of this floor were made). It keeps what URL parsers of the web
 * mend, and refuses some of what they take.
 *
 * @internal
 */

/** @internal */
export interface GoUrl {
  readonly scheme: string
  /** What follows the scheme where that is no slash: then there is neither host nor path. */
  readonly opaque: string
  /** Whether two slashes announce a host, which may be empty. */
  readonly hasAuthority: boolean
  readonly user: User | undefined
  /** Host and port as they are written; an IPv6 address in its brackets. */
  readonly host: string
  /** As it is written, escapes and all. */
  readonly path: string
  /** `undefined`: there is no question mark. */
  readonly query: string | undefined
  readonly fragment: string
}

/** As they are written. @internal */
export interface User {
  readonly name: string
  readonly password: string | undefined
}

// --- escapes ---

const alphanumeric = "A-Za-z0-9"
// The characters that stand for themselves, by the part of the URL.
const plain = {
  host: new RegExp(`[${alphanumeric}\\-_.~!$&'()*+,;=:[\\]<>"]`),
  path: new RegExp(`[${alphanumeric}\\-_.~$&+,/:;=@]`),
  user: new RegExp(`[${alphanumeric}\\-_.~$&+,;=]`),
  fragment: new RegExp(`[${alphanumeric}\\-_.~$&+,/:;=?@!()*]`)
}

const encoder = new TextEncoder()

const escapes = (bytes: Uint8Array): string => Array.from(bytes, (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("")

const isEscaped = (text: string): boolean => !/%(?![0-9A-Fa-f]{2})/.test(text)

/** The text with what needs an escape in one, and escapes of what needs none undone. */
const normalized = (text: string, allowed: RegExp): string =>
  text.replace(/%([0-9A-Fa-f]{2})|[^%]/gu, (found, hex: string | undefined) => {
    const character = hex === undefined ? found : String.fromCharCode(Number.parseInt(hex, 16))
    if (hex !== undefined && character > "\u007f") return found.toUpperCase()
    return allowed.test(character) ? character : escapes(encoder.encode(character))
  })

/** As it is written, if it may be written like that. */
const printed = (text: string, allowed: RegExp): string => {
  const rest = text.replace(/[!$&'()*+,;=:@[\]%]/g, "")
  return Array.from(rest).every((character) => allowed.test(character)) ? text : normalized(text, allowed)
}

// --- parts ---

interface Authority {
  readonly user: User | undefined
  readonly host: string
}

const userPattern = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/

const parseUser = (text: string): User | undefined => {
  const colon = text.indexOf(":")
  const user = colon === -1 ? { name: text, password: undefined } : { name: text.slice(0, colon), password: text.slice(colon + 1) }
  return userPattern.test(text) && isEscaped(text) ? user : undefined
}

const hostCharacters = /^[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"%\u0080-\u{10ffff}]*$/u
// Only what is no ASCII may be escaped in a host; before the zone of an address stands `%25`.
const hostEscape = /%(?!25|[89A-Fa-f][0-9A-Fa-f])/

/** In the zone of an address may be escaped what may stand there, a per cent sign, and a space for Windows. */
const isZone = (text: string): boolean =>
  Array.from(text.matchAll(/%(..)/gs), ([, hex = ""]) => String.fromCharCode(Number.parseInt(hex, 16))).every(
    (character) => character === "%" || character === " " || plain.host.test(character)
  )

const isHost = (text: string): boolean => {
  const close = text.startsWith("[") ? text.lastIndexOf("]") : -1
  if (text.startsWith("[") && close === -1) return false
  const colon = text.lastIndexOf(":")
  const port = close !== -1 ? text.slice(close + 1) : colon === -1 ? "" : text.slice(colon)
  const zone = close === -1 ? -1 : text.slice(0, close).indexOf("%25")
  const [before, within] = zone === -1 ? [text, ""] : [text.slice(0, zone), text.slice(zone, close)]
  return /^(?::[0-9]*)?$/.test(port) && hostCharacters.test(text) && isEscaped(text) && !hostEscape.test(before) && isZone(within)
}

const parseAuthority = (text: string): Authority | undefined => {
  const at = text.lastIndexOf("@")
  const host = text.slice(at + 1)
  const user = at === -1 ? undefined : parseUser(text.slice(0, at))
  return isHost(host) && (at === -1 || user !== undefined) ? { user, host } : undefined
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what Go refuses
const control = /[\u0000-\u001f\u007f]/

// --- whole ---

/** `url.Parse`. @internal */
export const parse = (text: string): GoUrl | undefined => {
  const [, beforeFragment = "", fragment = ""] = /^([^#]*)(?:#(.*))?$/s.exec(text) ?? []
  if (control.test(beforeFragment) || beforeFragment.startsWith(":") || !isEscaped(fragment)) return undefined
  const [schemed = "", written = ""] = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(beforeFragment) ?? []
  const scheme = written.toLowerCase()
  const [, beforeQuery = "", query] = /^([^?]*)(?:\?(.*))?$/s.exec(beforeFragment.slice(schemed.length)) ?? []
  const url = { scheme, opaque: "", hasAuthority: false, user: undefined, host: "", path: "", query, fragment }
  if (!beforeQuery.startsWith("/")) {
    if (scheme !== "") return { ...url, opaque: beforeQuery }
    if (beforeQuery.split("/", 1).join("").includes(":")) return undefined
  }
  const hasAuthority = beforeQuery.startsWith("//") && (scheme !== "" || !beforeQuery.startsWith("///"))
  const [, authorityText = "", path = ""] = (hasAuthority ? /^\/\/([^/]*)(.*)$/s : /^()(.*)$/s).exec(beforeQuery) ?? []
  const authority = parseAuthority(authorityText)
  return authority === undefined || !isEscaped(path) ? undefined : { ...url, ...authority, hasAuthority, path }
}

const printUser = ({ name, password }: User): string =>
  normalized(name, plain.user) + (password === undefined ? "" : `:${normalized(password, plain.user)}`)

const printAuthority = ({ hasAuthority, host, path, user }: GoUrl): string => {
  if (!hasAuthority || (host === "" && user === undefined && path === "")) return ""
  return `//${user === undefined ? "" : `${printUser(user)}@`}${normalized(host, plain.host)}`
}

/** `URL.String`. @internal */
export const print = (url: GoUrl): string => {
  const { fragment, opaque, path, query, scheme } = url
  const where = opaque === "" ? printAuthority(url) + printed(path, plain.path) : opaque
  return (
    (scheme === "" ? "" : `${scheme}:`) +
    where +
    (query === undefined ? "" : `?${query}`) +
    (fragment === "" ? "" : `#${printed(fragment, plain.fragment)}`)
  )
}
