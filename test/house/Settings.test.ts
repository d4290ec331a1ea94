import { readFileSync } from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { filesBelow, root } from "./Sources.ts"

const read = (path: string): string => readFileSync(Path.join(root, path), "utf8")

describe("docs/testing.md", () => {
  it("names every variable that tests are told by, and no other", () => {
    const namesIn = (text: string) => [...text.matchAll(/\bOCI_[A-Z_]+(?==\d|")/g)].map(([name]) => name)
    const asked = filesBelow("test").flatMap((path) => [...read(path).matchAll(/Setting\.number\("(\w+)"/g)].map(([, name = ""]) => name))
    assert.isAbove(asked.length, 0)
    assert.deepStrictEqual([...new Set(namesIn(read("docs/testing.md")))].sort(), [...new Set(asked)].sort())
  })
})
