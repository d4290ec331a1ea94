/** `Content-Range: bytes 5-9/20`; `total` is absent for `*` (RFC 9110, 14.4). @internal */
export interface ContentRange {
  readonly start: number
  /** Inclusive. */
  readonly end: number
  readonly total: number | undefined
}

const number = (digits: string | undefined): number | undefined =>
  digits !== undefined && /^\d{1,15}$/.test(digits) ? Number(digits) : undefined

/** @internal */
export const parse = (value: string): ContentRange | undefined => {
  const parts = /^\s*bytes\s+(\d+)-(\d+)\/(\d+|\*)\s*$/i.exec(value)
  const start = number(parts?.[1])
  const end = number(parts?.[2])
  const total = parts?.[3] === "*" ? undefined : number(parts?.[3])
  if (start === undefined || end === undefined || end < start) return undefined
  if (parts?.[3] !== "*" && (total === undefined || end >= total)) return undefined
  return { start, end, total }
}

/**
 * The last byte an upload session holds: `Range: 0-9`, `bytes=0-9` or `bytes 0-9`. Undefined when it holds none or does not say; `0-0` is
 * one byte (distribution-spec «Pushing a blob in chunks»).
 *
 * @internal
 */
export const parseUploadRange = (value: string): number | undefined => {
  const parts = /^\s*(?:bytes[= ]\s*)?(\d+)-(\d+)\s*$/i.exec(value)
  return number(parts?.[1]) === 0 ? number(parts?.[2]) : undefined
}
