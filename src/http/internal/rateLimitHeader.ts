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

type Part = "limit" | "remaining" | "reset"

const names: Readonly<Record<Part, readonly [name: string, extension: string]>> = {
  limit: ["ratelimit-limit", "x-ratelimit-limit"],
  remaining: ["ratelimit-remaining", "x-ratelimit-remaining"],
  reset: ["ratelimit-reset", "x-ratelimit-reset"]
}

const read = (headers: Headers.Headers, part: Part): string | undefined => headers[names[part][0]] ?? headers[names[part][1]]

/** Whether the headers speak of a budget at all. @internal */
export const isIn = (headers: Headers.Headers): boolean => read(headers, "limit") !== undefined || read(headers, "remaining") !== undefined

/**
 * `RateLimit-Limit: 100;w=21600`, `RateLimit-Remaining`, `RateLimit-Reset` (Docker Hub) or their `X-` forms (GitHub).
 *
 * @internal
 */
export const parse = (headers: Headers.Headers, nowMillis: number): Budget | undefined => {
  const limit = read(headers, "limit")
  const remaining = read(headers, "remaining")
  const budget = { limit: integer(limit), remaining: integer(remaining) }
  if (budget.limit === undefined && budget.remaining === undefined) return undefined
  return { ...budget, window: windowOf(limit) ?? windowOf(remaining), reset: resetOf(read(headers, "reset"), nowMillis) }
}
