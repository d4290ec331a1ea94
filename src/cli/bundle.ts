/** Makes the command one file without dependencies. Run as a program it writes `dist/cli.js`. */
import { chmod } from "node:fs/promises"
import { isBuiltin } from "node:module"
import { fileURLToPath } from "node:url"
import * as esbuild from "esbuild"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** CommonJS packages in the bundle ask for Node's modules by `require`, which ES modules do not have. */
const banner = `#!/usr/bin/env node
import { createRequire } from "node:module"
const require = createRequire(import.meta.url)`

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

export const bundle = async (outfile: string): Promise<void> => {
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: ["src/cli/main.ts"],
    outfile,
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    target: "node20",
    banner: { js: banner },
    legalComments: "none",
    plugins: [leanUndici, lazyNodeModules],
    logLevel: "warning"
  })
  await chmod(outfile, 0o755)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(fileURLToPath(new URL("../../dist/cli.js", import.meta.url)))
