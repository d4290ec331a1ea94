import { builtinModules } from "node:module"
import { assert, describe, it } from "@effect/vitest"
import { packageJson } from "./exports.ts"
import { floors, isRelative, resolve, rim, type Source, sources } from "./Sources.ts"

const known = new Set(sources.map((source) => source.path))
const floorOf = (path: string): string => path.split("/")[1] ?? ""

const relative = (source: Source): ReadonlyArray<string> => source.imports.filter(isRelative).map((_) => resolve(source, _))

/** One line per offence, so that a failing test says what to mend. */
const offences = (find: (source: Source) => ReadonlyArray<string>): ReadonlyArray<string> =>
  sources.flatMap((source) => find(source).map((offence) => `${source.path}: ${offence}`))

/** The shortest import path from a file back to itself. */
const cycle = (start: string, edges: ReadonlyMap<string, ReadonlyArray<string>>): ReadonlyArray<string> | undefined => {
  const seen = new Set<string>()
  const queue: Array<ReadonlyArray<string>> = [[start]]
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    for (const next of edges.get(path.at(-1) ?? "") ?? []) {
      if (next === start) return [...path, next]
      if (!seen.has(next)) {
        seen.add(next)
        queue.push([...path, next])
      }
    }
  }
  return undefined
}

const isNodeModule = (specifier: string): boolean => specifier.startsWith("node:") || builtinModules.includes(specifier)

const isEffect = (specifier: string): boolean => specifier === "effect" || /^@effect\/[^/]+$/.test(specifier)

describe("floors", () => {
  it("every file stands on a known floor", () => {
    const unknown = sources.filter((source) => source.path !== "src/index.ts" && !(source.floor in floors) && !rim.includes(source.floor))
    assert.deepStrictEqual(
      unknown.map((source) => source.path),
      []
    )
  })

  it("every relative import names a file of src, by its .ts name", () => {
    assert.deepStrictEqual(
      offences((source) => relative(source).filter((path) => !known.has(path))),
      []
    )
  })

  it("a file imports from its own floor or from below", () => {
    assert.deepStrictEqual(
      offences((source) => {
        const below = floors[source.floor]
        if (below === undefined) return []
        return relative(source).filter((path) => floorOf(path) !== source.floor && !below.includes(floorOf(path)))
      }),
      []
    )
  })

  it("no file is part of an import cycle, types included", () => {
    const edges = new Map(sources.map((source) => [source.path, relative(source)]))
    assert.deepStrictEqual(
      sources.flatMap((source) => cycle(source.path, edges)?.join(" -> ") ?? []),
      []
    )
  })

  it("nothing in src imports an index of ours or the barrel of an Effect package", () => {
    assert.deepStrictEqual(
      offences((source) => [
        ...relative(source).filter((path) => path.endsWith("/index.ts")),
        ...source.imports.filter((specifier) => isEffect(specifier) || specifier.startsWith("effect-oci"))
      ]),
      []
    )
  })

  it("Node modules are imported by node/, cli/ and the server of the test kit only", () => {
    const mayImport = (source: Source): boolean =>
      source.floor === "node" || source.floor === "cli" || source.path === "src/testing/internal/nodeServer.ts"
    assert.deepStrictEqual(
      offences((source) =>
        mayImport(source) ? [] : source.imports.filter((_) => isNodeModule(_) || _.startsWith("@effect/platform-node"))
      ),
      []
    )
  })

  it("every package that src imports is a dependency or a peer; the command brings its own along", () => {
    const { dependencies, devDependencies, peerDependencies } = packageJson()
    const installed = [...Object.keys(Object(dependencies)), ...Object.keys(Object(peerDependencies))]
    const declared = (source: Source) => (source.floor === "cli" ? [...installed, ...Object.keys(Object(devDependencies))] : installed)
    const packageOf = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")
    assert.deepStrictEqual(
      offences((source) => source.imports.filter((_) => !isRelative(_) && !isNodeModule(_) && !declared(source).includes(packageOf(_)))),
      []
    )
  })

  it("no file of src is longer than 400 lines", () => {
    assert.deepStrictEqual(
      offences((source) => {
        const lines = source.text.split("\n").length - 1
        return lines > 400 ? [`${lines} lines`] : []
      }),
      []
    )
  })

  it("modules are PascalCase, internals camelCase, and no name says nothing", () => {
    assert.deepStrictEqual(
      offences((source) => {
        if (source.name === "index") return source.internal ? ["an index in internal/"] : []
        if (/^(utils?|helpers?|types|common|misc|shared)$/i.test(source.name)) return ["a name that says nothing"]
        const expected = source.internal || source.floor === "cli" ? /^[a-zA-Z]/ : /^[A-Z]/
        return expected.test(source.name) ? [] : ["a public module is PascalCase"]
      }),
      []
    )
  })
})
