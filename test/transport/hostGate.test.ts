import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import * as HostGate from "../../src/transport/internal/hostGate.ts"
import { withSetBack } from "../support/SetBack.ts"
import * as Steps from "../support/Steps.ts"

/** Holds a place for some time. */
const hold = (gate: HostGate.HostGate, lane: HostGate.Lane, millis: number, priority: HostGate.Priority = "small") =>
  Effect.acquireUseRelease(
    gate.enter(lane, priority),
    (pass) => pass.moving(Effect.sleep(millis)),
    (pass) => Effect.sync(pass.leave)
  )

const free = { read: 0, write: 0 }

describe("hostGate", () => {
  it.effect("lets so many in at once and no more", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 3 })
      const done: Array<number> = []
      const fiber = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 9 }, (_, index) => index),
          (index) => Effect.tap(hold(gate, "read", 1000), () => Effect.sync(() => done.push(index))),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("500 millis")
      expect(yield* gate.taken).toEqual({ read: 3, write: 0 })
      yield* TestClock.adjust("600 millis")
      expect(done.length).toBe(3)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
      expect(done.length).toBe(9)
      expect(yield* gate.taken).toEqual(free)
    })
  )

  it.effect("a writer never waits for readers", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 1 })
      const reader = yield* Effect.fork(hold(gate, "read", 10_000))
      const writer = yield* Effect.fork(hold(gate, "write", 10))
      yield* TestClock.adjust("20 millis")
      expect((yield* Fiber.poll(writer))._tag).toBe("Some")
      yield* Fiber.interrupt(reader)
      expect(yield* gate.taken).toEqual(free)
    })
  )

  it.effect("small requests overtake bulky ones", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 1 })
      const order: Array<string> = []
      const enter = (name: string, priority: HostGate.Priority) =>
        Effect.fork(Effect.tap(hold(gate, "read", 1000, priority), () => Effect.sync(() => order.push(name))))
      yield* enter("first", "bulk")
      yield* TestClock.adjust("1 millis")
      yield* enter("bulk", "bulk")
      yield* enter("small", "small")
      yield* TestClock.adjust("10 seconds")
      expect(order).toEqual(["first", "small", "bulk"])
    })
  )

  it.effect("readers that wait for each other all end, however few places there are", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 2 })
      const body = Stream.unwrapScoped(
        Effect.map(
          Effect.uninterruptibleMask((restore) =>
            Effect.tap(restore(gate.enter("read", "bulk")), (pass) => Effect.addFinalizer(() => Effect.sync(pass.leave)))
          ),
          (pass) => Stream.fromPull(Effect.map(Stream.toPull(Stream.rechunk(Stream.range(1, 4), 1)), pass.moving))
        )
      )
      const zipped = Array.from({ length: 5 }, () => body).reduce((left, right) => Stream.zipWith(left, right, (a, b) => a + b))
      const fiber = yield* Effect.fork(Stream.runCollect(zipped))
      yield* TestClock.adjust("1 minute")
      expect(Chunk.toReadonlyArray(yield* Fiber.join(fiber))).toEqual([5, 10, 15, 20])
      expect(yield* gate.taken).toEqual(free)
    })
  )

  it.effect("starts no more requests in a second than it may", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 100, requestsPerSecond: 10 })
      let started = 0
      const fiber = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 30 }),
          () =>
            Effect.acquireUseRelease(
              gate.enter("read", "small"),
              () => Effect.sync(() => started++),
              (pass) => Effect.sync(pass.leave)
            ),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("950 millis")
      expect(started).toBe(10)
      yield* TestClock.adjust("1 second")
      expect(started).toBe(20)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      expect(started).toBe(30)
    })
  )

  it.effect("a pause holds those who wait for the next start, and who waits no more leaves it to others", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 16, requestsPerSecond: 1 })
      const starts: Array<number> = []
      const start = Effect.acquireUseRelease(
        gate.enter("read", "small"),
        () => Effect.map(TestClock.currentTimeMillis, (now) => starts.push(now)),
        (pass) => Effect.sync(pass.leave)
      )
      const [first, ...waiting] = yield* Effect.replicateEffect(Effect.fork(start), 10)
      yield* TestClock.adjust("500 millis")
      expect(first?.unsafePoll()?._tag).toBe("Success")
      yield* Fiber.interruptAll(waiting)
      yield* Effect.replicateEffect(Effect.fork(start), 3)
      yield* TestClock.adjust("1 seconds")
      yield* gate.pauseFor(58_500)
      yield* TestClock.adjust("100 seconds")
      expect(starts).toEqual([0, 1000, 60_000, 61_000])
      expect(yield* gate.taken).toEqual(free)
    })
  )

  it.effect("the clock of a test may stand between two milliseconds", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(153_992.06838500002)
      const gate = HostGate.make({ concurrency: 1, requestsPerSecond: 1 })
      yield* gate.pauseFor(1000)
      const fiber = yield* Effect.fork(hold(gate, "read", 0))
      yield* TestClock.adjust("1 seconds")
      expect(fiber.unsafePoll()?._tag).toBe("Success")
    })
  )

  it.effect("a clock that is set back delays nobody", () =>
    withSetBack((setBack) =>
      Effect.gen(function* () {
        const gate = HostGate.make({ concurrency: 16, requestsPerSecond: 1 })
        yield* hold(gate, "read", 0)
        yield* setBack(3)
        const next = yield* Effect.fork(hold(gate, "read", 0))
        yield* TestClock.adjust("1 seconds")
        expect(next.unsafePoll()?._tag).toBe("Success")
        yield* gate.pauseFor(5000)
        yield* setBack(3)
        const paused = yield* Effect.fork(hold(gate, "read", 0))
        yield* TestClock.adjust("5 seconds")
        expect(paused.unsafePoll()?._tag).toBe("Success")
      })
    )
  )

  it.effect("a pause holds everybody, and a longer one counts", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 10 })
      yield* gate.pauseFor(2000)
      yield* gate.pauseFor(5000)
      yield* gate.pauseFor(3000)
      const fiber = yield* Effect.fork(hold(gate, "read", 0))
      yield* TestClock.adjust("4999 millis")
      expect((yield* Fiber.poll(fiber))._tag).toBe("None")
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
    })
  )

  it.effect("nobody waits for the end of a pause with a place in hand", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 1 })
      const body = yield* gate.enter("read", "bulk")
      yield* body.moving(Effect.void)
      yield* gate.pauseFor(60_000)
      const waiting = yield* Effect.fork(hold(gate, "read", 0))
      yield* TestClock.adjust("10 seconds")
      expect(yield* Effect.timeout(body.moving(Effect.succeed("next")), "1 second")).toBe("next")
      body.leave()
      yield* TestClock.adjust("50 seconds")
      yield* Fiber.join(waiting)
      expect(yield* gate.taken).toEqual(free)
    })
  )

  it.effect("a pause that begins while a place is waited for counts too", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 1 })
      const first = yield* Effect.fork(hold(gate, "read", 1000))
      yield* TestClock.adjust("1 millis")
      const second = yield* Effect.fork(hold(gate, "read", 0))
      yield* TestClock.adjust("1 millis")
      yield* gate.pauseFor(29_998)
      yield* TestClock.adjust("29 seconds")
      yield* Fiber.join(first)
      expect((yield* Fiber.poll(second))._tag).toBe("None")
      expect(yield* gate.taken).toEqual(free)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(second)
    })
  )

  it.effect("lends places in the order of those who wait, and a body that is being read keeps its own", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 2 })
      const busy = yield* gate.enter("read", "bulk")
      const idle = yield* gate.enter("read", "bulk")
      yield* busy.moving(Effect.void)
      yield* idle.moving(Effect.void)
      const order: Array<string> = []
      const enter = (name: string, priority: HostGate.Priority) =>
        Effect.fork(Effect.tap(hold(gate, "read", 1000, priority), () => Effect.sync(() => order.push(name))))
      const first = yield* enter("bulk", "bulk")
      const second = yield* enter("small", "small")
      for (let step = 0; step < 100; step++) {
        yield* TestClock.adjust("50 millis")
        expect(yield* Effect.timeoutOption(busy.moving(Effect.succeed(step)), 0)).toEqual(Option.some(step))
      }
      expect(order).toEqual(["small", "bulk"])
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      yield* idle.moving(Effect.void)
      busy.leave()
      idle.leave()
      expect(yield* gate.taken).toEqual(free)
    })
  )

  it.effect("no place is lost, whoever is interrupted when", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 3 }),
          fc.array(fc.record({ holds: fc.integer({ min: 0, max: 300 }), interruptAt: fc.option(fc.integer({ min: 0, max: 400 })) }), {
            maxLength: 12
          }),
          (concurrency, programs) =>
            Effect.gen(function* () {
              const gate = HostGate.make({ concurrency })
              const fibers = yield* Effect.forEach(programs, ({ holds, interruptAt }) =>
                Effect.fork(interruptAt === null ? hold(gate, "read", holds) : Effect.timeoutOption(hold(gate, "read", holds), interruptAt))
              )
              yield* TestClock.adjust("1 hour")
              yield* Effect.forEach(fibers, Fiber.join)
              expect(yield* gate.taken).toEqual(free)
            }).pipe(Effect.provide(TestContext.TestContext), Effect.runPromise)
        ),
        { numRuns: 100 }
      )
    )
  )

  it("who is interrupted while it waits is not let in later, between whichever steps the interruption comes", () => {
    for (let operation = 1; operation < 60; operation++) {
      const gate = HostGate.make({ concurrency: 1 })
      const holder = Effect.runSync(gate.enter("read", "small"))
      const { resume, scheduler } = Steps.yieldingBefore(operation)
      const fiber = Effect.runFork(hold(gate, "read", 0), { scheduler })
      fiber.unsafeInterruptAsFork(FiberId.none)
      resume()
      holder.leave()
      resume()
      expect(Effect.runSync(gate.taken), `before operation ${operation}`).toEqual(free)
    }
  })

  it.effect("who gives up a wait and begins another holds one place", () =>
    Effect.gen(function* () {
      const gate = HostGate.make({ concurrency: 1 })
      const resting = yield* gate.enter("read", "bulk")
      resting.rest()
      // Takes the place of the body that rests.
      const other = yield* Effect.fork(gate.enter("read", "small"))
      yield* TestClock.adjust("1 second")
      const busy = yield* Fiber.join(other)
      const pull = resting.moving(Effect.succeed("bytes"))
      for (let round = 0; round < 3; round++) {
        const given = yield* Effect.fork(Effect.timeoutOption(pull, "50 millis"))
        yield* TestClock.adjust("50 millis")
        expect(yield* Fiber.join(given)).toEqual(Option.none())
      }
      busy.leave()
      expect(yield* pull).toBe("bytes")
      resting.leave()
      expect(yield* gate.taken).toEqual(free)
    })
  )
})
