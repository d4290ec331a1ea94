import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { AuthFailure } from "../../auth/internal/authenticator.ts"
import type { WireResponse } from "../../http/internal/Wire.ts"
import type * as RetryPolicy from "../RetryPolicy.ts"
import type { HostGate } from "./hostGate.ts"
import { buffered } from "./message.ts"

/** An answer and the `Retry-After` it carried. @internal */
export interface Heard<A extends WireResponse> {
  readonly response: A
  readonly retryAfter: Duration.Duration | undefined
}

/**
 * Makes attempts until one needs no other. An attempt that failed frees its connection and its place before the wait. `Retry-After` is
 * kept by the host's gate, so every request to the host waits; the last answer is returned whatever its status, its body readable.
 *
 * @internal
 */
export const attempts = <A extends WireResponse>(
  options: {
    readonly policy: RetryPolicy.Service
    readonly gate: HostGate
    readonly method: string
    readonly mayRepeat: boolean
  },
  attempt: Effect.Effect<Heard<A>, AuthFailure, Scope.Scope>,
  withBody: (response: A, body: WireResponse) => A
): Effect.Effect<A, AuthFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const { policy, gate, method } = options
    const outer = yield* Effect.scope
    const driver = yield* Schedule.driver(policy.schedule)
    let throttled = 0

    const again = (cause: unknown) => Effect.map(Effect.option(driver.next(cause)), Option.isSome)

    /** Whether the host's own wait stands in for a step of the schedule. */
    const heldOff = (retryAfter: Duration.Duration | undefined) =>
      Effect.gen(function* () {
        if (retryAfter === undefined || throttled >= policy.maxThrottled) return false
        throttled++
        yield* gate.pauseUntil((yield* Clock.currentTimeMillis) + Duration.toMillis(retryAfter))
        return true
      })

    const loop: Effect.Effect<A, AuthFailure> = Effect.gen(function* () {
      const scope = yield* Scope.fork(outer, ExecutionStrategy.sequential)
      const exit = yield* Effect.exit(Scope.extend(attempt, scope))
      if (Exit.isFailure(exit)) {
        yield* Scope.close(scope, exit)
        const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
        const repeats = options.mayRepeat && error?._tag === "TransportError" && policy.retriesError(method, error)
        return repeats && (yield* again(error)) ? yield* loop : yield* Effect.failCause(exit.cause)
      }
      const { response, retryAfter } = exit.value
      const tooLong = retryAfter !== undefined && Duration.greaterThan(retryAfter, policy.maxRetryAfter)
      if (!options.mayRepeat || tooLong || !policy.retriesStatus(method, response.status)) return response
      const kept = withBody(response, yield* Scope.extend(buffered(response), scope))
      yield* Scope.close(scope, Exit.void)
      return (yield* heldOff(retryAfter)) || (yield* again(response.status)) ? yield* loop : kept
    })
    return yield* loop
  })
