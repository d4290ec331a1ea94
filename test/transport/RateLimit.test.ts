import * as Headers from "@effect/platform/Headers"
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as RateLimit from "../../src/transport/RateLimit.ts"

const now = 1_800_000_000_000

const read = (headers: Record<string, string>) => RateLimit.fromHeaders("registry.test", Headers.fromInput(headers), now)

describe("RateLimit", () => {
  it("reads what Docker Hub says", () => {
    expect(read({ "RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "76;w=21600" })).toEqual(
      Option.some({ registry: "registry.test", limit: 100, remaining: 76, window: Duration.hours(6), reset: undefined })
    )
  })

  it("reads what GitHub says: a reset at a time, told as the time until then", () => {
    const headers = { "X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": String(now / 1000 + 90) }
    expect(read(headers)).toEqual(
      Option.some({ registry: "registry.test", limit: 5000, remaining: 0, window: undefined, reset: Duration.seconds(90) })
    )
  })

  it("knows nothing where nothing is said", () => {
    for (const headers of [{}, { "RateLimit-Limit": "plenty" }, { "RateLimit-Reset": "60" }]) expect(read(headers)).toEqual(Option.none())
  })
})
