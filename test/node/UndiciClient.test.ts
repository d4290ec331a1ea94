import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Dispatcher from "../../src/node/Dispatcher.ts"
import * as UndiciClient from "../../src/node/UndiciClient.ts"
import * as LocalServer from "../support/LocalServer.ts"

// What it does with requests is tested with `NodeClient`, which does the same.
describe("UndiciClient", () => {
  it.scopedLive("its layer takes a dispatcher of the caller's, and leaves it open", () =>
    Effect.gen(function* () {
      const server = yield* LocalServer.make((_, response) => response.end("x"))
      const dispatcher = yield* Dispatcher.make({ proxy: "none" })
      const read = Effect.flatMap(HttpClient.HttpClient, (_) => Effect.flatMap(_.get(server.origin), (response) => response.text))
      const layer = Layer.provide(UndiciClient.layerWithoutDispatcher, Layer.succeed(Dispatcher.Dispatcher, dispatcher))
      for (let round = 0; round < 2; round++) assert.strictEqual(yield* Effect.provide(read, layer), "x")
      assert.strictEqual(yield* server.connections, 1)
    })
  )
})
