import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import { TransportError, type TransportReason } from "../../src/model/RegistryError.ts"
import * as RetryPolicy from "../../src/transport/RetryPolicy.ts"
import { type Deviation, deviation, load } from "../vectors/Vectors.ts"

const failure = (reason: TransportReason, retryable: boolean) =>
  new TransportError({ registry: "r.test", operation: "get", method: "GET", url: "https://r.test/v2/", reason, detail: "x", retryable })

/** How many attempts a schedule leads to, and the waits between them, with the random part fixed. */
const run = (policy: RetryPolicy.Backoff, random: number) =>
  Effect.gen(function* () {
    const waits: Array<number> = []
    const driver = yield* Schedule.driver(RetryPolicy.backoff(policy))
    const start = yield* TestClock.currentTimeMillis
    const loop: Effect.Effect<void> = Effect.flatMap(Effect.option(driver.next(undefined)), (next) =>
      next._tag === "None"
        ? Effect.void
        : Effect.flatMap(TestClock.currentTimeMillis, (now) => {
            waits.push(now - start - waits.reduce((sum, wait) => sum + wait, 0))
            return loop
          })
    )
    const fiber = yield* Effect.fork(loop)
    yield* TestClock.adjust("1 hour")
    yield* Fiber.join(fiber)
    return waits
  }).pipe(Effect.withRandom(Random.fixed([random])))

const BackoffRow = Schema.Struct({
  input: Schema.Struct({
    durationMs: Schema.Number,
    factor: Schema.Number,
    jitter: Schema.Number,
    steps: Schema.Number,
    capMs: Schema.Number
  }),
  expectedAttempts: Schema.Number,
  expectedSleepRangesMs: Schema.Array(Schema.Tuple(Schema.Number, Schema.Number))
})

const backoffDeviations: ReadonlyArray<Deviation<typeof BackoffRow.Type>> = [
  {
    name: "a cap bounds the waits",
    reason: "in Go reaching the cap ends the attempts, which surprises; here the waits stop growing",
    applies: ({ input }) => input.capMs > 0
  },
  {
    name: "no attempt at all",
    reason: "in Go zero steps send nothing and succeed; here the request is always sent once",
    applies: ({ input }) => input.steps === 0
  }
]

