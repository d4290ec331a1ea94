// Headers of tar archives: POSIX ustar and pax, what GNU tar adds for long names and large files, and old ones without magic.
// Written for this place: entries are found by seeking, without reading what lies between them.
import * as Either from "effect/Either"
import { join } from "../../model/internal/bytes.ts"

/** @internal */
export const blockBytes = 512

/** What an entry takes, filled up to whole blocks. @internal */
export const paddedBytes = (sizeBytes: number): number => Math.ceil(sizeBytes / blockBytes) * blockBytes

/** @internal */
export type Kind = "file" | "link" | "symlink" | "pax" | "globalPax" | "longName" | "longLink" | "other"

/** @internal */
export interface Header {
  readonly kind: Kind
  readonly name: string
  readonly linkName: string
  /** What follows the header; none for links and folders. */
  readonly sizeBytes: number
  /** Whether blocks of where its holes are follow before its content, see {@link goesOn}. */
  readonly goesOn: boolean
}

const decoder = new TextDecoder()

const text = (block: Uint8Array, offset: number, length: number): string => {
  const field = block.subarray(offset, offset + length)
  const end = field.indexOf(0)
  return decoder.decode(end === -1 ? field : field.subarray(0, end))
}

/** Octal text, or a number to the base 256 when the first bit is set (GNU). Undefined when it is neither, or negative, or too large. */
const number = (block: Uint8Array, offset: number, length: number): number | undefined => {
  const field = block.subarray(offset, offset + length)
  const [first = 0, ...rest] = field
  if (first === 0x80) {
    const value = rest.reduce((sum, byte) => sum * 256 + byte, 0)
    return Number.isSafeInteger(value) ? value : undefined
  }
  const digits = text(block, offset, length).trim()
  if (digits === "") return 0
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined
}

/** @internal */
export const isZero = (block: Uint8Array): boolean => block.every((byte) => byte === 0)

const checksumOffset = 148
const spaces = 8 * 0x20

/** The sum of all bytes, those of the checksum itself counted as spaces. Some old programs added signed bytes. @internal */
export const checksums = (block: Uint8Array): ReadonlyArray<number> => {
  let [unsigned, signed] = [spaces, spaces]
  for (const [at, byte] of block.entries()) {
    if (at >= checksumOffset && at < checksumOffset + 8) continue
    unsigned += byte
    signed += byte > 127 ? byte - 256 : byte
  }
  return [unsigned, signed]
}

const kinds: Readonly<Record<string, Kind>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "link",
  "2": "symlink",
  x: "pax",
  g: "globalPax",
  L: "longName",
  K: "longLink"
}

// Links, devices, folders and pipes have no content, whatever their size says.
const withoutContent = /[1-6]/

/** Reads a header block that is not all zero. The left value says what is wrong. @internal */
export const parse = (block: Uint8Array): Either.Either<Header, string> => {
  const checksum = number(block, checksumOffset, 8)
  if (checksum === undefined || !checksums(block).includes(checksum)) return Either.left("a header has the wrong checksum")
  const size = number(block, 124, 12)
  if (size === undefined) return Either.left("an entry has no size")
  const flag = String.fromCharCode(block[156] ?? 0)
  const name = text(block, 0, 100)
  // Only POSIX has a prefix there; GNU has other things.
  const prefix = text(block, 257, 6) === "ustar" && block[262] === 0 ? text(block, 345, 155) : ""
  const full = prefix === "" ? name : `${prefix}/${name}`
  const kind = kinds[flag] ?? "other"
  return Either.right({
    // Before POSIX a folder was a file whose name ends in a slash.
    kind: kind === "file" && full.endsWith("/") ? "other" : kind,
    name: full,
    linkName: text(block, 157, 100),
    goesOn: flag === "S" && block[482] !== 0,
    sizeBytes: withoutContent.test(flag) ? 0 : size
  })
}

/** Whether one more block of holes follows this one (GNU tar «Old GNU Format»). @internal */
export const goesOn = (block: Uint8Array): boolean => block[504] !== 0

