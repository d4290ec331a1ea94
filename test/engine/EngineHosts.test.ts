import { mkdir, writeFile } from "node:fs/promises"
import type * as Net from "node:net"
import * as NodePath from "node:path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as EngineConfig from "../../src/engine/EngineConfig.ts"
import * as EngineHosts from "../../src/engine/EngineHosts.ts"
import * as HostAddresses from "../../src/engine/HostAddresses.ts"
import * as Login from "../../src/engine/Login.ts"
import * as Search from "../../src/engine/Search.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as Images from "../integration/Images.ts"
import * as Certificates from "../support/Certificates.ts"
import * as DirImage from "../support/DirImage.ts"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import { turn } from "../support/Eventually.ts"
import * as Folder from "../support/Folder.ts"
import * as LocalServer from "../support/LocalServer.ts"
import * as Program from "../support/Program.ts"

type Files = Readonly<Record<string, Readonly<Record<string, string>>>>

/** A `certs.d` with these folders. */
const certs = Effect.fnUntraced(function* (folders: Files) {
  const root = yield* Folder.temporary("certs.d")
  for (const [host, files] of Object.entries(folders)) {
    yield* Effect.promise(() => mkdir(NodePath.join(root, host)))
    for (const [name, text] of Object.entries(files)) yield* Effect.promise(() => writeFile(NodePath.join(root, host, name), text))
  }
  return root
})

interface Setting {
  readonly config?: EngineConfig.Options
  readonly folders?: Files
  readonly hosts?: RegistryHosts.Options
  readonly addresses?: Readonly<Record<string, ReadonlyArray<string>>>
}

const layer = Effect.fnUntraced(function* ({ addresses = {}, config = {}, folders = {}, hosts }: Setting) {
  const certsDirectories = [yield* certs(folders)]
  return EngineHosts.layer({ config: yield* EngineConfig.make(config), certsDirectories, hosts }).pipe(
    Layer.provide([NodeContext.layer, HostAddresses.layer(addresses)])
  )
})

const service = (setting: Setting) => Effect.flatMap(layer(setting), (_) => Effect.provide(RegistryHosts.RegistryHosts, _))

/** What counts for a host when it has been asked for once. */
const settings = Effect.fnUntraced(function* (setting: Setting, host: string) {
  const hosts = yield* service(setting)
  yield* hosts.prepare?.(host) ?? Effect.void
  const { mirrors, scheme, tls } = hosts.get(host)
  return { scheme, tls, mirrors: mirrors.map(({ url }) => url) }
})

type Found = Pick<RegistryHosts.HostSettings, "scheme" | "tls"> & { readonly mirrors: Array<string> }

const secure: Found = { scheme: "https", tls: {}, mirrors: [] }
const insecure: Found = { scheme: "either", tls: { verify: false }, mirrors: [] }

