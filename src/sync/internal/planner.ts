import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as RegistryClient from "../../client/RegistryClient.ts"
import * as TagSelection from "../../client/TagSelection.ts"
import * as RemoteRepository from "../../content/RemoteRepository.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Digest from "../../model/Digest.ts"
import * as Reference from "../../model/Reference.ts"
import type { RegistryError } from "../../model/RegistryError.ts"
import type { Rule, Tags } from "../SyncConfig.ts"
import type * as SyncState from "../SyncState.ts"
import { type Action, type Problem, SyncRefused } from "./action.ts"
import * as Platforms from "./platforms.ts"
import * as RuleText from "./ruleText.ts"

/** Tags that are looked at at once. */
const width = 8

/** @internal */
export interface Means {
  readonly client: RegistryClient.Service
  readonly state: SyncState.Service
}

/** One repository and where it goes. */
interface Task {
  readonly rule: Rule
  readonly source: RemoteRepository.RemoteRepository
  readonly tag: Reference.Tag | undefined
  readonly targets: ReadonlyArray<RemoteRepository.RemoteRepository>
}

const problem = (rule: Rule, place: string, error: RegistryError | SyncRefused): Problem => ({
  _tag: "Problem",
  rule: rule.name,
  place,
  error
})

// --- repositories ---

const named = (registry: string, name: string): Either.Either<Reference.Repository, RegistryError> =>
  Reference.parseRepository(`${registry}/${name}`, { mode: "strict" })

/** What was copied to a target inside the source would be copied further down round by round. */
const isOwnCopy = (targets: ReadonlyArray<RuleText.Source>, { prefix, registry }: RuleText.Below, name: string): boolean =>
  targets.some(
    (target) =>
      target._tag === "Below" && target.registry === registry && target.prefix.length > prefix.length && name.startsWith(target.prefix)
  )

/** Each once, although a list that changes while it is read may name it twice. */
const namesBelow = (
  { client }: Means,
  { repositories }: Rule,
  source: RuleText.Below,
  targets: ReadonlyArray<RuleText.Source>
): Stream.Stream<string, RegistryError> =>
  Stream.suspend(() => {
    if (repositories !== undefined) return Stream.fromIterable(new Set(repositories))
    const seen = new Set<string>()
    return client.repositories(source.registry).pipe(
      Stream.filter((name) => name.startsWith(source.prefix) && name.length > source.prefix.length),
      Stream.filter((name) => !isOwnCopy(targets, source, name) && !seen.has(name)),
      Stream.map((name) => {
        seen.add(name)
        return name.slice(source.prefix.length)
      })
    )
  })

/** Repositories that cannot be, such as those whose names would be too long at a target, are problems of their own. */
const tasks = (means: Means, rule: Rule): Stream.Stream<Either.Either<Task, Problem>, RegistryError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const over = (repository: Reference.Repository) => RemoteRepository.over(means.client, repository)
      const source = yield* RuleText.readSource(rule.source)
      const targets = yield* Effect.forEach(rule.targets, RuleText.readTarget)
      if (source._tag === "One") {
        const repositories = targets.flatMap((target) => (target._tag === "One" ? [over(target.repository)] : []))
        return Stream.make(Either.right({ rule, source: over(source.repository), tag: source.tag, targets: repositories }))
      }
      const taskOf = (name: string): Either.Either<Task, RegistryError> =>
        Either.gen(function* () {
          const repositories = yield* Either.all(
            targets.map((target) =>
              target._tag === "Below" ? named(target.registry, `${target.prefix}${name}`) : Either.right(target.repository)
            )
          )
          const from = yield* named(source.registry, `${source.prefix}${name}`)
          return { rule, source: over(from), tag: undefined, targets: repositories.map(over) }
        })
      return Stream.map(namesBelow(means, rule, source, targets), (name) =>
        Either.mapLeft(taskOf(name), (error) => problem(rule, `${source.registry}/${source.prefix}${name}`, error))
      )
    })
  )

// --- tags ---

