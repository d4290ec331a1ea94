import { assert, describe, it } from "@effect/vitest"
import { sources } from "./Sources.ts"

describe("internal/", () => {
  // the declarations of public modules name types that stand in internal/; `stripInternal` would cut those out and leave `any` behind
  it("needs no @internal tag: the folder says it", () => {
    assert.deepStrictEqual(
      sources.filter((source) => source.internal && source.text.includes("@internal")).map((source) => source.path),
      []
    )
  })
})
