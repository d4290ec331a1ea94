import { readFileSync } from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"
import { filesBelow, root } from "./Sources.ts"

const deep: ReadonlySet<string> = new Set(["assert.deepStrictEqual", "assert.deepEqual"])

/** To chai an option that has nothing is equal to one that has something, and every secret to every other. */
const alike = /\b(Option\.(some|none)|Redacted\.make)\(/

const weakIn = (path: string): ReadonlyArray<string> => {
  const text = readFileSync(Path.join(root, path), "utf8")
  if (!alike.test(text)) return []
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022)
  const found: Array<string> = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && deep.has(node.expression.getText(file)) && alike.test(node.getText(file))) {
      found.push(`${path}:${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

describe("assertions", () => {
  it("about options and secrets are those of @effect/vitest/utils", () => {
    assert.deepStrictEqual(filesBelow("test").flatMap(weakIn), [])
  })
})
