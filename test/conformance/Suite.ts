/** The official conformance suite as it is since April 2026: a program that is told the version of the specification. */
import { readFile } from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Program from "../support/Program.ts"
import * as Configuration from "./Configuration.ts"

const module = "github.com/opencontainers/distribution-spec/conformance"

/** As the suite calls them: the latest release of the specification, and what comes after it. */
export const versions = ["stable", "dev"] as const

export type Version = (typeof versions)[number]

export const configurations: ReadonlyArray<Configuration.Configuration> = [
  Configuration.inMemory,
  {
    name: "in memory, sparse manifests",
    args: () => ["--sparse"],
    environment: { OCI_DATA_SPARSE: "true" }
  },
  Configuration.inFolder,
  Configuration.withBasic,
  Configuration.withTokens,
  {
    ...Configuration.withTokens,
    name: "with a token for each request",
    environment: { ...Configuration.withTokens.environment, OCI_CACHE_AUTH: "false" }
  }
]

export interface Built {
  readonly binary: string
  /** The version of the module, or the commit of the checkout. */
  readonly version: string
}

const versionOf = (binary: string) =>
  Effect.map(
    Program.run("go", ["version", "-m", binary]),
    ({ stdout }) =>
      /vcs\.revision=(\S+)/.exec(stdout)?.[1] ?? /^\s+mod\s+\S+\s+(v\S+)/m.exec(stdout)?.[1] ?? "of a version that its build does not tell"
  )

/** Builds the suite of a folder that has it. */
export const buildCheckout = Effect.fn("buildCheckout")(function* (checkout: string, folder: string) {
  const binary = Path.join(folder, "conformance")
  yield* Program.run("go", ["-C", checkout, "build", "-o", binary, "."])
  return { binary, version: yield* versionOf(binary) }
})

/** Builds the newest version that the module proxy has. */
export const buildNewest = Effect.fn("buildNewest")(function* (folder: string) {
  yield* Program.run("go", ["install", `${module}@latest`], { GOBIN: folder })
  const binary = Path.join(folder, "conformance")
  return { binary, version: yield* versionOf(binary) }
})

export interface Result {
  readonly passed: number
  readonly skipped: number
  readonly failed: number
  readonly disabled: number
  /** The parts of the API and the kinds of data, with what became of each. */
  readonly categories: ReadonlyMap<string, string>
  /** Why this run is no good; empty when it is. */
  readonly problems: ReadonlyArray<string>
}

const isLeaf = (name: string, names: ReadonlyArray<string>): boolean => !names.some((other) => other.startsWith(`${name}/`))

/** The tests that did not pass, out of the tree that the suite prints first. */
const troubles = (stdout: string): ReadonlyArray<string> => {
  const found = [...stdout.matchAll(/^ *OCI Conformance Test\/(.+): (FAIL|Error|Skip)$/gm)].map(([, name = "", status]) => ({
    name,
    status
  }))
  const names = found.map(({ name }) => name)
  return found.filter(({ name }) => isLeaf(name, names)).map(({ name, status }) => `${status}: ${name}`)
}

const read = (version: Version, { stdout, succeeded }: Configuration.Run, report: string): Result => {
  const count = (status: string) => Number(new RegExp(`^ {2}${status}\\.+: +(\\d+)$`, "m").exec(stdout)?.[1] ?? 0)
  const verdict = /^OCI Conformance Result: (\w+)$/m.exec(stdout)?.[1]
  const passed = count("Pass")
  const skipped = count("Skip")
  const disabled = count("Disabled")
  const categories = new Map(
    [...stdout.matchAll(/^ {2}([^.:]+)\.*: {2,}([A-Za-z]+)$/gm)].map(([, name = "", status = ""]) => [name, status])
  )
  const problems = [
    ...troubles(stdout),
    // The suite also ends with status 0 where it could not run.
    ...(succeeded && verdict === "Pass" ? [] : [`the result is ${verdict ?? "missing"}`]),
    ...(passed === 0 || categories.size === 0 || report === "" ? ["no test has run"] : []),
    // It skips what it takes for unsupported, and this registry supports everything.
    ...(skipped > 0 ? [`${skipped} tests were skipped`] : []),
    ...(version === "dev" && disabled > 0 ? [`${disabled} tests were disabled, although this version has all of them`] : [])
  ]
  return { passed, skipped, failed: count("FAIL") + count("Error"), disabled, categories, problems }
}

export const run = Effect.fn("run")(function* (
  binary: string,
  folder: string,
  configuration: Configuration.Configuration,
  version: Version
) {
  const results = Path.join(folder, "results")
  const ended = yield* Configuration.run(binary, folder, configuration, (server) => ({
    OCI_REGISTRY: server.host,
    OCI_TLS: "disabled",
    OCI_REPO1: "conformance/one",
    OCI_REPO2: "conformance/two",
    OCI_VERSION: version,
    OCI_RESULTS_DIR: results
  }))
  const report = yield* Effect.promise(() => readFile(Path.join(results, "results.yaml"), "utf8").catch(() => ""))
  return read(version, ended, report)
})
