import * as Headers from "@effect/platform/Headers"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as fc from "effect/FastCheck"
import * as RateLimitHeader from "../../src/http/internal/rateLimitHeader.ts"

const parse = (headers: Record<string, string>, now = 0) => RateLimitHeader.parse(Headers.fromInput(headers), now)

describe("rateLimitHeader", () => {
  it("reads Docker Hub's", () => {
    assert.deepStrictEqual(parse({ "RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "76;w=21600" }), {
      limit: 100,
      remaining: 76,
      window: Duration.seconds(21600),
      reset: undefined
    })
  })

  it("reads the X- forms, with a reset in seconds or at an epoch second", () => {
    assert.deepStrictEqual(
      parse({ "x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "30" })?.reset,
      Duration.seconds(30)
    )
    const epoch = parse({ "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000060" }, 1_700_000_000_000)
    assert.deepStrictEqual(epoch?.reset, Duration.minutes(1))
  })

  it("is silent without", () => {
    assert.isUndefined(parse({}))
    assert.isUndefined(parse({ "ratelimit-limit": "many", "ratelimit-reset": "5" }))
  })

  it("never throws", () =>
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (limit, remaining, reset) => {
        parse({ "ratelimit-limit": limit, "ratelimit-remaining": remaining, "ratelimit-reset": reset })
      })
    ))
})
