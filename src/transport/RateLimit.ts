/**
 * What a registry says about its rate limits.
 *
 * @since 0.1.0
 */
import type * as Headers from "@effect/platform/Headers"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as RateLimitHeader from "../http/internal/rateLimitHeader.ts"

/**
 * The budget of a host as last heard in `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (Docker Hub) or their `X-` forms
 * (GitHub): `limit` requests in a `window`, `remaining` of them left. What a host did not say is absent.
 *
 * @since 0.1.0
 */
export interface RateLimit {
  readonly registry: string
  readonly limit?: number | undefined
  readonly remaining?: number | undefined
  readonly window?: Duration.Duration | undefined
  /** Until the budget is full again, from when it was heard. */
  readonly reset?: Duration.Duration | undefined
}

/**
 * The budget that the headers of an answer tell; none when they tell neither a limit nor what is left. A reset may be a time in epoch
 * seconds, which is why the present time, in epoch milliseconds, is needed.
 *
 * @since 0.1.0
 */
export const fromHeaders = (registry: string, headers: Headers.Headers, nowMillis: number): Option.Option<RateLimit> =>
  Option.map(Option.fromNullable(RateLimitHeader.parse(headers, nowMillis)), (budget) => ({ registry, ...budget }))
