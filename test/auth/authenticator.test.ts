import { inspect } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import * as Challenge from "../../src/auth/Challenge.ts"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Authenticator from "../../src/auth/internal/authenticator.ts"
import * as TokenCache from "../../src/auth/TokenCache.ts"
import { KeychainError } from "../../src/model/RegistryError.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"
import * as TokenService from "./tokenService.ts"

const registry = "registry.example.com"
const bearer = (parameters: Record<string, string> = {}) =>
  Challenge.make("Bearer", { realm: "https://auth.example.com/token", service: "svc", ...parameters })
const basic = Challenge.make("Basic", { realm: "registry" })
const user = Credentials.basic("user", "s3cret")
const userHeader = `Basic ${Encoding.encodeBase64("user:s3cret")}`

const need = (...scopes: ReadonlyArray<string>): Authenticator.Need => ({
  repository: "a/b",
  scopes: scopes.length === 0 ? ["repository:a/b:pull"] : scopes,
  context: TokenService.context
})

const make = (
  service: ReturnType<typeof TokenService.make>,
  options: Partial<Authenticator.Options> & { readonly credentials?: Credentials.Credentials } = {}
) =>
  Effect.gen(function* () {
    const tokenCache = yield* TokenCache.make()
    return yield* Authenticator.make({
      registry,
      origin: `https://${registry}`,
      plainHttp: false,
      challenges: [bearer()],
      keychain: { resolve: () => Effect.succeed(options.credentials ?? Credentials.anonymous) },
      tokenCache,
      wire: service.wire,
      ...options
    })
  })

const text = (header: Option.Option<Redacted.Redacted>) => Option.getOrUndefined(Option.map(header, Redacted.value))
const sent = (header: string) => Option.some(Redacted.make(header))
const nothing = Option.none<Redacted.Redacted>()
const scopesOf = (url: string | undefined) => new URL(url ?? "").searchParams.getAll("scope")

describe("basic-authorization-header", () => {
  const Fields = Schema.Struct({
    username: Schema.optional(Schema.String),
    password: Schema.optional(Schema.String),
    registryToken: Schema.optional(Schema.String),
    auth: Schema.optional(Schema.String)
  })
  const rows = load(
    "basic-authorization-header",
    Schema.Struct({ input: Schema.Union(Schema.Literal("anonymous"), Fields), expected: Schema.NullOr(Schema.String) })
  )
  type Row = (typeof rows)[number]

  const credentialsOf = ({ input }: Row): Credentials.Credentials => {
    if (input === "anonymous") return Credentials.anonymous
    if (input.registryToken !== undefined) return Credentials.registryToken(input.registryToken)
    return input.username === undefined ? Credentials.anonymous : Credentials.basic(input.username, input.password ?? "")
  }
  const deviations: ReadonlyArray<Deviation<Row>> = [
    {
      name: "auth is read with the configuration",
      reason: "it becomes user and password there; credentials never hold a header in the making, so text that is no pair is not sent",
      applies: ({ input }) =>
        typeof input === "object" && input.auth !== undefined && input.registryToken === undefined && !(input.username && input.password)
    }
  ]

  it.scoped.each([...rows])("$input", (row) =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const authenticator = yield* make(service, { challenges: [basic], credentials: credentialsOf(row) })
      const header = text(yield* authenticator.authorize(need()))
      expect(header ?? null).toBe(deviation(deviations, row) === undefined ? row.expected : null)
      expect(service.seen).toEqual([])
    })
  )
})

describe("token-requests, the rows without a token service", () => {
  const Asked = Schema.Struct({
    name: Schema.String,
    input: Schema.Struct({
      wwwAuthenticate: Schema.String,
      credentials: Schema.Struct({ username: Schema.String, password: Schema.String })
    }),
    expected: Schema.Struct({ authorization: Schema.String })
  })
  const rows = load("token-requests", Schema.Union(Asked, Schema.Struct({ name: Schema.String })))

  it.scoped.each(rows.filter((row) => "input" in row))("$name", ({ input, expected }) =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const credentials = Credentials.basic(input.credentials.username, input.credentials.password)
      const authenticator = yield* make(service, { challenges: Challenge.parse([input.wwwAuthenticate]), credentials })
      expect(text(yield* authenticator.authorize(need()))).toBe(expected.authorization)
      expect(service.seen).toEqual([])
    })
  )
})

