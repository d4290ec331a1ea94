import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Streams from "../../src/cli/streams.ts"
import { summaries } from "../../src/cli/summaries.ts"
import { version } from "../../src/model/internal/version.ts"
import * as Program from "../support/Program.ts"
import * as Cli from "./Cli.ts"

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")

describe("help", () => {
  it.scoped("of the whole", () =>
    Effect.gen(function* () {
      const { run } = yield* Cli.make()
      const { code, out } = yield* run("--help")
      assert.strictEqual(code, 0)
      expect(out).toMatchSnapshot()
      for (const args of [[], ["-h"]]) assert.strictEqual((yield* run(...args)).out, out)
    })
  )

  for (const name of Object.keys(summaries)) {
    it.scoped(`of ${name}`, () =>
      Effect.gen(function* () {
        const { run } = yield* Cli.make()
        const { code, err, out } = yield* run(name, "--help")
        assert.deepStrictEqual([code, err], [0, ""])
        expect(out).toMatchSnapshot()
        assert.strictEqual((yield* run(name, "-h")).out, out)
      })
    )
  }

  it("has colours on a terminal that knows them, unless they are forced or forbidden", () => {
    const cases: ReadonlyArray<readonly [isTerminal: boolean, environment: Record<string, string>, colors: boolean]> = [
      [true, {}, true],
      [true, { TERM: "xterm", NO_COLOR: "", FORCE_COLOR: "" }, true],
      [true, { TERM: "dumb" }, false],
      [true, { NO_COLOR: "1" }, false],
      [true, { FORCE_COLOR: "0" }, false],
      [true, { FORCE_COLOR: "false" }, false],
      [false, {}, false],
      [false, { FORCE_COLOR: "1" }, true],
      [false, { FORCE_COLOR: "true", NO_COLOR: "1", TERM: "dumb" }, true]
    ]
    for (const [isTerminal, environment, colors] of cases)
      assert.strictEqual(Streams.hasColors(environment, isTerminal), colors, JSON.stringify(environment))
  })

  it.scoped("the version is that of the package", () =>
    Effect.gen(function* () {
      const { run } = yield* Cli.make()
      assert.strictEqual(version, JSON.parse(read("package.json")).version)
      assert.strictEqual((yield* run("--version")).out.trim(), version)
    })
  )

  it.scoped("completions for each shell name every command", () =>
    Effect.gen(function* () {
      const { run } = yield* Cli.make()
      for (const shell of ["bash", "zsh", "fish"]) {
        const { code, out } = yield* run("--completions", shell)
        assert.strictEqual(code, 0)
        for (const name of Object.keys(summaries)) assert.include(out, name, shell)
        assert.notInclude(out, "wizard", shell)
      }
    })
  )

  it.scoped.skipIf(!Program.available("bash"))("completions in bash know the options of a command", () =>
    Effect.gen(function* () {
      const { run } = yield* Cli.make()
      const { out } = yield* run("--completions", "bash")
      /** What is offered for the last of the words. */
      const offered = (...words: ReadonlyArray<string>) => {
        const [last = "", before = ""] = words.toReversed()
        const ask = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _effect-oci_bash_completions "$1" '${last}' '${before}'; printf '%s\\n' "\${COMPREPLY[@]}"`
        const printed = execFileSync("bash", ["--norc", "-c", `${out}\n${ask}`, "bash", ...words], { encoding: "utf8" })
        return printed.trim().split("\n").sort()
      }
      assert.deepStrictEqual(offered("effect-oci", "co"), ["config", "copy"])
      assert.deepStrictEqual(offered("effect-oci", "ls", "--j"), ["--json"])
      assert.deepStrictEqual(offered("effect-oci", "copy", "--pl"), ["--plain-http", "--platform"])
      assert.deepStrictEqual(offered("effect-oci", "copy", "--json", "a", "b", "--dig"), ["--digest-tags"])
      assert.deepStrictEqual(offered("./effect-oci", "blob", "--out"), ["--output"])
      assert.deepStrictEqual(offered("effect-oci", "export", "--format", ""), ["docker", "oci"])
    })
  )

  it("docs/cli.md names every command", () => {
    const text = read("docs/cli.md")
    for (const name of Object.keys(summaries)) assert.include(text, `effect-oci ${name}`)
  })
})
