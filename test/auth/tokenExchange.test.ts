import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Challenge from "../../src/auth/Challenge.ts"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as RealmPolicy from "../../src/auth/internal/realmPolicy.ts"
import { secretsOf } from "../../src/auth/internal/secrets.ts"
import * as TokenExchange from "../../src/auth/internal/tokenExchange.ts"
import * as RegistryError from "../../src/model/RegistryError.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"
import * as TokenService from "./tokenService.ts"

const bearer = (parameters: Record<string, string> = {}) =>
  Challenge.make("Bearer", { realm: "https://auth.example.com/token", service: "svc", ...parameters })

const defaults = (): TokenExchange.ExchangeOptions => ({
  challenge: bearer(),
  registry: "registry.example.com",
  realmPolicy: RealmPolicy.make({ origin: "https://registry.example.com", plainHttp: false }),
  scopes: ["repository:a/b:pull"],
  credentials: Credentials.anonymous,
  context: TokenService.context
})

type Service = ReturnType<typeof TokenService.make>

const exchange = (service: Service, options: Partial<TokenExchange.ExchangeOptions> = {}) =>
  TokenExchange.exchange(service.wire, { ...defaults(), ...options })

const user = Credentials.basic("user", "s3cret")
const basicOf = (username: string, password: string) => `Basic ${Encoding.encodeBase64(`${username}:${password}`)}`

describe("token-requests", () => {
  const rows = load(
    "token-requests",
    Schema.Struct({
      name: Schema.String,
      input: Schema.Struct({
        realm: Schema.optional(Schema.String),
        service: Schema.optional(Schema.String),
        scopes: Schema.optional(Schema.Array(Schema.String)),
        client: Schema.optional(Schema.String),
        wwwAuthenticate: Schema.optional(Schema.String),
        stored: Schema.optional(Schema.String),
        responseBody: Schema.optional(Schema.String),
        credentials: Schema.optional(
          Schema.NullOr(
            Schema.Struct({
              username: Schema.optional(Schema.String),
              password: Schema.optional(Schema.String),
              refreshToken: Schema.optional(Schema.String),
              identityToken: Schema.optional(Schema.String)
            })
          )
        )
      }),
      expected: Schema.Struct({
        method: Schema.optional(Schema.String),
        url: Schema.optional(Schema.String),
        body: Schema.optional(Schema.String),
        authorization: Schema.optional(Schema.NullOr(Schema.String)),
        storedAfter: Schema.optional(Schema.String)
      })
    })
  )
  type Row = (typeof rows)[number]

  const credentialsOf = ({ input }: Row): Credentials.Credentials => {
    const identity = input.stored ?? input.credentials?.refreshToken ?? input.credentials?.identityToken
    if (identity !== undefined) return Credentials.identityToken(identity)
    const { username, password } = input.credentials ?? {}
    return username === undefined ? Credentials.anonymous : Credentials.basic(username, password ?? "")
  }

  const deviations: ReadonlyArray<Deviation<Row>> = [
    {
      name: "account",
      reason: "docker/distribution names the user, go-containerregistry does not; we do, for both",
      applies: (row) => row.input.client === "go-containerregistry" && credentialsOf(row)._tag === "Basic"
    }
  ]

  // A Basic challenge is answered without a token service: that row belongs to the authenticator.
  it.effect.each(rows.filter((row) => row.input.wwwAuthenticate === undefined))("$name", (row) =>
    Effect.gen(function* () {
      const service = TokenService.make(() => ({ body: row.input.responseBody ?? { token: "statictoken" } }))
      const credentials = credentialsOf(row)
      const token = yield* exchange(service, {
        credentials,
        challenge: bearer({ realm: row.input.realm ?? "http://AUTH/token", service: row.input.service ?? "localhost.localdomain" }),
        realmPolicy: RealmPolicy.make({ origin: "http://registry.example.com", plainHttp: true }),
        scopes: row.input.scopes ?? ["registry:catalog:search"],
        clientId: row.input.client ?? "registry-client"
      })
      const [request, ...more] = service.seen
      expect(more).toEqual([])
      if (row.expected.storedAfter !== undefined) {
        expect(token.refreshToken && Redacted.value(token.refreshToken)).toBe(row.expected.storedAfter)
        expect(`Bearer ${Redacted.value(token.value)}`).toBe(row.expected.authorization)
        return
      }
      const account =
        deviation(deviations, row) === undefined || !Credentials.isBasic(credentials) ? "" : `account=${credentials.username}&`
      expect(request?.method).toBe(row.expected.method)
      expect(request?.url.replace(/^http:\/\/[^/]*/, "")).toBe(row.expected.url?.replace("?", `?${account}`))
      expect(request?.body).toBe(row.expected.body ?? "")
      if (request?.method === "POST") {
        expect(request.authorization).toBeUndefined()
        expect(request.contentType).toBe("application/x-www-form-urlencoded")
      } else {
        expect(request?.authorization).toBe(row.expected.authorization ?? undefined)
      }
    })
  )
})

