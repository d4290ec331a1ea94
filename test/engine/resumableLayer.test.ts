import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as ResumableLayer from "../../src/engine/internal/resumableLayer.ts"
import * as V1Exchange from "../../src/engine/internal/v1Exchange.ts"
import * as V1Wire from "../../src/engine/internal/v1Wire.ts"
import { concat } from "../../src/model/internal/bytes.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import * as Vectors from "../vectors/Vectors.ts"
import * as ScriptedV1 from "./ScriptedV1.ts"

const Row = Schema.Struct({
  name: Schema.String,
  input: Schema.Struct({
    client: Schema.optional(Schema.Null),
    totalSize: Schema.optional(Schema.Int),
    body: Schema.optional(Schema.String),
    requestError: Schema.optional(Schema.Boolean),
    bodyReadError: Schema.optional(Schema.Boolean),
    initialResponse: Schema.optional(Schema.Boolean),
    fresh: Schema.optional(Schema.Boolean),
    failures: Schema.optional(Schema.Int),
    maxFailures: Schema.optional(Schema.Int),
    status: Schema.optional(Schema.Int),
    contentLength: Schema.optional(Schema.Int),
    lastRange: Schema.optional(Schema.Int)
  }),
  expected: Schema.optional(Schema.Unknown),
  expectedBody: Schema.optional(Schema.String),
  expectedError: Schema.optional(Schema.String),
  expectedHeader: Schema.optional(Schema.String)
})
type Row = typeof Row.Type

const deviations: ReadonlyArray<Vectors.Deviation<Row>> = [
  {
    name: "there is always a client",
    reason: "the type of `ask` rules out that there is none",
    applies: ({ input }) => input.client === null
  }
]

/** A body that breaks off behind its bytes. */
const cut = (text: string): ReadableStream<Uint8Array> => {
  const pieces = text === "" ? [] : [new TextEncoder().encode(text)]
  return new ReadableStream({
    pull(controller) {
      const piece = pieces.shift()
      if (piece !== undefined) controller.enqueue(piece)
      else controller.error(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }))
    }
  })
}

interface Outcome {
  readonly result: Either.Either<string, ResumableLayer.Failure>
  readonly ranges: ReadonlyArray<string | undefined>
  /** When each request was made, in seconds. */
  readonly times: ReadonlyArray<number>
}

/** Reads a layer from a registry that answers from a script. */
const reading = (
  script: ScriptedV1.Script,
  options: Omit<ResumableLayer.Options, "ask" | "answer"> & { readonly initial?: boolean }
): Effect.Effect<Outcome> => {
  const { asked, layer } = ScriptedV1.make(script)
  const times: Array<number> = []
  const endpoint = { url: "https://registry.test/v1/" }
  const read = Effect.gen(function* () {
    const wire = yield* V1Wire.open(endpoint.url, {})
    const exchange = V1Exchange.make(wire, { endpoint, credentials: Credentials.anonymous, always: false })
    const ask = (range: string | undefined) =>
      Effect.zipRight(
        Effect.map(Clock.currentTimeMillis, (now) => times.push(now / 1000)),
        exchange.send({
          operation: "imageLayer",
          method: "GET",
          endpoint,
          path: "images/x/layer",
          headers: range === undefined ? {} : { range }
        })
      )
    const answer = options.initial === true ? yield* ask(undefined) : undefined
    const chunks = yield* Stream.runCollect(ResumableLayer.read({ ...options, ask, answer }))
    return ScriptedV1.text(concat(Chunk.toReadonlyArray(chunks)))
  })
  return read.pipe(
    Effect.scoped,
    Effect.either,
    ScriptedHttp.whileTimePasses,
    Effect.provide(layer),
    Effect.map((result) => ({ result, ranges: asked.map(({ headers }) => headers["range"]), times }))
  )
}

/** What the registry of a row answers: what the row says, and then the rest of what there is. */
const scriptOf = ({ input }: Row): ScriptedV1.Script => {
  const { body = "", bodyReadError, contentLength, requestError, status } = input
  return (_, index) => {
    if (requestError === true && index === 0) return undefined
    if (bodyReadError === true && index === 0) return { status: 206, body: cut("") }
    if (bodyReadError === true) return { status: 416, headers: { "Content-Length": "0" } }
    const length = contentLength ?? body.length
    return { status: status ?? (input.lastRange === undefined ? 200 : 206), headers: { "Content-Length": `${length}` }, body }
  }
}

const optionsOf = ({ input }: Row) => ({
  totalBytes: input.totalSize ?? 1,
  readBytes: input.lastRange,
  failures: input.failures,
  maxFailures: input.maxFailures,
  initial: input.initialResponse === true
})

