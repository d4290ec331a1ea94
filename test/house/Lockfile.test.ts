import { assert, describe, it } from "@effect/vitest"
import { lockfile, missing } from "./lockfile.ts"

describe("package-lock.json", () => {
  it("has every optional dependency, so that npm ci takes it (npm run lock writes them)", () => {
    assert.deepStrictEqual(
      missing(lockfile()).map(({ name }) => name),
      []
    )
  })

  it("names no host", () => {
    assert.deepStrictEqual(
      Object.entries(lockfile().packages).filter(([, entry]) => entry.resolved !== undefined),
      []
    )
  })
})
