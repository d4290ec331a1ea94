/** Transfers over real sockets, interrupted at random: no upload stays open, and no connection outlives its client. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as RegistryServer from "../../src/testing/RegistryServer.ts"
import * as Content from "../support/Content.ts"
import { eventually } from "../support/Eventually.ts"

const concurrency = 4

const client = NodeRegistry.layerWith({
  keychain: Keychain.layerAnonymous,
  hosts: { "*": { scheme: "http", concurrency } }
})

describe("interruptions over sockets", () => {
  it.scopedLive("leave nothing behind", () =>
    Effect.gen(function* () {
      const server = yield* RegistryServer.RegistryServer
      const repository = yield* Reference.parseRepository(`${server.url.replace("http://", "")}/acme/app`)
      const seeded = yield* server.seedBlob("acme/app", new Uint8Array(2 * Content.MiB).fill(1))

      const transfers = Effect.gen(function* () {
        const { getBlob, ping, putBlob, putBlobStream } = yield* RegistryClient.RegistryClient
        yield* ping(repository.registry)
        const upload = (index: number) => {
          const bytes = new Uint8Array(Content.MiB).fill(index)
          return index % 3 === 1
            ? putBlob(repository, Content.describeBytes(bytes), bytes, { plan: "chunked", chunkBytes: 100_000 })
            : putBlobStream(repository, Stream.make(bytes.subarray(0, 600_000), bytes.subarray(600_000)), { chunkBytes: 300_000 })
        }
        const one = (index: number) =>
          Effect.gen(function* () {
            // Some are through before they are interrupted.
            const transfer = index % 3 === 0 ? Effect.exit(Stream.runDrain(getBlob(repository, seeded))) : Effect.exit(upload(index))
            const fiber = yield* Effect.fork(Effect.asVoid<unknown, never, never>(transfer))
            yield* Effect.sleep(`${(index * 7) % 40} millis`)
            yield* Fiber.interrupt(fiber)
          })
        yield* Effect.forEach(
          Array.from({ length: 120 }, (_, index) => index),
          one,
          { concurrency: 8, discard: true }
        )
        yield* eventually(Effect.map(server.openUploads, (uploads) => uploads.length === 0))
        assert.strictEqual(yield* Stream.runFold(getBlob(repository, seeded), 0, (sum, bytes) => sum + bytes.byteLength), seeded.size)
      })
      yield* Effect.provide(transfers, Layer.fresh(client))
      yield* eventually(Effect.map(server.openConnections, (count) => count === 0))
    }).pipe(Effect.provide(RegistryServer.layer()))
  )
})
