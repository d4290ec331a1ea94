import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { AuthFailure } from "../../auth/internal/authenticator.ts"
import type { Restore } from "../../http/internal/exchange.ts"
import type * as RetryPolicy from "../RetryPolicy.ts"
import type { HostGate } from "./hostGate.ts"
import { buffered, type Heard, settle } from "./message.ts"

/** @internal */
export interface Options {
  readonly policy: RetryPolicy.Service
  readonly gate: HostGate
  readonly method: string
  /** Whether the request itself may be sent again. */
  readonly mayRepeat: boolean
  /** Hears every answer, and may have something to do. */
  readonly listen?: ((heard: Heard) => Effect.Effect<void> | undefined) | undefined
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
 * Makes attempts until one needs no other. To be run uninterruptibly: `restore` is for the waits. An attempt that fails or is interrupted has
 * to free its connection and its place itself; the answer that is returned is the caller's to settle. A `Retry-After` of the host is kept by
 * its gate, so that every request to the host waits; the last answer is returned whatever its status, its body readable. A request that is
 * sent once waits for its token all the same.
 *
 * @internal
 */
export const attempts = <A extends Heard, E extends AuthFailure>(
  options: Options,
  attempt: () => Effect.Effect<A, E>,
  restore: Restore
): Effect.Effect<A, E> => {
  const { policy, gate, method, mayRepeat, listen } = options
  let driver: Schedule.ScheduleDriver<unknown, unknown> | undefined
  let throttled = 0
  let doubtful = false

  /** Most requests need no second attempt. */
  const another = (cause: unknown) =>
    Effect.gen(function* () {
      driver ??= yield* Schedule.driver(policy.schedule)
      return Option.isSome(yield* Effect.option(driver.next(cause)))
    })

  /** Whether there is another attempt; it is due when this returns. */
  const next = (cause: unknown, hint: ReturnType<typeof hintOf>, wait: (millis: number) => Effect.Effect<void>) => {
    if (hint.tooLong) return Effect.succeed(false)
    if (hint.millis === 0) return restore(another(cause))
    if (throttled >= policy.maxThrottled) return Effect.succeed(false)
    throttled++
    return Effect.as(restore(wait(hint.millis)), true)
  }

  const failed = (cause: Cause.Cause<E>): Effect.Effect<A, E> => {
    const error = Option.getOrUndefined(Cause.failureOption(cause))
    if (error === undefined || !isTransient(options, error)) return Effect.failCause(cause)
    doubtful ||= error._tag === "TransportError" && error.operation !== "token"
    const hint = hintOf(retryAfterOf(error), policy.maxRetryAfter)
    return Effect.flatMap(next(error, hint, Effect.sleep), (again) => (again ? loop() : Effect.failCause(cause)))
  }

  /** The same answer, with nothing left to settle. */
  const kept = (heard: A): Effect.Effect<A> => Effect.map(restore(buffered(heard.response)), (response): A => ({ ...heard, response }))

  const answered = (heard: A): Effect.Effect<A, E> => {
    const { response, retryAfter, direct } = heard
    const notice = listen?.(heard)
    const hint = hintOf(retryAfter, policy.maxRetryAfter)
    // A storage that the host redirected to speaks for itself alone.
    const shared = direct && hint.millis > 0 && !hint.tooLong && policy.retriesStatus("GET", response.status)
    const last = !mayRepeat || hint.tooLong || !policy.retriesStatus(method, response.status)
    if (last && !shared && notice === undefined) return Effect.succeed(heard)
    const noted = Effect.zipRight(notice ?? Effect.void, shared ? gate.pauseFor(hint.millis) : Effect.void)
    const settled = Effect.onError(Effect.zipRight(noted, last ? Effect.succeed(heard) : kept(heard)), (cause) => settle(response, cause))
    if (last) return settled
    doubtful ||= response.status >= 500
    return Effect.flatMap(settled, (heard) =>
      Effect.flatMap(next(response.status, hint, shared ? () => Effect.void : Effect.sleep), (again) =>
        again ? loop() : Effect.succeed(heard)
      )
    )
  }

  const onSuccess = (heard: A): Effect.Effect<A, E> => {
    try {
      return answered(doubtful ? { ...heard, doubtful } : heard)
    } catch (defect) {
      // The policy may be the caller's own.
      return Effect.zipRight(settle(heard.response, Cause.die(defect)), Effect.die(defect))
    }
  }

  const loop = (): Effect.Effect<A, E> => Effect.matchCauseEffect(attempt(), { onFailure: failed, onSuccess })
  return loop()
}
