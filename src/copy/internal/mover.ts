import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Predicate from "effect/Predicate"
import * as ContentStore from "../../content/ContentStore.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Ending from "../../model/internal/ending.ts"
import * as Jobs from "../../model/internal/jobs.ts"
import * as MediaType from "../../model/MediaType.ts"
import * as RegistryError from "../../model/RegistryError.ts"
import * as Graph from "../Graph.ts"
import * as Delivery from "./delivery.ts"
import * as Embedded from "./embedded.ts"
import { expect, locationKey, moving, type Run } from "./run.ts"

/**
 * Moves content from one place to another, or to several. What was moved once in a run is not moved again, and whoever needs the same
 * content at the same time waits for the one that moves it.
 *
 * @internal
 */
export interface Mover<E> {
  /** Blobs and children first, then the manifest and its tags. */
  readonly move: (node: Graph.Node, tags: ReadonlyArray<string>) => Effect.Effect<void, E>
}

/** A manifest flies again for each set of tags. @internal */
export const flightOf = ({ digest }: Descriptor.Descriptor, tags: ReadonlyArray<string>) => `${digest} ${tags.join(" ")}`

/** The blobs of a node that are moved. @internal */
export const blobsOf = (run: Pick<Run<never>, "nondistributable">, node: Graph.Node): ReadonlyArray<Descriptor.Descriptor> =>
  node.blobs.filter(({ mediaType }) => run.nondistributable || MediaType.isDistributable(mediaType))

/**
 * The target lacks what a manifest names, although it said that it was there. It may give more reasons than this: CNCF distribution names
 * `DIGEST_INVALID` first, of a manifest that is being put there by somebody else.
 *
 * @internal
 */
export const isMissingContent = (error: unknown): boolean =>
  Predicate.isTagged(error, "ManifestBlobUnknown") ||
  (RegistryError.isResponseError(error) && error.diagnostics.some(({ code }) => code === "MANIFEST_BLOB_UNKNOWN"))

/** @internal */
export const make = <E>(run: Run<E>, source: ContentStore.Source<E>, target: ContentStore.Target<E>): Mover<E> => {
  const flights = run.flights.get(target) ?? new Map<string, Deferred.Deferred<void, E>>()
  run.flights.set(target, flights)
  const deliver = Delivery.make(run, source, target)

  /** One flight for each digest; a failure is given to all who wait and forgotten. */
  const once = (digest: string, move: Effect.Effect<void, E>): Effect.Effect<void, E> =>
    Effect.uninterruptibleMask((restore) => {
      const flight = flights.get(digest)
      if (flight !== undefined) return restore(Deferred.await(flight))
      const started = Deferred.unsafeMake<void, E>(FiberId.none)
      flights.set(digest, started)
      return Ending.ended(restore(move), (exit) => {
        if (Exit.isFailure(exit)) flights.delete(digest)
        Deferred.unsafeDone(started, exit)
      })
    })

  /** Another place of the same space may be getting the blob: then it is mounted from there. */
  const inTurn = (descriptor: Descriptor.Descriptor, push: Effect.Effect<void, E>): Effect.Effect<void, E> => {
    if (!ContentStore.hasMounts(target)) return push
    const key = locationKey(target.mounts.space, descriptor.digest)
    const turn: Effect.Effect<void, E> = Effect.uninterruptibleMask((restore) => {
      if (run.locations.has(key)) return restore(push)
      const first = run.arriving.get(key)
      if (first !== undefined) return restore(Effect.zipRight(Deferred.await(first), turn))
      const arrived = Deferred.unsafeMake<void>(FiberId.none)
      run.arriving.set(key, arrived)
      return Ending.ended(restore(push), () => {
        run.arriving.delete(key)
        Deferred.unsafeDone(arrived, Effect.void)
      })
    })
    return turn
  }

  const pushBlob = (descriptor: Descriptor.Descriptor): Effect.Effect<void, E> => {
    const push = Effect.flatMap(Embedded.blob(source, descriptor), (content) => deliver.blob(descriptor, content))
    return once(descriptor.digest, inTurn(descriptor, moving(run, push)))
  }

  const pushManifest = (node: Graph.Node, tags: ReadonlyArray<string>) => Jobs.one(run.jobs, deliver.manifest(node.manifest, tags))

  /** Not put together before it flies: there are far more ways through a graph than nodes in it. */
  const contents = (node: Graph.Node): Effect.Effect<void, E> =>
    Effect.suspend(() => {
      const blobs = blobsOf(run, node)
      expect(run, blobs.filter(({ digest }) => !flights.has(digest)).length)
      return Effect.all([...blobs.map(pushBlob), ...node.children.map((child) => move(child, []))], {
        concurrency: "unbounded",
        discard: true
      })
    })

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
      Effect.zipRight(contents(node), pushManifest(node, tags)).pipe(
        Effect.catchIf(isMissingContent, () =>
          Effect.suspend(() => {
            forget(node)
            return Effect.zipRight(contents(node), pushManifest(node, tags))
          })
        )
      )
    )

  return { move }
}
