/** A transfer broken at every place it can break: at each byte, and at each of its requests. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as BlobUpload from "../../src/client/BlobUpload.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import type * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as Content from "../support/Content.ts"
import * as Eventually from "../support/Eventually.ts"
import * as World from "../support/World.ts"

const repository = Effect.runSync(Reference.parseRepository(`${World.host}/acme/app`))
const content = Uint8Array.from({ length: 64 }, (_, index) => (index * 37 + 11) % 251)
const blob = Content.describeBytes(content)

const counts: Record<string, number> = {}

/** A world that retries, in the state it has before the transfer. */
const begin = Effect.fn("begin")(function* (name: string) {
  counts[name] = (counts[name] ?? 0) + 1
  return yield* World.make({ retry: {} })
})

const pieces = (from: number) => Stream.fromIterable(Array.from(content.subarray(from), (byte) => Uint8Array.of(byte)))

/** What holds after any transfer, however it went. */
const settled = Effect.fn("settled")(function* (world: World.World, where: string) {
  assert.deepStrictEqual(yield* world.taken, { read: 0, write: 0 }, where)
  assert.deepStrictEqual(yield* World.corruptContent(world.registry), [], where)
})

const read = (world: World.World) =>
  Effect.map(
    Stream.runFold(world.client.getBlob(repository, blob), Buffer.alloc(0), (all, part) => Buffer.concat([all, part])),
    (all) => new Uint8Array(all)
  )

const pull = (name: string, rule: (offset: number) => FaultyHttp.Rule, wrong?: string) =>
  it.effect(`pull, ${name}`, () =>
    Effect.gen(function* () {
      for (let offset = 0; offset < content.length; offset++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const world = yield* begin(`pull, ${name}`)
            yield* world.registry.seedBlob("acme/app", content)
            yield* world.faults.setRules([rule(offset)])
            const got = yield* World.throughTime(Effect.either(read(world)))
            const expected = wrong === undefined ? content : wrong
            assert.deepStrictEqual(
              Either.match(got, { onLeft: ({ _tag }): unknown => _tag, onRight: (bytes) => bytes }),
              expected,
              `at ${offset}`
            )
            yield* settled(world, `at ${offset}`)
          })
        )
      }
    })
  )

const push = (name: string, options: BlobUpload.Options, method: string, requests: number) =>
  it.effect(`push, ${name}, cut at every byte of every request`, () =>
    Effect.gen(function* () {
      for (let request = 0; request < requests; request++) {
        for (let offset = 0; offset <= content.length / requests; offset++) {
          const where = `request ${request} at ${offset}`
          yield* Effect.scoped(
            Effect.gen(function* () {
              const world = yield* begin(`push, ${name}, cut`)
              yield* world.faults.setRules([{ match: { method, skip: request, count: 1 }, fault: Fault.cutRequestAt(offset) }])
              const { outcome } = yield* World.throughTime(world.client.putBlob(repository, blob, { from: pieces }, options))
              assert.strictEqual(outcome, "uploaded", where)
              deepStrictEqual(yield* world.registry.blob("acme/app", blob.digest), Option.some(content), where)
              assert.deepStrictEqual(yield* world.registry.openUploads, [], where)
              yield* settled(world, where)
            })
          )
        }
      }
    })
  )

const manifest = Manifest.artifact({ artifactType: "application/vnd.test.sweep" })

/** Whole operations, of which every request fails once. */
const operations: Readonly<Record<string, (world: World.World) => Effect.Effect<unknown, { readonly _tag: string }>>> = {
  "push a blob at once": ({ client }) => client.putBlob(repository, blob, content),
  "push a blob in chunks": ({ client }) => client.putBlob(repository, blob, content, { plan: "chunked", chunkBytes: 20 }),
  "push what is being made": ({ client }) => client.putBlobStream(repository, pieces(0), { chunkBytes: 20 }),
  "push a manifest": ({ client, registry }) =>
    Effect.zipRight(
      Effect.uninterruptible(registry.seedBlob("acme/app", "{}")),
      client.putManifest(repository, manifest, { tags: ["a", "b"].map((tag) => Reference.Tag.make(tag)) })
    ),
  "pull an image": ({ client, registry }) =>
    Effect.gen(function* () {
      const image = yield* Effect.uninterruptible(registry.seedImage("acme/app", { tag: "v1" }))
      const found = yield* client.getManifest(Reference.withTag(repository, Reference.Tag.make("v1")))
      assert.strictEqual(found.digest, image.manifest.digest)
      for (const part of Manifest.successors(found)) yield* Stream.runDrain(client.getBlob(repository, part))
    }),
  "list tags": ({ client, registry }) =>
    Effect.gen(function* () {
      for (const tag of ["a", "b", "c"]) yield* Effect.uninterruptible(registry.seedImage("acme/app", { tag }))
      assert.strictEqual(yield* Stream.runCount(client.tags(repository, { pageSize: 1 })), 3)
    })
}

