import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as AddressPolicy from "../../src/http/internal/addressPolicy.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"

/** What Go's guard knows: `net.IP` literals that are loopback, private, link-local or unspecified. */
const goRefuses = (host: string) =>
  /^(0\.0\.0\.0|127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|224\.0\.0\.|\[(::|::1|f[cd].*|fe[89ab].*|ff02.*)\]$)/.test(host)
const internal = (host: string) => AddressPolicy.reachOf(host) !== undefined

const Redirect = Schema.Struct({ input: Schema.Struct({ from: Schema.String, to: Schema.String }), expectedAllowed: Schema.Boolean })
type Redirect = typeof Redirect.Type
const hostsOf = (row: Redirect) => [new URL(`http://${row.input.from}`).hostname, new URL(row.input.to).hostname] as const

const redirectDeviations: ReadonlyArray<Deviation<Redirect> & { readonly allowed: boolean }> = [
  {
    name: "more internal addresses are known",
    reason: "localhost, carrier-grade NAT (a metadata service lives there), multicast, IPv4 in IPv6 and the like lead inside, too",
    applies: (row) => {
      const [from, to] = hostsOf(row)
      return row.expectedAllowed && from !== to && internal(to) && !goRefuses(to)
    },
    allowed: false
  },
  {
    name: "an internal registry may name its neighbours",
    reason: "registry and storage stand in the same private network",
    applies: (row) => {
      const [from, to] = hostsOf(row)
      return !row.expectedAllowed && AddressPolicy.reachOf(from) === "private" && AddressPolicy.reachOf(to) === "private"
    },
    allowed: true
  },
  {
    name: "a registry on this machine may name local and private hosts",
    reason: "development registries",
    applies: (row) => {
      const [from, to] = hostsOf(row)
      return (
        !row.expectedAllowed &&
        AddressPolicy.reachOf(from) === "loopback" &&
        ["loopback", "private"].includes(AddressPolicy.reachOf(to) ?? "")
      )
    },
    allowed: true
  }
]

const Foreign = Schema.Struct({ url: Schema.String, insecureRegistry: Schema.Boolean, expectedAllowed: Schema.Boolean })
type Foreign = typeof Foreign.Type

const foreignDeviations: ReadonlyArray<Deviation<Foreign>> = [
  {
    name: "more internal addresses are known",
    reason: "localhost and the like lead inside, too",
    applies: (row) => row.expectedAllowed && internal(new URL(row.url).hostname)
  }
]