describe("token-response", () => {
  const rows = load(
    "token-response",
    Schema.Struct({
      name: Schema.String,
      input: Schema.Struct({
        body: Schema.optional(Schema.String),
        identityToken: Schema.optional(Schema.String),
        auth: Schema.optional(Schema.String),
        postStatus: Schema.optional(Schema.Number),
        wwwAuthenticate: Schema.optional(Schema.String)
      }),
      expectedToken: Schema.optional(Schema.String),
      expectedNextIdentityToken: Schema.optional(Schema.String),
      expectedGetAuthorization: Schema.optional(Schema.String),
      expectedError: Schema.optional(Schema.String)
    })
  )

  it.effect.each([...rows])("$name", (row) =>
    Effect.gen(function* () {
      const { input } = row
      const service = TokenService.make(({ method }) =>
        method === "POST" && input.postStatus !== undefined ? { status: input.postStatus } : { body: input.body ?? "" }
      )
      // Go keeps the text of `auth`; here it is read when the configuration is, so the row's text stands for a user and a password.
      const fallback = input.auth === undefined ? undefined : { username: "user", password: input.auth }
      const credentials = input.identityToken === undefined ? user : Credentials.identityToken(input.identityToken, fallback)
      const challenge = input.wwwAuthenticate === undefined ? bearer() : Challenge.parseHeader(input.wwwAuthenticate)[0]
      const outcome = yield* Effect.either(exchange(service, { credentials, challenge: challenge ?? bearer() }))
      if (row.expectedError !== undefined) {
        expect(outcome._tag).toBe("Left")
        if (outcome._tag === "Left") {
          expect(outcome.left._tag).toBe(input.wwwAuthenticate === undefined ? "TokenExchangeError" : "ChallengeError")
          expect(outcome.left.message).not.toContain("Sup3r")
        }
        return
      }
      const token = yield* outcome
      expect(Redacted.value(token.value)).toBe(row.expectedToken)
      if (row.expectedNextIdentityToken !== undefined) {
        expect(token.refreshToken && Redacted.value(token.refreshToken)).toBe(row.expectedNextIdentityToken)
      }
      if (row.expectedGetAuthorization !== undefined && fallback !== undefined) {
        expect(service.seen.map((_) => [_.method, _.authorization])).toEqual([
          ["POST", undefined],
          ["GET", basicOf(fallback.username, fallback.password)]
        ])
      }
    })
  )
})

