/** Programs behind the faults: real sockets before the rules, and both kinds of registries behind them. */
import { get } from "node:http"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeClient from "../../src/node/NodeClient.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyServer from "../../src/testing/FaultyServer.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryServer from "../../src/testing/RegistryServer.ts"
import * as DirImage from "../support/DirImage.ts"
import { eventually } from "../support/Eventually.ts"
import * as Program from "../support/Program.ts"
import * as Skopeo from "../support/Skopeo.ts"
import { checks, push, send, Target, utf8 } from "./SpecChecks.ts"

const front = FaultyServer.FaultyServer

/** A registry on a port, and a server with faults before it that reaches it with this client. */
const before = (client: Layer.Layer<HttpClient.HttpClient>, options: RegistryServer.RegistryServerOptions = {}) => {
  const server = Layer.unwrapEffect(
    Effect.map(RegistryServer.RegistryServer, ({ url }) => Layer.provide(FaultyServer.layer({ target: url, rules: [] }), client))
  )
  return Layer.effect(
    Target,
    Effect.map(front, ({ url }) => url)
  ).pipe(Layer.provideMerge(server), Layer.provideMerge(RegistryServer.layer(options)), Layer.merge(NodeHttpClient.layerUndici))
}

const setRules = (...rules: Parameters<FaultyServer.Service["setRules"]>[0]) => Effect.flatMap(front, (faults) => faults.setRules(rules))

const execute = (request: HttpClientRequest.HttpClientRequest) => Effect.flatMap(HttpClient.HttpClient, (client) => client.execute(request))

const content = "the content of a small blob"

/** The URL of a blob through the faults. */
const seededBlob = Effect.gen(function* () {
  const { digest } = yield* (yield* RegistryServer.RegistryServer).seedBlob("app", content)
  return `${(yield* front).url}/v2/app/blobs/${digest}`
})

const clients = { "the client of this library": NodeClient.layer(), "the platform's client": NodeHttpClient.layerUndici }

for (const [name, client] of Object.entries(clients)) {
  layer(before(client, { capabilities: { streamedAppend: true } }), { excludeTestServices: true })(`without faults, over ${name}`, (it) => {
    for (const [name, check] of Object.entries(checks)) it.effect(name, () => check)

    it.effect("a large blob flows both ways", () =>
      Effect.gen(function* () {
        const pieces = Array.from({ length: 5 }, (_, index) => new Uint8Array(1024 * 1024).fill(index))
        const digest = Digest.fromBytes(Buffer.concat(pieces))
        const started = yield* send("POST", "/v2/large/blobs/uploads/")
        const sent = yield* send("PATCH", started.headers["location"] ?? "", { body: HttpBody.stream(Stream.fromIterable(pieces)) })
        assert.strictEqual((yield* send("PUT", `${sent.headers["location"]}?digest=${digest}`)).status, 201)
        const response = yield* execute(HttpClientRequest.get(`${(yield* front).url}/v2/large/blobs/${digest}`))
        assert.strictEqual(response.headers["content-length"], String(5 * 1024 * 1024))
        assert.strictEqual(Digest.fromBytes(new Uint8Array(yield* response.arrayBuffer)), digest)
      })
    )

    it.effect("what is behind sees the request as it was made", () =>
      Effect.gen(function* () {
        const server = yield* RegistryServer.RegistryServer
        const { host } = yield* front
        yield* push("seen", "anything")
        yield* server.clearRequests
        const started = yield* send("POST", "/v2/seen/blobs/uploads/", { headers: { "content-type": "text/plain", "x-mine": "1" } })
        yield* send("PATCH", started.headers["location"] ?? "", { body: "abc", headers: { "content-type": "text/plain" } })
        const [post, patch] = yield* server.requests
        assert.deepInclude(post?.headers, { host, "content-type": "text/plain", "content-length": "0", "x-mine": "1" })
        assert.deepInclude(patch?.headers, { host, "content-type": "text/plain", "content-length": "3" })
      })
    )

    it.effect("connections are kept, before and behind", () =>
      Effect.gen(function* () {
        const url = yield* seededBlob
        for (let index = 0; index < 20; index++) {
          yield* send("HEAD", url)
          yield* send("GET", url)
        }
        assert.isAtMost(yield* (yield* front).openConnections, 4)
        assert.isAtMost(yield* (yield* RegistryServer.RegistryServer).openConnections, 4)
      })
    )
  })
}

