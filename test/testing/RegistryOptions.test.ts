import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"

describe("merge", () => {
  const adjustment = (name: string): RegistryOptions.Adjustment => ({ name, before: () => Option.none() })

  it("adds up switches, limits and adjustments, and replaces the rest", () => {
    const merged = RegistryOptions.merge(
      {
        capabilities: { referrers: false, cancel: false },
        limits: { manifestBytes: 1 },
        warnings: ["old"],
        adjustments: [adjustment("a")]
      },
      {
        capabilities: { cancel: true },
        limits: { pageEntries: 2 },
        warnings: ["new"],
        auth: RegistryOptions.basic({ users: {} }),
        adjustments: [adjustment("b")]
      }
    )
    assert.deepStrictEqual(merged.capabilities, { referrers: false, cancel: true })
    assert.deepStrictEqual(merged.limits, { manifestBytes: 1, pageEntries: 2 })
    assert.deepStrictEqual(merged.warnings, ["new"])
    assert.strictEqual(merged.auth?._tag, "Basic")
    assert.deepStrictEqual(
      merged.adjustments?.map((_) => _.name),
      ["a", "b"]
    )
  })

  it("leaves what only the base says", () => {
    const merged = RegistryOptions.merge({ location: "absolute", auth: RegistryOptions.bearer({ users: {} }) }, {})
    assert.strictEqual(merged.location, "absolute")
    assert.strictEqual(merged.auth?._tag, "Bearer")
  })
})
