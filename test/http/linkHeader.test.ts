import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as LinkHeader from "../../src/http/internal/linkHeader.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"

const Row = Schema.Struct({
  link: Schema.NullOr(Schema.String),
  requestUrl: Schema.String,
  expected: Schema.Struct({ next: Schema.NullOr(Schema.String), error: Schema.optional(Schema.String) })
})
type Row = typeof Row.Type

const firstTarget = (row: Row) => /^<([^>]*)>/.exec(row.link ?? "")?.[1] ?? ""
const resolved = (row: Row, target: string) => (URL.canParse(target, row.requestUrl) ? new URL(target, row.requestUrl) : undefined)
const sameOrigin = (row: Row) => resolved(row, firstTarget(row))?.origin === new URL(row.requestUrl).origin

interface LinkDeviation extends Deviation<Row> {
  readonly expected: (row: Row) => string | undefined
}

const deviations: ReadonlyArray<LinkDeviation> = [
  {
    name: "a relation that is not next is not the next page",
    reason: "RFC 8288: `rel` says what the link is",
    applies: (row) => /^<[^>]*>[^,]*;\s*rel=/i.test(row.link ?? "") && !/^<[^>]*>[^,]*;\s*rel="?[^",;]*next/i.test(row.link ?? ""),
    expected: (row) => {
      const next = /<([^>]*)>[^,]*;\s*rel="?[^",;]*next/i.exec(row.link ?? "")?.[1]
      return next === undefined ? undefined : resolved(row, next)?.href
    }
  },
  {
    name: "the same address is written in another way",
    reason: "a default port or upper case makes no other origin",
    applies: (row) => row.expected.error?.includes("host does not match") === true && sameOrigin(row),
    expected: (row) => resolved(row, firstTarget(row))?.href
  },
  {
    name: "a URL that only Go cannot parse",
    reason: "the WHATWG parser decides, it is the one that sends the request",
    applies: (row) =>
      row.expected.error !== undefined &&
      !/missing '[<>]'|does not match/.test(row.expected.error) &&
      firstTarget(row) !== "" &&
      sameOrigin(row),
    expected: (row) => resolved(row, firstTarget(row))?.href
  }
]

describe("linkHeader", () => {
  for (const [index, row] of load("link-header", Row).entries()) {
    const different = deviation(deviations, row)
    it(`row ${index}: ${row.link} at ${row.requestUrl}${different === undefined ? "" : ` (${different.name})`}`, () => {
      const next = LinkHeader.next(row.link ?? undefined, row.requestUrl)
      const rule = deviations.find((_) => _ === different)
      if (rule !== undefined)
        return assert.deepStrictEqual(
          Either.map(next, (_) => _?.href),
          Either.right(rule.expected(row))
        )
      assert.strictEqual(Either.isLeft(next), row.expected.error !== undefined)
      const expected = row.expected.next === null ? undefined : new URL(row.expected.next).href
      assert.strictEqual(Either.isRight(next) ? next.right?.href : undefined, expected)
    })
  }

  const next = (header: string, url = "https://r.test/v2/a/tags/list?n=1") => Either.map(LinkHeader.next(header, url), (_) => _?.href)

  it("prefers rel=next wherever it stands", () => {
    assert.deepStrictEqual(
      next('</a>; rel="first", </b?x=1,2>; title="a, \\"b\\""; rel="prev next"'),
      Either.right("https://r.test/b?x=1,2")
    )
    assert.deepStrictEqual(next("</a>, </b>;REL=next"), Either.right("https://r.test/b"))
    assert.deepStrictEqual(next("</a>;rel=prev;rel=next"), Either.right(undefined))
    assert.deepStrictEqual(next("</a>; rel=last"), Either.right(undefined))
  })

  it("takes a link without a relation, whatever stands behind it", () => {
    assert.deepStrictEqual(next("</a> what, else"), Either.right("https://r.test/a"))
    assert.deepStrictEqual(next("</a#top>"), Either.right("https://r.test/a"))
    assert.deepStrictEqual(next('</a?last=<b>; rel="next"'), Either.right("https://r.test/a?last=%3Cb"))
    assert.deepStrictEqual(next("<<a>"), Either.right("https://r.test/v2/a/tags/%3Ca"))
  })

  it("says why another origin is refused", () => {
    assert.deepStrictEqual(next("<http://r.test/a>"), Either.left("from https to http"))
    assert.deepStrictEqual(next("<https://10.0.0.1/a>"), Either.left("10.0.0.1 is a private address"))
    assert.deepStrictEqual(next("<https://r.test:8443/a>"), Either.left("the link leads from https://r.test to https://r.test:8443"))
    assert.isTrue(Either.isLeft(next(`<${"a".repeat(70_000)}>`)))
  })

  it("never throws and never leaves the origin", () =>
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringOf(fc.constantFrom(...'<>;,="\\ rel/nextv2:?#@[]'))), (header) => {
        const found = LinkHeader.next(header, "https://r.test/v2/")
        return Either.isLeft(found) || found.right === undefined || found.right.origin === "https://r.test"
      }),
      { numRuns: 2000 }
    ))
})
