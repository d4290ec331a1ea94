import { assert, describe, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as ContentRange from "../../src/http/internal/contentRange.ts"

describe("contentRange", () => {
  it("reads Content-Range", () => {
    assert.deepStrictEqual(ContentRange.parse("bytes 5-9/20"), { start: 5, end: 9, total: 20 })
    assert.deepStrictEqual(ContentRange.parse(" Bytes 0-0/* "), { start: 0, end: 0, total: undefined })
    for (const bad of ["", "bytes */20", "bytes 9-5/20", "bytes 0-20/20", "items 0-1/2", "bytes 0-1", `bytes 0-${"9".repeat(30)}/*`]) {
      assert.isUndefined(ContentRange.parse(bad), bad)
    }
  })

  it("reads the Range of an upload session in its three spellings", () => {
    for (const text of ["0-9", "bytes=0-9", "bytes 0-9"]) assert.strictEqual(ContentRange.parseUploadRange(text), 9, text)
    assert.strictEqual(ContentRange.parseUploadRange("0-0"), 0)
    for (const bad of ["", "1-9", "0-", "-9", "0-9/20", "bytes"]) assert.isUndefined(ContentRange.parseUploadRange(bad), bad)
  })

  it("reads blanks once, however many", () => {
    const blanks = "\u00a0".repeat(2 ** 20)
    assert.strictEqual(ContentRange.parseUploadRange(`${blanks}0-9${blanks}`), 9)
    assert.strictEqual(ContentRange.parseUploadRange(`${blanks}bytes ${blanks}0-9`), 9)
    for (const bad of [`${blanks}x`, `bytes ${blanks}x`, `0-9${blanks}x`]) assert.isUndefined(ContentRange.parseUploadRange(bad))
    assert.isUndefined(ContentRange.parse(`${blanks}bytes${blanks}x`))
  })

  it("reads what it would write", () =>
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1 }), (start, length, rest) => {
        const end = start + length
        assert.deepStrictEqual(ContentRange.parse(`bytes ${start}-${end}/${end + rest}`), { start, end, total: end + rest })
      })
    ))

  it("never throws", () =>
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringOf(fc.constantFrom(..."bytes 0123-/*="))), (text) => {
        ContentRange.parse(text)
        ContentRange.parseUploadRange(text)
      })
    ))
})
