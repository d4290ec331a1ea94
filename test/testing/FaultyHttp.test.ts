import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Digest from "../../src/model/Digest.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"

const origin = "https://registry.test"
const content = "the content of a small blob"
const bytes = new TextEncoder().encode(content)
const digest = Digest.fromBytes(bytes)
const blob = `${origin}/v2/app/blobs/${digest}`

const over = (rules: ReadonlyArray<FaultyHttp.Rule>, seed?: number) =>
  FaultyHttp.layer({ rules, seed }).pipe(Layer.provideMerge(MemoryRegistry.layer({ hosts: { "registry.test": {} } })))

const once = (fault: Fault.Fault) => over([{ fault }])

const execute = (request: HttpClientRequest.HttpClientRequest) => Effect.flatMap(HttpClient.HttpClient, (client) => client.execute(request))

const seeded = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.seedBlob("app", bytes))

/** GETs the blob and reads as much of it as there is. */
const getBlob = (headers: Readonly<Record<string, string>> = {}) =>
  Effect.zipRight(seeded, execute(HttpClientRequest.get(blob, { headers })))

const readAll = Effect.fnUntraced(function* (response: HttpClientResponse.HttpClientResponse) {
  let text = ""
  const exit = yield* Effect.exit(
    Stream.runForEach(response.stream, (piece) =>
      Effect.sync(() => {
        text += new TextDecoder().decode(piece)
      })
    )
  )
  return { text, failed: Exit.isFailure(exit) }
})

describe("the answer's body", () => {
  it.effect.prop("cut anywhere: exactly the bytes before, then an error", [fc.nat(bytes.length)], ([offset]) =>
    Effect.gen(function* () {
      const { failed, text } = yield* Effect.flatMap(getBlob(), readAll)
      assert.strictEqual(text, content.slice(0, offset))
      assert.isTrue(failed)
    }).pipe(Effect.provide(once(Fault.cutResponseAt(offset))))
  )

  it.effect("ended early it looks complete", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.flatMap(getBlob(), readAll), { text: content.slice(0, 5), failed: false })
    }).pipe(Effect.provide(once(Fault.endResponseAt(5))))
  )

  it.effect("corrupted: one byte is another one", () =>
    Effect.gen(function* () {
      const { text } = yield* Effect.flatMap(getBlob(), readAll)
      assert.strictEqual(text.length, content.length)
      assert.deepStrictEqual(
        [...text].flatMap((character, index) => (character === content[index] ? [] : [index])),
        [7]
      )
    }).pipe(Effect.provide(once(Fault.corruptResponseAt(7))))
  )

  it.effect("stalled: the bytes before, then nothing until somebody gives up", () =>
    Effect.gen(function* () {
      const response = yield* getBlob()
      const reading = yield* Effect.fork(Effect.timeout(Stream.runCollect(response.stream), "1 minute"))
      yield* TestClock.adjust("59 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(reading)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(Fiber.join(reading)))._tag, "TimeoutException")
    }).pipe(Effect.provide(once(Fault.stallResponseAt(4))))
  )

  it.effect("trickled: one piece per interval", () =>
    Effect.gen(function* () {
      const response = yield* getBlob()
      const pieces: Array<string> = []
      yield* Effect.fork(Stream.runForEach(response.stream, (piece) => Effect.sync(() => pieces.push(new TextDecoder().decode(piece)))))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(pieces, ["the conten"])
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(pieces.join(""), content)
      assert.strictEqual(pieces.length, 3)
    }).pipe(Effect.provide(once(Fault.trickle(10, "1 second"))))
  )

  it.live("compressed: gzip that nobody asked for", () =>
    Effect.gen(function* () {
      const response = yield* getBlob()
      assert.strictEqual(response.headers["content-encoding"], "gzip")
      assert.isUndefined(response.headers["content-length"])
      const packed = yield* response.arrayBuffer
      const unpacked = yield* Effect.promise(() =>
        new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text()
      )
      assert.strictEqual(unpacked, content)
    }).pipe(Effect.provide(once(Fault.gzip)))
  )

  it.effect("truncated JSON is no JSON", () =>
    Effect.gen(function* () {
      const response = yield* execute(HttpClientRequest.get(`${origin}/v2/_catalog`))
      assert.strictEqual((yield* Effect.flip(response.json))._tag, "ResponseError")
    }).pipe(Effect.provide(once(Fault.truncateJson)))
  )

  it.effect("endless: as much as one is willing to read", () =>
    Effect.gen(function* () {
      const response = yield* getBlob()
      const read = yield* Stream.runFold(Stream.take(response.stream, 100), 0, (length, piece) => length + piece.length)
      assert.strictEqual(read, 100 * 16 * 1024)
    }).pipe(Effect.provide(once(Fault.endlessResponse())))
  )
})

