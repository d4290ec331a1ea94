// Where in a tar archive each file is. Nothing is ever unpacked to disk under a name from the archive.
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { LimitExceeded, MalformedContent, type StoreError } from "../../model/RegistryError.ts"
import { fromPlatform } from "./localError.ts"
import * as TarHeader from "./tarHeader.ts"

/** @internal */
export interface Entry {
  readonly name: string
  /** Where its content begins. */
  readonly offset: number
  readonly sizeBytes: number
}

interface Link {
  readonly to: string
}

/** @internal */
export interface TarIndex {
  /** The file of this name, with or without `./` before it; a link is followed once, within the archive. The first one when there are several. */
  readonly find: (name: string) => Option.Option<Entry>
  /** Whether there is more than one entry of this name, so that programs may differ about what it holds. */
  readonly isAmbiguous: (name: string) => boolean
}

const maxEntries = 200_000
const maxExtensionBytes = 1024 * 1024

const malformed = (reason: string) => new MalformedContent({ kind: "tar archive", reason })

/** The name without `./` before it; undefined when it leads out of the folder that it is in. */
const normalize = (name: string): string | undefined => {
  const parts = name.split("/").filter((part) => part !== "." && part !== "")
  return name.startsWith("/") || name.includes("\0") || parts.length === 0 || parts.includes("..") ? undefined : parts.join("/")
}

/** Where a symbolic link leads, from the folder it is in; undefined when that is outside. */
const linkTarget = (from: string, to: string): string | undefined => {
  const parts = from.split("/").slice(0, -1)
  for (const part of to.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined
    } else if (part !== "" && part !== ".") parts.push(part)
  }
  return to.startsWith("/") ? undefined : parts.join("/")
}

/** What headers of their own say about the entry that follows. */
interface Said {
  readonly name?: string
  readonly linkName?: string
  readonly sizeBytes?: number
  /** Holes are left out of the file: its content is not what is stored. */
  readonly sparse?: boolean
}

const saidByPax = (records: ReadonlyMap<string, string>): Either.Either<Said, string> => {
  const [name, linkName, size] = [records.get("path"), records.get("linkpath"), records.get("size")]
  if (size !== undefined && !(/^\d+$/.test(size) && Number.isSafeInteger(Number(size))))
    return Either.left("a pax header has a broken size")
  return Either.right({
    ...(name !== undefined && { name }),
    ...(linkName !== undefined && { linkName }),
    ...(size !== undefined && { sizeBytes: Number(size) }),
    ...([...records.keys()].some((key) => key.startsWith("GNU.sparse.")) && { sparse: true })
  })
}

const extension = (kind: TarHeader.Kind, content: Uint8Array): Either.Either<Said, string> => {
  switch (kind) {
    case "pax":
      return Either.flatMap(TarHeader.parsePax(content), saidByPax)
    case "longName":
      return Either.right({ name: TarHeader.parseLongName(content) })
    case "longLink":
      return Either.right({ linkName: TarHeader.parseLongName(content) })
    default:
      return Either.right({})
  }
}

const isExtension = (kind: TarHeader.Kind): boolean => kind === "pax" || kind === "longName" || kind === "longLink" || kind === "globalPax"

/** Reads the headers of an archive, from one to the next. @internal */
export const read = (
  fs: FileSystem.FileSystem,
  path: string,
  label: string
): Effect.Effect<TarIndex, StoreError | MalformedContent | LimitExceeded> =>
  Effect.scoped(
    Effect.gen(function* () {
      const failed = fromPlatform(label, "open")
      const file = yield* Effect.mapError(fs.open(path), failed)
      const fileBytes = Number((yield* Effect.mapError(file.stat, failed)).size)

      const readAt = Effect.fnUntraced(function* (offset: number, sizeBytes: number) {
        if (sizeBytes === 0) return new Uint8Array()
        yield* file.seek(BigInt(offset), "start")
        const bytes = Option.getOrElse(yield* Effect.mapError(file.readAlloc(BigInt(sizeBytes)), failed), () => new Uint8Array())
        return bytes.length === sizeBytes ? bytes : yield* malformed("it ends in the middle of an entry")
      })

      const files = new Map<string, Entry>()
      const links = new Map<string, Link>()
      const ambiguous = new Set<string>()
      let said: Said = {}
      let count = 0

      const add = (header: TarHeader.Header, offset: number) => {
        const name = normalize(said.name ?? header.name)
        if (name === undefined || said.sparse === true) return
        if (files.has(name) || links.has(name)) ambiguous.add(name)
        else if (header.kind === "file") files.set(name, { name, offset, sizeBytes: said.sizeBytes ?? header.sizeBytes })
        else {
          const written = said.linkName ?? header.linkName
          const to = header.kind === "link" ? normalize(written) : linkTarget(name, written)
          if (to !== undefined) links.set(name, { to })
        }
      }

      for (let offset = 0; offset < fileBytes; ) {
        const block = yield* readAt(offset, TarHeader.blockBytes)
        if (TarHeader.isZero(block)) break
        const header = yield* Either.mapLeft(TarHeader.parse(block), malformed)
        let start = offset + TarHeader.blockBytes
        for (let { goesOn } = header; goesOn; start += TarHeader.blockBytes) {
          goesOn = TarHeader.goesOn(yield* readAt(start, TarHeader.blockBytes))
        }
        // A size in a pax header is that of the file it precedes, which the header cannot hold.
        const sizeBytes = header.kind === "file" ? (said.sizeBytes ?? header.sizeBytes) : header.sizeBytes
        if (start + sizeBytes > fileBytes) return yield* malformed("it ends in the middle of an entry")
        if (++count > maxEntries) return yield* new LimitExceeded({ what: "the number of entries of the archive", limit: maxEntries })
        if (isExtension(header.kind)) {
          if (sizeBytes > maxExtensionBytes) return yield* new LimitExceeded({ what: "a header of the archive", limit: maxExtensionBytes })
          said = { ...said, ...(yield* Either.mapLeft(extension(header.kind, yield* readAt(start, sizeBytes)), malformed)) }
        } else {
          if (header.kind !== "other") add(header, start)
          said = {}
        }
        offset = start + TarHeader.paddedBytes(sizeBytes)
      }
      if (count === 0) return yield* malformed("it is empty")

      const index: TarIndex = {
        find: (asked) => {
          const name = normalize(asked) ?? ""
          return Option.fromNullable(files.get(name) ?? files.get(links.get(name)?.to ?? ""))
        },
        isAmbiguous: (asked) => ambiguous.has(normalize(asked) ?? "")
      }
      return index
    })
  )
