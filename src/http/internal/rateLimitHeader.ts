import type * as Headers from "@effect/platform/Headers"
import * as Duration from "effect/Duration"

/** @internal */
export interface Budget {
  readonly limit?: number | undefined
  readonly remaining?: number | undefined
  readonly window?: Duration.Duration | undefined
  readonly reset?: Duration.Duration | undefined
}

const integer = (text: string | undefined): number | undefined => {
  const digits = /^\s*(\d{1,15})/.exec(text ?? "")?.[1]
  return digits === undefined ? undefined : Number(digits)
}

const windowOf = (text: string | undefined): Duration.Duration | undefined => {
  const seconds = integer(/;\s*w=([^;]*)/.exec(text ?? "")?.[1])
  return seconds === undefined ? undefined : Duration.seconds(seconds)
}

/** A reset is told in seconds from now, or, when it is too large for that, as a time in epoch seconds (GitHub). */
const resetOf = (text: string | undefined, nowMillis: number): Duration.Duration | undefined => {
  const seconds = integer(text)
  if (seconds === undefined) return undefined
  return seconds > 1_000_000_000 ? Duration.millis(Math.max(0, seconds * 1000 - nowMillis)) : Duration.seconds(seconds)
}

/**
 * `RateLimit-Limit: 100;w=21600`, `RateLimit-Remaining`, `RateLimit-Reset` (Docker Hub) or their `X-` forms (GitHub).
 *
 * @internal
 */
export const parse = (headers: Headers.Headers, nowMillis: number): Budget | undefined => {
  const read = (name: string) => headers[`ratelimit-${name}`] ?? headers[`x-ratelimit-${name}`]
  const limit = integer(read("limit"))
  const remaining = integer(read("remaining"))
  if (limit === undefined && remaining === undefined) return undefined
  return { limit, remaining, window: windowOf(read("limit")) ?? windowOf(read("remaining")), reset: resetOf(read("reset"), nowMillis) }
}
