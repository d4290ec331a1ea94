import { assert, describe, it } from "@effect/vitest"
import { assertSome, deepStrictEqual } from "@effect/vitest/utils"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as SyncState from "../../src/sync/SyncState.ts"
import * as SyncWorker from "../../src/sync/SyncWorker.ts"
import * as Fault from "../../src/testing/Fault.ts"
import { eventually } from "../support/Eventually.ts"
import { throughTime } from "../support/World.ts"
import * as Rounds from "./rounds.ts"

const { ruleOf, round, seed, tags } = Rounds

const mirror = (tag: string) =>
  Effect.flatMap(Rounds.at("target.test"), (registry) =>
    Effect.map(
      registry.manifest("mirror/app", tag),
      Option.map(({ digest }) => digest)
    )
  )

const sums = ({ failures, summary: { bytes: _, ...counts } }: SyncWorker.Round) => ({
  ...counts,
  failures: failures.map(({ error, place }) => `${place} ${error._tag}`)
})

const slowBlobs = Rounds.layer({ rules: [{ match: { method: "PUT", path: /blobs/ }, fault: Fault.delay("5 seconds") }] })

const nothing = { copied: 0, unchanged: 0, deleted: 0, failed: 0, failures: [] }

describe("a round", () => {
  it.effect("copies, and the next one finds all as it should be, with one HEAD a tag and side", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      yield* seed("v2", { seed: 1 })
      assert.deepStrictEqual(sums(yield* round(ruleOf())), { ...nothing, copied: 2 })
      assert.deepStrictEqual(yield* tags("target.test", "mirror/app"), ["v1", "v2"])
      const again = Effect.map(round(ruleOf()), (ended) => assert.deepStrictEqual(sums(ended), { ...nothing, unchanged: 2 }))
      assert.deepStrictEqual(yield* Rounds.asked("target.test", again), { "HEAD manifest": 2 })
      assert.deepStrictEqual(yield* Rounds.asked("source.test", again), { "GET tags": 1, "HEAD manifest": 2 })
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("sends once what tags share, also at once", () =>
    Effect.gen(function* () {
      const tagged = ["1", "1.2", "1.2.3", "latest"]
      for (const tag of tagged) yield* seed(tag)
      const copied = Effect.map(throughTime(round(ruleOf())), (ended) => assert.strictEqual(sums(ended).copied, tagged.length))
      const counts = yield* Rounds.asked("target.test", copied)
      const source = yield* Rounds.at("source.test")
      assert.strictEqual(counts["PUT upload"], (yield* source.blobs("acme/app")).length)
    }).pipe(Effect.provide(Rounds.layer({ rules: [{ match: { method: "PUT", path: /blobs/ }, fault: Fault.delay("1 second") }] })))
  )

  it.effect("follows a tag that moves, and keeps what it stood for", () =>
    Effect.gen(function* () {
      const first = yield* seed("v1")
      yield* round(ruleOf())
      const second = yield* seed("v1", { seed: 1 })
      assert.deepStrictEqual(sums(yield* round(ruleOf({ backup: "old-{tag}-{digest}" }))), { ...nothing, copied: 1 })
      assertSome(yield* mirror("v1"), second.manifest.digest)
      assertSome(yield* mirror(`old-v1-${first.manifest.digest.slice(7, 19)}`), first.manifest.digest)
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("replaces nothing whose backup fails", () =>
    Effect.gen(function* () {
      const first = yield* seed("v1")
      yield* round(ruleOf())
      yield* seed("v1", { seed: 1 })
      const ended = yield* round(ruleOf({ backup: "old-{tag}-{digest}" }))
      assert.deepStrictEqual(sums(ended), { ...nothing, failed: 1, failures: ["target.test/mirror/app:v1 Denied"] })
      assertSome(yield* mirror("v1"), first.manifest.digest)
    }).pipe(Effect.provide(Rounds.layer({ rules: [{ match: { method: "PUT", path: /manifests\/old-/ }, fault: Fault.respond(403) }] })))
  )

  it.effect("brings what belongs to an image though the image has not changed, and says when there was nothing to bring", () =>
    Effect.gen(function* () {
      const image = yield* seed("v1")
      const rule = ruleOf({ referrers: true })
      assert.deepStrictEqual(sums(yield* round(rule)), { ...nothing, copied: 1 })
      assert.deepStrictEqual(sums(yield* round(rule)), { ...nothing, unchanged: 1 })
      const source = yield* Rounds.at("source.test")
      const signature = yield* source.seedManifest("acme/app", {
        schemaVersion: 2,
        mediaType: MediaType.ociImageManifest,
        artifactType: "application/vnd.example.signature",
        config: image.config,
        layers: [],
        subject: image.manifest
      })
      assert.deepStrictEqual(sums(yield* round(rule)), { ...nothing, copied: 1 })
      assertSome(yield* mirror(signature.digest), signature.digest)
      assert.deepStrictEqual(sums(yield* round(rule)), { ...nothing, unchanged: 1 })
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("ends with a defect of an action, which is neither done nor failed", () =>
    Effect.gen(function* () {
      for (const [index, tag] of ["v1", "v2"].entries()) yield* seed(tag, { seed: index })
      const state = yield* SyncState.SyncState
      const broken = SyncState.SyncState.of({ ...state, remember: () => Effect.dieMessage("a store with a bug") })
      const exit = yield* Effect.exit(Effect.provideService(round(ruleOf()), SyncState.SyncState, broken))
      assert.include(String(exit), "a store with a bug")
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("does not ask the source for an immutable tag that is there, and leaves it", () =>
    Effect.gen(function* () {
      const first = yield* seed("v1.0")
      yield* seed("latest")
      const rule = ruleOf({ immutable: "v*" })
      yield* round(rule)
      yield* seed("v1.0", { seed: 1 })
      assert.deepStrictEqual(yield* Rounds.asked("source.test", round(rule)), { "GET tags": 1, "HEAD manifest": 1 })
      assertSome(yield* mirror("v1.0"), first.manifest.digest)
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("copies some platforms, and knows its work again", () =>
    Effect.gen(function* () {
      const source = yield* Rounds.at("source.test")
      const images = yield* Effect.forEach(["amd64", "arm64", "s390x"], (architecture, index) =>
        source.seedImage("acme/app", { seed: index, platform: { os: "linux", architecture } })
      )
      const entries = images.map(({ manifest, config: _ }, index) => ({
        ...manifest,
        platform: { os: "linux", architecture: ["amd64", "arm64", "s390x"][index] }
      }))
      const document = { schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: entries }
      const index = yield* source.seedManifest("acme/app", document, { tags: ["multi"] })
      const rule = ruleOf({ tags: { glob: "multi" }, platforms: ["linux/arm64", "linux/amd64"] })
      assert.deepStrictEqual(sums(yield* round(rule)), { ...nothing, copied: 1 })
      assert.notStrictEqual(Option.getOrThrow(yield* mirror("multi")), index.digest)
      assert.deepStrictEqual(sums(yield* round(rule)), { ...nothing, unchanged: 1 })
      assert.deepStrictEqual(sums(yield* round({ ...rule, platforms: ["linux/x86_64", "linux/arm64/v8"] })), { ...nothing, unchanged: 1 })
      assert.deepStrictEqual(sums(yield* round({ ...rule, platforms: ["linux/s390x"] })), { ...nothing, copied: 1 })
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("goes on after a tag that fails, and tells which", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      yield* seed("v2", { seed: 1 })
      assert.deepStrictEqual(sums(yield* round(ruleOf())), {
        ...nothing,
        copied: 1,
        failed: 1,
        failures: ["target.test/mirror/app:v1 Denied"]
      })
    }).pipe(Effect.provide(Rounds.layer({ rules: [{ match: { method: "PUT", path: /manifests\/v1$/ }, fault: Fault.respond(403) }] })))
  )

  it.effect("tries again what may pass, at its time", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      const running = yield* Effect.fork(round(ruleOf()))
      yield* TestClock.adjust("4 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(running)))
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(sums(yield* Fiber.join(running)), { ...nothing, copied: 1 })
    }).pipe(
      Effect.provide(
        Rounds.layer({
          retry: { schedule: Schedule.stop },
          rules: [{ match: { method: "PUT", path: /manifests\/v1$/, count: 2 }, fault: Fault.respond(503) }]
        })
      )
    )
  )

  it.effect("does not wait for what could not be planned", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      const failures = ["target.test/mirror/app:v1 Unavailable"]
      assert.deepStrictEqual(sums(yield* round(ruleOf())), { ...nothing, failed: 1, failures })
    }).pipe(
      Effect.provide(
        Rounds.layer({
          retry: { schedule: Schedule.stop },
          rules: [{ match: { method: "HEAD", path: /acme\/app\/manifests/ }, fault: Fault.respond(503) }]
        })
      )
    )
  )

  it.effect("does not write over a tag that somebody else has moved since it was planned", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      yield* round(ruleOf())
      yield* seed("v1", { seed: 1 })
      const [action] = yield* Rounds.plan(ruleOf())
      assert.strictEqual(action?._tag, "Copy")
      if (action === undefined) return
      yield* Effect.flatMap(Rounds.at("target.test"), (registry) => registry.seedImage("mirror/app", { tag: "v1", seed: 7 }))
      const before = yield* mirror("v1")
      const error = yield* Effect.flip(SyncWorker.perform(Rounds.configOf(ruleOf()).rules[0], action))
      assert.strictEqual(error._tag === "SyncRefused" ? error.reason : error._tag, "moved")
      deepStrictEqual(yield* mirror("v1"), before)
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("does not write over a tag that somebody else has moved, or made, while its content was on its way", () =>
    Effect.gen(function* () {
      const target = yield* Rounds.at("target.test")
      for (const [index, before] of [Effect.void, throughTime(round(ruleOf()))].entries()) {
        yield* seed("v1", { seed: index })
        yield* before
        yield* seed("v1", { seed: index + 2 })
        yield* target.clearRequests
        const running = yield* Effect.fork(round(ruleOf({ backup: "old-{tag}-{digest}" })))
        yield* eventually(Effect.map(target.requestCounts, (counts) => (counts["POST upload"] ?? 0) > 0))
        const other = yield* target.seedImage("mirror/app", { tag: "v1", seed: index + 7 })
        const failures = ["target.test/mirror/app:v1 SyncRefused"]
        assert.deepStrictEqual(sums(yield* throughTime(Fiber.join(running))), { ...nothing, failed: 1, failures })
        assertSome(yield* mirror("v1"), other.manifest.digest)
        assert.deepStrictEqual(yield* tags("target.test", "mirror/app"), ["v1"])
        yield* target.reset
      }
    }).pipe(Effect.provide(slowBlobs))
  )

  it.effect("knows a part of an index that it has written and not heard of, and keeps no copy of it", () =>
    Effect.gen(function* () {
      const source = yield* Rounds.at("source.test")
      const platform = { os: "linux", architecture: "amd64" }
      const { manifest } = yield* source.seedImage("acme/app", { platform })
      const document = { schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: [{ ...manifest, platform }, manifest] }
      yield* source.seedManifest("acme/app", document, { tags: ["multi"] })
      yield* Effect.flatMap(Rounds.at("target.test"), (registry) => registry.seedImage("mirror/app", { tag: "multi", seed: 7 }))
      const rule = ruleOf({ platforms: ["linux/amd64"], backup: "old-{digest}" })
      assert.deepStrictEqual(sums(yield* throughTime(round(rule))), { ...nothing, copied: 1 })
      assert.strictEqual((yield* tags("target.test", "mirror/app")).length, 2)
      assert.deepStrictEqual(sums(yield* round(rule)), { ...nothing, unchanged: 1 })
    }).pipe(
      Effect.provide(
        Rounds.layer({
          retry: { schedule: Schedule.stop },
          rules: [{ match: { method: "PUT", path: /manifests\/multi$/, count: 1 }, fault: Fault.loseResponse }]
        })
      )
    )
  )
})

describe("deletions", () => {
  const pruning = (more: object = {}) => ruleOf({ tags: { glob: "v*" }, prune: { maxPercent: 100, ...more } })

  const untagAtSource = (tag: string) =>
    Effect.flatMap(RegistryClient.RegistryClient, (client) =>
      Effect.flatMap(Reference.parse(`source.test/acme/app:${tag}`), ({ repository, tag }) =>
        tag === undefined ? Effect.dieMessage("no tag") : client.deleteTag(repository, tag)
      )
    )

  it.effect("are of tags that a round put there and that are gone at the source", () =>
    Effect.gen(function* () {
      for (const [index, tag] of ["v1", "v2", "v3"].entries()) yield* seed(tag, { seed: index })
      assert.deepStrictEqual(sums(yield* round(pruning())), { ...nothing, copied: 3 })
      yield* Effect.flatMap(Rounds.at("target.test"), (registry) => registry.seedImage("mirror/app", { tag: "v0", seed: 9 }))
      yield* untagAtSource("v2")
      assert.deepStrictEqual(sums(yield* round(pruning())), { ...nothing, unchanged: 2, deleted: 1 })
      assert.deepStrictEqual(yield* tags("target.test", "mirror/app"), ["v0", "v1", "v3"])
      assert.deepStrictEqual(sums(yield* round(pruning({ foreign: true }))), { ...nothing, unchanged: 2, deleted: 1 })
      assert.deepStrictEqual(yield* tags("target.test", "mirror/app"), ["v1", "v3"])
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("are none when there are too many, when none is selected, or when the list fails", () =>
    Effect.gen(function* () {
      for (const [index, tag] of ["v1", "v2", "v3", "v4"].entries()) yield* seed(tag, { seed: index })
      yield* round(pruning())
      for (const tag of ["v1", "v2"]) yield* untagAtSource(tag)
      const many = ["target.test/mirror/app SyncRefused"]
      assert.deepStrictEqual(sums(yield* round(pruning({ maxDelete: 1 }))), { ...nothing, unchanged: 2, failed: 1, failures: many })
      assert.deepStrictEqual(sums(yield* round(pruning({ maxPercent: 49 }))), { ...nothing, unchanged: 2, failed: 1, failures: many })
      for (const tag of ["v3", "v4"]) yield* untagAtSource(tag)
      const none = ["source.test/acme/app SyncRefused"]
      assert.deepStrictEqual(sums(yield* round(pruning())), { ...nothing, failed: 1, failures: none })
      assert.deepStrictEqual(yield* tags("target.test", "mirror/app"), ["v1", "v2", "v3", "v4"])
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("are none in a repository that is not there yet", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      assert.deepStrictEqual(
        (yield* Rounds.plan(pruning())).map(({ _tag }) => _tag),
        ["Copy"]
      )
      assert.deepStrictEqual(sums(yield* round(pruning())), { ...nothing, copied: 1 })
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("leave alone what somebody else has moved since", () =>
    Effect.gen(function* () {
      for (const [index, tag] of ["v1", "v2"].entries()) yield* seed(tag, { seed: index })
      yield* round(pruning())
      yield* untagAtSource("v2")
      yield* Effect.flatMap(Rounds.at("target.test"), (registry) => registry.seedImage("mirror/app", { tag: "v2", seed: 9 }))
      assert.deepStrictEqual(sums(yield* round(pruning())), { ...nothing, unchanged: 1 })
      assert.deepStrictEqual(yield* tags("target.test", "mirror/app"), ["v1", "v2"])
    }).pipe(Effect.provide(Rounds.layer()))
  )
})

describe("a worker", () => {
  it.scoped("goes by the times of its rules", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      const config = Rounds.configOf(
        ruleOf({ name: "often", every: "10 minutes" }),
        ruleOf({ name: "daily", cron: "0 4 * * *", targets: ["target.test/daily/app"] })
      )
      const worker = yield* SyncWorker.make(config)
      const events: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(worker.events, (event) =>
          Effect.sync(() => {
            if (event._tag === "Started") events.push(`${event.rule} ${event.at / 60_000}`)
          })
        )
      )
      yield* Effect.yieldNow()
      yield* Effect.forkScoped(worker.serve)
      yield* eventually(Effect.map(worker.health, ([often]) => Option.isSome(often?.last ?? Option.none())))
      assert.deepStrictEqual(events, ["often 0"])
      yield* TestClock.adjust("10 minutes")
      yield* eventually(Effect.sync(() => events.length === 2))
      assert.deepStrictEqual(events, ["often 0", "often 10"])
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.scoped("waits longer than a timer can", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      const worker = yield* SyncWorker.make(Rounds.configOf(ruleOf({ every: "60 days" })))
      const sleeps: Array<number> = []
      const clock = yield* Effect.clock
      const watched: Clock.Clock = {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        currentTimeMillis: clock.currentTimeMillis,
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration) =>
          Effect.zipRight(
            Effect.sync(() => sleeps.push(Duration.toMillis(duration))),
            clock.sleep(duration)
          )
      }
      yield* Effect.forkScoped(Effect.withClock(worker.serve, watched))
      const rounds = Rounds.at("source.test").pipe(Effect.flatMap((registry) => registry.requestCounts))
      yield* eventually(Effect.map(worker.health, ([rule]) => Option.isSome(rule?.last ?? Option.none())))
      for (let day = 0; day < 60; day++) {
        assert.strictEqual((yield* rounds)["GET tags"], 1)
        yield* eventually(Effect.sync(() => sleeps.length > day))
        yield* TestClock.adjust("1 day")
      }
      yield* eventually(Effect.map(rounds, (counts) => counts["GET tags"] === 2))
      assert.isBelow(Math.max(...sleeps), 2 ** 31)
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.scoped("leaves a rule to another worker that is at it", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      const state = yield* SyncState.SyncState
      const held = yield* Deferred.make<void>()
      const holder = yield* Effect.fork(state.alone("app", Deferred.await(held)))
      yield* Effect.yieldNow()
      const passed = yield* round(ruleOf())
      assert.isTrue(passed.passed)
      assert.deepStrictEqual(sums(passed), nothing)
      yield* Deferred.succeed(held, undefined)
      yield* Fiber.join(holder)
      assert.isFalse((yield* round(ruleOf())).passed)
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.scoped("is running while a round is, although another one was passed over, and whatever it was told may be at once", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      const target = yield* Rounds.at("target.test")
      const worker = yield* SyncWorker.make(Rounds.configOf(ruleOf()), { rules: 2, actions: 0 })
      const isRunning = Effect.map(worker.health, (rules) => rules.map(({ running }) => running))
      const first = yield* Effect.fork(worker.round())
      yield* eventually(Effect.map(target.requestCounts, (counts) => (counts["POST upload"] ?? 0) > 0))
      assert.deepStrictEqual((yield* worker.round())[0]?.passed, true)
      assert.deepStrictEqual(yield* isRunning, [true])
      yield* throughTime(Fiber.join(first))
      assert.deepStrictEqual(yield* isRunning, [false])
      assertSome(yield* throughTime(Effect.timeoutOption(Effect.asVoid(round(ruleOf(), { rules: 0 })), "1 hour")), undefined)
    }).pipe(Effect.provide(slowBlobs))
  )

  /** One slow copy is under way when the round is stopped; gives the tags that are there afterwards. */
  const stopped = (options: SyncWorker.Options) =>
    Effect.gen(function* () {
      for (const [index, tag] of ["v1", "v2", "v3"].entries()) yield* seed(tag, { seed: index })
      const target = yield* Rounds.at("target.test")
      const running = yield* Effect.fork(round(ruleOf(), { actions: 1, ...options }))
      yield* eventually(Effect.map(target.requestCounts, (counts) => (counts["POST upload"] ?? 0) > 0))
      yield* throughTime(Fiber.interrupt(running))
      return yield* tags("target.test", "mirror/app")
    }).pipe(Effect.provide(slowBlobs))

  it.effect("lets what is under way come to its end when it is stopped, and begins nothing else", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* stopped({ drain: "10 minutes" }), ["v1"])
      assert.deepStrictEqual(yield* stopped({ drain: 0 }), [])
    })
  )

  it.effect("tells rounds that survive JSON", () =>
    Effect.gen(function* () {
      yield* seed("v1")
      const ended = yield* round(ruleOf())
      const Text = Schema.parseJson(SyncWorker.Round)
      assert.deepStrictEqual(Schema.decodeSync(Text)(Schema.encodeSync(Text)(ended)), ended)
    }).pipe(Effect.provide(Rounds.layer()))
  )
})
