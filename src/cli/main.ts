// The entry of the bundle. What takes long to load is loaded when it is needed, which for `--version` is never.
import { version } from "../model/internal/version.ts"

const args = process.argv.slice(2)

if (args.length === 1 && (args[0] === "--version" || args[0] === "-v")) process.stdout.write(`${version}\n`)
else void import("./start.ts").then(({ start }) => start(args))
