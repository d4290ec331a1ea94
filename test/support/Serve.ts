/** `npm run serve` as a process of its own: started on a free port, stopped by a signal. */
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ProgramError } from "./Program.ts"

export interface Service {
  /** `http://127.0.0.1:40000` */
  readonly url: string
  /** As it stands in references. */
  readonly host: string
  /** Sends a signal and waits for the end: the exit code, or null when the signal itself ended the process. */
  readonly stop: (signal: NodeJS.Signals) => Effect.Effect<number | null>
  /** What it has printed to standard error. */
  readonly complaints: Effect.Effect<string>
}

const root = fileURLToPath(new URL("../../", import.meta.url))

const args = ["--import", "tsx", "src/cli/main.ts", "serve", "--port", "0"]

const ended = (child: ChildProcess): Effect.Effect<number | null> =>
  Effect.async((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.succeed(child.exitCode))
    child.once("exit", (code) => resume(Effect.succeed(code)))
  })

export const start = (options: ReadonlyArray<string> = []): Effect.Effect<Service, ProgramError, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [...args, ...options], { cwd: root, stdio: ["ignore", "pipe", "pipe"] })),
      (child) =>
        Effect.zipRight(
          Effect.sync(() => child.kill("SIGKILL")),
          ended(child)
        )
    )
    let complaints = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text))
    const url = yield* Effect.async<string, ProgramError>((resume) => {
      let printed = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        printed += text
        const line = /^(\S+)\n/.exec(printed)?.[1]
        if (line !== undefined) resume(Effect.succeed(line))
      })
      child.once("exit", () => resume(new ProgramError({ message: `serve ended at once\n${complaints}` })))
    })
    return {
      url,
      host: new URL(url).host,
      stop: (signal) =>
        Effect.zipRight(
          Effect.sync(() => child.kill(signal)),
          ended(child)
        ),
      complaints: Effect.sync(() => complaints)
    }
  })
