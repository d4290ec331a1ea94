import type * as Headers from "@effect/platform/Headers"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** A server that asks for more than this is not understood. */
const longest = Duration.days(366)

/** The three forms of a date in HTTP (RFC 9110, 5.6.7); `Date.parse` alone takes almost any text for some date. */
const fixed = /^(?:mon|tue|wed|thu|fri|sat|sun), \d{2} [a-z]{3} \d{4} \d{2}:\d{2}:\d{2} (?:gmt|utc)$/i
const rfc850 = /^(?:mon|tues|wednes|thurs|fri|satur|sun)day, \d{2}-[a-z]{3}-\d{2} \d{2}:\d{2}:\d{2} (?:gmt|utc)$/i
const asctime = /^(?:mon|tue|wed|thu|fri|sat|sun) [a-z]{3} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/i

const dateOf = (text: string): number | undefined => {
  const parsed = fixed.test(text) || rfc850.test(text) ? Date.parse(text) : asctime.test(text) ? Date.parse(`${text} GMT`) : Number.NaN
  return Number.isNaN(parsed) ? undefined : parsed
}

/**
 * `Retry-After` as seconds or as a date (RFC 9110, 10.2.3); a date in the past means now.
 *
 * @internal
 */
export const parse = (value: string | undefined, nowMillis: number): Duration.Duration | undefined => {
  const text = value?.trim() ?? ""
  if (/^\d{1,12}$/.test(text)) return Duration.min(Duration.seconds(Number(text)), longest)
  const date = dateOf(text)
  return date === undefined ? undefined : Duration.min(Duration.millis(Math.max(0, date - nowMillis)), longest)
}

/** `Retry-After` of an answer that came just now. A date is one by the server's clock, and so is the `Date` of the answer. @internal */
export const of = (headers: Headers.Headers): Effect.Effect<Duration.Duration | undefined> => {
  const value = headers["retry-after"]
  if (value === undefined) return Effect.succeed(undefined)
  const said = dateOf(headers["date"]?.trim() ?? "")
  return Effect.map(Clock.currentTimeMillis, (now) => parse(value, said ?? now))
}
