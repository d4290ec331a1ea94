import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"

const settingsOf = (host: string) => Effect.map(RegistryHosts.RegistryHosts, (hosts) => hosts.get(host))

const fromConfig = (text: string | undefined, name?: string) =>
  Layer.provide(
    RegistryHosts.layerConfig(name),
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map(text === undefined ? [] : [[name ?? "OCI_REGISTRY_HOSTS", text]])))
  )

describe("RegistryHosts", () => {
  it.effect("has defaults where nothing is provided", () =>
    Effect.gen(function* () {
      expect(yield* settingsOf("registry.test")).toEqual(RegistryHosts.defaults)
    })
  )

  it.effect("can be provided as a layer", () =>
    Effect.gen(function* () {
      expect(yield* settingsOf("registry.test")).toEqual({ ...RegistryHosts.defaults, concurrency: 3 })
    }).pipe(Effect.provide(RegistryHosts.layer({ "registry.test": { concurrency: 3 } })))
  )

  it("an undefined setting is none", () => {
    // Which the types allow to whoever compiles without `exactOptionalPropertyTypes`.
    const unsaid: Record<string, object> = { "*": { mirrors: undefined, scheme: undefined, concurrency: undefined, pageSize: 5 } }
    expect(RegistryHosts.make(unsaid).get("registry.test")).toEqual({ ...RegistryHosts.defaults, pageSize: 5 })
  })

  it("refuses settings that no host can have, without showing them", () => {
    const password = "https://user:hunter2@mirror.test"
    const wrong: ReadonlyArray<readonly [place: string, settings: object]> = [
      ["concurrency", { concurrency: 0 }],
      ["requestsPerSecond", { requestsPerSecond: 0 }],
      ["chunkBytes", { chunkBytes: Number.NaN }],
      ["mirrors.0.url", { mirrors: [{ url: password, capabilities: [], proxy: false }] }],
      ["tls.key", { tls: { key: "hunter2" } }]
    ]
    for (const [place, settings] of wrong) {
      const hosts: Record<string, object> = { "registry.test": settings }
      expect(() => RegistryHosts.make(hosts)).toThrow(new RangeError(`not the settings of registry hosts: see registry.test.${place}`))
    }
  })

  describe("the most specific entry counts", () => {
    const hosts = RegistryHosts.make({
      "*": { pageSize: 1, concurrency: 5 },
      "*.example.com": { pageSize: 2 },
      "*.eu.example.com": { pageSize: 3 },
      "*.eu.example.com:5000": { pageSize: 4 },
      "r.eu.example.com": { pageSize: 5 },
      "r.eu.example.com:5000": { pageSize: 6 },
      "localhost:5000": { pageSize: 7 },
      "[::1]:5000": { pageSize: 8 }
    })
    for (const [host, pageSize] of [
      ["other.org", 1],
      ["example.com", 1],
      ["notexample.com", 1],
      ["a.example.com", 2],
      ["a.b.example.com", 2],
      ["a.example.com:8443", 2],
      ["a.eu.example.com", 3],
      ["a.eu.example.com:8443", 3],
      ["a.eu.example.com:5000", 4],
      ["r.eu.example.com", 5],
      ["R.EU.Example.Com", 5],
      ["r.eu.example.com:8443", 3],
      ["r.eu.example.com:5000", 6],
      ["localhost:5000", 7],
      ["localhost:5001", 1],
      ["localhost", 1],
      ["[::1]:5000", 8],
      ["[::1]", 1]
    ] as const) {
      it(`for ${host}`, () => {
        expect(hosts.get(host).pageSize).toBe(pageSize)
      })
    }

    it("over what less specific ones say", () => {
      expect(hosts.get("r.eu.example.com")).toEqual({ ...RegistryHosts.defaults, concurrency: 5, pageSize: 5 })
    })
  })

  describe("the tls of a host is that of its port 443", () => {
    const ca = (name: string) => ({ tls: { ca: [name] } })
    const hosts = RegistryHosts.make({
      "*": ca("all"),
      "named.test:443": { ...ca("named"), concurrency: 3 },
      "bare.test": ca("bare"),
      "both.test": ca("both"),
      "both.test:443": ca("other"),
      "silent.test": { concurrency: 3 },
      "*.below.test:443": ca("below"),
      "[::1]:443": ca("six"),
      "local.test:5000": ca("local")
    })
    for (const [host, name] of [
      ["named.test", "named"],
      ["named.test:443", "named"],
      ["named.test:8443", "all"],
      ["named.test:80", "all"],
      ["bare.test", "bare"],
      ["bare.test:443", "bare"],
      ["bare.test:5000", "all"],
      ["both.test", "both"],
      ["both.test:443", "both"],
      ["silent.test:443", "all"],
      ["a.below.test", "below"],
      ["a.below.test:443", "below"],
      ["a.below.test:4443", "all"],
      ["[::1]", "six"],
      ["[::1]:443", "six"],
      ["local.test:5000", "local"],
      ["local.test", "all"],
      ["local.test:443", "all"]
    ] as const) {
      it(`for ${host}`, () => {
        expect(hosts.get(host).tls).toEqual({ ca: [name] })
      })
    }

    it("and nothing else of it", () => {
      expect([hosts.get("named.test:443").concurrency, hosts.get("named.test").concurrency]).toEqual([3, 16])
    })
  })

  it("knows Docker Hub under each of its names", () => {
    for (const name of ["docker.io", "index.docker.io", "registry-1.docker.io"]) {
      const hosts = RegistryHosts.make({ [name]: { concurrency: 2 } })
      for (const host of ["docker.io", "index.docker.io", "registry-1.docker.io"]) expect(hosts.get(host).concurrency).toBe(2)
    }
  })

  it("takes what is said under several names of one host together, and the later where they disagree", () => {
    const hosts = RegistryHosts.make({
      "docker.io": { pageSize: 5, concurrency: 1 },
      "index.docker.io": { concurrency: 2 },
      "R.test": { pageSize: 6 },
      "r.test": { concurrency: 3 }
    })
    expect(hosts.get("docker.io")).toMatchObject({ pageSize: 5, concurrency: 2 })
    expect(hosts.get("r.test")).toMatchObject({ pageSize: 6, concurrency: 3 })
  })

  it("a mirror answers pulls and tags unless told otherwise, and has a web address", () => {
    expect(RegistryHosts.mirror("https://mirror.test/path")).toEqual({
      url: "https://mirror.test/path",
      capabilities: ["pull", "resolve"],
      proxy: false
    })
    expect(RegistryHosts.mirror("http://m.test", { proxy: true, capabilities: ["list"] })).toMatchObject({
      proxy: true,
      capabilities: ["list"]
    })
    for (const url of [
      "mirror.test",
      "ftp://mirror.test",
      "https://ada:secret@mirror.test",
      "https://mirror.test/?x",
      "https://mirror.test/#x"
    ]) {
      const refused = Effect.flip(Effect.try({ try: () => RegistryHosts.mirror(url), catch: (error) => String(error) }))
      const message = Effect.runSync(refused)
      expect(message).toContain("not an http or https URL without user, query and fragment")
      expect(message).not.toContain("secret")
    }
  })

  describe("layerConfig", () => {
    it.effect("reads JSON and fills in the rest", () =>
      Effect.gen(function* () {
        const settings = yield* settingsOf("registry.test")
        expect(settings).toEqual({
          ...RegistryHosts.defaults,
          scheme: "http",
          requestsPerSecond: 2.5,
          mirrors: [{ url: "https://m.test", capabilities: ["pull", "resolve"], proxy: false }],
          tls: { ca: ["PEM"], key: settings.tls.key }
        })
        expect(settings.tls.key === undefined ? "" : Redacted.value(settings.tls.key)).toBe("sesame")
        expect(JSON.stringify(settings)).not.toContain("sesame")
      }).pipe(
        Effect.provide(
          fromConfig(
            JSON.stringify({
              "registry.test": {
                scheme: "http",
                requestsPerSecond: 2.5,
                mirrors: [{ url: "https://m.test" }],
                tls: { ca: ["PEM"], key: "sesame" }
              }
            })
          )
        )
      )
    )

    it.effect("reads a value of another name", () =>
      Effect.gen(function* () {
        expect((yield* settingsOf("registry.test")).uploadPlan).toBe("chunked")
      }).pipe(Effect.provide(fromConfig('{"*":{"uploadPlan":"chunked"}}', "HOSTS")))
    )

    it.effect("gives the defaults where there is no value", () =>
      Effect.gen(function* () {
        expect(yield* settingsOf("registry.test")).toEqual(RegistryHosts.defaults)
      }).pipe(Effect.provide(fromConfig(undefined)))
    )

    for (const [text, place] of [
      ["{", "the whole"],
      ['{"r.test":{"scheme":"gopher-sesame"}}', "r.test.scheme"],
      ['{"r.test":{"concurrency":0,"tls":{"key":"sesame"}}}', "r.test.concurrency"],
      ['{"r.test":{"tls":{"key":["sesame"]}}}', "r.test.tls.key"],
      ['{"r.test":{"mirrors":[{"url":"https://ada:sesame@m.test"}]}}', "r.test.mirrors.0.url"],
      ['{"r.test":{"concurency":"sesame"}}', "r.test.concurency"],
      ['{"r.test":{"tls":{"caFile":"sesame"}}}', "r.test.tls.caFile"]
    ] as const) {
      it.effect(`says where ${place} is wrong, and not what stands there`, () =>
        Effect.gen(function* () {
          const cause = yield* Effect.flip(Effect.sandbox(Layer.build(fromConfig(text))))
          expect(Cause.pretty(cause)).toContain(place)
          expect(Cause.pretty(cause) + JSON.stringify(cause)).not.toContain("sesame")
        }).pipe(Effect.scoped)
      )
    }
  })
})
