/** The records of a pax header and what they say of an entry, as Go's `archive/tar` takes them. @internal */
import * as Either from "effect/Either"
import * as TarBlock from "./tarBlock.ts"

/** Text is kept as one character per byte. @internal */
export type Records = ReadonlyMap<string, string>

const broken = "a pax header is broken"

const withoutZeros: ReadonlySet<string> = new Set(["path", "linkpath", "uname", "gname"])

const sparseMap = "GNU.sparse.map"

/** GNU's first format repeats these two for each piece of a sparse file, in turn. */
const sparseTurns = ["GNU.sparse.offset", "GNU.sparse.numbytes"]

/** @internal */
export const parse = (content: Uint8Array): Either.Either<Records, string> => {
  const text = TarBlock.textOf(content)
  const records = new Map<string, string>()
  const pieces: Array<string> = []
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(" ", at)
    const digits = space === -1 || space - at > 64 ? undefined : TarBlock.decimal(text.slice(at, space))
    if (digits === undefined || digits < 5n || digits > BigInt(text.length - at)) return Either.left(broken)
    const end = at + Number(digits)
    const equals = text.indexOf("=", space)
    if (end - 1 <= space || text[end - 1] !== "\n" || equals <= space + 1 || equals >= end - 1) return Either.left(broken)
    const [key, value] = [text.slice(space + 1, equals), text.slice(equals + 1, end - 1)]
    if ((withoutZeros.has(key) ? value : key).includes("\0")) return Either.left(broken)
    if (sparseTurns.includes(key)) {
      if (sparseTurns[pieces.length % 2] !== key || value.includes(",")) return Either.left(broken)
      pieces.push(value)
    } else records.set(key, value)
    at = end
  }
  if (pieces.length > 0) records.set(sparseMap, pieces.join(","))
  return Either.right(records)
}

/** What is empty says nothing. @internal */
export const said = (records: Records, key: string): string | undefined => records.get(key) || undefined

const xattrPrefix = "SCHILY.xattr."

/** Extended attributes by name. @internal */
export const xattrsOf = (records: Records): TarBlock.Header["xattrs"] =>
  new Map(
    Array.from(records)
      .filter(([key, value]) => key.startsWith(xattrPrefix) && value !== "")
      .map(([key, value]) => [key.slice(xattrPrefix.length), value])
  )

/** Whole seconds, rounded down, of a time with a fraction. */
const seconds = (text: string): bigint | undefined => {
  const [whole = "", fraction] = text.split(/\.(.*)/s)
  const value = TarBlock.decimal(whole)
  if (value === undefined || (fraction !== undefined && !/^[0-9]*$/.test(fraction))) return undefined
  // Go knows no less than a billionth of a second.
  const between = fraction !== undefined && /[1-9]/.test(fraction.slice(0, 9))
  return between && whole.startsWith("-") ? value - 1n : value
}

/** What an entry is with these records before it. @internal */
export const laidOver = (header: TarBlock.Header, records: Records): Either.Either<TarBlock.Header, string> => {
  const number = (key: string, otherwise: bigint): bigint | undefined => {
    const text = said(records, key)
    return text === undefined ? otherwise : TarBlock.decimal(text)
  }
  const time = (key: string, otherwise: bigint): bigint | undefined => {
    const text = said(records, key)
    return text === undefined ? otherwise : seconds(text)
  }
  const [uid, gid, size] = [number("uid", header.uid), number("gid", header.gid), number("size", header.size)]
  const mtime = time("mtime", header.mtime)
  const others = [time("atime", 0n), time("ctime", 0n)]
  if (uid === undefined || gid === undefined || size === undefined || mtime === undefined || others.includes(undefined)) {
    return Either.left("a pax header has a number that is none")
  }
  return Either.right({
    ...header,
    name: said(records, "path") ?? header.name,
    linkName: said(records, "linkpath") ?? header.linkName,
    uid,
    gid,
    size,
    mtime,
    xattrs: xattrsOf(records)
  })
}

/** What pax records say of a file with holes (GNU tar «Storing Sparse Files»). @internal */
export interface Sparse {
  /** Empty when the name is that of the entry. */
  readonly name: string
  /** Empty when the size is that of the entry. */
  readonly size: string
  /** Where the pieces are is told by `count` and `map`, or stands before the content. */
  readonly told: { readonly count: string; readonly map: string } | undefined
}

/** None when the entry is no such file, or one of a format nobody knows. @internal */
export const sparseOf = (records: Records): Sparse | undefined => {
  const text = (key: string) => records.get(`GNU.sparse.${key}`) ?? ""
  const version = `${text("major")}.${text("minor")}`
  const isTold = version === "0.0" || version === "0.1" || (version === "." && text("map") !== "")
  if (!isTold && version !== "1.0") return undefined
  return {
    name: text("name"),
    size: text("size") || text("realsize"),
    told: isTold ? { count: text("numblocks"), map: text("map") } : undefined
  }
}
