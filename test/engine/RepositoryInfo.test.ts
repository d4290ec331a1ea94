import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as DockerConfig from "../../src/auth/DockerConfig.ts"
import * as EngineConfig from "../../src/engine/EngineConfig.ts"
import * as HostAddresses from "../../src/engine/HostAddresses.ts"
import * as RepositoryInfo from "../../src/engine/RepositoryInfo.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Vectors from "../vectors/Vectors.ts"
import { Outcome } from "./tables.ts"

const Row = Schema.Struct({
  input: Schema.String,
  expected: Outcome({
    canonicalName: Schema.String,
    localName: Schema.String,
    remoteName: Schema.String,
    official: Schema.Boolean,
    indexName: Schema.String,
    indexOfficial: Schema.Boolean,
    indexSecure: Schema.Boolean,
    authConfigKey: Schema.String
  })
})

type Row = typeof Row.Type

const registryPart = ({ input }: Row) => (input.includes("/") ? input.split("/", 1).join("") : "")

/** Where the names of this library are not those of docker, here as everywhere (`Reference`). */
const deviations: ReadonlyArray<Vectors.Deviation<Row>> = [
  {
    name: "a host with capitals is the host in lower case",
    reason: "hosts are case-insensitive; docker keeps two spellings apart",
    applies: (row) => /[A-Z]/.test(registryPart(row)) && /[.:]/.test(registryPart(row))
  },
  {
    name: "a first part with capitals is a host",
    reason: "it can be no namespace, and docker has come to read it so (distribution/reference)",
    applies: (row) => /[A-Z]/.test(registryPart(row))
  },
  {
    name: "an IPv6 address in brackets is a host",
    reason: "docker has come to read it so (distribution/reference)",
    applies: (row) => registryPart(row).startsWith("[")
  },
  {
    name: "registry-1.docker.io is Docker Hub",
    reason: "it is one registry with three names",
    applies: (row) => registryPart(row) === "registry-1.docker.io"
  }
]

/** What the tables were made with. */
const hosts = HostAddresses.layer({ localhost: ["127.0.0.1", "::1"], "example.com": ["42.42.42.42"], "other.com": ["43.43.43.43"] })

const told = ({ index, name, official }: RepositoryInfo.RepositoryInfo) => ({
  ok: true as const,
  canonicalName: name.toString(),
  localName: Reference.familiarName(name),
  remoteName: name.name,
  official,
  indexName: index.name,
  indexOfficial: index.official,
  indexSecure: index.secure,
  authConfigKey: DockerConfig.authKey(index)
})

describe("RepositoryInfo.parse, by the engine's table", () => {
  for (const row of Vectors.load("repository-info", Row)) {
    it.effect(JSON.stringify(row.input), () =>
      Effect.gen(function* () {
        const actual = yield* Effect.either(RepositoryInfo.parse(EngineConfig.empty, row.input))
        if (Vectors.deviation(deviations, row) !== undefined) {
          const name = Either.getOrNull(Either.map(Reference.parse(row.input), (_) => _.repository.toString()))
          return assert.strictEqual(Either.getOrNull(Either.map(actual, (_) => _.name.toString())), name)
        }
        // The words are our own.
        if (!row.expected.ok) return assert.isTrue(Either.isLeft(actual))
        return assert.deepStrictEqual(told(yield* actual), row.expected)
      }).pipe(Effect.provide(hosts))
    )
  }
})

describe("RepositoryInfo", () => {
  it.effect("has the index as it is configured", () =>
    Effect.gen(function* () {
      const config = yield* EngineConfig.make({
        "registry-mirrors": ["https://mirror.example.com"],
        "insecure-registries": ["registry.corp:5000"]
      })
      const corp = yield* RepositoryInfo.make(config, yield* Reference.parseRepository("registry.corp:5000/team/app"))
      assert.deepStrictEqual(corp.index, { name: "registry.corp:5000", mirrors: [], official: false, secure: false })
      assert.isFalse(corp.official)
      const hub = yield* RepositoryInfo.parse(config, "ubuntu:24.04")
      assert.deepStrictEqual(hub.index, { name: "docker.io", mirrors: ["https://mirror.example.com/"], official: true, secure: true })
      assert.isTrue(hub.official)
    })
  )

  it.effect("a repository of one part is official on Docker Hub only", () =>
    Effect.gen(function* () {
      assert.isFalse((yield* RepositoryInfo.parse(EngineConfig.empty, "example.com/single")).official)
      assert.isFalse((yield* RepositoryInfo.parse(EngineConfig.empty, "example.com/library/single")).official)
      assert.isFalse((yield* RepositoryInfo.parse(EngineConfig.empty, "library/a/b")).official)
    })
  )

  it.effect("64 hexadecimal digits are no name", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(RepositoryInfo.parse(EngineConfig.empty, "0123456789abcdef".repeat(4)))
      assert.match(error.message, /64 hexadecimal digits/)
      yield* RepositoryInfo.parse(EngineConfig.empty, `team/${"0123456789abcdef".repeat(4)}`)
    })
  )
})
