/** What a `Range` header means for content of a given size. @internal */
export type Selection =
  | { readonly _tag: "All" }
  | { readonly _tag: "Part"; readonly offset: number; readonly length: number }
  | { readonly _tag: "Unsatisfiable" }

const all: Selection = { _tag: "All" }
const unsatisfiable: Selection = { _tag: "Unsatisfiable" }

/**
 * RFC 9110 section 14.2, one range only: several ranges are answered with the whole, as the RFC allows. What is not understandable is
 * refused, as Go's `http.ServeContent`, and with it most registries, do.
 *
 * @internal
 */
export const select = (header: string | undefined, size: number): Selection => {
  if (header === undefined) return all
  if (/^bytes=.*,/.test(header)) return all
  const match = /^bytes=\s*(\d*)-(\d*)\s*$/.exec(header)
  if (match === null) return unsatisfiable
  const [, first = "", last = ""] = match
  if (first === "") {
    const length = Math.min(Number(last), size)
    return last === "" || length === 0 ? unsatisfiable : { _tag: "Part", offset: size - length, length }
  }
  const offset = Number(first)
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== "" && Number(last) < offset) return unsatisfiable
  return offset >= size ? unsatisfiable : { _tag: "Part", offset, length: end - offset + 1 }
}

/** `<start>-<end>` of an upload chunk, both inclusive (spec «Pushing a blob in chunks»). @internal */
export const parseChunkRange = (header: string): { readonly start: number; readonly length: number } | undefined => {
  const match = /^(\d+)-(\d+)$/.exec(header)
  if (match === null) return undefined
  const start = Number(match[1])
  const length = Number(match[2]) - start + 1
  return length < 1 ? undefined : { start, length }
}

/** What `Range` says of an upload. Nothing received has no form of its own: registries write `0-0`, as for one byte. @internal */
export const received = (sizeBytes: number): string => `0-${Math.max(0, sizeBytes - 1)}`
