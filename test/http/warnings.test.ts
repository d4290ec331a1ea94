import * as Headers from "@effect/platform/Headers"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Warnings from "../../src/http/internal/warnings.ts"

const heard = (seen: ReturnType<typeof Warnings.seen>, host: string, warning: string) =>
  seen.fresh(host, Headers.fromInput({ warning })).map(({ text }) => text)

describe("warnings", () => {
  it("reads the texts of 299 only", () => {
    assert.deepStrictEqual(Warnings.parse('299 - "moved to example.com"'), ["moved to example.com"])
    assert.deepStrictEqual(Warnings.parse('199 - "stale", 299 - "a, \\"b\\" \\\\", 299 - "c"'), ['a, "b" \\', "c"])
    for (const other of [undefined, "", "299", '299 - "open', '1299 - "x"', '299 proxy "x"'])
      assert.deepStrictEqual(Warnings.parse(other), [], other)
  })

  it("has limits, and leaves no control characters to a terminal", () => {
    assert.deepStrictEqual(Warnings.parse('299 - "a\u001b[31mb\r\nc"'), ["a [31mb c"])
    assert.strictEqual(Warnings.parse(`299 - "${"x".repeat(10_000)}"`)[0]?.length, 4096)
    assert.strictEqual(Warnings.parse(Array.from({ length: 40 }, (_, n) => `299 - "${n}"`).join(", ")).length, 16)
  })

  it("tells each warning of a host once", () => {
    const seen = Warnings.seen()
    assert.deepStrictEqual(heard(seen, "a.test", '299 - "x", 299 - "x"'), ["x"])
    assert.deepStrictEqual(heard(seen, "a.test", '299 - "x"'), [])
    assert.deepStrictEqual(heard(seen, "b.test", '299 - "x"'), ["x"])
    assert.deepStrictEqual(seen.fresh("a.test", Headers.empty), [])
  })

  it("does not remember without end", () => {
    const seen = Warnings.seen()
    const told = Array.from({ length: 2000 }, (_, n) => heard(seen, "a.test", `299 - "${n}"`).length).reduce((sum, n) => sum + n, 0)
    assert.strictEqual(told, 1000)
  })

  it("reads any text it could be told", () =>
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        assert.deepStrictEqual(Warnings.parse(`299 - "${text.replace(/["\\]/g, "\\$&")}"`), [text])
      })
    ))

  it("never throws", () =>
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringOf(fc.constantFrom(...'29 -"\\,x'))), (text) => Warnings.parse(text).length <= 16)
    ))
})
