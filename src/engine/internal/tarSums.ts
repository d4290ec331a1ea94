/** The checksum of an archive out of those of its entries (moby `pkg/tarsum`). @internal */
import * as Encoding from "effect/Encoding"
import { sha2 } from "../../model/internal/sha2.ts"
import * as ByteReader from "./byteReader.ts"
import * as TarBlock from "./tarBlock.ts"
import * as TarEntries from "./tarEntries.ts"
import { type Problem, type Reading, tooMuch } from "./tarProblem.ts"

/** @internal */
export type Version = "v0" | "v1"

/** What is left of an entry: small, since all are kept until the end. @internal */
export interface EntrySum {
  /** Of the path it stands for; equal for equal paths. */
  readonly path: string
  /** Where it stands among all. */
  readonly position: number
  readonly sum: string
}

const maxEntries = 1_000_000

/** A path as it would be in the root directory, without what leads back or nowhere (Go `path.Clean`). */
const cleaned = (name: string): string => {
  const parts: Array<string> = []
  for (const part of name.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return parts.join("/")
}

const hash = (text: string): string => {
  const state = sha2("sha256")
  state.update(TarBlock.bytesOf(text))
  return Encoding.encodeHex(state.digest())
}

/** A copy for keeping: a part of a text keeps all of it in memory, be it a header of a megabyte, and text put together keeps its pieces. */
const copied = (text: string): string => TarBlock.textOf(TarBlock.bytesOf(text))

/** A path, or for long ones, of which an archive may be full, what tells it from others. @internal */
export const pathKey = (name: string): string => {
  const path = cleaned(name)
  return copied(path.length < 64 ? path : hash(path))
}

/**
 * The fields that count, in their order. Of user and group the names do not, but their labels do (moby leaves out what Go reads otherwise since
 * version 1.10).
 */
const fieldsOf = (header: TarBlock.Header, version: Version): string => {
  const mtime = version === "v0" ? `mtime${header.mtime}` : ""
  const xattrs = version === "v0" ? [] : Array.from(header.xattrs, ([key, value]) => [key, value] as const)
  const extended = xattrs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([key, value]) => key + value)
  return [
    `name${header.name}mode${header.mode}uid${header.uid}gid${header.gid}size${header.size}${mtime}`,
    `typeflag${header.typeflag}linkname${header.linkName}unamegname`,
    `devmajor${header.devMajor}devminor${header.devMinor}`,
    ...extended
  ].join("")
}

/** Reads all entries. @internal */
export const read = function* (version: Version): Reading<ReadonlyArray<EntrySum>> {
  const entries = TarEntries.make(ByteReader.source())
  const sums: Array<EntrySum> = []
  for (;;) {
    const entry = yield* entries.next()
    if (entry === undefined) return sums
    if (sums.length >= maxEntries) yield* tooMuch("the number of entries of the archive", maxEntries)
    const state = sha2("sha256")
    state.update(TarBlock.bytesOf(fieldsOf(entry.header, version)))
    yield* entry.read((bytes) => void state.update(bytes))
    sums.push({ path: pathKey(entry.header.name), position: sums.length, sum: copied(Encoding.encodeHex(state.digest())) })
  }
}

const bySum = (a: EntrySum, b: EntrySum): number => (a.sum < b.sum ? -1 : a.sum > b.sum ? 1 : 0)

/** Up to here Go's sort inserts one entry after another. */
const maxInserted = 12

/**
 * By sum, but those of one path as they stand in the archive. With a path that occurs twice this need not be an order at all, and what comes
 * out is up to the sort: Go's is followed where it is simple. In larger archives the entries of such a path share out their places by position.
 *
 * @internal
 */
export const inOrder = (sums: ReadonlyArray<EntrySum>): ReadonlyArray<EntrySum> => {
  const byPath = new Map<string, Array<EntrySum>>()
  for (const sum of sums) {
    const same = byPath.get(sum.path)
    if (same === undefined) byPath.set(sum.path, [sum])
    else same.push(sum)
  }
  if (byPath.size === sums.length) return [...sums].sort(bySum)
  if (sums.length > maxInserted) {
    const turns = new Map(Array.from(byPath, ([path, same]) => [path, same.values()]))
    return [...sums].sort(bySum).map((sum) => turns.get(sum.path)?.next().value ?? sum)
  }
  const placed: Array<EntrySum> = []
  for (const sum of sums) {
    const isAfter = (before: EntrySum) => (before.path === sum.path ? before.position < sum.position : before.sum <= sum.sum)
    placed.splice(placed.findLastIndex(isAfter) + 1, 0, sum)
  }
  return placed
}

const labels = { v0: "tarsum", v1: "tarsum.v1" }

/** @internal */
export const total = (sums: ReadonlyArray<EntrySum>, version: Version, json: Uint8Array | undefined): string => {
  const state = sha2("sha256")
  if (json !== undefined) state.update(json)
  for (const { sum } of inOrder(sums)) state.update(TarBlock.bytesOf(sum))
  return `${labels[version]}+sha256:${Encoding.encodeHex(state.digest())}`
}

/** Starts to read an archive. @internal */
export const run = (version: Version): ByteReader.Running<ReadonlyArray<EntrySum>, Problem> => ByteReader.run(read(version))
