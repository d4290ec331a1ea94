/**
 * The content behind a manifest, as a graph without loops: indexes and their manifests, manifests and their blobs.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ContentStore from "../content/ContentStore.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Jobs from "../model/internal/jobs.ts"
import * as Manifest from "../model/Manifest.ts"
import * as MediaType from "../model/MediaType.ts"
import { LimitExceeded } from "../model/RegistryError.ts"
import * as Embedded from "./internal/embedded.ts"

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

/** A node before its children are known: what it names, whether that was followed or not. */
interface Found extends Omit<Node, "children"> {
  readonly manifests: ReadonlyArray<Descriptor.Descriptor>
}

/** Docker schema 1 names its layers without their sizes. */
const successorsOf = <E>(
  source: ContentStore.Place,
  manifest: Manifest.Manifest
): Effect.Effect<ReadonlyArray<Descriptor.Descriptor>, E> =>
  manifest._tag === "Schema1Manifest" && ContentStore.hasResolveBlob<ContentStore.Place, E>(source)
    ? Effect.forEach(new Set(manifest.layerDigests), (digest) =>
        Effect.map(source.resolveBlob(digest), (blob) => ({ ...blob, mediaType: MediaType.dockerLayerTarGzip }))
      )
    : Effect.succeed(Manifest.successors(manifest))

/**
 * Looks behind a manifest that is at hand. Each manifest is fetched once and has one node, which is a child of every index that names it.
 *
 * @since 0.1.0
 */
export const load = <E, E2 = never>(
  source: Pick<ContentStore.Source<E>, "fetchManifest" | "label">,
  root: Manifest.Manifest,
  options: Options<E2> = {}
): Effect.Effect<Node, E | E2 | LimitExceeded> =>
  Effect.suspend(() => {
    const maxDepth = options.maxDepth ?? 8
    const maxManifests = options.maxManifests ?? 10_000
    // Of the whole graph: as many for each index would be a power of it further down.
    const fetches = Jobs.make(Math.max(1, options.concurrency ?? 8))
    const seen = new Set<string>([root.digest])
    const found = new Map<string, Found>()
    // Limits that are infinite are never exceeded.
    const tooDeep = () => new LimitExceeded({ repository: source.label, what: "the depth of nested indexes", limit: maxDepth })
    const tooMany = () => new LimitExceeded({ repository: source.label, what: "the number of manifests", limit: maxManifests })

    const child = (descriptor: Descriptor.Descriptor, depth: number): Effect.Effect<void, E | E2 | LimitExceeded> =>
      Effect.gen(function* () {
        if (seen.has(descriptor.digest)) return
        if (seen.size >= maxManifests) return yield* tooMany()
        seen.add(descriptor.digest)
        const manifest = yield* Jobs.one(fetches, fetched(descriptor))
        if (Option.isSome(manifest)) yield* follow(descriptor, manifest.value, depth)
      })

    /** None when it need not be looked into. */
    const fetched = (descriptor: Descriptor.Descriptor): Effect.Effect<Option.Option<Manifest.Manifest>, E | E2> =>
      Effect.flatMap(options.skip?.(descriptor) ?? Effect.succeed(false), (skipped) =>
        skipped ? Effect.succeedNone : Effect.asSome(Embedded.manifest(source, descriptor))
      )

    const follow = (
      descriptor: Descriptor.Descriptor,
      manifest: Manifest.Manifest,
      depth: number
    ): Effect.Effect<Found, E | E2 | LimitExceeded> =>
      Effect.gen(function* () {
        const successors = yield* successorsOf<E>(source, manifest)
        const followed = Manifest.isImageIndex(manifest) ? successors.filter((entry) => options.select?.(entry) ?? true) : successors
        const blobs = followed.filter(({ mediaType }) => !MediaType.isManifest(mediaType))
        const manifests = followed.filter(({ mediaType }) => MediaType.isManifest(mediaType))
        if (manifests.length > 0 && depth >= maxDepth) return yield* tooDeep()
        const node: Found = { descriptor, manifest, blobs, manifests }
        found.set(descriptor.digest, node)
        yield* Effect.forEach(manifests, (entry) => child(entry, depth + 1), { concurrency: "unbounded", discard: true })
        return node
      })

    const nodes = new Map<string, Node>()
    // A source that does not verify what it gives may name a manifest within itself.
    const open = new Set<string>()

    const assemble = ({ manifests, ...content }: Found, depth: number): Effect.Effect<Node, LimitExceeded> =>
      Effect.gen(function* () {
        const { digest } = content.descriptor
        const known = nodes.get(digest)
        if (known !== undefined) return known
        if (manifests.length > 0 && depth >= maxDepth) return yield* tooDeep()
        open.add(digest)
        const named = [...new Set(manifests.map((entry) => entry.digest))].flatMap((entry) =>
          open.has(entry) ? [] : (found.get(entry) ?? [])
        )
        const children = yield* Effect.forEach(named, (entry) => assemble(entry, depth + 1))
        open.delete(digest)
        const node: Node = { ...content, children }
        nodes.set(digest, node)
        return node
      })

    return Effect.flatMap(follow(root.descriptor, root, 0), (node) => assemble(node, 0))
  })

/** The nodes of a graph, each once, children before parents. @since 0.1.0 */
export const postOrder = (root: Node): ReadonlyArray<Node> => {
  const seen = new Set<string>()
  const visit = (node: Node): ReadonlyArray<Node> => {
    if (seen.has(node.descriptor.digest)) return []
    seen.add(node.descriptor.digest)
    return [...node.children.flatMap(visit), node]
  }
  return visit(root)
}
