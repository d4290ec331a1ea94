/** What a reference stands for, down to one manifest where a platform is asked for. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Manifest from "../model/Manifest.ts"
import * as Platform from "../model/Platform.ts"
import { UnsupportedManifest } from "../model/RegistryError.ts"
import type * as Places from "./places.ts"

type Source = Places.Readable["source"]

/** What an index has: images, each for a platform, or other indexes. */
const platformsOf = ({ manifests }: Manifest.ImageIndex): string => {
  const names = manifests.flatMap(({ platform }) => (platform === undefined ? [] : [Platform.format(platform)]))
  return names.length === 0 ? "names no platform" : `has ${[...new Set(names)].join(", ")}`
}

const entryFor = (
  place: string,
  index: Manifest.ImageIndex,
  platform: Platform.Platform
): Effect.Effect<Descriptor.Descriptor, UnsupportedManifest> =>
  Option.match(Platform.choose(index.manifests, platform, "normalized"), {
    onSome: Effect.succeed,
    onNone: () =>
      Effect.fail(
        new UnsupportedManifest({
          repository: place,
          mediaType: index.mediaType,
          reason: `it ${platformsOf(index)}, and nothing for ${Platform.format(platform)}`
        })
      )
  })

const maxDepth = 8

const descend = (
  source: Source,
  manifest: Manifest.Manifest,
  platform: Platform.Platform,
  depth: number
): Effect.Effect<Manifest.Manifest, Places.PlaceError> =>
  Manifest.isImageIndex(manifest) && depth < maxDepth
    ? entryFor(source.label, manifest, platform).pipe(
        Effect.flatMap((entry) => source.fetchManifest(entry)),
        Effect.flatMap((child) => descend(source, child, platform, depth + 1))
      )
    : Effect.succeed(manifest)

/** The manifest; of an index the one for a platform, when there is a platform. */
export const manifest = Effect.fnUntraced(function* ({ named, source }: Places.Readable, platform: Option.Option<Platform.Platform>) {
  const { reference } = yield* named
  const root = yield* source.fetchManifest(reference)
  return Option.isNone(platform) ? root : yield* descend(source, root, platform.value, 0)
})

/** What it stands for, without fetching a manifest where that can be told without. */
export const descriptor = (
  from: Places.Readable,
  platform: Option.Option<Platform.Platform>
): Effect.Effect<Descriptor.Descriptor, Places.PlaceError> =>
  Option.isNone(platform)
    ? Effect.flatMap(from.named, ({ reference }) => from.source.resolve(reference))
    : Effect.map(manifest(from, platform), (found) => found.descriptor)
