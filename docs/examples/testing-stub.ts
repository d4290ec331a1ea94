import { strictEqual } from "node:assert"
import { Console, Effect, Stream } from "effect"
import { Reference, RegistryClient } from "effect-oci"

const countTags = Effect.fn("countTags")(function* (repository: string) {
  const client = yield* RegistryClient.RegistryClient
  return yield* Stream.runCount(client.tags(yield* Reference.parseRepository(repository)))
})

const stub = RegistryClient.layerTest({ tags: () => Stream.make("1.0", "1.1", "latest") })
const count = await Effect.runPromise(Effect.provide(countTags("registry.test/acme/app"), stub))
strictEqual(count, 3)
await Effect.runPromise(Console.log(`${count} tags`))
