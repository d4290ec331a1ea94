import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Reference from "../../src/model/Reference.ts"
import { backupTag, isBackup } from "../../src/sync/internal/ruleText.ts"
import * as SyncConfig from "../../src/sync/SyncConfig.ts"

const rule = { name: "app", source: "ghcr.io/acme/app", targets: ["registry.corp/mirror/app"] } as const

const parse = (...rules: ReadonlyArray<object>) => SyncConfig.parse(JSON.stringify({ rules }))

const reasonOf = (...rules: ReadonlyArray<object>) =>
  Either.match(parse(...rules), { onLeft: ({ reason }) => reason, onRight: () => "none" })

describe("SyncConfig", () => {
  it("reads rules, and writes them as they were", () => {
    const whole = {
      ...rule,
      tags: {
        glob: ["v*", "latest"],
        exclude: "*-rc*",
        regex: "^v",
        semver: ">=1.2",
        prereleases: true,
        latest: 5,
        include: ["edge"],
        minTags: 1
      },
      platforms: ["linux/amd64", "linux/arm64/v8"],
      referrers: true,
      digestTags: true,
      require: ["application/vnd.example.signature"],
      immutable: ["v*"],
      backup: "old-{tag}-{digest}",
      prune: { maxDelete: 5, maxPercent: 10, foreign: false },
      every: "10 minutes"
    }
    const config = Either.getOrThrow(parse(whole))
    assert.deepStrictEqual(Schema.encodeSync(SyncConfig.SyncConfig)(config), { rules: [whole] } as never)
    assert.deepStrictEqual(Either.getOrThrow(parse({ ...rule, prune: {} })).rules[0].prune, {
      maxDelete: 10,
      maxPercent: 25,
      foreign: false
    })
  })

  it("takes a repository, a tag of it, and all below a name", () => {
    for (const source of ["alpine", "docker.io/library/alpine:3.20", "localhost:5000/app"])
      assert.strictEqual(reasonOf({ ...rule, source }), "none")
    for (const source of ["ghcr.io/*", "ghcr.io/acme/*", "localhost:5000/a/b/*"]) {
      assert.strictEqual(reasonOf({ ...rule, source, targets: ["registry.corp/mirror/*"], repositories: ["a"] }), "none")
    }
  })

  const refused: ReadonlyArray<readonly [what: string, more: object]> = [
    ["a digest as source", { source: `ghcr.io/acme/app@sha256:${"0".repeat(64)}` }],
    ["a source that is none", { source: "GHCR.io/Acme/app" }],
    ["a star in the middle", { source: "ghcr.io/*/app", targets: ["registry.corp/*/app"] }],
    ["a target with a tag", { targets: ["registry.corp/mirror/app:v1"] }],
    ["no target", { targets: [] }],
    ["a target twice", { targets: ["registry.corp/a", "registry.corp/a"] }],
    ["a star on one side only", { source: "ghcr.io/acme/*" }],
    ["repositories without a star", { repositories: ["a"] }],
    ["two times", { every: "1 hour", cron: "0 0 * * *" }],
    ["no time at all", { every: "soon" }],
    ["all the time", { every: "10 millis" }],
    ["no cron expression", { cron: "every day" }],
    ["a time that never comes", { cron: "0 0 30 2 *" }],
    ["a range of no versions", { tags: { semver: "newest" } }],
    ["no regular expression", { tags: { regex: "(" } }],
    ["less than no tags", { tags: { latest: -1 } }],
    ["a tag that is none", { tags: { include: ["-"] } }],
    ["a platform that is none", { platforms: ["/"] }],
    ["a backup that may replace another", { backup: "old-{tag}" }],
    ["a backup that is no tag", { backup: "old/{tag}-{digest}" }],
    ["more than all", { prune: { maxPercent: 101 } }],
    ["a name for no file", { name: "a/b" }],
    ["a member that no rule has", { tag: "v1" }],
    ["a member that no filter has", { tags: { include: ["v1"], globs: "*" } }]
  ]

  for (const [what, more] of refused) {
    it(`refuses ${what}`, () => {
      assert.notStrictEqual(reasonOf({ ...rule, ...more }), "none")
    })
  }

  it("refuses two rules of one name, no rules, and what is no JSON", () => {
    assert.include(reasonOf(rule, rule), "same name")
    assert.notStrictEqual(reasonOf(), "none")
    assert.strictEqual(
      Either.isLeft(SyncConfig.parse("{")) && SyncConfig.parse("{", "a.json").pipe(Either.flip, Either.getOrThrow).message,
      "a.json: it is not JSON"
    )
  })

  it.scoped("is read from a file", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = yield* fs.makeTempFileScoped()
      yield* fs.writeFileString(file, JSON.stringify({ rules: [rule] }))
      assert.strictEqual((yield* SyncConfig.load(file)).rules[0].name, "app")
      const error = yield* Effect.flip(SyncConfig.load(`${file}.none`))
      assert.strictEqual(error._tag, "StoreError")
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it("makes a tag of any backup, and knows it again", () => {
    const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/)
    fc.assert(
      fc.property(tag, fc.constantFrom("{tag}-{digest}", "old.{digest}.{tag}", "b_{digest}"), (tag, template) => {
        const made = backupTag(template, tag, `sha256:${"0123456789abcdef".repeat(4)}`)
        assert.isTrue(Reference.isTag(made))
        assert.isTrue(isBackup(template, made))
        assert.isFalse(isBackup(template, "v1"))
      })
    )
  })
})
