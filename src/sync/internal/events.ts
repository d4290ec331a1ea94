// What a worker tells of its rounds. `SyncWorker` exports it.
import * as Schema from "effect/Schema"
import { Action, SyncError } from "./action.ts"

/** What a round did; `bytes` are those of content that was moved. @since 0.1.0 */
export const Summary = Schema.Struct({
  copied: Schema.Int,
  unchanged: Schema.Int,
  deleted: Schema.Int,
  failed: Schema.Int,
  bytes: Schema.Number
})

/** @since 0.1.0 */
export type Summary = typeof Summary.Type

/**
 * What happens, in the order in which it does. Times are milliseconds since 1970.
 *
 * - `Started`: a round of a rule
 * - `Passed`: another worker is at the same rule, which is its turn then
 * - `Began`, `Retried`, `Done`, `Failed`: an action; `attempts` counts the failed ones; `changed` says whether anything is other
 *   than before, and `bytes` are those of content that was moved
 * - `Ended`: a round
 *
 * @since 0.1.0
 */
export const Event = Schema.Union(
  Schema.TaggedStruct("Started", { rule: Schema.String, at: Schema.Number }),
  Schema.TaggedStruct("Passed", { rule: Schema.String, at: Schema.Number }),
  Schema.TaggedStruct("Began", { action: Action, at: Schema.Number }),
  Schema.TaggedStruct("Retried", { action: Action, at: Schema.Number, error: SyncError, attempts: Schema.Int }),
  Schema.TaggedStruct("Done", { action: Action, at: Schema.Number, changed: Schema.Boolean, bytes: Schema.Number }),
  Schema.TaggedStruct("Failed", { action: Action, at: Schema.Number, error: SyncError, attempts: Schema.Int }),
  Schema.TaggedStruct("Ended", { rule: Schema.String, at: Schema.Number, summary: Summary })
)

/** @since 0.1.0 */
export type Event = typeof Event.Type

/** What could not be done, and where. @since 0.1.0 */
export const Failure = Schema.Struct({ place: Schema.String, error: SyncError })

/** @since 0.1.0 */
export type Failure = typeof Failure.Type

/** A round of one rule. `passed`: it was another worker's turn. @since 0.1.0 */
export const Round = Schema.Struct({
  rule: Schema.String,
  passed: Schema.Boolean,
  startedAt: Schema.Number,
  endedAt: Schema.Number,
  summary: Summary,
  failures: Schema.Array(Failure)
})

/** @since 0.1.0 */
export type Round = typeof Round.Type
