/** Derives from the files of `src` what `package.json` exports and what the index files hold. Run as a program it writes both. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { floors, isPublic, optionalEntries, root, sources } from "./Sources.ts"

type Entry = Readonly<Record<"effect-oci/source" | "types" | "default", string>>

const entry = (path: string): Entry => {
  const built = path.replace(/^src\//, "./dist/").replace(/\.ts$/, "")
  return { "effect-oci/source": `./${path}`, types: `${built}.d.ts`, default: `${built}.js` }
}

const onFloors = sources.filter((source) => isPublic(source) && source.floor in floors)
const entries = optionalEntries.filter((folder) => sources.some((source) => isPublic(source) && source.floor === folder))

/** The modules of the optional entries: each can be had without what its neighbours import, `node:http` for one. */
const onRim = sources.filter((source) => isPublic(source) && entries.some((folder) => folder === source.floor))

/** The `exports` of `package.json`: the barrel, one entry per public module, the optional entries whole and one by one. */
export const exportsMap = (): Readonly<Record<string, Entry | string>> => {
  const modules = onFloors.map((source): [string, Entry] => [`./${source.name}`, entry(source.path)])
  return {
    ".": entry("src/index.ts"),
    ...Object.fromEntries(modules.sort(([a], [b]) => (a < b ? -1 : 1))),
    ...Object.fromEntries(entries.map((folder) => [`./${folder}`, entry(`src/${folder}/index.ts`)])),
    ...Object.fromEntries(onRim.map((source) => [`./${source.floor}/${source.name}`, entry(source.path)])),
    "./package.json": "./package.json"
  }
}

const lines = (paths: ReadonlyArray<string>): string =>
  paths.map((path) => `export * as ${Path.posix.basename(path, ".ts")} from "./${path}"\n`).join("")

/** The text of each index file, by path. */
export const indexFiles = (): Readonly<Record<string, string>> => ({
  "src/index.ts": lines(onFloors.map((source) => source.path.replace(/^src\//, ""))),
  ...Object.fromEntries(
    entries.map((folder) => [
      `src/${folder}/index.ts`,
      lines(sources.filter((source) => isPublic(source) && source.floor === folder).map((source) => `${source.name}.ts`))
    ])
  )
})

export const packageJson = (): { readonly [key: string]: unknown } => JSON.parse(readFileSync(Path.join(root, "package.json"), "utf8"))

const write = (): void => {
  for (const [path, text] of Object.entries(indexFiles())) {
    if (!existsSync(Path.join(root, path)) || readFileSync(Path.join(root, path), "utf8") !== text) {
      writeFileSync(Path.join(root, path), text)
    }
  }
  writeFileSync(Path.join(root, "package.json"), `${JSON.stringify({ ...packageJson(), exports: exportsMap() }, null, 2)}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) write()
