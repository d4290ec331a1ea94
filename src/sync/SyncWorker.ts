/**
 * Keeps places the same: carries out what `SyncPlan` finds to do, round by round, each rule at its time.
 *
 * ```ts
 * const worker = yield* SyncWorker.make(yield* SyncConfig.load("sync.json"))
 * const rounds = yield* worker.round()
 * ```
 *
 * A tag that fails leaves the others alone. Work that was cut off, by a failure, an interruption or the end of the process, goes on in the next
 * round: content that has arrived is not sent again, and tags are written last. Several workers with the same rules share the work through
 * `SyncState`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Cron from "effect/Cron"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as RegistryClient from "../client/RegistryClient.ts"
import * as RegistryError from "../model/RegistryError.ts"
import type { Action, SyncError } from "./internal/action.ts"
import type { Event, Round } from "./internal/events.ts"
import type { Outcome } from "./internal/performer.ts"
import * as Performer from "./internal/performer.ts"
import * as Rounds from "./internal/rounds.ts"
import type * as SyncConfig from "./SyncConfig.ts"
import * as SyncState from "./SyncState.ts"

export {
  /** @since 0.1.0 */
  Event,
  /** @since 0.1.0 */
  Failure,
  /** @since 0.1.0 */
  Round,
  /** @since 0.1.0 */
  Summary
} from "./internal/events.ts"
export type {
  /** @since 0.1.0 */
  Outcome
} from "./internal/performer.ts"

/**
 * - `rules`: rules that may be at work at once, at least one, default 2
 * - `actions`: copies and deletions of one rule that may be at work at once, at least one, default 4
 * - `jobs`: pieces of content that one copy may move at once, default 8
 * - `retry`: when an action that failed is tried again, if its failure may pass; three times by default, after 5, 10 and 20 seconds. Single
 *   requests are retried before that, by `RetryPolicy`
 * - `drain`: how long actions that are under way may go on when a round is interrupted, default 25 seconds; no others are begun
 *
 * @since 0.1.0
 */
export interface Options {
  readonly rules?: number | undefined
  readonly actions?: number | undefined
  readonly jobs?: number | undefined
  readonly retry?: Schedule.Schedule<unknown, SyncError> | undefined
  readonly drain?: Duration.DurationInput | undefined
}

/** How a rule is. `last`: its last round here. @since 0.1.0 */
export interface Health {
  readonly rule: string
  readonly running: boolean
  readonly last: Option.Option<Round>
}

