import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SyncPlan from "../../src/sync/SyncPlan.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as Rounds from "./rounds.ts"

const lines = (rule: Parameters<typeof Rounds.plan>[0]) =>
  Effect.map(Rounds.plan(rule), (actions) => actions.map((_) => `${_._tag} ${"target" in _ ? _.target : _.place}`))

describe("SyncPlan", () => {
  it.effect("copies what is selected and missing, and changes nothing", () =>
    Effect.gen(function* () {
      for (const [index, tag] of ["1.0.0", "1.1.0", "2.0.0", "latest"].entries()) yield* Rounds.seed(tag, { seed: index })
      const rule = Rounds.ruleOf({ tags: { semver: "^1", include: ["latest", "none"] } })
      const expected = ["1.0.0", "1.1.0", "latest"].map((tag) => `Copy target.test/mirror/app:${tag}`)
      assert.deepStrictEqual(yield* lines(rule), expected)
      assert.deepStrictEqual(yield* lines(rule), expected)
      assert.deepStrictEqual(yield* Rounds.tags("target.test", "mirror/app"), [])
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("is data that survives JSON", () =>
    Effect.gen(function* () {
      const image = yield* Rounds.seed("v1")
      const actions = yield* Rounds.plan(Rounds.ruleOf({ targets: ["target.test/a", "target.test/b"] }))
      const Text = Schema.parseJson(Schema.Array(SyncPlan.Action))
      assert.deepStrictEqual(Schema.decodeSync(Text)(Schema.encodeSync(Text)(actions)), actions)
      assert.deepStrictEqual(actions.map(SyncPlan.format), [
        `copy source.test/acme/app:v1 ${image.manifest.digest} to target.test/a:v1`,
        `copy source.test/acme/app:v1 ${image.manifest.digest} to target.test/b:v1`
      ])
      assert.strictEqual(new Set(actions.map(SyncPlan.key)).size, 2)
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("of one tag asks for no list", () =>
    Effect.gen(function* () {
      yield* Rounds.seed("v1")
      const rule = Rounds.ruleOf({ source: "source.test/acme/app:v1" })
      const counts = yield* Rounds.asked("source.test", Rounds.plan(rule))
      assert.deepStrictEqual(counts, { "GET base": 1, "HEAD manifest": 1 })
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("of all below a name goes through the catalog, or through the names that are given", () =>
    Effect.gen(function* () {
      for (const repository of ["team/a", "team/sub/b", "teams/c", "other"]) yield* Rounds.seed("v1", { repository })
      const rule = Rounds.ruleOf({ source: "source.test/team/*", targets: ["target.test/copy/*"] })
      const all = ["Copy target.test/copy/a:v1", "Copy target.test/copy/sub/b:v1"]
      assert.deepStrictEqual(yield* lines(rule), all)
      const counts = yield* Rounds.asked("source.test", Rounds.plan({ ...rule, repositories: ["a", "none"] }))
      assert.isUndefined(counts["GET catalog"])
      assert.deepStrictEqual(yield* lines({ ...rule, repositories: ["a", "none"] }), [
        "Copy target.test/copy/a:v1",
        "Problem source.test/team/none"
      ])
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("of all below a name leaves out what was copied there itself, and takes each repository once", () =>
    Effect.gen(function* () {
      for (const repository of ["team/a", "team/mirror/a", "teams/b"]) yield* Rounds.seed("v1", { repository })
      const rule = Rounds.ruleOf({ source: "source.test/team/*", targets: ["source.test/team/mirror/*"] })
      assert.deepStrictEqual(yield* lines(rule), ["Unchanged source.test/team/mirror/a:v1"])
      const elsewhere = { ...rule, targets: ["source.test/*", "target.test/team/mirror/*"] as const }
      assert.deepStrictEqual((yield* lines(elsewhere)).length, 4)
      assert.deepStrictEqual((yield* lines({ ...rule, targets: ["target.test/*"], repositories: ["a", "a"] })).length, 1)
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("goes on after a repository that no target may have", () =>
    Effect.gen(function* () {
      const long = "n".repeat(231)
      for (const repository of ["team/a", `team/${long}`, "team/z"]) yield* Rounds.seed("v1", { repository })
      const rule = Rounds.ruleOf({ source: "source.test/team/*", targets: ["target.test/copy/of/team/*"] })
      assert.deepStrictEqual(yield* lines(rule), [
        "Copy target.test/copy/of/team/a:v1",
        `Problem source.test/team/${long}`,
        "Copy target.test/copy/of/team/z:v1"
      ])
      assert.deepStrictEqual(yield* lines({ ...rule, repositories: ["Z", "z"] }), [
        "Problem source.test/team/Z",
        "Copy target.test/copy/of/team/z:v1"
      ])
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("takes too few tags for a broken source", () =>
    Effect.gen(function* () {
      yield* Rounds.seed("v1")
      const [only, ...more] = yield* Rounds.plan(Rounds.ruleOf({ tags: { minTags: 2 }, prune: {} }))
      assert.deepStrictEqual(more, [])
      assert.strictEqual(
        only === undefined ? "" : SyncPlan.format(only),
        "cannot source.test/acme/app: source.test/acme/app: fewer tags are selected than there must be: 1 of at least 2"
      )
    }).pipe(Effect.provide(Rounds.layer()))
  )

  it.effect("has a problem for what cannot be told, and goes on", () =>
    Effect.gen(function* () {
      yield* Rounds.seed("v1")
      yield* Rounds.seed("v2", { seed: 1 })
      assert.deepStrictEqual(yield* lines(Rounds.ruleOf()), ["Problem target.test/mirror/app:v1", "Copy target.test/mirror/app:v2"])
    }).pipe(Effect.provide(Rounds.layer({ rules: [{ match: { path: /acme\/app\/manifests\/v1$/ }, fault: Fault.respond(403) }] })))
  )

  it.effect("does not copy what lacks a signature that is required", () =>
    Effect.gen(function* () {
      const source = yield* Rounds.at("source.test")
      const signed = yield* Rounds.seed("v1")
      yield* Rounds.seed("v2", { seed: 1 })
      yield* source.seedManifest("acme/app", {
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        artifactType: "application/vnd.example.signature",
        config: signed.config,
        layers: [],
        subject: signed.manifest
      })
      const rule = Rounds.ruleOf({ require: ["application/vnd.example.signature"] })
      assert.deepStrictEqual(yield* lines(rule), ["Copy target.test/mirror/app:v1", "Problem target.test/mirror/app:v2"])
    }).pipe(Effect.provide(Rounds.layer()))
  )
})
