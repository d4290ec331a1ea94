import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Challenge from "../../auth/Challenge.ts"
import type { WireResponse } from "../../http/internal/Wire.ts"

/** @internal */
export type Scheme = "https" | "http"

/** An answer and the scheme that led to it. @internal */
export type Reached = readonly [scheme: Scheme, response: WireResponse]

/** What `GET /v2/` told. @internal */
export interface PingAnswer {
  readonly scheme: Scheme
  readonly status: number
  readonly challenges: ReadonlyArray<Challenge.Challenge>
  readonly apiVersion: string | undefined
}

/** The challenges of an answer. @internal */
export const challengesOf = (response: WireResponse): ReadonlyArray<Challenge.Challenge> => {
  const header = response.headers["www-authenticate"]
  return header === undefined ? [] : Challenge.fromResponse(response.status, [header])
}

/** Whether this is how a registry answers. A TLS port that is spoken to in plain http, for one, answers 400. */
const isRegistry = ({ status }: WireResponse): boolean => status === 200 || status === 401

/** How long https may take before plain http is tried too. */
const headStart = "300 millis"

/**
 * https at once, plain http 300 ms later or as soon as https has failed; the first that answers like a registry wins. When neither does, what
 * https led to is told (go-containerregistry `transport.Ping`). Where that is not `impatient`, plain http has to wait until nobody answers by
 * https, and whatever answers there wins: credentials go by plain http then, and a registry may be out of order for a while.
 *
 * @internal
 */
export const eitherScheme = <E>(
  send: (scheme: Scheme) => Effect.Effect<WireResponse, E>,
  { impatient }: { readonly impatient: boolean }
): Effect.Effect<Reached, E> =>
  Effect.gen(function* () {
    const outcomes = new Map<Scheme, Either.Either<WireResponse, E>>()
    const secureFailed = yield* Deferred.make<void>()
    const wins = (scheme: Scheme, response: WireResponse) => isRegistry(response) || (scheme === "https" && !impatient)
    const attempt = (scheme: Scheme) =>
      Effect.flatMap(Effect.either(send(scheme)), (outcome): Effect.Effect<Reached, Either.Either<WireResponse, E>> => {
        outcomes.set(scheme, outcome)
        return Either.isRight(outcome) && wins(scheme, outcome.right) ? Effect.succeed([scheme, outcome.right]) : Effect.fail(outcome)
      })
    const secure = Effect.tapError(attempt("https"), () => Deferred.succeed(secureFailed, undefined))
    const failed = Deferred.await(secureFailed)
    const plain = Effect.zipRight(impatient ? Effect.raceFirst(Effect.sleep(headStart), failed) : failed, attempt("http"))
    return yield* Effect.catchAll(Effect.race(secure, plain), (last): Effect.Effect<Reached, E> => {
      const https = outcomes.get("https") ?? last
      const http = outcomes.get("http") ?? last
      if (Either.isRight(https)) return Effect.succeed(["https", https.right])
      return Either.isRight(http) ? Effect.succeed(["http", http.right]) : Effect.fail(https.left)
    })
  })
