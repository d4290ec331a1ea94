/** How downloads of blobs go on where answers refuse, shorten or misplace what was asked for. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as BlobDownload from "../../src/client/BlobDownload.ts"
import type * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import type * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import { whileTimePasses } from "../support/ScriptedHttp.ts"

const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))
const content = Uint8Array.from({ length: 200 }, (_, index) => (index * 31) % 251)
const digest = Digest.fromBytes(content)
const described: Descriptor.Descriptor = { mediaType: "application/octet-stream", digest, size: content.byteLength }

const blobs = { path: /\/blobs\/sha/, method: "GET" }
const ranged: FaultyHttp.Match = { ...blobs, when: ({ headers }) => headers["range"] !== undefined }
const cut = (bytes: number): FaultyHttp.Rule => ({ match: { ...blobs, count: 1 }, fault: Fault.cutResponseAt(bytes) })
const unsized = Fault.changeHeaders({ "content-length": undefined })
const unknownTotal = (range: string) => Fault.wrongContentRange(`bytes ${range}/*`)

const run = (
  rules: ReadonlyArray<FaultyHttp.Rule>,
  read: (transport: RegistryTransport.Service) => Stream.Stream<Uint8Array, { readonly _tag: string }>,
  options: Registries.Options = {}
) =>
  Effect.gen(function* () {
    const registry = yield* MemoryRegistry.MemoryRegistry
    yield* registry.seedBlob(repository.name, content)
    const transport = yield* RegistryTransport.RegistryTransport
    const received: Array<number> = []
    const reading = Stream.runForEach(read(transport), (bytes) => Effect.sync(() => received.push(...bytes)))
    const outcome = yield* whileTimePasses(Effect.either(reading))
    const requests = (yield* registry.requests).filter(({ endpoint }) => endpoint === "blob")
    return { received: Uint8Array.from(received), outcome, asked: requests.map(({ headers }) => headers["range"]) }
  }).pipe(Effect.provide(Registries.layer({ ...options, rules })))

const failure = (outcome: Either.Either<unknown, object>): Readonly<Record<string, unknown>> => ({
  ...Either.getOrThrow(Either.flip(outcome))
})

const download = (
  rules: ReadonlyArray<FaultyHttp.Rule>,
  blob: Descriptor.Descriptor | Digest.Digest = described,
  options?: BlobDownload.Options
) => run(rules, (transport) => BlobDownload.stream(transport, repository, blob, options))

describe("a download that is refused the rest", () => {
  it.effect("is complete when the registry says that it ends there, and the digest is right", () =>
    Effect.gen(function* () {
      const fault = Fault.compose(Fault.cutResponseAt(content.byteLength), unsized)
      const { asked, outcome, received } = yield* download([{ match: { ...blobs, count: 1 }, fault }], digest)
      assert.isTrue(Either.isRight(outcome))
      assert.deepStrictEqual(received, content)
      assert.deepStrictEqual(asked, [undefined, "bytes=200-"])
    })
  )

  it.effect("is complete when an earlier one had got everything", () =>
    Effect.gen(function* () {
      const { asked, outcome, received } = yield* download([], digest, { partial: Stream.make(content) })
      assert.isTrue(Either.isRight(outcome))
      assert.strictEqual(received.byteLength, 0)
      assert.deepStrictEqual(asked, ["bytes=200-"])
      const other = yield* download([], digest, { partial: Stream.make(content.toReversed()) })
      assert.strictEqual(failure(other.outcome)["_tag"], "DigestMismatch")
    })
  )

  it.effect("is complete when only the digest can tell, once the resumes are used up", () =>
    Effect.gen(function* () {
      const broken = { match: blobs, fault: Fault.compose(Fault.cutResponseAt(content.byteLength), unsized) }
      const { outcome, received } = yield* download([{ match: ranged, fault: Fault.respond(416) }, broken], digest, { maxResumes: 2 })
      assert.isTrue(Either.isRight(outcome))
      assert.deepStrictEqual(received, content)
    })
  )

  it.effect("asks for the whole where ranges are refused", () =>
    Effect.gen(function* () {
      for (const partial of [undefined, Stream.make(content.subarray(0, 70))]) {
        const rules = [{ match: ranged, fault: Fault.respond(416) }, cut(70)]
        const { asked, outcome, received } = yield* download(rules, described, { partial })
        assert.isTrue(Either.isRight(outcome))
        assert.deepStrictEqual(received, partial === undefined ? content : content.subarray(70))
        assert.deepStrictEqual(
          asked.filter((range) => range !== undefined),
          []
        )
      }
    })
  )

  it.effect("fails with the refusal when that does not help either", () =>
    Effect.gen(function* () {
      const rules = [cut(70), { match: blobs, fault: Fault.respond(416) }]
      const { outcome } = yield* download(rules, described, { maxResumes: 3 })
      assert.deepInclude(failure(outcome), { _tag: "RangeInvalid", status: 416 })
    })
  )

  for (const status of [400, 403]) {
    it.effect(`asks again after ${status}, counted`, () =>
      Effect.gen(function* () {
        const once = yield* download([cut(70), { match: { ...ranged, count: 2 }, fault: Fault.respond(status) }])
        assert.isTrue(Either.isRight(once.outcome))
        assert.deepStrictEqual(once.received, content)
        const always = yield* download([cut(70), { match: ranged, fault: Fault.respond(status) }])
        assert.deepInclude(failure(always.outcome), { status })
      })
    )

    it.effect(`believes ${status} before the first byte`, () =>
      Effect.gen(function* () {
        const rules = [{ match: { ...blobs, count: 1 }, fault: Fault.respond(status) }]
        const { asked, outcome } = yield* download(rules, described, { partial: Stream.make(content.subarray(0, 70)) })
        assert.deepInclude(failure(outcome), { status })
        assert.deepStrictEqual(asked, [])
      })
    )
  }
})

/** At most so many bytes an answer, of which it tells; the length of the blob may be left out. */
const inParts = (most: number, total: string = String(content.byteLength)): FaultyHttp.Rule => ({
  match: ranged,
  fault: Fault.custom("inParts", (exchange) => {
    const [, first = "", last = ""] = /bytes=(\d+)-(\d*)/.exec(exchange.request.headers["range"] ?? "") ?? []
    const start = Number(first)
    const end = Math.min(start + most, last === "" ? content.byteLength : Number(last) + 1, content.byteLength)
    if (start >= content.byteLength) return Fault.respond(416).apply(exchange)
    const headers = { "content-range": `bytes ${start}-${end - 1}/${total}`, "content-length": String(end - start) }
    return Fault.respond(206, headers, content.subarray(start, end)).apply(exchange)
  })
})

