import * as HttpBody from "@effect/platform/HttpBody"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import { NameResolver } from "../../src/http/internal/addressPolicy.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import { during, execute, repository, statusOf } from "./requests.ts"

const users = { ada: { password: "lovelace" } }
const keychain = Keychain.layer({ "registry.test": Credentials.basic("ada", "lovelace") })
const bearer = (options: Partial<RegistryOptions.BearerAuth> = {}) => ({
  "registry.test": { auth: RegistryOptions.bearer({ users, ...options }) }
})
const basic = { "registry.test": { auth: RegistryOptions.basic({ users }) } }

const seed = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.seedImage(repository, { tag: "latest" }))

const asked = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
  Effect.map(registry.allRequests, (requests) =>
    requests.map(
      ({ method, endpoint, headers, status }) => `${method} ${endpoint} ${headers["authorization"]?.split(" ")[0] ?? "-"} ${status}`
    )
  )
)

describe("authentication", () => {
  it.effect("fetches a token once and sends it before being asked", () =>
    Effect.gen(function* () {
      yield* seed
      expect([yield* statusOf(), yield* statusOf({ method: "HEAD" })]).toEqual([200, 200])
      expect(yield* asked).toEqual(["GET base - 401", "GET token Basic 200", "GET manifest Bearer 200", "HEAD manifest Bearer 200"])
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer(), keychain })))
  )

  it.effect("works without credentials where tokens are for everyone", () =>
    Effect.gen(function* () {
      yield* seed
      expect(yield* statusOf()).toBe(200)
      expect(yield* asked).toEqual(["GET base - 401", "GET token - 200", "GET manifest Bearer 200"])
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer({ anonymous: ["repository:*:pull"] }) })))
  )

  it.effect("sends Basic to who asks for Basic", () =>
    Effect.gen(function* () {
      yield* seed
      expect(yield* statusOf()).toBe(200)
      expect(yield* asked).toEqual(["GET base - 401", "GET manifest Basic 200"])
    }).pipe(Effect.provide(Registries.layer({ hosts: basic, keychain })))
  )

  it.effect("gives the 401 of a registry for which there are no credentials", () =>
    Effect.gen(function* () {
      yield* seed
      const error = yield* Effect.scoped(Effect.flatMap(execute(), (response) => Effect.flip(response.fail(["Unauthorized", "Denied"]))))
      expect(error).toMatchObject({ _tag: "Unauthorized", status: 401, registry: "registry.test", repository })
      expect(yield* asked).toEqual(["GET base - 401", "GET manifest - 401"])
    }).pipe(Effect.provide(Registries.layer({ hosts: basic })))
  )

  it.effect("answers a 401 on a registry whose ping asked for nothing", () =>
    Effect.gen(function* () {
      yield* seed
      expect(yield* statusOf()).toBe(200)
      expect(yield* asked).toEqual(["GET manifest - 401", "GET token Basic 200", "GET manifest Bearer 200"])
    }).pipe(
      Effect.provide(Registries.layer({ hosts: bearer(), keychain, rules: [{ match: { path: /\/v2\/$/ }, fault: Fault.respond(200) }] }))
    )
  )

  it.effect("gets a new token for one that does not count any more, once", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seed
      yield* statusOf()
      yield* registry.revokeTokens
      yield* registry.clearRequests
      expect(yield* statusOf()).toBe(200)
      expect(yield* asked).toEqual(["GET manifest Bearer 401", "GET token Basic 200", "GET manifest Bearer 200"])
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer(), keychain })))
  )

  it.effect("gets a new token as often as one that was taken does not count any more, be it within a second", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seed
      const statuses = yield* Effect.forEach([1, 2, 3, 4], () => Effect.zipLeft(statusOf(), registry.revokeTokens))
      expect(statuses).toEqual([200, 200, 200, 200])
      expect((yield* registry.requestCounts)["GET token"]).toBe(4)
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer(), keychain })))
  )

  it.effect("does not go on for ever with a registry that believes no token", () =>
    Effect.gen(function* () {
      yield* seed
      expect(yield* statusOf()).toBe(401)
      const requests = yield* asked
      expect(requests.filter((line) => line.startsWith("GET manifest")).length).toBe(2)
      expect(requests.filter((line) => line.startsWith("GET token")).length).toBe(2)
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer({ misbehavior: { worthlessToken: true } }), keychain })))
  )

  it.effect("a token that ends between two requests is replaced before the second", () =>
    Effect.gen(function* () {
      yield* seed
      yield* statusOf()
      yield* TestClock.adjust("10 minutes")
      expect(yield* statusOf()).toBe(200)
      expect((yield* asked).slice(3)).toEqual(["GET token Basic 200", "GET manifest Bearer 200"])
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer({ expiresIn: "5 minutes" }), keychain })))
  )

  it.effect("a token that ends within the minute is replaced when it was refused, and from then on before", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seed
      yield* statusOf()
      const later = Effect.gen(function* () {
        yield* TestClock.adjust("600 millis")
        yield* registry.clearRequests
        expect(yield* statusOf()).toBe(200)
        return yield* asked
      })
      expect(yield* later).toEqual(["GET manifest Bearer 200"])
      expect(yield* later).toEqual(["GET manifest Bearer 401", "GET token Basic 200", "GET manifest Bearer 200"])
      // Half a second is what a request may take on its way.
      for (let time = 0; time < 3; time++) expect(yield* later).toEqual(["GET token Basic 200", "GET manifest Bearer 200"])
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer({ expiresIn: "1 seconds" }), keychain })))
  )

  it.effect("a token that ends on the way is replaced, three times at most", () => {
    const slow = Fault.custom("slow", ({ execute, request }) => Effect.delay(execute(request), "2 seconds"))
    return Effect.gen(function* () {
      yield* seed
      const faults = yield* FaultyHttp.FaultyHttp
      for (const [count, status] of [
        [2, 200],
        [3, 200],
        [4, 401]
      ] as const) {
        yield* faults.setRules([{ match: { path: /manifests/, count }, fault: slow }])
        expect(yield* during("1 minute", statusOf())).toBe(status)
        expect(yield* faults.counts).toEqual([count])
      }
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer({ expiresIn: "1 seconds" }), keychain })))
  })

  it.effect("a token is asked for after the wait for a pause, not before", () =>
    Effect.gen(function* () {
      yield* seed
      expect(yield* during("10 minutes", statusOf())).toBe(200)
      expect((yield* asked).slice(-2)).toEqual(["GET token Basic 200", "GET manifest Bearer 200"])
    }).pipe(
      Effect.provide(
        Registries.layer({
          hosts: bearer({ expiresIn: "2 minutes" }),
          keychain,
          rules: [{ match: { path: /manifests/, count: 1 }, fault: Fault.tooManyRequests(240) }]
        })
      )
    )
  )

  it.effect("asks for the scope that was missing, together with the one it had", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seed
      expect(yield* statusOf({ scopes: ["repository:acme/other:pull"] })).toBe(200)
      const tokens = (yield* registry.requests)
        .filter(({ endpoint }) => endpoint === "token")
        .map(({ query }) => new URLSearchParams(query))
      expect(tokens.map((query) => query.getAll("scope"))).toEqual([
        ["repository:acme/other:pull"],
        [`repository:${repository}:pull`, "repository:acme/other:pull"]
      ])
      yield* registry.clearRequests
      expect(yield* statusOf({ scopes: ["repository:acme/other:pull"] })).toBe(200)
      expect(yield* asked).toEqual(["GET manifest Bearer 200"])
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer(), keychain })))
  )

  it.effect("sends a body again after a 401, and one that cannot be made again not", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const { bytes } = yield* seed
      const body = HttpBody.uint8Array(bytes, "application/vnd.oci.image.manifest.v1+json")
      const put = { method: "PUT" as const, scopes: [`repository:${repository}:pull,push`], body }
      yield* statusOf(put)
      yield* registry.revokeTokens
      yield* registry.clearRequests
      expect(yield* statusOf({ ...put, replayable: false })).toBe(401)
      expect(yield* asked).toEqual(["PUT manifest Bearer 401", "GET token Basic 200"])
      // The token is there for whoever comes next, the caller perhaps.
      expect(yield* statusOf({ ...put, replayable: false })).toBe(201)
      // A token that is refused within a minute of its making is not replaced.
      yield* TestClock.adjust("2 minutes")
      yield* registry.revokeTokens
      yield* registry.clearRequests
      expect(yield* statusOf(put)).toBe(201)
      expect((yield* registry.requests).filter(({ method }) => method === "PUT").map(({ status }) => status)).toEqual([401, 201])
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer(), keychain })))
  )

  it.effect("a Bearer challenge says what is wrong with the token", () =>
    Effect.gen(function* () {
      yield* seed
      const failure = Effect.scoped(
        Effect.flatMap(execute({ replayable: false }), (response) => Effect.flip(response.fail(["Unauthorized", "Denied"])))
      )
      const faults = yield* FaultyHttp.FaultyHttp
      const challenged = (error: string, status = 401) =>
        faults.setRules([
          {
            match: { path: /manifests/ },
            fault: Fault.respond(status, {
              "www-authenticate": `Bearer realm="https://registry.test/token",error="${error}",error_description="so it is"`
            })
          }
        ])
      yield* challenged("insufficient_scope")
      expect(yield* failure).toMatchObject({ _tag: "Denied", status: 401, diagnostics: [{ code: "DENIED", message: "so it is" }] })
      yield* challenged("invalid_token", 400)
      expect(yield* failure).toMatchObject({
        _tag: "Unauthorized",
        status: 400,
        diagnostics: [{ code: "UNAUTHORIZED", message: "so it is" }]
      })
      yield* challenged("invalid_token", 500)
      expect(yield* failure).toMatchObject({ _tag: "UnknownRegistryError", diagnostics: [] })
    }).pipe(Effect.provide(Registries.layer({ hosts: bearer(), keychain, retry: { statuses: [] } })))
  )

  describe("other origins", () => {
    const hosts = { ...bearer(), "files.test": {}, "registry.test:444": {} }

    it.effect("get no credentials by absolute URL, the registry itself does", () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        yield* seed
        const path = `/v2/${repository}/manifests/latest`
        for (const origin of ["https://files.test", "https://registry.test:444", "https://registry.test"]) {
          yield* statusOf({ path: `${origin}${path}` })
        }
        const requests = (yield* registry.allRequests).filter(({ endpoint }) => endpoint === "manifest")
        expect(requests.map(({ scheme, host, headers }) => [`${scheme}://${host}`, "authorization" in headers])).toEqual([
          ["https://files.test", false],
          ["https://registry.test:444", false],
          ["https://registry.test", true]
        ])
      }).pipe(Effect.provide(Registries.layer({ hosts, keychain })))
    )

    it.effect("are not asked where a redirect would not be followed to", () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        const refusals = {
          "http://registry.test": "from https to http",
          "https://10.0.0.1": "10.0.0.1 is a private address",
          "https://files.test": "files.test is a link-local address"
        }
        for (const [origin, reason] of Object.entries(refusals)) {
          const error = yield* Effect.flip(statusOf({ path: `${origin}/v2/x?signature=1` }))
          expect(error).toMatchObject({ _tag: "RedirectRefused", target: `${origin}/v2/x`, reason })
        }
        expect((yield* registry.allRequests).map(({ endpoint }) => endpoint)).toEqual(["base"])
      }).pipe(
        Effect.provide(Registries.layer({ hosts, keychain })),
        Effect.provideService(NameResolver, { resolve: (host) => Effect.succeed(host === "files.test" ? ["169.254.169.254"] : []) })
      )
    )

    it.effect("and their 401 is not answered", () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        expect(yield* statusOf({ path: "https://secret.test/v2/x/manifests/1" })).toBe(401)
        expect((yield* registry.at("secret.test").requests).map(({ endpoint }) => endpoint)).toEqual(["manifest"])
      }).pipe(
        Effect.provide(Registries.layer({ hosts: { ...bearer(), "secret.test": { auth: RegistryOptions.bearer({ users }) } }, keychain }))
      )
    )

    it.effect("are reached by redirect without credentials", () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        yield* seed
        yield* registry.at("files.test").seedImage(repository, { tag: "latest" })
        expect(yield* statusOf()).toBe(200)
        const [request] = yield* registry.at("files.test").requests
        expect(request?.query).toBe("?X-Signature=a%2Fb+c")
        expect(request?.headers["authorization"]).toBeUndefined()
      }).pipe(
        Effect.provide(
          Registries.layer({
            hosts,
            keychain,
            rules: [
              {
                match: { host: "registry.test", path: /manifests/ },
                fault: Fault.redirect((url) => `https://files.test${url.pathname}?X-Signature=a%2Fb+c`)
              }
            ]
          })
        )
      )
    )
  })

  describe("plain http", () => {
    const hosts = (host: string) => ({ [host]: { schemes: ["http" as const], auth: RegistryOptions.basic({ users }) } })
    const chain = (host: string) => Keychain.layer({ [host]: Credentials.basic("ada", "lovelace") })

    it.effect("as a fall-back gets no credentials, except on this machine", () =>
      Effect.gen(function* () {
        for (const [registry, status] of [
          ["192.168.7.7:5000", 401],
          ["localhost:5000", 404],
          ["127.0.0.1:5000", 404]
        ] as const) {
          const layer = Registries.layer({ hosts: hosts(registry), keychain: chain(registry) })
          expect(yield* Effect.provide(statusOf({ registry }), layer)).toBe(status)
        }
      })
    )

    it.effect("that was asked for gets them", () =>
      Effect.gen(function* () {
        const registry = "192.168.7.7:5000"
        const layer = Registries.layer({ hosts: hosts(registry), keychain: chain(registry), settings: { [registry]: { scheme: "http" } } })
        expect(yield* Effect.provide(statusOf({ registry }), layer)).toBe(404)
      })
    )
  })

  describe("token", () => {
    const token = (registry: string) =>
      Effect.flatMap(RegistryTransport.RegistryTransport, (transport) =>
        transport.token({ registry, repository }, [`repository:${repository}:pull`])
      )

    it.effect("is given, and the same one serves requests", () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        yield* seed
        const given = yield* Effect.flatMap(token("registry.test"), (_) => _)
        expect(given.scopes).toEqual([`repository:${repository}:pull`])
        yield* statusOf()
        const last = (yield* registry.requests).at(-1)
        expect(last?.headers["authorization"]).toBe(`Bearer ${Redacted.value(given.value)}`)
        expect((yield* registry.requestCounts)["GET token"]).toBe(1)
      }).pipe(Effect.provide(Registries.layer({ hosts: bearer(), keychain })))
    )

    it.effect("is none where none is asked for", () =>
      Effect.gen(function* () {
        expect(yield* token("registry.test")).toEqual(Option.none())
        expect(yield* token("basic.test")).toEqual(Option.none())
      }).pipe(
        Effect.provide(
          Registries.layer({ hosts: { "registry.test": {}, "basic.test": { auth: RegistryOptions.basic({ users }) } }, keychain })
        )
      )
    )

    it.effect("is refused to wrong credentials", () =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(token("registry.test"))).toMatchObject({ _tag: "Unauthorized", operation: "token" })
      }).pipe(
        Effect.provide(
          Registries.layer({ hosts: bearer(), keychain: Keychain.layer({ "registry.test": Credentials.basic("ada", "wrong") }) })
        )
      )
    )
  })
})