describe("registry-token-passthrough", () => {
  const rows = load(
    "registry-token-passthrough",
    Schema.Struct({
      input: Schema.Struct({
        registryToken: Schema.String,
        wwwAuthenticate: Schema.optional(Schema.String),
        redirect: Schema.optional(Schema.String)
      }),
      expectedTokenReachesRegistry: Schema.optional(Schema.Boolean),
      expectedTokenReachesOtherHost: Schema.optional(Schema.Boolean)
    })
  )

  it.scoped.each([...rows])("$input", (row) =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const challenges = Challenge.parse([row.input.wwwAuthenticate ?? 'Bearer realm="foorealm"'])
      const authenticator = yield* make(service, { challenges, credentials: Credentials.registryToken(row.input.registryToken) })
      const header = `Bearer ${row.input.registryToken}`
      if (row.expectedTokenReachesRegistry !== undefined) {
        expect(text(yield* authenticator.authorize(need())) === header).toBe(row.expectedTokenReachesRegistry)
        expect(text(yield* authenticator.answer(need(), challenges, nothing)) === header).toBe(row.expectedTokenReachesRegistry)
      }
      if (row.expectedTokenReachesOtherHost !== undefined) {
        const answer = yield* authenticator.answer(need(), challenges, nothing, "https://elsewhere.example.com")
        expect(text(answer) === header).toBe(row.expectedTokenReachesOtherHost)
      }
      expect(service.seen).toEqual([])
    })
  )
})

