import type * as Headers from "@effect/platform/Headers"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Warnings from "../../http/internal/warnings.ts"
import { sanitizeText } from "../../model/internal/sanitize.ts"
import * as RateLimit from "../RateLimit.ts"

/** What hosts say beside their answers: warnings, and what is left of a budget. @internal */
export interface Notices {
  /** `secrets`: what was sent and must not be shown should the host repeat it. */
  readonly hear: (host: string, headers: Headers.Headers, secrets: ReadonlyArray<string>) => Effect.Effect<void>
  readonly warnings: Stream.Stream<Warnings.Warning>
  readonly rateLimits: Stream.Stream<RateLimit.RateLimit>
  readonly rateLimit: (host: string) => Effect.Effect<Option.Option<RateLimit.RateLimit>>
}

/** How many notices a slow reader may be behind before it misses the oldest. */
const capacity = 256

const topic = <A>() => Effect.acquireRelease(PubSub.sliding<A>(capacity), PubSub.shutdown)

/** @internal */
export const make: Effect.Effect<Notices, never, Scope.Scope> = Effect.gen(function* () {
  const warnings = yield* topic<Warnings.Warning>()
  const rateLimits = yield* topic<RateLimit.RateLimit>()
  const told = Warnings.seen()
  const budgets = new Map<string, RateLimit.RateLimit>()
  return {
    hear: Effect.fnUntraced(function* (host, headers, secrets) {
      for (const warning of told.fresh(host, headers)) {
        const text = sanitizeText(warning.text, secrets)
        yield* Effect.logDebug(`Warning from ${host}: ${text}`)
        yield* PubSub.publish(warnings, { host, text })
      }
      const budget = RateLimit.fromHeaders(host, headers, yield* Clock.currentTimeMillis)
      if (Option.isNone(budget)) return
      budgets.set(host, budget.value)
      yield* PubSub.publish(rateLimits, budget.value)
    }),
    warnings: Stream.fromPubSub(warnings),
    rateLimits: Stream.fromPubSub(rateLimits),
    rateLimit: (host) => Effect.sync(() => Option.fromNullable(budgets.get(host)))
  }
})
