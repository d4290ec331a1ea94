import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TagUpdate from "../../src/client/TagUpdate.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as Quirks from "../../src/testing/Quirks.ts"
import * as Registries from "../support/Registries.ts"

const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))
const tag = Either.getOrThrow(Reference.parseTag("stable"))

/** Two images; the tag stands for the first. */
const seed = Effect.gen(function* () {
  const registry = yield* MemoryRegistry.MemoryRegistry
  const one = yield* registry.seedImage(repository.name, { tag, seed: 1 })
  const two = yield* registry.seedImage(repository.name, { tag: "two", seed: 2 })
  yield* registry.clearRequests
  const manifest = (bytes: Uint8Array) => Manifest.decode(bytes, {})
  return { registry, one: yield* manifest(one.bytes), two: yield* manifest(two.bytes) }
})

const stands = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
  Effect.map(registry.manifest(repository.name, tag), (found) => (found._tag === "Some" ? found.value.digest : "absent"))
)

const puts = { method: "PUT", path: /\/manifests\// }

describe("TagUpdate", () => {
  it.effect("sets a tag that stands for what was expected, and leaves an equal one alone", () =>
    Effect.gen(function* () {
      const { one, registry, two } = yield* seed
      expect(yield* TagUpdate.ensure(repository, tag, two, { expected: one.digest })).toBe("set")
      expect(yield* stands).toBe(two.digest)
      yield* registry.clearRequests
      expect(yield* TagUpdate.ensure(repository, tag, two, { expected: one.digest })).toBe("unchanged")
      expect(yield* registry.requestCounts).toEqual({ "HEAD manifest": 1 })
      expect(yield* TagUpdate.ensure(repository, tag, one)).toBe("set")
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("sets a tag that was not there, and only then", () =>
    Effect.gen(function* () {
      const { one, two } = yield* seed
      const fresh = Either.getOrThrow(Reference.parseTag("fresh"))
      expect(yield* TagUpdate.ensure(repository, fresh, two, { expected: "absent" })).toBe("set")
      const refused = yield* Effect.flip(TagUpdate.ensure(repository, tag, two, { expected: "absent" }))
      expect(refused).toMatchObject({ _tag: "TagMoved", tag: "stable", expected: "absent", actual: one.digest })
      const other = yield* Effect.flip(
        TagUpdate.ensure(repository, Either.getOrThrow(Reference.parseTag("none")), two, { expected: one.digest })
      )
      expect(other).toMatchObject({ _tag: "TagMoved", expected: one.digest, actual: "absent" })
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("does not write what it expects to an immutable tag, and says what the registry says of another", () =>
    Effect.gen(function* () {
      const { one, two } = yield* seed
      expect(yield* TagUpdate.ensure(repository, tag, one)).toBe("unchanged")
      expect((yield* Effect.flip(TagUpdate.ensure(repository, tag, two)))._tag).toBe("TagInvalid")
      expect(yield* stands).toBe(one.digest)
    }).pipe(Effect.provide(Registries.layer({ hosts: { "registry.test": { capabilities: { moveTags: false } } } })))
  )

  for (const [name, options, kept] of [
    ["one that checks preconditions keeps the other's", {}, "rival"],
    ["of one that does not, the last writer wins", { capabilities: { conditional: false } }, "ours"]
  ] as const) {
    it.effect(`a writer who comes between: ${name}`, () =>
      Effect.gen(function* () {
        const { one, registry, two } = yield* seed
        const third = yield* registry.seedImage(repository.name, { seed: 3 })
        const between = registry.seedManifest(repository.name, third.bytes, { tags: [tag] })
        const rival = Fault.custom("rival", ({ execute, request }) => Effect.zipRight(between, execute(request)))
        yield* (yield* FaultyHttp.FaultyHttp).setRules([{ match: { ...puts, count: 1 }, fault: rival }])
        const result = yield* Effect.either(TagUpdate.ensure(repository, tag, two, { expected: one.digest }))
        if (kept === "ours") expect(result).toEqual(Either.right("set"))
        else
          expect(Either.isLeft(result) && result.left).toMatchObject({
            _tag: "TagMoved",
            expected: one.digest,
            actual: third.manifest.digest
          })
        expect(yield* stands).toBe(kept === "ours" ? two.digest : third.manifest.digest)
      }).pipe(Effect.provide(Registries.layer({ hosts: { "registry.test": options } })))
    )
  }

  it.effect("a write that was taken and undone is told", () => {
    const lost = Fault.custom("lost", (exchange) => Fault.respond(201).apply(exchange))
    return Effect.gen(function* () {
      const { one, two } = yield* seed
      expect(yield* Effect.flip(TagUpdate.ensure(repository, tag, two))).toMatchObject({
        _tag: "TagMoved",
        expected: two.digest,
        actual: one.digest
      })
    }).pipe(Effect.provide(Registries.layer({ rules: [{ match: puts, fault: lost }] })))
  })

  it.effect("a registry that tells no digest is read", () =>
    Effect.gen(function* () {
      const { one, two } = yield* seed
      expect(yield* TagUpdate.ensure(repository, tag, two, { expected: one.digest })).toBe("set")
      expect(Digest.isDigest(yield* stands)).toBe(true)
    }).pipe(Effect.provide(Registries.layer({ hosts: { "registry.test": { adjustments: Quirks.nexus.adjustments } } })))
  )

  for (const status of [400, 403, 405, 501]) {
    it.effect(`a registry that answers ${status} to HEAD is read`, () =>
      Effect.gen(function* () {
        const { one, two } = yield* seed
        expect(yield* TagUpdate.ensure(repository, tag, two, { expected: one.digest })).toBe("set")
        expect(yield* stands).toBe(two.digest)
      }).pipe(Effect.provide(Registries.layer({ rules: [{ match: { method: "HEAD" }, fault: Fault.respond(status) }] })))
    )
  }
})
