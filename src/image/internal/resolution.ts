// From a manifest to the image for a platform.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Manifest from "../../model/Manifest.ts"
import * as Platform from "../../model/Platform.ts"
import { LimitExceeded, type MediaTypeMismatch, UnsupportedManifest } from "../../model/RegistryError.ts"
import { type DataError, manifestOf, type Place } from "./reading.ts"

/** @internal */
export interface Wanted {
  readonly platform: Platform.Platform
  readonly policy: Platform.Policy
}

/** @internal */
export interface Resolved {
  readonly manifest: Manifest.ImageManifest
  readonly descriptor: Descriptor.Descriptor
}

/** What is wrong with the content of an image, beside the failures of its place. */
export type ResolutionError = DataError | MediaTypeMismatch | LimitExceeded | UnsupportedManifest

const maxDepth = 8

/** @internal */
export const unsupported = (
  place: Pick<Place<unknown>, "label">,
  operation: string,
  { mediaType }: Pick<Manifest.Manifest, "mediaType">,
  reason: string
): UnsupportedManifest => new UnsupportedManifest({ repository: place.label, operation, mediaType, reason })

/** The image itself, or the first that fits among those of an index, however deep. @internal */
export const resolve = <E>(
  place: Place<E>,
  manifest: Manifest.Manifest,
  wanted: Wanted,
  descriptor: Descriptor.Descriptor = manifest.descriptor,
  depth = 0
): Effect.Effect<Resolved, E | ResolutionError> =>
  Effect.gen(function* () {
    switch (manifest._tag) {
      case "ImageManifest":
        return { manifest, descriptor }
      case "ImageIndex": {
        if (depth >= maxDepth) {
          return yield* new LimitExceeded({ repository: place.label, what: "the depth of nested indexes", limit: maxDepth })
        }
        const chosen = Platform.choose(manifest.manifests, wanted.platform, wanted.policy)
        if (Option.isNone(chosen)) {
          return yield* unsupported(place, "image", manifest, `it has nothing for ${Platform.format(wanted.platform)}`)
        }
        const child = yield* manifestOf(place, chosen.value)
        return yield* resolve(place, child, wanted, chosen.value, depth + 1)
      }
      case "Schema1Manifest":
        return yield* unsupported(
          place,
          "image",
          manifest,
          "Docker schema 1 says nothing reliable about an image; push it again with a newer tool"
        )
      case "ArtifactManifest":
      case "UnknownManifest":
        return yield* unsupported(place, "image", manifest, "it is not the manifest of an image")
    }
  })
