import { strictEqual } from "node:assert"
import { Console, Effect, Stream } from "effect"
import { Reference, RegistryClient } from "effect-oci"
import { MemoryRegistry, Quirks, TestRegistry } from "effect-oci/testing"

const test = Effect.gen(function* () {
  yield* (yield* MemoryRegistry.MemoryRegistry).seedRepository("acme/app") // Amazon ECR creates none by itself
  const repository = yield* Reference.parseRepository("registry.test/acme/app")
  const pieces = Stream.make(new Uint8Array(1000), new Uint8Array(1000))
  const result = yield* (yield* RegistryClient.RegistryClient).putBlobStream(repository, pieces, { chunkBytes: 500 })
  strictEqual(result.descriptor.size, 2000)
  yield* Console.log(result.outcome)
})
await Effect.runPromise(Effect.provide(test, TestRegistry.layer({ hosts: { "registry.test": Quirks.ecr.rangeStuck } })))