/** Operations that open an upload only to see what happens. */
const questions: typeof operations = {
  "mount a blob that is not there": ({ client }) => client.mountBlob(repository, blob.digest, "acme/base"),
  "ask whether a push is allowed": ({ client }) => client.checkPush(repository)
}

const failures: Readonly<Record<string, Fault.Fault>> = {
  "the connection breaks": Fault.reset,
  "the answer is lost": Fault.loseResponse,
  "the answer breaks off": Fault.cutResponseAt(1),
  "the answer stands still": Fault.stallResponseAt(1),
  "503": Fault.respond(503),
  "429 with Retry-After": Fault.tooManyRequests(2)
}

const everyRequest = (name: string, failure: string, fault: Fault.Fault, operation: (typeof operations)[string]) =>
  it.effect(`${name}: ${failure}, at each request`, () =>
    Effect.gen(function* () {
      for (let position = 0; ; position++) {
        const done = yield* Effect.scoped(
          Effect.gen(function* () {
            const where = `request ${position}`
            const world = yield* begin(`${name}, ${failure}`)
            yield* world.faults.setRules([{ match: { skip: position, count: 1 }, fault }])
            yield* World.throughTime(operation(world))
            yield* settled(world, where)
            const [broken] = yield* world.faults.injections
            // Nobody knows of a session whose opening was answered into the void; the registry forgets it in time.
            const orphans = broken?.fault === "loseResponse" && broken.method === "POST" ? 1 : 0
            assert.strictEqual((yield* world.registry.openUploads).length, orphans, where)
            return broken === undefined
          })
        )
        if (done) return assert.isAbove(position, 1)
      }
    })
  )

/**
 * Interrupted after one turn, two, three … until the operation is faster. A turn has so few operations that an interruption falls between any
 * two steps that matter.
 */
const everyMoment = (name: string, operation: (typeof operations)[string]) =>
  it.effect(`${name}: interrupted at each moment`, () =>
    Effect.gen(function* () {
      for (const grain of [40, 150]) {
        for (let turns = 0, over = false; !over; turns++) {
          over = yield* Effect.scoped(
            Effect.gen(function* () {
              const where = `after ${turns} turns of ${grain}`
              const world = yield* begin(`${name}, interrupted`)
              const fiber = yield* Effect.fork(Effect.withMaxOpsBeforeYield(Effect.exit(operation(world)), grain))
              for (let turn = 0; turn < turns; turn++) yield* turn % 100 === 99 ? Eventually.turn : Effect.yieldNow()
              const exit = yield* World.throughTime(Fiber.interrupt(fiber))
              yield* settled(world, where)
              assert.deepStrictEqual(yield* world.registry.openUploads, [], where)
              return Exit.isSuccess(exit)
            })
          )
          assert.isBelow(turns, 1000)
        }
      }
    })
  )

describe("sweep", () => {
  const get = { method: "GET", path: /\/blobs\// }
  pull("cut at every byte", (offset) => ({ match: { ...get, count: 1 }, fault: Fault.cutResponseAt(offset) }))
  pull("cut again and again", (offset) => ({ match: { ...get, count: 6 }, fault: Fault.cutResponseAt(Math.min(offset + 1, 9)) }))
  pull("ended early at every byte", (offset) => ({ match: { ...get, count: 1 }, fault: Fault.endResponseAt(offset) }))
  pull("stalled at every byte", (offset) => ({ match: { ...get, count: 1 }, fault: Fault.stallResponseAt(offset) }))
  pull("every byte changed", (offset) => ({ match: get, fault: Fault.corruptResponseAt(offset) }), "DigestMismatch")

  push("single", { plan: "single" }, "PUT", 1)
  push("streamed", { plan: "streamed" }, "PATCH", 1)
  push("chunked", { plan: "chunked", chunkBytes: 16 }, "PATCH", 4)

  for (const [name, operation] of Object.entries({ ...operations, ...questions })) everyMoment(name, operation)

  for (const [name, operation] of Object.entries(operations)) {
    for (const [failure, fault] of Object.entries(failures)) everyRequest(name, failure, fault, operation)
  }

  afterAll(() => {
    const lines = Object.entries(counts).map(([name, count]) => `${String(count).padStart(6)} ${name}`)
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
    console.log(`sweep: ${total} broken transfers\n${lines.join("\n")}`)
  })
})