describe("GET", () => {
  it.effect("asks for each scope by itself and keeps the realm's own query", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      yield* exchange(service, {
        challenge: bearer({ realm: "https://auth.example.com/token?x=a%2Fb+c&scope=old&service=old#part" }),
        scopes: ["repository:a/b:push,pull", "repository:c:pull", "registry:catalog:*"]
      })
      expect(service.seen[0]?.url).toBe(
        "https://auth.example.com/token?scope=repository%3Aa%2Fb%3Apush%2Cpull&scope=repository%3Ac%3Apull&scope=registry%3Acatalog%3A%2A&service=svc&x=a%2Fb+c"
      )
    })
  )
  it.effect("names no service when the challenge names none, and no scope when there is none", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      yield* exchange(service, { challenge: Challenge.make("Bearer", { realm: "https://auth.example.com/token" }), scopes: [] })
      expect(service.seen[0]?.url).toBe("https://auth.example.com/token")
    })
  )
  it.effect("sends no half of a pair", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      yield* exchange(service, { credentials: Credentials.basic("", "") })
      yield* exchange(service, { credentials: Credentials.basic("user", "") })
      expect(service.seen.map((_) => _.authorization)).toEqual([undefined, undefined])
      expect(service.seen.some((_) => _.url.includes("account"))).toBe(false)
    })
  )
})

describe("identity tokens", () => {
  const withPair = Credentials.identityToken("CANARY-identity", { username: "user", password: "s3cret" })
  const bare = Credentials.identityToken("CANARY-identity")
  const notByPost = (status: number, body: string) =>
    TokenService.make(({ method }) => (method === "POST" ? { status, body } : { body: { token: "got" } }))

  it.effect.each([404, 405, 401, 400, 200])("fall back to GET with user and password after %i", (status) =>
    Effect.gen(function* () {
      const service = notByPost(status, "<html>CANARY</html>")
      expect(Redacted.value((yield* exchange(service, { credentials: withPair })).value)).toBe("got")
      expect(service.seen.map((_) => [_.method, _.authorization])).toEqual([
        ["POST", undefined],
        ["GET", basicOf("user", "s3cret")]
      ])
    })
  )
  it.effect.each([404, 405, 200])("fall back to an anonymous GET after %i, which says that there is no POST", (status) =>
    Effect.gen(function* () {
      const service = notByPost(status, "")
      expect(Redacted.value((yield* exchange(service, { credentials: bare })).value)).toBe("got")
      expect(service.seen.map((_) => _.method)).toEqual(["POST", "GET"])
    })
  )
  const compressed = { "content-encoding": "gzip" }
  it.effect.each<[string, TokenService.Reply]>([
    ["long", { body: "<html>".repeat(12_000) }],
    ["compressed", { headers: compressed, body: "<html>" }]
  ])("fall back to GET after a 404 with a %s page", ([, page]) =>
    Effect.gen(function* () {
      const service = TokenService.make(({ method }) => (method === "POST" ? { status: 404, ...page } : { body: { token: "got" } }))
      expect(Redacted.value((yield* exchange(service, { credentials: withPair })).value)).toBe("got")
      expect(service.seen.map((_) => _.method)).toEqual(["POST", "GET"])
    })
  )
  it.effect.each([401, 400, 403, 500, 429])("do not fall back to an anonymous GET after %i", (status) =>
    Effect.gen(function* () {
      const service = notByPost(status, "")
      const error = yield* Effect.flip(exchange(service, { credentials: bare }))
      expect("status" in error && error.status).toBe(status)
      expect(service.seen.map((_) => _.method)).toEqual(["POST"])
    })
  )
  it.effect("are not posted on to another host", () =>
    Effect.gen(function* () {
      const service = TokenService.make((request) =>
        request.url.startsWith("https://auth.")
          ? { status: 307, headers: { location: "https://evil.example.com/token" } }
          : { body: { token: "got" } }
      )
      const error = yield* Effect.flip(exchange(service, { credentials: bare }))
      expect(error._tag).toBe("RedirectRefused")
      expect(service.seen).toHaveLength(1)
    })
  )
})