layer(before(NodeClient.layer()), { excludeTestServices: true })("with faults", (it) => {
  it.effect("an answer of another's: as often as the rule says, on record, and healed", () =>
    Effect.gen(function* () {
      const faults = yield* front
      const server = yield* RegistryServer.RegistryServer
      const url = yield* seededBlob
      const statuses = Effect.forEach([1, 2, 3], () => Effect.map(send("GET", url), ({ status }) => status))
      yield* setRules({ match: { path: /\/blobs\//, count: 1 }, fault: Fault.respond(503, { "retry-after": "3" }, "sorry") })
      assert.deepStrictEqual(yield* statuses, [503, 200, 200])
      assert.deepStrictEqual(yield* faults.counts, [1])
      const behind = url.replace(faults.url, server.url)
      assert.deepStrictEqual(yield* faults.injections, [{ rule: 0, fault: "respond(503)", method: "GET", url: behind }])
      yield* setRules({ fault: Fault.respond(500) })
      assert.deepStrictEqual(yield* statuses, [500, 500, 500])
      yield* faults.heal
      assert.deepStrictEqual(yield* statuses, [200, 200, 200])
    })
  )

  it.effect("a connection that breaks before the answer", () =>
    Effect.gen(function* () {
      const server = yield* RegistryServer.RegistryServer
      const url = yield* seededBlob
      yield* server.clearRequests
      yield* setRules({ match: { count: 1 }, fault: Fault.reset })
      const error = yield* Effect.flip(execute(HttpClientRequest.get(url)))
      assert.strictEqual(error.reason, "Transport")
      assert.deepStrictEqual(yield* server.requests, [])
      assert.strictEqual((yield* send("GET", url)).text, content)
    })
  )

  for (const at of [0, 1, 10]) {
    it.effect(`an answer that breaks off: the head and exactly ${at} bytes`, () =>
      Effect.gen(function* () {
        yield* setRules({ fault: Fault.cutResponseAt(at) })
        const response = yield* execute(HttpClientRequest.get(yield* seededBlob))
        assert.strictEqual(response.headers["content-length"], String(content.length))
        let text = ""
        const reading = Stream.runForEach(Stream.decodeText(response.stream), (piece) =>
          Effect.sync(() => {
            text += piece
          })
        )
        assert.isTrue(Exit.isFailure(yield* Effect.exit(reading)))
        assert.strictEqual(text, content.slice(0, at))
      })
    )
  }

  it.effect("an answer whose body never begins has a head", () =>
    Effect.gen(function* () {
      const server = yield* front
      yield* setRules({ fault: Fault.stallResponseAt(0) })
      const response = yield* execute(HttpClientRequest.get(yield* seededBlob))
      assert.strictEqual(response.status, 200)
      yield* Fiber.interrupt(yield* Effect.fork(Stream.runDrain(response.stream)))
      yield* eventually(Effect.map(server.openConnections, (count) => count <= 1))
    })
  )

  it.effect("an upload that breaks off leaves a session that can be resumed", () =>
    Effect.gen(function* () {
      const server = yield* RegistryServer.RegistryServer
      yield* setRules({ match: { method: "PATCH", count: 1 }, fault: Fault.cutRequestAt(6) })
      const where = (yield* send("POST", "/v2/resumed/blobs/uploads/")).headers["location"] ?? ""
      yield* Effect.flip(send("PATCH", where, { body: "hello world" }))
      yield* eventually(
        Effect.map(server.openUploads, (uploads) => uploads.some(({ id, sizeBytes }) => where.endsWith(id) && sizeBytes === 6))
      )
      const digest = Digest.fromBytes(utf8("hello world"))
      assert.strictEqual((yield* send("GET", where)).headers["range"], "0-5")
      assert.strictEqual((yield* send("PUT", `${where}?digest=${digest}`, { body: "world" })).status, 201)
    })
  )

  it.effect("a redirect is for the client to follow", () =>
    Effect.gen(function* () {
      yield* setRules({ fault: Fault.redirect("http://elsewhere.test/blob") })
      const answer = yield* send("GET", yield* seededBlob)
      assert.deepStrictEqual([answer.status, answer.headers["location"]], [307, "http://elsewhere.test/blob"])
    })
  )

  it.effect("a signed query arrives byte for byte, and a method nobody knows not at all", () =>
    Effect.gen(function* () {
      const registry = yield* RegistryServer.RegistryServer
      const { address } = yield* front
      const ask = (method: string, path: string) =>
        Effect.async<number | undefined>((resume) => {
          get({ host: address.hostname, port: address.port, method, path, agent: false }, (answer) => {
            answer.resume()
            resume(Effect.succeed(answer.statusCode))
          })
        })
      yield* setRules()
      yield* registry.clearRequests
      assert.strictEqual(yield* ask("GET", "/v2/?sig=a%2fb'c+d&e=%7E"), 200)
      assert.strictEqual(yield* ask("PURGE", "/v2/"), 501)
      const requests = yield* registry.requests
      assert.deepStrictEqual(
        requests.map(({ query }) => query),
        ["?sig=a%2fb'c+d&e=%7E"]
      )
      // Node sends no more than these, and nothing was added.
      assert.sameMembers(Object.keys(requests[0]?.headers ?? {}), ["host", "connection"])
    })
  )
})

layer(NodeHttpClient.layerUndici, { excludeTestServices: true })("its life", (it) => {
  it.scoped("a registry in memory gets a port", () =>
    Effect.gen(function* () {
      const { client, registry } = yield* MemoryRegistry.make({ hosts: { "registry.test": {} } })
      const rule = { match: { host: "registry.test", method: "GET", count: 1 }, fault: Fault.cutResponseAt(3) }
      const server = yield* FaultyServer.make(client, { target: "https://registry.test/", rules: [rule] })
      const digest = yield* Effect.provideService(push("app", content), Target, server.url)
      const url = HttpClientRequest.get(`${server.url}/v2/app/blobs/${digest}`)
      const read = Effect.flatMap(execute(url), (response) => response.text)
      yield* Effect.flip(read)
      assert.strictEqual(yield* read, content)
      assert.deepStrictEqual(yield* registry.blobs("app"), [digest])
    })
  )

  it.scoped("closing the scope ends what is stalled", () =>
    Effect.gen(function* () {
      const { client } = yield* MemoryRegistry.make({ hosts: { "registry.test": {} } })
      const stalled = yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* FaultyServer.make(client, { target: "https://registry.test", rules: [{ fault: Fault.stall }] })
          const asking = yield* Effect.fork(Effect.exit(execute(HttpClientRequest.get(`${server.url}/v2/`))))
          yield* eventually(Effect.map(server.injections, (all) => all.length === 1))
          return asking
        })
      )
      assert.isTrue(Exit.isFailure(yield* Fiber.join(stalled)))
    })
  )
})