describe("the answer's head", () => {
  it.effect("a range that is ignored, or answered wrongly", () =>
    Effect.gen(function* () {
      const faults = yield* FaultyHttp.FaultyHttp
      const full = yield* getBlob({ range: "bytes=4-10" })
      assert.deepStrictEqual([full.status, yield* full.text], [200, content])
      yield* faults.setRules([{ fault: Fault.wrongContentRange("bytes 0-6/27") }])
      const wrong = yield* getBlob({ range: "bytes=4-10" })
      assert.deepStrictEqual([wrong.status, wrong.headers["content-range"], yield* wrong.text], [206, "bytes 0-6/27", "content"])
    }).pipe(Effect.provide(once(Fault.ignoreRange)))
  )

  it.effect("headers: huge ones, changed ones", () =>
    Effect.gen(function* () {
      const faults = yield* FaultyHttp.FaultyHttp
      assert.strictEqual((yield* getBlob()).headers["x-huge"]?.length, 100_000)
      yield* faults.setRules([{ fault: Fault.changeHeaders({ "docker-content-digest": undefined, etag: '"other"' }) }])
      const { headers } = yield* getBlob()
      assert.isUndefined(headers["docker-content-digest"])
      assert.strictEqual(headers["etag"], '"other"')
      assert.strictEqual(headers["content-length"], String(bytes.length))
    }).pipe(Effect.provide(once(Fault.hugeHeader(100_000))))
  )

  it.effect("other answers: 5xx, 429 in its three forms, redirects", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const faults = yield* FaultyHttp.FaultyHttp
      const answer = (fault: Fault.Fault) => Effect.zipRight(faults.setRules([{ fault }]), getBlob())
      const down = yield* answer(Fault.respond(503, { "retry-after": "3" }, "sorry"))
      assert.deepStrictEqual([down.status, down.headers["retry-after"], yield* down.text], [503, "3", "sorry"])
      assert.strictEqual((yield* answer(Fault.tooManyRequests(7))).headers["retry-after"], "7")
      assert.strictEqual((yield* answer(Fault.tooManyRequests(new Date(0)))).headers["retry-after"], "Thu, 01 Jan 1970 00:00:00 GMT")
      const bare = yield* answer(Fault.tooManyRequests())
      assert.deepStrictEqual([bare.status, bare.headers["retry-after"]], [429, undefined])
      const moved = yield* answer(Fault.redirect((url) => `http://10.0.0.1${url.pathname}`, 302))
      assert.deepStrictEqual([moved.status, moved.headers["location"]], [302, `http://10.0.0.1/v2/app/blobs/${digest}`])
      const challenges = yield* answer(Fault.respond(401, { "www-authenticate": ["Basic realm=a", "Bearer realm=b"] }))
      assert.strictEqual(challenges.headers["www-authenticate"], "Basic realm=a, Bearer realm=b")
      assert.deepStrictEqual(yield* registry.requests, [])
    }).pipe(Effect.provide(over([])))
  )
})

