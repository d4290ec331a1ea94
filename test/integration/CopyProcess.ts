/** Copies in processes of their own, run to their end or killed on the way. */
import { spawn } from "node:child_process"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Compiled from "../support/Compiled.ts"
import * as Program from "../support/Program.ts"
import type { Report } from "./copying.ts"

class Script extends Context.Tag("effect-oci/test/CopyScript")<Script, string>() {}

/** The compiled copy. */
export const layer = Layer.scoped(Script, Compiled.make("test/integration/copying.ts"))

/** `from`: a repository; `to`: another or `oci:<folder>`. */
export interface Task {
  readonly from: string
  readonly to: string
  readonly tags: ReadonlyArray<string>
}

const argumentsOf = (script: string, { from, tags, to }: Task) => [script, from, to, ...tags]

export const run = Effect.fnUntraced(function* (task: Task) {
  const { stdout } = yield* Program.run(process.execPath, argumentsOf(yield* Script, task))
  const report: Report = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "")
  return report
})

/** After so many events, when something has just ended, or so many milliseconds after the beginning, when it is on its way. */
export type Moment = { readonly events: number } | { readonly millis: number }

/** Kills the copy at a moment. Whether there was anything left to kill. */
export const kill = Effect.fnUntraced(function* (task: Task, moment: Moment) {
  const script = yield* Script
  return yield* Effect.async<boolean, Program.ProgramError>((resume) => {
    const child = spawn(process.execPath, argumentsOf(script, task), { stdio: ["ignore", "pipe", "pipe"] })
    const end = () => child.kill("SIGKILL")
    let timer: NodeJS.Timeout | undefined
    // The first line says that the copy begins.
    let events = -1
    let errors = ""
    child.stderr.on("data", (chunk) => {
      errors += String(chunk)
    })
    child.stdout.on("data", (chunk) => {
      events += String(chunk).split("\n").length - 1
      if ("millis" in moment) timer ??= setTimeout(end, moment.millis)
      else if (events >= moment.events) end()
    })
    child.once("close", (code, signal) => {
      clearTimeout(timer)
      resume(code === 0 || signal === "SIGKILL" ? Effect.succeed(signal !== null) : new Program.ProgramError({ message: errors }))
    })
    return Effect.sync(end)
  })
})
