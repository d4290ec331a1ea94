import { gunzipSync } from "node:zlib"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as TarSum from "../../src/engine/TarSum.ts"
import * as V1Endpoint from "../../src/engine/V1Endpoint.ts"
import * as V1Session from "../../src/engine/V1Session.ts"
import { concat } from "../../src/model/internal/bytes.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeClient from "../../src/node/NodeClient.ts"
import * as LocalServer from "../support/LocalServer.ts"
import * as V1Registry from "./V1Registry.ts"

const repository = Either.getOrThrow(Reference.parseRepository("registry.test/team/app"))
const latest = Reference.Tag.make("latest")
const id = "ab".repeat(32)
const json = new TextEncoder().encode(JSON.stringify({ id }))
const tar = new Uint8Array(3 * 1024 * 1024)
const user = Credentials.basic("user", "hunter2")

const clients = { node: NodeClient.layer({ proxy: "none" }), fetch: FetchHttpClient.layer }

/** An insecure index: https fails, as nobody answers it there. */
const connected = (host: string) =>
  Effect.flatMap(V1Endpoint.connect({ name: host, official: false, secure: false }), (found) =>
    V1Session.make({ ...found, credentials: user })
  )

const push = (session: V1Session.Session) =>
  Effect.gen(function* () {
    const [registry = session.endpoint] = yield* session.putImageIndex(repository, [{ id }])
    yield* session.putImageJson(id, json, registry)
    const checksums = yield* session.putImageLayer(id, Stream.make(tar.subarray(0, 1000), tar.subarray(1000)), json, registry)
    yield* session.putChecksum(id, checksums, registry)
    yield* session.putTag(repository, latest, id, registry)
    yield* session.confirmImageIndex(repository, [{ id, checksum: checksums.checksum, tag: "latest" }], [registry])
    return checksums
  })

const pull = (session: V1Session.Session) =>
  Effect.gen(function* () {
    const { endpoints, images } = yield* session.repositoryData(repository)
    const [registry = session.endpoint] = endpoints
    const image = yield* session.tag(repository, latest, endpoints)
    const ancestry = yield* session.ancestry(image, registry)
    const { json, size } = yield* session.imageJson(image, registry)
    const layer = concat(Chunk.toReadonlyArray(yield* Stream.runCollect(session.imageLayer(image, { registry, size }))))
    return { images, ancestry, json, size, layer }
  })

describe("V1 over sockets", () => {
  for (const [name, client] of Object.entries(clients)) {
    it.scopedLive(`pushes an image and pulls it back (${name})`, () =>
      Effect.gen(function* () {
        const registry = V1Registry.make()
        const { host } = yield* LocalServer.make(registry.handler)
        const checksums = yield* Effect.flatMap(connected(host), push)
        assert.strictEqual(checksums.checksum, yield* TarSum.of(Stream.make(tar), { json }))
        const sent = (line: string) => registry.seen.find((one) => one.line === line)?.headers ?? {}
        assert.deepInclude(sent(`PUT images/${id}/layer`), { "transfer-encoding": "chunked", cookie: "other=2; lb=1" })
        assert.strictEqual(sent(`PUT images/${id}/checksum`)["content-length"], "0")
        assert.strictEqual(sent(`PUT images/${id}/json`).authorization, "Token signature=1,access=write")
        const found = yield* Effect.flatMap(connected(host), pull)
        assert.deepStrictEqual(found.images, [{ id, checksum: checksums.checksum, tag: "latest" }])
        assert.deepStrictEqual([found.ancestry, found.size, found.json], [[id], found.layer.length, json])
        assert.isTrue(gunzipSync(found.layer).equals(tar))
        const again = yield* Effect.flip(Effect.flatMap(connected(host), push))
        assert.strictEqual(again._tag, "ImageAlreadyExists")
      }).pipe(Effect.provide(client))
    )
  }

  it.scopedLive("hears a refusal while a layer is sent, and takes no word for what was not", () =>
    Effect.gen(function* () {
      const answered = (status: number) =>
        Effect.gen(function* () {
          const { origin } = yield* LocalServer.make((_, response) => LocalServer.json(response, status, { error: "no" }))
          const session = yield* V1Session.make({ endpoint: yield* V1Endpoint.parse(origin) })
          return yield* Effect.flip(session.putImageLayer(id, Stream.concat(Stream.make(tar.subarray(0, 512)), Stream.never), json))
        })
      assert.deepInclude(yield* answered(401), { _tag: "Unauthorized", status: 401 })
      assert.deepInclude(yield* answered(200), { _tag: "TransportError", reason: "protocol" })
    }).pipe(Effect.provide(clients.node), Effect.timeout("10 seconds"))
  )
})
