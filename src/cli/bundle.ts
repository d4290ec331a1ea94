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
    plugins: [lazyNodeModules],
    logLevel: "warning"
  })
  await chmod(outfile, 0o755)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(fileURLToPath(new URL("../../dist/cli.js", import.meta.url)))
