import * as Headers from "@effect/platform/Headers"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as TestClock from "effect/TestClock"
import * as RetryAfter from "../../src/http/internal/retryAfter.ts"

const now = Date.parse("Sun, 06 Nov 1994 08:49:07 GMT")
const millis = (text: string | undefined, at = now) => {
  const wait = RetryAfter.parse(text, at)
  return wait === undefined ? undefined : Duration.toMillis(wait)
}

describe("retryAfter", () => {
  it("reads seconds", () => {
    assert.strictEqual(millis("120"), 120_000)
    assert.strictEqual(millis(" 0 "), 0)
  })

  it("reads the three forms of a date, whatever the local time zone", () => {
    assert.strictEqual(millis("Sun, 06 Nov 1994 08:49:37 GMT"), 30_000)
    assert.strictEqual(millis("Sunday, 06-Nov-94 08:49:37 GMT"), 30_000)
    assert.strictEqual(millis("Sun Nov  6 08:49:37 1994"), 30_000)
  })

  it("takes the past for now, and has an end", () => {
    assert.strictEqual(millis("Sun, 06 Nov 1994 08:00:00 GMT"), 0)
    assert.strictEqual(millis("999999999999"), Duration.toMillis(Duration.days(366)))
    assert.strictEqual(millis("Fri, 31 Dec 9999 23:59:59 GMT"), Duration.toMillis(Duration.days(366)))
  })

  it.effect("goes by the server's clock where the server tells it", () =>
    Effect.gen(function* () {
      const wait = (headers: Readonly<Record<string, string>>) =>
        Effect.map(RetryAfter.of(Headers.fromInput(headers)), (wait) => wait && Duration.toMillis(wait))
      const date = "Sun, 06 Nov 1994 08:49:37 GMT"
      yield* TestClock.setTime(now - 3_600_000)
      assert.strictEqual(yield* wait({ "retry-after": date, date: "Sun, 06 Nov 1994 08:49:07 GMT" }), 30_000)
      assert.strictEqual(yield* wait({ "retry-after": "5", date }), 5000)
      assert.strictEqual(yield* wait({ "retry-after": date, date: "now" }), 3_630_000)
      assert.isUndefined(yield* wait({ date }))
      yield* TestClock.setTime(now + 3_600_000)
      assert.strictEqual(yield* wait({ "retry-after": date, date: "Sun, 06 Nov 1994 08:49:07 GMT" }), 30_000)
      assert.strictEqual(yield* wait({ "retry-after": date }), 0)
    })
  )

  it("ignores what is neither", () => {
    for (const bad of [undefined, "", "-1", "1.5", "soon", "Soon, 5", "Sun, 99 Foo 1994 08:49:37 GMT"]) assert.isUndefined(millis(bad), bad)
  })

  it("reads every date it could be told", () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 30_000_000 }), (seconds) => {
        assert.strictEqual(millis(new Date(now + seconds * 1000).toUTCString()), seconds * 1000)
      })
    ))

  it("never throws and never waits less than nothing", () =>
    fc.assert(fc.property(fc.string(), fc.integer(), (text, at) => (millis(text, at) ?? 0) >= 0)))
})
