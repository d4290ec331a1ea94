/**
 * Runs the official conformance suite of the distribution spec, a Go module, against `npm run serve`: `npm run conformance`. It needs Go, and
 * the network the first time. Prints a line for each configuration and category, and fails when one test does.
 */
import { mkdir, readFile } from "node:fs/promises"
import * as Path from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Folder from "../support/Folder.ts"
import * as Program from "../support/Program.ts"
import * as Serve from "../support/Serve.ts"

const suite = "github.com/opencontainers/distribution-spec/conformance"

const categories = ["Pull", "Push", "Content Discovery", "Content Management"]

const login = { OCI_USERNAME: "conformance", OCI_PASSWORD: "secret" }

interface Configuration {
  readonly name: string
  readonly args: (folder: string) => ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
}

const configurations: ReadonlyArray<Configuration> = [
  { name: "in memory", args: () => [] },
  { name: "in memory, manifests deleted first", args: () => [], environment: { OCI_DELETE_MANIFEST_BEFORE_BLOBS: "1" } },
  { name: "in a folder", args: (folder) => ["--dir", Path.join(folder, "data")] },
  { name: "Basic", args: () => ["--user", "conformance:secret"], environment: login },
  { name: "tokens", args: () => ["--user", "conformance:secret", "--token"], environment: login }
]

interface Result {
  readonly passed: number
  readonly skipped: number
  readonly failed: ReadonlyArray<string>
}

/** What the JUnit report of the suite says about one category. */
const resultOf = (report: string, category: string): Result => {
  const cases = [...report.matchAll(/<testcase name="OCI Distribution Conformance Tests ([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)]
    .map((match) => ({ name: match[1] ?? "", body: match[2] ?? "" }))
    .filter(({ name }) => name.startsWith(`${category} `))
  const failed = cases.filter(({ body }) => /<(failure|error)\b/.test(body))
  const skipped = cases.filter(({ body }) => body.includes("<skipped"))
  return { passed: cases.length - failed.length - skipped.length, skipped: skipped.length, failed: failed.map(({ name }) => name) }
}

const build = Effect.fn("build")(function* (folder: string) {
  const binary = Path.join(folder, "conformance.test")
  yield* Program.run("go", ["-C", import.meta.dirname, "test", "-mod=mod", "-c", "-o", binary, suite])
  return binary
})

const runOne = Effect.fn("runOne")(function* (binary: string, folder: string, { args, environment }: Configuration) {
  yield* Effect.promise(() => mkdir(folder, { recursive: true }))
  const server = yield* Serve.start(args(folder))
  // The report goes where the suite runs, and says what its status would.
  yield* Effect.ignore(
    Program.run("sh", ["-c", 'cd "$1" && exec "$2"', "sh", folder, binary], {
      OCI_ROOT_URL: server.url,
      OCI_NAMESPACE: "conformance/one",
      OCI_CROSSMOUNT_NAMESPACE: "conformance/two",
      OCI_AUTOMATIC_CROSSMOUNT: "1",
      OCI_TEST_PULL: "1",
      OCI_TEST_PUSH: "1",
      OCI_TEST_CONTENT_DISCOVERY: "1",
      OCI_TEST_CONTENT_MANAGEMENT: "1",
      ...environment
    })
  )
  return yield* Effect.promise(() => readFile(Path.join(folder, "junit.xml"), "utf8"))
}, Effect.scoped)

const program = Effect.gen(function* () {
  const folder = yield* Folder.temporary("conformance")
  const binary = yield* build(folder)
  let failures = 0
  for (const [index, configuration] of configurations.entries()) {
    const report = yield* runOne(binary, Path.join(folder, String(index)), configuration)
    for (const category of categories) {
      const { failed, passed, skipped } = resultOf(report, category)
      if (passed + failed.length === 0) return yield* Effect.dieMessage(`no test of ${category} has run`)
      yield* Console.log(`| ${configuration.name} | ${category} | ${passed} | ${skipped} | ${failed.length} |`)
      yield* Effect.forEach(failed, (name) => Console.log(`  failed: ${name}`))
      failures += failed.length
    }
  }
  if (failures > 0) return yield* Effect.dieMessage(`${failures} conformance tests failed`)
}).pipe(Effect.scoped)

NodeRuntime.runMain(program)
