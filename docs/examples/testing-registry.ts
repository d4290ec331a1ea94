import { strictEqual } from "node:assert"
import { Console, Effect } from "effect"
import { Reference, RegistryClient } from "effect-oci"
import { MemoryRegistry, TestRegistry } from "effect-oci/testing"

const test = Effect.gen(function* () {
  const registry = yield* MemoryRegistry.MemoryRegistry
  const image = yield* registry.seedImage("acme/app", { tag: "1.4" })
  const client = yield* RegistryClient.RegistryClient
  const manifest = yield* client.getManifest(yield* Reference.parse("registry.test/acme/app:1.4"))
  strictEqual(manifest.digest, image.manifest.digest)
  yield* Console.log(yield* registry.requestCounts)
})
await Effect.runPromise(Effect.provide(test, TestRegistry.layer()))
