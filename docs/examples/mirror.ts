/** A worker that keeps the tags of a range of versions the same in two registries: logs, metrics, and a failure of one tag that is its own. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Copy, Reference, RemoteRepository, RetryPolicy, TagSelection } from "effect-oci"
import { Fault, MemoryRegistry, RegistryOptions, TestRegistry } from "effect-oci/testing"

const copied = Metric.counter("tags_copied", { incremental: true })
const failed = Metric.counter("tags_failed", { incremental: true })

const mirrorTag = (source: RemoteRepository.RemoteRepository, target: RemoteRepository.RemoteRepository, tag: string) =>
  Effect.gen(function* () {
    // When nothing has changed: one HEAD for each side, and a look for what refers to it.
    const { bytes, descriptor, manifests } = yield* Copy.copy(source, tag, target, { referrers: true })
    if (manifests === 0) return
    yield* Metric.increment(copied)
    yield* Effect.logInfo("copied").pipe(Effect.annotateLogs({ digest: descriptor.digest, bytes }))
  }).pipe(
    Effect.catchAll((error) => Effect.zipRight(Metric.increment(failed), Effect.logWarning(error.message))),
    Effect.annotateLogs({ tag })
  )

const mirror = Effect.fn("mirror")(function* (from: string, to: string, selection: TagSelection.Selection) {
  const source = yield* RemoteRepository.make(yield* Reference.parseRepository(from))
  const target = yield* RemoteRepository.make(yield* Reference.parseRepository(to))
  yield* source.tags.pipe(
    TagSelection.select(selection),
    Stream.runForEach((tag) => mirrorTag(source, target, tag))
  )
})

/** A round that fails as a whole, as when the tags cannot be listed, is logged, and the next one comes in its time. */
const worker = mirror("source.test/acme/app", "target.test/mirror/app", { semver: "^1" }).pipe(
  Effect.catchAll((error) => Effect.logError(error.message)),
  Effect.repeat(Schedule.fixed("1 minute"))
)

const program = Effect.gen(function* () {
  const { at } = yield* MemoryRegistry.MemoryRegistry
  for (const [seed, tag] of ["1.0.0", "1.1.0", "2.0.0", "latest"].entries()) yield* at("source.test").seedImage("acme/app", { tag, seed })
  yield* Effect.fork(worker)
  const all = { until: ({ count }: { readonly count: number }) => count === 2, schedule: Schedule.spaced("100 millis") }
  yield* Effect.repeat(Metric.value(copied), all)
  yield* Effect.logInfo(`the target has ${yield* at("target.test").tags("mirror/app")}`)
})

// Both registries want tokens of short life, and the network is not at its best. None of that is the worker's business.
const auth = RegistryOptions.bearer({ users: { ann: { password: "secret" } }, expiresIn: "1 second" })
const weather = TestRegistry.layer({
  hosts: { "source.test": { auth }, "target.test": { auth } },
  rules: [
    { match: { path: /\/tags\/list$/, count: 1 }, fault: Fault.tooManyRequests(1) },
    { match: { path: /\/blobs\//, method: "GET", count: 2 }, fault: Fault.respond(503) },
    { match: { path: /\/blobs\//, method: "GET", count: 2 }, fault: Fault.cutResponseAt(100) }
  ],
  retry: RetryPolicy.patient
})

Effect.runPromise(Effect.provide(program, weather))