describe("addressPolicy", () => {
  for (const row of load("redirect-ssrf", Redirect)) {
    const different = deviation(redirectDeviations, row)
    it(`redirect ${row.input.from} → ${row.input.to}${different === undefined ? "" : ` (${different.name})`}`, () => {
      const to = new URL(row.input.to)
      // The rows are about addresses; the rule for schemes has its own test.
      const from = new URL(`${to.protocol === "https:" ? "https" : "http"}://${row.input.from}`)
      const expected = redirectDeviations.find((_) => _ === different)?.allowed ?? row.expectedAllowed
      assert.strictEqual(AddressPolicy.refusal(from, to) === undefined, expected)
    })
  }

  for (const row of load("foreign-url-validation", Foreign)) {
    const different = deviation(foreignDeviations, row)
    it(`foreign ${row.url} ${row.insecureRegistry ? "http registry" : ""}${different === undefined ? "" : ` (${different.name})`}`, () => {
      const allowed = AddressPolicy.foreignRefusal(row.url, row.insecureRegistry) === undefined
      assert.strictEqual(allowed, different === undefined ? row.expectedAllowed : false)
    })
  }

  const reaches: ReadonlyArray<readonly [host: string, reach: AddressPolicy.Reach | undefined]> = [
    ["127.0.0.1", "loopback"],
    ["127.255.255.254", "loopback"],
    ["localhost", "loopback"],
    ["Foo.LOCALHOST.", "loopback"],
    ["[::1]", "loopback"],
    ["[::ffff:127.0.0.1]", "loopback"],
    ["[::127.0.0.1]", "loopback"],
    ["[64:ff9b::a00:1]", "private"],
    ["[2002:c0a8:0101::1]", "private"],
    ["10.0.0.1", "private"],
    ["11.0.0.1", undefined],
    ["172.15.0.1", undefined],
    ["172.31.255.255", "private"],
    ["172.32.0.1", undefined],
    ["192.168.0.1", "private"],
    ["100.100.100.200", "private"],
    ["100.128.0.1", undefined],
    ["169.254.169.254", "link-local"],
    ["[fe80::1%25eth0]", "link-local"],
    ["[fd00:ec2::254]", "private"],
    ["[fec0::1]", "private"],
    ["[ff02::1]", "multicast"],
    ["[2606:4700::1111]", undefined],
    ["0.0.0.0", "unspecified"],
    ["[::]", "unspecified"],
    ["224.0.0.1", "multicast"],
    ["255.255.255.255", "reserved"],
    ["8.8.8.8", undefined],
    ["999.1.1.1", undefined],
    ["registry.example.com", undefined],
    ["localhost.example.com", undefined]
  ]
  for (const [host, reach] of reaches)
    it(`${host} is ${reach ?? "on the internet"}`, () => assert.strictEqual(AddressPolicy.reachOf(host), reach))

  it("sees through the spellings a URL allows", () => {
    for (const host of ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1."]) {
      assert.strictEqual(AddressPolicy.reachOf(new URL(`http://${host}/`).hostname), "loopback", host)
    }
  })

  const refusal = (from: string, to: string) => AddressPolicy.refusal(new URL(from), new URL(to))

  it("keeps https and knows two schemes", () => {
    assert.strictEqual(refusal("https://r.test", "http://r.test"), "from https to http")
    assert.strictEqual(refusal("https://r.test", "ftp://r.test"), "scheme ftp is not http or https")
    assert.isUndefined(refusal("http://r.test", "https://cdn.test"))
  })

  it("lets neighbours in, but nobody to the metadata service", () => {
    assert.isUndefined(refusal("https://10.0.0.5", "https://10.0.0.6:9000/bucket"))
    assert.isUndefined(refusal("http://localhost:5000", "http://127.0.0.1:9000"))
    assert.isUndefined(refusal("https://10.0.0.5", "https://10.0.0.5:9000"))
    assert.isDefined(refusal("https://10.0.0.5", "https://127.0.0.1"))
    assert.isDefined(refusal("http://localhost:5000", "http://169.254.169.254/latest"))
  })

  const names: Record<string, ReadonlyArray<string>> = {
    "rebind.test": ["93.184.216.34", "169.254.169.254"],
    "registry.corp": ["10.0.0.5"],
    "minio.corp": ["10.0.0.6"]
  }
  const check = (from: string, to: string, allowInternal = false) =>
    AddressPolicy.check(new URL(from), new URL(to), { allowInternal }).pipe(
      Effect.provideService(AddressPolicy.NameResolver, { resolve: (host) => Effect.succeed(names[host] ?? []) })
    )

  it.effect("asks the resolver about names", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* check("https://r.test", "https://rebind.test/x"), "rebind.test is a link-local address")
      assert.strictEqual(yield* check("https://r.test", "https://minio.corp/x"), "minio.corp is a private address")
      assert.isUndefined(yield* check("https://registry.corp", "https://minio.corp/x"))
      assert.isUndefined(yield* check("https://registry.corp", "https://10.0.0.9/x"))
      assert.isUndefined(yield* check("https://r.test", "https://unknown.test/x"))
      assert.isUndefined(yield* check("https://r.test", "https://10.0.0.1/x", true))
      assert.strictEqual(yield* check("https://r.test", "http://10.0.0.1/x", true), "from https to http")
    })
  )

  it.effect("puts every host it lets a server name under guard, and takes a refusal of it", () =>
    Effect.gen(function* () {
      const guarded: Array<string> = []
      const guard = (host: string, from: string) => (guarded.push(`${from} → ${host}`) === 4 ? "no more" : undefined)
      const resolver = { resolve: (host: string) => Effect.succeed(names[host] ?? []), guard }
      const asked = (from: string, to: string) => AddressPolicy.check(new URL(from), new URL(to), { resolver })
      assert.isUndefined(yield* asked("https://r.test", "https://unknown.test/x"))
      assert.isUndefined(yield* asked("https://registry.corp", "https://minio.corp/x"))
      assert.isUndefined(yield* asked("https://r.test", "https://r.test:444/x"))
      assert.isDefined(yield* asked("https://r.test", "https://minio.corp/x"))
      assert.isUndefined(yield* asked("https://r.test", "https://8.8.8.8/x"))
      assert.strictEqual(yield* asked("https://r.test", "https://other.test/x"), "no more")
      assert.deepStrictEqual(guarded, ["r.test → unknown.test", "registry.corp → minio.corp", "r.test → 8.8.8.8", "r.test → other.test"])
    })
  )

  it.effect("judges literals only, without a resolver", () =>
    Effect.gen(function* () {
      const plain = (to: string) => AddressPolicy.check(new URL("https://r.test"), new URL(to), {})
      assert.isUndefined(yield* plain("https://rebind.test"))
      assert.strictEqual(yield* plain("https://[::1]/"), "[::1] is a loopback address")
    })
  )

  it("takes no foreign URL that parsers read in different ways", () => {
    for (const url of [
      "https://cdn.test/a\nb",
      "https://c\tdn.test/a",
      "https://cdn.test/\u0000",
      "https://cdn.test\\@evil.test/a",
      "https:///a"
    ]) {
      assert.strictEqual(AddressPolicy.foreignRefusal(url, false), "not an absolute URL", JSON.stringify(url))
    }
    for (const url of ["https://cdn.test", "https://cdn.test?a", "https://u:p@cdn.test:8443/a\\b#c", "HTTPS://cdn.test/ä b"]) {
      assert.isUndefined(AddressPolicy.foreignRefusal(url, false), url)
    }
  })

  it("never throws", () =>
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.stringOf(fc.constantFrom(..."0123456789abcdef:.[]%"))), (host) => {
        AddressPolicy.reachOf(host)
        AddressPolicy.foreignRefusal(host, true)
        AddressPolicy.foreignRefusal(`http://${host}`, true)
      }),
      { numRuns: 2000 }
    ))

  it("agrees on an address in either family", () =>
    fc.assert(fc.property(fc.ipV4(), (address) => AddressPolicy.reachOf(address) === AddressPolicy.reachOf(`[::ffff:${address}]`))))
})
