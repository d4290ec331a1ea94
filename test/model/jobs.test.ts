import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as TestClock from "effect/TestClock"
import * as Jobs from "../../src/model/internal/jobs.ts"
import * as Steps from "../support/Steps.ts"

describe("jobs", () => {
  it.effect("so many at once, in the order in which they came", () =>
    Effect.gen(function* () {
      const jobs = Jobs.make(3)
      const begun: Array<number> = []
      let now = 0
      let most = 0
      const work = (index: number) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            begun.push(index)
            most = Math.max(most, ++now)
          }),
          () => Effect.yieldNow(),
          () => Effect.sync(() => now--)
        )
      yield* Effect.forEach(Array.from({ length: 20 }).keys(), (index) => Jobs.one(jobs, work(index)), { concurrency: "unbounded" })
      assert.deepStrictEqual(begun, [...Array(20).keys()])
      assert.strictEqual(most, 3)
    })
  )

  it.effect("the first failure of many pieces is told when the others have ended, and no other begins", () =>
    Effect.gen(function* () {
      const begun: Array<number> = []
      const ended: Array<number> = []
      const work = (index: number) => {
        begun.push(index)
        const end = Effect.zipRight(
          Effect.yieldNow(),
          Effect.sync(() => ended.push(index))
        )
        return index === 1
          ? Effect.zipRight(Effect.yieldNow(), Effect.fail("no"))
          : Effect.ensuring(Effect.never, Effect.sleep("1 minute").pipe(Effect.zipRight(end)))
      }
      const fiber = yield* Effect.fork(
        Effect.zip(
          Effect.flip(Jobs.forEach([0, 1, 2, 3], 2, work)),
          Effect.sync(() => [...ended])
        )
      )
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["no", [0]])
      assert.deepStrictEqual(begun, [0, 1])
    })
  )

  it.effect("who waits no longer is passed over", () =>
    Effect.gen(function* () {
      const jobs = Jobs.make(1)
      const gate = yield* Deferred.make<void>()
      const first = yield* Effect.fork(Jobs.one(jobs, Deferred.await(gate)))
      yield* Effect.yieldNow()
      const waiting = yield* Effect.fork(Jobs.one(jobs, Effect.die("it was interrupted")))
      const last = yield* Effect.fork(Jobs.one(jobs, Effect.succeed("done")))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(waiting)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(first)
      assert.strictEqual(yield* Fiber.join(last), "done")
    })
  )

  it("no place gets lost, between whichever steps the interruption comes", () => {
    for (let operation = 1; operation < 40; operation++) {
      const jobs = Jobs.make(1)
      const holder = jobs.place()
      Effect.runSync(holder.taken)
      const { resume, scheduler } = Steps.yieldingBefore(operation)
      const fiber = Effect.runFork(Jobs.one(jobs, Effect.void), { scheduler })
      // It is admitted and interrupted in one moment.
      holder.leave()
      fiber.unsafeInterruptAsFork(FiberId.none)
      resume()
      assert.isNotNull(fiber.unsafePoll(), `before operation ${operation}`)
      Effect.runSync(Jobs.one(jobs, Effect.void))
    }
  })
})
