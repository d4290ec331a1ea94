/** The conformance suite as it was until April 2026, a Go test that knows the specification 1.1.0-rc2; pinned by go.mod and go.sum. */
import { readFile } from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Program from "../support/Program.ts"
import * as Configuration from "./Configuration.ts"

const module = "github.com/opencontainers/distribution-spec/conformance"

export const categories = ["Pull", "Push", "Content Discovery", "Content Management"]

export const configurations: ReadonlyArray<Configuration.Configuration> = [
  Configuration.inMemory,
  {
    ...Configuration.inMemory,
    name: "in memory, manifests deleted before blobs",
    environment: { OCI_DELETE_MANIFEST_BEFORE_BLOBS: "1" }
  },
  Configuration.inFolder,
  Configuration.withBasic,
  Configuration.withTokens
]

export const build = Effect.fn("build")(function* (folder: string) {
  const binary = Path.join(folder, "conformance.test")
  yield* Program.run("go", ["-C", import.meta.dirname, "test", "-mod=mod", "-c", "-o", binary, module])
  return binary
})

export interface Result {
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

/** A result for each category. */
export const run = Effect.fn("run")(function* (binary: string, folder: string, configuration: Configuration.Configuration) {
  yield* Configuration.run(binary, folder, configuration, (server) => ({
    OCI_ROOT_URL: server.url,
    OCI_NAMESPACE: "conformance/one",
    OCI_CROSSMOUNT_NAMESPACE: "conformance/two",
    OCI_AUTOMATIC_CROSSMOUNT: "1",
    OCI_TEST_PULL: "1",
    OCI_TEST_PUSH: "1",
    OCI_TEST_CONTENT_DISCOVERY: "1",
    OCI_TEST_CONTENT_MANAGEMENT: "1"
  }))
  // The report goes where the suite runs, and says what its status would.
  const report = yield* Effect.promise(() => readFile(Path.join(folder, "junit.xml"), "utf8"))
  return categories.map((category) => resultOf(report, category))
})