const users = { ann: { password: "secret" } }

layer(before(NodeClient.layer(), { auth: RegistryOptions.bearer({ users }) }), { excludeTestServices: true })("with tokens", (it) => {
  it.effect("the realm names the front, and the token is got through it", () =>
    Effect.gen(function* () {
      const server = yield* RegistryServer.RegistryServer
      const { host, url } = yield* front
      const image = yield* server.seedImage("acme/app", { tag: "1.4" })
      assert.include((yield* send("GET", "/v2/")).headers["www-authenticate"], `realm="${url}/`)
      yield* server.clearRequests
      const keychain = Keychain.layer({ [host]: Credentials.basic("ann", "secret") })
      const reference = yield* Reference.parse(`${host}/acme/app:1.4`)
      const manifest = yield* Effect.flatMap(RegistryClient.RegistryClient, (client) => client.getManifest(reference)).pipe(
        Effect.provide(NodeRegistry.layerWith({ keychain }))
      )
      assert.strictEqual(manifest.digest, image.manifest.digest)
      const requests = yield* server.requests
      assert.include(
        requests.map(({ endpoint }) => endpoint),
        "token"
      )
      assert.deepStrictEqual([...new Set(requests.map((request) => request.host))], [host])
    })
  )
})

describe.skipIf(!Program.available(Skopeo.program))("skopeo", () => {
  layer(before(NodeClient.layer()), { excludeTestServices: true })("through it", (it) => {
    it.effect("copies while nothing is wrong, and gives up at a fault", () =>
      Effect.gen(function* () {
        const faults = yield* front
        const image = DirImage.fromLayers([utf8("one"), new Uint8Array(3_000_000).fill(7)])
        const reference = `${faults.host}/acme/app:1.4`
        yield* Skopeo.push(image, reference)
        DirImage.assertSame(yield* Skopeo.pull(reference), image)
        yield* setRules({ match: { method: "GET", path: /\/blobs\// }, fault: Fault.respond(503) })
        assert.include((yield* Effect.flip(Skopeo.pull(reference))).message, "503")
        assert.isAbove((yield* faults.injections).length, 0)
        yield* faults.heal
        DirImage.assertSame(yield* Skopeo.pull(reference), image)
      })
    )
  })
})