describe("resumableLayer", () => {
  for (const row of Vectors.load("resumable-reader", Row)) {
    if (Vectors.deviation(deviations, row) !== undefined) continue
    it.effect(row.name, () =>
      Effect.gen(function* () {
        const { ranges, result, times } = yield* reading(scriptOf(row), optionsOf(row))
        if (row.expectedHeader !== undefined) return assert.strictEqual(`Range: ${ranges[0]}`, row.expectedHeader)
        if (row.expectedError !== undefined) {
          const error = Either.getOrThrow(Either.flip(result))
          const detail = error._tag === "TransportError" ? error.detail : error.message
          return row.expectedError.startsWith("(") ? assert.include(detail, "ECONNREFUSED") : assert.strictEqual(detail, row.expectedError)
        }
        assert.strictEqual(Either.getOrThrow(result), row.expectedBody ?? "")
        if (row.input.requestError === true) assert.deepStrictEqual(times, [0, 5])
      })
    )
  }

  it.effect("goes on where a body broke off, as often as it brings something", () =>
    Effect.gen(function* () {
      const layer = "0123456789"
      const script: ScriptedV1.Script = ({ headers }) => {
        const start = Number(/^bytes=(\d+)-10$/.exec(headers["range"] ?? "bytes=0-10")?.[1])
        const end = Math.min(start + 1, layer.length - 1)
        const range = { "Content-Range": `bytes ${start}-${layer.length - 1}/${layer.length}` }
        const body = end === layer.length - 1 ? layer.slice(start) : cut(layer.slice(start, end))
        return start === 0 ? { status: 200, body } : { status: 206, headers: range, body }
      }
      const { ranges, result, times } = yield* reading(script, { totalBytes: 10 })
      assert.strictEqual(Either.getOrThrow(result), layer)
      assert.deepStrictEqual(ranges, [undefined, ...[1, 2, 3, 4, 5, 6, 7, 8].map((start) => `bytes=${start}-10`)])
      assert.deepStrictEqual(times, [0, 5, 10, 15, 20, 25, 30, 35, 40])
    })
  )

  it.effect("gives up with the fifth request that is not answered", () =>
    Effect.gen(function* () {
      const { result, times } = yield* reading((_, index) => (index === 0 ? { status: 200, body: cut("01") } : undefined), {
        totalBytes: 10
      })
      assert.deepInclude(Either.getOrThrow(Either.flip(result)), { _tag: "TransportError", reason: "connect" })
      // 5 seconds before each, and after each failure as many times more.
      assert.deepStrictEqual(times, [0, 5, 15, 30, 50, 75])
    })
  )

  it.effect("gives up with the fifth body that brings nothing", () =>
    Effect.gen(function* () {
      const { result, times } = yield* reading(() => ({ status: 200, body: cut("") }), { totalBytes: 10 })
      assert.deepInclude(Either.getOrThrow(Either.flip(result)), { _tag: "TransportError", reason: "aborted" })
      assert.lengthOf(times, 5)
    })
  )

  it.effect("does not go on with another range, or with a refusal", () =>
    Effect.gen(function* () {
      const goingOn = (answer: ScriptedV1.Answer) =>
        Effect.map(
          reading((_, index) => (index === 0 ? { status: 200, body: cut("01") } : answer), { totalBytes: 10 }),
          ({ result }) => Either.getOrThrow(Either.flip(result))
        )
      const wrong = yield* goingOn({ status: 206, headers: { "Content-Range": "bytes 0-9/10" }, body: "0123456789" })
      assert.deepInclude(wrong, { reason: "protocol", detail: "the answer is not the range that was asked for" })
      assert.deepInclude(yield* goingOn({ status: 401, body: "no" }), { _tag: "Unauthorized", status: 401 })
      assert.deepInclude(yield* goingOn({ status: 416 }), { status: 416 })
    })
  )

  it.effect("goes on with what docker-registry 0.9 answers: a range without unit, one byte too long, and then a refusal", () =>
    Effect.gen(function* () {
      const script = ScriptedV1.inOrder(
        { status: 200, body: cut("0123") },
        { status: 206, headers: { "Content-Range": "4-10/10", "Content-Length": "7" }, body: "456789" },
        { status: 416, headers: { "Content-Length": "0" } }
      )
      const { ranges, result } = yield* reading(script, { totalBytes: 10 })
      assert.strictEqual(Either.getOrThrow(result), "0123456789")
      assert.deepStrictEqual(ranges, [undefined, "bytes=4-10", "bytes=10-10"])
    })
  )

  it.effect("asks for what is behind a size that was too small", () =>
    Effect.gen(function* () {
      const script: ScriptedV1.Script = (_, index) => (index === 0 ? { status: 200, body: cut("0123") } : { status: 206, body: "45" })
      const { ranges, result } = yield* reading(script, { totalBytes: 2 })
      assert.strictEqual(Either.getOrThrow(result), "012345")
      assert.deepStrictEqual(ranges, [undefined, "bytes=4-"])
    })
  )

  it.effect("is not at its end where a range ends and says that there is more", () =>
    Effect.gen(function* () {
      const script = ScriptedV1.inOrder(
        { status: 200, body: cut("01") },
        { status: 206, headers: { "Content-Range": "bytes 2-4/10" }, body: "234" },
        { status: 206, headers: { "Content-Range": "bytes 5-9/10" }, body: "56789" }
      )
      const { ranges, result } = yield* reading(script, { totalBytes: 4 })
      assert.strictEqual(Either.getOrThrow(result), "0123456789")
      assert.deepStrictEqual(ranges, [undefined, "bytes=2-4", "bytes=5-"])
      const barren: ScriptedV1.Script = (_, index) =>
        index === 0 ? { status: 200, body: cut("01") } : { status: 206, headers: { "Content-Range": "bytes 2-4/10" }, body: "" }
      const failed = yield* reading(barren, { totalBytes: 10 })
      assert.deepInclude(Either.getOrThrow(Either.flip(failed.result)), {
        reason: "protocol",
        detail: "the registry does not send the rest of the layer"
      })
    })
  )

  it.effect("ends where nothing is behind what was read", () =>
    Effect.gen(function* () {
      const script: ScriptedV1.Script = (_, index) =>
        index === 0 ? { status: 200, body: cut("01") } : { status: 416, headers: { "Content-Range": "bytes */2" }, body: "no" }
      const { ranges, result } = yield* reading(script, { totalBytes: 2 })
      assert.strictEqual(Either.getOrThrow(result), "01")
      assert.deepStrictEqual(ranges, [undefined, "bytes=2-2"])
    })
  )
})