describe("EngineHosts.layer", () => {
  it.scoped("without any setting: https alone, and this machine is insecure", () =>
    Effect.gen(function* () {
      for (const host of ["registry.corp", "registry.corp:5000", "10.0.0.5:5000", "[::1]:5000"]) {
        assert.deepStrictEqual(yield* settings({}, host), secure, host)
      }
      for (const host of ["127.0.0.1:5000", "127.1.2.3"]) assert.deepStrictEqual(yield* settings({}, host), insecure, host)
    })
  )

  it.scoped("insecure registries: by name with port, by network, and by what a name leads to", () =>
    Effect.gen(function* () {
      const setting = {
        config: { "insecure-registries": ["registry.corp:5000", "10.0.0.0/8"] },
        addresses: { "inside.corp": ["192.168.0.1", "10.1.2.3"], "outside.corp": ["192.168.0.1"], "registry-1.docker.io": ["10.0.0.1"] }
      }
      for (const host of ["registry.corp:5000", "10.9.9.9", "10.9.9.9:80", "inside.corp", "inside.corp:5000"]) {
        assert.deepStrictEqual(yield* settings(setting, host), insecure, host)
      }
      for (const host of ["registry.corp", "registry.corp:5001", "outside.corp", "unknown.corp", "docker.io", "registry-1.docker.io"]) {
        assert.deepStrictEqual(yield* settings(setting, host), secure, host)
      }
    })
  )

  it.scoped("a name that has moved out of an insecure network is secure again", () =>
    Effect.gen(function* () {
      let address = "10.0.0.1"
      const config = yield* EngineConfig.make({ "insecure-registries": ["10.0.0.0/8"] })
      const lookup = Layer.succeed(HostAddresses.HostAddresses, { lookup: () => Effect.sync(() => [address]) })
      const hosts = yield* Effect.provide(
        RegistryHosts.RegistryHosts,
        EngineHosts.layer({ config, certsDirectories: [] }).pipe(Layer.provide([NodeContext.layer, lookup]))
      )
      const schemes: Array<string> = [hosts.get("registry.corp").scheme]
      for (const next of ["10.0.0.1", "192.168.0.1"]) {
        address = next
        yield* hosts.prepare?.("registry.corp") ?? Effect.void
        schemes.push(hosts.get("registry.corp").scheme)
      }
      assert.deepStrictEqual(schemes, ["https", "either", "https"])
    })
  )

  it.scoped("mirrors are Docker Hub's, by whichever of its names", () =>
    Effect.gen(function* () {
      const setting = { config: { "registry-mirrors": ["https://Mirror.corp:5000", "http://10.0.0.1/", "https://m.corp?", "http://"] } }
      const mirrors = ["https://mirror.corp:5000", "http://10.0.0.1", "https://m.corp"]
      for (const host of ["docker.io", "index.docker.io"]) assert.deepStrictEqual(yield* settings(setting, host), { ...secure, mirrors })
      for (const host of ["registry-1.docker.io", "registry.corp"]) assert.deepStrictEqual(yield* settings(setting, host), secure)
    })
  )

  it.scoped("folders: for the host with its port; not for Docker Hub, and not for an insecure registry", () =>
    Effect.gen(function* () {
      const { certificate } = yield* Certificates.authority("authority")
      const files = { "ca.crt": certificate }
      const names = ["registry.corp", "registry.corp:5000", "registry.corp:443", "docker.io", "registry-1.docker.io", "bad.corp", "UP.corp"]
      const setting = {
        config: { "insecure-registries": ["bad.corp"] },
        folders: Object.fromEntries(names.map((name) => [name, files]))
      }
      const ca = (found: { readonly tls: RegistryHosts.TlsSettings }) => found.tls.ca?.length ?? 0
      const found = yield* Effect.forEach([...names, "up.corp", "other.corp", "registry.corp:5001"], (host) =>
        Effect.map(settings(setting, host), (_) => [host, ca(_)] as const)
      )
      assert.deepStrictEqual(Object.fromEntries(found), {
        "registry.corp": 1,
        "registry.corp:5000": 1,
        "registry.corp:443": 1,
        "docker.io": 0,
        "registry-1.docker.io": 0,
        "bad.corp": 0,
        "UP.corp": 1,
        "up.corp": 1,
        "other.corp": 0,
        "registry.corp:5001": 0
      })
    })
  )

  it.scoped("port 443 is the same host, however it is written", () =>
    Effect.gen(function* () {
      const { certificate } = yield* Certificates.authority("authority")
      const setting = {
        config: { "insecure-registries": ["open.corp:443"] },
        folders: { "registry.corp:443": { "ca.crt": certificate } }
      }
      const hosts = yield* service(setting)
      assert.strictEqual(hosts.get("registry.corp").tls.ca?.length, 1)
      assert.deepStrictEqual(hosts.get("open.corp").tls, { verify: false })
      assert.deepStrictEqual(hosts.get("open.corp:5000").tls, {})
    })
  )

  it.scoped("a host is the same in capitals", () =>
    Effect.gen(function* () {
      const config = { "insecure-registries": ["registry.corp:5000", "10.0.0.0/8"], "registry-mirrors": ["https://mirror.corp"] }
      const setting = { config, addresses: { "inside.corp": ["10.1.2.3"] } }
      assert.deepStrictEqual(yield* settings(setting, "Registry.CORP:5000"), insecure)
      assert.deepStrictEqual(yield* settings(setting, "Docker.IO"), { ...secure, mirrors: ["https://mirror.corp"] })
      const hosts = yield* service(setting)
      yield* hosts.prepare?.("Inside.corp") ?? Effect.void
      for (const host of ["inside.corp", "Inside.corp"]) assert.strictEqual(hosts.get(host).scheme, "either")
    })
  )

  it.scoped("of several roots the first that has a folder for the host counts; files beside the folders do not", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* Certificates.authority("one"), yield* Certificates.authority("two")]
      const first = yield* certs({ "a.corp": { "ca.crt": one.certificate, "more.crt": one.certificate } })
      const second = yield* certs({ "a.corp": { "ca.crt": two.certificate }, "b.corp": { "ca.crt": two.certificate } })
      yield* Effect.promise(() => writeFile(NodePath.join(first, "b.corp"), "a file"))
      const certsDirectories = [NodePath.join(first, "none"), first, second]
      const made = EngineHosts.layer({ config: EngineConfig.empty, certsDirectories })
      const hosts = yield* Effect.provide(RegistryHosts.RegistryHosts, Layer.provide(made, NodeContext.layer))
      assert.deepStrictEqual(
        ["a.corp", "b.corp", "c.corp"].map((host) => hosts.get(host).tls.ca?.length),
        [2, 1, undefined]
      )
    })
  )

  it.scoped("a broken folder is an obstacle for its host alone, and none where nobody looks at it", () =>
    Effect.gen(function* () {
      const setting = {
        config: { "insecure-registries": ["bad.corp"] },
        folders: { "a.corp": { "client.cert": "" }, "bad.corp": { "client.key": "" }, "own.corp": { "client.key": "" } },
        hosts: { "own.corp": { tls: { ca: [] } } }
      }
      const { prepare = () => Effect.void } = yield* service(setting)
      const error = yield* Effect.flip(prepare("a.corp"))
      assert.match(error.message, /a\.corp: missing key client\.key for client certificate client\.cert/)
      yield* Effect.forEach(["b.corp", "bad.corp", "own.corp"], prepare)
    })
  )

  it.scoped("folders that cannot be read at all are an obstacle for whoever might have one", () =>
    Effect.gen(function* () {
      const file = NodePath.join(yield* Folder.temporary("certs.d"), "file")
      yield* Effect.promise(() => writeFile(file, ""))
      const made = EngineHosts.layer({ config: EngineConfig.empty, certsDirectories: [file] })
      const hosts = yield* Effect.provide(RegistryHosts.RegistryHosts, Layer.provide(made, NodeContext.layer))
      const { prepare = () => Effect.void } = hosts
      assert.include((yield* Effect.flip(prepare("registry.corp"))).message, `read ${file}`)
      yield* Effect.forEach(["docker.io", "127.0.0.1:5000"], prepare)
    })
  )

  it.scoped("settings of the caller are right where they say something", () =>
    Effect.gen(function* () {
      const setting = {
        config: { "insecure-registries": ["registry.corp"], "registry-mirrors": ["https://mirror.corp"] },
        hosts: {
          "*": { concurrency: 3 },
          "registry.corp": { scheme: "http" as const },
          "docker.io": { mirrors: [RegistryHosts.mirror("https://other.corp")] },
          "own.corp": { tls: { ca: [] } }
        }
      }
      assert.deepStrictEqual(yield* settings(setting, "registry.corp"), { ...insecure, scheme: "http" })
      assert.deepStrictEqual(yield* settings(setting, "docker.io"), { ...secure, mirrors: ["https://other.corp"] })
      assert.deepStrictEqual(yield* settings(setting, "own.corp"), { ...secure, tls: { ca: [] } })
      assert.strictEqual((yield* service(setting)).get("registry.corp").concurrency, 3)
    })
  )
})

