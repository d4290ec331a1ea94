import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as CommandLine from "../../src/cli/commandLine.ts"
import * as Failure from "../../src/cli/failure.ts"

const go = Command.make("go", {
  flag: Options.boolean("flag").pipe(Options.withAlias("f")),
  many: Options.text("many").pipe(Options.repeated),
  one: Options.text("one").pipe(Options.withAlias("o"), Options.optional),
  operands: Args.text().pipe(Args.repeated)
})

const root = Command.make("root").pipe(Command.withSubcommands([go]))

const arrange = (...args: ReadonlyArray<string>) => CommandLine.arrange(root, args)

const complaint = (...args: ReadonlyArray<string>) =>
  Either.match(arrange(...args), {
    onLeft: (error) => Option.getOrUndefined(Failure.fromCause(Cause.fail(error)))?.message,
    onRight: () => "no complaint"
  })

describe("arrange", () => {
  const cases: ReadonlyArray<readonly [given: string, arranged: string]> = [
    ["go a b", "go a b"],
    ["go a --flag b", "go --flag a b"],
    ["go a -o x b", "go --one x a b"],
    ["go --many 1 a --many=2 b", "go --many 1 --many 2 a b"],
    ["go --many=a=b", "go --many a=b"],
    ["go --many --flag", "go --many --flag"],
    ["go -", "go -"],
    ["go a -- --flag", "go -- a --flag"],
    ["go -h", "go --help"],
    ["-v", "--version"],
    ["--completions bash", "--completions bash"],
    ["--flag go a", "go --flag a"],
    ["-o x go a --flag", "go --one x --flag a"],
    ["-o go go a", "go --one go a"],
    ["--many go --many=go go go", "go --many go --many go go"],
    ["--help go", "go --help"]
  ]
  for (const [given, arranged] of cases) {
    it(`${given} becomes ${arranged}`, () => {
      assert.deepStrictEqual(arrange(...given.split(" ")), Either.right(arranged.split(" ")))
    })
  }

  it("takes the log level from anywhere but the operands after --", () => {
    const level = (text: string) =>
      Either.match(CommandLine.takeLogLevel(text.split(" ")), {
        onLeft: (error) => Option.getOrUndefined(Failure.fromCause(Cause.fail(error)))?.message,
        onRight: ({ args, level }) => `${level?._tag}: ${args.join(" ")}`
      })
    assert.strictEqual(level("go a"), "undefined: go a")
    assert.strictEqual(level("--log-level debug go a"), "Debug: go a")
    assert.strictEqual(level("go --flag --log-level=warning a"), "Warning: go --flag a")
    assert.strictEqual(level("go a -- --log-level debug"), "undefined: go a -- --log-level debug")
    const choices = "--log-level is one of all, trace, debug, info, warning, error, fatal, none"
    assert.strictEqual(level("go --log-level loud"), choices)
    assert.strictEqual(level("go --log-level"), choices)
  })

  it("complains of what the parser would take for an argument", () => {
    assert.strictEqual(complaint("go", "--nope"), "there is no option --nope; see effect-oci go --help")
    assert.strictEqual(complaint("go", "--nope=1"), "there is no option --nope; see effect-oci go --help")
    assert.strictEqual(complaint("go", "-of"), "there is no option -of; see effect-oci go --help")
    assert.strictEqual(complaint("go", "--flag=yes"), "--flag takes no value")
    assert.strictEqual(complaint("go", "a", "--one"), "--one needs a value; see effect-oci go --help")
    for (const empty of [["--many="], ["--many", ""], ["a", "--many", "1", "--many", ""]]) {
      assert.strictEqual(complaint("go", ...empty), "--many needs a value, and this one is empty")
    }
    assert.strictEqual(complaint("go", "-o", ""), "-o needs a value, and this one is empty")
    assert.strictEqual(complaint("stop"), "there is no command stop; see effect-oci --help")
  })

  it("wherever options stand, each keeps its values and their order, and so do the operands", () => {
    const text = fc.string().filter((word) => !word.startsWith("-"))
    const word = fc
      .record({ name: fc.constantFrom("--flag", "--many", "--one", ""), text })
      .filter(({ name, text }) => text !== "" || name === "" || name === "--flag")
    const spell = ({ name, text }: { readonly name: string; readonly text: string }) =>
      name === "--flag" ? [name] : name === "" ? [text] : text.length % 2 === 0 ? [name, text] : [`${name}=${text}`]
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const names = [...new Set(words.map(({ name }) => name))].filter((name) => name !== "")
        const grouped = names.flatMap((wanted) =>
          words.flatMap(({ name, text }) => (name !== wanted ? [] : name === "--flag" ? [name] : [name, text]))
        )
        const operands = words.flatMap(({ name, text }) => (name === "" ? [text] : []))
        assert.deepStrictEqual(arrange("go", ...words.flatMap(spell)), Either.right(["go", ...grouped, ...operands]))
      })
    )
  })

  it("arranging twice changes nothing more", () => {
    const word = fc.constantFrom("a", "b", "-", "--flag", "-f", "--many=1", "--one=2", "--")
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const once = Either.getOrThrow(arrange("go", ...words))
        assert.deepStrictEqual(arrange(...once), Either.right(once))
      })
    )
  })
})
