/**
 * The URL as it may be shown: no user info, no query, no fragment. Uploads keep their session state and storage hosts their signature
 * in the query, so nothing of it is kept.
 *
 * @internal
 */
export const sanitizeUrl = (url: string): string => {
  const cut = url.search(/[?#]/)
  const bare = cut === -1 ? url : url.slice(0, cut)
  return bare.replace(/^([a-z][a-z0-9+.-]*:)?\/\/[^/]*@/i, (_, scheme: string | undefined) => `${scheme ?? ""}//`)
}

/**
 * Text from a server as it may be shown: URLs lose user info and query, and the secrets that were sent are masked should the server echo them.
 *
 * @internal
 */
export const sanitizeText = (text: string, secrets: ReadonlyArray<string>): string => {
  const withoutUrls = text.replace(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi, sanitizeUrl)
  return secrets.reduce((masked, secret) => (secret.length === 0 ? masked : masked.split(secret).join("<redacted>")), withoutUrls)
}