describe("authorize", () => {
  it.scoped("sends nothing while nothing was asked for, and does not look for credentials", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const keychain = { resolve: () => Effect.fail(new KeychainError({ source: "test", reason: "asked" })) }
      const authenticator = yield* make(service, { challenges: [], keychain })
      expect(yield* authenticator.authorize(need())).toEqual(nothing)
      expect(yield* authenticator.authorize({ ...need(), repository: undefined })).toEqual(nothing)
    })
  )
  it.scoped("asks the keychain for the registry and the repository", () =>
    Effect.gen(function* () {
      const asked: Array<unknown> = []
      const keychain = {
        resolve: (resource: unknown) =>
          Effect.as(
            Effect.sync(() => asked.push(resource)),
            user
          )
      }
      const authenticator = yield* make(TokenService.counting(), { keychain })
      yield* authenticator.authorize(need())
      expect(asked).toEqual([{ registry, repository: "a/b" }])
    })
  )
  it.scoped("calls the keychain as it is run, and dies with what that throws", () =>
    Effect.gen(function* () {
      const keychain = {
        resolve: () => {
          throw new Error("no")
        }
      }
      const authenticator = yield* make(TokenService.counting(), { keychain })
      const authorize = authenticator.authorize(need())
      expect(yield* Effect.exit(authorize)).toEqual(Exit.die(new Error("no")))
    })
  )
  it.scoped("fetches a token once for a thousand requests", () =>
    Effect.gen(function* () {
      const service = TokenService.make((_, count) => Effect.delay(Effect.succeed({ body: { token: `token-${count}` } }), "1 second"))
      const authenticator = yield* make(service, { credentials: user })
      const all = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 1000 }, () => authenticator.authorize(need())),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      expect(new Set((yield* Fiber.join(all)).map(text))).toEqual(new Set(["Bearer token-1"]))
      expect(service.seen).toHaveLength(1)
    })
  )
  it.scoped("survives the interruption of the request that came first", () =>
    Effect.gen(function* () {
      const service = TokenService.make((_, count) => Effect.delay(Effect.succeed({ body: { token: `token-${count}` } }), "1 second"))
      const authenticator = yield* make(service)
      const first = yield* Effect.fork(authenticator.authorize(need()))
      yield* TestClock.adjust("100 millis")
      const second = yield* Effect.fork(authenticator.authorize(need()))
      yield* TestClock.adjust("100 millis")
      expect(Exit.isInterrupted(yield* Fiber.interrupt(first))).toBe(true)
      yield* TestClock.adjust("800 millis")
      expect(text(yield* Fiber.join(second))).toBe("Bearer token-1")
      expect(service.seen).toHaveLength(1)
    })
  )
  it.scoped("fetches the next token before the last one ends", () =>
    Effect.gen(function* () {
      const service = TokenService.counting({ expires_in: 300 })
      const authenticator = yield* make(service)
      const header = Effect.map(authenticator.authorize(need()), text)
      expect(yield* header).toBe("Bearer token-1")
      yield* TestClock.adjust("289 seconds")
      expect(yield* header).toBe("Bearer token-1")
      yield* TestClock.adjust("2 seconds")
      expect(yield* header).toBe("Bearer token-2")
    })
  )
  it.scoped("tells a failing token service", () =>
    Effect.gen(function* () {
      const service = TokenService.make((_, count) => (count === 1 ? { status: 401 } : { body: { token: "t" } }))
      const authenticator = yield* make(service, { credentials: user })
      expect((yield* Effect.flip(authenticator.authorize(need())))._tag).toBe("Unauthorized")
      expect(text(yield* authenticator.authorize(need()))).toBe("Bearer t")
    })
  )
  it.scoped("tells a Bearer challenge that cannot be answered", () =>
    Effect.gen(function* () {
      const authenticator = yield* make(TokenService.counting(), { challenges: [Challenge.make("Bearer", { service: "s" })] })
      expect(yield* Effect.flip(authenticator.authorize(need()))).toMatchObject({ _tag: "ChallengeError", operation: "getManifest" })
    })
  )
  it.scoped("gives no credentials to plain http without leave, and does with it", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const http = { origin: `http://${registry}`, credentials: user }
      const refused = yield* make(service, { ...http, challenges: [basic] })
      expect(yield* refused.authorize(need())).toEqual(nothing)
      expect(yield* refused.answer(need(), [basic], nothing)).toEqual(nothing)
      const anonymous = yield* make(service, http)
      expect(text(yield* anonymous.authorize(need()))).toBe("Bearer token-1")
      expect(service.seen[0]?.authorization).toBeUndefined()
      const allowed = yield* make(service, { ...http, plainHttp: true, challenges: [basic] })
      expect(text(yield* allowed.authorize(need()))).toBe(userHeader)
    })
  )
  it.scoped("refuses a realm that changes once credentials went to the first", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const evil = bearer({ realm: "https://evil.example.com/token" })
      const authenticator = yield* make(service, { credentials: user })
      const header = yield* authenticator.authorize(need())
      expect(yield* Effect.flip(authenticator.answer(need(), [evil], header))).toMatchObject({
        _tag: "InsecureRealm",
        realm: "https://evil.example.com/token"
      })
      expect(service.seen.map((_) => new URL(_.url).host)).toEqual(["auth.example.com"])
      const trusting = yield* make(service, { credentials: user, trustedRealms: ["evil.example.com"] })
      const before = yield* trusting.authorize(need())
      expect(Option.isSome(yield* trusting.answer(need(), [evil], before))).toBe(true)
    })
  )
})

describe("token", () => {
  it.scoped("is the one authorize sends", () =>
    Effect.gen(function* () {
      const authenticator = yield* make(TokenService.counting())
      const token = yield* authenticator.token(need())
      expect(Option.map(token, (_) => Redacted.value(_.value))).toEqual(Option.some("token-1"))
      expect(text(yield* authenticator.authorize(need()))).toBe("Bearer token-1")
    })
  )
  it.scoped("is none where the registry asks for Basic", () =>
    Effect.gen(function* () {
      const authenticator = yield* make(TokenService.counting(), { challenges: [basic], credentials: user })
      expect(yield* authenticator.token(need())).toEqual(Option.none())
    })
  )
})