const selectionOf = ({ exclude, glob, latest, prereleases, regex, semver }: Tags): TagSelection.Selection => ({
  exclude,
  glob,
  latest,
  prereleases,
  semver,
  regex: regex === undefined ? undefined : new RegExp(regex)
})

/** The tags that are wanted, the selected ones first. */
const wanted = Effect.fnUntraced(function* ({ rule, source, tag }: Task) {
  if (tag !== undefined) return [tag]
  const { include = [], minTags = 0, ...filter } = rule.tags ?? {}
  const listed = Array.from(yield* Stream.runCollect(source.tags))
  const selected = yield* Stream.runCollect(TagSelection.select(selectionOf(filter))(Stream.fromIterable(listed)))
  const all = [...new Set([...selected, ...listed.filter((one) => include.includes(one))])]
  if (all.length >= minTags) return all
  return yield* new SyncRefused({ place: source.label, reason: "fewTags", detail: `${all.length} of at least ${minTags}` })
})

const isLike = (globs: string | ReadonlyArray<string> | undefined, tag: string): boolean =>
  globs !== undefined &&
  Either.getOrElse(
    Either.map(TagSelection.matcher({ glob: globs }), (matches) => matches(tag)),
    () => false
  )

/** What the tag of the source stands for, asked for when somebody wants to know, and once. */
const sourceOf = Effect.fnUntraced(function* ({ client }: Means, { rule, source }: Task, tag: string) {
  const required = rule.require ?? []
  return yield* Effect.cached(
    Effect.gen(function* () {
      const descriptor = yield* source.resolve(tag)
      for (const artifactType of required) {
        const found = yield* Stream.runHead(client.referrers(source.repository, descriptor.digest, { artifactType }))
        if (Option.isNone(found))
          return yield* new SyncRefused({ place: `${source.label}:${tag}`, reason: "missingArtifact", detail: artifactType })
      }
      return descriptor
    })
  )
})

/** What the tag of the target should stand for; unknown where only a part is copied, and was not before. */
const expected = (state: SyncState.Service, filter: string, target: string, digest: Digest.Digest) =>
  filter === ""
    ? Effect.succeed<Digest.Digest | undefined>(digest)
    : Effect.map(
        state.snapshot(target),
        Option.match({
          onNone: () => undefined,
          onSome: (kept) => (kept.filter === filter && kept.sourceDigest === digest ? kept.targetDigest : undefined)
        })
      )

const decide = (
  { state }: Means,
  { rule, source }: Task,
  tag: string,
  target: RemoteRepository.RemoteRepository,
  resolve: Effect.Effect<Descriptor.Descriptor, RegistryError | SyncRefused>
): Effect.Effect<Action> => {
  const from = `${source.label}:${tag}`
  const to = `${target.label}:${tag}`
  return Effect.gen(function* () {
    const current = Option.getOrUndefined(yield* target.current(tag))
    const common = { rule: rule.name, source: from, target: to }
    if (current !== undefined && isLike(rule.immutable, tag)) return { _tag: "Unchanged", ...common, digest: current.digest } as const
    const { digest } = yield* resolve
    const filter = Platforms.filterOf(rule)
    const goal = yield* expected(state, filter, to, digest)
    // What belongs to an image may have changed though the image has not.
    const companions = rule.referrers === true || rule.digestTags === true
    const tagged = current !== undefined && current.digest === goal
    if (tagged && !companions) return { _tag: "Unchanged", ...common, digest: current.digest } as const
    const replaces = tagged ? undefined : current?.digest
    return {
      _tag: "Copy",
      ...common,
      digest,
      filter,
      tagged,
      ...(replaces !== undefined && { replaces }),
      ...(replaces !== undefined && rule.backup !== undefined && { backup: RuleText.backupTag(rule.backup, tag, replaces) })
    } as const
  }).pipe(Effect.catchAll((error) => Effect.succeed(problem(rule, to, error))))
}

// --- deletions ---

/** Tags that stand for what belongs to other manifests. */
const isCompanion = (tag: string): boolean => /^sha(?:256|512)-[0-9a-f]{64}/.test(tag)

