import { assert, describe, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Origin from "../../src/http/internal/origin.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"

const Scheme = Schema.Literal("http", "https")

const Address = Schema.Struct({ address: Schema.String, scheme: Scheme, expected: Schema.String })
type Address = typeof Address.Type

const addressDeviations: ReadonlyArray<Deviation<Address> & { readonly expected: (row: Address) => string }> = [
  {
    name: "brackets are not doubled",
    reason: "`[v6]` is the same host as a bare v6 address",
    applies: (row) => /^\[[^[\]]*\]$/.test(row.address),
    expected: (row) => `${row.address.toLowerCase()}:${row.scheme === "http" ? 80 : 443}`
  },
  {
    name: "case does not count",
    reason: "host names are compared without regard to case (RFC 3986, 6.2.2.1)",
    applies: (row) => row.address !== row.address.toLowerCase(),
    expected: (row) => row.expected.toLowerCase()
  }
]

const Match = Schema.Struct({
  registryHost: Schema.String,
  requestHostHeader: Schema.String,
  requestUrlHost: Schema.String,
  scheme: Scheme,
  expectedAttachAuthorization: Schema.Boolean
})
type Match = typeof Match.Type

const defaultPort = (row: Match) => (row.scheme === "http" ? /:80$/ : /:443$/)
const plain = (row: Match, host: string) => host.replace(defaultPort(row), "")

const matchDeviations: ReadonlyArray<Deviation<Match> & { readonly expected: boolean }> = [
  {
    name: "the Host header is not asked",
    reason: "credentials go where the URL leads, whatever the header says",
    applies: (row) => row.expectedAttachAuthorization && plain(row, row.requestUrlHost) !== plain(row, row.registryHost),
    expected: false
  },
  {
    name: "case does not count",
    reason: "host names are compared without regard to case (RFC 3986, 6.2.2.1)",
    applies: (row) =>
      !row.expectedAttachAuthorization && plain(row, row.requestUrlHost).toLowerCase() === plain(row, row.registryHost).toLowerCase(),
    expected: true
  }
]

describe("origin", () => {
  for (const row of load("canonical-address", Address)) {
    const different = deviation(addressDeviations, row)
    it(`canonical ${row.scheme} ${row.address}${different === undefined ? "" : ` (${different.name})`}`, () => {
      const expected = addressDeviations.find((_) => _ === different)?.expected(row) ?? row.expected
      assert.strictEqual(Origin.canonicalAddress(row.address, row.scheme), expected)
    })
  }

  // What go-containerregistry's `canonicalAddress` gives for text that is hardly an address.
  const odd: ReadonlyArray<readonly [address: string, expected: string]> = [
    ["", ":443"],
    [":", ":443"],
    [":80", ":80"],
    ["::", "[::]:443"],
    ["::1:5000", "[::1:5000]:443"],
    ["host:port", "host:port"],
    ["Host:Port", "host:port"],
    ["[::1]:", "[::1]:443"],
    ["[::1]:080", "[::1]:080"],
    ["[fe80::1%eth0]:5000", "[fe80::1%eth0]:5000"],
    ["[::1", "[[::1]:443"],
    ["registry]", "registry]:443"],
    ["[::1]080", "[[::1]080]:443"],
    ["[registry", "[registry:443"],
    ["[::1]:80:90", "[::1]:80:90"],
    ["[registry]:80]", "[registry]:80]"]
  ]
  for (const [address, expected] of odd) {
    it(`canonical ${JSON.stringify(address)}`, () => assert.strictEqual(Origin.canonicalAddress(address, "https"), expected))
  }

  for (const row of load("authorization-host-match", Match)) {
    const different = deviation(matchDeviations, row)
    const names = `${row.registryHost} → ${row.requestHostHeader} at ${row.requestUrlHost}`
    it(`credentials ${row.scheme} ${names}${different === undefined ? "" : ` (${different.name})`}`, () => {
      const expected = matchDeviations.find((_) => _ === different)?.expected ?? row.expectedAttachAuthorization
      assert.strictEqual(Origin.mayReceiveCredentials(row.registryHost, row.requestUrlHost, row.scheme), expected)
    })
  }

  it("compares origins by their effective port", () => {
    const same = (a: string, b: string) => Origin.same(new URL(a), new URL(b))
    assert.isTrue(same("https://R.test:443/a", "https://r.test/b?c"))
    assert.isFalse(same("https://r.test", "http://r.test"))
    assert.isFalse(same("https://r.test", "https://r.test:8443"))
    assert.isFalse(same("https://r.test", "https://r.test.evil"))
  })

  it("compares texts as the URLs they are", () => {
    assert.isTrue(Origin.sameText("https://R.test:443/a", "https://r.test/b?c"))
    assert.isFalse(Origin.sameText("https://r.test", "http://r.test"))
    assert.isFalse(Origin.sameText("https://r.test", "/v2/"))
    assert.isFalse(Origin.sameText("https://[", "https://r.test"))
  })

  it("knows where URLs lead as URL does, the first time and again", () => {
    const targetOf = Origin.targets()
    const expected = (text: string) => {
      const url = Origin.parse(text)
      const target = url === undefined ? undefined : Origin.targetOf(url)
      return target === undefined ? undefined : { ...target, url: url?.href }
    }
    const found = (text: string) => {
      const target = targetOf(text)
      return target === undefined ? undefined : { ...target, url: target.url().href }
    }
    const hosts = [
      "r.test",
      "R.test",
      "r.test:443",
      "r.test:80",
      "u:p@r.test",
      "r.test\\\\evil.test",
      "r.test?evil.test",
      "[::1]:5000",
      "[",
      "r",
      ""
    ]
    const texts = ["https://", "http://", "HTTPS://", "https:/", "ftp://", " https://"].flatMap((scheme) =>
      hosts.flatMap((host) => ["", "/", "/v2/?a=b#c", "//x/../y", "/@evil.test", "/\\evil.test"].map((path) => `${scheme}${host}${path}`))
    )
    for (const text of [...texts, ...texts]) assert.deepStrictEqual(found(text), expected(text), text)
    for (let host = 0; host < 1000; host++) assert.strictEqual(targetOf(`https://h${host}.test/`)?.hostname, `h${host}.test`)
    fc.assert(fc.property(fc.webUrl({ withQueryParameters: true }), (text) => assert.deepStrictEqual(found(text), expected(text))))
  })

  it("sees by its text where a URL leads, and takes nothing for the origin that is not", () => {
    const at = (url: string) => Origin.isPlainlyAt("https://r.test:5000", url)
    assert.deepStrictEqual(
      ["/", "/v2/?a=b", "//x"].map((path) => at(`https://r.test:5000${path}`)),
      [true, true, true]
    )
    for (const url of ["https://r.test:5000", "https://r.test:50001/", "https://r.test:5000@evil.test/", "https://r.test/", "/v2/"]) {
      assert.isFalse(at(url), url)
    }
  })

  it("never throws, and canonical addresses stay canonical", () =>
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringOf(fc.constantFrom(..."a1:[].A"))), (address) => {
        Origin.parse(address)
        const once = Origin.canonicalAddress(address, "https")
        return Origin.canonicalAddress(once, "https") === once
      }),
      { numRuns: 2000 }
    ))
})
