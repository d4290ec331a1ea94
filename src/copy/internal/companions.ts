// What belongs to a copied manifest without being named by it.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as ContentStore from "../../content/ContentStore.ts"
import * as Referrers from "../../image/Referrers.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import type { LimitExceeded } from "../../model/RegistryError.ts"
import * as Graph from "../Graph.ts"
import type * as Choice from "./choice.ts"
import type { Mover } from "./mover.ts"

/**
 * The manifests of a graph and those they name, which may have been in place and so have no node; without those that are not copied.
 *
 * @internal
 */
export const manifestsOf = (node: Graph.Node, select: Choice.Chosen["select"]): ReadonlyArray<Descriptor.Descriptor> =>
  Graph.postOrder(node)
    .flatMap(({ descriptor, manifest }) => [descriptor, ...Manifest.successors(manifest).filter((entry) => select?.(entry) ?? true)])
    .filter(({ mediaType }) => MediaType.isManifest(mediaType))

/** A list may name what is not there any more. */
const isMissing = (error: unknown): boolean =>
  Predicate.isTagged(error, "ManifestUnknown") ||
  (Predicate.isTagged(error, "StoreError") && Predicate.hasProperty(error, "missing") && error.missing === true)

const ifThere = <E>(manifest: Effect.Effect<Manifest.Manifest, E>): Effect.Effect<Option.Option<Manifest.Manifest>, E> =>
  Effect.catchIf(Effect.asSome(manifest), isMissing, () => Effect.succeedNone)

/** What the target has already. @internal */
export interface Known {
  /** The digests of what it lists as referring to a manifest. */
  readonly referrers: (subject: Descriptor.Descriptor) => Effect.Effect<ReadonlySet<string>>
  readonly isTagged: (tag: string, digest: string) => Effect.Effect<boolean>
}

const none: ReadonlySet<string> = new Set()

/** Of several targets, or one that is to be looked at again: whatever it has is moved once more. */
const unknown: Known = { referrers: () => Effect.succeed(none), isTagged: () => Effect.succeed(false) }

/** A target that does not tell is taken to have nothing. @internal */
export const knownBy = <E>(target: ContentStore.Target<E>): Known => ({
  referrers: (subject) =>
    ContentStore.hasReferrers<ContentStore.Target<E>, E>(target)
      ? Effect.orElseSucceed(
          Stream.runFold(target.referrers(subject), new Set<string>(), (all, { digest }) => all.add(digest)),
          () => none
        )
      : Effect.succeed(none),
  isTagged: (tag, digest) =>
    Effect.orElseSucceed(
      Effect.map(
        target.current(tag),
        Option.exists((current) => current.digest === digest)
      ),
      () => false
    )
})

/** What refers to these manifests, and what refers to that, each once. */
const moveReferrers = <E1, E2>(
  mover: Mover<E1 | E2>,
  source: ContentStore.Source<E1>,
  known: Known,
  subjects: ReadonlyArray<Descriptor.Descriptor>
): Effect.Effect<void, E1 | E2 | LimitExceeded> => {
  if (!ContentStore.hasReferrers<ContentStore.Source<E1>, E1>(source)) return Effect.void
  const seen = new Set<string>()
  const follow = (subject: Descriptor.Descriptor): Effect.Effect<void, E1 | E2 | LimitExceeded> =>
    Effect.suspend(() => {
      if (seen.has(subject.digest)) return Effect.void
      seen.add(subject.digest)
      return Effect.flatMap(Effect.cached(known.referrers(subject)), (listed) =>
        Stream.runForEach(source.referrers(subject), (referrer) =>
          Effect.gen(function* () {
            if ((yield* listed).has(referrer.digest)) return yield* follow(referrer)
            const manifest = yield* ifThere(source.fetchManifest(referrer))
            if (Option.isNone(manifest)) return
            const node = yield* Graph.load(source, manifest.value)
            yield* mover.move(node, [])
            yield* follow(node.descriptor)
          })
        )
      )
    })
  return Effect.forEach(subjects, follow, { discard: true })
}

/** Tags that are named after a digest, as older signing tools use them: `sha256-….sig`, `.att`, `.sbom` and whatever else ends them. */
const moveDigestTags = <E1, E2>(
  mover: Mover<E1 | E2>,
  source: ContentStore.Source<E1>,
  known: Known,
  subjects: ReadonlyArray<Descriptor.Descriptor>
): Effect.Effect<void, E1 | E2 | LimitExceeded> => {
  if (!ContentStore.hasTags<ContentStore.Source<E1>, E1>(source)) return Effect.void
  const digests = new Set(subjects.map(({ digest }) => digest))
  // CNCF distribution does not know a repository that has no tags.
  const named = Stream.catchAll(Referrers.digestTags(source), (error) =>
    Predicate.isTagged(error, "NameUnknown") ? Stream.empty : Stream.fail(error)
  )
  const belonging = Stream.filter(named, ({ digest }) => digests.has(digest))
  return Stream.runForEach(belonging, ({ tag }) =>
    Effect.gen(function* () {
      const manifest = yield* ifThere(source.fetchManifest(tag))
      if (Option.isNone(manifest) || (yield* known.isTagged(tag, manifest.value.descriptor.digest))) return
      yield* mover.move(yield* Graph.load(source, manifest.value), [tag])
    })
  )
}

/** Moves what is wanted of what belongs to these manifests. @internal */
export const move = <E1, E2>(
  mover: Mover<E1 | E2>,
  source: ContentStore.Source<E1>,
  subjects: ReadonlyArray<Descriptor.Descriptor>,
  wanted: { readonly referrers?: boolean | undefined; readonly digestTags?: boolean | undefined },
  known: Known = unknown
): Effect.Effect<void, E1 | E2 | LimitExceeded> =>
  Effect.gen(function* () {
    if (wanted.referrers === true) yield* moveReferrers(mover, source, known, subjects)
    if (wanted.digestTags === true) yield* moveDigestTags(mover, source, known, subjects)
  })
