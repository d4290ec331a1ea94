/**
 * Two readings of the hostname in a key of a credentials file.
 */

// What Go's url.Parse takes for an authority: letters, digits, unreserved and sub-delimiters, brackets around an IPv6 address, digits as the port.
const urlPattern =
  /^[a-z][a-z0-9+.-]*:\/\/(?:[A-Za-z0-9\-._:~!$&'()*+,;=%@]*@)?(?:\[([0-9a-f:.]+)(?:%25([^\]%/?#]+))?\]|([A-Za-z0-9\-._~!$&'()*+,;=<>"\u0080-\uffff]+))(?::([0-9]*))?(?:[/?#]|$)/i

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what Go refuses
const unusable = /[\u0000-\u001f\u007f]|%(?![0-9a-f]{2})/i

/** The host and port of a URL that Go can read; an IPv6 address without a port loses its brackets. */
const urlHost = (key: string): string | undefined => {
  const [matched, address, zone, name = "", port = ""] = urlPattern.exec(key) ?? []
  // Of a query Go reads no escapes.
  if (matched === undefined || unusable.test(key.replace(/^([^?#]*\?)[^#]*/, "$1"))) return undefined
  if (address === undefined) return port === "" ? name : `${name}:${port}`
  if (!URL.canParse(`http://[${address}]`)) return undefined
  const host = zone === undefined ? address : `${address}%${zone}`
  return port === "" ? host : `[${host}]:${port}`
}

/** The host with an IPv6 address in brackets, where it has a port and no brackets. */
export const bracketed = (host: string): string => host.replace(/^(?!\[)([^:]*:.*):([0-9]+)$/s, "[$1]:$2")

/** What stands for the host in a URL that Go cannot read. */
const writtenHost = (key: string): string => bracketed(engineCut(key.slice(key.indexOf("://") + 3)))

/**
 * docker's command line: the host and port of a URL, or what is written there if it is none that can be read; of anything else what comes
 * before the first slash.
 */
export const hostname = (key: string): string => {
  const host = key.includes("://") ? (urlHost(key) ?? writtenHost(key)) : ""
  return host === "" ? engineCut(key) : host
}

/** The container engine: one lower-case `http://` or `https://` is cut off, then all from the first slash. */
export const engineHostname = (key: string): string => engineCut(key.replace(/^https?:\/\//, ""))

const engineCut = (text: string): string => text.split("/", 1).join("")
