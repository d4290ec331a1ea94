import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { NameResolver } from "../../src/http/internal/addressPolicy.ts"
import * as Wire from "../../src/http/internal/Wire.ts"
import { turn } from "../support/Eventually.ts"
import { withSetBack } from "../support/SetBack.ts"

interface Hit {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly signal: AbortSignal
}

/** A client over a function that answers, and what it saw. */
const memory = (answer: (request: HttpClientRequest.HttpClientRequest) => Response | Effect.Effect<Response>) => {
  const hits: Array<Hit> = []
  const client = HttpClient.make((request, _url, signal) =>
    Effect.suspend(() => {
      hits.push({ request, signal })
      const response = answer(request)
      return Effect.map(Effect.isEffect(response) ? response : Effect.succeed(response), (_) => HttpClientResponse.fromWeb(request, _))
    })
  )
  return { client, hits }
}

const request = (over: Partial<Wire.WireRequest> = {}): Wire.WireRequest => ({
  method: "GET",
  url: "https://r.test/v2/a/blobs/x",
  headers: {},
  context: {
    registry: "r.test",
    repository: "a",
    operation: "getBlob",
    endpoint: "blob",
    method: "GET",
    url: "https://r.test/v2/a/blobs/x"
  },
  ...over
})

const text = (body: string) => new TextEncoder().encode(body)

/** A web stream over chunks, and whether somebody cancelled it. It gives one chunk per pull and does not heed any signal. */
const source = (chunks: Iterable<Uint8Array>, then: "close" | "hang" | "error" = "close") => {
  const state = { pulled: 0, cancelled: false }
  const iterator = chunks[Symbol.iterator]()
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = iterator.next()
        state.pulled++
        if (next.done !== true) return controller.enqueue(next.value)
        if (then === "close") return controller.close()
        if (then === "error") return controller.error(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }))
        return new Promise<void>(() => {})
      },
      cancel() {
        state.cancelled = true
      }
    },
    { highWaterMark: 0 }
  )
  return { stream, state }
}

const repeat = function* (bytes: Uint8Array, times: number) {
  for (let n = 0; n < times; n++) yield bytes
}

const collect = (response: Wire.WireResponse) => Effect.map(Stream.runCollect(response.body), (_) => Chunk.toReadonlyArray(_))

