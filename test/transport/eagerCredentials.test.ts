/** `eagerCredentials`: what registries are told that greet everyone and then hide what is private. */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import type * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as Registries from "../support/Registries.ts"
import { repository, statusOf } from "./requests.ts"

const ada = Credentials.basic("ada", "lovelace")
const basic = `Basic ${btoa("ada:lovelace")}`
const users = { ada: { password: "lovelace" } }
const greeting = { match: { path: /\/v2\/$/ }, fault: Fault.respond(200) }

interface Case {
  readonly registry?: string
  readonly credentials?: Credentials.Credentials
  readonly settings?: RegistryHosts.Options[string]
  readonly host?: NonNullable<MemoryRegistry.MemoryRegistryOptions["hosts"]>[string]
}

/** The `Authorization` of each request to a registry that has manifests for those only who say who they are, and the last status. */
const told = ({ credentials = ada, host = {}, registry = "registry.test", settings = { eagerCredentials: true } }: Case, hidden = 404) => {
  const sent: Array<string> = []
  const anonymous = ({ headers }: HttpClientRequest.HttpClientRequest) => {
    sent.push(headers["authorization"] ?? "nobody")
    return headers["authorization"] === undefined
  }
  const layer = Registries.layer({
    hosts: { [registry]: host },
    keychain: Keychain.layer({ [registry]: credentials }),
    settings: { [registry]: settings },
    rules: [{ match: { when: anonymous, path: /manifests/ }, fault: Fault.respond(hidden) }]
  })
  return Effect.gen(function* () {
    const registries = yield* MemoryRegistry.MemoryRegistry
    yield* registries.at(registry).seedImage(repository, { tag: "latest" })
    const status = yield* statusOf({ registry })
    const pings = (yield* registries.at(registry).requests).filter(({ endpoint }) => endpoint === "base")
    expect(pings.map(({ headers }) => headers["authorization"])).toEqual([undefined])
    return [...sent, status]
  }).pipe(Effect.provide(layer))
}

const asked = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
  Effect.map(registry.allRequests, (requests) =>
    requests.map(({ endpoint, headers, host, status }) => `${host} ${endpoint} ${headers["authorization"]?.split(" ")[0] ?? "-"} ${status}`)
  )
)

describe("eagerCredentials", () => {
  it.effect("are off unless set", () =>
    Effect.gen(function* () {
      for (const hidden of [403, 404]) expect(yield* told({ settings: {} }, hidden)).toEqual(["nobody", hidden])
    })
  )

  it.effect("show who is asking to a registry that asks nobody", () =>
    Effect.gen(function* () {
      for (const hidden of [403, 404]) expect(yield* told({}, hidden)).toEqual([basic, 200])
    })
  )

  it.effect("are a user and a password, or a token of the registry itself", () =>
    Effect.gen(function* () {
      expect(yield* told({ credentials: Credentials.registryToken("t0ken") })).toEqual(["Bearer t0ken", 200])
      expect(yield* told({ credentials: Credentials.identityToken("id", { username: "ada", password: "lovelace" }) })).toEqual([basic, 200])
      for (const credentials of [Credentials.anonymous, Credentials.identityToken("id"), Credentials.basic("ada", "")]) {
        expect(yield* told({ credentials })).toEqual(["nobody", 404])
      }
    })
  )

  it.effect("go over plain http where that was asked for or stays on this machine, and over no other fall-back", () =>
    Effect.gen(function* () {
      const host = { schemes: ["http" as const] }
      expect(yield* told({ registry: "192.168.7.7:5000", host })).toEqual(["nobody", 404])
      for (const registry of ["localhost:5000", "127.0.0.1:5000"]) expect(yield* told({ registry, host })).toEqual([basic, 200])
      const settings = { eagerCredentials: true, scheme: "http" as const }
      expect(yield* told({ registry: "192.168.7.7:5000", host, settings })).toEqual([basic, 200])
    })
  )

  it.effect("go to no other origin, by redirect or by URL", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.at("files.test").seedImage(repository, { tag: "latest" })
      expect(yield* statusOf()).toBe(200)
      for (const origin of ["https://files.test", "https://registry.test:444"]) {
        yield* statusOf({ path: `${origin}/v2/${repository}/manifests/latest` })
      }
      expect(yield* asked).toEqual([
        "registry.test base - 200",
        "files.test manifest - 200",
        "files.test manifest - 200",
        "registry.test:444 manifest - 404"
      ])
    }).pipe(
      Effect.provide(
        Registries.layer({
          hosts: { "registry.test": {}, "files.test": {}, "registry.test:444": {} },
          keychain: Keychain.layer({ "registry.test": ada, "files.test": ada }),
          settings: { "*": { eagerCredentials: true } },
          rules: [
            {
              match: { host: "registry.test", path: /manifests/, when: ({ headers }) => headers["authorization"] === basic },
              fault: Fault.redirect((url) => `https://files.test${url.pathname}`)
            }
          ]
        })
      )
    )
  )

  it.effect("give way to what a challenge asks for", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.seedImage(repository, { tag: "latest" })
      expect([yield* statusOf(), yield* statusOf()]).toEqual([200, 200])
      expect(yield* asked).toEqual([
        "registry.test manifest Basic 401",
        "registry.test token Basic 200",
        "registry.test manifest Bearer 200",
        "registry.test manifest Bearer 200"
      ])
    }).pipe(
      Effect.provide(
        Registries.layer({
          hosts: { "registry.test": { auth: RegistryOptions.bearer({ users }) } },
          keychain: Keychain.layer({ "registry.test": ada }),
          settings: { "*": { eagerCredentials: true } },
          rules: [greeting]
        })
      )
    )
  )

  it.effect("that are refused are not sent twice", () =>
    Effect.gen(function* () {
      expect(yield* statusOf()).toBe(401)
      expect(yield* asked).toEqual(["registry.test manifest Basic 401"])
    }).pipe(
      Effect.provide(
        Registries.layer({
          hosts: { "registry.test": { auth: RegistryOptions.basic({ users }) } },
          keychain: Keychain.layer({ "registry.test": Credentials.basic("ada", "wrong") }),
          settings: { "*": { eagerCredentials: true } },
          rules: [greeting]
        })
      )
    )
  )

  it.effect("wait for a challenge where the ping asked for something unknown", () =>
    Effect.gen(function* () {
      expect(yield* statusOf()).toBe(404)
      expect(yield* asked).toEqual(["registry.test manifest - 404"])
    }).pipe(
      Effect.provide(
        Registries.layer({
          keychain: Keychain.layer({ "registry.test": ada }),
          settings: { "*": { eagerCredentials: true } },
          rules: [{ match: { path: /\/v2\/$/ }, fault: Fault.respond(401, { "www-authenticate": "Negotiate" }) }]
        })
      )
    )
  )
})