describe("several scopes", () => {
  const scopes = ["repository:a/b:push,pull", "repository:private:pull"]

  it.effect.each([400, 401, 403])("are given up for the first one after %i", (status) =>
    Effect.gen(function* () {
      const service = TokenService.make(({ url }) => (url.includes("private") ? { status } : { body: { token: "narrow" } }))
      const token = yield* exchange(service, { scopes, credentials: user })
      expect(Redacted.value(token.value)).toBe("narrow")
      expect(token.scopes).toEqual(["repository:a/b:push,pull"])
      expect(service.seen).toHaveLength(2)
    })
  )
  it.effect("are tried once only, and not when the service is out of order", () =>
    Effect.gen(function* () {
      const refused = TokenService.make(() => ({ status: 403 }))
      expect((yield* Effect.flip(exchange(refused, { scopes })))._tag).toBe("Denied")
      expect(refused.seen).toHaveLength(2)
      const broken = TokenService.make(() => ({ status: 503 }))
      expect((yield* Effect.flip(exchange(broken, { scopes })))._tag).toBe("TokenExchangeError")
      expect(broken.seen).toHaveLength(1)
    })
  )
})

describe("refusals", () => {
  const answers: ReadonlyArray<[number, unknown, string, boolean]> = [
    [401, { details: "incorrect username or password" }, "Unauthorized", false],
    [401, { errors: [{ code: "UNAUTHORIZED", message: "no" }] }, "Unauthorized", false],
    [403, "", "Denied", false],
    [401, { errors: [{ code: "DENIED", message: "no" }] }, "Denied", false],
    [429, "slow down", "TooManyRequests", true],
    [500, "", "TokenExchangeError", true],
    [503, { errors: [{ code: "UNAVAILABLE", message: "later" }] }, "TokenExchangeError", true],
    [404, "<html>", "TokenExchangeError", false],
    [403, { errors: [{ code: "NAME_UNKNOWN", message: "what" }] }, "TokenExchangeError", false],
    [204, "", "TokenExchangeError", false],
    [200, "<html>", "TokenExchangeError", false]
  ]
  it.effect.each([...answers])("%i %j is %s", ([status, body, tag, retryable]) =>
    Effect.gen(function* () {
      const service = TokenService.make(() => ({ status, body }))
      const error = yield* Effect.flip(exchange(service, { credentials: user }))
      expect(error._tag).toBe(tag)
      expect(RegistryError.isRetryable(error)).toBe(retryable)
    })
  )
  it.effect.each<[number, string, boolean]>([
    [401, "Unauthorized", false],
    [403, "Denied", false],
    [404, "TokenExchangeError", false],
    [429, "TooManyRequests", true],
    [503, "TokenExchangeError", true]
  ])("%i with a page that is not read to its end is %s", ([status, tag, retryable]) =>
    Effect.gen(function* () {
      for (const page of [{ body: "<html>".repeat(12_000) }, { headers: { "content-encoding": "gzip" }, body: "<html>" }]) {
        const error = yield* Effect.flip(exchange(TokenService.make(() => ({ status, ...page }))))
        expect(error).toMatchObject({ _tag: tag, status })
        expect(RegistryError.isRetryable(error)).toBe(retryable)
      }
    })
  )
  it.effect("repeat no more than the start of a page", () =>
    Effect.gen(function* () {
      const page = `busy ${"word ".repeat(10_000)}`
      const error = yield* Effect.flip(exchange(TokenService.make(() => ({ status: 503, body: page }))))
      expect(error._tag === "TokenExchangeError" && error.reason).toBe(page.slice(0, 300))
    })
  )
  it.effect("say where and what", () =>
    Effect.gen(function* () {
      const service = TokenService.make(() => ({ status: 401, body: { details: "incorrect username or password" } }))
      const error = yield* Effect.flip(exchange(service, { credentials: user }))
      expect(error).toMatchObject({
        operation: "token",
        registry: "registry.example.com",
        repository: "a/b",
        url: "https://auth.example.com/token"
      })
      expect(error.message).toContain("incorrect username or password")
    })
  )
  it.effect("tell how long to wait", () =>
    Effect.gen(function* () {
      const service = TokenService.make(() => ({ status: 429, headers: { "retry-after": "7" } }))
      const error = yield* Effect.flip(exchange(service))
      expect(error._tag === "TooManyRequests" && error.message).toContain("retry after 7s")
      const busy = TokenService.make(() => ({ status: 503, headers: { "retry-after": "7" }, body: "busy" }))
      const later = yield* Effect.flip(exchange(busy))
      expect(later._tag === "TokenExchangeError" && later.retryAfter).toEqual(Duration.seconds(7))
      expect(later.message).toContain("busy (retry after 7s)")
    })
  )
  it.effect("show no secret, even one the service repeats", () =>
    Effect.gen(function* () {
      const credentials = [
        Credentials.basic("user", "CANARY pass/word"),
        Credentials.identityToken("CANARY ident/ity", { username: "user", password: "CANARY pass/word" })
      ]
      for (const status of [200, 400, 401, 403, 404, 429, 500]) {
        for (const each of credentials) {
          const service = TokenService.make((request) => ({
            status,
            body: `${request.url} ${request.authorization} ${request.body} ${secretsOf(each).join(" ")}`
          }))
          const error = yield* Effect.flip(exchange(service, { credentials: each }))
          const shown = `${inspect(error, { depth: 9 })} ${JSON.stringify(error)} ${error.message} ${error}`
          expect(shown).not.toContain("CANARY")
          expect(shown).not.toContain(Encoding.encodeBase64("user:CANARY pass/word"))
        }
      }
    })
  )
  it.effect("stop reading at 64 KiB", () =>
    Effect.gen(function* () {
      const service = TokenService.make(() => ({ body: { token: "t".repeat(64 * 1024) } }))
      expect((yield* Effect.flip(exchange(service)))._tag).toBe("LimitExceeded")
    })
  )
})