describe("answer", () => {
  it.scoped("learns the challenge that the ping did not show", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const authenticator = yield* make(service, { challenges: [] })
      expect(text(yield* authenticator.answer(need(), [bearer()], nothing))).toBe("Bearer token-1")
      expect(text(yield* authenticator.authorize(need()))).toBe("Bearer token-1")
      expect(service.seen).toHaveLength(1)
    })
  )
  it.scoped("replaces a rejected token once, then gives up until it has aged", () =>
    Effect.gen(function* () {
      const service = TokenService.counting({ expires_in: 3600 })
      const authenticator = yield* make(service)
      const first = yield* authenticator.authorize(need())
      const second = yield* authenticator.answer(need(), [bearer({ error: "invalid_token" })], first)
      expect(text(second)).toBe("Bearer token-2")
      expect(yield* authenticator.answer(need(), [bearer({ error: "invalid_token" })], second)).toEqual(nothing)
      yield* TestClock.adjust("10 minutes")
      const third = yield* authenticator.authorize(need())
      expect(text(third)).toBe("Bearer token-3")
      yield* TestClock.adjust("10 minutes")
      expect(text(yield* authenticator.answer(need(), [bearer()], third))).toBe("Bearer token-4")
    })
  )
  it.scoped("sends a token once more when the service gives the same one again, as Go does, and not a third time", () =>
    Effect.gen(function* () {
      const service = TokenService.make(() => ({ body: { token: "tok" } }))
      const authenticator = yield* make(service)
      const first = yield* authenticator.authorize(need())
      const second = yield* authenticator.answer(need(), [bearer()], first)
      expect(text(second)).toBe("Bearer tok")
      expect(yield* authenticator.answer(need(), [bearer()], second)).toEqual(nothing)
      expect(service.seen).toHaveLength(2)
    })
  )
  it.scoped("fetches one token for many requests that were rejected together", () =>
    Effect.gen(function* () {
      const service = TokenService.make((_, count) => Effect.delay(Effect.succeed({ body: { token: `token-${count}` } }), "1 second"))
      const authenticator = yield* make(service)
      const starting = yield* Effect.fork(authenticator.authorize(need()))
      yield* TestClock.adjust("1 second")
      const first = yield* Fiber.join(starting)
      const again = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 100 }, () => authenticator.answer(need(), [bearer()], first)),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      expect(new Set((yield* Fiber.join(again)).map(text))).toEqual(new Set(["Bearer token-2"]))
      // One that comes late gets the new token too, and does not throw it away.
      expect(text(yield* authenticator.answer(need(), [bearer()], first))).toBe("Bearer token-2")
      expect(service.seen).toHaveLength(2)
    })
  )
  it.scoped("asks for missing scopes first, remembers them, and widens once", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const authenticator = yield* make(service)
      const first = yield* authenticator.authorize(need())
      const wider = bearer({ error: "insufficient_scope", scope: "repository:other/repo:pull" })
      const second = yield* authenticator.answer(need(), [wider], first)
      expect(scopesOf(service.seen[1]?.url)).toEqual(["repository:other/repo:pull", "repository:a/b:pull"])
      expect(text(yield* authenticator.authorize(need()))).toBe(text(second))
      const widest = bearer({ error: "insufficient_scope", scope: "repository:third/repo:pull" })
      expect(yield* authenticator.answer(need(), [widest], second)).toEqual(nothing)
      expect(service.seen).toHaveLength(2)
    })
  )
  it.scoped("takes all scopes of a challenge, whatever the scheme", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const authenticator = yield* make(service)
      const first = yield* authenticator.authorize(need("repository:a/b:pull"))
      const challenges = Challenge.parse([
        'Odd scope="repository:x:pull", Bearer realm="https://auth.example.com/token",scope="repository:a/b:push repository:y:pull"'
      ])
      yield* authenticator.answer(need("repository:a/b:pull"), challenges, first)
      expect(scopesOf(service.seen[1]?.url)).toEqual(["repository:x:pull", "repository:a/b:push,pull", "repository:y:pull"])
    })
  )
  it.scoped("asks for the registry's own scope alone when the token service looked at one of several only", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const authenticator = yield* make(service)
      const mount = need("repository:a/b:push,pull", "repository:source:pull")
      const first = yield* authenticator.authorize(mount)
      const challenge = bearer({ error: "insufficient_scope", scope: "repository:a/b:pull,push" })
      expect(text(yield* authenticator.answer(mount, [challenge], first))).toBe("Bearer token-2")
      expect(scopesOf(service.seen[1]?.url)).toEqual(["repository:a/b:pull,push"])
    })
  )
  it.scoped("never ends up in a circle, whatever the registry says", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const authenticator = yield* make(service, { credentials: user })
      let header = yield* authenticator.authorize(need())
      let rounds = 0
      while (Option.isSome(header) && rounds < 50) {
        rounds += 1
        header = yield* authenticator.answer(need(), [bearer({ error: "insufficient_scope", scope: `repository:r${rounds}:pull` })], header)
      }
      expect(rounds).toBeLessThanOrEqual(3)
    })
  )
  it.scoped.each([Credentials.anonymous, user, Credentials.identityToken("t"), Credentials.registryToken("t")])(
    "does not answer another host: $_tag",
    (credentials) =>
      Effect.gen(function* () {
        const service = TokenService.counting()
        const authenticator = yield* make(service, { credentials, challenges: [] })
        const evil = bearer({ realm: "https://evil.example.com/token" })
        for (const from of ["https://evil.example.com", `http://${registry}`, `https://${registry}:8443`, "no url"]) {
          expect(yield* authenticator.answer(need(), [evil, basic], nothing, from)).toEqual(nothing)
        }
        expect(yield* authenticator.authorize(need())).toEqual(nothing)
        expect(Option.isSome(yield* authenticator.answer(need(), [bearer()], nothing, `https://${registry.toUpperCase()}:443`))).toBe(true)
      })
  )
  it.scoped("gives no second answer to Basic, and none without user or password", () =>
    Effect.gen(function* () {
      const service = TokenService.counting()
      const authenticator = yield* make(service, { challenges: [], credentials: user })
      expect(text(yield* authenticator.answer(need(), [basic], nothing))).toBe(userHeader)
      expect(yield* authenticator.answer(need(), [basic], sent(userHeader))).toEqual(nothing)
      for (const credentials of [Credentials.anonymous, Credentials.basic("user", ""), Credentials.basic("", "s3cret")]) {
        const without = yield* make(service, { challenges: [], credentials })
        expect(yield* without.answer(need(), [basic], nothing)).toEqual(nothing)
      }
    })
  )
  it.scoped("does not repeat a rejected registry token", () =>
    Effect.gen(function* () {
      const authenticator = yield* make(TokenService.counting(), { credentials: Credentials.registryToken("mine") })
      expect(yield* authenticator.answer(need(), [bearer()], sent("Bearer mine"))).toEqual(nothing)
    })
  )
  it.scoped("gives up without a challenge, and says so when it knows none of the schemes", () =>
    Effect.gen(function* () {
      const authenticator = yield* make(TokenService.counting(), { challenges: [], credentials: user })
      expect(yield* authenticator.answer(need(), [], nothing)).toEqual(nothing)
      const error = yield* Effect.flip(authenticator.answer(need(), Challenge.parse(["Negotiate, Digest"]), nothing))
      expect(error).toMatchObject({ _tag: "ChallengeError" })
      expect(error.message).toContain("negotiate, digest")
    })
  )
  it.scoped("goes on with the known challenge when the new one cannot be read, as Go does", () =>
    Effect.gen(function* () {
      const authenticator = yield* make(TokenService.counting())
      const first = yield* authenticator.authorize(need())
      expect(text(yield* authenticator.answer(need(), Challenge.parse(["scope=foo"]), first))).toBe("Bearer token-2")
    })
  )
})

