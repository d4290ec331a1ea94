/**
 * What a round of a rule would do, as data: what is copied where, what is deleted, what is as it should be, and what cannot be told. A dry run
 * prints it, and `SyncWorker` carries out the very same.
 *
 * ```ts
 * const plan = SyncPlan.make(rule)
 * yield* Stream.runForEach(plan, (action) => Console.log(SyncPlan.format(action)))
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RegistryClient from "../client/RegistryClient.ts"
import type { Action, Copy } from "./internal/action.ts"
import * as Planner from "./internal/planner.ts"
import type * as SyncConfig from "./SyncConfig.ts"
import * as SyncState from "./SyncState.ts"

export {
  /** @since 0.1.0 */
  Action,
  /** @since 0.1.0 */
  Copy,
  /** @since 0.1.0 */
  Delete,
  /** @since 0.1.0 */
  Problem,
  /** @since 0.1.0 */
  Reason,
  /** @since 0.1.0 */
  SyncError,
  /** @since 0.1.0 */
  SyncRefused,
  /** @since 0.1.0 */
  Unchanged
} from "./internal/action.ts"

/**
 * Looks what a rule has to do, and does none of it. A repository that cannot be listed and a tag that cannot be asked for are `Problem`s of their
 * own, and the others go on. Actions come as they are found out: tags in the order of the selection, for each one its targets in their order,
 * and the deletions of a repository at its end.
 *
 * For a tag that is as it should be the source and each target get one `HEAD`, and the source none where the tag is immutable.
 *
 * @since 0.1.0
 */
export const make = (rule: SyncConfig.Rule): Stream.Stream<Action, never, RegistryClient.RegistryClient | SyncState.SyncState> =>
  Stream.unwrap(
    Effect.map(Effect.all({ client: RegistryClient.RegistryClient, state: SyncState.SyncState }), (means) => Planner.plan(means, rule))
  )

/** A name for an action, equal for what would be the same done twice. @since 0.1.0 */
export const key = (action: Action): string => {
  switch (action._tag) {
    case "Copy":
      return `copy ${action.source}@${action.digest} ${action.filter} ${action.target}`
    case "Delete":
      return `delete ${action.target}@${action.digest}`
    case "Unchanged":
      return `unchanged ${action.target}@${action.digest}`
    case "Problem":
      return `problem ${action.place} ${action.error._tag}`
  }
}

const replaced = ({ backup, replaces }: Copy): string => {
  if (replaces === undefined) return ""
  return backup === undefined ? `, in place of ${replaces}` : `, in place of ${replaces}, which is kept as ${backup}`
}

/** In one line, for people. @since 0.1.0 */
export const format = (action: Action): string => {
  switch (action._tag) {
    case "Copy": {
      const filter = action.filter === "" ? "" : ` (${action.filter})`
      return `copy ${action.source} ${action.digest}${filter} to ${action.target}${replaced(action)}`
    }
    case "Delete":
      return `delete ${action.target} ${action.digest}`
    case "Unchanged":
      return `leave ${action.target} ${action.digest}`
    case "Problem":
      return `cannot ${action.place}: ${action.error.message}`
  }
}
