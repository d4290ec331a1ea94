// Who refers to a manifest, in a place without an index of referrers: all manifests are looked at once, and what they say is remembered.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Digest from "../../model/Digest.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import { LimitExceeded } from "../../model/RegistryError.ts"
import type { LocalError } from "./localError.ts"
import type { Reading } from "./storage.ts"

/** What a manifest says that the scan needs. It never changes: a digest is for ever. */
interface Facts {
  readonly subject: Digest.Digest | undefined
  readonly referrer: Descriptor.Descriptor
  readonly children: ReadonlyArray<Descriptor.Descriptor>
}

const factsOf = (manifest: Manifest.Manifest): Facts => ({
  subject: Option.getOrUndefined(Manifest.subject(manifest))?.digest,
  referrer: Manifest.referrer(manifest),
  children: manifest._tag === "ImageIndex" ? manifest.manifests.filter((_) => MediaType.isManifest(_.mediaType)) : []
})

const maxManifests = 100_000
const maxRemembered = 10_000

/** @internal */
export interface Scan {
  readonly referrers: (subject: Digest.Digest) => Effect.Effect<ReadonlyArray<Descriptor.Descriptor>, LocalError>
}

/** `fetch` gives none for a manifest that is not there: layouts may be sparse. @internal */
export const make = (
  { index, sizeOf }: Reading,
  fetch: (descriptor: Descriptor.Descriptor) => Effect.Effect<Option.Option<Manifest.Manifest>, LocalError>
): Scan => {
  const remembered = new Map<Digest.Digest, Facts>()

  const facts = Effect.fnUntraced(function* (descriptor: Descriptor.Descriptor) {
    const known = remembered.get(descriptor.digest)
    if (known !== undefined) return Option.some(known)
    const found = Option.map(yield* fetch(descriptor), factsOf)
    if (Option.isSome(found) && remembered.size < maxRemembered) remembered.set(descriptor.digest, found.value)
    return found
  })

  const referrers = Effect.fnUntraced(function* (subject: Digest.Digest) {
    // An index may list anything, and what is no manifest must not fail (image-spec «Image Index»), however long it is.
    const queue = (yield* index).manifests.filter((_) => MediaType.isManifest(_.mediaType))
    const seen = new Set<Digest.Digest>()
    const found: Array<Descriptor.Descriptor> = []
    for (const descriptor of queue) {
      if (seen.has(descriptor.digest)) continue
      if (seen.size === maxManifests) return yield* new LimitExceeded({ what: "the number of manifests", limit: maxManifests })
      seen.add(descriptor.digest)
      const said = yield* facts(descriptor)
      if (Option.isNone(said)) continue
      // What an index names may have been deleted since it was looked at.
      if (said.value.subject === subject && Option.isSome(yield* sizeOf(descriptor.digest))) found.push(said.value.referrer)
      // The loop goes on with what is added here.
      queue.push(...said.value.children)
    }
    return found
  })

  return { referrers }
}