const part = (rules: ReadonlyArray<FaultyHttp.Rule>, offset: number, length?: number, options: Registries.Options = {}) =>
  run(rules, (transport) => BlobDownload.streamRange(transport, repository, digest, { offset, length }), options)

describe("a range that comes short", () => {
  for (const total of ["200", "*"]) {
    it.effect(`is asked for until it is there, of ${total}`, () =>
      Effect.gen(function* () {
        const { outcome, received } = yield* part([inParts(3, total)], 0, 100, { settings: { "*": { concurrency: 1 } } })
        assert.isTrue(Either.isRight(outcome))
        assert.deepStrictEqual(received, content.subarray(0, 100))
      })
    )

    it.effect(`ends with the blob, of ${total}`, () =>
      Effect.gen(function* () {
        const { outcome, received } = yield* part([inParts(50, total)], 150, 100)
        assert.isTrue(Either.isRight(outcome))
        assert.deepStrictEqual(received, content.subarray(150))
      })
    )
  }

  it.effect("is asked for to the end of the blob", () =>
    Effect.gen(function* () {
      const { asked, outcome, received } = yield* part([inParts(50)], 10)
      assert.isTrue(Either.isRight(outcome))
      assert.deepStrictEqual(received, content.subarray(10))
      assert.deepStrictEqual(asked, [])
    })
  )

  it.effect("ends with the body when nobody knows better", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* part([inParts(50, "*")], 10)).received, content.subarray(10, 60))
      const whole = Fault.compose(unsized, Fault.ignoreRange)
      for (const length of [undefined, 100]) {
        const { outcome, received } = yield* part([{ match: blobs, fault: whole }], 150, length)
        assert.isTrue(Either.isRight(outcome))
        assert.deepStrictEqual(received, content.subarray(150))
      }
    })
  )

  it.effect("goes on after a body that ends before what it announced", () =>
    Effect.gen(function* () {
      const early = { match: { ...blobs, count: 1 }, fault: Fault.endResponseAt(60) }
      const { asked, received } = yield* part([early], 0, 100)
      assert.deepStrictEqual(received, content.subarray(0, 100))
      assert.deepStrictEqual(asked, ["bytes=0-99", "bytes=60-99"])
      const open = { match: { ...blobs, count: 1 }, fault: Fault.compose(unknownTotal("10-199"), Fault.endResponseAt(60)) }
      assert.deepStrictEqual((yield* part([open], 10)).received, content.subarray(10))
    })
  )

  it.effect("fails when the whole came compressed, in which the range lies elsewhere", () =>
    Effect.gen(function* () {
      const compressed = { match: blobs, fault: Fault.compose(Fault.gzip, Fault.ignoreRange) }
      for (const offset of [0, 10]) {
        const { outcome, received } = yield* part([compressed], offset, 20)
        assert.deepInclude(failure(outcome), { _tag: "TransportError", reason: "protocol", retryable: false })
        assert.strictEqual(received.byteLength, 0)
      }
      // As storages answer that keep it so.
      const kept = { match: blobs, fault: Fault.changeHeaders({ "content-encoding": "gzip" }) }
      assert.deepStrictEqual((yield* part([kept], 10, 20)).received, content.subarray(10, 30))
    })
  )

  it.effect("fails when no more ever comes", () =>
    Effect.gen(function* () {
      const stuck = Fault.respond(206, { "content-range": "bytes 0-99/200" }, content.subarray(0, 60))
      const { outcome, received } = yield* part([{ match: blobs, fault: stuck }], 0, 100, { retry: { maxResumes: 2 } })
      assert.deepInclude(failure(outcome), { _tag: "SizeMismatch", expected: 100, actual: 60 })
      assert.deepStrictEqual(received, content.subarray(0, 60))
    })
  )

  it.effect("goes on where the rest was refused", () =>
    Effect.gen(function* () {
      for (const fault of [Fault.respond(416), Fault.respond(403), Fault.respond(400)]) {
        const { outcome, received } = yield* part([cut(30), { match: { ...ranged, count: 1 }, fault }], 10, 100)
        assert.isTrue(Either.isRight(outcome))
        assert.deepStrictEqual(received, content.subarray(10, 110))
      }
      const atEnd = Fault.compose(Fault.cutResponseAt(content.byteLength), unsized)
      const whole = yield* part([{ match: { ...blobs, count: 1 }, fault: atEnd }], 0)
      assert.isTrue(Either.isRight(whole.outcome))
      assert.deepStrictEqual(whole.received, content)
    })
  )

  it.effect("is refused beyond the end of the blob", () =>
    Effect.gen(function* () {
      const { asked, outcome } = yield* part([], 500, 100)
      assert.strictEqual(failure(outcome)["_tag"], "RangeInvalid")
      assert.deepStrictEqual(asked, ["bytes=500-599"])
    })
  )
})
