import * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Digest from "../../src/model/Digest.ts"
import * as SyncState from "../../src/sync/SyncState.ts"
import { throughTime } from "../support/World.ts"

const digest = Digest.fromBytes(new Uint8Array(1))

const snapshot: SyncState.Snapshot = { rule: "app", sourceDigest: digest, targetDigest: digest, filter: "", at: 1 }

const folder = Layer.unwrapScoped(
  Effect.map(
    Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped()),
    (path) => SyncState.layerFolder(`${path}/state`)
  )
).pipe(Layer.provide(NodeContext.layer))

const layers = {
  memory: SyncState.layerMemory,
  "a key-value store": Layer.provide(SyncState.layerKeyValueStore, KeyValueStore.layerMemory),
  "a folder": folder
}

for (const [name, layer] of Object.entries(layers)) {
  describe(`state in ${name}`, () => {
    const state = Effect.flatMap(SyncState.SyncState, Effect.succeed)

    it.effect("keeps what it is told, by target", () =>
      Effect.gen(function* () {
        const { forget, remember, snapshot: find } = yield* state
        assertNone(yield* find("registry.corp/a:v1"))
        yield* remember("registry.corp/a:v1", snapshot)
        yield* remember("registry.corp/a:v2", { ...snapshot, at: 2 })
        yield* remember("registry.corp/a:v1", { ...snapshot, filter: "linux/amd64" })
        assertSome(yield* find("registry.corp/a:v1"), { ...snapshot, filter: "linux/amd64" })
        assertSome(yield* find("registry.corp/a:v2"), { ...snapshot, at: 2 })
        yield* forget("registry.corp/a:v1")
        yield* forget("registry.corp/a:v1")
        assertNone(yield* find("registry.corp/a:v1"))
      }).pipe(Effect.provide(layer))
    )

    it.effect("lets one at a time do a thing, whatever becomes of it", () =>
      Effect.gen(function* () {
        const { alone } = yield* state
        const held = yield* Deferred.make<string>()
        const first = yield* Effect.fork(alone("app", Deferred.await(held)))
        yield* Effect.yieldNow()
        assertNone(yield* throughTime(alone("app", Effect.succeed("second"))))
        assertSome(yield* throughTime(alone("other", Effect.succeed("other"))), "other")
        yield* Deferred.succeed(held, "first")
        assertSome(yield* throughTime(Fiber.join(first)), "first")
        assert.strictEqual(yield* Effect.flip(throughTime(alone("app", Effect.fail("broken")))), "broken")
        const stuck = yield* Effect.fork(alone("app", Effect.never))
        yield* Effect.yieldNow()
        yield* throughTime(Fiber.interrupt(stuck))
        assertSome(yield* throughTime(alone("app", Effect.succeed("again"))), "again")
      }).pipe(Effect.provide(layer))
    )
  })
}

describe("state in a folder", () => {
  const workers = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* fs.makeTempDirectoryScoped()
    const worker = Effect.map(Layer.build(SyncState.layerFolder(path)), (context) => context)
    const [one, another] = [yield* worker, yield* worker]
    return {
      fs,
      path,
      one: yield* Effect.provide(SyncState.SyncState, one),
      another: yield* Effect.provide(SyncState.SyncState, another)
    }
  })

  it.scoped("is that of all workers", () =>
    Effect.gen(function* () {
      const { another, one } = yield* workers
      yield* one.remember("registry.corp/a:v1", snapshot)
      assertSome(yield* another.snapshot("registry.corp/a:v1"), snapshot)
      const held = yield* Deferred.make<void>()
      const first = yield* Effect.fork(one.alone("app", Deferred.await(held)))
      yield* throughTime(Effect.sleep("1 second"))
      assertNone(yield* throughTime(another.alone("app", Effect.void)))
      yield* Deferred.succeed(held, undefined)
      yield* throughTime(Fiber.join(first))
      assert.isTrue(Option.isSome(yield* throughTime(another.alone("app", Effect.void))))
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("is not taken over from one that is interrupted and has not come to its end", () =>
    Effect.gen(function* () {
      const { another, one } = yield* workers
      const begun = yield* Deferred.make<void>()
      const ended = yield* Deferred.make<void>()
      const draining = Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never).pipe(
        Effect.onInterrupt(() => Deferred.await(ended))
      )
      const first = yield* Effect.fork(one.alone("app", draining))
      yield* throughTime(Deferred.await(begun))
      const stopping = yield* Effect.fork(Fiber.interrupt(first))
      assertNone(yield* throughTime(another.alone("app", Effect.void)))
      yield* Deferred.succeed(ended, undefined)
      yield* throughTime(Fiber.join(stopping))
      assertSome(yield* throughTime(another.alone("app", Effect.void)), undefined)
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("takes over from one that was killed, and takes what cannot be read for what is not there", () =>
    Effect.gen(function* () {
      const { another, fs, one, path } = yield* workers
      yield* throughTime(one.alone("app", Effect.void))
      yield* one.remember("registry.corp/a:v1", snapshot)
      const files = (yield* fs.readDirectory(path)).map((file) => `${path}/${file}`)
      assert.strictEqual(files.length, 1)
      for (const file of files) yield* fs.writeFileString(file, "{")
      assertNone(yield* another.snapshot("registry.corp/a:v1"))
      const lock = `${path}/${Digest.encoded(Digest.fromBytes(new TextEncoder().encode("effect-oci/sync/app")))}.lock`
      yield* fs.writeFileString(lock, "somebody who is no more")
      assertSome(yield* throughTime(another.alone("app", Effect.succeed(1))), 1)
      assert.isFalse(yield* fs.exists(lock))
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
