/**
 * The entries of a tar archive one after another, as Go's `archive/tar` gives them: what pax and GNU put in front of an entry belongs to it,
 * and sparse files have their holes again. Global headers are entries of their own and change no other.
 *
 * @internal
 */
import { blockBytes, isZero } from "../../content/internal/tarHeader.ts"
import type * as ByteReader from "./byteReader.ts"
import * as Pax from "./paxRecords.ts"
import * as TarBlock from "./tarBlock.ts"
import { orRefuse, type Reading, refuse, tooMuch } from "./tarProblem.ts"
import * as TarSparse from "./tarSparse.ts"

/** @internal */
export interface Entry {
  readonly header: TarBlock.Header
  /** Its content in pieces, which are gone when `use` returns. To be read before the next entry is. */
  readonly read: (use: (bytes: Uint8Array) => void) => Reading<void>
}

/** @internal */
export interface Entries {
  /** Undefined after the last one. */
  readonly next: () => Reading<Entry | undefined>
}

const maxExtensionBytes = 1024 * 1024

/** What the holes of an archive may come to: nobody sent them, yet they take time to read. */
const maxHoleBytes = 64 * 1024 ** 3

const zeros = new Uint8Array(64 * 1024)

/** How many zeros are read before others may run for a moment. */
const restBytes = 8 * 1024 * 1024

/** A global pax header as an entry of its own: of what its records say only a name counts. Its time is what Go takes for none. */
const globalHeader = (block: TarBlock.Block, records: Pax.Records): TarBlock.Header => ({
  typeflag: "g",
  name: Pax.said(records, "path") ?? block.name,
  linkName: "",
  mode: 0n,
  uid: 0n,
  gid: 0n,
  size: 0n,
  mtime: -62_135_596_800n,
  devMajor: 0n,
  devMinor: 0n,
  xattrs: Pax.xattrsOf(records)
})

/** @internal */
export const make = (source: ByteReader.Source): Entries => {
  // Of the entry that was given out last: content that is still to come, and what fills up its last block.
  let remaining = 0
  let padding = 0
  // Zeros of holes: all of them, and those since others could run.
  let holeBytes = 0
  let unrested = 0

  const begin = function* (typeflag: string, size: bigint): Reading<void> {
    const sizeBytes = TarBlock.isHeaderOnly(typeflag) ? 0n : size
    if (sizeBytes < 0n) yield* refuse("an entry has a negative size")
    // More than fits never comes, and is then missed.
    remaining = Number(sizeBytes)
    padding = Number(-sizeBytes & BigInt(blockBytes - 1))
  }

  /** The next bytes of the content. */
  const take = function* (count: number, use: (bytes: Uint8Array) => void): Reading<void> {
    for (let missing = count; missing > 0; ) {
      const bytes = (yield* source.some(missing)) ?? (yield* refuse("it ends in the middle of an entry"))
      missing -= bytes.length
      remaining -= bytes.length
      use(bytes)
    }
  }

  const whole = function* (count: number): Reading<Uint8Array> {
    const bytes = yield* source.upTo(Math.min(count, remaining))
    remaining -= bytes.length
    return bytes.length === count ? bytes : yield* refuse("it ends in the middle of an entry")
  }

  /** All of a header that has content. */
  const extension = function* (): Reading<Uint8Array> {
    if (remaining > maxExtensionBytes) yield* tooMuch("a header of the archive", maxExtensionBytes)
    return yield* whole(remaining)
  }

  /** The next block; undefined at the end, which two blocks of zeros are, one, or none. */
  const block = function* (): Reading<TarBlock.Block | undefined> {
    // The last entry need not be filled up.
    if ((yield* source.upTo(padding)).length < padding) return undefined
    padding = 0
    const bytes = yield* source.upTo(blockBytes)
    if (bytes.length === 0) return undefined
    if (bytes.length < blockBytes) return yield* refuse("it ends in the middle of a header")
    if (!isZero(bytes)) return yield* orRefuse(TarBlock.parse(bytes))
    const second = yield* source.upTo(blockBytes)
    if (second.length > 0 && second.length < blockBytes) return yield* refuse("it ends in the middle of a header")
    return second.length === 0 || isZero(second) ? undefined : yield* refuse("it goes on after its end")
  }

  const hole = function* (count: number, use: (bytes: Uint8Array) => void): Reading<void> {
    holeBytes += count
    if (holeBytes > maxHoleBytes) yield* tooMuch("the holes of the sparse files of the archive", maxHoleBytes)
    for (let missing = count; missing > 0; ) {
      const bytes = zeros.subarray(0, missing)
      missing -= bytes.length
      unrested += bytes.length
      use(bytes)
      if (unrested < restBytes) continue
      unrested = 0
      yield "rest"
    }
  }

  const readSparse = ({ pieces, size }: TarSparse.Map): Entry["read"] =>
    function* (use) {
      let position = 0
      for (const { offset, length } of pieces) {
        if (length === 0) continue
        yield* hole(offset - position, use)
        if (length > remaining) yield* refuse("a sparse file lacks content")
        yield* take(length, use)
        position = offset + length
      }
      yield* hole(size - position, use)
      if (remaining > 0) yield* refuse("a sparse file has content that has no place in it")
    }

  const readPlain: Entry["read"] = (use) => take(remaining, use)

  const entry = function* (header: TarBlock.Header, map: TarSparse.Map | undefined): Reading<Entry> {
    if (map === undefined) return { header, read: readPlain }
    if (TarBlock.isHeaderOnly(header.typeflag)) yield* refuse("a sparse file is none")
    return { header: { ...header, size: BigInt(map.size) }, read: readSparse(map) }
  }

  const next = function* (): Reading<Entry | undefined> {
    let records: Pax.Records = new Map()
    let longName = ""
    let longLink = ""
    for (;;) {
      const found = yield* block()
      if (found === undefined) return undefined
      yield* begin(found.typeflag, found.size)
      switch (found.typeflag) {
        case "x":
          records = yield* orRefuse(Pax.parse(yield* extension()))
          break
        case "g": {
          const global = yield* orRefuse(Pax.parse(yield* extension()))
          return { header: globalHeader(found, global), read: readPlain }
        }
        case "L":
          longName = TarBlock.untilZero(TarBlock.textOf(yield* extension()))
          break
        case "K":
          longLink = TarBlock.untilZero(TarBlock.textOf(yield* extension()))
          break
        default: {
          const said = yield* orRefuse(Pax.laidOver(found, records))
          const name = longName === "" ? said.name : longName
          const header: TarBlock.Header = {
            ...said,
            name,
            linkName: longLink === "" ? said.linkName : longLink,
            typeflag: said.typeflag !== "\0" ? said.typeflag : name.endsWith("/") ? "5" : "0"
          }
          yield* begin(header.typeflag, header.size)
          if (header.typeflag === "S") return yield* entry(header, yield* TarSparse.old(found, source))
          const sparse = Pax.sparseOf(records)
          if (sparse === undefined) return yield* entry(header, undefined)
          const named = sparse.name === "" ? header : { ...header, name: sparse.name }
          return yield* entry(named, yield* TarSparse.pax(sparse, header.size, () => whole(blockBytes)))
        }
      }
    }
  }

  return { next }
}
