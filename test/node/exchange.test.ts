import type * as Undici from "@effect/platform-node/Undici"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Exchange } from "../../src/node/internal/exchange.ts"
import * as Steps from "../support/Steps.ts"

const controller: Undici.Dispatcher.DispatchController = {
  aborted: false,
  paused: false,
  reason: null,
  abort: () => {},
  pause: () => {},
  resume: () => {}
}

const unheard = { onHead: () => {}, onFailed: () => {}, onClosed: () => {} }

describe("exchange", () => {
  it("gives bytes that come between any two steps of their reader", () => {
    const bytes = new Uint8Array(2 * 1024 * 1024)
    for (let operation = 1; operation < 20; operation++) {
      const { resume, scheduler } = Steps.yieldingBefore(operation)
      const exchange = new Exchange(unheard)
      exchange.onRequestStart(controller)
      const fiber = Effect.runFork(exchange.pull, { scheduler })
      exchange.onResponseData(controller, bytes)
      resume()
      const exit = fiber.unsafePoll()
      assert.isTrue(exit !== null && Exit.isSuccess(exit) && Chunk.unsafeHead(exit.value) === bytes, `before operation ${operation}`)
    }
  })
})
