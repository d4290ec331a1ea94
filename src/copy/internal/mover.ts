import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as ContentStore from "../../content/ContentStore.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import * as Graph from "../Graph.ts"
import type * as Progress from "../Progress.ts"

/** What became of the content of a run, by number and bytes. @internal */
export interface Tally {
  blobs: number
  manifests: number
  bytes: number
  skipped: number
  mounted: number
}

/** What all copies of a run share; `E` is how its places fail. @internal */
export interface Run<E> {
  readonly jobs: Effect.Semaphore
  readonly listener: Progress.Listener | undefined
  readonly nondistributable: boolean
  /** Where blobs are known to be: space and digest to the name a mount calls the place. */
  readonly locations: Map<string, string>
  /** Blobs on their first way into a space, by the same keys. */
  readonly arriving: Map<string, Deferred.Deferred<void>>
  /** What moves or has moved to each place. */
  readonly flights: Map<ContentStore.Target<E>, Map<string, Deferred.Deferred<void, E>>>
  readonly tally: Tally
}

/** @internal */
export const makeRun = <E>(options: {
  readonly jobs: number
  readonly listener: Progress.Listener | undefined
  readonly nondistributable: boolean
}): Run<E> => ({
  jobs: Effect.unsafeMakeSemaphore(options.jobs),
  listener: options.listener,
  nondistributable: options.nondistributable,
  locations: new Map(),
  arriving: new Map(),
  flights: new Map(),
  tally: { blobs: 0, manifests: 0, bytes: 0, skipped: 0, mounted: 0 }
})

const locationKey = (space: string, digest: string) => `${space} ${digest}`

/**
 * Moves content from one place to another. What was moved once in a run is not moved again, and whoever needs the same content at the same
 * time waits for the one that moves it.
 *
 * @internal
 */
export interface Mover<E> {
  /** Blobs and children first, then the manifest and its tags. */
  readonly move: (node: Graph.Node, tags: ReadonlyArray<string>) => Effect.Effect<void, E>
}

/** A manifest flies again for each set of tags. */
const flightOf = ({ digest }: Descriptor.Descriptor, tags: ReadonlyArray<string>) => `${digest} ${tags.join(" ")}`

const isMissingContent = (error: unknown) => Predicate.isTagged(error, "ManifestBlobUnknown")

