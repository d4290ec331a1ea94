import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as MountCandidates from "../../src/engine/MountCandidates.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Vectors from "../vectors/Vectors.ts"

const repositoryOf = (text: string) => Either.getOrThrow(Reference.parseRepository(text))

const Row = Schema.Struct({
  name: Schema.String,
  input: Schema.Struct({
    hmacKey: Schema.String,
    target: Schema.String,
    max: Schema.Int,
    metadata: Schema.Array(Schema.Struct({ hmacKey: Schema.NullOr(Schema.String), digest: Schema.String, sourceRepository: Schema.String }))
  }),
  expected: Schema.Array(Schema.String)
})

describe("MountCandidates.select, by the engine's table", () => {
  for (const { expected, input, name } of Vectors.load("mount-candidates", Row)) {
    it(name, () => {
      // The engine has sources as text, and passes over those that are no full names.
      const candidates = input.metadata.flatMap(({ digest, hmacKey, sourceRepository }) =>
        Either.match(Reference.parseRepository(sourceRepository, { mode: "strict" }), {
          onLeft: () => [],
          onRight: (repository) => [{ repository, account: hmacKey ?? undefined, digest }]
        })
      )
      const target = { repository: repositoryOf(input.target), account: input.hmacKey, max: input.max < 0 ? undefined : input.max }
      assert.deepStrictEqual(
        MountCandidates.select(target, candidates).map((_) => _.digest),
        expected
      )
    })
  }
})

describe("MountCandidates.select", () => {
  const candidates = ["a.example/x/y", "a.example/x/z", "b.example/x/y", "a.example/w"].map((text) => ({ repository: repositoryOf(text) }))
  const target = { repository: repositoryOf("a.example/x/y") }
  const select = (options: Partial<MountCandidates.Target>) =>
    MountCandidates.select({ ...target, ...options }, candidates).map((_) => _.repository.toString())

  it("leaves out the repository itself and other registries", () => {
    assert.deepStrictEqual(select({}), ["a.example/x/z", "a.example/w"])
  })

  it("stops at the number that is wanted", () => {
    assert.deepStrictEqual(select({ max: 1 }), ["a.example/x/z"])
    assert.deepStrictEqual(select({ max: 0 }), [])
    assert.deepStrictEqual(select({ max: -1 }), [])
  })

  it("takes no credentials for those that are not known", () => {
    const known = [{ repository: repositoryOf("a.example/x/q"), account: "alice" }, { repository: repositoryOf("a.example/v") }]
    const names = (account: string | undefined) => MountCandidates.select({ ...target, account }, known).map((_) => _.repository.toString())
    assert.deepStrictEqual(names("alice"), ["a.example/x/q", "a.example/v"])
    assert.deepStrictEqual(names(undefined), ["a.example/v", "a.example/x/q"])
  })

  it("leaves the list as it is", () => {
    const before = [...candidates]
    select({})
    assert.deepStrictEqual(candidates, before)
  })
})
