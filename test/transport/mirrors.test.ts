import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as Registries from "../support/Registries.ts"
import { withSetBack } from "../support/SetBack.ts"
import { during, execute, type Options, repository, statusOf } from "./requests.ts"

const { mirror } = RegistryHosts

const hosts = { "registry.test": {}, "one.test": {}, "two.test": {} }
const settings = { "registry.test": { mirrors: [mirror("https://one.test"), mirror("https://two.test/some/where/")] } }

const seed = (...names: ReadonlyArray<keyof typeof hosts>) =>
  Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
    Effect.forEach(names, (host) => registry.at(host).seedImage(repository, { tag: "latest" }))
  )

/** Who was asked for a manifest, in order, and what came of it. */
const asked = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
  Effect.map(registry.allRequests, (requests) =>
    requests.filter(({ path }) => /manifests/.test(path)).map(({ host, status }) => `${host} ${status}`)
  )
)

const clear = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.clearRequests)

const read: Options = { read: "resolve" }

describe("mirrors", () => {
  it.effect("answer in their order, and the registry when none of them can", () =>
    Effect.gen(function* () {
      yield* seed("registry.test", "one.test")
      const response = yield* execute(read)
      expect([response.status, response.mirror, response.context.registry]).toEqual([200, true, "registry.test"])
      expect(yield* asked).toEqual(["one.test 200"])
    }).pipe(Effect.scoped, Effect.provide(Registries.layer({ hosts, settings })))
  )

  it.effect("without the content send the request on", () =>
    Effect.gen(function* () {
      yield* seed("registry.test")
      const response = yield* execute(read)
      expect([response.status, response.mirror]).toEqual([200, false])
      expect(yield* asked).toEqual(["one.test 404", "two.test 404", "registry.test 200"])
    }).pipe(Effect.scoped, Effect.provide(Registries.layer({ hosts, settings })))
  )

  it.effect("may have a path before the API", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seed("registry.test")
      yield* statusOf(read)
      expect((yield* registry.at("two.test").requests).map(({ path }) => path)).toEqual([
        "/some/where/v2/",
        `/some/where/v2/${repository}/manifests/latest`
      ])
    }).pipe(Effect.provide(Registries.layer({ hosts, settings })))
  )

  for (const [name, fault] of [
    ["a 401", Fault.respond(401, { "www-authenticate": 'Basic realm="x"' })],
    ["a 403", Fault.respond(403)],
    ["a 500", Fault.respond(500)],
    ["a 429", Fault.tooManyRequests()],
    ["a broken connection", Fault.reset],
    ["no connection", Fault.refuseConnection],
    ["a redirect in a circle", Fault.redirect((url) => url.href)]
  ] as const) {
    it.effect(`${name} is no reason to wait: the next one is asked at once`, () =>
      Effect.gen(function* () {
        yield* seed("registry.test")
        expect(yield* statusOf(read)).toBe(200)
        expect(yield* TestClock.currentTimeMillis).toBe(0)
        expect((yield* asked).at(-1)).toBe("registry.test 200")
      }).pipe(Effect.provide(Registries.layer({ hosts, settings, rules: [{ match: { host: "one.test", path: /manifests/ }, fault }] })))
    )
  }

  it.effect("that cannot be reached are left alone for 30 s", () =>
    Effect.gen(function* () {
      const faults = yield* FaultyHttp.FaultyHttp
      yield* seed("registry.test")
      const tries = Effect.map(faults.counts, ([count]) => count)
      for (let round = 0; round < 5; round++) yield* statusOf(read)
      expect(yield* tries).toBe(1)
      yield* TestClock.adjust("30 seconds")
      yield* statusOf(read)
      expect(yield* tries).toBe(2)
    }).pipe(Effect.provide(Registries.layer({ hosts, settings, rules: [{ match: { host: "one.test" }, fault: Fault.refuseConnection }] })))
  )

  it.effect("that cannot be reached are left alone no longer where the clock is set back", () =>
    withSetBack((setBack) =>
      Effect.gen(function* () {
        const faults = yield* FaultyHttp.FaultyHttp
        yield* seed("registry.test")
        yield* statusOf(read)
        yield* setBack(3)
        yield* TestClock.adjust("30 seconds")
        yield* statusOf(read)
        expect(yield* faults.counts).toEqual([2])
      })
    ).pipe(Effect.provide(Registries.layer({ hosts, settings, rules: [{ match: { host: "one.test" }, fault: Fault.refuseConnection }] })))
  )

  it.effect("that ask for time get it, up to the longest the policy allows", () =>
    Effect.gen(function* () {
      yield* seed("registry.test", "one.test")
      yield* statusOf(read)
      yield* statusOf(read)
      expect(yield* asked).toEqual(["two.test 404", "registry.test 200", "two.test 404", "registry.test 200"])
      yield* clear
      yield* TestClock.adjust("1 minute")
      yield* statusOf(read)
      expect(yield* asked).toEqual(["one.test 200"])
    }).pipe(
      Effect.provide(
        Registries.layer({
          hosts,
          settings,
          retry: { maxRetryAfter: "1 minute" },
          rules: [{ match: { host: "one.test", path: /manifests/, count: 1 }, fault: Fault.tooManyRequests(3600) }]
        })
      )
    )
  )

  it.effect("that give 304 have answered", () =>
    Effect.gen(function* () {
      yield* seed("registry.test", "one.test")
      const tag = yield* Effect.scoped(Effect.map(execute(read), ({ headers }) => headers["etag"] ?? ""))
      yield* clear
      expect(yield* statusOf({ ...read, headers: { "if-none-match": tag } })).toBe(304)
      expect(yield* asked).toEqual(["one.test 304"])
    }).pipe(Effect.provide(Registries.layer({ hosts, settings })))
  )

  it.effect("are asked for what they can do only", () =>
    Effect.gen(function* () {
      yield* seed("registry.test", "one.test", "two.test")
      const who = (options: Options) => Effect.zipRight(clear, Effect.zipRight(statusOf(options), asked))
      expect(yield* who({ read: "pull" })).toEqual(["one.test 200"])
      expect(yield* who({ read: "resolve" })).toEqual(["two.test 200"])
      expect(yield* who({ read: "list" })).toEqual(["two.test 200"])
      expect(yield* who({ read: "referrers" })).toEqual(["registry.test 200"])
      expect(yield* who({})).toEqual(["registry.test 200"])
      expect(yield* who({ method: "DELETE" })).toEqual(["registry.test 202"])
    }).pipe(
      Effect.provide(
        Registries.layer({
          hosts,
          settings: {
            "registry.test": {
              mirrors: [
                mirror("https://one.test", { capabilities: ["pull"] }),
                mirror("https://two.test", { capabilities: ["resolve", "list"] })
              ]
            }
          }
        })
      )
    )
  )

  it.effect("are not asked for URLs that the registry gave", () =>
    Effect.gen(function* () {
      yield* seed("registry.test", "one.test")
      yield* statusOf({ ...read, path: `https://registry.test/v2/${repository}/manifests/latest` })
      expect(yield* asked).toEqual(["registry.test 200"])
    }).pipe(Effect.provide(Registries.layer({ hosts, settings })))
  )

  it.effect("are told the registry when they are proxies, and only then", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* statusOf({ ...read, registry: "docker.io", path: `/v2/${repository}/manifests/latest?x=1` })
      const queries = (host: string) => Effect.map(registry.at(host).requests, (requests) => requests.map(({ query }) => query))
      expect(yield* queries("one.test")).toEqual(["", "?x=1&ns=docker.io"])
      expect(yield* queries("two.test")).toEqual(["", "?x=1"])
      expect(yield* queries("registry-1.docker.io")).toEqual(["", "?x=1"])
    }).pipe(
      Effect.provide(
        Registries.layer({
          hosts: { "one.test": {}, "two.test": {}, "registry-1.docker.io": {} },
          settings: { "docker.io": { mirrors: [mirror("https://one.test", { proxy: true }), mirror("https://two.test")] } }
        })
      )
    )
  )

  it.effect("have credentials of their own and never see those of the registry", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seed("registry.test", "one.test")
      expect(yield* statusOf(read)).toBe(200)
      expect(yield* asked).toEqual(["one.test 200"])
      yield* registry.at("one.test").reset
      expect(yield* statusOf(read)).toBe(200)
      const authorizations = (host: string) =>
        Effect.map(registry.at(host).requests, (requests) => requests.map(({ headers }) => headers["authorization"] ?? "").join(" "))
      const upstream = yield* authorizations("registry.test")
      const first = yield* authorizations("one.test")
      const second = yield* authorizations("two.test")
      expect(upstream).toContain(btoa("ada:upstream"))
      expect(upstream).not.toContain(btoa("ada:mirror"))
      expect(first).toContain("Bearer access-")
      expect(first).toContain(btoa("ada:mirror"))
      expect(first + second).not.toContain(btoa("ada:upstream"))
      expect(second.trim()).toBe("")
    }).pipe(
      Effect.provide(
        Registries.layer({
          hosts: {
            "registry.test": { auth: RegistryOptions.basic({ users: { ada: { password: "upstream" } } }) },
            "one.test": { auth: RegistryOptions.bearer({ users: { ada: { password: "mirror" } } }) },
            "two.test": {}
          },
          settings,
          keychain: Keychain.layer({
            "registry.test": Credentials.basic("ada", "upstream"),
            "one.test": Credentials.basic("ada", "mirror")
          })
        })
      )
    )
  )

  it.effect("hold no place while somebody else is asked", () =>
    Effect.gen(function* () {
      yield* seed("registry.test")
      const open = Effect.map(execute(read), ({ status }) => status)
      const both = Effect.scoped(Effect.all([open, open]))
      expect(yield* during("50 millis", Effect.timeoutFail(both, { duration: "40 millis", onTimeout: () => "no place" }))).toEqual([
        200, 200
      ])
    }).pipe(
      Effect.provide(Registries.layer({ hosts, settings: { ...settings, "one.test": { concurrency: 1 }, "two.test": { concurrency: 1 } } }))
    )
  )
})