describe("the connection", () => {
  const patch = Effect.fnUntraced(function* (body: HttpBody.HttpBody) {
    const registry = yield* MemoryRegistry.MemoryRegistry
    yield* registry.seedUpload("app", "u", "")
    return yield* execute(HttpClientRequest.patch(`${origin}/v2/app/blobs/uploads/u`).pipe(HttpClientRequest.setBody(body)))
  })

  /** The content in pieces of that size, all in one chunk of the stream; whole for 0. */
  const bodyOf = (pieceBytes: number): HttpBody.HttpBody => {
    if (pieceBytes === 0) return HttpBody.uint8Array(bytes)
    const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, index) =>
      bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes)
    )
    return HttpBody.stream(Stream.fromIterable(pieces), undefined, bytes.length)
  }

  it.effect.prop(
    "a request cut anywhere: the registry has exactly the bytes before",
    [fc.nat(bytes.length), fc.nat(10)],
    ([offset, pieceBytes]) =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        const error = yield* Effect.flip(patch(bodyOf(pieceBytes)))
        assert.strictEqual(error.reason, "Transport")
        assert.propertyVal(error.cause, "code", "ECONNRESET")
        assert.deepStrictEqual(
          (yield* registry.openUploads).map((upload) => upload.sizeBytes),
          [offset]
        )
      }).pipe(Effect.provide(once(Fault.cutRequestAt(offset))))
  )

  it.effect("reset and refused: the registry hears nothing; a lost answer: it has done what was asked", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const faults = yield* FaultyHttp.FaultyHttp
      for (const fault of [Fault.reset, Fault.refuseConnection]) {
        yield* faults.setRules([{ fault }])
        assert.strictEqual((yield* Effect.flip(getBlob())).reason, "Transport")
      }
      assert.deepStrictEqual(yield* registry.requests, [])
      yield* faults.setRules([{ fault: Fault.loseResponse }])
      yield* Effect.flip(execute(HttpClientRequest.del(blob)))
      assert.deepStrictEqual(yield* registry.blobs("app"), [])
    }).pipe(Effect.provide(over([])))
  )

  it.effect("an early answer during an upload", () =>
    Effect.gen(function* () {
      let produced = 0
      const body = Stream.repeatEffect(
        Effect.sync(() => {
          produced += 1
          return new Uint8Array(10)
        })
      )
      const response = yield* patch(HttpBody.stream(body))
      assert.strictEqual(response.status, 401)
      assert.strictEqual(produced, 3)
    }).pipe(Effect.provide(once(Fault.earlyAnswer(25, 401))))
  )

  it.effect("delays and silence follow the test clock", () =>
    Effect.gen(function* () {
      const faults = yield* FaultyHttp.FaultyHttp
      const slow = yield* Effect.fork(getBlob())
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(slow)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(slow)).status, 200)
      yield* faults.setRules([{ fault: Fault.stall }])
      const silent = yield* Effect.fork(Effect.timeoutOption(getBlob(), "1 hour"))
      yield* TestClock.adjust("1 hour")
      assert.isTrue(Option.isNone(yield* Fiber.join(silent)))
    }).pipe(Effect.provide(once(Fault.delay("3 seconds"))))
  )

  it.effect("a request that a fault has rewritten still ends with the caller's scope", () =>
    Effect.gen(function* () {
      yield* seeded
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      const scope = yield* Scope.make()
      const response = yield* Scope.extend(client.execute(HttpClientRequest.get(blob, { headers: { range: "bytes=1-" } })), scope)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(response.stream)))._tag, "ResponseError")
    }).pipe(Effect.provide(once(Fault.ignoreRange)))
  )
})