describe("refresh tokens", () => {
  const grant = (request: TokenService.Seen | undefined) => new URLSearchParams(request?.body).get("refresh_token")

  it.scoped("take the place of the credentials, one after the other", () =>
    Effect.gen(function* () {
      const service = TokenService.make((_, count) => ({ body: { access_token: `token-${count}`, refresh_token: `refresh-${count}` } }))
      const authenticator = yield* make(service, { credentials: Credentials.identityToken("refresh-0") })
      for (const expected of ["refresh-0", "refresh-1", "refresh-2"]) {
        yield* authenticator.authorize(need())
        expect(grant(service.seen.at(-1))).toBe(expected)
        yield* TestClock.adjust("1 minute")
      }
    })
  )
  it.scoped("are dropped for the credentials when they do not work any more", () =>
    Effect.gen(function* () {
      const service = TokenService.make((request, count) =>
        request.method === "POST" ? { status: 403 } : { body: { token: `token-${count}`, refresh_token: "stale" } }
      )
      const authenticator = yield* make(service, { credentials: user })
      yield* authenticator.authorize(need())
      yield* TestClock.adjust("1 minute")
      expect(text(yield* authenticator.authorize(need()))).toBe("Bearer token-3")
      expect(service.seen.map((_) => _.method)).toEqual(["GET", "POST", "GET"])
    })
  )
  it.scoped("are kept by a service that asks for time, which is not asked again before", () =>
    Effect.gen(function* () {
      const service = TokenService.make((_, count) =>
        count === 2 ? { status: 503, headers: { "retry-after": "6" } } : { body: { token: `token-${count}`, refresh_token: "refresh" } }
      )
      const authenticator = yield* make(service, { credentials: user })
      yield* authenticator.authorize(need())
      yield* TestClock.adjust("1 minute")
      expect(yield* Effect.flip(authenticator.authorize(need()))).toMatchObject({ _tag: "TokenExchangeError", status: 503 })
      expect(text(yield* authenticator.authorize(need()))).toBe("Bearer token-3")
      expect(service.seen.map((_) => _.method)).toEqual(["GET", "POST", "POST"])
    })
  )
  it.scoped("of nobody are not kept", () =>
    Effect.gen(function* () {
      const service = TokenService.counting({ refresh_token: "CANARY" })
      const authenticator = yield* make(service)
      yield* authenticator.authorize(need())
      yield* TestClock.adjust("1 minute")
      yield* authenticator.authorize(need())
      expect(service.seen.map((_) => _.method)).toEqual(["GET", "GET"])
    })
  )
})

