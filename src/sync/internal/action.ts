// What can be done in a round, and why something is not. `SyncPlan` exports it.
import * as Schema from "effect/Schema"
import * as Digest from "../../model/Digest.ts"
import { RegistryError } from "../../model/RegistryError.ts"

const reasons = {
  fewTags: "fewer tags are selected than there must be",
  manyDeletions: "more tags would be deleted than may be in one round",
  missingArtifact: "what must refer to the image does not",
  moved: "somebody else has moved the tag meanwhile"
} as const

/** @since 0.1.0 */
export const Reason = Schema.Literal("fewTags", "manyDeletions", "missingArtifact", "moved")

/** @since 0.1.0 */
export type Reason = typeof Reason.Type

/**
 * A rule forbids it, or what it was planned for is no longer so. `detail` has the numbers or names.
 *
 * @since 0.1.0
 */
export class SyncRefused extends Schema.TaggedError<SyncRefused>("effect-oci/SyncRefused")("SyncRefused", {
  place: Schema.String,
  reason: Reason,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.place}: ${reasons[this.reason]}: ${this.detail}`
  }
}

/** Why something could not be told or done. @since 0.1.0 */
export const SyncError = Schema.Union(RegistryError, SyncRefused)

/** @since 0.1.0 */
export type SyncError = typeof SyncError.Type

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/**
 * A tag is copied, `registry/repository:tag` to `registry/repository:tag`.
 *
 * - `digest`: what the tag of the source stands for, which is copied whatever becomes of the tag
 * - `tagged`: the tag of the target stands for it already, and only what belongs to it is looked after
 * - `replaces`: what the tag of the target stands for until then
 * - `backup`: the tag under which that is kept
 * - `filter`: what of it is copied; empty for all
 *
 * @since 0.1.0
 */
export const Copy = Schema.TaggedStruct("Copy", {
  rule: Schema.String,
  source: Schema.String,
  digest: Digest.Digest,
  target: Schema.String,
  tagged: Schema.Boolean,
  replaces: optional(Digest.Digest),
  backup: optional(Schema.String),
  filter: Schema.String
})

/** @since 0.1.0 */
export type Copy = typeof Copy.Type

/** A tag of the target is deleted, which is no longer wanted. @since 0.1.0 */
export const Delete = Schema.TaggedStruct("Delete", { rule: Schema.String, target: Schema.String, digest: Digest.Digest })

/** @since 0.1.0 */
export type Delete = typeof Delete.Type

/** A tag of the target is as it should be; `digest` is what it stands for. @since 0.1.0 */
export const Unchanged = Schema.TaggedStruct("Unchanged", {
  rule: Schema.String,
  source: Schema.String,
  target: Schema.String,
  digest: Digest.Digest
})

/** @since 0.1.0 */
export type Unchanged = typeof Unchanged.Type

/** What should be done could not be found out, or is not allowed. @since 0.1.0 */
export const Problem = Schema.TaggedStruct("Problem", { rule: Schema.String, place: Schema.String, error: SyncError })

/** @since 0.1.0 */
export type Problem = typeof Problem.Type

/** @since 0.1.0 */
export const Action = Schema.Union(Copy, Delete, Unchanged, Problem)

/** @since 0.1.0 */
export type Action = typeof Action.Type
