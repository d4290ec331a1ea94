import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, expectTypeOf, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import type * as RegistryError from "../../src/model/RegistryError.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import * as Traces from "../support/Traces.ts"
import { during, execute, pull, repository, statusOf } from "./requests.ts"

const users = { ada: { password: "lovelace" } }
const keychain = Keychain.layer({ "registry.test": Credentials.basic("ada", "lovelace") })
const secured = { "registry.test": { auth: RegistryOptions.bearer({ users }) } }

const seed = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.seedImage(repository, { tag: "latest" }))

describe("RegistryTransport", () => {
  it("TransportFailure is what can go wrong below an answer, and nothing else", () => {
    expectTypeOf<RegistryTransport.TransportFailure>().toEqualTypeOf<
      | RegistryError.TransportError
      | RegistryError.RedirectRefused
      | RegistryError.LimitExceeded
      | RegistryError.ChallengeError
      | RegistryError.TokenExchangeError
      | RegistryError.KeychainError
      | RegistryError.InsecureRealm
      | RegistryError.Unauthorized
      | RegistryError.Denied
      | RegistryError.TooManyRequests
    >()
    expectTypeOf<Effect.Effect.Context<ReturnType<RegistryTransport.Service["ping"]>>>().toEqualTypeOf<never>()
  })

  it.effect("1,000 parallel requests cost one ping and one token", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seed
      const statuses = yield* Effect.all(
        Array.from({ length: 1000 }, () => statusOf({ method: "HEAD" })),
        { concurrency: "unbounded" }
      )
      expect(new Set(statuses)).toEqual(new Set([200]))
      expect(yield* registry.requestCounts).toEqual({ "GET base": 1, "GET token": 1, "HEAD manifest": 1000 })
    }).pipe(Effect.provide(Registries.layer({ hosts: secured, keychain })))
  )

  it.effect("tells the settings of a host", () =>
    Effect.gen(function* () {
      const transport = yield* RegistryTransport.RegistryTransport
      expect(transport.settings("registry.test")).toMatchObject({ pageSize: 7, concurrency: 16 })
    }).pipe(Effect.provide(Registries.layer({ settings: { "registry.test": { pageSize: 7 } } })))
  )

  describe("user agent", () => {
    const sent = (transport: RegistryTransport.Options | undefined) => {
      const { received, layer } = ScriptedHttp.make(() => ({ status: 200 }))
      return Effect.as(
        Effect.provide(statusOf(), Registries.layerOver(layer, transport === undefined ? {} : { transport })),
        received
      ).pipe(Effect.map((requests) => requests.map(({ headers }) => headers["user-agent"])))
    }

    it.effect("is that of the library, after one's own", () =>
      Effect.gen(function* () {
        expect(yield* sent(undefined)).toEqual(["effect-oci/0.1.0", "effect-oci/0.1.0"])
        expect(yield* sent({ userAgent: "acme/2" })).toEqual(["acme/2 effect-oci/0.1.0", "acme/2 effect-oci/0.1.0"])
      })
    )
  })

  describe("rate limits", () => {
    const limited = (remaining: number) =>
      Fault.changeHeaders({ "ratelimit-limit": "100;w=21600", "ratelimit-remaining": `${remaining};w=21600` })
    const budget = (remaining: number) => ({
      registry: "registry.test",
      limit: 100,
      remaining,
      window: Duration.hours(6),
      reset: undefined
    })
    const rules = [
      { match: { path: /manifests/, count: 1 }, fault: limited(2) },
      { match: { path: /manifests/, count: 1 }, fault: limited(1) }
    ]

    it.effect("are kept as last heard, and told as they are heard", () =>
      Effect.gen(function* () {
        const transport = yield* RegistryTransport.RegistryTransport
        yield* seed
        const heard = yield* Effect.fork(Stream.runCollect(Stream.take(transport.rateLimits, 2)))
        yield* TestClock.adjust("1 millis")
        expect(yield* transport.rateLimit("registry.test")).toEqual(Option.none())
        yield* statusOf()
        expect(yield* transport.rateLimit("registry.test")).toEqual(Option.some(budget(2)))
        yield* statusOf({ method: "HEAD" })
        yield* statusOf({ method: "HEAD" })
        expect(yield* transport.rateLimit("registry.test")).toEqual(Option.some(budget(1)))
        expect(Chunk.toReadonlyArray(yield* Fiber.join(heard))).toEqual([budget(2), budget(1)])
      }).pipe(Effect.provide(Registries.layer({ rules })))
    )

    it.effect("of a storage are not the registry's", () =>
      Effect.gen(function* () {
        const transport = yield* RegistryTransport.RegistryTransport
        yield* statusOf()
        expect(yield* transport.rateLimit("registry.test")).toEqual(Option.none())
      }).pipe(
        Effect.provide(
          Registries.layer({
            rules: [
              { match: { host: "storage.test" }, fault: Fault.respond(200, { "ratelimit-limit": "1", warning: '299 - "storage"' }) },
              { match: { path: /manifests/ }, fault: Fault.redirect("https://storage.test/") }
            ]
          })
        )
      )
    )
  })

  it.effect("tells each warning of a registry once", () =>
    Effect.gen(function* () {
      const transport = yield* RegistryTransport.RegistryTransport
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seed
      const heard = yield* Effect.fork(Stream.runCollect(Stream.take(transport.warnings, 3)))
      yield* TestClock.adjust("1 millis")
      for (let round = 0; round < 5; round++) yield* statusOf()
      yield* registry.update((options) => ({ ...options, warnings: ["old", "new"] }))
      yield* statusOf()
      expect(Chunk.toReadonlyArray(yield* Fiber.join(heard))).toEqual([
        { host: "registry.test", text: "old" },
        { host: "registry.test", text: "older" },
        { host: "registry.test", text: "new" }
      ])
    }).pipe(Effect.provide(Registries.layer({ hosts: { "registry.test": { warnings: ["old", "older"] } } })))
  )

  it.effect("its streams end with it", () =>
    Effect.gen(function* () {
      const streams = yield* Effect.scoped(
        Effect.flatMap(Layer.build(Registries.layer()), (context) =>
          Effect.gen(function* () {
            const transport = yield* RegistryTransport.RegistryTransport
            const fiber = yield* Effect.forkDaemon(
              Effect.zip(Stream.runCollect(transport.warnings), Stream.runCollect(transport.rateLimits))
            )
            yield* TestClock.adjust("1 millis")
            return fiber
          }).pipe(Effect.provide(context))
        )
      )
      const [warnings, rateLimits] = yield* Fiber.join(streams)
      expect([warnings.length, rateLimits.length]).toEqual([0, 0])
    })
  )

  it.effect("spans say where a request went, and nothing that is secret", () => {
    const { spans, layer } = Traces.make()
    return Effect.gen(function* () {
      yield* seed
      yield* statusOf({ path: `/v2/${repository}/manifests/latest?_state=sesame` })
      yield* Effect.either(statusOf({ path: "https://ada:sesame@other.test/x?sig=sesame#sesame" }))
      const told = spans.filter(({ name }) => name.startsWith("http ")).map(({ name, attributes }) => [name, attributes.get("url.full")])
      expect(told).toEqual([
        ["http GET", "https://registry.test/v2/"],
        ["http GET", "https://registry.test/token"],
        ["http GET", `https://registry.test/v2/${repository}/manifests/latest`],
        ["http GET", "https://other.test/x"]
      ])
      const everything = JSON.stringify(spans.map((span) => ({ ...span, attributes: [...span.attributes] })))
      for (const secret of ["sesame", "lovelace", btoa("ada:lovelace"), "access-1"]) expect(everything).not.toContain(secret)
    }).pipe(Effect.provide([Registries.layer({ hosts: secured, keychain, retry: { while: () => false } }), layer]))
  })

  it.effect("sends no trace to registries unless told to", () => {
    const { received, layer } = ScriptedHttp.make(() => ({ status: 200 }))
    const tracing = Traces.make()
    const asked = (transport: RegistryTransport.Options) =>
      Effect.withSpan(statusOf(), "mine").pipe(Effect.provide([Registries.layerOver(layer, { transport }), tracing.layer]))
    return Effect.gen(function* () {
      yield* asked({})
      expect(received.flatMap(({ headers }) => Object.keys(headers)).filter((name) => /trace|b3/.test(name))).toEqual([])
      yield* asked({ propagateTrace: true })
      expect(received.at(-1)?.headers).toHaveProperty("traceparent")
    })
  })

  describe("httpClient", () => {
    const client = Effect.map(RegistryTransport.RegistryTransport, (transport) =>
      transport.httpClient({ registry: "registry.test", repository }, pull)
    )

    it.effect("reaches what the registry has beside the specification, with credentials", () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        const custom: RegistryOptions.Adjustment = {
          name: "custom",
          before: (request) =>
            request.path === "/v2/_custom" && request.headers["authorization"]?.startsWith("Bearer ") === true
              ? Option.some({ status: 200, headers: { "content-type": "application/json" }, body: new TextEncoder().encode('{"a":[1]}') })
              : Option.none()
        }
        yield* registry.update((options) => ({ ...options, adjustments: [custom] }))
        const http = yield* client
        for (const url of ["/v2/_custom", "https://registry.test/v2/_custom"]) {
          const response = yield* http.get(url, { urlParams: { n: "1", q: "a b" } })
          expect([response.status, yield* response.json, yield* response.text]).toEqual([200, { a: [1] }, '{"a":[1]}'])
        }
        const asked = (yield* registry.requests).filter(({ path }) => path === "/v2/_custom")
        expect(asked.map(({ query }) => query)).toEqual(["?n=1&q=a+b", "?n=1&q=a+b"])
      }).pipe(Effect.scoped, Effect.provide(Registries.layer({ hosts: secured, keychain })))
    )

    it.effect("gives the answer with the request as it was made, and without what is secret", () =>
      Effect.gen(function* () {
        yield* seed
        const http = yield* client
        const request = HttpClientRequest.get(`/v2/${repository}/manifests/latest`)
        const response = yield* http.execute(request)
        expect(response.request).toBe(request)
        expect(JSON.stringify(response)).not.toMatch(/access-|authorization/)
        expect(Object.keys(response.headers)).toContain("docker-content-digest")
        expect([response.cookies.toJSON(), response.remoteAddress]).toEqual([
          { _id: "@effect/platform/Cookies", cookies: {} },
          Option.none()
        ])
      }).pipe(Effect.scoped, Effect.provide(Registries.layer({ hosts: secured, keychain })))
    )

    it.effect("streams bodies in and out", () =>
      Effect.gen(function* () {
        const { bytes, manifest } = yield* seed
        const http = yield* client
        const type = "application/vnd.oci.image.manifest.v1+json"
        const stream = Stream.make(bytes.subarray(0, 5), bytes.subarray(5))
        const put = HttpClientRequest.put(`/v2/${repository}/manifests/next`).pipe(
          HttpClientRequest.bodyStream(stream, { contentType: type })
        )
        expect((yield* http.execute(put)).status).toBe(201)
        const again = yield* http.get(`/v2/${repository}/manifests/${manifest.digest}`)
        const chunks = yield* Stream.runCollect(again.stream)
        expect(Chunk.toReadonlyArray(chunks).flatMap((chunk) => [...chunk])).toEqual([...bytes])
        expect((yield* Effect.flip(Stream.runDrain(again.stream))).reason).toBe("Decode")
      }).pipe(Effect.scoped, Effect.provide(Registries.layer()))
    )

    it.effect("retries, and the last answer can be read", () =>
      Effect.gen(function* () {
        const http = yield* client
        const text = Effect.scoped(Effect.flatMap(http.get("/v2/_custom"), (response) => response.text))
        expect(yield* during("10 seconds", text)).toBe("out of order")
      }).pipe(Effect.provide(Registries.layer({ rules: [{ match: { path: /_custom/ }, fault: Fault.respond(503, {}, "out of order") }] })))
    )

    it.effect("sends a body that can be read once, once", () =>
      Effect.gen(function* () {
        const http = yield* client
        const body = HttpBody.raw(new Response("x").body, { contentType: "text/plain", contentLength: 1 })
        const response = yield* http.execute(HttpClientRequest.setBody(HttpClientRequest.put("/v2/_custom"), body))
        expect(response.status).toBe(503)
      }).pipe(Effect.scoped, Effect.provide(Registries.layer({ rules: [{ match: { path: /_custom/ }, fault: Fault.respond(503) }] })))
    )

    it.effect("refuses methods that no registry knows", () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        const http = yield* client
        const error = yield* Effect.flip(http.execute(HttpClientRequest.options("/v2/?secret=sesame")))
        expect(error).toMatchObject({ _tag: "TransportError", reason: "protocol", method: "OPTIONS", url: "/v2/" })
        expect(yield* registry.requests).toEqual([])
      }).pipe(Effect.scoped, Effect.provide(Registries.layer()))
    )
  })

  describe("layerUnwrapped", () => {
    it.effect("sends what it is given over the client it is given, and nothing else", () => {
      const { received, layer } = ScriptedHttp.make((_, index) => (index === 0 ? { status: 200 } : { status: index === 1 ? 401 : 503 }))
      const challenge = { "www-authenticate": 'Bearer realm="https://registry.test/token"' }
      const scripted = ScriptedHttp.make(() => ({ status: 401, headers: challenge }))
      return Effect.gen(function* () {
        const over = (http: Layer.Layer<HttpClient.HttpClient>) => Layer.provide(RegistryTransport.layerUnwrapped(), http)
        yield* Effect.provide(Effect.all([statusOf({ headers: { accept: "x" } }), statusOf(), statusOf()]), over(layer))
        expect(ScriptedHttp.lines(received).length).toBe(3)
        expect(received.length).toBe(3)
        expect(received[0]?.headers).toEqual({ accept: "x", "accept-encoding": "identity" })
        expect(yield* Effect.provide(statusOf(), over(scripted.layer))).toBe(401)
        expect(scripted.received.length).toBe(1)
      })
    })

    it.effect("has a ping and tokens that ask nobody", () => {
      const { received, layer } = ScriptedHttp.make(() => ({ status: 500 }))
      return Effect.gen(function* () {
        const transport = yield* RegistryTransport.RegistryTransport
        expect(yield* transport.ping("registry.test")).toEqual({ scheme: "https", status: 200, challenges: [], apiVersion: undefined })
        expect(yield* transport.token({ registry: "registry.test" }, pull)).toEqual(Option.none())
        expect(received).toEqual([])
      }).pipe(Effect.provide(Layer.provide(RegistryTransport.layerUnwrapped(), layer)))
    })
  })

  it.effect("a registry that is none is a failure, not a defect", () =>
    Effect.gen(function* () {
      for (const registry of ["", "a b", "host/path", "[::", "x:99999"]) {
        const error = yield* Effect.flip(Effect.scoped(execute({ registry })))
        expect(error._tag).toBe("TransportError")
      }
    }).pipe(Effect.provide(Registries.layer({ retry: { while: () => false } })))
  )
})
