import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"
import { isPublic, root, sources } from "./Sources.ts"

/** A program beside the library, which is not written to disk. */
const consumer = Path.join(root, "test/consumer/named.ts")

const compilerOptions = (): ts.CompilerOptions => {
  const path = Path.join(root, "tsconfig.json")
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(path, ts.sys.readFile).config, ts.sys, root)
  const { plugins: _, ...rest } = options
  return { ...rest, noEmit: false, declaration: true, emitDeclarationOnly: true, allowImportingTsExtensions: false }
}

const programOf = (text: string, options: ts.CompilerOptions, before?: ts.Program): ts.Program => {
  const host = ts.createCompilerHost(options)
  return ts.createProgram(
    [consumer],
    options,
    {
      ...host,
      fileExists: (name) => name === consumer || host.fileExists(name),
      readFile: (name) => (name === consumer ? text : host.readFile(name)),
      getSourceFile: (name, ...rest) =>
        name === consumer
          ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true)
          : (before?.getSourceFile(name) ?? host.getSourceFile(name, ...rest))
    },
    before
  )
}

const modules = sources.filter((source) => isPublic(source) && source.floor !== "cli" && source.name !== "index")

const imports = modules.map(({ floor, name }, index) => {
  const entry = floor === "node" || floor === "testing" ? `effect-oci/${floor}/${name}` : `effect-oci/${name}`
  return `import * as M${index} from "${entry}"`
})

const isOurs = (declaration: ts.Declaration): boolean => declaration.getSourceFile().fileName.startsWith(Path.join(root, "src/"))

const parametersOf = (symbol: ts.Symbol, type: ts.Type): ReadonlyArray<ts.Type> => {
  if (symbol.flags & ts.SymbolFlags.TypeAlias) return type.aliasSymbol === symbol ? (type.aliasTypeArguments ?? []) : []
  return type.isClassOrInterface() ? (type.typeParameters ?? []) : []
}

interface Probe {
  readonly about: string
  readonly expression: string
}

/** Every value that is exported, and every member of every type. */
const probesOf = (program: ts.Program): ReadonlyArray<Probe> => {
  const checker = program.getTypeChecker()
  const statements = Array.from(program.getSourceFile(consumer)?.statements ?? [])
  return statements.filter(ts.isImportDeclaration).flatMap((statement, index) => {
    const module = checker.getSymbolAtLocation(statement.moduleSpecifier)
    if (module === undefined) return []
    return checker.getExportsOfModule(module).flatMap((exported): ReadonlyArray<Probe> => {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
      const name = `M${index}.${exported.name}`
      const about = `${modules[index]?.name}.${exported.name}`
      const value = symbol.flags & ts.SymbolFlags.Value ? [{ about, expression: name }] : []
      if (!(symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias | ts.SymbolFlags.Class))) return value
      const type = checker.getDeclaredTypeOfSymbol(symbol)
      const never = parametersOf(symbol, type).map(() => "never")
      const applied = never.length === 0 ? name : `${name}<${never.join(", ")}>`
      const members = type.flags & ts.TypeFlags.Object ? checker.getPropertiesOfType(type) : []
      const own = members.filter((member) => /^[a-z]\w*$/i.test(member.name) && member.declarations?.some(isOurs))
      return [
        ...value,
        { about, expression: `get<{ readonly it: ${applied} }, "it">()` },
        ...own.map((member) => ({ about: `${about}.${member.name}`, expression: `get<${applied}, "${member.name}">()` }))
      ]
    })
  })
}

/** What a client has learned is its own: nobody else can call these. */
const partsOfAClient = ["BlobUpload.put: uploadPlan.Memory", "BlobUpload.putStream: uploadPlan.Memory"]

const header = ["declare const get: <T, K extends keyof T>() => T[K]", ...imports].join("\n")

/** The declarations that TypeScript writes for a program that exports what it got from the library. */
const declarationsOf = (program: ts.Program): ReadonlyArray<string> => {
  let written = ""
  program.emit(program.getSourceFile(consumer), (_, text) => (written = text), undefined, true)
  return written.split(/^export declare const /m).slice(1)
}

describe("names of types", () => {
  it("whoever exports what the library gave can have declarations: no type stands in internal/ alone (TS2742)", {
    timeout: 120_000
  }, () => {
    const options = compilerOptions()
    const first = programOf(header, options)
    const probes = probesOf(first)
    assert.isAbove(probes.length, 1500)
    const text = [header, ...probes.map(({ expression }, index) => `export const v${index} = ${expression}`)].join("\n")
    const unnamed = declarationsOf(programOf(text, options, first)).flatMap((declaration) => {
      const about = probes[Number(/^v(\d+)/.exec(declaration)?.[1])]?.about
      return [...declaration.matchAll(/internal\/(\w+)(?:\.js|\.ts)?"[^)]*\)\.(\w+)/g)].map(([, file, type]) => `${about}: ${file}.${type}`)
    })
    assert.deepStrictEqual([...new Set(unnamed)], partsOfAClient)
  })
})
