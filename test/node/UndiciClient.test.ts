import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Dispatcher from "../../src/node/Dispatcher.ts"
import * as UndiciClient from "../../src/node/UndiciClient.ts"
import { eventually } from "../support/Eventually.ts"
import * as LocalServer from "../support/LocalServer.ts"

// What it does with requests is tested with `NodeClient`, which does the same.
describe("UndiciClient", () => {
  describe("layers", () => {
    it.scopedLive("take a dispatcher of the caller's, and leave it open", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) => response.end("x"))
        const dispatcher = yield* Dispatcher.make({ proxy: "none" })
        const read = Effect.flatMap(HttpClient.HttpClient, (_) => Effect.flatMap(_.get(server.origin), (response) => response.text))
        const layer = Layer.provide(UndiciClient.layerWithoutDispatcher, Layer.succeed(Dispatcher.Dispatcher, dispatcher))
        for (let round = 0; round < 2; round++) assert.strictEqual(yield* Effect.provide(read, layer), "x")
        assert.strictEqual(yield* server.connections, 1)
      })
    )

    it.live("destroy the pool, and with it requests under way, when they are released", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const closed = { count: 0 }
        const server = yield* Scope.extend(
          LocalServer.make((request, response) => {
            request.socket.on("close", () => {
              closed.count += 1
            })
            response.write("begin")
          }),
          scope
        )
        const response = yield* Effect.flatMap(HttpClient.HttpClient, (_) => _.get(server.origin)).pipe(
          Effect.provide(UndiciClient.layer({ proxy: "none" }))
        )
        const error = yield* Effect.flip(response.text)
        assert.strictEqual(Object(error.cause).code, "UND_ERR_DESTROYED")
        yield* eventually(Effect.sync(() => closed.count === 1))
        yield* Scope.close(scope, Exit.void)
      })
    )
  })
})
