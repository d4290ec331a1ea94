import type { RequestHead } from "../RegistryOptions.ts"

/** @internal */
export const etag = (digest: string): string => `"${digest}"`

/** Whether an `If-Match` or `If-None-Match` list names this entity (RFC 9110 section 8.8.3); weak tags compare by their text. @internal */
const lists = (header: string, digest: string | undefined): boolean =>
  digest !== undefined &&
  header.split(",").some((entry) => {
    const tag = entry.trim().replace(/^W\//, "")
    return tag === "*" || tag === etag(digest)
  })

/** Whether the client has this entity already and should be told 304. @internal */
export const notModified = (request: RequestHead, digest: string): boolean => {
  const header = request.headers["if-none-match"]
  return header !== undefined && lists(header, digest)
}

/** Whether a write may go on, given the entity that is there now (RFC 9110 sections 13.1.1 and 13.1.2). @internal */
export const mayWrite = (request: RequestHead, current: string | undefined): boolean => {
  const match = request.headers["if-match"]
  if (match !== undefined && !lists(match, current)) return false
  const noneMatch = request.headers["if-none-match"]
  return noneMatch === undefined || !lists(noneMatch, current)
}