const content = new Uint8Array(200_000).map((_, index) => index % 251)
const descriptor = { mediaType: "application/octet-stream", digest: Digest.fromBytes(content), size: content.length }

/** Every name leads to this machine, which nobody but the connections knows: to the engine's rules it is any host. */
const lookup: Net.LookupFunction = (_, __, callback) => callback(null, [{ address: "127.0.0.1", family: 4 }])

const user = Credentials.basic("alice", Redacted.make("secret"))

const connected = Effect.fnUntraced(function* (setting: Setting, keychain: Readonly<Record<string, Credentials.Credentials>> = {}) {
  const registry = NodeRegistry.layerWith({
    keychain: Keychain.layer(keychain),
    dispatcher: { proxy: "none", lookup },
    retry: { schedule: Schedule.stop }
  })
  return yield* Layer.build(Layer.provide(registry, yield* layer(setting)))
})

const client = (setting: Setting, keychain?: Readonly<Record<string, Credentials.Credentials>>) =>
  Effect.flatMap(connected(setting, keychain), (built) => Effect.provide(RegistryClient.RegistryClient, built))

/** Pushes a blob and pulls it back. */
const roundTrip = Effect.fnUntraced(function* (registry: RegistryClient.Service, host: string) {
  const repository = yield* Reference.parseRepository(`${host}/team/app`)
  yield* registry.putBlob(repository, descriptor, content)
  const back = Buffer.concat([...(yield* Stream.runCollect(registry.getBlob(repository, descriptor)))])
  assert.strictEqual(Digest.fromBytes(back), descriptor.digest)
})

