import * as GoText from "./goText.ts"
import * as IpNetwork from "./ipNetwork.ts"
import { maskText } from "./settingText.ts"

interface HostPort {
  readonly host: string
  readonly port: string
}

/** Go's `net.SplitHostPort`: nothing where there is no port, or none that can be told from an IPv6 address. @internal */
export const split = (text: string): HostPort | undefined => {
  const [, address, rest] = /^\[([^[\]]*)\]:([^:[\]]*)$/s.exec(text) ?? []
  if (address !== undefined && rest !== undefined) return { host: address, port: rest }
  const [, host, port] = /^([^:[\]]*):([^:[\]]*)$/s.exec(text) ?? []
  return host === undefined || port === undefined ? undefined : { host, port }
}

/** The host of `host[:port]`, an IPv6 address without its brackets. @internal */
export const hostOf = (text: string): string => split(text)?.host ?? text.replace(/^\[([^[\]]*)\]$/s, "$1")

const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"

/** docker's `reference.DomainRegexp`, as it was before it knew IPv6. */
const domain = new RegExp(`^${label}(?:\\.${label})*(?::[0-9]+)?$`)

/** Why the text is not `host[:port]` to the engine, in its words (`validateHostPort`). @internal */
export const problemOf = (text: string): string | undefined => {
  const { host, port } = split(text) ?? { host: text, port: "" }
  if (!domain.test(text) && !IpNetwork.isAddress(host)) return `invalid host ${GoText.quote(maskText(host))}`
  if (port === "") return undefined
  const number = GoText.readInteger(maskText(port))
  if (typeof number === "string") return number
  return number < 0 || number > 65535 ? `invalid port ${GoText.quote(port)}` : undefined
}
