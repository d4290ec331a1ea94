import { strictEqual } from "node:assert"
import { Console, Effect, Stream } from "effect"
import { Reference, RegistryClient } from "effect-oci"
import { Fault, MemoryRegistry, TestRegistry } from "effect-oci/testing"

const test = Effect.gen(function* () {
  const registry = yield* MemoryRegistry.MemoryRegistry
  const blob = yield* registry.seedBlob("acme/app", "0123456789")
  const bytes = (yield* RegistryClient.RegistryClient).getBlob(yield* Reference.parseRepository("registry.test/acme/app"), blob)
  strictEqual(yield* Stream.mkString(Stream.decodeText(bytes)), "0123456789")
  yield* Console.log((yield* registry.requests).map(({ headers }) => headers["range"]))
})
const rule = { match: { path: /\/blobs\//, count: 1 }, fault: Fault.cutResponseAt(4) }
await Effect.runPromise(Effect.provide(test, TestRegistry.layer({ rules: [rule] })))
