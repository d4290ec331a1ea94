import { strictEqual } from "node:assert"
import { Console, Effect, Layer } from "effect"
import { Fault, FaultyServer, MemoryRegistry } from "effect-oci/testing"

const test = Effect.gen(function* () {
  const image = yield* (yield* MemoryRegistry.MemoryRegistry).seedImage("acme/app", { tag: "1.4" })
  const server = yield* FaultyServer.FaultyServer
  const ask = Effect.promise(() => fetch(`${server.url}/v2/acme/app/manifests/1.4`))
  strictEqual((yield* ask).status, 503)
  strictEqual((yield* ask).headers.get("docker-content-digest"), image.manifest.digest)
  yield* Console.log(yield* server.injections)
})
const faults = FaultyServer.layer({ target: "https://registry.test", rules: [{ match: { count: 1 }, fault: Fault.respond(503) }] })
await Effect.runPromise(Effect.provide(test, Layer.provideMerge(faults, MemoryRegistry.layer({ hosts: { "registry.test": {} } }))))
