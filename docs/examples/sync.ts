import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { SyncConfig, SyncPlan, SyncState, SyncWorker } from "effect-oci"
import { MemoryRegistry, TestRegistry } from "effect-oci/testing"

// SyncConfig.load("sync.json") reads the same from a file.
const config = SyncConfig.make({
  rules: [
    {
      name: "app",
      source: "source.test/acme/app",
      targets: ["target.test/mirror/app"],
      tags: { semver: ">=1.1", latest: 2, include: ["latest"] },
      referrers: true,
      backup: "before-{tag}-{digest}",
      prune: {},
      every: "10 minutes"
    }
  ]
})

const program = Effect.gen(function* () {
  const { at } = yield* MemoryRegistry.MemoryRegistry
  for (const [seed, tag] of ["1.0.0", "1.1.0", "1.2.0", "latest"].entries()) yield* at("source.test").seedImage("acme/app", { tag, seed })

  // A dry run: what a round would do, and nothing is done.
  const { rules } = yield* config
  yield* Stream.runForEach(SyncPlan.make(rules[0]), (action) => Console.log(SyncPlan.format(action)))

  // One round of every rule; `worker.serve` goes on, each rule at its time.
  const worker = yield* SyncWorker.make({ rules })
  for (const { failures, rule, summary } of yield* worker.round()) {
    yield* Console.log(rule, summary)
    for (const { error, place } of failures) yield* Console.log(place, error.message)
  }
  yield* Console.log(yield* at("target.test").tags("mirror/app"))
})

// NodeRegistry.layer and SyncState.layerFolder("/var/lib/sync") in real life.
const services = Layer.merge(TestRegistry.layer({ hosts: { "source.test": {}, "target.test": {} } }), SyncState.layerMemory)

Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(services)))
