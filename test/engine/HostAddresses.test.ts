import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HostAddresses from "../../src/engine/HostAddresses.ts"

const lookup = (host: string) => Effect.flatMap(HostAddresses.HostAddresses, (_) => _.lookup(host))

describe("HostAddresses", () => {
  it.effect("knows localhost and the names below it by itself, and nobody else", () =>
    Effect.gen(function* () {
      for (const host of ["localhost", "LocalHost", "localhost.", "registry.localhost"]) {
        assert.deepStrictEqual(yield* lookup(host), ["127.0.0.1", "::1"], host)
      }
      for (const host of ["", "example.com", "localhost.example.com", "notlocalhost", ".localhost"]) {
        assert.deepStrictEqual(yield* lookup(host), [], host)
      }
    })
  )

  it.effect("knows the hosts of a table, in any case, and not localhost", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* lookup("registry.corp"), ["10.1.2.3"])
      assert.deepStrictEqual(yield* lookup("REGISTRY.CORP"), ["10.1.2.3"])
      assert.deepStrictEqual(yield* lookup("localhost"), [])
      assert.deepStrictEqual(yield* lookup("constructor"), [])
    }).pipe(Effect.provide(HostAddresses.layer({ "Registry.corp": ["10.1.2.3"] })))
  )
})
