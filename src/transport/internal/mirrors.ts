import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { AuthFailure } from "../../auth/internal/authenticator.ts"
import * as SteadyClock from "../../http/internal/steadyClock.ts"
import type { Endpoint } from "./endpoint.ts"
import type { TransportResponse } from "./message.ts"

/** How long a mirror that could not be reached, or that served something wrong, is left alone. */
const restMillis = 30_000

/** A 304 is what a conditional request hopes for. */
const isSuccess = (status: number): boolean => status < 300 || status === 304

/**
 * Asks mirrors one after the other. None when no one of them has an answer: whatever goes wrong at a mirror, the registry itself can tell.
 *
 * @internal
 */
export interface Mirrors {
  readonly ask: (
    scope: Scope.Scope,
    mirrors: ReadonlyArray<Endpoint>,
    execute: (mirror: Endpoint, scope: Scope.Scope) => Effect.Effect<TransportResponse, AuthFailure>
  ) => Effect.Effect<Option.Option<TransportResponse>>
}

/** @internal */
export const make = (maxRest: Duration.Duration): Mirrors => {
  const atRestUntil = new Map<string, number>()

  const isAtRest = (mirror: Endpoint) => Effect.map(SteadyClock.millis, (now) => (atRestUntil.get(mirror.host) ?? 0) > now)

  const rest = (mirror: Endpoint, millis: number) =>
    Effect.map(SteadyClock.millis, (now) => {
      atRestUntil.set(mirror.host, now + millis)
    })

  const passOver = Effect.fnUntraced(function* (mirror: Endpoint, exit: Exit.Exit<TransportResponse, AuthFailure>) {
    if (Exit.isFailure(exit)) {
      const error = yield* Effect.flip(Effect.failCause(exit.cause))
      if (error._tag === "TransportError") yield* rest(mirror, restMillis)
      return yield* Effect.logDebug(`Mirror ${mirror.host} passed over: ${error.message}`)
    }
    const { status, retryAfter } = exit.value
    if (retryAfter !== undefined) yield* rest(mirror, Duration.toMillis(Duration.min(retryAfter, maxRest)))
    yield* Effect.logDebug(`Mirror ${mirror.host} passed over: it answered ${status}`)
  })

  const distrust = (mirror: Endpoint) =>
    Effect.zipRight(rest(mirror, restMillis), Effect.logDebug(`Mirror ${mirror.host} passed over: what it served is wrong`))

  return {
    ask: Effect.fnUntraced(function* (outer, mirrors, execute) {
      for (const mirror of mirrors) {
        if (yield* isAtRest(mirror)) continue
        const scope = yield* Scope.fork(outer, ExecutionStrategy.sequential)
        const exit = yield* Effect.exit(execute(mirror, scope))
        if (Exit.isSuccess(exit) && isSuccess(exit.value.status)) return Option.some({ ...exit.value, passOver: distrust(mirror) })
        // Connection and place are free before anybody else is asked.
        yield* Effect.uninterruptible(Scope.close(scope, exit))
        yield* passOver(mirror, exit)
      }
      return Option.none()
    })
  }
}
