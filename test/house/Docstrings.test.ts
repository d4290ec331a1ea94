import { assert, describe, it } from "@effect/vitest"
import ts from "typescript"
import { isPublic, type Source, sources } from "./Sources.ts"

const isExported = (statement: ts.Statement): boolean =>
  ts.canHaveModifiers(statement) && (ts.getModifiers(statement) ?? []).some((_) => _.kind === ts.SyntaxKind.ExportKeyword)

const nameOf = (statement: ts.Statement): string =>
  ts.isVariableStatement(statement)
    ? statement.declarationList.declarations.map((_) => _.name.getText()).join(", ")
    : ts.isDeclarationStatement(statement)
      ? (statement.name?.getText() ?? statement.getText().slice(0, 60))
      : statement.getText().slice(0, 60)

const hasSince = (statement: ts.Statement): boolean => ts.getJSDocTags(statement).some((_) => _.tagName.text === "since")

/** Exported statements without `@since`; of a merged declaration (overloads, a class and its namespace) one docstring is enough. */
const undocumented = (source: Source): ReadonlyArray<string> => {
  const file = ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true)
  const exported = file.statements.filter((_) => isExported(_))
  const documented = new Set(exported.filter(hasSince).map(nameOf))
  return exported.map(nameOf).filter((name) => !documented.has(name))
}

describe("docstrings", () => {
  const modules = sources.filter(isPublic)

  it("every export of a public module says since when it is there", () => {
    assert.deepStrictEqual(
      modules.flatMap((source) => undocumented(source).map((name) => `${source.path}: ${name}`)),
      []
    )
  })

  // The entries of the package hide internal/. `stripInternal` would also cut the types that public declarations take from there.
  it("what is internal stands in internal/, not in a public module", () => {
    assert.deepStrictEqual(
      modules.filter((source) => source.text.includes("@internal")).map((source) => source.path),
      []
    )
  })

  it("every public module opens with what it is, and @since", () => {
    const opening = (source: Source): string => /^\/\*\*[\s\S]*?\*\//.exec(source.text)?.[0] ?? ""
    assert.deepStrictEqual(
      modules.filter((source) => !opening(source).includes("@since")).map((source) => source.path),
      []
    )
  })
})