const unwanted = Effect.fnUntraced(function* (
  { state }: Means,
  { rule }: Task,
  target: RemoteRepository.RemoteRepository,
  kept: ReadonlySet<string>
) {
  const { prune } = rule
  if (prune === undefined) return []
  // A repository may come to be by the first tag of this very round.
  const there = Stream.catchTag(target.tags, "NameUnknown", () => Stream.empty)
  const listed = Array.from(yield* Stream.runCollect(there))
  const isBackup = (tag: string) => rule.backup !== undefined && RuleText.isBackup(rule.backup, tag)
  const candidates = listed.filter((tag) => !kept.has(tag) && !isCompanion(tag) && !isBackup(tag))
  const found = yield* Effect.forEach(
    candidates,
    (tag) =>
      Effect.gen(function* () {
        const place = `${target.label}:${tag}`
        const snapshot = Option.getOrUndefined(yield* state.snapshot(place))
        if (!prune.foreign && snapshot?.rule !== rule.name) return []
        const current = Option.getOrUndefined(yield* target.current(tag))
        if (current === undefined) return []
        if (!prune.foreign && snapshot?.targetDigest !== current.digest) return []
        return [{ _tag: "Delete", rule: rule.name, target: place, digest: current.digest } as const]
      }),
    { concurrency: width }
  )
  const deletions = found.flat()
  const most = Math.min(prune.maxDelete, Math.floor((listed.length * prune.maxPercent) / 100))
  if (deletions.length <= most) return deletions
  const detail = `${deletions.length} of ${listed.length} tags, and at most ${most} may be`
  return yield* new SyncRefused({ place: target.label, reason: "manyDeletions", detail })
})

const pruned = (means: Means, task: Task, tags: ReadonlyArray<string>): Stream.Stream<Action> => {
  const { rule, source, tag, targets } = task
  if (rule.prune === undefined || tag !== undefined) return Stream.empty
  if (tags.length === 0) {
    const detail = "none at all, and so nothing is deleted"
    return Stream.make(problem(rule, source.label, new SyncRefused({ place: source.label, reason: "fewTags", detail })))
  }
  const kept = new Set(tags)
  return Stream.flatMap(Stream.fromIterable(targets), (target) =>
    Stream.fromIterableEffect(
      Effect.catchAll(unwanted(means, task, target, kept), (error) =>
        Effect.succeed<ReadonlyArray<Action>>([problem(rule, target.label, error)])
      )
    )
  )
}

// --- the whole ---

const planTask = (means: Means, task: Task): Stream.Stream<Action> =>
  Stream.unwrap(
    Effect.map(Effect.either(wanted(task)), (found) => {
      if (Either.isLeft(found)) {
        return Stream.make<[Action]>(
          problem(task.rule, task.source.label, found.left._tag === "InvalidSelection" ? invalidSelection(task, found.left) : found.left)
        )
      }
      const tags = found.right
      const copies = Stream.mapEffect(
        Stream.fromIterable(tags),
        (tag) =>
          Effect.flatMap(sourceOf(means, task, tag), (resolve) =>
            Effect.forEach(task.targets, (target) => decide(means, task, tag, target, resolve), { concurrency: "unbounded" })
          ),
        { concurrency: width }
      )
      return Stream.concat(Stream.flattenIterables(copies), pruned(means, task, tags))
    })
  )

/** The schema of a rule refuses selections that select nothing sensible. */
const invalidSelection = ({ source }: Task, error: TagSelection.InvalidSelection): SyncRefused =>
  new SyncRefused({ place: source.label, reason: "fewTags", detail: error.message })

/** @internal */
export const plan = (means: Means, rule: Rule): Stream.Stream<Action> =>
  Stream.flatMap(
    tasks(means, rule),
    Either.match({ onLeft: (unreadable) => Stream.make<[Action]>(unreadable), onRight: (task) => planTask(means, task) })
  ).pipe(Stream.catchAll((error) => Stream.make<[Action]>(problem(rule, rule.source, error))))
