// Keeps what is about to be named again.
import * as Effect from "effect/Effect"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import type * as ContentStore from "../ContentStore.ts"
import type { LocalError } from "./localError.ts"
import { holds, type Reader } from "./place.ts"
import * as Reach from "./reach.ts"
import type { Reading, Writing } from "./storage.ts"

/** @internal */
export const make = (storage: Reading & Writing, reader: Reader): ContentStore.Keeps<LocalError> => {
  const named = (used: Reach.Used) =>
    typeof used !== "string" && MediaType.isManifest(used.mediaType)
      ? Effect.map(
          reader.fetchManifest(used),
          (manifest): ReadonlyArray<Reach.Used> =>
            manifest._tag === "Schema1Manifest" ? manifest.layerDigests : Manifest.successors(manifest)
        )
      : Effect.succeed<ReadonlyArray<Reach.Used>>([])

  /** Layers meant to be fetched elsewhere are mostly not here, and nothing lacks them. */
  const mayBeMissing = (used: Reach.Used) => typeof used !== "string" && !MediaType.isDistributable(used.mediaType)

  const keep = Effect.fnUntraced(function* (descriptor: Descriptor.Descriptor) {
    let isWhole = true
    // What is there is kept, whatever else is missing.
    const visit = (used: Reach.Used) =>
      Effect.map(typeof used === "string" ? storage.keep(used) : holds(storage, used), (held) => {
        isWhole &&= held || mayBeMissing(used)
        return held
      })
    yield* Reach.walk<Reach.Used>([descriptor], visit, named)
    return isWhole
  })

  return {
    label: storage.label,
    // A damaged manifest is as good as none.
    keep: (descriptor) =>
      Effect.catchIf(
        keep(descriptor),
        (error) => error._tag !== "StoreError" || error.missing,
        () => Effect.succeed(false)
      )
  }
}
