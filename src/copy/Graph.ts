/**
 * The content behind a manifest, as a tree: indexes and their manifests, manifests and their blobs.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as ContentStore from "../content/ContentStore.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Manifest from "../model/Manifest.ts"
import * as MediaType from "../model/MediaType.ts"
import { LimitExceeded } from "../model/RegistryError.ts"

/**
 * A manifest and what it is made of: `blobs` that are no manifests, `children` that are. A child that was left out has no node.
 *
 * @since 0.1.0
 */
export interface Node {
  readonly descriptor: Descriptor.Descriptor
  readonly manifest: Manifest.Manifest
  readonly blobs: ReadonlyArray<Descriptor.Descriptor>
  readonly children: ReadonlyArray<Node>
}

/**
 * - `select`: which entries of an index are followed, all by default
 * - `skip`: whether a manifest need not be looked into, because it is known to be in place
 * - `maxDepth`: how deep indexes may nest, default 8; `maxManifests`: how many manifests there may be, default 10 000
 * - `concurrency`: manifests fetched at once, default 8
 *
 * @since 0.1.0
 */
export interface Options<E = never> {
  readonly select?: ((entry: Descriptor.Descriptor) => boolean) | undefined
  readonly skip?: ((descriptor: Descriptor.Descriptor) => Effect.Effect<boolean, E>) | undefined
  readonly maxDepth?: number | undefined
  readonly maxManifests?: number | undefined
  readonly concurrency?: number | undefined
}

/** Looks behind a manifest that is at hand. Each manifest is fetched once, however often it is named. @since 0.1.0 */
export const load = <E, E2 = never>(
  source: Pick<ContentStore.Source<E>, "fetchManifest" | "label">,
  root: Manifest.Manifest,
  options: Options<E2> = {}
): Effect.Effect<Node, E | E2 | LimitExceeded> =>
  Effect.suspend(() => {
    const maxDepth = options.maxDepth ?? 8
    const maxManifests = options.maxManifests ?? 10_000
    const seen = new Set<string>([root.digest])
    const tooDeep = new LimitExceeded({ repository: source.label, what: "the depth of nested indexes", limit: maxDepth })
    const tooMany = new LimitExceeded({ repository: source.label, what: "the number of manifests", limit: maxManifests })

    const child = (descriptor: Descriptor.Descriptor, depth: number): Effect.Effect<Option.Option<Node>, E | E2 | LimitExceeded> =>
      Effect.gen(function* () {
        if (seen.has(descriptor.digest)) return Option.none()
        if (seen.size >= maxManifests) return yield* tooMany
        seen.add(descriptor.digest)
        if (options.skip !== undefined && (yield* options.skip(descriptor))) return Option.none()
        const manifest = yield* source.fetchManifest(descriptor)
        return Option.some(yield* expand(descriptor, manifest, depth))
      })

    const expand = (
      descriptor: Descriptor.Descriptor,
      manifest: Manifest.Manifest,
      depth: number
    ): Effect.Effect<Node, E | E2 | LimitExceeded> =>
      Effect.gen(function* () {
        const successors = Manifest.successors(manifest)
        const followed = Manifest.isImageIndex(manifest) ? successors.filter((entry) => options.select?.(entry) ?? true) : successors
        const blobs = followed.filter(({ mediaType }) => !MediaType.isManifest(mediaType))
        const manifests = followed.filter(({ mediaType }) => MediaType.isManifest(mediaType))
        if (manifests.length > 0 && depth >= maxDepth) return yield* tooDeep
        const children = yield* Effect.forEach(manifests, (entry) => child(entry, depth + 1), { concurrency: options.concurrency ?? 8 })
        return { descriptor, manifest, blobs, children: children.flatMap(Option.toArray) }
      })

    return expand(root.descriptor, root, 0)
  })

/** The nodes of a tree, children before parents. @since 0.1.0 */
export const postOrder = (node: Node): ReadonlyArray<Node> => [...node.children.flatMap(postOrder), node]