describe("realms", () => {
  it.effect.each([Credentials.anonymous, user, Credentials.identityToken("t")])(
    "are not asked when they may not be: $_tag",
    (credentials) =>
      Effect.gen(function* () {
        const service = TokenService.counting()
        const error = yield* Effect.flip(
          exchange(service, { credentials, challenge: bearer({ realm: "https://169.254.169.254/token?CANARY" }) })
        )
        expect(error).toMatchObject({ _tag: "InsecureRealm", realm: "https://169.254.169.254/token" })
        expect(service.seen).toEqual([])
      })
  )
  it.effect("must be named", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const error = yield* Effect.flip(exchange(service, { challenge: Challenge.make("Bearer", { service: "svc" }) }))
      expect(error._tag).toBe("ChallengeError")
    })
  )
  it.effect("may redirect, and the password stays behind", () =>
    Effect.gen(function* () {
      const service = TokenService.make((request) =>
        request.url.startsWith("https://auth.")
          ? { status: 302, headers: { location: "https://other.example.com/token" } }
          : { body: { token: "t" } }
      )
      yield* exchange(service, { credentials: user })
      expect(service.seen.map((_) => _.authorization)).toEqual([basicOf("user", "s3cret"), undefined])
    })
  )
  it.effect("may not redirect inside", () =>
    Effect.gen(function* () {
      const service = TokenService.make(() => ({ status: 302, headers: { location: "https://10.0.0.1/token" } }))
      expect((yield* Effect.flip(exchange(service)))._tag).toBe("RedirectRefused")
      expect(service.seen).toHaveLength(1)
    })
  )
})

describe("registry tokens", () => {
  it.effect("are not exchanged", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const token = yield* exchange(service, { credentials: Credentials.registryToken("mine") })
      expect(Redacted.value(token.value)).toBe("mine")
      expect(service.seen).toEqual([])
    })
  )
})