/** @since 0.1.0 */
export interface Worker {
  /** A round of each rule, or of those with these names. It does not fail: what did not succeed is in the rounds. */
  readonly round: (names?: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Round>>
  /** Goes on until it is interrupted. A rule with `cron` begins at the first time that fits, the others at once. */
  readonly serve: Effect.Effect<never>
  /** What happens from now on; a reader that is too slow misses the oldest. */
  readonly events: Stream.Stream<Event>
  readonly health: Effect.Effect<ReadonlyArray<Health>>
}

const isPassing = (error: SyncError): boolean => error._tag !== "SyncRefused" && RegistryError.isRetryable(error)

const usualRetry = Schedule.intersect(Schedule.exponential("5 seconds"), Schedule.recurs(3))

const defaultInterval = Duration.hours(1)

const defaultJobs = 8

const eventsKept = 4096

/** The timers of a platform go no further than 24 days, and a wait that is longer would never end. */
const longestSleep = Duration.days(1)

const sleepUntil = (atMillis: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    atMillis <= now
      ? Effect.void
      : Effect.zipRight(
          Effect.sleep(Duration.min(Duration.millis(atMillis - now), longestSleep)),
          Effect.suspend(() => sleepUntil(atMillis))
        )
  )

/** How long after its last round a rule has to wait. */
const waitOf = ({ cron, every }: SyncConfig.Rule, nowMillis: number): Duration.Duration => {
  const parsed = cron === undefined ? Option.none<Cron.Cron>() : Either.getRight(Cron.parse(cron))
  if (Option.isSome(parsed)) return Duration.millis(Cron.next(parsed.value, nowMillis).getTime() - nowMillis)
  return every === undefined ? defaultInterval : Option.getOrElse(Duration.decodeUnknown(every), () => defaultInterval)
}

/**
 * Carries out one action of a plan of the rule, for who looks plans over first. Nothing is done that is no longer what was planned: a tag that
 * somebody has moved meanwhile is left alone, and `SyncPlan.SyncRefused` says so.
 *
 * @since 0.1.0
 */
export const perform: (
  rule: SyncConfig.Rule,
  action: Action
) => Effect.Effect<Outcome, SyncError, RegistryClient.RegistryClient | SyncState.SyncState> = Effect.fn("SyncWorker.perform")(
  (rule: SyncConfig.Rule, action: Action) =>
    Effect.flatMap(Effect.all({ client: RegistryClient.RegistryClient, state: SyncState.SyncState }), (means) =>
      Performer.perform({ ...means, jobs: defaultJobs, inTurn: Performer.turns() }, rule, action)
    )
)

/** The registries and the state are those of the context; everything ends with the scope. @since 0.1.0 */
export const make: (
  config: SyncConfig.SyncConfig,
  options?: Options
) => Effect.Effect<Worker, never, RegistryClient.RegistryClient | SyncState.SyncState | Scope.Scope> = Effect.fn("SyncWorker.make")(
  function* (config: SyncConfig.SyncConfig, options: Options = {}) {
    const pubsub = yield* Effect.acquireRelease(PubSub.sliding<Event>(eventsKept), PubSub.shutdown)
    const rounds = Rounds.make({
      client: yield* RegistryClient.RegistryClient,
      state: yield* SyncState.SyncState,
      actions: options.actions ?? 4,
      jobs: options.jobs ?? defaultJobs,
      retry: Schedule.whileInput(options.retry ?? usualRetry, isPassing),
      drain: options.drain ?? Duration.seconds(25),
      tell: (event) => PubSub.publish(pubsub, event)
    })
    const permits = yield* Effect.makeSemaphore(Math.max(1, options.rules ?? 2))
    /** How many rounds: one may be asked for while another goes on, and is passed over then. */
    const running = new Map<string, number>()
    const count = (name: string, by: number) => Effect.sync(() => running.set(name, (running.get(name) ?? 0) + by))
    const last = new Map<string, Round>()

    const one = (rule: SyncConfig.Rule): Effect.Effect<Round> =>
      permits
        .withPermits(1)(
          Effect.acquireUseRelease(
            count(rule.name, 1),
            () => rounds(rule),
            () => count(rule.name, -1)
          )
        )
        .pipe(Effect.tap((round) => Effect.sync(() => last.set(rule.name, round))))

    const turns = Effect.fnUntraced(function* (rule: SyncConfig.Rule) {
      const wait = Effect.flatMap(Clock.currentTimeMillis, (now) => sleepUntil(now + Duration.toMillis(waitOf(rule, now))))
      if (rule.cron !== undefined) yield* wait
      return yield* Effect.forever(Effect.zipRight(one(rule), wait))
    })

    const worker: Worker = {
      round: (names) =>
        Effect.forEach(
          config.rules.filter(({ name }) => names === undefined || names.includes(name)),
          one,
          { concurrency: "unbounded" }
        ),
      serve: Effect.zipRight(Effect.forEach(config.rules, turns, { concurrency: "unbounded", discard: true }), Effect.never),
      events: Stream.fromPubSub(pubsub),
      health: Effect.sync(() =>
        config.rules.map(({ name }) => ({ rule: name, running: (running.get(name) ?? 0) > 0, last: Option.fromNullable(last.get(name)) }))
      )
    }
    return worker
  }
)
