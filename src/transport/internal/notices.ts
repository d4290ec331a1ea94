import type * as Headers from "@effect/platform/Headers"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as RateLimitHeader from "../../http/internal/rateLimitHeader.ts"
import * as Warnings from "../../http/internal/warnings.ts"
import { sanitizeBounded } from "../../model/internal/sanitize.ts"
import * as RateLimit from "../RateLimit.ts"

/** What hosts say beside their answers: warnings, and what is left of a budget. @internal */
export interface Notices {
  /** `secrets`: what was sent and must not be shown should the host repeat it. Undefined when the host says nothing, as most of the time. */
  readonly hear: (host: string, headers: Headers.Headers, secrets: () => ReadonlyArray<string>) => Effect.Effect<void> | undefined
  readonly warnings: Stream.Stream<Warnings.Warning>
  readonly rateLimits: Stream.Stream<RateLimit.RateLimit>
  readonly rateLimit: (host: string) => Effect.Effect<Option.Option<RateLimit.RateLimit>>
}

/** How many notices a slow reader may be behind before it misses the oldest. */
const capacity = 256

/** Whether there is any header that may be worth a notice. */
const speaks = (headers: Headers.Headers): boolean => headers["warning"] !== undefined || RateLimitHeader.isIn(headers)

const topic = <A>() => Effect.acquireRelease(PubSub.sliding<A>(capacity), PubSub.shutdown)

/** @internal */
export const make: Effect.Effect<Notices, never, Scope.Scope> = Effect.gen(function* () {
  const warnings = yield* topic<Warnings.Warning>()
  const rateLimits = yield* topic<RateLimit.RateLimit>()
  const told = Warnings.seen()
  const budgets = new Map<string, RateLimit.RateLimit>()
  const listen = Effect.fnUntraced(function* (host: string, headers: Headers.Headers, secrets: ReadonlyArray<string>) {
    for (const warning of told.fresh(host, headers)) {
      const text = sanitizeBounded(warning.text, secrets, Warnings.maxLength)
      yield* Effect.logDebug(`Warning from ${host}: ${text}`)
      yield* PubSub.publish(warnings, { host, text })
    }
    const budget = RateLimit.fromHeaders(host, headers, yield* Clock.currentTimeMillis)
    if (Option.isNone(budget)) return
    budgets.set(host, budget.value)
    yield* PubSub.publish(rateLimits, budget.value)
  })
  return {
    hear: (host, headers, secrets) => (speaks(headers) ? listen(host, headers, secrets()) : undefined),
    warnings: Stream.fromPubSub(warnings),
    rateLimits: Stream.fromPubSub(rateLimits),
    rateLimit: (host) => Effect.sync(() => Option.fromNullable(budgets.get(host)))
  }
})
