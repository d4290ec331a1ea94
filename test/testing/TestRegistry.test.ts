import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as Quirks from "../../src/testing/Quirks.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as TestRegistry from "../../src/testing/TestRegistry.ts"

const tags = (repository: string) =>
  Effect.gen(function* () {
    const client = yield* RegistryClient.RegistryClient
    return yield* Stream.runCount(client.tags(yield* Reference.parseRepository(repository)))
  })

const seed = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.seedImage("a/b", { tag: "v1" }))

const secured = { auth: RegistryOptions.basic({ users: { ann: { password: "s" } } }) }

describe("TestRegistry", () => {
  it.effect("a client, a registry, nothing else to say", () =>
    Effect.gen(function* () {
      yield* seed
      assert.strictEqual(yield* tags("registry.test/a/b"), 1)
    }).pipe(Effect.provide(TestRegistry.layer()))
  )

  it.effect("the client knows an account of each registry, unless it gets a keychain", () =>
    Effect.gen(function* () {
      const both = { "one.test": secured, "two.test": Quirks.acr }
      const counts = Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        for (const host of Object.keys(both)) yield* registry.at(host).seedImage("a/b", { tag: "v1" })
        return [yield* tags("one.test/a/b"), yield* tags("two.test/a/b")]
      })
      assert.deepStrictEqual(yield* Effect.provide(counts, TestRegistry.layer({ hosts: both })), [1, 1])
      const stranger = TestRegistry.layer({ hosts: both, keychain: Keychain.layerAnonymous })
      assert.strictEqual((yield* Effect.flip(Effect.provide(counts, stranger)))._tag, "Unauthorized")
    })
  )

  it.effect("the network fails as told, and can be healed", () =>
    Effect.gen(function* () {
      const faults = yield* FaultyHttp.FaultyHttp
      yield* seed
      assert.strictEqual((yield* Effect.flip(tags("registry.test/a/b")))._tag, "Denied")
      yield* faults.heal
      assert.strictEqual(yield* tags("registry.test/a/b"), 1)
    }).pipe(Effect.provide(TestRegistry.layer({ rules: [{ match: { path: /tags/ }, fault: Fault.respond(403) }] })))
  )
})
