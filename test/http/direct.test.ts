/** What our own client for Node offers beside the platform's interface, and that nothing derived from it is taken for it. */
import * as Headers from "@effect/platform/Headers"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { assertNone } from "@effect/vitest/utils"
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Direct from "../../src/http/internal/direct.ts"
import * as Origin from "../../src/http/internal/origin.ts"
import * as Wire from "../../src/http/internal/Wire.ts"
import * as NodeClient from "../../src/node/NodeClient.ts"
import { eventually } from "../support/Eventually.ts"
import * as LocalServer from "../support/LocalServer.ts"
import * as Steps from "../support/Steps.ts"

const client = NodeClient.make({ proxy: "none" })

const request = (url: string, over: Partial<Wire.WireRequest> = {}): Wire.WireRequest => ({
  method: "GET",
  url,
  headers: {},
  context: { registry: "r.test", operation: "test", endpoint: "base", method: "GET", url },
  ...over
})

const target = (url: string) => Origin.targetOf(new URL(url)) ?? assert.fail("it leads nowhere")

const named = LocalServer.make((incoming, response) => {
  response.writeHead(200, { "x-agent": incoming.headers["user-agent"] ?? "" }).end(`for ${incoming.headers["x-name"] ?? "nobody"}`)
})

describe("direct", () => {
  it.scopedLive("our client offers it, and what is derived from it does not", () =>
    Effect.gen(function* () {
      const own = yield* client
      assert.isDefined(Direct.startOf(own))
      for (const derived of [
        HttpClient.mapRequest(own, HttpClientRequest.setHeader("x-name", "you")),
        HttpClient.filterStatusOk(own),
        HttpClient.withTracerPropagation(own, false),
        { ...own }
      ]) {
        assert.isUndefined(Direct.startOf(derived))
      }
    })
  )

  it.scopedLive("a wire over a derived client does what that does, and reads what it gives", () =>
    Effect.gen(function* () {
      const server = yield* named
      const own = yield* client
      const derived = own.pipe(
        HttpClient.mapRequest(HttpClientRequest.setHeader("x-name", "you")),
        HttpClient.transformResponse(
          Effect.map((response) => HttpClientResponse.fromWeb(response.request, new Response("instead", { status: 203 })))
        )
      )
      const said = (wire: Wire.Wire) =>
        Effect.flatMap(wire.send(request(server.origin)), (response) => Effect.map(response.text(100), (text) => [response.status, text]))
      assert.deepStrictEqual(yield* said(Wire.make(own)), [200, "for nobody"])
      const renamed = HttpClient.mapRequest(own, HttpClientRequest.setHeader("x-name", "you"))
      assert.deepStrictEqual(yield* said(Wire.make(renamed)), [200, "for you"])
      assert.deepStrictEqual(yield* said(Wire.make(derived)), [203, "instead"])
    })
  )

  it.scopedLive("a body is taken once, whichever way", () =>
    Effect.gen(function* () {
      const server = yield* named
      const { execute } = yield* client
      const start = Direct.startOf(yield* client) ?? assert.fail("it offers no direct way")
      const direct = yield* start(HttpClientRequest.get(server.origin), target(server.origin)).response
      const body = Direct.takeBody(direct) ?? assert.fail("it offers no body")
      assert.isUndefined(Direct.takeBody(direct))
      assert.include(String((yield* Effect.flip(direct.text)).cause), "read before")
      assert.strictEqual(Buffer.concat([...(yield* body.pull)]).toString(), "for nobody")
      assertNone(yield* Effect.flip(body.pull))
      body.abort()

      const read = yield* start(HttpClientRequest.get(server.origin), target(server.origin)).response
      yield* read.text
      assert.isUndefined(Direct.takeBody(read))
      const general = yield* execute(HttpClientRequest.get(server.origin))
      assert.isFalse(Direct.offersBody(general))
      yield* general.text
    })
  )

  it.scopedLive("an exchange that is aborted fails at once, though the source of its upload cannot be stopped", () =>
    Effect.gen(function* () {
      const arrived = yield* Effect.makeLatch()
      const closed = yield* Effect.makeLatch()
      const server = yield* LocalServer.make((incoming) => {
        arrived.unsafeOpen()
        incoming.resume().on("error", () => {})
        incoming.socket.on("close", () => closed.unsafeOpen())
      })
      const start = Direct.startOf(yield* client) ?? assert.fail("it offers no direct way")
      const freed = yield* Effect.makeLatch()
      const stuck = Stream.concat(Stream.make(new Uint8Array(10)), Stream.fromEffect(Effect.uninterruptible(freed.await)))
      const body = HttpBody.stream(Stream.as(stuck, new Uint8Array(10)))
      const { abort, response } = start(HttpClientRequest.put(server.origin, { body }), target(server.origin))
      const fiber = yield* Effect.fork(Effect.flip(response))
      yield* arrived.await
      abort()
      assert.include(String((yield* fiber).cause), "aborted")
      yield* closed.await
      abort()
      yield* freed.open
    })
  )

  it("no answer gets lost, between whichever steps of its fiber the interruption comes", () => {
    for (let operation = 1; operation < 100; operation++) {
      let open = false
      let answer = () => {}
      const abort = () => {
        open = false
      }
      const unused = { stream: Stream.empty, bytes: () => Effect.succeed(new Uint8Array()) }
      const own = Direct.withStart(
        HttpClient.make(() => Effect.die("the general way")),
        (sent) => ({
          abort,
          response: Effect.async((resume) => {
            answer = () => {
              open = true
              const take = () => ({ pull: Effect.fail(Option.none()), abort })
              resume(Effect.succeed(new Direct.Response(sent, { status: 200, headers: Headers.empty }, unused, take)))
            }
            return Effect.sync(abort)
          })
        })
      )
      const { resume, scheduler } = Steps.yieldingBefore(operation)
      const fiber = Effect.runFork(Effect.scoped(Effect.zipRight(Wire.make(own).send(request("https://r.test/")), Effect.never)), {
        scheduler
      })
      answer()
      fiber.unsafeInterruptAsFork(FiberId.none)
      resume()
      const exit = fiber.unsafePoll()
      assert.isTrue(exit !== null && Exit.isInterrupted(exit), `before operation ${operation}`)
      assert.isFalse(open, `before operation ${operation}`)
    }
  })

  it.scopedLive("a request whose server is late fails, though the source of its upload cannot be stopped", () =>
    Effect.gen(function* () {
      const server = yield* LocalServer.make(() => {})
      const wire = Wire.make(yield* client, { connectTimeout: 0, headersTimeout: "50 millis" })
      const freed = yield* Effect.makeLatch()
      // It is full, and its reader, the socket, takes no more.
      const endless = Stream.ensuring(Stream.repeatValue(new Uint8Array(64 * 1024)), freed.await)
      const sent = wire.send(request(server.origin, { method: "PUT", body: HttpBody.stream(endless) }))
      assert.deepInclude(yield* Effect.flip(sent), { _tag: "TransportError", reason: "timeout" })
      yield* freed.open
    })
  )

  it.scopedLive("nobody goes on watching over a request that could not be made", () =>
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      let asleep = 0
      const counting: Clock.Clock = Object.assign(Object.create(clock), {
        sleep: (duration: Duration.Duration) =>
          Effect.acquireUseRelease(
            Effect.sync(() => asleep++),
            () => clock.sleep(duration),
            () => Effect.sync(() => asleep--)
          )
      })
      const wire = Wire.make(yield* client)
      const broken = Object.assign(new FormData(), {
        [Symbol.iterator]: () => {
          throw new Error("no")
        }
      })
      const sent = wire.send(request("http://localhost:1/", { method: "POST", body: HttpBody.formData(broken) }))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.withClock(sent, counting))))
      yield* eventually(Effect.sync(() => asleep === 0))
    })
  )
})
