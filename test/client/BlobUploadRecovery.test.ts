import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import type * as BlobUpload from "../../src/client/BlobUpload.ts"
import * as RegistryError from "../../src/model/RegistryError.ts"
import * as Fault from "../../src/testing/Fault.ts"
import type * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as Registries from "../support/Registries.ts"
import { whileTimePasses } from "../support/ScriptedHttp.ts"
import * as Uploads from "../support/Uploads.ts"
import {
  bytesOf,
  descriptorOf,
  holds,
  lines,
  onceOnly,
  openUploads,
  pieces,
  put,
  putStream,
  ranges,
  repository
} from "../support/Uploads.ts"

const content = bytesOf(200)
const blob = descriptorOf(content)
const chunked = { plan: "chunked", chunkBytes: 64 } as const
const withContent = { method: ["PUT", "PATCH"] }

const over = (registry: MemoryRegistry.HostOptions) => Effect.provide(Registries.layer({ hosts: { "registry.test": registry } }))

const reset = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.reset)
const bytesReceived = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.bytesReceived)

/** Single bytes, so that a cut falls where it should. */
const finely = (bytes: Uint8Array): BlobUpload.Source => ({ from: (offset) => pieces(bytes.subarray(offset), 1) })

describe("uploads that break off", () => {
  describe("a cut at every offset", () => {
    const short = bytesOf(40)
    const offsets = Array.from({ length: short.byteLength + 1 }, (_, offset) => offset)
    const plans: Record<string, BlobUpload.Options> = {
      single: { plan: "single" },
      streamed: { plan: "streamed" },
      "in chunks": { plan: "chunked", chunkBytes: 15 }
    }
    for (const [name, options] of Object.entries(plans)) {
      it.effect(`${name}: the same bytes, and only those that are missing are sent again`, () =>
        Effect.gen(function* () {
          for (const offset of offsets) {
            yield* reset
            yield* Uploads.setRules({ match: { ...withContent, count: 1 }, fault: Fault.cutRequestAt(offset) })
            const result = yield* whileTimePasses(put(short, finely(short), options))
            expect(result.outcome).toBe("uploaded")
            expect(yield* holds(short)).toBe(true)
            expect(yield* openUploads).toBe(0)
            // `0-0` stands for one byte and for none, so that a single byte may have to go twice.
            const again = offset === 1 ? 1 : 0
            expect(yield* bytesReceived).toBe(short.byteLength + again)
            // What was read ahead of the cut, one byte here, and what a chunk refused in the doubtful case held.
            expect(result.resentBytes).toBeLessThanOrEqual(offset === 1 ? 2 : 1)
          }
        }).pipe(Effect.provide(Registries.layer()))
      )
    }

    it.effect("content that can be read once, in chunks", () =>
      Effect.gen(function* () {
        for (const offset of offsets) {
          yield* reset
          // The second chunk of fifteen bytes.
          yield* Uploads.setRules({ match: { method: "PATCH", skip: 1, count: 1 }, fault: Fault.cutRequestAt(offset) })
          const result = yield* whileTimePasses(putStream(onceOnly(short), { chunkBytes: 15 }))
          expect(result.descriptor).toEqual(descriptorOf(short))
          expect(yield* holds(short)).toBe(true)
          expect(yield* bytesReceived).toBe(short.byteLength)
          expect(result.resentBytes).toBe(Math.max(0, 15 - offset))
        }
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("many cuts of one upload, each with progress", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: { ...withContent, count: 19 }, fault: Fault.cutRequestAt(10) })
        const result = yield* whileTimePasses(put(content, finely(content), { maxResumes: 1 }))
        expect(yield* holds(content)).toBe(true)
        expect(yield* bytesReceived).toBe(200)
        expect(result.resentBytes).toBeLessThanOrEqual(19)
        expect((yield* Uploads.requests("POST")).length).toBe(1)
      }).pipe(Effect.provide(Registries.layer()))
    )
  })

  describe("answers that are lost", () => {
    for (const [name, source] of Object.entries(Uploads.sources)) {
      for (const [plan, options] of Object.entries({ single: { plan: "single" }, chunked } as const)) {
        for (const method of ["PATCH", "PUT"]) {
          if (plan === "single" && method === "PATCH") continue
          it.effect(`${method}, ${plan}: ${name}`, () =>
            Effect.gen(function* () {
              yield* Uploads.setRules({ match: { method, count: 1 }, fault: Fault.loseResponse })
              const result = yield* whileTimePasses(put(content, source(content), options))
              expect(result).toMatchObject({ outcome: "uploaded", sentBytes: 200, resentBytes: 0 })
              expect(yield* holds(content)).toBe(true)
              expect(yield* bytesReceived).toBe(200)
              expect(yield* openUploads).toBe(0)
            }).pipe(Effect.provide(Registries.layer()))
          )
        }
      }
    }

    it.effect("POST: another session", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: { method: "POST", count: 1 }, fault: Fault.loseResponse })
        yield* whileTimePasses(put(content))
        expect(yield* holds(content)).toBe(true)
        // Nobody knows of the first session; the registry forgets it in time.
        expect(yield* openUploads).toBe(1)
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("a stream of unknown length that had arrived", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: { method: "PATCH", count: 1 }, fault: Fault.loseResponse })
        const result = yield* whileTimePasses(putStream(onceOnly(content), { plan: "streamed" }))
        expect(result.descriptor).toEqual(blob)
        expect(yield* lines).toEqual(["POST 202", "PATCH 202", "GET 204", "PUT 201"])
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("of a closing PUT where the registry tells no status", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: { method: "PUT", count: 1 }, fault: Fault.loseResponse })
        yield* whileTimePasses(put(content))
        expect(yield* lines).toEqual(["HEAD 404", "POST 202", "PUT 201", "GET 405", "HEAD 200"])
      }).pipe(over({ capabilities: { uploadStatus: false } }))
    )
  })

  describe("refusals that pass", () => {
    for (const status of [408, 429, 500, 502, 503, 504]) {
      it.effect(`${status} to content, whatever the plan`, () =>
        Effect.gen(function* () {
          for (const [name, source] of Object.entries(Uploads.sources)) {
            for (const options of [{ plan: "single" }, { plan: "streamed" }, chunked] as const) {
              if (name.includes("once") && options.plan !== "chunked") continue
              yield* reset
              yield* Uploads.setRules({
                match: { ...withContent, skip: options.plan === "chunked" ? 1 : 0, count: 1 },
                fault: Fault.respond(status)
              })
              yield* whileTimePasses(put(content, source(content), options))
              expect(yield* holds(content)).toBe(true)
              expect((yield* Uploads.requests("POST")).length).toBe(1)
            }
          }
        }).pipe(Effect.provide(Registries.layer()))
      )
    }

    it.effect("Retry-After is kept", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: { method: "PUT", count: 1 }, fault: Fault.tooManyRequests(90) })
        const fiber = yield* Effect.fork(put(content))
        yield* TestClock.adjust("89 seconds")
        expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
        yield* TestClock.adjust("1 second")
        expect((yield* Fiber.join(fiber)).outcome).toBe("uploaded")
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("a Retry-After beyond reason is not waited for", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: { method: "PUT" }, fault: Fault.tooManyRequests(3600) })
        const error = yield* Effect.flip(put(content))
        expect(error._tag).toBe("TooManyRequests")
        expect(yield* openUploads).toBe(0)
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("are waited out as long and as often as the policy says", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: { method: "PUT", count: 3 }, fault: Fault.tooManyRequests(400) })
        yield* whileTimePasses(put(content), "60 seconds")
        yield* reset
        yield* Uploads.setRules({ match: { method: "PUT", count: 4 }, fault: Fault.tooManyRequests(400) })
        expect((yield* Effect.flip(whileTimePasses(put(content), "60 seconds")))._tag).toBe("TooManyRequests")
      }).pipe(Effect.provide(Registries.layer({ retry: { maxRetryAfter: "10 minutes", maxThrottled: 3, maxResumes: 1 } })))
    )

    it.effect("end an upload whose policy sends nothing again", () =>
      Effect.gen(function* () {
        for (const fault of [Fault.tooManyRequests(1), Fault.respond(503)]) {
          yield* reset
          yield* Uploads.setRules({ match: { method: "PUT", count: 1 }, fault })
          yield* Effect.flip(whileTimePasses(put(content)))
        }
        yield* reset
        yield* Uploads.setRules({ match: { method: "PUT", count: 1 }, fault: Fault.cutRequestAt(50) })
        yield* whileTimePasses(put(content))
        expect(yield* holds(content)).toBe(true)
      }).pipe(Effect.provide(Registries.layer({ retry: { schedule: Schedule.stop, statuses: [], methods: [], maxThrottled: 0 } })))
    )

    it.effect("the registry is away for a while, for the status too", () =>
      Effect.gen(function* () {
        const away = { path: /\/blobs\/uploads\/./ }
        yield* Uploads.setRules(
          { match: { ...away, method: "PUT", count: 2 }, fault: Fault.reset },
          { match: { ...away, method: "GET", count: 4 }, fault: Fault.respond(503) }
        )
        yield* whileTimePasses(put(content))
        expect(yield* holds(content)).toBe(true)
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("gives up after so many failures in a row, waits between them, and leaves no session", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: withContent, fault: Fault.cutRequestAt(0) })
        const fiber = yield* Effect.fork(Effect.flip(put(content, content, { maxResumes: 4 })))
        yield* TestClock.adjust("100 millis")
        expect((yield* Uploads.requests("PUT")).length).toBeLessThan(5)
        yield* TestClock.adjust("10 seconds")
        const error = yield* Fiber.join(fiber)
        expect(error).toMatchObject({ _tag: "TransportError", operation: "putBlob", repository: "acme/app" })
        expect((yield* Uploads.requests("PUT")).length).toBe(5)
        expect(yield* openUploads).toBe(0)
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("by the retry policy, where nothing else is said", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: withContent, fault: Fault.cutRequestAt(0) })
        expect((yield* Effect.flip(whileTimePasses(put(content))))._tag).toBe("TransportError")
        expect((yield* Uploads.requests("PUT")).length).toBe(9)
      }).pipe(Effect.provide(Registries.layer({ retry: { maxResumes: 8 } })))
    )

    it.effect("a stream is read once, and begun again only when the registry forgot more than was kept", () =>
      Effect.gen(function* () {
        const piece = 512 * 1024
        const large = bytesOf(24 * piece)
        let runs = 0
        const source = Stream.suspend(() => {
          runs++
          return pieces(large, piece)
        })
        for (const offset of [3 * piece, 20 * piece, 23 * piece + 1]) {
          runs = 0
          yield* reset
          yield* Uploads.setRules({ match: { ...withContent, count: 1 }, fault: Fault.cutRequestAt(offset) })
          expect((yield* whileTimePasses(put(large, source))).outcome).toBe("uploaded")
          expect(yield* bytesReceived).toBe(large.byteLength)
          expect(runs).toBe(1)
        }
        runs = 0
        yield* reset
        yield* Uploads.setRules(
          { match: { ...withContent, count: 1 }, fault: Fault.cutRequestAt(20 * piece) },
          { match: { path: /uploads\/./, method: "GET", count: 1 }, fault: Fault.respond(404) }
        )
        expect((yield* whileTimePasses(put(large, source))).outcome).toBe("uploaded")
        expect(yield* holds(large)).toBe(true)
        expect(runs).toBe(2)
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("a request sets out when its first bytes are there", () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(put(content, Stream.fromEffect(Effect.as(Deferred.await(gate), content))))
        yield* TestClock.adjust("10 seconds")
        expect(yield* lines).toEqual(["HEAD 404", "POST 202"])
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(fiber)
        expect(yield* lines).toEqual(["HEAD 404", "POST 202", "PUT 201"])
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("an upload that the registry knows and does not want to go on with is cancelled", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules(
          { match: { method: "PUT", count: 1 }, fault: Fault.reset },
          { match: { path: /uploads\/./, method: "GET", count: 1 }, fault: Fault.respond(416) }
        )
        yield* whileTimePasses(put(content))
        expect(yield* holds(content)).toBe(true)
        expect(yield* openUploads).toBe(0)
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("what is denied is not tried again", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: withContent, fault: Fault.respond(403) })
        expect((yield* Effect.flip(put(content)))._tag).toBe("Denied")
        expect(yield* lines).toEqual(["HEAD 404", "POST 202", "DELETE 204"])
      }).pipe(Effect.provide(Registries.layer()))
    )
  })

  describe("sessions", () => {
    it.effect("416 in the middle: asks where to go on, and sends the rest", () =>
      Effect.gen(function* () {
        for (const source of Object.values(Uploads.sources)) {
          yield* reset
          yield* Uploads.setRules({ match: { method: "PATCH", skip: 1, count: 1 }, fault: Fault.respond(416) })
          yield* whileTimePasses(put(content, source(content), chunked))
          expect(yield* holds(content)).toBe(true)
          expect((yield* lines).slice(2, 6)).toEqual(["PATCH 202", "GET 204", "PATCH 202", "PATCH 202"])
        }
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("a registry that lost what it had confirmed is sent it again", () =>
      Effect.gen(function* () {
        const lost = Fault.custom("accept and forget", (exchange) => Fault.respond(202, { location: exchange.request.url }).apply(exchange))
        yield* Uploads.setRules({ match: { method: "PATCH", skip: 2, count: 1 }, fault: lost })
        yield* whileTimePasses(put(content, content, chunked))
        expect(yield* holds(content)).toBe(true)
        // The third chunk is missing there; the fourth is out of order.
        expect(yield* ranges).toEqual(["0-63", "64-127", "192-199", "128-191", "192-199", undefined])
      }).pipe(Effect.provide(Registries.layer()))
    )

    const gone = Fault.respond(404, {}, JSON.stringify({ errors: [{ code: "BLOB_UPLOAD_UNKNOWN" }] }))
    const vanish = (skip: number) => [
      { match: { method: "PATCH", skip, count: 1 }, fault: gone },
      { match: { method: "GET", path: /\/uploads\/./, count: 1 }, fault: gone }
    ]

    it.effect("that vanish are begun anew where the content can be read again", () =>
      Effect.gen(function* () {
        for (const [name, source] of Object.entries(Uploads.sources)) {
          if (name.includes("once")) continue
          yield* reset
          yield* Uploads.setRules(...vanish(1))
          const result = yield* whileTimePasses(put(content, source(content), chunked))
          expect(yield* holds(content)).toBe(true)
          expect(result.resentBytes).toBe(name === "bytes" ? 128 : 64)
          expect((yield* lines).slice(0, 6)).toEqual(["HEAD 404", "POST 202", "PATCH 202", "HEAD 404", "POST 202", "PATCH 202"])
        }
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("are begun anew with one place at the host, which is given back in between", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules(...vanish(1))
        yield* put(content, content, chunked)
        expect(yield* holds(content)).toBe(true)
        // The first failure is not waited after, the second one is.
        const failedTwice = yield* Deferred.make<void>()
        const unavailable = Fault.respond(503)
        const unavailableAgain = Fault.custom("unavailable again", (exchange) =>
          Effect.zipRight(Deferred.succeed(failedTwice, undefined), unavailable.apply(exchange))
        )
        const once = { method: "PUT", count: 1 }
        yield* Uploads.setRules({ match: once, fault: unavailable }, { match: once, fault: unavailableAgain })
        const waiting = yield* Effect.fork(put(bytesOf(50)))
        yield* Deferred.await(failedTwice)
        // Another upload is not kept from its place by one that waits.
        expect((yield* put(bytesOf(60))).outcome).toBe("uploaded")
        expect(Option.isNone(yield* Fiber.poll(waiting))).toBe(true)
        yield* TestClock.adjust("1 second")
        expect((yield* Fiber.join(waiting)).outcome).toBe("uploaded")
      }).pipe(Effect.provide(Registries.layer({ settings: { "registry.test": { concurrency: 1 } } })))
    )

    it.effect("that vanish end an upload whose content cannot be read again", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules(...vanish(1))
        const error = yield* whileTimePasses(Effect.flip(putStream(onceOnly(content), { chunkBytes: 64 })))
        expect(error).toMatchObject({ _tag: "UploadFailed", sentBytes: 64, operation: "putBlobStream" })
        expect(error.message).toContain("cannot be read again")
        yield* Uploads.setRules(...vanish(1))
        const known = yield* whileTimePasses(Effect.flip(put(content, { once: onceOnly(content) }, chunked)))
        expect(known._tag).toBe("UploadFailed")
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("that vanish before anything of one-shot content is confirmed are begun anew", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules(...vanish(0))
        const result = yield* whileTimePasses(putStream(onceOnly(content), { chunkBytes: 64 }))
        expect(result.descriptor).toEqual(blob)
      }).pipe(Effect.provide(Registries.layer()))
    )

    for (const [name, source] of Object.entries({
      "of unknown length": () => putStream(onceOnly(content), { plan: "streamed" }),
      "of known length": () => put(content, { once: onceOnly(content) }, { plan: "streamed" }),
      "of known length, at once": () => put(content, { once: onceOnly(content) }, { plan: "single" })
    })) {
      it.effect(`a stream ${name} that breaks off says that it cannot be gone on with`, () =>
        Effect.gen(function* () {
          yield* Uploads.setRules({ match: { ...withContent, count: 1 }, fault: Fault.cutRequestAt(70) })
          const error = yield* whileTimePasses(Effect.flip(source()))
          expect(error._tag).toBe("UploadFailed")
          expect(error.message).toMatch(/cannot be read again.*ECONNRESET/)
          expect(yield* openUploads).toBe(0)
        }).pipe(Effect.provide(Registries.layer()))
      )
    }

    it.effect("without a status are gone on with from what was confirmed", () =>
      Effect.gen(function* () {
        yield* Uploads.setRules({ match: { method: "PATCH", skip: 2, count: 1 }, fault: Fault.reset })
        yield* whileTimePasses(put(content, content, chunked))
        expect(yield* holds(content)).toBe(true)
        expect((yield* Uploads.requests("POST")).length).toBe(1)
        // When part of the chunk had arrived, that is refused, and the upload begins anew.
        yield* reset
        yield* Uploads.setRules({ match: { method: "PATCH", skip: 2, count: 1 }, fault: Fault.cutRequestAt(30) })
        yield* whileTimePasses(put(content, finely(content), chunked))
        expect(yield* holds(content)).toBe(true)
        expect((yield* Uploads.requests("POST")).length).toBe(2)
        expect(yield* openUploads).toBe(0)
      }).pipe(over({ capabilities: { uploadStatus: false } }))
    )

    it.effect("of a registry that ignores ranges: content at the wrong place is noticed by its digest, and begun anew", () =>
      Effect.gen(function* () {
        // One byte arrived, which the status cannot tell from none, and a PUT appends whatever it gets.
        yield* Uploads.setRules(
          { match: { method: "PUT", count: 1 }, fault: Fault.cutRequestAt(1) },
          {
            match: { method: "PUT", count: 1 },
            fault: Fault.respond(400, {}, JSON.stringify({ errors: [{ code: "DIGEST_INVALID" }] }))
          }
        )
        yield* whileTimePasses(put(content, finely(content)))
        expect(yield* holds(content)).toBe(true)
        expect(yield* openUploads).toBe(0)
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("that want long chunks get no short one after a cut", () =>
      Effect.gen(function* () {
        for (const source of Object.values(Uploads.sources)) {
          yield* reset
          yield* Uploads.setRules({ match: { method: "PATCH", count: 1 }, fault: Fault.cutRequestAt(49) })
          yield* whileTimePasses(put(content, source(content), { plan: "chunked", chunkBytes: 60 }))
          expect(yield* holds(content)).toBe(true)
          expect((yield* lines).filter((line) => line === "PATCH 400")).toEqual([])
        }
      }).pipe(over({ limits: { chunkMinBytes: 60 } }))
    )
  })

  describe("another process goes on", () => {
    const interrupted = Effect.gen(function* () {
      const sessions: Array<BlobUpload.UploadSession> = []
      yield* Uploads.setRules({ match: { method: "PATCH", skip: 2 }, fault: Fault.respond(403) })
      const options = { ...chunked, keepSession: true, onSession: (session: BlobUpload.UploadSession) => sessions.push(session) }
      expect((yield* Effect.flip(put(content, content, options)))._tag).toBe("Denied")
      yield* Uploads.setRules()
      expect(yield* openUploads).toBe(1)
      expect(sessions.map(({ offset }) => offset)).toEqual([0, 64, 128])
      const [last] = sessions.slice(-1)
      // It is plain data.
      return JSON.parse(JSON.stringify(last)) as BlobUpload.UploadSession
    })

    for (const [name, source] of Object.entries(Uploads.sources)) {
      it.effect(`where the first one was: ${name}`, () =>
        Effect.gen(function* () {
          const session = yield* interrupted
          const registry = yield* MemoryRegistry.MemoryRegistry
          yield* registry.clearRequests
          const result = yield* put(content, source(content), { ...chunked, session })
          expect(result).toMatchObject({ outcome: "uploaded", sentBytes: 72, resentBytes: 0 })
          expect(yield* holds(content)).toBe(true)
          expect(yield* lines).toEqual(["HEAD 404", "GET 204", "PATCH 202", "PATCH 202", "PUT 201"])
        }).pipe(Effect.provide(Registries.layer()))
      )
    }

    it.effect("anew, when the registry has forgotten", () =>
      Effect.gen(function* () {
        const session = yield* interrupted
        yield* reset
        for (const source of Object.values(Uploads.sources)) {
          const result = yield* put(content, source(content), { ...chunked, session })
          expect(result).toMatchObject({ outcome: "uploaded", sentBytes: 200, resentBytes: 0 })
          expect(yield* holds(content)).toBe(true)
          yield* reset
        }
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("not at all, when the blob has arrived meanwhile; the session is cancelled", () =>
      Effect.gen(function* () {
        const session = yield* interrupted
        yield* put(content)
        expect((yield* put(content, content, { session })).outcome).toBe("existed")
        expect(yield* openUploads).toBe(0)
      }).pipe(Effect.provide(Registries.layer()))
    )
  })

  describe("interruption", () => {
    /** Waits take no time on it, but a turn. */
    const swift = Object.assign(Clock.make(), { sleep: () => Effect.yieldNow() })
    const uploads = {
      single: () => put(content, pieces(content)),
      chunked: () => put(content, pieces(content), chunked),
      "in chunks, once": () => put(content, { once: onceOnly(content) }, chunked),
      "after a cut": () => Effect.withClock(put(content, pieces(content), chunked), swift),
      "of unknown digest": () => putStream(onceOnly(content), { chunkBytes: 64 }),
      "as a stream": () => putStream(onceOnly(content), { plan: "streamed" })
    }
    for (const [name, upload] of Object.entries(uploads)) {
      it.effect(`at any moment leaves no session and gives the place back: ${name}`, () =>
        Effect.gen(function* () {
          let finished = 0
          for (let steps = 0; finished < 3 && steps < 2000; steps += 1 + Math.floor(steps / 20)) {
            yield* reset
            const rule = name === "after a cut" ? [{ match: { method: "PATCH", skip: 1, count: 1 }, fault: Fault.cutRequestAt(30) }] : []
            yield* Uploads.setRules(...rule)
            const fiber = yield* Effect.fork(upload())
            for (let step = 0; step < steps; step++) yield* Effect.yieldNow()
            const exit = yield* Fiber.interrupt(fiber)
            if (Exit.isSuccess(exit)) finished++
            else expect(Cause.isInterruptedOnly(exit.cause)).toBe(true)
            expect(yield* openUploads).toBe(0)
            expect(yield* holds(content)).toBe(Exit.isSuccess(exit) || (yield* lines).includes("PUT 201"))
          }
          expect(finished).toBe(3)
        }).pipe(Effect.provide(Registries.layer({ settings: { "registry.test": { concurrency: 1 } } })))
      )
    }

    it.effect("while the registry does not answer takes no longer than a moment", () =>
      Effect.gen(function* () {
        for (const method of ["POST", "PUT", "DELETE"]) {
          yield* Uploads.setRules(
            { match: { method }, fault: Fault.stall },
            ...(method === "DELETE" ? [{ match: { method: "PUT" }, fault: Fault.stall }] : [])
          )
          const fiber = yield* Effect.fork(put(content))
          for (let step = 0; step < 300; step++) yield* Effect.yieldNow()
          const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
          yield* TestClock.adjust("10 seconds")
          expect(Exit.isInterrupted(yield* Fiber.join(interruption))).toBe(true)
        }
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("keeps the session where that is wanted", () =>
      Effect.gen(function* () {
        const moving = yield* Deferred.make<void>()
        const source = Stream.concat(
          pieces(content.subarray(0, 100)),
          Stream.drain(Stream.fromEffect(Deferred.succeed(moving, undefined)))
        ).pipe(Stream.concat(Stream.never))
        const fiber = yield* Effect.fork(put(content, source, { keepSession: true }))
        yield* Deferred.await(moving)
        yield* Fiber.interrupt(fiber)
        expect(yield* openUploads).toBe(1)
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("runs the finalizers of the source", () =>
      Effect.gen(function* () {
        let open = 0
        const file = Stream.acquireRelease(
          Effect.sync(() => open++),
          () => Effect.sync(() => open--)
        )
        const source = Stream.flatMap(file, () => Stream.concat(pieces(content.subarray(0, 150)), Stream.never))
        for (const upload of [put(content, source), put(content, { once: source }, chunked), putStream(source, { chunkBytes: 64 })]) {
          const fiber = yield* Effect.fork(upload)
          for (let step = 0; step < 300; step++) yield* Effect.yieldNow()
          expect(open).toBe(1)
          yield* Fiber.interrupt(fiber)
          expect(open).toBe(0)
        }
      }).pipe(Effect.provide(Registries.layer()))
    )
  })

  describe("a source whose finalizer dies", () => {
    const dying = Stream.ensuring(Stream.concat(pieces(content.subarray(0, 20), 10), Stream.never), Effect.die("the finalizer"))
    const kinds: Record<string, BlobUpload.Source> = { stream: dying, from: { from: () => dying }, once: { once: dying } }
    for (const [kind, source] of Object.entries(kinds)) {
      it.effect(`says so beside the failure of the upload, which is cancelled: ${kind}`, () =>
        Effect.gen(function* () {
          yield* Uploads.setRules({ match: withContent, fault: Fault.earlyAnswer(5, 403) })
          const cause = yield* Effect.flip(Effect.sandbox(put(content, source, { chunkBytes: 8 })))
          expect([...Cause.failures(cause)]).toMatchObject([{ _tag: "Denied" }])
          expect([...Cause.defects(cause)]).toEqual(["the finalizer"])
          expect(yield* openUploads).toBe(0)
        }).pipe(Effect.provide(Registries.layer()))
      )
    }
  })

  describe("tokens", () => {
    const withTokens = Effect.provide(
      Registries.layer({
        hosts: {
          "registry.test": { auth: RegistryOptions.bearer({ users: { ann: { password: "secret" } }, expiresIn: "2 minutes" }) }
        },
        keychain: Keychain.layer({ "registry.test": Credentials.basic("ann", "secret") })
      })
    )
    const exchanges = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
      Effect.map(registry.requests, (requests) => requests.filter(({ endpoint }) => endpoint === "token").length)
    )

    for (const [name, source] of Object.entries(Uploads.sources)) {
      it.effect(`revoked during an upload in chunks cost one more exchange and no restart: ${name}`, () =>
        Effect.gen(function* () {
          const registry = yield* MemoryRegistry.MemoryRegistry
          const revoke = Fault.custom("revoke", (exchange) => Effect.zipRight(registry.revokeTokens, exchange.execute(exchange.request)))
          yield* Uploads.setRules({ match: { method: "PATCH", skip: 1, count: 1 }, fault: revoke })
          const result = yield* put(content, source(content), chunked)
          expect(result.outcome).toBe("uploaded")
          expect(yield* holds(content)).toBe(true)
          expect(yield* exchanges).toBe(2)
          expect((yield* Uploads.requests("POST")).length).toBe(1)
          expect((yield* lines).filter((line) => line === "PATCH 401").length).toBe(1)
        }).pipe(withTokens)
      )
    }

    it.effect("that expire while a source is slow are renewed before they are refused", () =>
      Effect.gen(function* () {
        const slow = Stream.mapEffect(pieces(content, 20), (bytes) => Effect.delay(Effect.succeed(bytes), "15 seconds"))
        const result = yield* whileTimePasses(putStream(slow, { chunkBytes: 40 }), "5 seconds")
        expect(result.descriptor).toEqual(blob)
        expect(yield* exchanges).toBe(2)
        expect((yield* lines).filter((line) => line.endsWith(" 401"))).toEqual([])
      }).pipe(withTokens)
    )

    it.effect("refused for a stream that cannot be sent again", () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        const revoke = Fault.custom("revoke", (exchange) => Effect.zipRight(registry.revokeTokens, exchange.execute(exchange.request)))
        yield* Uploads.setRules({ match: { method: "PATCH", count: 1 }, fault: revoke })
        const error = yield* Effect.flip(putStream(onceOnly(content), { plan: "streamed" }))
        expect(error._tag).toBe("Unauthorized")
        expect(yield* openUploads).toBe(0)
      }).pipe(withTokens)
    )
  })

  describe("whatever happens", () => {
    const fault = fc.oneof(
      fc.nat(80).map((at) => Fault.cutRequestAt(at)),
      fc.constantFrom(
        Fault.reset,
        Fault.loseResponse,
        Fault.respond(500),
        Fault.respond(503, { "retry-after": "1" }),
        Fault.tooManyRequests(1)
      ),
      fc.constantFrom(Fault.respond(416), Fault.respond(404), Fault.respond(405), Fault.respond(413), Fault.respond(400))
    )
    const times = { skip: fc.nat(9), count: fc.integer({ min: 1, max: 3 }) }
    const rule = fc.oneof(
      {
        weight: 3,
        arbitrary: fc
          .record({
            match: fc.record({ path: fc.constant(/\/blobs\//), method: fc.constantFrom("PUT", "PATCH", "GET", "HEAD"), ...times }),
            fault
          })
          // A session that the registry denies, although it is open, is the registry's own.
          .filter(({ match, fault }) => match.method !== "GET" || fault.name !== "respond(404)")
      },
      {
        weight: 1,
        // Of a session whose answer is lost nobody knows.
        arbitrary: fc.record({
          match: fc.record({ method: fc.constant("POST"), ...times }),
          fault: fc.constantFrom(Fault.reset, Fault.respond(500), Fault.respond(400), Fault.tooManyRequests(1))
        })
      }
    )
    const scenario = fc.record({
      size: fc.nat(150),
      chunkBytes: fc.integer({ min: 1, max: 60 }),
      minChunkBytes: fc.constantFrom(0, 0, 20),
      plan: fc.constantFrom("auto", "single", "streamed", "chunked") as fc.Arbitrary<"auto" | "single" | "streamed" | "chunked">,
      kind: fc.constantFrom(...Object.keys(Uploads.sources), "unknown digest"),
      rules: fc.array(rule, { maxLength: 4 }),
      capabilities: fc.record({
        chunkedUpload: fc.boolean(),
        streamedUpload: fc.boolean(),
        streamedAppend: fc.boolean(),
        uploadStatus: fc.boolean()
      })
    })

    it.effect(
      "the blob is there, or a typed error and no session; and never other content",
      () =>
        Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(scenario, ({ size, chunkBytes, minChunkBytes, plan, kind, rules, capabilities }) => {
              const bytes = bytesOf(size, 7 + size)
              const source = Uploads.sources[kind]
              const upload =
                source === undefined ? putStream(onceOnly(bytes, 5), { plan, chunkBytes }) : put(bytes, source(bytes), { plan, chunkBytes })
              const test = Effect.gen(function* () {
                const exit = yield* Effect.exit(whileTimePasses(upload))
                const registry = yield* MemoryRegistry.MemoryRegistry
                const blobs = yield* registry.blobs(repository.name)
                if (Exit.isSuccess(exit)) {
                  expect(yield* holds(bytes)).toBe(true)
                  expect(exit.value.descriptor).toEqual(descriptorOf(bytes))
                } else {
                  const failure = Cause.failureOption(exit.cause)
                  expect(Option.exists(failure, RegistryError.isRegistryError)).toBe(true)
                }
                // Nothing else became visible.
                expect(blobs.filter((digest) => digest !== descriptorOf(bytes).digest)).toEqual([])
                expect(yield* openUploads).toBe(0)
              })
              const layer = Registries.layer({
                hosts: { "registry.test": { capabilities, limits: { chunkMinBytes: minChunkBytes } } },
                rules: rules as ReadonlyArray<FaultyHttp.Rule>
              })
              return Effect.runPromise(test.pipe(Effect.provide(layer), Effect.provide(TestContext.TestContext)))
            }),
            { numRuns: 150 }
          )
        ),
      120_000
    )
  })
})
