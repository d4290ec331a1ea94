// How a target stands to what is copied to it: most copies have nothing to do, or only tags to set.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ContentStore from "../../content/ContentStore.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Manifest from "../../model/Manifest.ts"

/** What each of the tags stands for now. @internal */
export type Standing = ReadonlyArray<{ readonly tag: string; readonly current: Option.Option<Descriptor.Descriptor> }>

/** @internal */
export const ask = <E>(target: ContentStore.Target<E>, tags: ReadonlyArray<string>): Effect.Effect<Standing, E> =>
  Effect.forEach(tags, (tag) => Effect.map(target.current(tag), (current) => ({ tag, current })), { concurrency: 4 })

/** Whether the target has a manifest with all that is behind it, as far as it can tell. @internal */
export const holds = <E>(target: ContentStore.Target<E>, descriptor: Descriptor.Descriptor): Effect.Effect<boolean, E> =>
  ContentStore.hasKeeps<ContentStore.Target<E>, E>(target) ? target.keep(descriptor) : target.exists(descriptor)

const standsFor = (digest: string) => Option.exists<Descriptor.Descriptor>((current) => current.digest === digest)

/** What all tags stand for, when there are any and it is the same. @internal */
export const common = (standing: Standing): Option.Option<Descriptor.Descriptor> =>
  Option.filter(Option.flatten(Option.fromNullable(standing[0]?.current)), ({ digest }) =>
    standing.every(({ current }) => standsFor(digest)(current))
  )

/**
 * The tags that do not stand for a manifest yet, when the target has it: a registry has then all that it names. None when nothing says that
 * it has. It is asked only for what was named by its digest, since that was often copied before, under another tag or none.
 *
 * @internal
 */
export const lacking = <E>(
  target: ContentStore.Target<E>,
  standing: Standing,
  { descriptor }: Manifest.Manifest,
  byDigest: boolean
): Effect.Effect<Option.Option<ReadonlyArray<string>>, E> => {
  const left = standing.filter(({ current }) => !standsFor(descriptor.digest)(current)).map(({ tag }) => tag)
  if (left.length < standing.length) return Effect.succeedSome(left)
  return byDigest ? Effect.map(holds(target, descriptor), (exists) => Option.liftPredicate(left, () => exists)) : Effect.succeedNone
}
