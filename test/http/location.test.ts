import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { reachOf } from "../../src/http/internal/addressPolicy.ts"
import * as Location from "../../src/http/internal/location.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"

const Row = Schema.Struct({
  location: Schema.NullOr(Schema.String),
  requestUrl: Schema.String,
  expected: Schema.Struct({ url: Schema.NullOr(Schema.String), error: Schema.optional(Schema.String) })
})
type Row = typeof Row.Type

const from = (row: Row) => new URL(row.requestUrl)
const to = (row: Row) =>
  row.location !== null && URL.canParse(row.location, row.requestUrl) ? new URL(row.location, row.requestUrl) : undefined

const refusals: ReadonlyArray<Deviation<Row>> = [
  {
    name: "https never falls to http",
    reason: "the upload would go on in the clear",
    applies: (row) => row.expected.url !== null && from(row).protocol === "https:" && to(row)?.protocol === "http:"
  },
  {
    name: "http and https only",
    reason: "there is no other wire",
    applies: (row) => row.expected.url !== null && !/^https?:$/.test(to(row)?.protocol ?? "")
  },
  {
    name: "more internal addresses are known",
    reason: "localhost and the like lead inside, too",
    applies: (row) =>
      row.expected.url !== null &&
      to(row)?.hostname !== from(row).hostname &&
      reachOf(to(row)?.hostname ?? "") !== undefined &&
      reachOf(from(row).hostname) === undefined
  }
]

const permissions: ReadonlyArray<Deviation<Row>> = [
  {
    name: "an internal registry may name its neighbours",
    reason: "registry and storage stand in the same network",
    applies: (row) =>
      row.expected.error?.startsWith("SSRF") === true &&
      !(from(row).protocol === "https:" && to(row)?.protocol === "http:") &&
      ["loopback", "private"].includes(reachOf(from(row).hostname) ?? "") &&
      (reachOf(to(row)?.hostname ?? "") === "private" || reachOf(to(row)?.hostname ?? "") === reachOf(from(row).hostname))
  },
  {
    name: "a URL that only Go cannot parse",
    reason: "the WHATWG parser decides, it is the one that sends the request",
    applies: (row) =>
      row.location !== null && row.expected.error !== undefined && !row.expected.error.startsWith("SSRF") && to(row) !== undefined
  }
]

const Commit = Schema.Struct({ location: Schema.String, digest: Schema.String, expectedPutUrl: Schema.String })

const pairs = (url: string) =>
  [...new URL(url).searchParams]
    .filter(([name, value]) => !`${name}${value}`.includes(";"))
    .map(([name, value]) => `${name}=${value}`)
    .sort()

describe("location", () => {
  for (const [index, row] of load("upload-location", Row).entries()) {
    const no = deviation(refusals, row)
    const yes = deviation(permissions, row)
    const name = (no ?? yes)?.name
    it(`row ${index}: ${row.location} at ${row.requestUrl}${name === undefined ? "" : ` (${name})`}`, () => {
      // Without the header there is nothing to resolve; the upload fails then.
      if (row.location === null) return assert.isNull(row.expected.url)
      const result = Location.resolve(row.location, row.requestUrl)
      assert.strictEqual(Either.isRight(result), no === undefined && (yes !== undefined || row.expected.url !== null), String(result))
      if (Either.isLeft(result)) return
      if (/^https?:\/\//.test(row.location)) assert.strictEqual(result.right, row.location)
      assert.strictEqual(new URL(result.right).href, new URL(row.expected.url ?? to(row)?.href ?? "").href)
    })
  }

  for (const row of load("upload-commit-url", Commit)) {
    it(`commit ${row.location} (order and spelling of the query are kept)`, () => {
      const url = Location.withDigest(row.location, row.digest)
      // Go's URL says the same, except for pairs with `;`, which it loses.
      assert.deepStrictEqual(pairs(url), pairs(row.expectedPutUrl))
      const parameter = `digest=${encodeURIComponent(row.digest)}`
      assert.isTrue(url.endsWith(parameter))
      const kept = row.location
        .replace(/#.*/, "")
        .split(/[?&]/)
        .filter((part) => !part.startsWith("digest="))
      assert.deepStrictEqual(url.slice(0, -parameter.length).split(/[?&]/).filter(Boolean), kept)
    })
  }

  it("appends to any query", () => {
    assert.strictEqual(Location.withDigest("https://r.test/u", "sha256:a"), "https://r.test/u?digest=sha256%3Aa")
    assert.strictEqual(Location.withDigest("https://r.test/u?", "d"), "https://r.test/u?digest=d")
    assert.strictEqual(Location.withDigest("https://r.test/u?a=%2B+~&", "d"), "https://r.test/u?a=%2B+~&digest=d")
    assert.strictEqual(Location.withDigest("https://r.test/u?mydigest=1&digest=2&b#x", "d"), "https://r.test/u?mydigest=1&b&digest=d")
  })

  it("takes the first question mark only for the start of the query", () => {
    const add = (query: string) => Location.withDigest(`https://r.test/u?${query}`, "d")
    assert.strictEqual(add("back=https://a.test/?digest=1&b=2"), "https://r.test/u?back=https://a.test/?digest=1&b=2&digest=d")
    assert.strictEqual(add("a=b?"), "https://r.test/u?a=b?&digest=d")
    assert.strictEqual(add("?"), "https://r.test/u??&digest=d")
    assert.strictEqual(Location.withDigest("https://r.test/u#?digest=1", "d"), "https://r.test/u?digest=d")
  })

  it("leaves no other digest, not even one without a value", () => {
    assert.strictEqual(Location.withDigest("https://r.test/u?digest&a&digest=1&digest", "d"), "https://r.test/u?a&digest=d")
    assert.strictEqual(Location.withDigest("https://r.test/u?digests&digest2=1", "d"), "https://r.test/u?digests&digest2=1&digest=d")
  })

  it("keeps a signed URL byte for byte", () => {
    const signed = "https://Storage.test:443/u?X-Sig=a%2Bb%20c~d+e&_state=%7b%7D'"
    assert.deepStrictEqual(Location.resolve(` ${signed} `, "https://r.test/v2/"), Either.right(signed))
    const relative = "/up/%2e/x/../y?_state='a'|b"
    assert.deepStrictEqual(Location.resolve(`${relative}#f`, "https://r.test:443/v2/"), Either.right(`https://r.test${relative}`))
  })

  it("never throws, and never leaves https", () =>
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.stringOf(fc.constantFrom(..."htps:/\\@?#.1[]"))), (text) => {
        const result = Location.resolve(text, "https://r.test/v2/a/blobs/uploads/")
        Location.withDigest(text, text)
        return Either.isLeft(result) || new URL(result.right).protocol === "https:"
      }),
      { numRuns: 2000 }
    ))
})
