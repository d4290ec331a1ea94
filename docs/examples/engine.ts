import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Credentials, EngineConfig, EngineEndpoints, EngineHosts, Login, Reference, RegistryClient } from "effect-oci"
import { NodeHostAddresses, NodeRegistry } from "effect-oci/node"
import { RegistryOptions, RegistryServer } from "effect-oci/testing"

const program = Effect.gen(function* () {
  const mirror = yield* RegistryServer.RegistryServer
  const image = yield* mirror.seedImage("library/app", { tag: "1.4" })

  // EngineConfig.load("/etc/docker/daemon.json") reads the engine's own.
  const config = yield* EngineConfig.make({
    "registry-mirrors": [`http://${mirror.host}`],
    "insecure-registries": ["registry.corp:5000", "10.0.0.0/8"]
  })
  const endpoints = yield* EngineEndpoints.forPull(config, "registry.corp:5000")
  for (const { url, version } of endpoints) yield* Console.log(version, url)

  // Clients over this layer go where the engine would: here to Docker Hub's mirror.
  const engine = Layer.provide(NodeRegistry.layer, EngineHosts.layer({ config }))
  yield* Effect.gen(function* () {
    const credentials = Credentials.basic("robot", "secret")
    const { endpoint } = yield* Login.login({ registry: mirror.host, credentials, config })
    yield* Console.log(`${mirror.host} lets robot in by ${endpoint.version}`)

    const client = yield* RegistryClient.RegistryClient
    const { digest } = yield* client.resolve(yield* Reference.parse("docker.io/library/app:1.4"))
    yield* Console.log(digest === image.manifest.digest ? "the mirror has docker.io/library/app:1.4" : digest)
  }).pipe(Effect.provide(engine))
})

const open = RegistryOptions.bearer({ users: { robot: { password: "secret" } }, anonymous: ["repository:library/app:pull"] })
const services = Layer.mergeAll(NodeContext.layer, NodeHostAddresses.layer, RegistryServer.layer({ auth: open }))

Effect.runPromise(Effect.provide(program, services))
