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
import type * as RetryPolicy from "../RetryPolicy.ts"
import type { HostGate } from "./hostGate.ts"
import { buffered, type Heard } from "./message.ts"

/** @internal */
export interface Options {
  readonly policy: RetryPolicy.Service
  readonly gate: HostGate
  readonly method: string
  /** Whether the request itself may be sent again. */
  readonly mayRepeat: boolean
}

/** Whether another attempt may end better. Tokens are fetched by requests of their own, which any method may repeat. */
const isTransient = ({ policy, method, mayRepeat }: Options, error: AuthFailure): boolean => {
  switch (error._tag) {
    case "TransportError":
      return error.operation === "token" ? policy.retriesError("GET", error) : mayRepeat && policy.retriesError(method, error)
    case "TokenExchangeError":
      return error.retryable && error.status !== undefined && policy.retriesStatus("GET", error.status)
    case "TooManyRequests":
      return policy.retriesStatus("GET", error.status)
    default:
      return false
  }
}

const retryAfterOf = (error: AuthFailure): Duration.Duration | undefined => ("retryAfter" in error ? error.retryAfter : undefined)

/** How a `Retry-After` is taken: one of no length says nothing, one that is too long ends the attempts. */
const hintOf = (retryAfter: Duration.Duration | undefined, longest: Duration.Duration) => {
  const millis = retryAfter === undefined ? 0 : Duration.toMillis(retryAfter)
  return { millis, tooLong: millis > Duration.toMillis(longest) }
}

/**
 * Makes attempts until one needs no other. An attempt that failed or was interrupted frees its connection and its place at once, whatever
 * else the scope is for. A `Retry-After` of the host is kept by its gate, so that every request to the host waits; the last answer is returned
 * whatever its status, its body readable. A request that is sent once waits for its token all the same.
 *
 * @internal
 */
export const attempts = <A extends Heard, E extends AuthFailure>(
  outer: Scope.Scope,
  options: Options,
  attempt: (scope: Scope.Scope) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    const { policy, gate, method, mayRepeat } = options
    let driver: Schedule.ScheduleDriver<unknown, unknown> | undefined
    let throttled = 0

    /** Most requests need no second attempt. */
    const another = (cause: unknown) =>
      Effect.gen(function* () {
        driver ??= yield* Schedule.driver(policy.schedule)
        return Option.isSome(yield* Effect.option(driver.next(cause)))
      })

    /** Whether there is another attempt; it is due when this returns. */
    const next = (cause: unknown, hint: ReturnType<typeof hintOf>, wait: (millis: number) => Effect.Effect<void>) => {
      if (hint.tooLong) return Effect.succeed(false)
      if (hint.millis === 0) return another(cause)
      if (throttled >= policy.maxThrottled) return Effect.succeed(false)
      throttled++
      return Effect.as(wait(hint.millis), true)
    }

    const pause = (millis: number) => Effect.flatMap(Clock.currentTimeMillis, (now) => gate.pauseUntil(now + millis))

    const loop: Effect.Effect<A, E> = Effect.gen(function* () {
      const scope = yield* Scope.fork(outer, ExecutionStrategy.sequential)
      const exit = yield* Effect.exit(Effect.onError(attempt(scope), (cause) => Scope.close(scope, Exit.failCause(cause))))
      if (Exit.isFailure(exit)) {
        const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
        if (error === undefined || !isTransient(options, error)) return yield* Effect.failCause(exit.cause)
        const hint = hintOf(retryAfterOf(error), policy.maxRetryAfter)
        return (yield* next(error, hint, Effect.sleep)) ? yield* loop : yield* Effect.failCause(exit.cause)
      }
      const { response, retryAfter, direct } = exit.value
      const hint = hintOf(retryAfter, policy.maxRetryAfter)
      // A storage that the host redirected to speaks for itself alone.
      const shared = direct && hint.millis > 0 && !hint.tooLong && policy.retriesStatus("GET", response.status)
      if (shared) yield* pause(hint.millis)
      if (!mayRepeat || hint.tooLong || !policy.retriesStatus(method, response.status)) return exit.value
      const kept: A = { ...exit.value, response: yield* buffered(response) }
      yield* Effect.uninterruptible(Scope.close(scope, Exit.void))
      return (yield* next(response.status, hint, shared ? () => Effect.void : Effect.sleep)) ? yield* loop : kept
    })
    return yield* loop
  })
