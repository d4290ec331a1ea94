/** Where the content of files with holes belongs: GNU's old format and those in pax headers (GNU tar «Storing Sparse Files»). @internal */
import { blockBytes } from "../../content/internal/tarHeader.ts"
import type * as ByteReader from "./byteReader.ts"
import type * as Pax from "./paxRecords.ts"
import * as TarBlock from "./tarBlock.ts"
import { type Reading, refuse, tooMuch } from "./tarProblem.ts"

/** @internal */
export interface Piece {
  readonly offset: number
  readonly length: number
}

/** @internal */
export interface Map {
  /** In order; all else are holes. */
  readonly pieces: ReadonlyArray<Piece>
  /** Of the file with its holes. */
  readonly size: number
}

const maxMapBytes = 1024 * 1024

const broken = "a sparse file has a broken map"

const tooLong = () => tooMuch("the map of a sparse file in the archive", maxMapBytes)

/** Offsets and lengths in turn, checked: in order, not one over another, and within the file. */
const checked = function* (numbers: ReadonlyArray<bigint>, size: bigint): Reading<Map> {
  const pieces: Array<Piece> = []
  let end = 0n
  for (let at = 0; at < numbers.length; at += 2) {
    const [offset = 0n, length = 0n] = numbers.slice(at, at + 2)
    if (offset < end || length < 0n || offset + length > size) yield* refuse(broken)
    end = offset + length
    pieces.push({ offset: Number(offset), length: Number(length) })
  }
  return size < 0n ? yield* refuse(broken) : { pieces, size: Number(size) }
}

/** The map in the block of the header and in those that follow it, before the content. @internal */
export const old = function* ({ format, raw }: TarBlock.Block, source: ByteReader.Source): Reading<Map> {
  const size = format === "gnu" ? TarBlock.numeric(raw, 483, 12) : undefined
  if (size === undefined) return yield* refuse(broken)
  const numbers: Array<bigint> = []
  let [block, start, count] = [raw, 386, 4]
  for (let mapBytes = 97; mapBytes < maxMapBytes; mapBytes += blockBytes) {
    for (let at = start; at < start + count * 24 && block[at] !== 0; at += 24) {
      const [offset, length] = [TarBlock.numeric(block, at, 12), TarBlock.numeric(block, at + 12, 12)]
      if (offset === undefined || length === undefined) return yield* refuse(broken)
      numbers.push(offset, length)
    }
    if (block[start + count * 24] === 0) return yield* checked(numbers, size)
    const next = yield* source.upTo(blockBytes)
    if (next.length < blockBytes) yield* refuse("it ends in the middle of an entry")
    ;[block, start, count] = [next, 0, 21]
  }
  return yield* tooLong()
}

/** The map before the content: lines of decimals, how many pieces first, filled up to whole blocks. */
const before = function* (block: () => Reading<Uint8Array>): Reading<ReadonlyArray<string>> {
  let rest = ""
  let mapBytes = 0
  const lines: Array<string> = []
  const need = function* (count: number): Reading<void> {
    while (lines.length < count) {
      if (mapBytes >= maxMapBytes) yield* tooLong()
      mapBytes += blockBytes
      const [first = "", ...others] = TarBlock.textOf(yield* block()).split("\n")
      const parts = [rest + first, ...others]
      rest = parts.pop() ?? ""
      lines.push(...parts)
    }
  }
  yield* need(1)
  const count = TarBlock.decimal(lines[0] ?? "")
  if (count === undefined || count < 0n) return yield* refuse(broken)
  // More lines than fit into a map are never read.
  const wanted = 1 + 2 * Number(count)
  yield* need(wanted)
  return lines.slice(1, wanted)
}

/** The map that pax records tell of. `block` gives the blocks at the beginning of the content. @internal */
export const pax = function* (sparse: Pax.Sparse, entrySize: bigint, block: () => Reading<Uint8Array>): Reading<Map> {
  const { size, told } = sparse
  const total = size === "" ? entrySize : TarBlock.decimal(size)
  if (total === undefined) return yield* refuse(broken)
  const texts = told === undefined ? yield* before(block) : told.map === "" ? [] : told.map.split(",")
  if (told !== undefined && TarBlock.decimal(told.count) !== BigInt(texts.length) / 2n) yield* refuse(broken)
  const numbers: Array<bigint> = []
  for (const text of texts) numbers.push(TarBlock.decimal(text) ?? (yield* refuse(broken)))
  return yield* checked(numbers, total)
}