const portOf = (host: string) => host.slice(host.lastIndexOf(":"))

describe("NodeRegistry with EngineHosts", () => {
  it.scopedLive("a server of a private authority that demands a client certificate is reached with what its folder has", () =>
    Effect.gen(function* () {
      const [servers, clients] = [yield* Certificates.authority("servers"), yield* Certificates.authority("clients")]
      const certificate = yield* servers.issue(["registry.corp", "other.corp"])
      const own = yield* clients.issue(["client"])
      const server = yield* LocalServer.make((_, response) => response.end("[]"), { certificate, clientAuthority: clients.certificate })
      const host = `registry.corp${portOf(server.host)}`
      const files = { "ca.crt": servers.certificate, "client.cert": own.certificate, "client.key": own.privateKey }
      const ping = (setting: Setting, name = host) =>
        Effect.flatMap(client(setting), (registry) =>
          Effect.map(
            Effect.either(registry.ping(name)),
            Either.mapLeft((_) => _._tag)
          )
        )
      assert.isTrue(Either.isRight(yield* ping({ folders: { [host]: files } })))
      assert.deepStrictEqual(yield* ping({ folders: { [host]: files } }, `other.corp${portOf(host)}`), Either.left("TransportError"))
      assert.deepStrictEqual(yield* ping({ folders: { [host]: { "ca.crt": files["ca.crt"] } } }), Either.left("TransportError"))
      assert.deepStrictEqual(yield* ping({}), Either.left("TransportError"))
    })
  )

  it.scopedLive("a broken folder fails requests to its host with what is wrong, and nothing is sent", () =>
    Effect.gen(function* () {
      const certificate = yield* Effect.flatMap(Certificates.authority("servers"), (_) => _.issue(["registry.corp"]))
      const server = yield* LocalServer.make((_, response) => response.end("[]"), { certificate })
      const host = `registry.corp${portOf(server.host)}`
      const registry = yield* client({ folders: { [host]: { "client.cert": certificate.certificate } } })
      const error = yield* Effect.flip(registry.ping(host))
      assert.deepInclude(error, { _tag: "TransportError", reason: "tls", retryable: false })
      assert.include(error.message, "missing key client.key for client certificate client.cert")
      assert.strictEqual(yield* server.connections, 0)
    })
  )

  it.scopedLive("an insecure registry gets credentials over https whose certificate nobody knows, and over plain http", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      const certificate = yield* Effect.flatMap(Certificates.authority("nobody's"), (_) => _.issue(["elsewhere"]))
      for (const options of [{ certificate }, {}]) {
        const server = yield* LocalServer.make((request, response) => {
          const { authorization } = request.headers
          if (authorization === undefined) response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end()
          else {
            heard.push(authorization)
            LocalServer.json(response, 200, { name: "team/app", tags: ["1"] })
          }
        }, options)
        const host = `registry.corp${portOf(server.host)}`
        const repository = yield* Reference.parseRepository(`${host}/team/app`)
        const tags = (setting: Setting) =>
          Effect.flatMap(client(setting, { [host]: user }), (registry) => Effect.either(Stream.runCollect(registry.tags(repository))))
        const setting = { config: { "insecure-registries": ["10.0.0.0/8"] }, addresses: { "registry.corp": ["10.0.0.1"] } }
        assert.deepStrictEqual(
          Either.map(yield* tags(setting), (_) => [..._]),
          Either.right(["1"])
        )
        const strict = yield* tags({})
        assert.isTrue(Either.isLeft(strict))
      }
      const sent = `Basic ${Buffer.from("alice:secret").toString("base64")}`
      assert.deepStrictEqual(heard, [sent, sent])
    })
  )

  it.scopedLive("a login and a search are the first to ask a registry that is insecure by its network, and a client comes after them", () =>
    Effect.gen(function* () {
      const certificate = yield* Effect.flatMap(Certificates.authority("nobody's"), (_) => _.issue(["elsewhere"]))
      const server = yield* LocalServer.make((_, response) => LocalServer.json(response, 200, { results: [] }), { certificate })
      const host = `registry.corp${portOf(server.host)}`
      const addresses = { "registry.corp": ["10.0.0.1"] }
      const options = { "insecure-registries": ["10.0.0.0/8"] }
      const config = yield* EngineConfig.make(options)
      const login = Effect.map(Login.login({ registry: host, credentials: user, config }), (_) => _.endpoint.url)
      const search = Effect.map(Search.search(`${host}/app`, { config }), (_) => String(_.results.length))
      const ping = Effect.flatMap(RegistryClient.RegistryClient, (registry) => Effect.map(registry.ping(host), (_) => _.scheme))
      for (const steps of [[login, ping] as const, [search, ping] as const]) {
        const built = yield* connected({ config: options, addresses })
        const outcomes = yield* Effect.all(steps).pipe(Effect.provide(built), Effect.provide(HostAddresses.layer(addresses)))
        assert.deepStrictEqual(outcomes, [steps[0] === login ? `https://${host}` : "0", "https"])
      }
    })
  )

  it.scopedLive("an insecure registry whose address could not be told at first is reached once it can", () =>
    Effect.gen(function* () {
      const certificate = yield* Effect.flatMap(Certificates.authority("nobody's"), (_) => _.issue(["elsewhere"]))
      const server = yield* LocalServer.make((_, response) => response.end("{}"), { certificate })
      const host = `registry.corp${portOf(server.host)}`
      let failure: Error | null = new Error("no name server answers")
      const hosts = EngineHosts.layer({ config: yield* EngineConfig.make({ "insecure-registries": ["10.0.0.0/8"] }), certsDirectories: [] })
      const addresses = { lookup: () => Effect.sync(() => (failure === null ? ["10.0.0.1"] : [])) }
      const registry = NodeRegistry.layerWith({
        keychain: Keychain.layerAnonymous,
        dispatcher: { proxy: "none", lookup: (_, __, callback) => callback(failure, [{ address: "127.0.0.1", family: 4 }]) },
        retry: { schedule: Schedule.stop }
      })
      const built = yield* Layer.build(
        registry.pipe(Layer.provide(hosts), Layer.provide([NodeContext.layer, Layer.succeed(HostAddresses.HostAddresses, addresses)]))
      )
      const { ping } = yield* Effect.provide(RegistryClient.RegistryClient, built)
      assert.include((yield* Effect.flip(ping(host))).message, "no name server answers")
      failure = null
      // What failed is closed a few turns of the event loop later.
      yield* Effect.repeatN(turn, 20)
      assert.strictEqual((yield* ping(host)).scheme, "https")
    })
  )

  it.scopedLive("nobody logs in to a host, or searches it, whose folder is broken", () =>
    Effect.gen(function* () {
      const authority = yield* Certificates.authority("servers")
      const server = yield* LocalServer.make((_, response) => response.end("{}"), {
        certificate: yield* authority.issue(["registry.corp"])
      })
      const host = `registry.corp${portOf(server.host)}`
      const built = yield* connected({ folders: { [host]: { "ca.crt": authority.certificate, "client.cert": "" } } })
      const login = yield* Effect.flip(Effect.provide(Login.login({ registry: host, credentials: user }), built))
      const search = yield* Effect.flip(Effect.provide(Search.search(`${host}/app`), built))
      for (const { message } of [login, search]) {
        assert.include(message, "missing key client.key for client certificate client.cert")
      }
      assert.strictEqual(yield* server.connections, 0)
    })
  )
})

