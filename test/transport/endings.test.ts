/** How answers end that nobody reads to their end: their bodies are let go of, their places given back, and nobody waits for it. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as TokenCache from "../../src/auth/TokenCache.ts"
import * as Transport from "../../src/transport/internal/transport.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as RetryPolicy from "../../src/transport/RetryPolicy.ts"
import { eventually } from "../support/Eventually.ts"
import { request, timed } from "./requests.ts"

const busy = "/v2/busy/manifests/x"

/** A client as of a browser, which knows how many bodies are open. Those of `busy` never end, others have three bytes. */
const client = () => {
  let open = 0
  const bodyOf = (endless: boolean) => {
    let given = false
    open++
    return new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          if (endless) return new Promise(() => {})
          if (!given) {
            given = true
            return controller.enqueue(new Uint8Array(3))
          }
          open--
          controller.close()
        },
        cancel: () => {
          open--
        }
      },
      { highWaterMark: 0 }
    )
  }
  const http = HttpClient.make((sent) =>
    Effect.sync(() => {
      const endless = sent.url.endsWith(busy)
      return HttpClientResponse.fromWeb(sent, new Response(bodyOf(endless), { headers: endless ? {} : { "content-length": "3" } }))
    })
  )
  return { http, opened: Effect.sync(() => open) }
}

/** One request at a time. */
const transportOver = (http: HttpClient.HttpClient, policy = RetryPolicy.make()) =>
  Effect.flatMap(TokenCache.make(), (tokenCache) =>
    Transport.make({
      client: http,
      keychain: Keychain.make({}),
      tokenCache,
      policy,
      hosts: RegistryHosts.make({ "*": { concurrency: 1 } }),
      wire: {},
      clientId: undefined,
      unwrapped: true
    })
  )

const free = { read: 0, write: 0 }

describe("endings", () => {
  /** An answer whose place was lent to a request that keeps it. */
  const lent = Effect.gen(function* () {
    const { http, opened } = client()
    const transport = yield* transportOver(http)
    const scope = yield* Scope.make()
    const response = yield* transport.executeIn(scope, request())
    const reading = Effect.scoped(Effect.flatMap(transport.execute(request({ path: busy })), (answer) => answer.bytes(100)))
    const other = yield* Effect.fork(reading)
    yield* TestClock.adjust("300 millis")
    assert.strictEqual(yield* opened, 2)
    const nothingIsLeft = Effect.zipRight(
      Fiber.interrupt(other),
      eventually(
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* transport.taken("registry.test"), free)
          return (yield* opened) === 0
        })
      )
    )
    return { scope, response, nothingIsLeft }
  })

  it.scoped("a body whose reader is interrupted while it waits for a place is let go", () =>
    Effect.gen(function* () {
      const { nothingIsLeft, response, scope } = yield* lent
      const reading = yield* Effect.fork(response.bytes(100))
      yield* TestClock.adjust("10 millis")
      yield* Fiber.interrupt(reading)
      yield* Scope.close(scope, Exit.void)
      yield* nothingIsLeft
    })
  )

  it.scoped("the end of a scope does not wait for a place", () =>
    Effect.gen(function* () {
      const { nothingIsLeft, scope } = yield* lent
      const [waited] = yield* timed(Scope.close(scope, Exit.void))
      assert.isAtMost(waited, 100)
      yield* nothingIsLeft
    })
  )

  it.scoped("a policy that throws costs neither connection nor place", () =>
    Effect.gen(function* () {
      const { http, opened } = client()
      const broken: RetryPolicy.Service = {
        ...RetryPolicy.make(),
        retriesStatus: () => {
          throw new Error("no")
        }
      }
      const transport = yield* transportOver(http, broken)
      const exit = yield* Effect.exit(Effect.scoped(transport.execute(request())))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assert.deepStrictEqual(yield* transport.taken("registry.test"), free)
      yield* eventually(Effect.map(opened, (open) => open === 0))
    })
  )
})