describe("RetryPolicy", () => {
  describe("backoff.json", () => {
    for (const [index, row] of load("backoff", BackoffRow).entries()) {
      it.effect(`row ${index}: ${JSON.stringify(row.input)}`, () =>
        Effect.gen(function* () {
          const { input } = row
          const policy: RetryPolicy.Backoff = {
            initial: input.durationMs,
            factor: input.factor,
            jitter: input.jitter,
            attempts: input.steps,
            ...(input.capMs > 0 ? { cap: input.capMs } : {})
          }
          const shortest = yield* run(policy, 0)
          const longest = yield* run(policy, 1)
          if (deviation(backoffDeviations, row) === undefined) {
            expect(shortest.length + 1).toBe(row.expectedAttempts)
            expect(shortest).toEqual(row.expectedSleepRangesMs.map(([low]) => low))
            longest.forEach((wait, step) => {
              expect(wait).toBeCloseTo(row.expectedSleepRangesMs[step]?.[1] ?? Number.NaN, 3)
            })
            return
          }
          expect(shortest.length).toBe(Math.max(0, input.steps - 1))
          if (input.capMs > 0) {
            for (const wait of shortest) expect(wait).toBeLessThanOrEqual(input.capMs)
            for (const wait of longest) expect(wait).toBeLessThanOrEqual(input.capMs * (1 + input.jitter) + 1)
          }
        })
      )
    }
  })

  it.effect("a back-off may have any number of attempts, and no end", () =>
    Effect.gen(function* () {
      for (const attempts of [500_000, Number.POSITIVE_INFINITY]) {
        const driver = yield* Schedule.driver(RetryPolicy.backoff({ initial: 0, factor: 2, jitter: 0.1, attempts, cap: "1 second" }))
        for (let wait = 0; wait < 2000; wait++) yield* driver.next(undefined)
        expect(Option.getOrThrow(yield* Effect.option(driver.next(undefined)))).toEqual(Duration.zero)
      }
    })
  )

  describe("retry.json", () => {
    const Defaults = Schema.Struct({
      durationMs: Schema.Number,
      factor: Schema.Number,
      jitter: Schema.Number,
      steps: Schema.Number,
      retryStatusCodes: Schema.optional(Schema.Array(Schema.Number))
    })
    const Row = Schema.Struct({
      name: Schema.String,
      input: Schema.Unknown,
      expected: Schema.optional(Defaults),
      expectedCalls: Schema.optional(Schema.Number),
      expectedRetries: Schema.optional(Schema.Boolean)
    })
    const Attempts = Schema.Struct({
      options: Schema.Struct({
        backoff: Schema.Struct({ steps: Schema.Number }),
        retryStatusCodes: Schema.Array(Schema.Number)
      }),
      never: Schema.optional(Schema.Boolean),
      attempts: Schema.Array(Schema.Struct({ status: Schema.optional(Schema.Number), error: Schema.optional(Schema.String) }))
    })
    const Predicate = Schema.Struct({
      predicate: Schema.String,
      error: Schema.NullOr(Schema.String),
      backoff: Schema.Struct({ steps: Schema.Number })
    })
    const isAttempts = Schema.is(Attempts)
    const isPredicate = Schema.is(Predicate)

    /** The number of requests a policy makes when the outcomes are these. */
    const calls = (
      policy: RetryPolicy.Service,
      outcomes: ReadonlyArray<{ readonly status?: number | undefined; readonly error?: string | undefined }>
    ) =>
      Effect.gen(function* () {
        const driver = yield* Schedule.driver(policy.schedule)
        let made = 0
        for (const outcome of outcomes) {
          made++
          const repeats =
            outcome.status !== undefined
              ? policy.retriesStatus("GET", outcome.status)
              : policy.retriesError("GET", failure("aborted", outcome.error === "temporary"))
          if (!repeats) break
          const next = yield* Effect.option(driver.next(undefined))
          if (next._tag === "None") break
        }
        return made
      })

    for (const [index, row] of load("retry", Row).entries()) {
      it.effect(`row ${index}: ${row.name}`, () =>
        Effect.gen(function* () {
          const { input } = row
          if (isAttempts(input)) {
            const policy =
              input.never === true
                ? RetryPolicy.none
                : RetryPolicy.make({
                    schedule: RetryPolicy.backoff({ initial: 0, factor: 0, jitter: 0, attempts: input.options.backoff.steps }),
                    statuses: input.options.retryStatusCodes
                  })
            expect(yield* calls(policy, input.attempts)).toBe(row.expectedCalls)
          } else if (isPredicate(input)) {
            const policy = RetryPolicy.make({
              schedule: RetryPolicy.backoff({ initial: 0, factor: 0, jitter: 0, attempts: input.backoff.steps }),
              while: input.predicate === "isNotNil" ? () => true : (error) => error.retryable
            })
            // A deadline that passed is not temporary, whatever wraps it; no error means success.
            const temporary = input.error !== null && /temporary/.test(input.error) && !/not temporary|deadline/i.test(input.error)
            const outcome = input.error === null ? { status: 200 } : { error: temporary ? "temporary" : "permanent" }
            expect(
              yield* calls(
                policy,
                Array.from({ length: 20 }, () => outcome)
              )
            ).toBe(row.expectedCalls)
          } else {
            const expected = row.expected
            expect(expected).toBeDefined()
            if (expected === undefined) return
            // The bare retry transport of Go begins with 100 ms and knows no statuses; our default is that of its `remote` package.
            const policy: RetryPolicy.Backoff =
              expected.durationMs === 100 ? { ...RetryPolicy.defaultBackoff, initial: "100 millis" } : RetryPolicy.defaultBackoff
            expect({
              durationMs: Duration.toMillis(policy.initial),
              factor: policy.factor,
              jitter: policy.jitter,
              steps: policy.attempts
            }).toEqual({ durationMs: expected.durationMs, factor: expected.factor, jitter: expected.jitter, steps: expected.steps })
            if (expected.retryStatusCodes !== undefined && expected.retryStatusCodes.length > 0) {
              expect([...RetryPolicy.defaultStatuses].sort()).toEqual([...expected.retryStatusCodes].sort())
            }
          }
        })
      )
    }
  })

  it("leaves PATCH to the upload", () => {
    const policy = RetryPolicy.make()
    expect(policy.retriesStatus("PATCH", 503)).toBe(false)
    expect(policy.retriesStatus("PUT", 503)).toBe(true)
    expect(policy.retriesError("PATCH", failure("aborted", true))).toBe(false)
  })

  it("is patient when asked to be", () => {
    const usual = RetryPolicy.make()
    const patient = RetryPolicy.make(RetryPolicy.patient)
    expect([usual.maxThrottled, usual.maxResumes]).toEqual([10, 5])
    expect([patient.maxThrottled, patient.maxResumes]).toEqual([100, 20])
    expect(patient.maxRetryAfter).toEqual(usual.maxRetryAfter)
  })

  it.effect("waits longer and longer where it is patient, up to 10 s and half as much again", () =>
    Effect.gen(function* () {
      const driver = yield* Schedule.driver(RetryPolicy.make(RetryPolicy.patient).schedule)
      const times: Array<number> = []
      const loop: Effect.Effect<void> = Effect.flatMap(Effect.option(driver.next(undefined)), (next) =>
        next._tag === "None"
          ? Effect.void
          : Effect.flatMap(TestClock.currentTimeMillis, (now) =>
              Effect.zipRight(
                Effect.sync(() => times.push(now)),
                loop
              )
            )
      )
      const fiber = yield* Effect.fork(loop)
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(fiber)
      const waits = times.map((time, at) => time - (times[at - 1] ?? 0))
      expect(waits).toEqual([375, 750, 1500, 3000, 6000, 12_000, ...Array.from({ length: 8 }, () => 15_000)])
    }).pipe(Effect.withRandom(Random.fixed([1])))
  )
})
