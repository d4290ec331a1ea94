// Which platforms of an index are copied.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as ContentStore from "../../content/ContentStore.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import * as Platform from "../../model/Platform.ts"
import { LimitExceeded, UnsupportedManifest } from "../../model/RegistryError.ts"

/**
 * Which platforms of an index are copied.
 *
 * - `only`: the image for one platform, in place of the index
 * - `strip`: an index of these platforms alone, which is another index with another digest
 * - `sparse`: the index as it is, with these platforms' images alone; many registries refuse an index whose images are missing
 *
 * A platform the index does not have fails as `UnsupportedManifest`.
 */
export type Platforms =
  | { readonly only: Platform.Platform }
  | { readonly strip: ReadonlyArray<Platform.Platform> }
  | { readonly sparse: ReadonlyArray<Platform.Platform> }

/** What is copied, and which of the entries of its indexes are followed, all unless said. @internal */
export interface Chosen {
  readonly root: Manifest.Manifest
  readonly select: ((entry: Descriptor.Descriptor) => boolean) | undefined
}

const maxDepth = 8

/** @internal */
export const choose = <E>(
  source: ContentStore.Source<E>,
  manifest: Manifest.Manifest,
  platforms: Platforms | undefined,
  depth = 0
): Effect.Effect<Chosen, E | UnsupportedManifest | LimitExceeded> =>
  Effect.gen(function* () {
    if (platforms === undefined || !Manifest.isImageIndex(manifest)) return { root: manifest, select: undefined }
    const find = (platform: Platform.Platform) =>
      Option.match(Platform.choose(manifest.manifests, platform, "normalized"), {
        onSome: Effect.succeed,
        onNone: () =>
          new UnsupportedManifest({
            repository: source.label,
            operation: "copy",
            mediaType: manifest.mediaType,
            reason: `it has nothing for ${Platform.format(platform)}`
          })
      })
    if ("only" in platforms) {
      if (depth >= maxDepth) {
        return yield* new LimitExceeded({ repository: source.label, what: "the depth of nested indexes", limit: maxDepth })
      }
      const root = yield* source.fetchManifest(yield* find(platforms.only))
      return yield* choose(source, root, platforms, depth + 1)
    }
    const entries = new Set(yield* Effect.forEach("strip" in platforms ? platforms.strip : platforms.sparse, find))
    if ("sparse" in platforms) {
      const digests = new Set([...entries].map(({ digest }) => digest))
      return { root: manifest, select: (entry) => digests.has(entry.digest) || !manifest.manifests.includes(entry) }
    }
    const { annotations, subject, artifactType } = manifest
    const mediaType = manifest.mediaType === MediaType.dockerManifestList ? MediaType.dockerManifestList : MediaType.ociImageIndex
    // One image may be listed for several platforms, of which not all were asked for.
    const manifests = manifest.manifests.filter((entry) => entries.has(entry))
    return { root: Manifest.imageIndex({ mediaType, annotations, subject, artifactType, manifests }), select: undefined }
  })
