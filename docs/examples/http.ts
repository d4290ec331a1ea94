/** Requests as one's own network wants them: a client with a header and a log of its own, settings for each host, credentials for each. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Credentials, Keychain, Reference, RegistryClient, RegistryHosts, RegistryTransport, RetryPolicy, TokenCache } from "effect-oci"
import { NodeRegistry } from "effect-oci/node"
import { RegistryOptions, RegistryServer } from "effect-oci/testing"

const proxy = { https: Redacted.make("http://proxy.example.com:3128"), noProxy: "127.0.0.1,.internal.example.com" }

/** `provideMerge`, since beside the client the layer knows how names are looked up, which keeps servers from sending us to internal ones. */
const Http = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpClient.HttpClient, (client) =>
    client.pipe(
      HttpClient.mapRequest(HttpClientRequest.setHeader("x-team", "acme")),
      HttpClient.tap(({ status, request }) => Console.log(status, request.method))
    )
  )
).pipe(Layer.provideMerge(NodeRegistry.layerHttpClient({ proxy })))

const hosts = RegistryHosts.layer({
  "*": { requestsPerSecond: 20, concurrency: 4 },
  // Authorities and keys are texts in PEM.
  "registry.internal.example.com": { tls: { ca: ["-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"] }, uploadPlan: "single" }
})

const keychain = Keychain.layer({ "127.0.0.1:*": Credentials.basic("ann", "secret"), "ghcr.io/acme": Credentials.basic("acme", "token") })

/** What `NodeRegistry.layerWith` puts together, part by part. */
const Registry = RegistryClient.layer.pipe(
  Layer.provide(RegistryTransport.layer({ userAgent: "acme/1.4" })),
  Layer.provide([keychain, TokenCache.layerMemory, RetryPolicy.layer(RetryPolicy.patient)]),
  Layer.provide(Http),
  Layer.provide(hosts)
)

const program = Effect.gen(function* () {
  const server = yield* RegistryServer.RegistryServer
  yield* server.seedImage("acme/app", { tag: "1.4" })
  const client = yield* RegistryClient.RegistryClient
  yield* Console.log((yield* client.resolve(yield* Reference.parse(`${server.host}/acme/app:1.4`))).digest)
  const [request] = (yield* server.requests).slice(-1)
  yield* Console.log(request?.headers["x-team"], request?.headers["user-agent"])
})

const users = { ann: { password: "secret" } }
Effect.runPromise(program.pipe(Effect.provide([Registry, RegistryServer.layer({ auth: RegistryOptions.basic({ users }) })])))
