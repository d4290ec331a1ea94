/** A program of this repository as one file of plain JavaScript: what is measured carries neither a compiler nor the loading of its modules along. */
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as esbuild from "esbuild"
import * as Folder from "./Folder.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** CommonJS packages in the file ask for Node's modules by `require`, which ES modules do not have. */
const banner = 'import { createRequire } from "node:module"\nconst require = createRequire(import.meta.url)'

/** The path of the file, made of a module below the root of the repository. */
export const make = (entry: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.flatMap(Folder.temporary("compiled"), (folder) => {
    const outfile = Path.join(folder, "program.mjs")
    const options: esbuild.BuildOptions = {
      absWorkingDir: root,
      entryPoints: [entry],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      banner: { js: banner },
      logLevel: "warning"
    }
    return Effect.as(
      Effect.promise(() => esbuild.build(options)),
      outfile
    )
  })
