// What manifests lead to, in a place that may lack some of it.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import { parseJsonBytes } from "../../model/internal/json.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import { collect } from "./blobBytes.ts"
import type { LocalError } from "./localError.ts"
import type { Reader } from "./place.ts"
import { manifestLimitBytes } from "./place.ts"
import type { Reading } from "./storage.ts"

/** Something in use: a manifest or content by its descriptor; by its digest alone when it may be anything. @internal */
export type Used = Descriptor.Descriptor | Digest.Digest

/** @internal */
export const digestOf = (used: Used): Digest.Digest => (typeof used === "string" ? used : used.digest)

/** @internal */
export const known = (descriptor: Descriptor.Descriptor): Used =>
  MediaType.isManifest(descriptor.mediaType) ? descriptor : descriptor.digest

/** Every digest in a document of a kind that is not known: rather keep too much. */
const digestsIn = (value: unknown): ReadonlyArray<Digest.Digest> => {
  const found: Array<Digest.Digest> = []
  const queue = [value]
  for (const next of queue) {
    if (Digest.isDigest(next)) found.push(next)
    // The loop goes on with what is added here.
    else if (typeof next === "object" && next !== null) for (const member of Object.values(next)) queue.push(member)
  }
  return found
}

const usedByUnknown = (bytes: Uint8Array): ReadonlyArray<Digest.Digest> =>
  Either.match(parseJsonBytes(bytes), { onLeft: () => [], onRight: digestsIn })

/** @internal */
export const usedBy = (manifest: Manifest.Manifest): ReadonlyArray<Used> => {
  switch (manifest._tag) {
    case "UnknownManifest":
      return usedByUnknown(manifest.bytes)
    case "Schema1Manifest":
      return manifest.layerDigests
    case "ImageIndex":
      return manifest.manifests.map(known)
    default:
      return Manifest.successors(manifest)
  }
}

/** What it names, if it is a manifest or may be one. Fails when a manifest is damaged. @internal */
export const named = (storage: Reading, reader: Reader) =>
  Effect.fnUntraced(function* (used: Used) {
    if (typeof used !== "string") return MediaType.isManifest(used.mediaType) ? usedBy(yield* reader.fetchManifest(used)) : []
    const isSmall = Option.exists(yield* storage.sizeOf(used), (size) => size <= manifestLimitBytes)
    return isSmall ? usedByUnknown(yield* collect(storage.read(used))) : []
  })

// What is a layer of one manifest may be another manifest.
const roleOf = (used: Used): string => (typeof used === "string" ? used : `${used.digest} ${used.mediaType}`)

/** Visits all that is reachable, each once in each role; `look` tells what is named by what `visit` says is there. @internal */
export const walk = Effect.fnUntraced(function* <U extends Used>(
  roots: ReadonlyArray<U>,
  visit: (used: U) => Effect.Effect<boolean, LocalError>,
  look: (used: U) => Effect.Effect<ReadonlyArray<U>, LocalError>
) {
  const visited = new Set<string>()
  const queue = [...roots]
  for (const used of queue) {
    const role = roleOf(used)
    if (visited.has(role)) continue
    visited.add(role)
    // The loop goes on with what is added here.
    if (yield* visit(used)) for (const next of yield* look(used)) queue.push(next)
  }
})
