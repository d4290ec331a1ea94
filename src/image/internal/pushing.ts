import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ContentStore from "../../content/ContentStore.ts"
import * as Jobs from "../../model/internal/jobs.ts"
import type * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import type { Blob, Built, PushOptions } from "./built.ts"

const defaultJobs = 4

/** @internal */
export const jobsOf = (options: PushOptions): number => options.jobs ?? defaultJobs

/** Whether it may have come without layers meant to be fetched elsewhere; of an index nobody knows. */
const mayLack = (manifest: Manifest.Manifest): boolean =>
  manifest._tag !== "ImageManifest" || manifest.layers.some(({ mediaType }) => !MediaType.isDistributable(mediaType))

/** Whether all the tags stand for the manifest already, and what is wanted of it is there. Without tags nobody knows. @internal */
export const isCurrent = <E>(
  target: ContentStore.Target<E>,
  manifest: Manifest.Manifest,
  { nondistributable, tags = [] }: PushOptions
): Effect.Effect<boolean, E> =>
  Effect.reduce(tags, tags.length > 0 && !(nondistributable === true && mayLack(manifest)), (current, tag) =>
    current
      ? Effect.map(
          target.current(tag),
          Option.exists(({ digest }) => digest === manifest.digest)
        )
      : Effect.succeed(false)
  )

const mountFrom = <E>(target: ContentStore.Target<E>, { mounts }: Pick<Blob, "mounts">): ReadonlyArray<string> =>
  mounts !== undefined && ContentStore.hasMounts(target) && target.mounts.space === mounts.space ? [mounts.name] : []

/** @internal */
export const pushBlob = <E, E2, R>(target: ContentStore.Target<E>, blob: Blob<E2, R>): Effect.Effect<ContentStore.Outcome, E | E2, R> =>
  target.pushBlob(blob.descriptor, blob.content, { mountFrom: mountFrom(target, blob) })

/** Each digest once, in order. */
const distinct = <B extends Pick<Blob, "descriptor">>(blobs: ReadonlyArray<B>): ReadonlyArray<B> => [
  ...new Map(blobs.map((blob) => [blob.descriptor.digest, blob])).values()
]

/** Blobs first, then the manifest with its tags; nothing at all when the tags stand for it already. @internal */
export const push = <E, E2, R>(
  target: ContentStore.Target<E>,
  { manifest, blobs }: Built<E2, R>,
  options: PushOptions
): Effect.Effect<void, E | E2, R> =>
  Effect.gen(function* () {
    const tags = options.tags ?? []
    if (yield* isCurrent(target, manifest, options)) return
    const wanted = distinct(blobs).filter(
      ({ descriptor }) => options.nondistributable === true || MediaType.isDistributable(descriptor.mediaType)
    )
    yield* Jobs.forEach(wanted, jobsOf(options), (blob) => pushBlob(target, blob))
    yield* target.pushManifest(manifest, { tags })
  })
