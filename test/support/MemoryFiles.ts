/** A file system of a few files in memory, read only. */
import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"

export interface MemoryFiles {
  readonly layer: Layer.Layer<FileSystem.FileSystem>
  /** Paths whose content was read, in order. */
  readonly reads: ReadonlyArray<string>
  /** Puts a file in place; `undefined` removes it. Every change has a later time. */
  readonly write: (path: string, content: string | undefined) => void
}

interface Entry {
  readonly content: string
  readonly time: number
}

/** Content by path; a path that ends with a slash is a directory. */
export const make = (files: Readonly<Record<string, string>>): MemoryFiles => {
  let time = 0
  const entries = new Map<string, Entry>()
  const reads: Array<string> = []
  const write = (path: string, content: string | undefined) => {
    time += 1
    if (content === undefined) entries.delete(path)
    else entries.set(path, { content, time })
  }
  for (const [path, content] of Object.entries(files)) write(path, content)

  const isDirectory = (path: string) => [...entries.keys()].some((_) => _.startsWith(`${path}/`))
  const missing = (method: string, path: string) =>
    new SystemError({ module: "FileSystem", method, reason: "NotFound", pathOrDescriptor: path })
  const info = (type: FileSystem.File.Type, entry: Entry | undefined): FileSystem.File.Info => ({
    type,
    mtime: Option.some(new Date((entry?.time ?? 0) * 1000)),
    atime: Option.none(),
    birthtime: Option.none(),
    dev: 0,
    ino: Option.none(),
    mode: 0o600,
    nlink: Option.none(),
    uid: Option.none(),
    gid: Option.none(),
    rdev: Option.none(),
    size: FileSystem.Size(entry?.content.length ?? 0),
    blksize: Option.none(),
    blocks: Option.none()
  })

  const layer = FileSystem.layerNoop({
    exists: (path) => Effect.sync(() => entries.has(path) || isDirectory(path)),
    stat: (path) =>
      Effect.suspend(() => {
        const entry = entries.get(path)
        if (entry !== undefined) return Effect.succeed(info("File", entry))
        return isDirectory(path) ? Effect.succeed(info("Directory", undefined)) : Effect.fail(missing("stat", path))
      }),
    readFileString: (path) =>
      Effect.suspend(() => {
        const entry = entries.get(path)
        if (entry === undefined) return Effect.fail(missing("readFileString", path))
        reads.push(path)
        return Effect.succeed(entry.content)
      })
  })
  return { layer, reads, write }
}
