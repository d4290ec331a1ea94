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
  const named = (descriptor: Descriptor.Descriptor) =>
    MediaType.isManifest(descriptor.mediaType)
      ? Effect.map(reader.fetchManifest(descriptor), Manifest.successors)
      : Effect.succeed<ReadonlyArray<Descriptor.Descriptor>>([])

  const keep = Effect.fnUntraced(function* (descriptor: Descriptor.Descriptor) {
    let isWhole = true
    // What is there is kept, whatever else is missing.
    const visit = (one: Descriptor.Descriptor) =>
      Effect.map(holds(storage, one), (held) => {
        isWhole &&= held
        return held
      })
    yield* Reach.walk([descriptor], visit, named)
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
