/** Files of this repository as plain JavaScript: what is measured must not carry a compiler along. */
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import Typescript from "typescript"
import * as Folder from "./Folder.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

const compilerOptions: Typescript.CompilerOptions = {
  target: Typescript.ScriptTarget.ES2022,
  module: Typescript.ModuleKind.ESNext,
  rewriteRelativeImportExtensions: true,
  verbatimModuleSyntax: true
}

const filesOf = async (path: string): Promise<ReadonlyArray<string>> => {
  if (!(await stat(Path.join(root, path))).isDirectory()) return [path]
  const names = await readdir(Path.join(root, path), { recursive: true })
  return names.filter((name) => name.endsWith(".ts")).map((name) => Path.join(path, name))
}

const compile = async (folder: string, path: string): Promise<void> => {
  const { outputText } = Typescript.transpileModule(await readFile(Path.join(root, path), "utf8"), { compilerOptions, fileName: path })
  const to = Path.join(folder, path.replace(/\.ts$/, ".js"))
  await mkdir(Path.dirname(to), { recursive: true })
  await writeFile(to, outputText)
}

/** A folder with the compiled files, and with the packages they import. The paths are files and folders below the root of the repository. */
export const make = (paths: ReadonlyArray<string>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.tap(Folder.temporary("compiled"), (folder) =>
    Effect.promise(async () => {
      await writeFile(Path.join(folder, "package.json"), '{ "type": "module" }')
      await symlink(Path.join(root, "node_modules"), Path.join(folder, "node_modules"))
      for (const path of (await Promise.all(paths.map(filesOf))).flat()) await compile(folder, path)
    })
  )
