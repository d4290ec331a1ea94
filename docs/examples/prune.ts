/** Takes away the tags of versions that are older than some days, except the newest ones. */
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Annotations, Image, Manifest, Reference, RemoteRepository, TagSelection } from "effect-oci"
import { MemoryRegistry, TestRegistry } from "effect-oci/testing"

/** As the manifest says, or the config; none where neither does. A registry itself does not tell when a tag was set. */
const createdAt = Effect.fn("createdAt")(function* (repository: RemoteRepository.RemoteRepository, tag: string) {
  const image = yield* Image.fetch(repository, tag)
  const annotated = Annotations.createdAt(Manifest.annotations(image.manifest))
  return Option.isSome(annotated) ? annotated : Option.flatMap(Option.fromNullable((yield* image.config).created), DateTime.make)
})

const prune = Effect.fn("prune")(function* (name: string, options: { readonly age: Duration.DurationInput; readonly keep: number }) {
  const repository = yield* RemoteRepository.make(yield* Reference.parseRepository(name))
  const limit = DateTime.subtractDuration(yield* DateTime.now, options.age)
  const versions = TagSelection.select({ semver: "*", latest: Number.MAX_SAFE_INTEGER })(repository.tags)
  return yield* Stream.drop(versions, options.keep).pipe(
    Stream.filterEffect((tag) => Effect.map(createdAt(repository, tag), Option.exists(DateTime.lessThan(limit)))),
    // The tag alone: `delete` would take the manifest, and with it all of its tags.
    Stream.tap((tag) => repository.untag(tag)),
    Stream.runCollect
  )
})

const program = Effect.gen(function* () {
  const registry = yield* MemoryRegistry.MemoryRegistry
  const annotations = { [Annotations.created]: "2024-02-29T12:00:00Z" }
  for (const [seed, tag] of ["1.0.0", "1.1.0", "1.2.0", "latest"].entries())
    yield* registry.seedImage("acme/app", { tag, seed, annotations })
  const gone = yield* prune("registry.test/acme/app", { age: "30 days", keep: 1 })
  yield* Console.log(`gone: ${[...gone]}; left: ${yield* registry.tags("acme/app")}`)
})

Effect.runPromise(Effect.provide(program, TestRegistry.layer()))
