/** The same checks over real sockets, and what only sockets can show. */
import { get } from "node:http"
import { connect } from "node:net"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Digest from "../../src/model/Digest.ts"
import * as RegistryServer from "../../src/testing/RegistryServer.ts"
import * as RegistryStorage from "../../src/testing/RegistryStorage.ts"
import { eventually, settled } from "../support/Eventually.ts"
import { checks, push, send, Target } from "./SpecChecks.ts"

const target = Layer.effect(
  Target,
  Effect.map(RegistryServer.RegistryServer, (server) => server.url)
)

const inMemory = target.pipe(
  Layer.provideMerge(RegistryServer.layer({ capabilities: { streamedAppend: true } })),
  Layer.merge(NodeHttpClient.layerUndici)
)

const folder = Layer.unwrapScoped(
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return RegistryStorage.layerFolder(yield* fs.makeTempDirectoryScoped())
  })
)

const inFolder = target.pipe(
  Layer.provideMerge(RegistryServer.layerWithoutStorage()),
  Layer.provide(folder),
  Layer.provide(NodeContext.layer),
  Layer.merge(NodeHttpClient.layerUndici)
)

const random = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let offset = 0; offset < length; offset += 65536) globalThis.crypto.getRandomValues(bytes.subarray(offset, offset + 65536))
  return bytes
}

layer(inMemory, { excludeTestServices: true })("in memory", (it) => {
  describe("the spec", () => {
    for (const [name, check] of Object.entries(checks)) it.effect(name, () => check)
  })

  it.effect("a large blob goes both ways unharmed, streamed, and a slow reader holds the server back", () =>
    Effect.gen(function* () {
      const server = yield* RegistryServer.RegistryServer
      const client = yield* HttpClient.HttpClient
      const content = random(24 * 1024 * 1024)
      const digest = Digest.fromBytes(content)
      const started = yield* send("POST", "/v2/large/blobs/uploads/")
      const pieces = Stream.range(0, 23).pipe(Stream.map((index) => content.subarray(index * 1024 * 1024, (index + 1) * 1024 * 1024)))
      const sent = yield* send("PATCH", started.headers["location"] ?? "", { body: HttpBody.stream(pieces) })
      assert.strictEqual(sent.headers["range"], `0-${content.length - 1}`)
      const closed = yield* send("PUT", `${sent.headers["location"]}?digest=${digest}`)
      assert.strictEqual(closed.status, 201)

      const url = `${server.url}/v2/large/blobs/${digest}`
      const whole = yield* Effect.flatMap(client.execute(HttpClientRequest.get(url)), (response) => response.arrayBuffer)
      assert.strictEqual(Digest.fromBytes(new Uint8Array(whole)), digest)

      yield* server.clearRequests
      const response = yield* client.execute(HttpClientRequest.get(url))
      assert.isBelow(yield* settled(server.bytesServed), content.length)
      const first = yield* Stream.runHead(response.stream)
      assert.isTrue(first._tag === "Some")
      // The reader left: the server stops and forgets the connection's request.
      assert.isBelow(yield* settled(server.bytesServed), content.length)
    })
  )

  it.effect("connections are kept alive", () =>
    Effect.gen(function* () {
      const server = yield* RegistryServer.RegistryServer
      for (let index = 0; index < 20; index++) yield* send("GET", "/v2/")
      assert.isAtMost(yield* server.openConnections, 4)
    })
  )

  it.effect("an early answer reaches a client that is still sending", () =>
    Effect.gen(function* () {
      const endless = Stream.repeatValue(new Uint8Array(64 * 1024)).pipe(Stream.take(64))
      const answer = yield* send("PATCH", "/v2/app/blobs/uploads/unknown", { body: HttpBody.stream(endless) })
      assert.strictEqual(answer.status, 404)
    })
  )

  it.effect("an interrupted upload keeps what arrived, and can be finished", () =>
    Effect.gen(function* () {
      const server = yield* RegistryServer.RegistryServer
      const started = yield* send("POST", "/v2/resumed/blobs/uploads/")
      const where = started.headers["location"] ?? ""
      const body = HttpBody.stream(Stream.concat(Stream.make(new TextEncoder().encode("hello ")), Stream.never))
      const fiber = yield* Effect.fork(send("PATCH", where, { body }))
      const size = Effect.map(server.openUploads, (uploads) => uploads.find((_) => where.endsWith(_.id))?.sizeBytes)
      yield* eventually(Effect.map(size, (bytes) => bytes === 6))
      yield* Fiber.interrupt(fiber)
      const status = yield* send("GET", where)
      assert.strictEqual(status.headers["range"], "0-5")
      const digest = Digest.fromBytes(new TextEncoder().encode("hello world"))
      assert.strictEqual((yield* send("PUT", `${where}?digest=${digest}`, { body: "world" })).status, 201)
    })
  )

  it.effect("an upload keeps all that came before its connection broke", () =>
    Effect.gen(function* () {
      const server = yield* RegistryServer.RegistryServer
      for (const size of [10, 1000, 300_000]) {
        const where = (yield* send("POST", "/v2/broken/blobs/uploads/")).headers["location"] ?? ""
        const head = `PUT ${where}?digest=sha256:${"0".repeat(64)} HTTP/1.1\r\nhost: registry\r\ncontent-length: 1000000\r\n\r\n`
        yield* Effect.async<void>((resume) => {
          const socket = connect(server.address.port, server.address.hostname)
          socket.write(head + "x".repeat(size), () => socket.destroy())
          socket.once("close", () => resume(Effect.void))
        })
        const stored = Effect.map(send("GET", where), (status) => status.headers["range"] === `0-${size - 1}`)
        yield* eventually(stored)
      }
    })
  )

  it.effect("what is not HTTP is refused and does no harm", () =>
    Effect.gen(function* () {
      const server = yield* RegistryServer.RegistryServer
      const received = yield* Effect.async<string>((resume) => {
        let text = ""
        const socket = connect(server.address.port, server.address.hostname, () => socket.write("NONSENSE\r\n\r\n"))
        socket.on("data", (data) => {
          text += String(data)
        })
        socket.on("close", () => resume(Effect.succeed(text)))
      })
      assert.match(received, /^HTTP\/1\.1 400/)
      assert.strictEqual((yield* send("GET", "/v2/")).status, 200)
    })
  )
})

