/** Makes the command one file without dependencies: `launch.ts`, and the program in a comment. Run as a program it writes `dist/cli.js`. */
import { createHash } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { isBuiltin } from "node:module"
import { fileURLToPath } from "node:url"
import * as esbuild from "esbuild"
import * as Comment from "./comment.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** An `import` of a Node module would be done at the start, needed or not: as a CommonJS module it waits for the module that wants it. */
const lazyNodeModules: esbuild.Plugin = {
  name: "lazy node modules",
  setup: (build) => {
    build.onResolve({ filter: /./ }, ({ kind, path }) =>
      isBuiltin(path) && kind === "import-statement" ? { path, namespace: "node" } : undefined
    )
    build.onLoad({ filter: /./, namespace: "node" }, ({ path }) => ({ contents: `module.exports = require(${JSON.stringify(path)})` }))
  }
}

/** undici's entry loads much that the command has no use for: the fetch API, web sockets, caches, mocks. */
const partsOfUndici: Readonly<Record<string, string>> = {
  Agent: 'require("undici/lib/dispatcher/agent.js")',
  Pool: 'require("undici/lib/dispatcher/pool.js")',
  buildConnector: 'require("undici/lib/core/connect.js")'
}

const leanUndici: esbuild.Plugin = {
  name: "lean undici",
  setup: (build) => {
    build.onResolve({ filter: /^undici$/ }, () => ({ path: "undici", namespace: "lean" }))
    build.onLoad({ filter: /./, namespace: "lean" }, () => ({
      contents: Object.entries(partsOfUndici)
        .map(([name, source]) => `Object.defineProperty(exports, "${name}", { enumerable: true, get: () => ${source} })`)
        .join("\n"),
      resolveDir: root
    }))
  }
}

const build = async (entry: string, options: esbuild.BuildOptions): Promise<string> => {
  const { outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    platform: "node",
    target: "node20",
    charset: "ascii",
    legalComments: "none",
    logLevel: "warning",
    ...options,
    write: false
  })
  return outputFiles.map(({ text }) => text).join("")
}

export const bundle = async (outfile: string): Promise<void> => {
  const program = await build("src/cli/main.ts", { format: "cjs", plugins: [leanUndici, lazyNodeModules] })
  const digest = createHash("sha256").update(program).digest("hex")
  const launch = await build("src/cli/launch.ts", { format: "esm", define: { PROGRAM_DIGEST: JSON.stringify(digest) } })
  await writeFile(outfile, Comment.append(`#!/usr/bin/env node\n${launch.trim()}`, program), { mode: 0o755 })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(fileURLToPath(new URL("../../dist/cli.js", import.meta.url)))
