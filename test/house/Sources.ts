/** What the house tests look at: the files of `src`, which floor each stands on, and what it imports. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

export const root = fileURLToPath(new URL("../../", import.meta.url))

const storeys = ["model", "http", "auth", "transport", "client", "content", "image", "copy", "sync"]

/** Each floor and the floors below it, which it may import. `engine` stands beside `image`, on `content`. */
export const floors: Readonly<Record<string, ReadonlyArray<string>>> = {
  ...Object.fromEntries(storeys.map((floor, level) => [floor, storeys.slice(0, level)])),
  engine: storeys.slice(0, storeys.indexOf("content") + 1)
}

/** Folders at the rim may import any floor. */
export const rim: ReadonlyArray<string> = ["node", "testing", "cli"]

/** Folders of the rim that are an entry of the package of the same name. */
export const optionalEntries: ReadonlyArray<string> = ["node", "testing"]

export interface Source {
  /** Relative to the top of the repository, with `/`. */
  readonly path: string
  readonly text: string
  /** The folder below `src`; the empty string for `src/index.ts`. */
  readonly floor: string
  /** The file name without `.ts`. */
  readonly name: string
  readonly internal: boolean
  /** Every module specifier: imports, re-exports, dynamic imports, type imports. */
  readonly imports: ReadonlyArray<string>
}

const read = (path: string): Source => {
  const text = readFileSync(Path.join(root, path), "utf8")
  const parts = path.split("/")
  return {
    path,
    text,
    floor: parts.length > 2 ? (parts[1] ?? "") : "",
    name: Path.posix.basename(path, ".ts"),
    internal: parts.includes("internal"),
    imports: ts.preProcessFile(text, true, true).importedFiles.map((_) => _.fileName)
  }
}

/** The TypeScript files below a folder, sorted by path. */
export const filesBelow = (folder: string): ReadonlyArray<string> =>
  existsSync(Path.join(root, folder))
    ? readdirSync(Path.join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((_) => _.endsWith(".ts"))
        .map((_) => `${folder}/${_.split(Path.sep).join("/")}`)
        .sort()
    : []

export const sources: ReadonlyArray<Source> = filesBelow("src").map(read)

/** Public modules are the PascalCase files outside `internal/`. */
export const isPublic = (source: Source): boolean => !source.internal && source.floor !== "" && /^[A-Z]/.test(source.name)

/** The path a relative specifier of a source names. */
export const resolve = (source: Source, specifier: string): string => Path.posix.join(Path.posix.dirname(source.path), specifier)

export const isRelative = (specifier: string): boolean => specifier.startsWith(".")
