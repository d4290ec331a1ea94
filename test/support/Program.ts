/** Programs of the machine that the integration tests talk to. */
import { execFile, spawn } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { open } from "node:fs/promises"
import * as Path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export class ProgramError extends Data.TaggedError("ProgramError")<{ readonly message: string }> {}

export interface Output {
  readonly stdout: string
  readonly stderr: string
}

const executable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Whether a program is on the `PATH`. */
export const has = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(Path.delimiter).some((folder) => folder !== "" && executable(Path.join(folder, program)))

/**
 * Whether all programs are installed. Where `CI` is set a missing one is an error, elsewhere a loud warning and a reason to skip:
 * `describe.skipIf(!Program.available("skopeo"))`.
 */
export const available = (...programs: ReadonlyArray<string>): boolean => {
  const missing = programs.filter((program) => !has(program))
  if (missing.length === 0) return true
  const message = `not installed: ${missing.join(", ")} (apt-get install ${missing.join(" ")}); the tests that need them`
  if (process.env["CI"]) throw new Error(`${message} cannot run`)
  console.warn(`\n*** ${message} are SKIPPED ***\n`)
  return false
}

/** Runs a program to its end. Interruption kills it; a status other than 0 fails with what it printed. */
export const run = (
  program: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {}
): Effect.Effect<Output, ProgramError> =>
  Effect.async((resume) => {
    const child = execFile(
      program,
      [...args],
      { env: { ...process.env, ...environment }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        resume(
          error === null
            ? Effect.succeed({ stdout, stderr })
            : new ProgramError({ message: `${program} ${args.join(" ")}: ${error.message}\n${stdout}\n${stderr}` })
        )
      }
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Starts a program that runs until the scope closes; what it prints goes to the file. */
export const start = (
  program: string,
  args: ReadonlyArray<string>,
  logFile: string,
  environment: NodeJS.ProcessEnv = process.env
): Effect.Effect<{ readonly exited: Effect.Effect<boolean> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const log = yield* Effect.acquireRelease(
      Effect.promise(() => open(logFile, "a")),
      (file) => Effect.promise(() => file.close())
    )
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(program, [...args], { env: environment, stdio: ["ignore", log.fd, log.fd] })),
      (child) =>
        Effect.async<void>((resume) => {
          if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return resume(Effect.void)
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    )
    return { exited: Effect.sync(() => child.exitCode !== null || child.signalCode !== null) }
  })
