import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as RealmPolicy from "../../src/auth/internal/realmPolicy.ts"
import * as AddressPolicy from "../../src/http/internal/addressPolicy.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"

const check = (registry: RealmPolicy.Registry, realm: string) => RealmPolicy.make(registry).check(realm, { withCredentials: true })
const secure: RealmPolicy.Registry = { origin: "https://registry.example.com", plainHttp: false }
const hostOf = (text: string) => (URL.canParse(text) ? new URL(text).hostname : "")

describe("realm-url-validation", () => {
  const rows = load(
    "realm-url-validation",
    Schema.Struct({ realm: Schema.String, registryHost: Schema.String, insecure: Schema.Boolean, expectedAllowed: Schema.Boolean })
  )
  type Row = (typeof rows)[number]
  const registryOf = (row: Row) =>
    `${row.insecure ? "http" : "https"}://${row.registryHost === "" ? "registry.example.com" : row.registryHost}`

  interface Choice extends Deviation<Row> {
    readonly allowed: boolean
  }
  const deviations: ReadonlyArray<Choice> = [
    {
      name: "localhost is a loopback address",
      reason: "RFC 6761 §6.3; Go looks at IP literals only, so that the name leads around the guard",
      applies: (row) => /(^|\.)localhost$/.test(hostOf(row.realm)) && !/(^|\.)localhost$/.test(hostOf(registryOf(row))),
      allowed: false
    },
    {
      name: "a registry may name another port of its own host",
      reason: "registry and token service run on one machine in every test set-up, and the registry's host learns nothing new",
      applies: (row) =>
        row.insecure === row.realm.startsWith("http:") &&
        hostOf(row.realm) === hostOf(registryOf(row)) &&
        !row.realm.includes(row.registryHost),
      allowed: true
    },
    {
      name: "a registry inside a network may name its neighbours",
      reason: "a private registry with a private token service is the usual thing behind a firewall",
      applies: (row) => {
        const inside = [hostOf(row.realm), hostOf(registryOf(row))].map(AddressPolicy.reachOf)
        return inside.every((reach) => reach === "private") && hostOf(row.realm) !== hostOf(registryOf(row))
      },
      allowed: true
    }
  ]

  it.effect.each([...rows])("$realm for $registryHost, insecure: $insecure", (row) =>
    Effect.gen(function* () {
      const reason = yield* check({ origin: registryOf(row), plainHttp: row.insecure }, row.realm)
      const choice = deviation(deviations, row) as Choice | undefined
      expect(reason === undefined, reason).toBe(choice === undefined ? row.expectedAllowed : choice.allowed)
    })
  )
})

describe("check", () => {
  it.effect.each([
    ["http where the registry is https", "http://auth.example.com/token"],
    ["a name of the loopback", "https://token.localhost/token"],
    ["the loopback in IPv6 clothes", "https://[::ffff:127.0.0.1]/token"],
    ["a number as address", "https://2130706433/token"],
    ["the metadata service", "https://169.254.169.254/token"],
    ["a user", "https://user:password@auth.example.com/token"],
    ["control characters", "https://auth.exam\nple.com/token"],
    ["no host", "https:///"],
    ["a path", "/token"]
  ])("refuses %s", ([, realm = ""]) => Effect.map(check(secure, realm), (reason) => expect(reason).toBeDefined()))

  it.effect("refuses a plain http realm of a registry that is reached by http without leave", () =>
    Effect.map(check({ origin: "http://registry.example.com", plainHttp: false }, "http://registry.example.com/token"), (reason) =>
      expect(reason).toBe("from https to http")
    )
  )

  it.effect("looks at the addresses behind a name", () =>
    Effect.gen(function* () {
      const table: Record<string, ReadonlyArray<string>> = {
        "registry.example.com": ["93.184.216.34"],
        "inside.example.com": ["10.1.2.3"],
        "auth.example.com": ["93.184.216.35"],
        "rebound.example.com": ["93.184.216.36", "127.0.0.1"],
        "neighbour.example.com": ["10.1.2.4"]
      }
      const resolver = { resolve: (host: string) => Effect.succeed(table[host] ?? []) }
      const looked = (registry: string, realm: string) =>
        Effect.provideService(
          check({ origin: `https://${registry}`, plainHttp: false }, `https://${realm}/token`),
          AddressPolicy.NameResolver,
          resolver
        )
      expect(yield* looked("registry.example.com", "auth.example.com")).toBeUndefined()
      expect(yield* looked("registry.example.com", "rebound.example.com")).toContain("loopback")
      expect(yield* looked("registry.example.com", "neighbour.example.com")).toContain("private")
      expect(yield* looked("inside.example.com", "neighbour.example.com")).toBeUndefined()
    })
  )
})

describe("pinning", () => {
  const [first, second] = ["https://auth.example.com/token", "https://evil.example.com/token"]

  it.effect("holds the registry to the first realm that got credentials", () =>
    Effect.gen(function* () {
      const policy = RealmPolicy.make(secure)
      expect(yield* policy.check(second, { withCredentials: false })).toBeUndefined()
      expect(yield* policy.check(first, { withCredentials: true })).toBeUndefined()
      expect(yield* policy.check(`${first}/other?path=1`, { withCredentials: true })).toBeUndefined()
      expect(yield* policy.check(second, { withCredentials: true })).toBe("the registry named auth.example.com before")
      expect(yield* policy.check("https://auth.example.com:8443/token", { withCredentials: true })).toBeDefined()
      expect(yield* policy.check(second, { withCredentials: false })).toBeUndefined()
    })
  )
  it.effect("does not pin what it refuses", () =>
    Effect.gen(function* () {
      const policy = RealmPolicy.make(secure)
      expect(yield* policy.check("https://10.0.0.1/token", { withCredentials: true })).toBeDefined()
      expect(yield* policy.check(first, { withCredentials: true })).toBeUndefined()
    })
  )
  it.effect("lets trusted realms change and be internal, but not lose TLS", () =>
    Effect.gen(function* () {
      const policy = RealmPolicy.make({ ...secure, trustedRealms: ["evil.example.com", "10.0.0.1:8443"] })
      expect(yield* policy.check(first, { withCredentials: true })).toBeUndefined()
      expect(yield* policy.check(second, { withCredentials: true })).toBeUndefined()
      expect(yield* policy.check("https://10.0.0.1:8443/token", { withCredentials: true })).toBeUndefined()
      expect(yield* policy.check("https://10.0.0.1/token", { withCredentials: true })).toBeDefined()
      expect(yield* policy.check("http://evil.example.com/token", { withCredentials: true })).toBeDefined()
    })
  )
})

describe("redirectRefusal", () => {
  const from = new URL("https://auth.example.com/token")
  const refusal = (method: string, to: string) => RealmPolicy.make(secure).redirectRefusal(method)(from, new URL(to))

  it("follows a GET to another public host, a POST to none", () => {
    expect(refusal("GET", "https://other.example.com/token")).toBeUndefined()
    expect(refusal("POST", "https://other.example.com/token")).toBe("credentials are not sent on to another host")
    expect(refusal("POST", "https://auth.example.com/v2/token")).toBeUndefined()
  })
  it.each(["https://127.0.0.1/token", "https://192.168.0.1/token", "http://other.example.com/token", "https://u:p@other.example.com/"])(
    "does not follow to %s",
    (to) => {
      expect(refusal("GET", to)).toBeDefined()
    }
  )
})