describe("rules", () => {
  const teapot = Fault.respond(418)
  const statuses = (count: number, request = HttpClientRequest.get(`${origin}/v2/`)) =>
    Effect.map(Effect.all(Array.from({ length: count }, () => execute(request))), (responses) => responses.map((_) => _.status))

  it.effect("skip, then count; the others pass", () =>
    Effect.gen(function* () {
      const faults = yield* FaultyHttp.FaultyHttp
      assert.deepStrictEqual(yield* statuses(6), [200, 200, 418, 418, 200, 200])
      assert.deepStrictEqual(yield* faults.counts, [2])
      assert.deepStrictEqual((yield* faults.injections)[0], { rule: 0, fault: "respond(418)", method: "GET", url: `${origin}/v2/` })
    }).pipe(Effect.provide(over([{ match: { skip: 2, count: 2 }, fault: teapot }])))
  )

  it.effect("by method, host, path, query; the first that is due applies", () =>
    Effect.gen(function* () {
      const faults = yield* FaultyHttp.FaultyHttp
      const status = (method: "GET" | "HEAD" | "PUT", url: string) =>
        Effect.map(execute(HttpClientRequest.make(method)(url)), (response) => response.status)
      assert.strictEqual(yield* status("PUT", `${origin}/v2/`), 405)
      assert.strictEqual(yield* status("HEAD", `${origin}/v2/`), 200)
      assert.strictEqual(yield* status("HEAD", `${origin}/v2/app/blobs/${digest}`), 501)
      assert.strictEqual(yield* status("GET", `${origin}/v2/?last=x`), 502)
      assert.strictEqual(yield* status("GET", "https://elsewhere.test/"), 503)
      assert.deepStrictEqual(yield* faults.counts, [1, 1, 1])
      yield* faults.heal
      assert.strictEqual((yield* Effect.flip(status("GET", "https://elsewhere.test/")))._tag, "RequestError")
    }).pipe(
      Effect.provide(
        over([
          { match: { method: ["GET", "HEAD"], path: /\/blobs\//g }, fault: Fault.respond(501) },
          { match: { query: /last=/, when: (request) => request.method === "GET" }, fault: Fault.respond(502) },
          { match: { host: "elsewhere.test" }, fault: Fault.respond(503) }
        ])
      )
    )
  )

  const gamble = (seed: number) => statuses(40).pipe(Effect.provide(over([{ match: { probability: 0.5 }, fault: teapot }], seed)))

  it.effect("chance is the same for the same seed", () =>
    Effect.gen(function* () {
      const first = yield* gamble(1)
      assert.deepStrictEqual(yield* gamble(1), first)
      assert.notDeepEqual(yield* gamble(2), first)
      const hits = first.filter((status) => status === 418).length
      assert.isAtLeast(hits, 8)
      assert.isAtMost(hits, 32)
    })
  )

  it.effect("faults compose, and follow one another", () =>
    Effect.gen(function* () {
      const faults = yield* FaultyHttp.FaultyHttp
      yield* faults.setRules([{ fault: Fault.compose(Fault.cutResponseAt(3), Fault.respond(200, {}, "abcdef")) }])
      assert.deepStrictEqual(yield* Effect.flatMap(getBlob(), readAll), { text: "abc", failed: true })
      yield* faults.setRules([{ fault: yield* Fault.sequence(Fault.respond(500), Fault.respond(429), Fault.respond(200)) }])
      assert.deepStrictEqual(yield* statuses(4), [500, 429, 200, 200])
      const own = Fault.custom("twice", ({ execute, request }) => Effect.zipRight(execute(request), execute(request)))
      yield* faults.setRules([{ fault: own }])
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.clearRequests
      assert.deepStrictEqual(yield* statuses(1), [200])
      assert.strictEqual((yield* registry.requests).length, 2)
    }).pipe(Effect.provide(over([])))
  )

  it.effect("without rules nothing changes", () =>
    Effect.gen(function* () {
      const response = yield* getBlob()
      const pieces = yield* Stream.runCollect(response.stream)
      assert.strictEqual(Chunk.size(pieces), 1)
      assert.deepStrictEqual((yield* (yield* FaultyHttp.FaultyHttp).injections).length, 0)
    }).pipe(Effect.provide(over([])))
  )
})
