/**
 * What a registry says about its rate limits.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

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
  /** Until the budget is full again. */
  readonly reset?: Duration.Duration | undefined
}
