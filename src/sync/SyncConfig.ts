/**
 * What is to be kept the same where: rules, as data that can stand in a file.
 *
 * ```json
 * {
 *   "rules": [
 *     { "name": "alpine", "source": "docker.io/library/alpine", "targets": ["registry.corp/mirror/alpine"],
 *       "tags": { "semver": ">=3.18", "latest": 5, "include": ["latest"] }, "every": "1 hour" }
 *   ]
 * }
 * ```
 *
 * @since 0.1.0
 */
import * as Cron from "effect/Cron"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TagSelection from "../client/TagSelection.ts"
import * as TextFile from "../content/internal/textFile.ts"
import { parseJson } from "../model/internal/json.ts"
import { parseReason } from "../model/internal/parseReason.ts"
import * as Platform from "../model/Platform.ts"
import * as Reference from "../model/Reference.ts"
import * as RuleText from "./internal/ruleText.ts"

/** The configuration is none; `reason` says where and why. @since 0.1.0 */
export class InvalidSyncConfig extends Schema.TaggedError<InvalidSyncConfig>("effect-oci/InvalidSyncConfig")("InvalidSyncConfig", {
  source: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.source}: ${this.reason}`
  }
}

// --- schema ---

/** Text that another module reads, kept as text: a configuration is written back as it was. */
const checked = (what: string, problem: (text: string) => string | undefined) =>
  Schema.String.pipe(
    Schema.filter((text) => problem(text) ?? true),
    Schema.annotations({ identifier: what })
  )

const leftReason = (result: Either.Either<unknown, { readonly message: string }>): string | undefined =>
  Either.isLeft(result) ? result.left.message : undefined

const Glob = Schema.Union(Schema.String, Schema.Array(Schema.String))

const TagText = checked("Tag", (text) => leftReason(Reference.parseTag(text)))

/**
 * Which tags of a repository are kept the same. All that is said must hold, as in `TagSelection.Selection`; all tags when nothing is.
 *
 * - `regex`: a regular expression, found anywhere in the tag
 * - `include`: tags that are wanted whatever the rest says
 * - `minTags`: if fewer are selected, the source is taken to be broken: nothing is copied, and nothing deleted
 *
 * @since 0.1.0
 */
export const Tags = Schema.Struct({
  glob: Schema.optional(Glob),
  exclude: Schema.optional(Glob),
  regex: Schema.optional(
    checked("RegularExpression", (text) =>
      leftReason(Either.try({ try: () => new RegExp(text), catch: () => ({ message: "no regular expression" }) }))
    )
  ),
  semver: Schema.optional(checked("VersionRange", (semver) => leftReason(TagSelection.check({ semver })))),
  prereleases: Schema.optional(Schema.Boolean),
  latest: Schema.optional(Schema.NonNegativeInt),
  include: Schema.optional(Schema.Array(TagText)),
  minTags: Schema.optional(Schema.NonNegativeInt)
})

/** @since 0.1.0 */
export type Tags = typeof Tags.Type

/**
 * Whether tags that are no longer selected are deleted at the targets, and how many at the most in one run: both `maxDelete` (10) and
 * `maxPercent` (25) of the tags that are there. If there are more to delete, none is. `foreign`: tags that this rule did not write as well,
 * default no.
 *
 * @since 0.1.0
 */
export const Prune = Schema.Struct({
  maxDelete: Schema.optionalWith(Schema.NonNegativeInt, { default: () => 10 }),
  maxPercent: Schema.optionalWith(Schema.Number.pipe(Schema.between(0, 100)), { default: () => 25 }),
  foreign: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/** @since 0.1.0 */
export type Prune = typeof Prune.Type

const ruleName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/

const RuleName = checked("RuleName", (text) =>
  ruleName.test(text) ? undefined : "a name has 1 to 128 of A-Z, a-z, 0-9, _ . - and begins and ends with a letter or digit"
)

const PlatformText = checked("Platform", (text) =>
  Either.match(Platform.parse(text), {
    onLeft: ({ message }) => message,
    onRight: ({ architecture, os }) => (os === "" || architecture === "" ? "os and architecture, such as linux/amd64" : undefined)
  })
)

const CronText = checked("Cron", (text) => {
  const cron = Cron.parse(text)
  if (Either.isLeft(cron)) return "no cron expression"
  // The 30th of February is one, and `Cron.next` throws then.
  return leftReason(Either.try({ try: () => Cron.next(cron.right), catch: () => ({ message: "a time that never comes" }) }))
})

const IntervalText = checked("Interval", (text) =>
  Option.match(Duration.decodeUnknown(text), {
    onNone: () => "no length of time, such as 10 minutes",
    onSome: (every) => (Duration.toMillis(every) >= 1000 && Duration.isFinite(every) ? undefined : "at least one second")
  })
)

/** What stands for the tag and the beginning of the digest of what is about to be replaced. */
const BackupText = checked("BackupTag", (text) => {
  if (!text.includes("{digest}")) return "{digest} must be in it, or a later backup would replace an earlier one"
  return leftReason(Reference.parseTag(RuleText.backupTag(text, "v1", "0".repeat(12))))
})

/** A tag, a repository, or all repositories below a name. */
const SourceText = checked("Source", (text) => leftReason(RuleText.readSource(text)))

const TargetText = checked("Target", (text) => leftReason(RuleText.readTarget(text)))

const Members = Schema.Struct({
  name: RuleName,
  source: SourceText,
  targets: Schema.NonEmptyArray(TargetText),
  repositories: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  tags: Schema.optional(Tags),
  platforms: Schema.optional(Schema.NonEmptyArray(PlatformText)),
  referrers: Schema.optional(Schema.Boolean),
  digestTags: Schema.optional(Schema.Boolean),
  require: Schema.optional(Schema.Array(Schema.NonEmptyString)),
  immutable: Schema.optional(Glob),
  backup: Schema.optional(BackupText),
  prune: Schema.optional(Prune),
  every: Schema.optional(IntervalText),
  cron: Schema.optional(CronText)
})

/** What cannot be seen in one member alone. */
const ruleProblem = ({ cron, every, repositories, source, targets }: typeof Members.Type): string | undefined => {
  const star = source.endsWith("/*")
  if (targets.some((target) => target.endsWith("/*") !== star)) return "either the source and all targets end in /*, or none"
  if (repositories !== undefined && !star) return "repositories are for a source that ends in /*"
  if (every !== undefined && cron !== undefined) return "every and cron are two ways to say the same"
  return new Set(targets).size === targets.length ? undefined : "a target is there twice"
}

/**
 * What is kept the same where.
 *
 * - `name`: of the rule, in reports and in the state that is kept
 * - `source`: a repository, `docker.io/library/alpine`; one tag of it, `docker.io/library/alpine:3.20`; or all repositories below a name,
 *   `registry.example.com/team/*`
 * - `targets`: repositories, or for a source with a star as many names with a star, in whose place stands what the star of the source stood for.
 *   What the source lists below such a target inside it is left out
 * - `repositories`: what the star stands for, for registries that do not list their repositories
 * - `tags`: see `Tags`
 * - `platforms`: of an index only these are copied, such as `linux/amd64`; the copy is an index of its own, with another digest
 * - `referrers`, `digestTags`: whether signatures and the like come along, by the referrers API and by tags such as `sha256-….sig`
 * - `require`: artifact types of which there must be a referrer each, or the tag is not copied
 * - `immutable`: patterns of tags that never move: once at a target they are not asked for again at the source, and never replaced
 * - `backup`: the tag under which what is about to be replaced is kept, with `{tag}` and `{digest}` (12 digits) in it
 * - `prune`: see `Prune`; nothing is deleted when absent
 * - `every`, `cron`: when it is this rule's turn in a worker that goes on for ever: one hour after its last turn unless said
 *
 * @since 0.1.0
 */
export const Rule = Members.pipe(
  Schema.filter((rule) => ruleProblem(rule) ?? true),
  Schema.annotations({ identifier: "Rule" })
)

/** @since 0.1.0 */
export type Rule = typeof Rule.Type

/** Rules by names of their own. @since 0.1.0 */
export const SyncConfig = Schema.Struct({
  rules: Schema.NonEmptyArray(Rule).pipe(
    Schema.filter((rules) => new Set(rules.map(({ name }) => name)).size === rules.length || "two rules have the same name")
  )
}).annotations({ identifier: "SyncConfig" })

/** @since 0.1.0 */
export type SyncConfig = typeof SyncConfig.Type

/** As it stands in a file. @since 0.1.0 */
export type Encoded = typeof SyncConfig.Encoded

// --- reading ---

const decode = Schema.decodeUnknownEither(SyncConfig, { onExcessProperty: "error" })

const invalid = (source: string, reason: string) => new InvalidSyncConfig({ source, reason })

const read = (config: unknown, source: string): Either.Either<SyncConfig, InvalidSyncConfig> =>
  Either.mapLeft(decode(config), (error) => invalid(source, parseReason(error)))

/** Reads what a program says; a member that no rule has is an error. `source` names it in errors. @since 0.1.0 */
export const make = (config: Encoded, source = "the configuration"): Either.Either<SyncConfig, InvalidSyncConfig> => read(config, source)

/** Reads JSON as {@link make} does. @since 0.1.0 */
export const parse = (text: string, source = "the configuration"): Either.Either<SyncConfig, InvalidSyncConfig> => {
  const json = parseJson(text.replace(/^\ufeff/, ""))
  return Either.isLeft(json) ? Either.left(invalid(source, "it is not JSON")) : read(json.right, source)
}

const limitBytes = 16 * 1024 * 1024

/** Reads a file of JSON of at most 16 MiB. @since 0.1.0 */
export const load = Effect.fn("SyncConfig.load")(function* (file: string) {
  return yield* parse(yield* TextFile.read(file, "load", limitBytes), file)
})