/** The records of a pax header (`length key=value` lines, POSIX «pax Extended Header»). @internal */
export const parsePax = (content: Uint8Array): Either.Either<ReadonlyMap<string, string>, string> => {
  const records = new Map<string, string>()
  for (let offset = 0; offset < content.length; ) {
    const space = content.indexOf(0x20, offset)
    const digits = space === -1 || space - offset > 10 ? "" : decoder.decode(content.subarray(offset, space))
    const length = /^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0
    const end = offset + length
    const record = content.subarray(space + 1, end - 1)
    const equals = record.indexOf(0x3d)
    if (end > content.length || end - 1 <= space || content[end - 1] !== 0x0a || equals < 1) return Either.left("a pax header is broken")
    records.set(decoder.decode(record.subarray(0, equals)), decoder.decode(record.subarray(equals + 1)))
    offset = end
  }
  return Either.right(records)
}

/** A long name as GNU writes it: the content of an entry, with a zero at its end. @internal */
export const parseLongName = (content: Uint8Array): string => text(content, 0, content.length)

// --- writing ---

const encoder = new TextEncoder()

const octal = (value: number, length: number): Uint8Array => encoder.encode(`${value.toString(8).padStart(length - 1, "0")}\0`)

const largestOctal = 8 ** 11 - 1

/** To the base 256 from 8 GiB on, which POSIX has no room for. */
const sizeField = (sizeBytes: number): Uint8Array => {
  if (sizeBytes <= largestOctal) return octal(sizeBytes, 12)
  const field = new Uint8Array(12)
  field[0] = 0x80
  for (let at = 11, left = sizeBytes; left > 0; at--, left = Math.floor(left / 256)) field[at] = left % 256
  return field
}

const maxNameBytes = 100
const folderFlag = "5"

const block = (name: Uint8Array, sizeBytes: number, flag: string): Uint8Array => {
  const made = new Uint8Array(blockBytes)
  made.set(name.subarray(0, maxNameBytes), 0)
  made.set(octal(flag === folderFlag ? 0o755 : 0o644, 8), 100)
  for (const offset of [108, 116]) made.set(octal(0, 8), offset)
  made.set(sizeField(sizeBytes), 124)
  made.set(octal(0, 12), 136)
  made.set(encoder.encode(flag), 156)
  made.set(encoder.encode("ustar\x0000"), 257)
  const [sum = 0] = checksums(made)
  made.set(encoder.encode(`${sum.toString(8).padStart(6, "0")}\0 `), checksumOffset)
  return made
}

/** Its own length is part of a record. */
const paxRecord = (key: string, value: string): Uint8Array => {
  const rest = encoder.encode(` ${key}=${value}\n`)
  const length = (digits: number): number => (String(digits + rest.length).length === digits ? digits + rest.length : length(digits + 1))
  return new Uint8Array([...encoder.encode(String(length(1))), ...rest])
}

/** The header of a file: one block, or a pax header before it when the name is long. The time is 1970, so that equal content gives equal archives. @internal */
export const encode = (name: string, sizeBytes: number): Uint8Array => {
  const bytes = encoder.encode(name)
  const header = block(bytes, sizeBytes, "0")
  if (bytes.length <= maxNameBytes) return header
  const record = paxRecord("path", name)
  const made = new Uint8Array(2 * blockBytes + paddedBytes(record.length))
  made.set(block(encoder.encode("pax"), record.length, "x"), 0)
  made.set(record, blockBytes)
  made.set(header, made.length - blockBytes)
  return made
}

/** The headers of folders, whose names end in a slash; short ones, as those of image layouts are. @internal */
export const encodeFolders = (names: ReadonlyArray<string>): Uint8Array =>
  join(names.map((name) => block(encoder.encode(name), 0, folderFlag)))

/** The folders on the way to a file, the outermost first. @internal */
export const foldersOf = (name: string): ReadonlyArray<string> => Array.from(name.matchAll(/\//g), ({ index }) => name.slice(0, index + 1))

/** What an archive ends with. @internal */
export const trailer = (): Uint8Array => new Uint8Array(2 * blockBytes)
