import { readFileSync } from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { exportsMap, indexFiles, packageJson } from "./exports.ts"
import { floors, isPublic, root, sources } from "./Sources.ts"

const written = packageJson()["exports"]

describe("exports", () => {
  it("the map of package.json is the one the files ask for (npm run exports writes it)", () => {
    assert.deepStrictEqual(written, exportsMap())
    assert.deepStrictEqual(Object.keys(Object(written)), Object.keys(exportsMap()))
  })

  for (const [path, text] of Object.entries(indexFiles())) {
    it(`${path} holds one line per public module and nothing else (npm run exports writes it)`, () => {
      assert.strictEqual(readFileSync(Path.join(root, path), "utf8"), text)
    })
  }

  it("every public module of a floor has an entry of its own name", () => {
    const modules = sources.filter((source) => isPublic(source) && source.floor in floors)
    const names = modules.map((source) => source.name)
    assert.isAbove(names.length, 0)
    assert.deepStrictEqual([...new Set(names)], names, "two public modules share a name")
    for (const source of modules) {
      const entry = Object(Object(written)[`./${source.name}`])
      assert.strictEqual(entry["effect-oci/source"], `./${source.path}`)
    }
  })

  it("nothing internal can be imported", () => {
    assert.notInclude(JSON.stringify(written), "/internal/")
    assert.notInclude(JSON.stringify(written), "*")
  })
})
