import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { deleteTag } from "../../src/client/internal/deleteManifest.ts"
import { repositories, tags } from "../../src/client/internal/listing.ts"
import { makeManifestState } from "../../src/client/internal/manifestState.ts"
import { getManifest, manifestExists, resolve } from "../../src/client/internal/manifests.ts"
import { putManifest } from "../../src/client/internal/putManifest.ts"
import { referrers } from "../../src/client/internal/referrers.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import * as Vectors from "../vectors/Vectors.ts"

const registry = "registry.test"
const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)
const repositoryOf = (name: string) => Either.getOrThrow(Reference.parseRepository(`${registry}/${name}`))

const StatusRow = Schema.Struct({
  operation: Schema.String,
  expectedAccepted: Schema.Array(Schema.Number),
  expectedRejectedExamples: Schema.Array(Schema.Number)
})
type StatusRow = typeof StatusRow.Type

const repository = repositoryOf("acme/app")
const image = Manifest.artifact({ artifactType: "application/vnd.example.thing" })
const attached = Manifest.artifact({ artifactType: "application/vnd.example.thing", subject: image.descriptor })
const tagged = Reference.withTag(repository, Reference.Tag.make("v1"))
const index = Manifest.imageIndex({ manifests: [] })

const content = (manifest: Manifest.Manifest) => ({
  headers: {
    "content-type": manifest.mediaType,
    "content-length": String(manifest.size),
    "docker-content-digest": manifest.digest
  },
  body: new TextDecoder().decode(manifest.bytes)
})

interface Case {
  readonly operation: RegExp
  /** Whether a request is the one whose status the row is about. */
  readonly about: (request: ScriptedHttp.Received) => boolean
  readonly content: Omit<ScriptedHttp.Answer, "status">
  /** The answer to the requests the row is not about. */
  readonly others: ScriptedHttp.Answer
  readonly run: (transport: RegistryTransport.Service) => Effect.Effect<unknown, unknown>
}

const isManifest = (method: string) => (request: ScriptedHttp.Received) =>
  request.method === method && request.target.includes("/manifests/")
const isReferrers = ({ target }: ScriptedHttp.Received) => target.includes("/referrers/")
const isFallback = (method: string) => (request: ScriptedHttp.Received) =>
  request.method === method && request.target.includes("/manifests/sha256-")

const readReferrers = (transport: RegistryTransport.Service) => collect(referrers(transport, makeManifestState(), repository, image.digest))
const attach = (transport: RegistryTransport.Service) => putManifest(transport, makeManifestState(), repository, attached)

/** The first that matches a row counts. */
const cases: ReadonlyArray<Case> = [
  {
    operation: /^manifest HEAD before a push/,
    about: isManifest("HEAD"),
    content: content(image),
    others: { status: 500 },
    run: (_) => manifestExists(_, tagged)
  },
  {
    operation: /^manifest HEAD/,
    about: ({ target }) => target.includes("/manifests/"),
    content: content(image),
    others: { status: 500 },
    run: (_) => resolve(_, tagged)
  },
  {
    operation: /^manifest GET/,
    about: isManifest("GET"),
    content: content(image),
    others: { status: 500 },
    run: (_) => getManifest(_, tagged)
  },
  {
    operation: /^manifest PUT/,
    about: isManifest("PUT"),
    content: {},
    others: { status: 404 },
    run: (_) => putManifest(_, makeManifestState(), repository, image, { tag: Reference.Tag.make("v1") })
  },
  {
    operation: /^manifest DELETE/,
    about: isManifest("DELETE"),
    content: {},
    others: { status: 404 },
    run: (_) => deleteTag(_, repository, Reference.Tag.make("v1"))
  },
  {
    operation: /^tags/,
    about: ({ target }) => target.includes("/tags/list"),
    content: { body: '{"tags":[]}' },
    others: { status: 500 },
    run: (_) => collect(tags(_, repository))
  },
  {
    operation: /^catalog/,
    about: ({ target }) => target.includes("/_catalog"),
    content: { body: '{"repositories":[]}' },
    others: { status: 500 },
    run: (_) => collect(repositories(_, registry))
  },
  {
    operation: /^referrers fallback tag PUT/,
    about: isFallback("PUT"),
    content: {},
    others: { status: 404 },
    run: attach
  },
  {
    operation: /^referrers fallback tag GET .*(?:push|writ|put)/i,
    about: isFallback("GET"),
    content: content(index),
    others: { status: 404 },
    run: attach
  },
  {
    operation: /^referrers fallback tag/,
    about: isFallback("GET"),
    content: content(index),
    others: { status: 404 },
    run: readReferrers
  },
  {
    operation: /^referrers .*(?:push|writ|put)/i,
    about: isReferrers,
    content: content(index),
    others: { status: 404 },
    run: attach
  },
  {
    operation: /^referrers/,
    about: isReferrers,
    content: content(index),
    others: { status: 404 },
    run: readReferrers
  }
]

/** The pings and tokens are of the floors below; blobs and uploads have their own tests. */
const elsewhere = /^(?:ping|token|blob|upload|mount|layer)\b/

/** A push answers 404 to what it does not know and stores what is sent, under the digest it is asked about afterwards. */
const registryOf = ({ about, content, others }: Case, status: number): ScriptedHttp.Script => {
  let stored: ScriptedHttp.Answer = { status: 404 }
  return (request) => {
    if (request.target === "/v2/") return { status: 200 }
    if (about(request)) {
      if (request.method !== "PUT") return { status, ...(status === 200 ? content : {}) }
      if (status < 300) stored = { status: 200, ...contentOf(request) }
      return { status }
    }
    if (request.method === "PUT") {
      if (request.target.includes("/manifests/sha256-")) stored = { status: 200, ...contentOf(request) }
      return { status: 201 }
    }
    return request.method === "HEAD" ? stored : others
  }
}

const contentOf = ({ body, headers }: ScriptedHttp.Received): Omit<ScriptedHttp.Answer, "status"> => {
  const bytes = new TextEncoder().encode(body)
  const contentType = headers["content-type"] ?? MediaType.octetStream
  return { headers: { "content-type": contentType, "content-length": `${bytes.length}`, "docker-content-digest": Digest.fromBytes(bytes) } }
}

const accepts = (one: Case, status: number) => {
  const { layer } = ScriptedHttp.make(registryOf(one, status))
  return Effect.flatMap(RegistryTransport.RegistryTransport, one.run).pipe(
    Effect.either,
    Effect.map(Either.isRight),
    Effect.provide(Registries.layerOver(layer)),
    ScriptedHttp.whileTimePasses
  )
}

describe("accepted-status.json", () => {
  const rows: ReadonlyArray<StatusRow> = Vectors.load("accepted-status", StatusRow)

  for (const row of rows) {
    const one = cases.find(({ operation }) => operation.test(row.operation))
    if (one === undefined) continue
    it.effect(row.operation, () =>
      Effect.gen(function* () {
        for (const status of row.expectedAccepted) expect([status, yield* accepts(one, status)]).toEqual([status, true])
        for (const status of row.expectedRejectedExamples) expect([status, yield* accepts(one, status)]).toEqual([status, false])
      })
    )
  }

  it("leaves pings, tokens and blobs to the tests of these", () => {
    const rest = rows.filter(({ operation }) => !cases.some((one) => one.operation.test(operation)))
    expect(rest.filter(({ operation }) => !elsewhere.test(operation)).map(({ operation }) => operation)).toEqual([])
  })
})
