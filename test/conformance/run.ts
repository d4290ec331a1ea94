/**
 * Runs the official conformance suite of the distribution spec, a Go module, against `npm run serve`: `npm run conformance`. It needs Go, and the
 * network the first time, or `OCI_CONFORMANCE_DIR`, a folder with the source of the suite. Prints a line for each configuration and version of
 * the specification, and fails when one test does. `npm run conformance -- --old` runs the suite as it was before April 2026, which is also
 * what remains where the module proxy does not have a newer one.
 */
import * as Path from "node:path"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Folder from "../support/Folder.ts"
import * as Program from "../support/Program.ts"
import * as OldSuite from "./OldSuite.ts"
import * as Suite from "./Suite.ts"

const { values: settings } = parseArgs({ options: { old: { type: "boolean", default: false } } })

const row = (...cells: ReadonlyArray<string | number>) => Console.log(`| ${cells.join(" | ")} |`)

const header = Effect.fnUntraced(function* (...names: ReadonlyArray<string>) {
  yield* row(...names)
  yield* Console.log(`|${"---|".repeat(names.length)}`)
})

const failIf = (problems: number) =>
  problems > 0 ? new Program.ProgramError({ message: `conformance: ${problems} problems` }) : Effect.void

const runOld = Effect.fnUntraced(function* (folder: string) {
  const binary = yield* OldSuite.build(folder)
  let failures = 0
  yield* header("registry", "category", "passed", "skipped", "failed")
  for (const [index, configuration] of OldSuite.configurations.entries()) {
    const results = yield* OldSuite.run(binary, Path.join(folder, String(index)), configuration)
    for (const [category, { failed, passed, skipped }] of results.map((result, at) => [OldSuite.categories[at] ?? "", result] as const)) {
      yield* row(configuration.name, category, passed, skipped, failed.length)
      if (passed + failed.length === 0) return yield* new Program.ProgramError({ message: `no test of ${category} has run` })
      yield* Effect.forEach(failed, (name) => Console.log(`  failed: ${name}`))
      failures += failed.length
    }
  }
  yield* failIf(failures)
})

/** Which categories passed somewhere, and which did nowhere. */
const tellCategories = (version: Suite.Version, results: ReadonlyArray<Suite.Result>) => {
  const names = [...new Set(results.flatMap(({ categories }) => [...categories.keys()]))]
  const missing = names.filter((name) => !results.some(({ categories }) => categories.get(name) === "Pass"))
  return Console.log(`${version}: ${names.length - missing.length} categories passed, not in this version: ${missing.join(", ") || "none"}`)
}

const runNew = Effect.fnUntraced(function* ({ binary, version: built }: Suite.Built, folder: string) {
  yield* Console.log(`the suite is ${built}\n`)
  yield* header("registry", "version", "passed", "skipped", "failed", "disabled")
  const byVersion = new Map<Suite.Version, ReadonlyArray<Suite.Result>>()
  let problems = 0
  for (const [index, configuration] of Suite.configurations.entries()) {
    for (const version of Suite.versions) {
      const result = yield* Suite.run(binary, Path.join(folder, `${index}-${version}`), configuration, version)
      yield* row(configuration.name, version, result.passed, result.skipped, result.failed, result.disabled)
      yield* Effect.forEach(result.problems, (problem) => Console.log(`  ${problem}`))
      problems += result.problems.length
      byVersion.set(version, [...(byVersion.get(version) ?? []), result])
    }
  }
  yield* Console.log("")
  for (const [version, results] of byVersion) yield* tellCategories(version, results)
  yield* failIf(problems)
})

const warning = (reason: string) => `
*** The newest suite cannot be had from the module proxy:
${[...new Set(reason.trim().split("\n"))].join("\n")}
*** What follows is the OLD suite of 2023, which knows the specification 1.1.0-rc2 only. For the present one set OCI_CONFORMANCE_DIR to the folder
*** conformance/ of a checkout of opencontainers/distribution-spec.
`

/** The present suite, or none where nobody gives it. */
const newest = (folder: string) => {
  const checkout = process.env["OCI_CONFORMANCE_DIR"]
  return checkout !== undefined && checkout !== ""
    ? Effect.asSome(Suite.buildCheckout(checkout, folder))
    : Effect.catchTag(Effect.asSome(Suite.buildNewest(folder)), "ProgramError", ({ message }) =>
        Effect.as(Console.error(warning(message)), Option.none<Suite.Built>())
      )
}

const program = Effect.gen(function* () {
  if (!Program.has("go")) {
    return yield* new Program.ProgramError({
      message: "the conformance suite is a Go program, and go is not on the PATH: https://go.dev/doc/install"
    })
  }
  const folder = yield* Folder.temporary("conformance")
  const built = settings.old ? Option.none() : yield* newest(folder)
  yield* Option.match(built, { onNone: () => runOld(folder), onSome: (suite) => runNew(suite, folder) })
}).pipe(
  Effect.scoped,
  Effect.catchTag("ProgramError", ({ message }) =>
    Effect.zipRight(
      Console.error(message),
      Effect.sync(() => (process.exitCode = 1))
    )
  )
)

NodeRuntime.runMain(program)
