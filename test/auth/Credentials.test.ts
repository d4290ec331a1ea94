import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as Credentials from "../../src/auth/Credentials.ts"
import { secretsOf } from "../../src/auth/internal/secrets.ts"

const canaries: ReadonlyArray<Credentials.Credentials> = [
  Credentials.basic("user", "CANARY"),
  Credentials.identityToken("CANARY"),
  Credentials.identityToken("CANARY", { username: "user", password: "CANARY" }),
  Credentials.registryToken(Redacted.make("CANARY"))
]

describe("secrets", () => {
  it.each(canaries)("$_tag shows none", (credentials) => {
    expect(`${JSON.stringify(credentials)} ${inspect(credentials, { depth: 9 })} ${Credentials.identity(credentials)}`).not.toContain(
      "CANARY"
    )
    expect(secretsOf(credentials)).toContain("CANARY")
  })
  it("include the encoded pair, which is as good as the password", () => {
    const secrets = secretsOf(Credentials.basic("foo", 'b a"r'))
    expect(secrets).toEqual(
      expect.arrayContaining(['b a"r', "b+a%22r", "b%20a%22r", 'b a\\"r', Buffer.from('foo:b a"r').toString("base64")])
    )
    expect(secrets).not.toContain("foo")
    expect(secretsOf(Credentials.anonymous)).toEqual([])
  })
})

describe("basicAuthorization", () => {
  const header = (credentials: Credentials.Credentials) => {
    const value = Credentials.basicAuthorization(credentials)
    return value === undefined ? undefined : Redacted.value(value)
  }
  it("encodes as UTF-8", () => {
    expect(header(Credentials.basic("foo", "bar"))).toBe("Basic Zm9vOmJhcg==")
    expect(header(Credentials.basic("jürgen", "pä:ß"))).toBe(`Basic ${Buffer.from("jürgen:pä:ß").toString("base64")}`)
  })
  it.each([
    Credentials.anonymous,
    Credentials.basic("", ""),
    Credentials.basic("user", ""),
    Credentials.basic("", "password"),
    Credentials.identityToken("t"),
    Credentials.registryToken("t")
  ])("is absent without a complete pair: $_tag", (credentials) => {
    expect(header(credentials)).toBeUndefined()
  })
  it("is there for an identity token that comes with a pair", () => {
    expect(header(Credentials.identityToken("t", { username: "foo", password: "bar" }))).toBe("Basic Zm9vOmJhcg==")
  })
})

describe("identity", () => {
  const any = fc.oneof(
    fc.constant(Credentials.anonymous),
    fc.tuple(fc.string(), fc.string()).map(([user, password]) => Credentials.basic(user, password)),
    fc.string().map((token) => Credentials.identityToken(token)),
    fc.string().map((token) => Credentials.registryToken(token))
  )
  const parts = (credentials: Credentials.Credentials) =>
    Credentials.match(credentials, {
      Anonymous: () => [],
      Basic: (_) => [_.username, Redacted.value(_.password)],
      IdentityToken: (_) => [Redacted.value(_.token)],
      RegistryToken: (_) => [Redacted.value(_.token)]
    })
  const content = (credentials: Credentials.Credentials) => JSON.stringify([credentials._tag, ...parts(credentials)])

  it.prop("is the same for the same credentials only", [any, any], ([a, b]) => {
    expect(Credentials.identity(a) === Credentials.identity(b)).toBe(content(a) === content(b))
  })
  it("does not mistake where one part ends", () => {
    expect(Credentials.identity(Credentials.basic("a", "b:c"))).not.toBe(Credentials.identity(Credentials.basic("a:b", "c")))
  })
})

describe("match", () => {
  it("tells the kinds apart", () => {
    const kind = Credentials.match({
      Anonymous: () => "nobody",
      Basic: (_) => _.username,
      IdentityToken: () => "identity",
      RegistryToken: () => "registry"
    })
    expect([Credentials.anonymous, ...canaries].map(kind)).toEqual(["nobody", "user", "identity", "identity", "registry"])
  })
})
