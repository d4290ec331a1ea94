/**
 * What refers to a manifest: signatures, bills of materials, attestations; as the distribution spec keeps them, and as tags named after a
 * digest, which older tools write.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as ContentStore from "../content/ContentStore.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import * as Digest from "../model/Digest.ts"
import * as Jobs from "../model/internal/jobs.ts"
import { LimitExceeded } from "../model/RegistryError.ts"

/** A manifest and what refers to it, each manifest once. @since 0.1.0 */
export interface Node {
  readonly descriptor: Descriptor.Descriptor
  readonly referrers: ReadonlyArray<Node>
}

/**
 * - `artifactTypes`: only referrers of these types, and what leads to them; default all
 * - `maxDepth`: how far referrers of referrers are followed, default 8
 * - `maxManifests`: how many there may be, default 10 000
 * - `concurrency`: lists fetched at once, default 8
 *
 * @since 0.1.0
 */
export interface TreeOptions {
  readonly artifactTypes?: ReadonlyArray<string> | undefined
  readonly maxDepth?: number | undefined
  readonly maxManifests?: number | undefined
  readonly concurrency?: number | undefined
}

/**
 * All that refers to a manifest, what refers to that, and so on. A manifest that is named twice, or by itself, stands where it was met first.
 * Deeper than `maxDepth` nothing is looked for.
 *
 * @since 0.1.0
 */
export const tree = <E>(
  place: ContentStore.Referrers<E>,
  subject: Descriptor.Descriptor,
  options: TreeOptions = {}
): Effect.Effect<Node, E | LimitExceeded> =>
  Effect.suspend(() => {
    const maxDepth = options.maxDepth ?? 8
    const maxManifests = options.maxManifests ?? 10_000
    const seen = new Set<string>([subject.digest])
    // Of the whole tree: as many for each list would be a power of it further down.
    const lists = Jobs.make(Math.max(1, options.concurrency ?? 8))
    let failed = false
    const fail = Effect.sync(() => {
      failed = true
    })

    /** Those not met yet, in the order of the place. */
    const listed = (descriptor: Descriptor.Descriptor): Effect.Effect<ReadonlyArray<Descriptor.Descriptor>, E | LimitExceeded> =>
      Stream.runFoldEffect(place.referrers(descriptor), Array.of<Descriptor.Descriptor>(), (found, referrer) => {
        if (seen.has(referrer.digest)) return Effect.succeed(found)
        if (seen.size > maxManifests) {
          return new LimitExceeded({ repository: place.label, what: "the number of referrers", limit: maxManifests })
        }
        seen.add(referrer.digest)
        found.push(referrer)
        return Effect.succeed(found)
      })

    // Who gets the place of one that failed is about to be interrupted.
    const begin = (descriptor: Descriptor.Descriptor) =>
      Effect.suspend(() => (failed ? Effect.never : Effect.tapErrorCause(listed(descriptor), () => fail)))

    const follow = (descriptor: Descriptor.Descriptor, depth: number): Effect.Effect<Node, E | LimitExceeded> =>
      depth >= maxDepth
        ? Effect.succeed({ descriptor, referrers: [] })
        : Effect.flatMap(Jobs.one(lists, begin(descriptor)), (found) =>
            Effect.map(
              Effect.forEach(found, (referrer) => follow(referrer, depth + 1), { concurrency: "unbounded" }),
              (referrers) => ({ descriptor, referrers })
            )
          )

    return Effect.map(follow(subject, 0), (node) =>
      options.artifactTypes === undefined ? node : pruned(node, new Set(options.artifactTypes))
    )
  }).pipe(Effect.withSpan("Referrers.tree", { attributes: { place: place.label, digest: subject.digest } }))

/** Without the branches that have nothing of these types. The root stays. */
const pruned = (node: Node, artifactTypes: ReadonlySet<string>): Node => ({
  ...node,
  referrers: node.referrers
    .map((referrer) => pruned(referrer, artifactTypes))
    .filter(({ descriptor, referrers }) => referrers.length > 0 || artifactTypes.has(descriptor.artifactType ?? ""))
})

/** All referrers in a tree, those of a manifest before the referrers of each; without the root. @since 0.1.0 */
export const flatten = (node: Node): ReadonlyArray<Descriptor.Descriptor> => [
  ...node.referrers.map(({ descriptor }) => descriptor),
  ...node.referrers.flatMap(flatten)
]

/** A tag that is named after a digest: `sha256-….sig` has the suffix `sig`. @since 0.1.0 */
export interface DigestTag {
  readonly tag: string
  readonly digest: Digest.Digest
  readonly suffix: string
}

/** More than any digest and its suffix need; text of any length would take long to read. */
const longestTag = 256

const digestTag = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*)-([a-f0-9]{32,})\.([A-Za-z0-9][\w.-]*)$/

/** Reads a tag that is named after a digest; none when it is another tag. @since 0.1.0 */
export const parseDigestTag = (tag: string): Option.Option<DigestTag> => {
  const [, algorithm = "", encoded = "", suffix = ""] = (tag.length > longestTag ? null : digestTag.exec(tag)) ?? []
  return Option.map(Option.getRight(Digest.make(algorithm, encoded)), (digest) => ({ tag, digest, suffix }))
}

/**
 * The tags of a place that are named after a digest, as cosign writes them: `.sig` signatures, `.att` attestations, `.sbom` bills of
 * materials. For one digest, or all of them. Every tag of the place is listed for it.
 *
 * @since 0.1.0
 */
export const digestTags = <E>(place: ContentStore.Tags<E>, digest?: Digest.Digest | undefined): Stream.Stream<DigestTag, E> =>
  Stream.filterMap(place.tags, (tag) => Option.filter(parseDigestTag(tag), (named) => digest === undefined || named.digest === digest))
