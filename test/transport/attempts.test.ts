import * as HttpBody from "@effect/platform/HttpBody"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as Registries from "../support/Registries.ts"
import { during, execute, pull, repository, type request, statusOf, textOf, timed } from "./requests.ts"

const manifests = { path: /\/manifests\// }

const seed = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.seedImage(repository, { tag: "latest" }))

/** A fault that notes when it was asked. */
const clocked = (fault: Fault.Fault) => {
  const times: Array<number> = []
  const note = Effect.map(Clock.currentTimeMillis, (now) => times.push(now))
  return { times, fault: Fault.custom("clocked", (exchange) => Effect.zipRight(note, fault.apply(exchange))) }
}

const withoutJitter = Effect.withRandom(Random.fixed([0]))

/** Counts how many requests are under way at once, each for so long. */
const crowd = (duration: Duration.DurationInput) => {
  let open = 0
  let most = 0
  const counting = Fault.custom("counting", (exchange) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        most = Math.max(most, ++open)
      }),
      () => Effect.delay(exchange.execute(exchange.request), duration),
      () => Effect.sync(() => open--)
    )
  )
  return { counting, most: () => most }
}

describe("attempts", () => {
  for (const status of [408, 429, 499, 500, 502, 503, 504, 522]) {
    it.effect(`asks again after ${status}, 1 s and 3 s later, and then takes the answer`, () => {
      const { times, fault } = clocked(Fault.respond(status))
      return Effect.gen(function* () {
        yield* seed
        expect(yield* during("10 seconds", statusOf())).toBe(status)
        expect(times).toEqual([0, 1000, 4000])
      }).pipe(withoutJitter, Effect.provide(Registries.layer({ rules: [{ match: manifests, fault }] })))
    })
  }

  for (const status of [400, 401, 403, 404, 405, 416, 501]) {
    it.effect(`takes ${status} for an answer`, () => {
      const { times, fault } = clocked(Fault.respond(status))
      return Effect.gen(function* () {
        yield* seed
        expect(yield* statusOf()).toBe(status)
        expect(times).toEqual([0])
      }).pipe(Effect.provide(Registries.layer({ rules: [{ match: manifests, fault }] })))
    })
  }

  it.effect("gives the answer that comes in the end", () =>
    Effect.gen(function* () {
      const { bytes } = yield* seed
      expect(yield* during("10 seconds", textOf())).toBe(new TextDecoder().decode(bytes))
    }).pipe(
      Effect.provide(
        Registries.layer({
          rules: [
            { match: { ...manifests, count: 1 }, fault: Fault.reset },
            { match: { ...manifests, count: 1 }, fault: Fault.respond(502, {}, "bad gateway") }
          ]
        })
      )
    )
  )

  it.effect("waits as the schedule of the policy says", () => {
    const { times, fault } = clocked(Fault.respond(503))
    return Effect.gen(function* () {
      yield* seed
      yield* during("1 minute", statusOf())
      expect(times).toEqual([0, 200, 400, 600, 800])
    }).pipe(
      Effect.provide(
        Registries.layer({
          rules: [{ match: manifests, fault }],
          retry: { schedule: Schedule.intersect(Schedule.spaced("200 millis"), Schedule.recurs(4)) }
        })
      )
    )
  })

  it.effect("the last answer keeps its body, for the reader and for the error", () =>
    Effect.gen(function* () {
      yield* seed
      expect(yield* during("10 seconds", textOf())).toBe('{"errors":[{"code":"DENIED","message":"no"}]}')
      const error = yield* during(
        "10 seconds",
        Effect.scoped(Effect.flatMap(execute(), (response) => Effect.flip(response.fail(["Denied", "Unavailable"]))))
      )
      expect(error).toMatchObject({ _tag: "Denied", status: 503, diagnostics: [{ code: "DENIED", message: "no" }] })
      const chunks = yield* during("10 seconds", Effect.scoped(Effect.flatMap(execute(), (response) => Stream.runCollect(response.body))))
      expect(chunks.length).toBe(1)
    }).pipe(
      Effect.provide(
        Registries.layer({ rules: [{ match: manifests, fault: Fault.respond(503, {}, '{"errors":[{"code":"DENIED","message":"no"}]}') }] })
      )
    )
  )

  it.effect("an endless error body is no trap", () =>
    Effect.gen(function* () {
      yield* seed
      const response = Effect.scoped(Effect.flatMap(execute(), (response) => Effect.flip(response.fail(["Unavailable"]))))
      expect(yield* during("10 seconds", response)).toMatchObject({ _tag: "Unavailable", status: 500 })
    }).pipe(Effect.provide(Registries.layer({ rules: [{ match: manifests, fault: Fault.endlessResponse(500) }] })))
  )

  describe("connections", () => {
    const broken = (fault: Fault.Fault, options: Parameters<typeof request>[0] = {}) => {
      const { times, fault: seen } = clocked(fault)
      return Effect.gen(function* () {
        yield* seed
        const error = yield* during("10 seconds", Effect.flip(statusOf(options)))
        return [times.length, error] as const
      }).pipe(Effect.provide(Registries.layer({ rules: [{ match: manifests, fault: seen }] })))
    }

    const invalidCertificate = Fault.custom("certificate", (exchange) =>
      Effect.mapError(Fault.reset.apply(exchange), (error) =>
        Object.assign(error, { cause: Object.assign(new Error("certificate has expired"), { code: "CERT_HAS_EXPIRED" }) })
      )
    )

    it.effect("that break are tried again", () =>
      Effect.gen(function* () {
        for (const fault of [Fault.reset, Fault.refuseConnection, Fault.loseResponse]) {
          const [count, error] = yield* broken(fault)
          expect(count).toBe(3)
          expect(error._tag).toBe("TransportError")
        }
      })
    )

    it.effect("that cannot be trusted are not", () =>
      Effect.gen(function* () {
        const [count, error] = yield* broken(invalidCertificate)
        expect(count).toBe(1)
        expect(error).toMatchObject({ _tag: "TransportError", reason: "tls", retryable: false })
      })
    )

    it.effect("are not tried again for PATCH, for a request that says so, and for a body that is gone", () =>
      Effect.gen(function* () {
        expect((yield* broken(Fault.reset, { method: "PATCH" }))[0]).toBe(1)
        expect((yield* broken(Fault.reset, { retry: false }))[0]).toBe(1)
        expect((yield* broken(Fault.reset, { method: "PUT", replayable: false }))[0]).toBe(1)
        expect((yield* broken(Fault.reset, { method: "PUT" }))[0]).toBe(3)
      })
    )
  })

  it.effect("PATCH, retry: false and replayable: false get their 503 at once", () => {
    const { times, fault } = clocked(Fault.respond(503))
    return Effect.gen(function* () {
      yield* seed
      const body = HttpBody.text("x", "text/plain")
      expect(yield* statusOf({ method: "PATCH", body })).toBe(503)
      expect(yield* statusOf({ retry: false })).toBe(503)
      expect(yield* statusOf({ method: "PUT", body, replayable: false })).toBe(503)
      expect(times.length).toBe(3)
    }).pipe(Effect.provide(Registries.layer({ rules: [{ match: manifests, fault }] })))
  })

  it.effect("sends a body again from its beginning", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const { bytes } = yield* seed
      let runs = 0
      const stream = Stream.suspend(() => {
        runs++
        return Stream.make(bytes.subarray(0, 10), bytes.subarray(10))
      })
      const type = "application/vnd.oci.image.manifest.v1+json"
      const put = { method: "PUT" as const, path: `/v2/${repository}/manifests/next` }
      expect(yield* during("10 seconds", statusOf({ ...put, body: HttpBody.stream(stream, type, bytes.byteLength) }))).toBe(201)
      expect(runs).toBe(2)
      const sent = (yield* registry.requests).filter(({ method }) => method === "PUT")
      expect(sent.map(({ status, bytesIn }) => [status, bytesIn])).toEqual([
        [201, bytes.byteLength],
        [201, bytes.byteLength]
      ])
    }).pipe(Effect.provide(Registries.layer({ rules: [{ match: { method: "PUT", count: 1 }, fault: Fault.loseResponse }] })))
  )

  describe("Retry-After", () => {
    it.effect("in seconds, and as a date, is waited for exactly and holds every request to the host", () =>
      Effect.gen(function* () {
        yield* seed
        const faults = yield* FaultyHttp.FaultyHttp
        yield* statusOf()
        for (const told of [20, "date"] as const) {
          const now = yield* Clock.currentTimeMillis
          // Dates have whole seconds.
          const refusal = clocked(Fault.tooManyRequests(told === "date" ? new Date(now + 20_000) : told))
          yield* faults.setRules([{ match: { ...manifests, count: 1 }, fault: refusal.fault }])
          const first = yield* Effect.fork(timed(statusOf()))
          yield* TestClock.adjust("1 second")
          const others = yield* Effect.forEach(["HEAD", "GET", "PUT"] as const, (method) => Effect.fork(statusOf({ method })))
          yield* TestClock.adjust("18800 millis")
          for (const fiber of others) expect((yield* Fiber.poll(fiber))._tag).toBe("None")
          yield* TestClock.adjust("1 second")
          expect((yield* Fiber.join(first))[1]).toBe(200)
          for (const fiber of others) yield* Fiber.join(fiber)
          expect(refusal.times.length).toBe(1)
        }
      }).pipe(Effect.provide(Registries.layer()))
    )

    it.effect("does not hold requests to other hosts", () =>
      Effect.gen(function* () {
        yield* seed
        const first = yield* Effect.fork(statusOf())
        yield* TestClock.adjust("1 second")
        expect(yield* statusOf({ registry: "other.test" })).toBe(404)
        yield* TestClock.adjust("9 seconds")
        expect(yield* Fiber.join(first)).toBe(200)
      }).pipe(
        Effect.provide(
          Registries.layer({
            hosts: { "registry.test": {}, "other.test": {} },
            rules: [{ match: { ...manifests, host: "registry.test", count: 1 }, fault: Fault.tooManyRequests(10) }]
          })
        )
      )
    )

    it.effect("takes no step of the schedule", () => {
      const throttled = clocked(Fault.tooManyRequests(5))
      return Effect.gen(function* () {
        yield* seed
        yield* during("1 minute", statusOf())
        expect(throttled.times).toEqual([0, 5000, 10_000, 15_000])
      }).pipe(
        withoutJitter,
        Effect.provide(
          Registries.layer({
            rules: [
              { match: { ...manifests, count: 4 }, fault: throttled.fault },
              { match: { ...manifests, count: 2 }, fault: Fault.respond(500) }
            ]
          })
        )
      )
    })

    it.effect("that never ends is given up after so many times, as TooManyRequests with the time", () => {
      const throttled = clocked(Fault.tooManyRequests(5))
      return Effect.gen(function* () {
        yield* seed
        const error = yield* during(
          "10 minutes",
          Effect.scoped(Effect.flatMap(execute(), (response) => Effect.flip(response.fail(["TooManyRequests"]))))
        )
        expect(error).toMatchObject({ _tag: "TooManyRequests", status: 429, retryable: true })
        expect(error._tag === "TooManyRequests" && error.retryAfter?.toString()).toBe("Duration(5s)")
        expect(throttled.times.length).toBe(4)
      }).pipe(Effect.provide(Registries.layer({ rules: [{ match: manifests, fault: throttled.fault }], retry: { maxThrottled: 3 } })))
    })

    it.effect("longer than the policy's longest is answered at once and holds nobody", () =>
      Effect.gen(function* () {
        yield* seed
        const error = yield* Effect.scoped(Effect.flatMap(execute(), (response) => Effect.flip(response.fail(["TooManyRequests"]))))
        expect(error).toMatchObject({ _tag: "TooManyRequests", diagnostics: [{ code: "TOOMANYREQUESTS" }] })
        expect(error._tag === "TooManyRequests" && error.retryAfter?.toString()).toBe("Duration(1h)")
        expect(yield* statusOf({ method: "HEAD" })).toBe(200)
      }).pipe(Effect.provide(Registries.layer({ rules: [{ match: { ...manifests, method: "GET" }, fault: Fault.tooManyRequests(3600) }] })))
    )

    it.effect("of no length says nothing: the schedule decides", () => {
      const throttled = clocked(Fault.tooManyRequests(0))
      return Effect.gen(function* () {
        yield* seed
        expect(yield* during("10 seconds", statusOf())).toBe(429)
        expect(throttled.times).toEqual([0, 1000, 4000])
      }).pipe(withoutJitter, Effect.provide(Registries.layer({ rules: [{ match: manifests, fault: throttled.fault }] })))
    })

    it.effect("in answer to a request that is not repeated holds the others all the same", () =>
      Effect.gen(function* () {
        yield* seed
        expect(yield* statusOf({ method: "PATCH" })).toBe(503)
        const [waited, status] = yield* timed(statusOf(), 1000)
        expect([waited, status]).toEqual([7000, 200])
      }).pipe(
        Effect.provide(Registries.layer({ rules: [{ match: { method: "PATCH" }, fault: Fault.respond(503, { "retry-after": "7" }) }] }))
      )
    )

    it.effect("of a storage the registry redirected to holds that request alone", () =>
      Effect.gen(function* () {
        yield* seed
        const slow = yield* Effect.fork(statusOf())
        yield* TestClock.adjust("1 second")
        expect(yield* statusOf({ method: "HEAD" })).toBe(200)
        expect((yield* Fiber.poll(slow))._tag).toBe("None")
        yield* TestClock.adjust("9 seconds")
        expect(yield* Fiber.join(slow)).toBe(200)
      }).pipe(
        Effect.provide(
          Registries.layer({
            rules: [
              { match: { host: "storage.test" }, fault: Fault.respond(503, { "retry-after": "10" }) },
              { match: { ...manifests, method: "GET", count: 1 }, fault: Fault.redirect("https://storage.test/x?sig=1") }
            ]
          })
        )
      )
    )
  })

  it.effect("a wait can be interrupted", () =>
    Effect.gen(function* () {
      yield* seed
      for (const fault of [Fault.respond(503), Fault.tooManyRequests(100)]) {
        yield* (yield* FaultyHttp.FaultyHttp).setRules([{ match: manifests, fault }])
        const fiber = yield* Effect.fork(statusOf())
        yield* TestClock.adjust("100 millis")
        expect((yield* Fiber.interrupt(fiber))._tag).toBe("Failure")
      }
    }).pipe(Effect.provide(Registries.layer()))
  )

  describe("a token service that is out of order", () => {
    const auth = { "registry.test": { auth: RegistryOptions.bearer({ users: {}, anonymous: ["repository:*:pull,push"] }) } }
    const tokens = { path: /\/token$/ }

    it.effect("is asked again, for any method", () =>
      Effect.gen(function* () {
        yield* seed
        expect(yield* during("10 seconds", statusOf())).toBe(200)
        const faults = yield* FaultyHttp.FaultyHttp
        yield* faults.setRules([{ match: { ...tokens, count: 2 }, fault: Fault.reset }])
        const patch = {
          method: "PATCH" as const,
          path: `/v2/${repository}/blobs/uploads/1`,
          scopes: [`repository:${repository}:pull,push`]
        }
        expect(yield* during("10 seconds", statusOf(patch))).toBe(404)
        expect(yield* faults.counts).toEqual([2])
      }).pipe(
        Effect.provide(
          Registries.layer({
            hosts: auth,
            rules: [
              { match: { ...tokens, count: 1 }, fault: Fault.respond(503) },
              { match: { ...tokens, count: 1 }, fault: Fault.reset }
            ]
          })
        )
      )
    )

    it.effect("is asked again for a request that is itself sent once", () =>
      Effect.gen(function* () {
        yield* seed
        const faults = yield* FaultyHttp.FaultyHttp
        const upload = { method: "POST" as const, path: `/v2/${repository}/blobs/uploads/`, scopes: [`repository:${repository}:pull,push`] }
        for (const once of [{ retry: false }, { body: HttpBody.empty, replayable: false }]) {
          yield* TestClock.adjust("10 minutes")
          yield* faults.setRules([
            { match: { ...tokens, count: 1 }, fault: Fault.respond(503) },
            { match: { ...tokens, count: 1 }, fault: Fault.reset }
          ])
          expect(yield* during("10 seconds", statusOf({ ...upload, ...once }))).toBe(202)
          expect(yield* faults.counts).toEqual([1, 1])
          yield* faults.setRules([{ match: { method: "POST" }, fault: Fault.reset }])
          expect((yield* Effect.flip(statusOf({ ...upload, ...once })))._tag).toBe("TransportError")
          expect(yield* faults.counts).toEqual([1])
        }
      }).pipe(Effect.provide(Registries.layer({ hosts: auth })))
    )

    it.effect("and asks for time gets it", () =>
      Effect.gen(function* () {
        yield* seed
        const [waited, status] = yield* timed(statusOf(), 1000)
        expect([waited, status]).toEqual([30_000, 200])
      }).pipe(
        Effect.provide(Registries.layer({ hosts: auth, rules: [{ match: { ...tokens, count: 1 }, fault: Fault.tooManyRequests(30) }] }))
      )
    )

    it.effect("for now and asks for time is asked again after it, and not before", () => {
      const { times, fault } = clocked(Fault.respond(503, { "retry-after": "6" }))
      return Effect.gen(function* () {
        yield* seed
        expect(yield* during("20 seconds", statusOf())).toBe(200)
        expect(times).toEqual([0, 6000])
      }).pipe(Effect.provide(Registries.layer({ hosts: auth, rules: [{ match: { ...tokens, count: 2 }, fault }] })))
    })

    it.effect("for too long ends the request", () =>
      Effect.gen(function* () {
        yield* seed
        const error = yield* Effect.flip(statusOf())
        expect(error).toMatchObject({ _tag: "TooManyRequests", operation: "token", status: 429 })
      }).pipe(Effect.provide(Registries.layer({ hosts: auth, rules: [{ match: tokens, fault: Fault.tooManyRequests(9999) }] })))
    )
  })

  describe("places", () => {
    const narrow = { settings: { "*": { concurrency: 1 } } }

    it.effect("are given back on every path: success, refusal, failure, interruption, a body nobody reads", () =>
      Effect.gen(function* () {
        const faults = yield* FaultyHttp.FaultyHttp
        yield* seed
        const passes = during("1 second", Effect.timeoutFail(statusOf(), { duration: "900 millis", onTimeout: () => "no place" }))
        expect(yield* passes).toBe(200)
        for (const fault of [
          Fault.respond(404),
          Fault.respond(503),
          Fault.reset,
          Fault.loseResponse,
          Fault.cutResponseAt(3),
          Fault.redirect("http://registry.test/")
        ]) {
          yield* faults.setRules([{ match: { ...manifests, count: 1 }, fault }])
          yield* during("10 seconds", Effect.exit(textOf({ retry: false })))
          expect(yield* passes).toBe(200)
        }
        for (const fault of [Fault.stall, Fault.stallResponseAt(3), Fault.respond(503), Fault.tooManyRequests(60)]) {
          yield* faults.setRules([{ match: { ...manifests, count: 1 }, fault }])
          const fiber = yield* Effect.fork(textOf())
          yield* TestClock.adjust("500 millis")
          const waiting = yield* Effect.fork(statusOf())
          yield* TestClock.adjust("50 millis")
          yield* Fiber.interrupt(waiting)
          yield* Fiber.interrupt(fiber)
          yield* TestClock.adjust("1 minute")
          expect(yield* passes).toBe(200)
        }
      }).pipe(Effect.provide(Registries.layer(narrow)))
    )

    it.effect("are given back by a keychain that throws", () =>
      Effect.gen(function* () {
        yield* seed
        for (let time = 0; time < 2; time++) {
          const broken = Effect.timeout(statusOf({ repository: "acme/broken" }), "500 millis")
          const exit = yield* during("1 second", Effect.exit(broken))
          expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
        }
        expect(yield* during("1 second", Effect.timeoutOption(statusOf(), "500 millis"))).toEqual(Option.some(200))
      }).pipe(
        Effect.provide(
          Registries.layer({
            ...narrow,
            hosts: { "registry.test": { auth: RegistryOptions.basic({ users: { ada: { password: "lovelace" } } }) } },
            keychain: Layer.succeed(
              Keychain.Keychain,
              Keychain.fromFunction(({ repository }) => {
                if (repository === "acme/broken") throw new Error("no")
                return Effect.succeed(Credentials.basic("ada", "lovelace"))
              })
            )
          })
        )
      )
    )

    it.effect("are free as soon as a body is read, while its scope is still open", () =>
      Effect.gen(function* () {
        yield* seed
        for (const method of ["HEAD", "GET"] as const) {
          const response = yield* execute({ method })
          if (method === "GET") yield* response.text(100_000)
        }
        expect(yield* statusOf()).toBe(200)
      }).pipe(Effect.scoped, Effect.provide(Registries.layer(narrow)))
    )

    it.effect("are free when a request is interrupted, while the scope it was for is still open", () =>
      Effect.gen(function* () {
        const faults = yield* FaultyHttp.FaultyHttp
        yield* seed
        yield* statusOf()
        for (const fault of [Fault.stall, Fault.tooManyRequests(60)]) {
          yield* faults.setRules([{ match: { ...manifests, count: 1 }, fault }])
          expect(yield* during("1 second", Effect.timeoutOption(execute(), "500 millis"))).toEqual(Option.none())
          yield* TestClock.adjust("2 minutes")
          expect(yield* during("1 second", Effect.timeoutOption(statusOf(), "500 millis"))).toEqual(Option.some(200))
        }
      }).pipe(Effect.scoped, Effect.provide(Registries.layer(narrow)))
    )

    it.effect("are lent: more bodies than places may be open, and all of them end", () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        const blob = yield* registry.seedBlob(repository, new Uint8Array(100_000))
        const body = Stream.unwrapScoped(
          Effect.map(execute({ endpoint: "blob", path: `/v2/${repository}/blobs/${blob.digest}` }), (response) => response.body)
        )
        const sizes = Array.from({ length: 6 }, () => Stream.map(body, (bytes) => bytes.byteLength))
        const together = sizes.reduce((left, right) => Stream.zipWith(left, right, (a, b) => a + b))
        expect(yield* during("1 minute", Stream.runSum(together))).toBe(600_000)
      }).pipe(Effect.provide(Registries.layer({ settings: { "*": { concurrency: 2 } } })))
    )

    it.effect("are lent by requests that wait for their credentials or their first token", () =>
      Effect.gen(function* () {
        yield* seed
        expect(yield* statusOf()).toBe(200)
        const passes = during("1 second", Effect.timeoutOption(statusOf(), "900 millis"))
        for (const name of ["acme/slow", "acme/hidden"]) {
          const waiting = yield* Effect.forEach([1, 2, 3], () =>
            Effect.fork(statusOf({ repository: name, scopes: [`repository:${name}:pull`] }))
          )
          yield* TestClock.adjust("100 millis")
          for (let time = 0; time < 3; time++) expect(yield* passes).toEqual(Option.some(200))
          yield* Effect.forEach(waiting, Fiber.interrupt)
          expect(yield* passes).toEqual(Option.some(200))
        }
      }).pipe(
        Effect.provide(
          Registries.layer({
            settings: { "*": { concurrency: 2 } },
            hosts: { "registry.test": { auth: RegistryOptions.bearer({ users: {}, anonymous: ["repository:*:pull"] }) } },
            keychain: Layer.succeed(
              Keychain.Keychain,
              Keychain.fromFunction(({ repository }) =>
                repository === "acme/hidden" ? Effect.never : Effect.succeed(Credentials.anonymous)
              )
            ),
            rules: [{ match: { path: /\/token$/, query: /slow/ }, fault: Fault.stall }]
          })
        )
      )
    )

    it.effect("that were lent while a token was fetched are waited for before it is sent", () => {
      const { counting, most } = crowd("10 seconds")
      const slow = Fault.custom("slow", ({ execute, request }) => Effect.delay(execute(request), "1 second"))
      return Effect.gen(function* () {
        yield* seed
        expect(yield* during("10 seconds", statusOf())).toBe(200)
        const faults = yield* FaultyHttp.FaultyHttp
        yield* faults.setRules([
          { match: { path: /\/token$/ }, fault: slow },
          { match: manifests, fault: counting }
        ])
        const other = yield* Effect.fork(statusOf({ scopes: [...pull, "repository:acme/other:pull"] }))
        yield* TestClock.adjust("50 millis")
        // Has its token, and takes the place meanwhile.
        const [waited, status] = yield* timed(statusOf())
        expect([status, waited < 10_500, most()]).toEqual([200, true, 1])
        expect(yield* during("11 seconds", Fiber.join(other))).toBe(200)
        expect(most()).toBe(1)
      }).pipe(
        Effect.provide(
          Registries.layer({
            ...narrow,
            hosts: { "registry.test": { auth: RegistryOptions.bearer({ users: {}, anonymous: ["repository:*:pull"] }) } }
          })
        )
      )
    })

    it.effect("are taken by no more requests than allowed", () => {
      const { counting, most } = crowd("1 second")
      return Effect.gen(function* () {
        yield* seed
        const [waited] = yield* timed(
          Effect.all(
            Array.from({ length: 12 }, () => statusOf()),
            { concurrency: "unbounded" }
          ),
          1000
        )
        expect([most(), waited]).toEqual([4, 3000])
      }).pipe(Effect.provide(Registries.layer({ settings: { "*": { concurrency: 4 } }, rules: [{ match: manifests, fault: counting }] })))
    })

    it.effect("are entered so many times a second", () => {
      const { times, fault } = clocked(Fault.respond(404))
      return Effect.gen(function* () {
        yield* during(
          "10 seconds",
          Effect.all(
            Array.from({ length: 8 }, () => statusOf()),
            { concurrency: "unbounded" }
          )
        )
        // The ping came first.
        expect(times).toEqual([500, 1000, 1500, 2000, 2500, 3000, 3500, 4000])
      }).pipe(Effect.provide(Registries.layer({ settings: { "*": { requestsPerSecond: 2 } }, rules: [{ match: manifests, fault }] })))
    })
  })
})
