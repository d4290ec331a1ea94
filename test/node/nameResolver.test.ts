import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NameResolver } from "../../src/http/internal/addressPolicy.ts"
import * as Names from "../../src/node/internal/nameResolver.ts"

describe("nameResolver", () => {
  it.effect("gives the addresses of a name, and none for an unknown one", () =>
    Effect.gen(function* () {
      const { resolve } = yield* NameResolver
      if (resolve === undefined) return assert.fail("the layer sets a resolver")
      assert.includeMembers([...(yield* resolve("localhost"))], ["127.0.0.1"])
      assert.deepStrictEqual(yield* resolve("name.invalid"), [])
    }).pipe(Effect.provide(Names.layer))
  )
})
