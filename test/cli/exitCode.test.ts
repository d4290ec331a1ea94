import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as ExitCode from "../../src/cli/exitCode.ts"
import * as Failure from "../../src/cli/failure.ts"
import * as UsageError from "../../src/cli/usageError.ts"
import { DigestMismatch, Unauthorized } from "../../src/model/RegistryError.ts"

const failureOf = (cause: Cause.Cause<unknown>) => Option.getOrThrow(Failure.fromCause(cause))

const unauthorized = new Unauthorized({
  registry: "registry.test",
  operation: "ping",
  method: "GET",
  url: "https://registry.test/v2/",
  status: 401,
  diagnostics: [],
  body: "two\nlines \u001b[31mred",
  retryable: false
})

describe("failures", () => {
  it("have the code of their class", () => {
    assert.strictEqual(failureOf(Cause.fail(unauthorized)).exitCode, 4)
    assert.strictEqual(failureOf(Cause.fail(new DigestMismatch({ expected: "a", actual: "b" }))).exitCode, 7)
    assert.strictEqual(failureOf(Cause.fail(UsageError.make("no"))).exitCode, 2)
    assert.strictEqual(failureOf(Cause.fail(new Error("odd"))).exitCode, 1)
    assert.strictEqual(failureOf(Cause.die(new TypeError("odd"))).exitCode, 1)
    assert.isTrue(Option.isNone(Failure.fromCause(Cause.interrupt(FiberId.none))))
  })

  it("are one line without control characters, whatever a server said", () => {
    assert.match(Failure.toText(failureOf(Cause.fail(unauthorized))), /^effect-oci: [^\p{Cc}]*two lines [^\p{Cc}]*\n$/u)
    assert.strictEqual(Failure.toText(failureOf(Cause.die(new TypeError("a\nb")))), "effect-oci: TypeError: a b\n")
  })

  it("are JSON with what is known", () => {
    const { error } = JSON.parse(Failure.toJson(failureOf(Cause.fail(unauthorized))))
    assert.deepInclude(error, {
      tag: "Unauthorized",
      exitCode: 4,
      status: 401,
      registry: "registry.test",
      url: "https://registry.test/v2/"
    })
    assert.notProperty(error, "_tag")
  })
})

describe("docs/cli.md", () => {
  it("has every exit code", () => {
    const table = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8")
    const documented = [...table.matchAll(/^\| (\d+) \|/gm)].map((row) => Number(row[1]))
    const all = Object.values(ExitCode).filter((code) => typeof code === "number")
    assert.deepStrictEqual(
      documented,
      [...all].sort((a, b) => a - b)
    )
  })
})
