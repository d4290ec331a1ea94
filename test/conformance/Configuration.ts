/** The ways `npm run serve` is started for a conformance suite, and a run of a suite against one of them. */
import { mkdir, readFile } from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Program from "../support/Program.ts"
import * as Serve from "../support/Serve.ts"

export interface Configuration {
  readonly name: string
  /** The options of `npm run serve`, given a folder of its own. */
  readonly args: (folder: string) => ReadonlyArray<string>
  /** What the suite is told on top. */
  readonly environment: Readonly<Record<string, string>>
}

const login = { OCI_USERNAME: "conformance", OCI_PASSWORD: "secret" }
const user = ["--user", `${login.OCI_USERNAME}:${login.OCI_PASSWORD}`]

export const inMemory: Configuration = { name: "in memory", args: () => [], environment: {} }

export const inFolder: Configuration = { name: "in a folder", args: (folder) => ["--dir", folder], environment: {} }

export const withBasic: Configuration = { name: "with Basic", args: () => user, environment: login }

export const withTokens: Configuration = { name: "with tokens", args: () => [...user, "--token"], environment: login }

export interface Run {
  /** Whether the suite ended with status 0. */
  readonly succeeded: boolean
  readonly stdout: string
}

/** Starts a registry, and in `folder` the suite, told about the registry by `environment`. */
export const run = Effect.fn("run")(function* (
  binary: string,
  folder: string,
  configuration: Configuration,
  environment: (server: Serve.Service) => Readonly<Record<string, string>>
) {
  yield* Effect.promise(() => mkdir(folder, { recursive: true }))
  const server = yield* Serve.start(configuration.args(Path.join(folder, "data")))
  const ended = yield* Effect.either(
    Program.run("sh", ["-c", 'cd "$1" && exec "$2" > stdout.txt', "sh", folder, binary], {
      ...environment(server),
      ...configuration.environment
    })
  )
  const stdout = yield* Effect.promise(() => readFile(Path.join(folder, "stdout.txt"), "utf8"))
  return { succeeded: Either.isRight(ended), stdout }
}, Effect.scoped)