describe("secrets", () => {
  it.scoped("reach no span and no log", () =>
    Effect.gen(function* () {
      const shown: Array<unknown> = []
      const logger = Logger.make((entry) => shown.push(entry.message, [...HashMap.toEntries(entry.annotations)]))
      const tracer = Tracer.make({
        context: (run) => run(),
        span: (name, parent, context, links, startTime, kind) => {
          const attributes = new Map<string, unknown>()
          shown.push(name, attributes)
          return {
            _tag: "Span",
            spanId: "1",
            traceId: "1",
            sampled: true,
            status: { _tag: "Started", startTime },
            name,
            parent,
            context,
            links,
            kind,
            attributes,
            attribute: (key, value) => attributes.set(key, value),
            event: (event, _, more) => shown.push(event, more),
            addLinks: () => undefined,
            end: (_, exit) => shown.push(exit)
          }
        }
      })
      const credentials = [Credentials.basic("user", "CANARY"), Credentials.identityToken("CANARY"), Credentials.registryToken("CANARY")]
      const service = TokenService.make((_, count) =>
        count % 3 === 0 ? { status: 500, body: "CANARY" } : { body: { token: `CANARY${count}` } }
      )
      const flow = Effect.gen(function* () {
        for (const each of credentials) {
          const authenticator = yield* make(service, { credentials: each })
          const header = yield* Effect.orElseSucceed(authenticator.authorize(need()), () => nothing)
          yield* Effect.ignoreLogged(authenticator.answer(need(), [bearer()], header))
        }
      })
      yield* flow.pipe(
        Effect.withSpan("test"),
        Effect.withTracer(tracer),
        Logger.withMinimumLogLevel(LogLevel.All),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      expect(shown).toContain("test")
      expect(inspect(shown, { depth: 12 })).not.toContain("CANARY")
    })
  )
})
