import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as BlobUpload from "../../client/BlobUpload.ts"
import * as ContentStore from "../../content/ContentStore.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Ending from "../../model/internal/ending.ts"
import type * as Manifest from "../../model/Manifest.ts"
import type * as Progress from "../Progress.ts"
import { locationKey, nameOf, type Run } from "./run.ts"

/**
 * Gives content to a target: told to the listener, counted, and remembered for mounts. Who may do so when is the caller's.
 *
 * @internal
 */
export interface Delivery<E> {
  readonly blob: (descriptor: Descriptor.Descriptor, content: BlobUpload.Source<E>) => Effect.Effect<void, E>
  readonly manifest: (manifest: Manifest.Manifest, tags: ReadonlyArray<string>) => Effect.Effect<void, E>
}

type Told =
  | { readonly _tag: "Started" | "Skipped" | "Mounted" | "Done" }
  | { readonly _tag: "Advanced"; readonly bytes: number }
  | { readonly _tag: "Failed"; readonly error: unknown }

const endings = { existed: "Skipped", mounted: "Mounted", stored: "Done" } as const

/** @internal */
export const make = <E>(run: Run<E>, source: ContentStore.Source<E>, target: ContentStore.Target<E>): Delivery<E> => {
  const { tally } = run

  const reporter = (descriptor: Descriptor.Descriptor) => {
    const { listener } = run
    if (listener === undefined) return () => {}
    const item: Progress.Item = { id: `${descriptor.digest} ${nameOf(run, target)}`, descriptor, target: target.label }
    return (event: Told) => listener({ ...item, ...event })
  }

  /** The place of the same space that this run put the blob into. */
  const learned = ({ digest }: Descriptor.Descriptor): string | undefined => {
    if (!ContentStore.hasMounts(target)) return undefined
    const { space, name } = target.mounts
    const location = run.locations.get(locationKey(space, digest))
    return location === name ? undefined : location
  }

  const mountCandidates = (location: string | undefined): ReadonlyArray<string> => {
    if (!ContentStore.hasMounts(target)) return []
    const { space, name } = target.mounts
    const own = ContentStore.hasMounts(source) && source.mounts.space === space && source.mounts.name !== name ? [source.mounts.name] : []
    return [...new Set([...own, ...(location === undefined ? [] : [location])])]
  }

  const count = (descriptor: Descriptor.Descriptor, outcome: ContentStore.Outcome) => {
    if (outcome === "stored") {
      tally.blobs++
      tally.bytes += descriptor.size
    } else if (outcome === "mounted") tally.mounted++
    else tally.skipped++
  }

  const learn = ({ digest }: Descriptor.Descriptor, outcome: ContentStore.Outcome, location: string | undefined) => {
    if (!ContentStore.hasMounts(target)) return
    const { space, name } = target.mounts
    run.locations.set(locationKey(space, digest), name)
    if (outcome === "stored" && location !== undefined) run.refusing.add(space)
  }

  const reported = (descriptor: Descriptor.Descriptor, deliver: (tell: (event: Told) => void) => Effect.Effect<Told, E>) =>
    Effect.suspend(() => {
      const tell = reporter(descriptor)
      return Ending.between(
        () => tell({ _tag: "Started" }),
        deliver(tell),
        // Also when it is interrupted, since the lane or the run has failed elsewhere.
        (exit) => tell(Exit.isSuccess(exit) ? exit.value : { _tag: "Failed", error: Cause.squash(exit.cause) })
      )
    })

  return {
    blob: (descriptor, content) =>
      reported(descriptor, (tell) => {
        let bytes = 0
        const onBytes = (_: number, reached: number) => {
          bytes = Math.max(bytes, Math.min(descriptor.size, reached))
          tell({ _tag: "Advanced", bytes })
        }
        const location = learned(descriptor)
        return Effect.map(
          target.pushBlob(descriptor, content, {
            mountFrom: mountCandidates(location),
            onBytes,
            checkExists: run.crowd.large ? "mount" : true
          }),
          (outcome) => {
            learn(descriptor, outcome, location)
            count(descriptor, outcome)
            return { _tag: endings[outcome] }
          }
        )
      }),
    manifest: (manifest, tags) =>
      reported(manifest.descriptor, () =>
        Effect.map(target.pushManifest(manifest, { tags }), () => {
          tally.manifests++
          tally.bytes += manifest.size
          return { _tag: "Done" }
        })
      )
  }
}