describe("Wire", () => {
  describe("requests", () => {
    it.effect("go out as they are, with identity and a user agent", () =>
      Effect.gen(function* () {
        const { client, hits } = memory(() => new Response("ok"))
        const url = "https://r.test/v2/?X-Sig=a%2Bb%20c~d+e"
        const response = yield* Wire.make(client).send(request({ url: `${url}#part`, headers: { Authorization: "Bearer x" } }))
        assert.strictEqual(yield* response.text(10), "ok")
        assert.deepStrictEqual([response.url, response.origin, response.status], [url, "https://r.test", 200])
        assert.strictEqual(hits[0]?.request.url, url)
        assert.deepStrictEqual(
          { ...hits[0]?.request.headers },
          {
            "accept-encoding": "identity",
            "user-agent": "effect-oci/0.1.0",
            authorization: "Bearer x"
          }
        )
      }).pipe(Effect.scoped)
    )

    it.effect("must be absolute http or https", () =>
      Effect.gen(function* () {
        const wire = Wire.make(memory(() => new Response()).client)
        for (const url of ["/v2/", "ftp://r.test/", "https://[", ""]) {
          const error = yield* Effect.flip(wire.send(request({ url })))
          assert.deepInclude(error, { _tag: "TransportError", reason: "protocol", retryable: false })
        }
      }).pipe(Effect.scoped)
    )

    it.effect("any status is an answer", () =>
      Effect.gen(function* () {
        const { client } = memory(() => new Response("gone", { status: 404 }))
        const response = yield* Wire.make(client).send(request())
        assert.deepStrictEqual([response.status, yield* response.text(10)], [404, "gone"])
      }).pipe(Effect.scoped)
    )

    it.effect("per-request options win", () =>
      Effect.gen(function* () {
        const { client, hits } = memory(() => new Response())
        const wire = Wire.make(client, { userAgent: "all" })
        yield* wire.send(request())
        yield* wire.send(request(), { userAgent: "this" })
        assert.deepStrictEqual(
          hits.map((_) => _.request.headers["user-agent"]),
          ["all", "this"]
        )
      }).pipe(Effect.scoped)
    )
  })

  describe("failures", () => {
    it.effect("have a reason and no secrets", () =>
      Effect.gen(function* () {
        const client = HttpClient.make(() =>
          Effect.die(
            Object.assign(new Error("connect ECONNREFUSED to https://u:p@r.test/x?sig=1 with SECRET-TOKEN"), { code: "ECONNREFUSED" })
          )
        )
        const error = yield* Effect.flip(
          Wire.make(client).send(request({ url: "https://r.test/v2/?sig=1", headers: { Authorization: "Bearer SECRET-TOKEN" } }))
        )
        assert.deepInclude(error, {
          _tag: "TransportError",
          reason: "connect",
          retryable: true,
          url: "https://r.test/v2/",
          registry: "r.test",
          repository: "a",
          operation: "getBlob",
          method: "GET",
          detail: "connect ECONNREFUSED to https://r.test/x with <redacted>"
        })
        assert.notInclude(JSON.stringify(error), "SECRET")
      }).pipe(Effect.scoped)
    )

    it.effect("of the upload's source are told as such", () =>
      Effect.gen(function* () {
        const { client } = memory((_) =>
          _.body._tag === "Stream" ? Effect.orDie(Effect.as(Stream.runDrain(_.body.stream), new Response())) : new Response()
        )
        const body = (error: object) => HttpBody.stream(Stream.concat(Stream.make(text("a")), Stream.fail(error)))
        const send = (error: object) => Effect.flip(Wire.make(client).send(request({ method: "PUT", body: body(error) })))
        assert.deepInclude(yield* send({ message: "disk full" }), {
          reason: "aborted",
          retryable: false,
          detail: "the request body broke off: disk full"
        })
        assert.deepInclude(yield* send({ message: "idle", retryable: true }), { reason: "aborted", retryable: true })
      }).pipe(Effect.scoped)
    )

    it.effect("tell that a browser hides redirects", () =>
      Effect.gen(function* () {
        const { client } = memory(() => Response.error())
        assert.deepInclude(yield* Effect.flip(Wire.make(client).send(request())), { reason: "protocol", retryable: false })
      }).pipe(Effect.scoped)
    )
  })

  describe("timeouts", () => {
    it.effect("end a wait for the answer", () =>
      Effect.gen(function* () {
        const { client, hits } = memory(() => Effect.never)
        const wire = Wire.make(client, { connectTimeout: "10 seconds", headersTimeout: "20 seconds" })
        const fiber = yield* Effect.fork(Effect.either(wire.send(request())))
        yield* TestClock.adjust("29 seconds")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* TestClock.adjust("1 seconds")
        const result = yield* Fiber.join(fiber)
        assert.isTrue(Either.isLeft(result))
        if (Either.isLeft(result)) assert.deepInclude(result.left, { reason: "timeout", retryable: true, detail: "no answer for 30s" })
        yield* turn
        assert.isTrue(hits[0]?.signal.aborted)
      }).pipe(Effect.scoped)
    )

    it.effect("are kept for each request, whichever ended before it and whatever the limits of others", () =>
      Effect.gen(function* () {
        const wire = Wire.make(memory(() => Effect.never).client, { connectTimeout: 0, idleTimeout: "1 hour" })
        const late = (headersTimeout: Duration.DurationInput) =>
          Effect.fork(
            Effect.zipRight(
              Effect.flip(wire.send(request(), { headersTimeout })),
              Effect.map(Clock.currentTimeMillis, (now) => now / 1000)
            )
          )
        const first = yield* late("100 seconds")
        yield* TestClock.adjust("10 seconds")
        const second = yield* late("100 seconds")
        const hasty = yield* late("5 seconds")
        yield* TestClock.adjust("1 seconds")
        yield* Fiber.interrupt(first)
        yield* TestClock.adjust("3 minutes")
        assert.deepStrictEqual([yield* Fiber.join(hasty), yield* Fiber.join(second)], [15, 110])
        const last = yield* late("100 seconds")
        yield* TestClock.adjust("100 seconds")
        assert.strictEqual(yield* Fiber.join(last), 291)
      }).pipe(Effect.scoped)
    )

    it.effect("leave a client behind that cannot be interrupted", () =>
      Effect.gen(function* () {
        const { client } = memory(() => Effect.uninterruptible(Effect.never))
        const fiber = yield* Effect.fork(Effect.flip(Wire.make(client).send(request())))
        yield* TestClock.adjust("2 minutes")
        assert.deepInclude(yield* Fiber.join(fiber), { reason: "timeout" })
      }).pipe(Effect.scoped)
    )

    for (const [name, hours] of [
      ["back", 3],
      ["forward", -3]
    ] as const) {
      it.scoped(`hold whatever the time of day: the clock is set ${name}`, () =>
        withSetBack((setBack) =>
          Effect.gen(function* () {
            const fiber = yield* Effect.fork(Effect.flip(Wire.make(memory(() => Effect.never).client).send(request())))
            yield* TestClock.adjust("1 seconds")
            yield* setBack(hours)
            yield* TestClock.adjust("88 seconds")
            assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
            yield* TestClock.adjust("1 seconds")
            assert.deepInclude(yield* Fiber.join(fiber), { reason: "timeout" })
          })
        )
      )
    }

    it.effect("do not count while the upload moves, nor while its source is slow", () =>
      Effect.gen(function* () {
        const { client } = memory((_) =>
          _.body._tag === "Stream"
            ? Effect.orDie(Effect.as(Stream.runDrain(_.body.stream), new Response(null, { status: 201 })))
            : new Response()
        )
        const slow = Stream.repeatEffect(Effect.as(Effect.sleep("3 minutes"), text("x"))).pipe(Stream.take(5))
        const wire = Wire.make(client, { connectTimeout: 0, headersTimeout: "10 seconds" })
        const fiber = yield* Effect.fork(wire.send(request({ method: "PATCH", body: HttpBody.stream(slow) })))
        yield* TestClock.adjust("15 minutes")
        assert.strictEqual((yield* Fiber.join(fiber)).status, 201)
      }).pipe(Effect.scoped)
    )

    it.effect("count when the server stops taking the upload", () =>
      Effect.gen(function* () {
        const { client } = memory((_) =>
          _.body._tag === "Stream"
            ? Effect.orDie(
                Effect.as(
                  Stream.runForEach(_.body.stream, () => Effect.never),
                  new Response()
                )
              )
            : new Response()
        )
        const wire = Wire.make(client, { connectTimeout: 0, headersTimeout: "10 seconds" })
        const body = HttpBody.stream(Stream.make(text("x"), text("y")))
        const fiber = yield* Effect.fork(Effect.flip(wire.send(request({ method: "PATCH", body }))))
        yield* TestClock.adjust("10 seconds")
        assert.deepInclude(yield* Fiber.join(fiber), { reason: "timeout" })
      }).pipe(Effect.scoped)
    )

    for (const read of ["body", "bytes", "text"] as const) {
      it.effect(`end a body that stalls, even one that heeds no signal (${read})`, () =>
        Effect.gen(function* () {
          const { state, stream } = source([text("a")], "hang")
          const response = yield* Wire.make(memory(() => new Response(stream)).client, { idleTimeout: "5 seconds" }).send(request())
          const readings = { body: Stream.runDrain(response.body), bytes: response.bytes(100), text: response.text(100) }
          const reading: Effect.Effect<unknown, object> = readings[read]
          const fiber = yield* Effect.fork(Effect.flip(reading))
          yield* turn
          yield* TestClock.adjust("4999 millis")
          assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
          yield* TestClock.adjust("1 millis")
          assert.deepInclude(yield* Fiber.join(fiber), {
            _tag: "TransportError",
            reason: "idle",
            retryable: true,
            detail: "no data for 5s"
          })
          yield* turn
          assert.isTrue(state.cancelled)
        }).pipe(Effect.scoped)
      )
    }

    it.effect("end a small body that stalls", () =>
      Effect.gen(function* () {
        const { stream } = source([text("a")], "hang")
        const { client, hits } = memory(() => new Response(stream, { headers: { "content-length": "2" } }))
        const response = yield* Wire.make(client).send(request())
        const fiber = yield* Effect.fork(Effect.flip(response.bytes(100)))
        yield* turn
        yield* TestClock.adjust("1 minutes")
        assert.deepInclude(yield* Fiber.join(fiber), { reason: "idle" })
        yield* turn
        assert.isTrue(hits[0]?.signal.aborted)
      }).pipe(Effect.scoped)
    )

    it.effect("let a slow body be slow", () =>
      Effect.gen(function* () {
        const slow = Stream.repeatEffect(Effect.as(Effect.sleep("50 seconds"), text("x"))).pipe(Stream.take(30))
        const client = HttpClient.make((_) =>
          Effect.map(Stream.toReadableStreamEffect(slow), (body) => HttpClientResponse.fromWeb(_, new Response(body)))
        )
        const response = yield* Wire.make(client, { idleTimeout: "1 minutes" }).send(request())
        const fiber = yield* Effect.fork(response.bytes(1000))
        for (let n = 0; n < 30; n++) {
          yield* turn
          yield* TestClock.adjust("50 seconds")
        }
        yield* turn
        assert.strictEqual((yield* Fiber.join(fiber)).length, 30)
      }).pipe(Effect.scoped)
    )

    it.effect("do not count while the consumer is slow", () =>
      Effect.gen(function* () {
        const { stream } = source(repeat(text("x"), 4))
        const response = yield* Wire.make(memory(() => new Response(stream)).client, { idleTimeout: "5 seconds" }).send(request())
        const fiber = yield* Effect.fork(Stream.runForEach(response.body, () => Effect.sleep("1 minutes")))
        for (let n = 0; n < 5; n++) {
          yield* turn
          yield* TestClock.adjust("1 minutes")
        }
        yield* Fiber.join(fiber)
      }).pipe(Effect.scoped)
    )
  })

  describe("bodies", () => {
    it.effect("stream", () =>
      Effect.gen(function* () {
        const { stream } = source([text("ab"), text("c")])
        const response = yield* Wire.make(memory(() => new Response(stream)).client).send(request())
        assert.deepStrictEqual(
          (yield* collect(response)).map((_) => new TextDecoder().decode(_)),
          ["ab", "c"]
        )
      }).pipe(Effect.scoped)
    )

    it.effect("without content are empty, whatever their length says", () =>
      Effect.gen(function* () {
        const { client } = memory((_) =>
          _.method === "HEAD" ? new Response(null, { headers: { "content-length": "99" } }) : new Response(null, { status: 204 })
        )
        for (const method of ["HEAD", "GET"] as const) {
          const response = yield* Wire.make(client).send(request({ method }))
          assert.strictEqual((yield* response.bytes(0)).length, 0)
          assert.deepStrictEqual(yield* collect(response), [])
        }
        const unknown = yield* Wire.make(memory(() => new Response(null)).client).send(request())
        assert.deepStrictEqual(yield* collect(unknown), [])
      }).pipe(Effect.scoped)
    )

    it.effect("are read once", () =>
      Effect.gen(function* () {
        const response = yield* Wire.make(memory(() => new Response("ok")).client).send(request())
        yield* response.bytes(10)
        assert.deepInclude(yield* Effect.flip(response.bytes(10)), {
          reason: "protocol",
          detail: "the body of this answer was already read"
        })
        assert.deepInclude(yield* Effect.flip(Stream.runDrain(response.body)), { reason: "protocol" })
        yield* response.discard
      }).pipe(Effect.scoped)
    )

    it.effect("a second reader does not disturb the first", () =>
      Effect.gen(function* () {
        const { stream } = source([text("a"), text("b"), text("c")])
        const response = yield* Wire.make(memory(() => new Response(stream)).client).send(request())
        const all = Stream.mapEffect(response.body, (_) => Effect.as(Effect.either(Stream.runDrain(response.body)), _))
        assert.strictEqual(Chunk.size(yield* Stream.runCollect(all)), 3)
      }).pipe(Effect.scoped)
    )

    it.effect("have a limit, declared or not", () =>
      Effect.gen(function* () {
        const { state, stream } = source(repeat(new Uint8Array(1000), 1_000_000))
        const endless = yield* Wire.make(memory(() => new Response(stream)).client).send(request())
        assert.deepInclude(yield* Effect.flip(endless.bytes(5000)), {
          _tag: "LimitExceeded",
          what: "response body",
          limit: 5000,
          registry: "r.test"
        })
        assert.isTrue(state.cancelled)
        assert.isBelow(state.pulled, 10)

        const declared = source(repeat(new Uint8Array(1000), 10))
        const { client } = memory(() => new Response(declared.stream, { headers: { "content-length": "10000" } }))
        const large = yield* Wire.make(client).send(request())
        assert.deepInclude(yield* Effect.flip(large.text(5000)), { _tag: "LimitExceeded" })
        assert.isTrue(declared.state.cancelled)
      }).pipe(Effect.scoped)
    )

    it.effect("of exactly the limit are fine", () =>
      Effect.gen(function* () {
        for (const headers of [{}, { "content-length": "3000" }]) {
          const { client } = memory(() => new Response(source(repeat(new Uint8Array(1000), 3)).stream, { headers }))
          const response = yield* Wire.make(client).send(request())
          assert.strictEqual((yield* response.bytes(3000)).length, 3000)
        }
      }).pipe(Effect.scoped)
    )

    it.effect("that lie about their length are found out", () =>
      Effect.gen(function* () {
        const { client } = memory(
          () => new Response(source(repeat(new Uint8Array(1000), 10)).stream, { headers: { "content-length": "10" } })
        )
        const response = yield* Wire.make(client).send(request())
        assert.deepInclude(yield* Effect.flip(response.bytes(5000)), { _tag: "LimitExceeded" })
      }).pipe(Effect.scoped)
    )

    it.effect("that end early are aborted", () =>
      Effect.gen(function* () {
        for (const length of ["10", "100000"]) {
          const { client } = memory(() => new Response(source([text("abc")]).stream, { headers: { "content-length": length } }))
          const detail = `the body ended after 3 of ${length} bytes`
          const wire = Wire.make(client)
          const whole = yield* wire.send(request())
          assert.deepInclude(yield* Effect.flip(whole.bytes(1_000_000)), { reason: "aborted", retryable: true, detail })
          const streamed = yield* wire.send(request())
          assert.deepInclude(yield* Effect.flip(Stream.runDrain(streamed.body)), { reason: "aborted", detail })
        }
      }).pipe(Effect.scoped)
    )

    it.effect("that break are aborted", () =>
      Effect.gen(function* () {
        const { client } = memory(() => new Response(source([text("abc")], "error").stream))
        const response = yield* Wire.make(client).send(request())
        const seen: Array<number> = []
        const error = yield* Effect.flip(Stream.runForEach(response.body, (_) => Effect.sync(() => seen.push(_.length))))
        assert.deepInclude(error, { reason: "aborted", retryable: true, detail: "read ECONNRESET" })
        assert.deepStrictEqual(seen, [3])
      }).pipe(Effect.scoped)
    )

    it.effect("that are compressed are refused whole and streamed as they came", () =>
      Effect.gen(function* () {
        const { client } = memory(() => new Response("zip", { headers: { "content-encoding": "GZIP" } }))
        const wire = Wire.make(client)
        const response = yield* wire.send(request())
        assert.strictEqual(response.contentEncoding, "gzip")
        assert.deepInclude(yield* Effect.flip(response.bytes(10)), { reason: "protocol", retryable: false })
        const streamed = yield* wire.send(request())
        assert.strictEqual((yield* collect(streamed)).length, 1)
        const plain = yield* Wire.make(memory(() => new Response("ok", { headers: { "content-encoding": "identity" } })).client).send(
          request()
        )
        assert.deepStrictEqual([plain.contentEncoding, yield* plain.text(9)], [undefined, "ok"])
      }).pipe(Effect.scoped)
    )
  })

  describe("scopes", () => {
    const open = (chunks: Iterable<Uint8Array>, headers: Record<string, string> = {}) =>
      Effect.gen(function* () {
        const body = source(chunks)
        const { client, hits } = memory(() => new Response(body.stream, { headers }))
        const scope = yield* Scope.make()
        const response = yield* Scope.extend(Wire.make(client).send(request()), scope)
        return {
          response,
          state: body.state,
          close: (exit: Exit.Exit<unknown, unknown>) => Scope.close(scope, exit),
          aborted: () => hits[0]?.signal.aborted
        }
      })

    it.effect("read a small unread body when all went well", () =>
      Effect.gen(function* () {
        const { aborted, close, state } = yield* open([text("abc")], { "content-length": "3" })
        yield* close(Exit.void)
        assert.deepStrictEqual([state.cancelled, state.pulled], [false, 2])
        assert.isTrue(aborted())
      })
    )

    for (const [name, headers, exit] of [
      ["large", { "content-length": "100000" }, Exit.void],
      ["of unknown length", {}, Exit.void],
      ["small, after a failure", { "content-length": "3" }, Exit.fail("no")]
    ] as const) {
      it.effect(`abort an unread body that is ${name}`, () =>
        Effect.gen(function* () {
          const { aborted, close, state } = yield* open(repeat(new Uint8Array(3), 1000), headers)
          yield* close(exit)
          assert.deepStrictEqual([state.cancelled, aborted()], [true, true])
        })
      )
    }

    it.effect("abort a body half read", () =>
      Effect.gen(function* () {
        const { aborted, response, state } = yield* open(repeat(text("x"), 1000))
        yield* Stream.runDrain(Stream.take(response.body, 2))
        assert.deepStrictEqual([state.cancelled, aborted()], [true, true])
        assert.isBelow(state.pulled, 6)
      })
    )

    it.effect("abort when the reader is interrupted", () =>
      Effect.gen(function* () {
        const body = source([text("a")], "hang")
        const { client, hits } = memory(() => new Response(body.stream))
        const reading = Effect.scoped(Effect.flatMap(Wire.make(client).send(request()), (_) => Stream.runDrain(_.body)))
        const fiber = yield* Effect.fork(reading)
        yield* turn
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual([body.state.cancelled, hits[0]?.signal.aborted], [true, true])
      })
    )

    it.effect("abort when the wait for an answer is interrupted", () =>
      Effect.gen(function* () {
        const started = yield* Deferred.make<void>()
        const { client, hits } = memory(() => Effect.zipRight(Deferred.succeed(started, undefined), Effect.never))
        const fiber = yield* Effect.fork(Effect.scoped(Wire.make(client).send(request())))
        yield* Deferred.await(started)
        yield* Fiber.interrupt(fiber)
        assert.isTrue(hits[0]?.signal.aborted)
      })
    )

    it.effect("leave nothing open, whenever the interruption comes", () =>
      Effect.gen(function* () {
        for (let ticks = 0; ticks < 30; ticks++) {
          const body = source(repeat(text("x"), 1000))
          const response = yield* Deferred.make<Response>()
          const { client, hits } = memory(() => Deferred.await(response))
          const fiber = yield* Effect.fork(Effect.scoped(Effect.zipRight(Wire.make(client).send(request()), Effect.never)))
          yield* Effect.yieldNow()
          yield* Deferred.succeed(response, new Response(body.stream))
          yield* Effect.promise(async () => {
            for (let tick = 0; tick < ticks; tick++) await undefined
          })
          yield* Fiber.interrupt(fiber)
          assert.isTrue(
            hits.every(({ signal }) => signal.aborted),
            `after ${ticks} ticks`
          )
        }
      })
    )

    it.effect("discard reads a little, and gives up on the rest", () =>
      Effect.gen(function* () {
        const small = yield* open(repeat(new Uint8Array(1000), 3))
        yield* small.response.discard
        assert.deepStrictEqual([small.state.pulled, small.state.cancelled], [4, false])
        const endless = yield* open(repeat(new Uint8Array(10_000), 1_000_000))
        yield* endless.response.discard
        assert.isTrue(endless.state.cancelled)
        assert.isBelow(endless.state.pulled, 12)
        const large = yield* open(repeat(new Uint8Array(10_000), 100), { "content-length": "1000000" })
        yield* large.response.discard
        assert.isTrue(large.state.cancelled)
        assert.isBelow(large.state.pulled, 4)
      })
    )

    it.effect("discard does not wait for a body that stalls", () =>
      Effect.gen(function* () {
        const body = source([], "hang")
        const response = yield* Wire.make(memory(() => new Response(body.stream)).client).send(request())
        const fiber = yield* Effect.fork(response.discard)
        yield* turn
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(fiber)
        assert.isTrue(body.state.cancelled)
      }).pipe(Effect.scoped)
    )
  })

  describe("redirects", () => {
    /** Answers by URL: a `Location` with its status, or a body. */
    const site = (pages: Record<string, readonly [status: number, location: string] | string>) =>
      memory((_) => {
        const page = pages[_.url]
        return typeof page === "string" || page === undefined
          ? new Response(page ?? "no", { status: page === undefined ? 404 : 200 })
          : new Response("see there", { status: page[0], headers: { location: page[1] } })
      })
    const signed = "https://cdn.test/b?X-Sig=a%2Bb+c~&e"

    it.effect("drop credentials on the way to another origin, and keep the signed URL", () =>
      Effect.gen(function* () {
        const { client, hits } = site({ "https://r.test/v2/a/blobs/x": [307, signed], [signed]: "blob" })
        const headers = { Authorization: "Bearer x", Cookie: "c", "Proxy-Authorization": "p", Range: "bytes=1-", Accept: "a/b" }
        const response = yield* Wire.make(client).send(request({ headers }))
        assert.deepStrictEqual([response.url, response.origin, yield* response.text(9)], [signed, "https://cdn.test", "blob"])
        assert.strictEqual(hits[1]?.request.url, signed)
        assert.deepStrictEqual(Object.keys(hits[1]?.request.headers ?? {}).sort(), ["accept", "accept-encoding", "range", "user-agent"])
      }).pipe(Effect.scoped)
    )

    it.effect("do not give credentials back on the way home", () =>
      Effect.gen(function* () {
        const { client, hits } = site({
          "https://r.test/v2/a/blobs/x": [302, "https://cdn.test/1"],
          "https://cdn.test/1": [302, "https://r.test/home"],
          "https://r.test/home": "blob"
        })
        yield* Wire.make(client).send(request({ headers: { authorization: "Bearer x" } }))
        assert.deepStrictEqual(
          hits.map((_) => _.request.headers["authorization"]),
          ["Bearer x", undefined, undefined]
        )
      }).pipe(Effect.scoped)
    )

    it.effect("stay HEAD, and discard what is in between", () =>
      Effect.gen(function* () {
        const between = source(repeat(new Uint8Array(10_000), 1_000_000))
        const { client, hits } = memory((_) =>
          _.url.includes("r.test")
            ? new Response(_.method === "HEAD" ? null : between.stream, { status: 307, headers: { location: signed } })
            : new Response(null)
        )
        yield* Wire.make(client).send(request())
        assert.isTrue(between.state.cancelled)
        yield* Wire.make(client).send(request({ method: "HEAD" }))
        assert.deepStrictEqual(
          hits.map((_) => _.request.method),
          ["GET", "GET", "HEAD", "HEAD"]
        )
      }).pipe(Effect.scoped)
    )

    it.effect("run a stream body again, if it can be", () =>
      Effect.gen(function* () {
        const { client } = memory((_) =>
          _.body._tag === "Stream"
            ? Effect.orDie(
                Effect.map(Stream.mkString(Stream.decodeText(_.body.stream)), (body) =>
                  _.url.endsWith("/x") ? new Response(null, { status: 307, headers: { location: "/y" } }) : new Response(body)
                )
              )
            : new Response("no body")
        )
        const put = request({ method: "PUT", body: HttpBody.stream(Stream.make(text("ab"), text("c"))) })
        const response = yield* Wire.make(client).send(put)
        assert.strictEqual(yield* response.text(9), "abc")
        assert.deepInclude(yield* Effect.flip(Wire.make(client).send({ ...put, replayable: false })), {
          _tag: "RedirectRefused",
          reason: "the request body cannot be sent a second time"
        })
      }).pipe(Effect.scoped)
    )

    const refusals: ReadonlyArray<readonly [name: string, location: string, reason: string]> = [
      ["to http", "http://r.test/x", "from https to http"],
      ["to another scheme", "file:///etc/passwd", "scheme file is not http or https"],
      ["to a private address", "https://10.0.0.1/x?sig=1", "10.0.0.1 is a private address"],
      ["to the metadata service", "https://169.254.169.254/latest", "169.254.169.254 is a link-local address"],
      ["to nowhere", "https://[", "not a URL"],
      ["to itself", "/v2/a/blobs/x", "it was there before: a loop"]
    ]
    for (const [name, location, reason] of refusals) {
      it.effect(`are refused ${name}`, () =>
        Effect.gen(function* () {
          const { client, hits } = memory(() => new Response("x", { status: 302, headers: { location } }))
          const error = yield* Effect.flip(Wire.make(client).send(request()))
          assert.deepInclude(error, { _tag: "RedirectRefused", reason, registry: "r.test", url: "https://r.test/v2/a/blobs/x" })
          assert.notInclude(JSON.stringify(error), "sig=1")
          assert.deepStrictEqual([hits.length, hits[0]?.signal.aborted], [1, true])
        }).pipe(Effect.scoped)
      )
    }

    it.effect("end after ten", () =>
      Effect.gen(function* () {
        let n = 0
        const { client, hits } = memory(() => new Response(null, { status: 302, headers: { location: `/${++n}` } }))
        assert.deepInclude(yield* Effect.flip(Wire.make(client).send(request())), { reason: "more than 10 redirects" })
        assert.strictEqual(hits.length, 11)
        assert.deepInclude(yield* Effect.flip(Wire.make(client, { maxRedirects: 0 }).send(request())), { reason: "more than 0 redirects" })
      }).pipe(Effect.scoped)
    )

    it.effect("ask the resolver and the caller", () =>
      Effect.gen(function* () {
        const { client } = site({ "https://r.test/v2/a/blobs/x": [307, signed], [signed]: "blob" })
        const reason = "no"
        const refused = yield* Effect.flip(
          Wire.make(client, { allowRedirect: (_, to) => (to.hostname === "cdn.test" ? reason : undefined) }).send(request())
        )
        assert.deepInclude(refused, { reason, target: "https://cdn.test/b" })
        const inside = Effect.provideService(NameResolver, {
          resolve: (host) => Effect.succeed(host === "cdn.test" ? ["127.0.0.1"] : [])
        })
        assert.deepInclude(yield* Effect.flip(inside(Wire.make(client).send(request()))), { reason: "cdn.test is a loopback address" })
      }).pipe(Effect.scoped)
    )

    it.effect("without Location, or 304, are answers", () =>
      Effect.gen(function* () {
        for (const response of [new Response(null, { status: 307 }), new Response(null, { status: 304, headers: { location: "/x" } })]) {
          assert.strictEqual((yield* Wire.make(memory(() => response).client).send(request())).status, response.status)
        }
      }).pipe(Effect.scoped)
    )
  })

  describe("spans", () => {
    const traced = Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = yield* Effect.tracer
      const recording = Tracer.make({
        ...tracer,
        span: (...args) => {
          const span = tracer.span(...args)
          spans.push(span)
          return span
        }
      })
      return { spans, run: Effect.withTracer(recording) }
    })

    it.effect("are one per hop, with nothing secret in them", () =>
      Effect.gen(function* () {
        const { run, spans } = yield* traced
        const { client, hits } = memory((_) =>
          _.url.includes("r.test")
            ? new Response(null, { status: 307, headers: { location: "https://cdn.test:8443/b?sig=1" } })
            : new Response("x")
        )
        yield* run(Wire.make(client).send(request({ headers: { authorization: "Bearer SECRET" } })))
        assert.deepStrictEqual(
          spans.map((_) => [_.name, _.kind, Object.fromEntries(_.attributes)]),
          [
            [
              "http GET",
              "client",
              {
                "http.request.method": "GET",
                "server.address": "r.test",
                "server.port": 443,
                "url.full": "https://r.test/v2/a/blobs/x",
                "http.response.status_code": 307
              }
            ],
            [
              "http GET",
              "client",
              {
                "http.request.method": "GET",
                "server.address": "cdn.test",
                "server.port": 8443,
                "url.full": "https://cdn.test:8443/b",
                "http.response.status_code": 200
              }
            ]
          ]
        )
        assert.isUndefined(hits[0]?.request.headers["traceparent"])
        assert.isUndefined(hits[0]?.request.headers["b3"])
      }).pipe(Effect.scoped)
    )

    it.effect("are told to the first origin on request", () =>
      Effect.gen(function* () {
        const { run, spans } = yield* traced
        const { client, hits } = memory((_) =>
          _.url.includes("r.test") ? new Response(null, { status: 307, headers: { location: "https://cdn.test/b" } }) : new Response("x")
        )
        yield* run(Wire.make(client, { propagateTrace: true }).send(request()))
        assert.include(hits[0]?.request.headers["traceparent"], spans[0]?.traceId)
        assert.isUndefined(hits[1]?.request.headers["traceparent"])
      }).pipe(Effect.scoped)
    )
  })
})
