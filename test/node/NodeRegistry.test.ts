import { mkdir, writeFile } from "node:fs/promises"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Path from "node:path"
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as FetchRegistry from "../../src/node/FetchRegistry.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryServer from "../../src/testing/RegistryServer.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Folder from "../support/Folder.ts"
import * as LocalServer from "../support/LocalServer.ts"
import * as Tcp from "../support/Tcp.ts"

const content = new Uint8Array(3 * 1024 * 1024).map((_, index) => index % 251)
const digest = Digest.fromBytes(content)
const descriptor = { mediaType: "application/octet-stream", digest, size: content.length }

const started = (options: RegistryServer.RegistryServerOptions) =>
  Effect.map(Layer.build(RegistryServer.layer(options)), Context.get(RegistryServer.RegistryServer))

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

  it.scopedLive("a host whose name leads elsewhere once it was looked at is reached where it was", () =>
    Effect.gen(function* () {
      const files = yield* LocalServer.make((_, response) => response.end(content))
      const port = new URL(files.origin).port
      const server = yield* LocalServer.make((request, response) =>
        request.url === "/v2/" ? response.end() : response.writeHead(307, { location: `http://files.test:${port}/blob` }).end()
      )
      // Whoever looks a second time is sent to where nobody listens.
      const asked: Array<string> = []
      const lookup: Net.LookupFunction = (host, _, callback) =>
        callback(null, [{ address: asked.push(host) === 1 ? "127.0.0.1" : "127.0.0.2", family: 4 }])
      const repository = yield* Reference.parseRepository(`${server.host}/acme/app`)
      const client = yield* Effect.provide(
        RegistryClient.RegistryClient,
        yield* Layer.build(
          NodeRegistry.layerWith({
            keychain: Keychain.layerAnonymous,
            dispatcher: { proxy: "none", lookup },
            retry: { schedule: Schedule.stop }
          })
        )
      )
      yield* Stream.runDrain(client.getBlob(repository, descriptor))
      assert.deepStrictEqual(asked, ["files.test"])
    })
  )

  it.scopedLive("a registry on the internet sends nobody to this machine by a name that the policy could not look up", () =>
    Effect.gen(function* () {
      let hits = 0
      const inside = yield* LocalServer.make((_, response) => {
        hits++
        response.end(content)
      })
      const port = new URL(inside.origin).port
      const server = yield* LocalServer.make((request, response) =>
        request.url === "/v2/" ? response.end() : response.writeHead(307, { location: `http://files.test:${port}/blob` }).end()
      )
      // The registry is reached once, and is on the internet for whoever asks where it stands.
      const answers: Record<string, Array<string>> = { "registry.test": ["127.0.0.1", "93.184.216.34"], "files.test": ["", "127.0.0.1"] }
      const lookup: Net.LookupFunction = (host, _, callback) => {
        const address = answers[host]?.shift() ?? ""
        if (address === "") callback(Object.assign(new Error("getaddrinfo EAI_AGAIN"), { code: "EAI_AGAIN" }), "", 0)
        else callback(null, [{ address, family: 4 }])
      }
      const registry = `registry.test:${new URL(server.origin).port}`
      const repository = yield* Reference.parseRepository(`${registry}/acme/app`)
      const client = yield* Effect.provide(
        RegistryClient.RegistryClient,
        yield* Layer.build(
          NodeRegistry.layerWith({
            keychain: Keychain.layerAnonymous,
            hosts: { [registry]: { scheme: "http" } },
            dispatcher: { proxy: "none", lookup },
            retry: { schedule: Schedule.stop }
          })
        )
      )
      const error = yield* Effect.flip(Stream.runDrain(client.getBlob(repository, descriptor)))
      assert.deepInclude(error, { _tag: "TransportError", reason: "connect", detail: "files.test is a loopback address", retryable: false })
      assert.strictEqual(hits, 0)
    })
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

  it.scopedLive("NodeRegistry trusts port 443 as RegistryHosts says, whether names give it or not", () =>
    Effect.gen(function* () {
      const authority = yield* Certificates.authority("effect-oci test authority")
      const certificate = yield* authority.issue(["registry.test"])
      const server = yield* LocalServer.make((_, response) => response.end(), { certificate })
      const tunnel = Http.createServer().on("connect", (_, downstream) => {
        const upstream = Net.connect(Number(new URL(server.origin).port), "127.0.0.1", () => {
          downstream.write("HTTP/1.1 200 Connection established\r\n\r\n")
          upstream.pipe(downstream)
          downstream.pipe(upstream)
        })
        upstream.on("error", () => downstream.destroy())
        downstream.on("error", () => upstream.destroy())
      })
      const proxy = { https: Redacted.make(`http://${yield* Tcp.listen(tunnel)}`) }
      for (const named of ["registry.test:443", "registry.test"]) {
        const layer = NodeRegistry.layerWith({
          hosts: { [named]: { tls: { ca: [authority.certificate] } } },
          keychain: Keychain.layerAnonymous,
          dispatcher: { proxy }
        })
        yield* Effect.provide(
          Effect.flatMap(RegistryClient.RegistryClient, ({ ping }) => Effect.zip(ping("registry.test:443"), ping("registry.test"))),
          layer
        )
      }
    })
  )

  it.scopedLive("pushes and pulls over TLS with an authority of its own, and not without it", () =>
    Effect.gen(function* () {
      const authority = yield* Certificates.authority("effect-oci test authority")
      const { certificate, privateKey } = yield* authority.issue(["127.0.0.1"])
      const server = yield* started({ tls: { cert: certificate, key: privateKey } })
      const options = { keychain: Keychain.layerAnonymous, dispatcher: { proxy: "none" as const }, retry: { schedule: Schedule.stop } }
      const trusting = NodeRegistry.layerWith({ ...options, hosts: { [server.host]: { tls: { ca: [authority.certificate] } } } })
      yield* Effect.provide(roundTrip(server.host, "over/tls"), trusting)
      assert.isTrue((yield* server.requests).every(({ scheme }) => scheme === "https"))
      yield* server.clearRequests
      const error = yield* Effect.flip(Effect.provide(roundTrip(server.host, "over/tls"), NodeRegistry.layerWith(options)))
      assert.isTrue(error._tag === "TransportError" && error.reason === "tls", error.message)
      assert.deepStrictEqual(yield* server.requests, [])
    })
  )

  describe("the environment", () => {
    const auth = RegistryOptions.bearer({ users: { [login.username]: { password: login.password } } })
    const encoded = btoa(`${login.username}:${login.password}`)
    const authFile = (host: string) => JSON.stringify({ auths: { [host]: { auth: encoded } } })

    /** `NodeRegistry.layer` as a program has it whose environment is this. */
    const layerIn = (environment: Readonly<Record<string, string>>) =>
      Layer.provide(Layer.fresh(NodeRegistry.layer), Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))))

    const places: ReadonlyArray<readonly [name: string, file: string, variable: string, value: string]> = [
      ["$HOME", ".docker/config.json", "HOME", "."],
      ["$DOCKER_CONFIG", "config.json", "DOCKER_CONFIG", "."],
      ["podman's $REGISTRY_AUTH_FILE", "auth.json", "REGISTRY_AUTH_FILE", "auth.json"],
      ["podman's $XDG_RUNTIME_DIR", "containers/auth.json", "XDG_RUNTIME_DIR", "."]
    ]

    for (const [name, file, variable, value] of places) {
      it.scopedLive(`credentials are read from the file in ${name}`, () =>
        Effect.gen(function* () {
          const server = yield* started({ auth })
          const folder = yield* Folder.temporary("home")
          yield* Effect.promise(() => mkdir(Path.dirname(Path.join(folder, file)), { recursive: true }))
          yield* Effect.promise(() => writeFile(Path.join(folder, file), authFile(server.host)))
          yield* Effect.provide(roundTrip(server.host, "from/file"), layerIn({ [variable]: Path.join(folder, value) }))
        })
      )
    }

    it.scopedLive("credentials are read from $DOCKER_AUTH_CONFIG", () =>
      Effect.gen(function* () {
        const server = yield* started({ auth })
        yield* Effect.provide(roundTrip(server.host, "from/variable"), layerIn({ DOCKER_AUTH_CONFIG: authFile(server.host) }))
      })
    )

    it.scopedLive("without credentials one gets a token, and it allows nothing", () =>
      Effect.gen(function* () {
        const server = yield* started({ auth })
        const folder = yield* Folder.temporary("home")
        const error = yield* Effect.flip(Effect.provide(roundTrip(server.host, "no/file"), layerIn({ HOME: folder })))
        assert.strictEqual(error._tag, "Denied")
      })
    )

    it.scopedLive("a proxy takes what is not on this machine", () =>
      Effect.gen(function* () {
        const server = yield* started({})
        const targets: Array<string> = []
        const proxy = yield* LocalServer.make((request, response) => {
          const url = new URL(request.url ?? "")
          targets.push(url.host)
          const { hostname, port } = server.address
          const { method, headers } = request
          const onward = Http.request({ hostname, port, method, headers, path: url.pathname + url.search }, (answer) => {
            response.writeHead(answer.statusCode ?? 502, answer.headers)
            answer.pipe(response)
          })
          request.pipe(onward)
        })
        const home = yield* Folder.temporary("home")
        const hosts = RegistryHosts.layer({ "registry.test": { scheme: "http" } })
        const through = Layer.provide(layerIn({ HOME: home, HTTP_PROXY: proxy.host }), hosts)
        yield* Effect.provide(roundTrip("registry.test", "through/proxy"), through)
        assert.deepStrictEqual([...new Set(targets)], ["registry.test"])
        const sent = targets.length
        yield* Effect.provide(roundTrip(server.host, "this/machine"), through)
        assert.lengthOf(targets, sent)
      })
    )
  })

  it.effect("the ready layers can be built", () =>
    Effect.forEach([NodeRegistry.layer, FetchRegistry.layer], (layer) =>
      Effect.map(Effect.scoped(Layer.build(layer)), (context) =>
        assert.isFunction(Context.get(context, RegistryClient.RegistryClient).ping)
      )
    )
  )
})
