import { readFileSync } from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"
import { root } from "./Sources.ts"

/** How many names each package has. A row that is lost is a name that is not covered. */
const expected: Readonly<Record<string, number>> = { "000, 001": 47, "002": 68, "003": 74, "004": 37 }

/** Modules whose service has methods that the document names without the name of the interface. */
const services: Readonly<Record<string, string>> = { RegistryClient: "Service", RegistryTransport: "Service" }

const header = "| seed | name there | here | differs |"

const text = readFileSync(Path.join(root, "docs/parity.md"), "utf8")

const rows = ((lines: ReadonlyArray<string>) => lines.slice(0, lines.indexOf("")))(text.slice(text.indexOf(header)).split("\n"))
  .slice(2)
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
  )

const namesIn = (cell: string): ReadonlyArray<string> => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "")

const barrels = ["src/index.ts", "src/node/index.ts"].map((path) => Path.join(root, path))

const makeProgram = () => {
  const path = Path.join(root, "tsconfig.json")
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(path, ts.sys.readFile).config, ts.sys, root)
  return ts.createProgram(barrels, { ...options, noEmit: true })
}

/** Tells whether the library has `Module.name`, or `Module.Type.name`. */
const makeLookup = () => {
  const program = makeProgram()
  const checker = program.getTypeChecker()
  const resolved = (symbol: ts.Symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol)
  const exportsOf = (symbol: ts.Symbol) => new Map(checker.getExportsOfModule(symbol).map((one) => [one.name, resolved(one)]))
  const modules = new Map(
    barrels.flatMap((path) => {
      const file = program.getSourceFile(path)
      const symbol = file === undefined ? undefined : checker.getSymbolAtLocation(file)
      return symbol === undefined ? [] : [...exportsOf(symbol)]
    })
  )
  const hasMember = (symbol: ts.Symbol | undefined, name: string) =>
    symbol !== undefined && checker.getDeclaredTypeOfSymbol(symbol).getProperty(name) !== undefined

  return (path: string): boolean => {
    const [module = "", name = "", member, ...rest] = path.split(".")
    const found = modules.get(module)
    if (found === undefined || name === "" || rest.length > 0) return false
    const exported = exportsOf(found)
    if (member !== undefined) return hasMember(exported.get(name), member)
    return exported.has(name) || hasMember(exported.get(services[module] ?? ""), name)
  }
}

describe("the ledger of what is covered", () => {
  it("has a row for every name", () => {
    const counts: Record<string, number> = {}
    for (const [seed = ""] of rows) counts[seed] = (counts[seed] ?? 0) + 1
    assert.deepStrictEqual(counts, expected)
  })

  it("has no empty cell, and names something in every row", () => {
    const lacking = rows.filter((cells) => cells.length !== 4 || cells.includes("") || namesIn(cells[2] ?? "").length === 0)
    assert.deepStrictEqual(lacking, [])
  })

  it("has each name of a package once", () => {
    const names = rows.map(([seed, name]) => `${seed} ${name}`)
    assert.deepStrictEqual(
      names.filter((name, index) => names.indexOf(name) !== index),
      []
    )
  })

  it("names what the library has", { timeout: 240_000 }, () => {
    const has = makeLookup()
    assert.isFalse(has("RegistryClient.nothing"), "the look-up can fail")
    assert.isFalse(has("RegistryClient.Service.nothing"), "the look-up of members can fail")
    assert.deepStrictEqual(
      [...new Set(rows.flatMap(([, , here = ""]) => namesIn(here)))].filter((name) => !has(name)),
      []
    )
  })
})
