/** Carries out one action, and nothing that is no longer what was planned. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RemoteRepository from "../../content/RemoteRepository.ts"
import * as CopyOf from "../../copy/Copy.ts"
import * as Reference from "../../model/Reference.ts"
import { InvalidReference } from "../../model/RegistryError.ts"
import type { Rule } from "../SyncConfig.ts"
import { type Action, type Copy, type Delete, type SyncError, SyncRefused, type Unchanged } from "./action.ts"
import type { Means } from "./planner.ts"
import * as Platforms from "./platforms.ts"

/** Whether anything is other than before, and the bytes of content that were moved. @since 0.1.0 */
export interface Outcome {
  readonly changed: boolean
  readonly bytes: number
}

const unchanged: Outcome = { changed: false, bytes: 0 }

/** A tag of a repository, out of the text of an action. */
const placeOf = Effect.fnUntraced(function* ({ client }: Means, text: string) {
  const { repository, tag } = yield* Reference.parse(text, { mode: "strict" })
  if (tag === undefined) return yield* new InvalidReference({ input: text, reason: "it has no tag" })
  return { repository: RemoteRepository.over(client, repository), tag }
})

const moved = (place: string, found: string | undefined) =>
  new SyncRefused({ place, reason: "moved", detail: found === undefined ? "it is gone" : `it stands for ${found}` })

const copy = Effect.fnUntraced(function* (means: Means, rule: Rule, jobs: number, action: Copy) {
  const { state } = means
  const source = yield* placeOf(means, action.source)
  const target = yield* placeOf(means, action.target)
  const snapshot = { rule: action.rule, sourceDigest: action.digest, filter: action.filter, at: yield* Clock.currentTimeMillis }
  if (action.replaces !== undefined) {
    const current = yield* target.repository.current(target.tag)
    const now = Option.getOrUndefined(current)
    // An earlier attempt may have written the tag and not heard of it.
    if (now?.digest !== action.digest) {
      if (now?.digest !== action.replaces) return yield* moved(action.target, now?.digest)
      if (action.backup !== undefined) yield* target.repository.tag(now, action.backup)
    }
  }
  // Before the copy, so that a tag that was written just before a crash is known to be ours.
  yield* state.remember(action.target, snapshot)
  const result = yield* CopyOf.copy(source.repository, action.digest, target.repository, {
    tags: action.tagged ? [] : [target.tag],
    jobs,
    platforms: Platforms.choiceOf(rule),
    referrers: rule.referrers,
    digestTags: rule.digestTags
  })
  yield* state.remember(action.target, { ...snapshot, targetDigest: result.descriptor.digest })
  // What belongs to an image is looked at each time, and mostly there.
  const { blobs, bytes, manifests, mounted } = result
  const outcome: Outcome = { changed: !action.tagged || blobs + manifests + mounted > 0, bytes }
  return outcome
})

const remove = Effect.fnUntraced(function* (means: Means, action: Delete) {
  const target = yield* placeOf(means, action.target)
  const current = Option.getOrUndefined(yield* target.repository.current(target.tag))
  // Somebody else has deleted it: that is what was wanted.
  if (current !== undefined) {
    if (current.digest !== action.digest) return yield* moved(action.target, current.digest)
    yield* target.repository.untag(target.tag)
  }
  yield* means.state.forget(action.target)
  const outcome: Outcome = { changed: current !== undefined, bytes: 0 }
  return outcome
})

/** A copy that was cut off between its tag and what is remembered of it is ours all the same. */
const leave = Effect.fnUntraced(function* ({ state }: Means, action: Unchanged) {
  const snapshot = Option.getOrUndefined(yield* state.snapshot(action.target))
  if (snapshot !== undefined && snapshot.targetDigest === undefined && snapshot.sourceDigest === action.digest) {
    yield* state.remember(action.target, { ...snapshot, targetDigest: action.digest })
  }
  return unchanged
})

/** @internal */
export const perform = (means: Means, rule: Rule, jobs: number, action: Action): Effect.Effect<Outcome, SyncError> => {
  switch (action._tag) {
    case "Copy":
      return copy(means, rule, jobs, action)
    case "Delete":
      return remove(means, action)
    case "Unchanged":
      return leave(means, action)
    case "Problem":
      return Effect.fail(action.error)
  }
}