layer(inMemory, { excludeTestServices: true })("request targets", (it) => {
  it.effect("the whole URL, as a proxy may send it", () =>
    Effect.gen(function* () {
      const { address, url } = yield* RegistryServer.RegistryServer
      const status = yield* Effect.async<number | undefined>((resume) => {
        get({ host: address.hostname, port: address.port, path: `${url}/v2/`, agent: false }, (answer) => {
          answer.resume()
          resume(Effect.succeed(answer.statusCode))
        })
      })
      assert.strictEqual(status, 200)
    })
  )
})

layer(inFolder, { excludeTestServices: true })("in a folder", (it) => {
  for (const [name, check] of Object.entries(checks)) it.effect(name, () => check)

  it.effect("a range of a large blob", () =>
    Effect.gen(function* () {
      const content = random(3 * 1024 * 1024 + 17)
      const digest = yield* push("large", content)
      const client = yield* HttpClient.HttpClient
      const { url } = yield* RegistryServer.RegistryServer
      const request = HttpClientRequest.get(`${url}/v2/large/blobs/${digest}`, { headers: { range: "bytes=1048000-3000000" } })
      const part = new Uint8Array(yield* Effect.flatMap(client.execute(request), (response) => response.arrayBuffer))
      assert.deepStrictEqual(Digest.fromBytes(part), Digest.fromBytes(content.subarray(1048000, 3000001)))
    })
  )
})

layer(NodeHttpClient.layerUndici, { excludeTestServices: true })("its life", (it) => {
  it.scoped("a taken port is an error, and closing the scope frees it and ends what is open", () =>
    Effect.gen(function* () {
      const storage = yield* RegistryStorage.makeMemory
      const port = yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* RegistryServer.make({}, storage)
          const taken = yield* Effect.flip(RegistryServer.make({ port: server.address.port }, storage))
          assert.strictEqual(taken._tag, "StoreError")
          const client = yield* HttpClient.HttpClient
          const upload = yield* client.execute(HttpClientRequest.post(`${server.url}/v2/app/blobs/uploads/`))
          const stuck = HttpClientRequest.patch(`${server.url}${upload.headers["location"]}`).pipe(
            HttpClientRequest.bodyStream(Stream.concat(Stream.make(new Uint8Array(10)), Stream.never))
          )
          yield* Effect.fork(Effect.exit(client.execute(stuck)))
          yield* eventually(Effect.map(server.openUploads, ([open]) => open?.sizeBytes === 10))
          return server.address.port
        })
      )
      const again = yield* RegistryServer.make({ port }, storage)
      assert.strictEqual(again.address.port, port)
    })
  )
})
