/**
 * The header block of a tar entry, all of it. How images are read only needs name and size; a checksum of an archive needs every field, as
 * Go's `archive/tar` understands it, down to the numbers of old programs and the bytes of names that are no UTF-8.
 *
 * Text is kept as one character per byte.
 *
 * @internal
 */
import * as Either from "effect/Either"
import { checksums } from "../../content/internal/tarHeader.ts"

/** @internal */
export type Format = "v7" | "ustar" | "star" | "gnu"

/** What an entry says of itself. @internal */
export interface Header {
  readonly typeflag: string
  readonly name: string
  readonly linkName: string
  readonly mode: bigint
  readonly uid: bigint
  readonly gid: bigint
  /** As the header says, also where no content follows. */
  readonly size: bigint
  /** Seconds since 1970; may be negative. */
  readonly mtime: bigint
  readonly devMajor: bigint
  readonly devMinor: bigint
  readonly xattrs: ReadonlyMap<string, string>
}

/** @internal */
export interface Block extends Header {
  readonly format: Format
  readonly raw: Uint8Array
}

/** The bytes as text, one character each. @internal */
export const textOf = (bytes: Uint8Array): string => {
  let text = ""
  // Not all at once: arguments go on the stack.
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096))
  return text
}

/** The bytes of such text. @internal */
export const bytesOf = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at)
  return bytes
}

/** Up to the first zero byte. @internal */
export const untilZero = (text: string): string => {
  const end = text.indexOf("\0")
  return end === -1 ? text : text.slice(0, end)
}

/** A part of a block, as text. @internal */
export const field = (block: Uint8Array, offset: number, length: number): string => textOf(block.subarray(offset, offset + length))

const largest = 2n ** 63n

const fitting = (value: bigint): bigint | undefined => (value < largest && value >= -largest ? value : undefined)

/** Two's complement to the base 256, told by its first bit (GNU). The bit after it is the sign. */
const binary = (bytes: Uint8Array): bigint | undefined => {
  const [first = 0] = bytes
  const mask = (first & 0x40) === 0 ? 0 : 0xff
  let value = BigInt((first ^ mask) & 0x7f)
  for (const byte of bytes.subarray(1)) value = value * 256n + BigInt(byte ^ mask)
  return fitting(mask === 0 ? value : -value - 1n)
}

/** A number of a header; undefined when it is none or does not fit into 64 bits. @internal */
export const numeric = (block: Uint8Array, offset: number, length: number): bigint | undefined => {
  const bytes = block.subarray(offset, offset + length)
  if (((bytes[0] ?? 0) & 0x80) !== 0) return binary(bytes)
  const digits = untilZero(textOf(bytes).replace(/^[ \0]+|[ \0]+$/g, ""))
  if (digits === "") return 0n
  return /^[0-7]+$/.test(digits) ? BigInt(`0o${digits}`) : undefined
}

/** A number as Go writes and reads decimals; undefined when it is none or does not fit into 64 bits. @internal */
export const decimal = (text: string): bigint | undefined =>
  // No more digits than 64 bits have: what a header says may be a megabyte of them.
  /^[+-]?0*[0-9]{1,19}$/.test(text) ? fitting(BigInt(text.replace(/^\+/, ""))) : undefined

const formatOf = (block: Uint8Array): Format => {
  const magic = field(block, 257, 6)
  if (magic === "ustar\0") return field(block, 508, 4) === "tar\0" ? "star" : "ustar"
  return magic === "ustar " && field(block, 263, 2) === " \0" ? "gnu" : "v7"
}

const isAscii = (text: string): boolean => !/[\u0080-\u00ff]/.test(text)

/** What goes before the name; undefined when the times that stand beside it are none. */
const prefixOf = (block: Uint8Array, format: Format): string | undefined => {
  switch (format) {
    case "v7":
      return ""
    case "ustar":
      return untilZero(field(block, 345, 155))
    case "star":
      return numeric(block, 476, 12) === undefined || numeric(block, 488, 12) === undefined ? undefined : untilZero(field(block, 345, 131))
    case "gnu": {
      // GNU keeps two times there. Old versions of Go wrote a prefix, and it is one when they are no times.
      const isTime = (offset: number) => block[offset] === 0 || numeric(block, offset, 12) !== undefined
      const prefix = untilZero(field(block, 345, 155))
      return isTime(345) && isTime(357) ? "" : isAscii(prefix) ? prefix : ""
    }
  }
}

/** Reads a block that is not all zero; the left value says what is wrong. @internal */
export const parse = (block: Uint8Array): Either.Either<Block, string> => {
  // The sum is octal without exception: with the first bit set it is no number.
  const checksum = ((block[148] ?? 0) & 0x80) === 0 ? numeric(block, 148, 8) : undefined
  if (checksum === undefined || !checksums(block).some((sum) => BigInt(sum) === checksum))
    return Either.left("a header has the wrong checksum")
  const format = formatOf(block)
  const prefix = prefixOf(block, format)
  const [mode, uid, gid] = [numeric(block, 100, 8), numeric(block, 108, 8), numeric(block, 116, 8)]
  const [size, mtime] = [numeric(block, 124, 12), numeric(block, 136, 12)]
  const [devMajor, devMinor] = format === "v7" ? [0n, 0n] : [numeric(block, 329, 8), numeric(block, 337, 8)]
  if (
    prefix === undefined ||
    mode === undefined ||
    uid === undefined ||
    gid === undefined ||
    size === undefined ||
    mtime === undefined ||
    devMajor === undefined ||
    devMinor === undefined
  ) {
    return Either.left("a header has a number that is none")
  }
  const name = untilZero(field(block, 0, 100))
  return Either.right({
    format,
    raw: block,
    typeflag: field(block, 156, 1),
    name: prefix === "" ? name : `${prefix}/${name}`,
    linkName: untilZero(field(block, 157, 100)),
    mode,
    uid,
    gid,
    size,
    mtime,
    devMajor,
    devMinor,
    xattrs: new Map()
  })
}

/** Links, devices, folders and pipes, which nothing follows, whatever their size says. @internal */
export const isHeaderOnly = (typeflag: string): boolean => /^[1-6]$/.test(typeflag)
