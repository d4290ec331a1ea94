import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as TokenCache from "../../src/auth/TokenCache.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as RetryPolicy from "../../src/transport/RetryPolicy.ts"
import * as Registries from "../support/Registries.ts"
import { load } from "../vectors/Vectors.ts"

const ping = (registry: string) => Effect.flatMap(RegistryTransport.RegistryTransport, (transport) => transport.ping(registry))

interface Reply {
  readonly status?: number
  readonly after?: Duration.DurationInput
  /** The code of a failed connection. */
  readonly refused?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** A host that answers every request the same way, by scheme, or in turn; `asked` are the URLs in order, with who asked for them. */
const host = (replies: Partial<Record<"https" | "http", Reply | ReadonlyArray<Reply>>>) => {
  const asked: Array<string> = []
  const turns = { https: [replies.https ?? { refused: "ECONNREFUSED" }].flat(), http: [replies.http ?? { refused: "ECONNREFUSED" }].flat() }
  const client = HttpClient.make((request, url) =>
    Effect.suspend(() => {
      const { authorization } = request.headers
      asked.push(`${request.method} ${url.href}${authorization === undefined ? "" : ` ${authorization}`}`)
      const turn = turns[url.protocol === "https:" ? "https" : "http"]
      const reply = (turn.length > 1 ? turn.shift() : turn[0]) ?? {}
      const { status, headers, body, refused } = reply
      const outcome =
        refused === undefined
          ? Effect.sync(() =>
              HttpClientResponse.fromWeb(request, new Response(body ?? null, { status: status ?? 200, headers: { ...headers } }))
            )
          : Effect.fail(
              new HttpClientError.RequestError({
                request,
                reason: "Transport",
                cause: Object.assign(new Error(refused), { code: refused })
              })
            )
      return Effect.delay(outcome, reply.after ?? 0)
    })
  )
  return { asked, http: Layer.succeed(HttpClient.HttpClient, client) }
}

const once = { retry: { statuses: [], while: () => false } }

const local = "localhost:5000"

describe("ping", () => {
  it.effect("asks a registry on the internet by https alone, whatever comes of it", () => {
    const { asked, http } = host({ https: { refused: "ECONNREFUSED" }, http: {} })
    return Effect.gen(function* () {
      const error = yield* Effect.flip(ping("registry.test"))
      expect(error).toMatchObject({ _tag: "TransportError", reason: "connect", operation: "ping", url: "https://registry.test/v2/" })
      expect(asked).toEqual(["GET https://registry.test/v2/"])
    }).pipe(Effect.provide(Registries.layerOver(http, once)))
  })

  it.effect("tries plain http at once when https fails at a local registry", () => {
    const { asked, http } = host({ https: { refused: "ERR_SSL_WRONG_VERSION_NUMBER" }, http: {} })
    return Effect.gen(function* () {
      expect(yield* ping(local)).toMatchObject({ scheme: "http", status: 200 })
      expect(asked).toEqual([`GET https://${local}/v2/`, `GET http://${local}/v2/`])
    }).pipe(Effect.provide(Registries.layerOver(http)))
  })

  it.effect("gives https a head start of 300 ms, and takes who answers first then", () => {
    const { asked, http } = host({ https: { after: "1 minute" }, http: { after: "10 millis" } })
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(ping(local))
      yield* TestClock.adjust("299 millis")
      expect(asked).toEqual([`GET https://${local}/v2/`])
      yield* TestClock.adjust("1 millis")
      expect(asked).toEqual([`GET https://${local}/v2/`, `GET http://${local}/v2/`])
      yield* TestClock.adjust("10 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({ scheme: "http" })
    }).pipe(Effect.provide(Registries.layerOver(http)))
  })

  it.effect("never asks by http when https answers in time", () => {
    const { asked, http } = host({ https: { after: "299 millis", status: 401 }, http: {} })
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(ping(local))
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toMatchObject({ scheme: "https", status: 401 })
      expect(asked).toEqual([`GET https://${local}/v2/`])
    }).pipe(Effect.provide(Registries.layerOver(http)))
  })

  describe("of a host whose http side redirects", () => {
    const keychain = Keychain.layer({ "10.0.0.5": Credentials.basic("alice", Redacted.make("secret")) })
    const basic: Reply = { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } }
    const to = (location: string): Reply => ({ status: 301, headers: { location } })

    /** What is asked from the first request for a manifest to the end. */
    const asking = (replies: Parameters<typeof host>[0], settings: RegistryHosts.Options = {}) => {
      const { asked, http } = host(replies)
      return Effect.gen(function* () {
        const transport = yield* RegistryTransport.RegistryTransport
        const request = { operation: "get", endpoint: "manifest", registry: "10.0.0.5", scopes: [], method: "GET" } as const
        const fiber = yield* Effect.fork(Effect.scoped(transport.execute({ ...request, path: "/v2/x/manifests/1" })))
        yield* TestClock.adjust("1 second")
        expect(yield* Fiber.join(fiber)).toMatchObject({ status: 200 })
        const { challenges, scheme } = yield* transport.ping("10.0.0.5")
        return { asked: asked.slice(2), scheme, challenges: challenges.map((challenge) => challenge.scheme) }
      }).pipe(Effect.provide(Registries.layerOver(http, { ...once, keychain, settings })))
    }

    it.effect("takes https for it, and what it says there, however late the first answer by https", () =>
      Effect.gen(function* () {
        const late: Reply = { after: "1 minute" }
        const found = yield* asking({ https: [late, basic, {}], http: to("https://10.0.0.5/v2/") })
        const last = `GET https://10.0.0.5/v2/x/manifests/1 Basic ${btoa("alice:secret")}`
        expect(found).toEqual({ scheme: "https", challenges: ["basic"], asked: ["GET https://10.0.0.5/v2/", last] })
      })
    )

    it.effect("takes it where plain http was agreed upon, too", () =>
      Effect.gen(function* () {
        const found = yield* asking({ https: [basic, {}], http: to("https://10.0.0.5/v2/") }, { "10.0.0.5": { scheme: "http" } })
        expect(found).toMatchObject({ scheme: "https", challenges: ["basic"] })
      })
    )

    for (const [what, location] of [
      ["another port", "https://10.0.0.5:8443/v2/"],
      ["another host", "https://10.0.0.6/v2/"]
    ] as const) {
      it.effect(`does not take ${what} for it, to which anybody on the network may have redirected`, () =>
        Effect.gen(function* () {
          const late: Reply = { after: "1 minute" }
          const found = yield* asking({ https: [late, basic, {}], http: [to(location), {}] })
          expect(found).toEqual({ scheme: "http", challenges: [], asked: [`GET ${location}`, "GET http://10.0.0.5/v2/x/manifests/1"] })
        })
      )
    }
  })

  it.effect("does not take the complaint of a TLS port for a registry", () => {
    const { http } = host({ https: { after: "2 seconds" }, http: { status: 400, body: "Client sent an HTTP request to an HTTPS server." } })
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(ping(local))
      yield* TestClock.adjust("2 seconds")
      expect(yield* Fiber.join(fiber)).toMatchObject({ scheme: "https", status: 200 })
    }).pipe(Effect.provide(Registries.layerOver(http)))
  })

  it.effect("prefers a registry by http to something else by https, and https when neither is one", () =>
    Effect.gen(function* () {
      const mixed = host({ https: { status: 404 }, http: {} })
      expect(yield* Effect.provide(ping(local), Registries.layerOver(mixed.http))).toMatchObject({ scheme: "http", status: 200 })
      const strange = host({ https: { status: 404 }, http: { status: 403 } })
      expect(yield* Effect.provide(ping(local), Registries.layerOver(strange.http))).toMatchObject({ scheme: "https", status: 404 })
    })
  )

  it.effect("tells the failure of https when both fail", () => {
    const { asked, http } = host({ https: { refused: "CERT_HAS_EXPIRED" }, http: { refused: "ECONNRESET" } })
    return Effect.gen(function* () {
      const error = yield* Effect.flip(ping(local))
      expect(error).toMatchObject({ _tag: "TransportError", reason: "tls", url: `https://${local}/v2/` })
      expect(asked.length).toBe(2)
    }).pipe(Effect.provide(Registries.layerOver(http)))
  })

  it.effect("keeps to the scheme of the settings", () =>
    Effect.gen(function* () {
      const secure = host({ http: {} })
      const https = Registries.layerOver(secure.http, { ...once, settings: { [local]: { scheme: "https" } } })
      expect(yield* Effect.flip(Effect.provide(ping(local), https))).toMatchObject({ _tag: "TransportError" })
      expect(secure.asked).toEqual([`GET https://${local}/v2/`])
      const open = host({ https: {}, http: {} })
      const plain = Registries.layerOver(open.http, { settings: { "registry.test": { scheme: "http" } } })
      expect(yield* Effect.provide(ping("registry.test"), plain)).toMatchObject({ scheme: "http" })
      expect(open.asked).toEqual(["GET http://registry.test/v2/"])
    })
  )

  describe("of a host that may be spoken to by either scheme", () => {
    const name = "registry.test"
    const keychain = Keychain.layer({ [name]: Credentials.basic("alice", Redacted.make("secret")) })
    const settings = { [name]: { scheme: "either" } } as const
    const basic: Reply = { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } }

    const get = Effect.flatMap(RegistryTransport.RegistryTransport, (transport) => {
      const request = { operation: "get", endpoint: "manifest", registry: name, scopes: [], method: "GET" } as const
      return Effect.scoped(transport.execute({ ...request, path: "/v2/x/manifests/1" }))
    })

    it.effect("takes plain http when https fails, on the internet too, and sends credentials there", () => {
      const { asked, http } = host({ https: { refused: "ERR_SSL_WRONG_VERSION_NUMBER" }, http: [basic, {}] })
      return Effect.gen(function* () {
        expect(yield* get).toMatchObject({ status: 200 })
        const last = `GET http://${name}/v2/x/manifests/1 Basic ${btoa("alice:secret")}`
        expect(asked).toEqual([`GET https://${name}/v2/`, `GET http://${name}/v2/`, last])
      }).pipe(Effect.provide(Registries.layerOver(http, { ...once, keychain, settings })))
    })

    it.effect("waits for https, however slow: nobody is shown credentials for impatience", () => {
      const { asked, http } = host({ https: { after: "20 seconds" }, http: basic })
      return Effect.gen(function* () {
        const fiber = yield* Effect.fork(ping(name))
        yield* TestClock.adjust("20 seconds")
        expect(yield* Fiber.join(fiber)).toMatchObject({ scheme: "https" })
        expect(asked).toEqual([`GET https://${name}/v2/`])
      }).pipe(Effect.provide(Registries.layerOver(http, { ...once, keychain, settings })))
    })

    it.effect("stays with https that answers anything, were it that it is out of order", () =>
      Effect.gen(function* () {
        for (const status of [403, 404, 503]) {
          const { asked, http } = host({ https: { status }, http: basic })
          const layer = Registries.layerOver(http, { ...once, keychain, settings })
          yield* Effect.ignore(Effect.provide(ping(name), layer))
          expect(asked).toEqual([`GET https://${name}/v2/`])
        }
      })
    )

    it.effect("tells the failure of https when both fail", () => {
      const { http } = host({ https: { refused: "CERT_HAS_EXPIRED" } })
      return Effect.gen(function* () {
        expect(yield* Effect.flip(ping(name))).toMatchObject({ _tag: "TransportError", reason: "tls", url: `https://${name}/v2/` })
      }).pipe(Effect.provide(Registries.layerOver(http, { ...once, settings })))
    })
  })

  describe("of a host that something has to be found out about", () => {
    const name = "registry.test"

    const over = (http: Layer.Layer<HttpClient.HttpClient>, hosts: RegistryHosts.Service) =>
      RegistryTransport.layer().pipe(
        Layer.provide([
          Keychain.layerAnonymous,
          TokenCache.layerMemory,
          RetryPolicy.layer(once.retry),
          Layer.succeed(RegistryHosts.RegistryHosts, hosts)
        ]),
        Layer.provide(http)
      )

    it.effect("asks it as the settings are afterwards", () => {
      const { asked, http } = host({ http: {} })
      let found: RegistryHosts.HostSettings = { ...RegistryHosts.defaults, scheme: "https" }
      const prepared: Array<string> = []
      const prepare = (host: string) =>
        Effect.sync(() => {
          prepared.push(host)
          found = { ...found, scheme: "http" }
        })
      return Effect.gen(function* () {
        yield* ping(name)
        yield* ping(name)
        expect(asked).toEqual([`GET http://${name}/v2/`])
        expect(prepared).toEqual([name])
      }).pipe(Effect.provide(over(http, { get: () => found, prepare })))
    })

    it.effect("does not ask one that has an obstacle, and looks again the next time", () => {
      const { asked, http } = host({ https: {} })
      let obstacles = ["its certificates cannot be read"]
      const prepare = () => {
        const [message] = obstacles
        return message === undefined ? Effect.void : Effect.fail({ message })
      }
      return Effect.gen(function* () {
        const error = yield* Effect.flip(ping(name))
        const detail = "its certificates cannot be read"
        expect(error).toMatchObject({ _tag: "TransportError", reason: "tls", detail, retryable: false, registry: name })
        expect(asked).toEqual([])
        obstacles = []
        expect(yield* ping(name)).toMatchObject({ status: 200 })
      }).pipe(Effect.provide(over(http, { get: () => RegistryHosts.defaults, prepare })))
    })
  })

  for (const name of [
    "localhost",
    "registry.test",
    "8.8.8.8",
    "127.0.0.2:5000",
    "localhost:5000",
    "127.0.0.1:5000",
    "10.1.2.3",
    "r.localhost"
  ]) {
    it.effect(`falls back to http for ${name} exactly when it is local`, () => {
      const { http } = host({ https: { refused: "ECONNREFUSED" }, http: {} })
      return Effect.gen(function* () {
        expect((yield* Effect.either(ping(name)))._tag).toBe(Reference.mayUsePlainHttp(name) ? "Right" : "Left")
      }).pipe(Effect.provide(Registries.layerOver(http, once)))
    })
  }

  it.effect("asks Docker Hub under its one name at its one address", () => {
    const { asked, http } = host({ https: {} })
    return Effect.gen(function* () {
      for (const name of ["docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO"]) yield* ping(name)
      expect(new Set(asked)).toEqual(new Set(["GET https://registry-1.docker.io/v2/"]))
    }).pipe(Effect.provide(Registries.layerOver(http)))
  })

  it.effect("is made once for all who ask, and its answer is kept", () => {
    const { asked, http } = host({ https: { after: "1 second" } })
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 50 }, () => ping("registry.test")),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      yield* ping("registry.test")
      expect(asked.length).toBe(1)
    }).pipe(Effect.provide(Registries.layerOver(http)))
  })

  it.effect("goes on for the others when the one who asked first is interrupted, and ends when nobody is left", () => {
    const { asked, http } = host({ https: { after: "1 second" } })
    return Effect.gen(function* () {
      const first = yield* Effect.fork(ping("registry.test"))
      yield* TestClock.adjust("10 millis")
      const second = yield* Effect.fork(ping("registry.test"))
      yield* TestClock.adjust("10 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(second)).toMatchObject({ status: 200 })
      expect(asked.length).toBe(1)
    }).pipe(Effect.provide(Registries.layerOver(http)))
  })

  it.effect("is made again after a failure, and after an answer that will pass", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const faults = yield* FaultyHttp.FaultyHttp
      expect((yield* Effect.flip(ping("registry.test")))._tag).toBe("TransportError")
      yield* faults.setRules([{ fault: Fault.respond(503) }])
      expect(yield* ping("registry.test")).toMatchObject({ status: 503, challenges: [] })
      yield* faults.heal
      expect(yield* ping("registry.test")).toMatchObject({ status: 200, apiVersion: "registry/2.0" })
      yield* ping("registry.test")
      expect(yield* registry.requestCounts).toEqual({ "GET base": 1 })
    }).pipe(Effect.provide(Registries.layer({ ...once, rules: [{ fault: Fault.refuseConnection }] })))
  )

  it.effect("is retried like any other request", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(ping("registry.test"))
      yield* TestClock.adjust("11 seconds")
      expect(yield* Fiber.join(fiber)).toMatchObject({ status: 200 })
    }).pipe(
      Effect.provide(
        Registries.layer({
          rules: [
            { match: { count: 1 }, fault: Fault.reset },
            { match: { count: 1 }, fault: Fault.tooManyRequests(8) }
          ]
        })
      )
    )
  )

  it.effect("believes no challenge of a host it was redirected to", () => {
    const script = HttpClient.make((request, url) =>
      Effect.sync(() =>
        HttpClientResponse.fromWeb(
          request,
          url.host === "registry.test"
            ? new Response(null, { status: 307, headers: { location: "https://evil.test/v2/" } })
            : new Response(null, { status: 401, headers: { "www-authenticate": 'Bearer realm="https://evil.test/token"' } })
        )
      )
    )
    return Effect.gen(function* () {
      expect(yield* ping("registry.test")).toMatchObject({ status: 401, challenges: [] })
    }).pipe(Effect.provide(Registries.layerOver(Layer.succeed(HttpClient.HttpClient, script))))
  })

  describe("ping-challenge.json", () => {
    const Row = Schema.Struct({
      method: Schema.String,
      path: Schema.String,
      scheme: Schema.Literal("http", "https"),
      responseStatus: Schema.Number,
      responseWwwAuthenticate: Schema.Array(Schema.String),
      responseBody: Schema.String,
      expected: Schema.Union(
        Schema.Struct({ error: Schema.String }),
        Schema.Struct({
          insecure: Schema.Boolean,
          scheme: Schema.String,
          parameters: Schema.Record({ key: Schema.String, value: Schema.String })
        })
      )
    })
    // How challenges are read is tested with them; here it is what is asked, and that any status is an answer.
    for (const [index, row] of load("ping-challenge", Row).entries()) {
      it.effect(`row ${index}: ${row.responseStatus} by ${row.scheme}`, () => {
        const reply: Reply = {
          status: row.responseStatus,
          headers: { "www-authenticate": row.responseWwwAuthenticate.join(", ") },
          body: row.responseBody
        }
        const { asked, http } = host({ [row.scheme]: reply })
        return Effect.gen(function* () {
          const answer = yield* ping(local)
          expect(asked.at(-1)).toBe(`${row.method} ${row.scheme}://${local}${row.path}`)
          expect(answer.status).toBe(row.responseStatus)
          expect(answer.scheme).toBe(row.scheme)
          if ("error" in row.expected) expect(answer.challenges).toEqual([])
          else expect(answer.scheme === "http").toBe(row.expected.insecure)
        }).pipe(Effect.provide(Registries.layerOver(http, once)))
      })
    }
  })
})