/** @internal */
export const make = <E>(run: Run<E>, source: ContentStore.Source<E>, target: ContentStore.Target<E>): Mover<E> => {
  const flights = run.flights.get(target) ?? new Map<string, Deferred.Deferred<void, E>>()
  run.flights.set(target, flights)

  /** One flight for each digest; a failure is given to all who wait and forgotten. */
  const once = (digest: string, move: Effect.Effect<void, E>): Effect.Effect<void, E> =>
    Effect.flatMap(Deferred.make<void, E>(), (started) => {
      const flight = flights.get(digest)
      if (flight !== undefined) return Deferred.await(flight)
      flights.set(digest, started)
      return Effect.onExit(move, (exit) => {
        if (Exit.isFailure(exit)) flights.delete(digest)
        return Deferred.done(started, exit)
      })
    })

  const report = (descriptor: Descriptor.Descriptor) => {
    const item: Progress.Item = { id: `${descriptor.digest} ${target.label}`, descriptor, target: target.label }
    return (
      event:
        | { readonly _tag: "Started" | "Skipped" | "Mounted" | "Done" }
        | { readonly _tag: "Advanced"; readonly bytes: number }
        | { readonly _tag: "Failed"; readonly error: unknown }
    ) => run.listener?.({ ...item, ...event })
  }

  const mountCandidates = (descriptor: Descriptor.Descriptor): ReadonlyArray<string> => {
    if (!ContentStore.hasMounts(target)) return []
    const { space, name } = target.mounts
    const learned = run.locations.get(locationKey(space, descriptor.digest))
    const own = ContentStore.hasMounts(source) && source.mounts.space === space ? [source.mounts.name] : []
    return [...new Set([...own, ...(learned === undefined ? [] : [learned])])].filter((candidate) => candidate !== name)
  }

  const learn = (descriptor: Descriptor.Descriptor) =>
    Effect.sync(() => {
      if (ContentStore.hasMounts(target)) {
        run.locations.set(locationKey(target.mounts.space, descriptor.digest), target.mounts.name)
      }
    })

  /** Another place of the same space may be getting the blob: then it is mounted from there. */
  const inTurn = (descriptor: Descriptor.Descriptor, push: Effect.Effect<void, E>): Effect.Effect<void, E> => {
    if (!ContentStore.hasMounts(target)) return push
    const key = locationKey(target.mounts.space, descriptor.digest)
    return Effect.flatMap(Deferred.make<void>(), (arrived) => {
      if (run.locations.has(key)) return push
      const first = run.arriving.get(key)
      if (first !== undefined) return Effect.zipRight(Deferred.await(first), inTurn(descriptor, push))
      run.arriving.set(key, arrived)
      const done = Effect.suspend(() => {
        run.arriving.delete(key)
        return Deferred.succeed(arrived, undefined)
      })
      return Effect.ensuring(push, done)
    })
  }

  const pushBlob = (descriptor: Descriptor.Descriptor): Effect.Effect<void, E> =>
    Effect.gen(function* () {
      const tell = report(descriptor)
      let bytes = 0
      tell({ _tag: "Started" })
      const outcome = yield* target.pushBlob(descriptor, source.fetchBlob(descriptor), {
        mountFrom: mountCandidates(descriptor),
        onBytes: (count) => {
          bytes = Math.min(descriptor.size, bytes + count)
          tell({ _tag: "Advanced", bytes })
        }
      })
      yield* learn(descriptor)
      if (outcome === "stored") {
        run.tally.blobs++
        run.tally.bytes += descriptor.size
      } else if (outcome === "mounted") run.tally.mounted++
      else run.tally.skipped++
      tell({ _tag: outcome === "stored" ? "Done" : outcome === "mounted" ? "Mounted" : "Skipped" })
    }).pipe(
      Effect.tapError((error) => Effect.sync(() => report(descriptor)({ _tag: "Failed", error }))),
      run.jobs.withPermits(1)
    )

  const pushManifest = (manifest: Manifest.Manifest, tags: ReadonlyArray<string>): Effect.Effect<void, E> =>
    Effect.gen(function* () {
      const tell = report(manifest.descriptor)
      tell({ _tag: "Started" })
      yield* target.pushManifest(manifest, { tags })
      run.tally.manifests++
      run.tally.bytes += manifest.size
      tell({ _tag: "Done" })
    }).pipe(
      Effect.tapError((error) => Effect.sync(() => report(manifest.descriptor)({ _tag: "Failed", error }))),
      run.jobs.withPermits(1)
    )

  const wanted = (descriptor: Descriptor.Descriptor) => run.nondistributable || MediaType.isDistributable(descriptor.mediaType)

  const contents = (node: Graph.Node): Effect.Effect<void, E> =>
    Effect.all(
      [
        Effect.forEach(node.blobs.filter(wanted), (blob) => once(blob.digest, inTurn(blob, pushBlob(blob))), {
          concurrency: "unbounded",
          discard: true
        }),
        Effect.forEach(node.children, (child) => move(child, []), { concurrency: "unbounded", discard: true })
      ],
      { concurrency: 2, discard: true }
    )

  /** What this run believed to be in place is looked at again. */
  const forget = (node: Graph.Node): void => {
    for (const { blobs, descriptor } of Graph.postOrder(node)) {
      if (descriptor.digest !== node.descriptor.digest) flights.delete(flightOf(descriptor, []))
      for (const blob of blobs) flights.delete(blob.digest)
    }
  }

  const move = (node: Graph.Node, tags: ReadonlyArray<string>): Effect.Effect<void, E> =>
    once(
      flightOf(node.descriptor, tags),
      Effect.zipRight(contents(node), pushManifest(node.manifest, tags)).pipe(
        Effect.catchIf(isMissingContent, () =>
          Effect.suspend(() => {
            forget(node)
            return Effect.zipRight(contents(node), pushManifest(node.manifest, tags))
          })
        )
      )
    )

  return { move }
}
