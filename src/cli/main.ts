// The command, run from its sources. What is published begins with `launch.ts`.
import { start } from "./start.ts"

start(process.argv.slice(2))
