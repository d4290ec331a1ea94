/** Uploads that ask by the way whether the blob is there: `checkExists: "mount"`. */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import { memory as makeMemory } from "../../src/client/internal/uploadPlan.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import { eventually, settled } from "../support/Eventually.ts"
import * as Registries from "../support/Registries.ts"
import * as Uploads from "../support/Uploads.ts"
import { bytesOf, lines, openUploads, put, repository } from "../support/Uploads.ts"

/** Puts blobs one after the other with one memory; what became of each, and what it cost. */
const putEach = Effect.fnUntraced(function* (...lengths: ReadonlyArray<number>) {
  const memory = makeMemory()
  const seen: Array<string> = []
  let before = 0
  for (const length of lengths) {
    const bytes = bytesOf(length)
    const { outcome } = yield* put(bytes, bytes, { memory, checkExists: "mount" })
    const all = yield* lines
    seen.push(`${outcome}: ${all.slice(before).join(", ")}`)
    before = all.length
  }
  expect(yield* openUploads).toBe(0)
  return seen
})

const fresh = "uploaded: HEAD 404, POST 202, PUT 201"

/** The trial of one blob under way as the fault has it, and another blob that comes meanwhile and asks nothing. */
const meanwhile = Effect.fnUntraced(function* (fault: Fault.Fault) {
  yield* Uploads.setRules({ match: { method: "POST", query: /mount=/, count: 1 }, fault })
  const memory = makeMemory()
  const start = (length: number) => Effect.fork(put(bytesOf(length), bytesOf(length), { memory, checkExists: "mount" }))
  const trying = yield* start(100)
  yield* eventually(Effect.map(lines, (all) => all.length === 3))
  const waiting = yield* start(200)
  yield* settled(Effect.map(lines, (all) => all.length))
  expect(yield* lines).toEqual(["HEAD 404", "POST 202", "PUT 201"])
  return { trying, waiting }
})

describe("uploads that ask by the way", () => {
  it.effect("ask no question of their own any more once the registry has answered one so", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.seedBlob(repository.name, bytesOf(300))
      expect(yield* putEach(100, 200, 300, 200)).toEqual([
        `${fresh}, POST 201`,
        "uploaded: POST 202, PUT 201",
        "existed: POST 201",
        "existed: POST 201"
      ])
      const [, tried] = yield* Uploads.requests("POST")
      expect(tried?.query).toMatch(/^\?mount=sha256%3A[0-9a-f]{64}&from=acme%2Fapp$/)
      expect(yield* Uploads.holds(bytesOf(200))).toBe(true)
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("learn nothing from a blob that is there already, and do not need to", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.seedBlob(repository.name, bytesOf(100))
      expect(yield* putEach(100, 200)).toEqual(["existed: HEAD 200", `${fresh}, POST 201`])
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("go on asking a registry that mounts nothing", () =>
    Effect.gen(function* () {
      expect(yield* putEach(100, 200)).toEqual([`${fresh}, POST 202, DELETE 204`, fresh])
    }).pipe(Effect.provide(Registries.layer({ hosts: { "registry.test": { capabilities: { mount: false } } } })))
  )

  it.effect("go on asking a registry that refuses the trial", () =>
    Effect.gen(function* () {
      yield* Uploads.setRules({ match: { method: "POST", query: /mount=/ }, fault: Fault.respond(400) })
      expect(yield* putEach(100, 200)).toEqual([fresh, fresh])
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("ask again where the registry refuses later", () =>
    Effect.gen(function* () {
      yield* Uploads.setRules({ match: { method: "POST", query: /mount=/, skip: 1 }, fault: Fault.respond(400) })
      expect(yield* putEach(100, 200, 300)).toEqual([`${fresh}, POST 201`, fresh, fresh])
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("wait for the answer of a trial instead of asking", () =>
    Effect.gen(function* () {
      const { trying, waiting } = yield* meanwhile(Fault.delay("1 second"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll([trying, waiting])
      expect((yield* lines).slice(3)).toEqual(["POST 201", "POST 202", "PUT 201"])
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("wait no longer than a moment, also when who tries is interrupted", () =>
    Effect.gen(function* () {
      const { trying, waiting } = yield* meanwhile(Fault.stall)
      yield* TestClock.adjust("2 seconds")
      expect((yield* Fiber.join(waiting)).outcome).toBe("uploaded")
      expect((yield* lines).slice(3)).toEqual(["HEAD 404", "POST 202", "PUT 201"])
      const interrupted = yield* Effect.fork(Fiber.interrupt(trying))
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(interrupted)
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("are tried once where it fails for good", () =>
    Effect.gen(function* () {
      yield* Uploads.setRules({ match: { method: "POST", query: /mount=/ }, fault: Fault.respond(500) })
      expect(yield* putEach(100, 200, 300)).toEqual([fresh, fresh, fresh])
      const { injections } = yield* FaultyHttp.FaultyHttp
      expect(yield* injections).toHaveLength(1)
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("are not harmed by a trial that breaks, and try again with the next blob", () =>
    Effect.gen(function* () {
      yield* Uploads.setRules({ match: { method: "POST", query: /mount=/, count: 1 }, fault: Fault.reset })
      expect(yield* putEach(100, 200, 300)).toEqual([fresh, `${fresh}, POST 201`, "uploaded: POST 202, PUT 201"])
    }).pipe(Effect.provide(Registries.layer({ retry: { schedule: Schedule.stop } })))
  )

  it.effect("go on as before when the registry was away for a while", () =>
    Effect.gen(function* () {
      yield* Uploads.setRules({ match: { method: "POST", query: /mount=/, skip: 1, count: 1 }, fault: Fault.respond(503) })
      expect(yield* putEach(100, 200, 300)).toEqual([`${fresh}, POST 201`, fresh, "uploaded: POST 202, PUT 201"])
    }).pipe(Effect.provide(Registries.layer({ retry: { schedule: Schedule.stop } })))
  )

  it.effect("mount from other repositories as ever", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const bytes = bytesOf(100)
      yield* registry.seedBlob("acme/base", bytes)
      const memory = makeMemory()
      const tells = yield* Deferred.make<boolean>()
      yield* Deferred.succeed(tells, true)
      memory.ownMounts.set("registry.test", tells)
      const { outcome } = yield* put(bytes, bytes, { memory, checkExists: "mount", mountFrom: ["acme/base"] })
      expect(outcome).toBe("mounted")
      expect(yield* lines).toEqual(["HEAD 404", "POST 201"])
    }).pipe(Effect.provide(Registries.layer()))
  )
})
