/**
 * Two readings of the hostname in a key of a credentials file.
 */

// What Go's url.Parse takes for a host: letters, digits, unreserved and sub-delimiters, brackets around an IPv6 address, digits as the port.
const urlPattern =
  /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#]*@)?(?:\[([^\]/?#]+)\]|([A-Za-z0-9\-._~!$&'()*+,;=<>"\u0080-\uffff]+))(?::([0-9]*))?(?:[/?#]|$)/i

/**
 * docker's command line: the host and port of a URL; of anything else what comes before the first slash. An IPv6 address without a port
 * loses its brackets.
 */
export const hostname = (key: string): string => {
  const [matched, address, host = "", port = ""] = urlPattern.exec(key) ?? []
  if (matched === undefined) return engineCut(key)
  if (port === "") return address ?? host
  return `${address === undefined ? host : `[${address}]`}:${port}`
}

/** The container engine: one lower-case `http://` or `https://` is cut off, then all from the first slash. */
export const engineHostname = (key: string): string => engineCut(key.replace(/^https?:\/\//, ""))

const engineCut = (text: string): string => text.split("/", 1).join("")
