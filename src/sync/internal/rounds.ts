/** Rounds of rules: what is planned is carried out, so much at once, and told. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { StoreError } from "../../model/RegistryError.ts"
import type { Rule } from "../SyncConfig.ts"
import type { Action, SyncError } from "./action.ts"
import type { Event, Failure, Round, Summary } from "./events.ts"
import * as Performer from "./performer.ts"
import type { Means } from "./planner.ts"
import * as Planner from "./planner.ts"

/** @internal */
export interface Options extends Means {
  readonly actions: number
  readonly jobs: number
  readonly retry: Schedule.Schedule<unknown, SyncError>
  readonly drain: Duration.DurationInput
  readonly tell: (event: Event) => Effect.Effect<unknown>
}

const nothing: Summary = { copied: 0, unchanged: 0, deleted: 0, failed: 0, bytes: 0 }

const placeOf = (action: Action): string => (action._tag === "Problem" ? action.place : action.target)

/** What is added up for an action that was done. */
const done = (sum: Summary, action: Action, { bytes, changed }: Performer.Outcome): Summary => {
  const moved = { ...sum, bytes: sum.bytes + bytes }
  if (!changed) return { ...moved, unchanged: sum.unchanged + 1 }
  return action._tag === "Delete" ? { ...moved, deleted: sum.deleted + 1 } : { ...moved, copied: sum.copied + 1 }
}

/** @internal */
export const make = (options: Options): ((rule: Rule) => Effect.Effect<Round>) => {
  const { actions, drain, retry, state, tell } = options
  const doing: Performer.Doing = { ...options, inTurn: Performer.turns() }
  const telling = (event: (at: number) => Event) => Effect.flatMap(Clock.currentTimeMillis, (at) => tell(event(at)))

  /** Never fails: how it ended goes into `tally`. */
  const perform = (rule: Rule, action: Action, tally: { summary: Summary; readonly failures: Array<Failure> }) =>
    Effect.gen(function* () {
      let attempts = 0
      let last: SyncError | undefined
      if (action._tag !== "Unchanged" && action._tag !== "Problem") yield* telling((at) => ({ _tag: "Began", action, at }))
      const attempt = Effect.suspend(() => {
        const error = last
        const again = error === undefined ? Effect.void : telling((at) => ({ _tag: "Retried", action, at, error, attempts }))
        return Effect.zipRight(again, Performer.perform(doing, rule, action))
      }).pipe(
        Effect.tapError((error) =>
          Effect.sync(() => {
            attempts += 1
            last = error
          })
        )
      )
      // A problem is one of the plan, which the next round makes anew.
      yield* Effect.matchEffect(action._tag === "Problem" ? attempt : Effect.retry(attempt, retry), {
        onSuccess: (outcome) => {
          tally.summary = done(tally.summary, action, outcome)
          return telling((at) => ({ _tag: "Done", action, at, ...outcome }))
        },
        onFailure: (error) => {
          tally.summary = { ...tally.summary, failed: tally.summary.failed + 1 }
          tally.failures.push({ place: placeOf(action), error })
          return telling((at) => ({ _tag: "Failed", action, at, error, attempts }))
        }
      })
    })

  const work = (rule: Rule, tally: { summary: Summary; readonly failures: Array<Failure> }) =>
    Effect.gen(function* () {
      const running = yield* FiberSet.make<void>()
      // Before the set interrupts them: those that are under way may come to their end.
      yield* Effect.addFinalizer(() => Effect.timeoutOption(Effect.interruptible(FiberSet.awaitEmpty(running)), drain))
      const permits = yield* Effect.makeSemaphore(Math.max(1, actions))
      const defects: Array<Cause.Cause<never>> = []
      const performed = (action: Action) =>
        Effect.tapErrorCause(perform(rule, action, tally), (cause) => Effect.sync(() => Cause.isDie(cause) && defects.push(cause)))
      yield* Stream.runForEach(Planner.plan(options, rule), (action) =>
        Effect.zipRight(permits.take(1), FiberSet.run(running, Effect.ensuring(performed(action), permits.release(1))))
      )
      yield* FiberSet.awaitEmpty(running)
      // A defect of an action is one of the round: it was neither done nor did it fail.
      const [defect] = defects
      if (defect !== undefined) yield* Effect.failCause(defect)
    }).pipe(Effect.scoped)

  return Effect.fn("SyncWorker.round")(function* (rule: Rule) {
    const startedAt = yield* Clock.currentTimeMillis
    const tally: { summary: Summary; readonly failures: Array<Failure> } = { summary: nothing, failures: [] }
    const turn = Effect.zipRight(
      telling((at) => ({ _tag: "Started", rule: rule.name, at })),
      work(rule, tally)
    )
    const failed = (error: StoreError) =>
      Effect.sync(() => {
        tally.summary = { ...tally.summary, failed: tally.summary.failed + 1 }
        tally.failures.push({ place: rule.name, error })
        return Option.some(undefined)
      })
    const had = yield* Effect.catchAll(state.alone(rule.name, turn), failed)
    const passed = Option.isNone(had)
    const endedAt = yield* Clock.currentTimeMillis
    const { failures, summary } = tally
    yield* tell(passed ? { _tag: "Passed", rule: rule.name, at: endedAt } : { _tag: "Ended", rule: rule.name, at: endedAt, summary })
    const round: Round = { rule: rule.name, passed, startedAt, endedAt, summary, failures }
    return round
  })
}
