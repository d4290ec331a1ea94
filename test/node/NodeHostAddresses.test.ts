import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as EngineConfig from "../../src/engine/EngineConfig.ts"
import * as NodeHostAddresses from "../../src/node/NodeHostAddresses.ts"

describe("NodeHostAddresses", () => {
  it.live("has the addresses that the system has", () =>
    Effect.gen(function* () {
      assert.isFalse(yield* EngineConfig.isSecure(EngineConfig.empty, "localhost:5000"))
      // RFC 6761, 6.4: a name that nobody has.
      assert.isTrue(yield* EngineConfig.isSecure(EngineConfig.empty, "nobody.invalid"))
      assert.isTrue(yield* EngineConfig.isSecure(EngineConfig.empty, ""))
    }).pipe(Effect.provide(NodeHostAddresses.layer))
  )

  it.effect("takes every address of a name, and none of one that cannot be looked up", () =>
    Effect.gen(function* () {
      const { lookup } = NodeHostAddresses.make((host, _, callback) => {
        if (host === "many")
          callback(null, [
            { address: "192.0.2.1", family: 4 },
            { address: "2001:db8::1", family: 6 }
          ])
        else if (host === "one") callback(null, "192.0.2.1", 4)
        else callback(Object.assign(new Error("not found"), { code: "ENOTFOUND" }), "", 0)
      })
      assert.deepStrictEqual(yield* lookup("many"), ["192.0.2.1", "2001:db8::1"])
      assert.deepStrictEqual(yield* lookup("one"), ["192.0.2.1"])
      assert.deepStrictEqual(yield* lookup("none"), [])
    })
  )
})
