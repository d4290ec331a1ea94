/**
 * The entry of the published command. The program stands in the same file, in a comment that `bundle.ts` writes: so Node does not compile it
 * before `CodeCache` can say what is known of it, and `--version` never needs it.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { version } from "../model/internal/version.ts"
import * as CodeCache from "./codeCache.ts"
import * as Comment from "./comment.ts"
import * as ExitCode from "./exitCode.ts"

/** Written by `bundle.ts`. */
declare const PROGRAM_DIGEST: string

const args = process.argv.slice(2)

/** As `start.ts` has it: who reads no further wants no complaint. */
const onBroken = ({ code, message }: NodeJS.ErrnoException) => {
  if (code === "EPIPE") process.exit(ExitCode.closedPipe)
  process.stderr.write(`effect-oci: write standard output: ${message}\n`, () => process.exit(ExitCode.local))
}

if (args.length === 1 && (args[0] === "--version" || args[0] === "-v")) process.stdout.once("error", onBroken).write(`${version}\n`)
else {
  const filename = fileURLToPath(import.meta.url)
  const source = Comment.read(readFileSync(filename, "latin1"))
  const program: (require: NodeJS.Require, module: object) => void = CodeCache.compile({
    source: `(function(require,module){${source}\n})`,
    filename,
    digest: PROGRAM_DIGEST,
    command: args[0] ?? ""
  })
  program(createRequire(import.meta.url), {})
}
