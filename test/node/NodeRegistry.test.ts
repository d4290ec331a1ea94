import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as FetchRegistry from "../../src/node/FetchRegistry.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as RegistryServer from "../../src/testing/RegistryServer.ts"
import * as Certificates from "../support/Certificates.ts"
import * as LocalServer from "../support/LocalServer.ts"

const content = new Uint8Array(3 * 1024 * 1024).map((_, index) => index % 251)
const digest = Digest.fromBytes(content)
const descriptor = { mediaType: "application/octet-stream", digest, size: content.length }

/** Pushes a blob and pulls it back. */
const roundTrip = (host: string, name: string) =>
  Effect.gen(function* () {
    const client = yield* RegistryClient.RegistryClient
    const repository = yield* Reference.parseRepository(`${host}/${name}`)
    const pieces = Stream.range(0, 47).pipe(Stream.map((index) => content.subarray(index * 65536, (index + 1) * 65536)))
    const result = yield* client.putBlob(repository, descriptor, pieces)
    assert.strictEqual(result.outcome, "uploaded")
    const back = yield* Stream.runCollect(client.getBlob(repository, descriptor))
    assert.strictEqual(Digest.fromBytes(Buffer.concat(Chunk.toReadonlyArray(back))), digest)
  })

const login = { username: "alice", password: "secret" }

const keychain = (host: string) => Keychain.layer({ [host]: Credentials.basic(login.username, Redacted.make(login.password)) })

describe("NodeRegistry and FetchRegistry", () => {
  it.scopedLive("push and pull over sockets, with credentials", () =>
    Effect.gen(function* () {
      const { url } = yield* RegistryServer.RegistryServer
      const host = new URL(url).host
      const node = NodeRegistry.layerWith({ keychain: keychain(host), dispatcher: { proxy: "none" } })
      yield* Effect.provide(roundTrip(host, "over/node"), node)
      yield* Effect.provide(roundTrip(host, "over/fetch"), FetchRegistry.layerWith({ keychain: keychain(host) }))
    }).pipe(Effect.provide(RegistryServer.layer({ auth: { _tag: "Basic", users: { [login.username]: { password: login.password } } } })))
  )

  it.scopedLive("NodeRegistry trusts what RegistryHosts says, host by host", () =>
    Effect.gen(function* () {
      const authority = yield* Certificates.authority("effect-oci test authority")
      const certificate = yield* authority.issue(["127.0.0.1"])
      const server = yield* LocalServer.make((_, response) => response.end("trusted"), { certificate })
      const ask = Effect.flatMap(HttpClient.HttpClient, (http) => http.get(server.origin))
      const trusting = NodeRegistry.layerWith({
        hosts: { [server.host]: { tls: { ca: [authority.certificate] } } },
        keychain: Keychain.layerAnonymous,
        dispatcher: { proxy: "none" }
      })
      const text = yield* Effect.flatMap(ask, (response) => response.text).pipe(Effect.provide(trusting))
      assert.strictEqual(text, "trusted")
      const strict = NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous, dispatcher: { proxy: "none" } })
      assert.isTrue(yield* Effect.isFailure(Effect.provide(ask, strict)))
    })
  )

  it.effect("the ready layers can be built", () =>
    Effect.forEach([NodeRegistry.layer, FetchRegistry.layer], (layer) => Effect.scoped(Layer.build(layer)))
  )
})
