import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as TagSelection from "../../src/client/TagSelection.ts"

const tags = [
  "1.2",
  "1.10.0",
  "1.2.3",
  "1.4.0",
  "1.4.2-alpine",
  "latest",
  "v1.5.0",
  "2.0.0-rc.1",
  "2.0.0",
  "build-9",
  "build-10",
  "sha256-ab.sig"
]

const selected = (selection: TagSelection.Selection) =>
  Effect.map(Stream.runCollect(Stream.fromIterable(tags).pipe(TagSelection.select(selection))), (chunk) => [...chunk])

describe("TagSelection", () => {
  it.effect("selects by pattern, expression and version, in the order of the place", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* selected({}), tags)
      assert.deepStrictEqual(yield* selected({ glob: "build-*" }), ["build-9", "build-10"])
      assert.deepStrictEqual(yield* selected({ glob: ["latest", "build-?"] }), ["latest", "build-9"])
      assert.deepStrictEqual(yield* selected({ glob: "*2*", exclude: ["*.sig", "*-*"] }), ["1.2", "1.2.3", "2.0.0"])
      const expression = /^build-\d+$/gy
      assert.deepStrictEqual(yield* selected({ regex: expression }), ["build-9", "build-10"])
      assert.deepStrictEqual(yield* selected({ semver: "^1.3" }), ["1.10.0", "1.4.0", "v1.5.0"])
      assert.deepStrictEqual(yield* selected({ semver: ">=1.4 <3", prereleases: true, exclude: "v*" }), [
        "1.10.0",
        "1.4.0",
        "1.4.2-alpine",
        "2.0.0-rc.1",
        "2.0.0"
      ])
    })
  )

  it.effect("the latest are the highest versions, then names with numbers as numbers", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* selected({ latest: 3 }), ["2.0.0", "2.0.0-rc.1", "1.10.0"])
      assert.deepStrictEqual(yield* selected({ semver: "1.x", latest: 2 }), ["1.10.0", "v1.5.0"])
      assert.deepStrictEqual(yield* selected({ glob: "build-*", latest: 1 }), ["build-10"])
      assert.deepStrictEqual(yield* selected({ latest: 0 }), [])
      assert.deepStrictEqual((yield* selected({ latest: 100 })).length, tags.length)
    })
  )

  it.effect(
    "many of very many take no time to speak of, whatever their order",
    () =>
      Effect.gen(function* () {
        const falling = Stream.range(1, 30_000).pipe(Stream.map((index) => `build-${40_000 - index}`))
        const latest = yield* Stream.runCollect(TagSelection.select({ latest: 15_000 })(falling))
        assert.deepStrictEqual([latest.length, Chunk.unsafeHead(latest), Chunk.unsafeLast(latest)], [15_000, "build-39999", "build-25000"])
      }),
    // One by one they would take a minute.
    10_000
  )

  it.effect("says what is no range and no number", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* Effect.flip(selected({ semver: "newest" })), {
        _tag: "InvalidSelection",
        member: "semver",
        input: "newest"
      })
      for (const latest of [-1, 1.5, Number.NaN]) {
        assert.deepInclude(yield* Effect.flip(selected({ latest })), { member: "latest", input: String(latest) })
        assert.isTrue(Either.isLeft(TagSelection.check({ latest })))
      }
      assert.isTrue(Either.isLeft(TagSelection.check({ semver: "newest" })))
      assert.isTrue(Either.isRight(TagSelection.check({ semver: "^1", latest: 0 })))
    })
  )

  it("a pattern is like the expression it stands for", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", ".", "-"), maxLength: 8 })
    const pattern = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), maxLength: 6 })
    fc.assert(
      fc.property(pattern, text, (glob, tag) => {
        const source = glob.replace(/\./g, "\\.").replace(/\*/g, ".*").replace(/\?/g, ".")
        const matches = Either.getOrThrow(TagSelection.matcher({ glob }))
        assert.strictEqual(matches(tag), new RegExp(`^${source}$`).test(tag))
      })
    )
  })

  it("a pattern of many stars costs nothing", () => {
    const matches = Either.getOrThrow(TagSelection.matcher({ glob: `${"a*".repeat(60)}b` }))
    assert.isFalse(matches("a".repeat(128)))
  })

  it("the order is one, and the latest are its end", () => {
    const part = fc.nat(12)
    const tag = fc.oneof(
      fc.tuple(part, part, part).map((parts) => parts.join(".")),
      fc.tuple(part, part, part, part).map(([a, b, c, d]) => `v${a}.${b}.${c}-rc.${d}`),
      fc.constantFrom("latest", "build-2", "build-10", "edge")
    )
    fc.assert(
      fc.property(fc.uniqueArray(tag, { maxLength: 12 }), fc.nat(5), (all, latest) => {
        const sorted = [...all].sort(TagSelection.compare).reverse()
        const highest = Effect.runSync(Stream.runCollect(Stream.fromIterable(all).pipe(TagSelection.select({ latest }))))
        assert.deepStrictEqual(Chunk.toReadonlyArray(highest), sorted.slice(0, latest))
        for (const one of all)
          for (const other of all) {
            assert.strictEqual(Math.sign(TagSelection.compare(one, other)), -Math.sign(TagSelection.compare(other, one)) || 0)
          }
      })
    )
  })
})