describe.skipIf(!Program.available(DockerRegistry.program))("docker-registry with EngineHosts", () => {
  it.scopedLive("with a private authority and client certificates out of certs.d", () =>
    Effect.gen(function* () {
      const [servers, clients] = [yield* Certificates.authority("servers"), yield* Certificates.authority("clients")]
      const certificate = yield* servers.issue(["registry.corp"])
      const own = yield* clients.issue(["client"])
      const registry = yield* DockerRegistry.make({ certificate, clientAuthority: clients.certificate })
      const host = `registry.corp${portOf(registry.host)}`
      const files = { "ca.crt": servers.certificate, "client.cert": own.certificate, "client.key": own.privateKey }
      yield* roundTrip(yield* client({ folders: { [host]: files } }), host)
    })
  )

  it.scopedLive("insecure, by unverified https and by plain http, with a password", () =>
    Effect.gen(function* () {
      const certificate = yield* Effect.flatMap(Certificates.authority("nobody's"), (_) => _.issue(["elsewhere"]))
      for (const options of [{ certificate }, {}]) {
        const registry = yield* DockerRegistry.make({ ...options, users: { alice: "secret" } })
        const host = `registry.corp${portOf(registry.host)}`
        const setting = { config: { "insecure-registries": [host] } }
        yield* roundTrip(yield* client(setting, { [host]: user }), host)
      }
    })
  )

  it.scopedLive("as a mirror of Docker Hub, which has the image under its own names", () =>
    Effect.gen(function* () {
      const registry = yield* DockerRegistry.make()
      const image = DirImage.fromLayers([content, content.subarray(1)])
      const filler = yield* client({ config: { "insecure-registries": [registry.host] } })
      const stored = yield* Reference.parse(`${registry.host}/library/app:1`)
      yield* Effect.provideService(Images.push(stored, image), RegistryClient.RegistryClient, filler)
      const mirrored = yield* client({ config: { "registry-mirrors": [`http://${registry.host}`] } })
      const pulled = yield* Effect.provideService(
        Effect.flatMap(Reference.parse("app:1"), Images.pull),
        RegistryClient.RegistryClient,
        mirrored
      )
      DirImage.assertSame(pulled, image)
      const elsewhere = yield* Reference.parse(`${registry.host.replace("127.0.0.1", "registry.corp")}/library/app:1`)
      assert.strictEqual((yield* Effect.flip(mirrored.getManifest(elsewhere)))._tag, "TransportError")
    })
  )
})
