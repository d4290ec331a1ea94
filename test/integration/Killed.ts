/** Compiled programs of ours in processes of their own, run to their end or killed on the way. */
import { spawn } from "node:child_process"
import * as Effect from "effect/Effect"
import * as Program from "../support/Program.ts"

/** After so many events, when something has just ended, or so many milliseconds after the beginning, when it is on its way. */
export type Moment = { readonly events: number } | { readonly millis: number }

/** What the last line says that a program prints. */
export const lastLine = (script: string, args: ReadonlyArray<string>) =>
  Effect.map(Program.run(process.execPath, [script, ...args]), ({ stdout }) => stdout.trimEnd().split("\n").at(-1) ?? "")

/** Kills a program at a moment. Whether there was anything left to kill. */
export const kill = (script: string, args: ReadonlyArray<string>, moment: Moment): Effect.Effect<boolean, Program.ProgramError> =>
  Effect.async((resume) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] })
    const end = () => child.kill("SIGKILL")
    let timer: NodeJS.Timeout | undefined
    // The first line says that it begins.
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
