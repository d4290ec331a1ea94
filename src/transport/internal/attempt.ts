import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { AuthFailure } from "../../auth/internal/authenticator.ts"
import type { Restore } from "../../http/internal/exchange.ts"
import * as Origin from "../../http/internal/origin.ts"
import * as RetryAfter from "../../http/internal/retryAfter.ts"
import type { Reply, Wire } from "../../http/internal/Wire.ts"
import type { RequestContext } from "../../model/RegistryError.ts"
import type { Connection, Endpoint } from "./endpoint.ts"
import type { Lane, Pass } from "./hostGate.ts"
import { type Heard, settle, type TransportRequest } from "./message.ts"
import { challengesOf } from "./ping.ts"

type Authorization = Option.Option<Redacted.Redacted>

/** How often in a row a 401 is answered: a token that was refused may have come to its end on the way. */
const maxAnswers = 3

/** The URL a path stands for, and whether it is the endpoint's own, to which credentials may go. */
const target = (connection: Connection, endpoint: Endpoint, path: string): { readonly url: string; readonly own: boolean } => {
  if (!path.startsWith("/"))
    return { url: path, own: Origin.isPlainlyAt(connection.origin, path) || Origin.sameText(connection.origin, path) }
  const url = `${connection.origin}${connection.prefix}${path}`
  if (endpoint.mirror?.proxy !== true) return { url, own: true }
  return { url: `${url}${path.includes("?") ? "&" : "?"}ns=${encodeURIComponent(endpoint.registry)}`, own: true }
}

const withAuthorization = (headers: TransportRequest["headers"], authorization: Authorization) =>
  Option.match(authorization, {
    onNone: () => headers ?? {},
    onSome: (value) => ({ ...headers, authorization: Redacted.value(value) })
  })

const laneOf = ({ method }: TransportRequest): Lane => (method === "GET" || method === "HEAD" ? "read" : "write")

/**
 * One request and, after each 401 that can be answered, one more, `maxAnswers` of them at most. What can be answered is for the authenticator
 * to say. To be run uninterruptibly: `restore` is for the waits. Whoever gets an answer has to settle it; without one, nothing is held.
 *
 * @internal
 */
export const attempt = (
  wire: Wire,
  endpoint: Endpoint,
  connection: Connection,
  request: TransportRequest,
  restore: Restore
): Effect.Effect<Heard, AuthFailure> => {
  const { authenticator, origin } = connection
  const { url, own } = target(connection, endpoint, request.path)
  const context: RequestContext = {
    registry: request.registry,
    repository: request.repository,
    operation: request.operation,
    endpoint: request.endpoint,
    method: request.method,
    url
  }
  const need = { repository: request.repository, scopes: request.scopes, context }

  const send = (authorization: Authorization) =>
    wire.open(
      {
        method: request.method,
        url,
        headers: withAuthorization(request.headers, authorization),
        body: request.body,
        replayable: request.replayable,
        context
      },
      restore
    )

  const heard = (response: Reply, sent: ReadonlyArray<Authorization>, retryAfter: Duration.Duration | undefined): Heard => ({
    response,
    context,
    authorizations: sent.flatMap(Option.toArray),
    retryAfter,
    direct: Origin.sameText(origin, response.origin)
  })

  const hear = (response: Reply, sent: ReadonlyArray<Authorization>): Effect.Effect<Heard> =>
    response.headers["retry-after"] === undefined
      ? Effect.succeed(heard(response, sent, undefined))
      : Effect.map(RetryAfter.of(response.headers), (retryAfter) => heard(response, sent, retryAfter))

  const settling = <A, E>(response: Reply, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.onError(effect, (cause) => settle(response, cause))

  const refused = (pass: Pass, refusal: Reply, first: Authorization) =>
    Effect.gen(function* () {
      const sent = [first]
      let last = first
      let response = refusal
      while (response.status === 401 && sent.length <= maxAnswers) {
        pass.rest()
        const answered = restore(authenticator.answer(need, challengesOf(response), last, response.origin))
        if (request.replayable === false) {
          // It was sent once and is not sent again, whatever becomes of the token for the next request.
          yield* settling(response, Effect.ignore(answered))
          break
        }
        const next = yield* settling(response, answered)
        if (Option.isNone(next)) break
        yield* settling(response, restore(response.discard))
        last = next
        sent.push(next)
        if (!pass.move()) yield* restore(pass.regain)
        response = yield* send(next)
      }
      if (response.status !== 401 && Option.isSome(last)) authenticator.accepted(last.value)
      return { response, sent }
    })

  const admitted = (pass: Pass): Effect.Effect<Heard, AuthFailure> => {
    const exchange = (first: Authorization): Effect.Effect<Heard, AuthFailure> =>
      Effect.flatMap(send(first), (response) =>
        response.status === 401 && own
          ? Effect.flatMap(refused(pass, response, first), ({ response, sent }) => hear(response, sent))
          : hear(response, [first])
      )
    // Whatever the caller's own keychain throws, the place is given back; and while a token is waited for, others may use it.
    const authorize = Effect.suspend(() => {
      pass.rest()
      return authenticator.authorize(need)
    })
    const authorized = (authorization: Authorization): Effect.Effect<Heard, AuthFailure> =>
      pass.move() ? exchange(authorization) : Effect.flatMap(restore(pass.regain), () => exchange(authorization))
    const first = own && authenticator.isAsked() ? Effect.flatMap(restore(authorize), authorized) : exchange(Option.none())
    return Effect.matchCauseEffect(first, {
      onFailure: (cause) => {
        pass.leave()
        return Effect.failCause(cause)
      },
      onSuccess: (heard) => {
        // The body lends the place while its consumer rests, and gives it back at its end.
        pass.rest()
        heard.response.keepTo(pass)
        return Effect.succeed(heard)
      }
    })
  }

  // The place first: while it is waited for, a token may come to its end.
  const { priority = "small" } = request
  const pass = endpoint.gate.enterNow(laneOf(request), priority)
  return pass === undefined ? Effect.flatMap(endpoint.gate.enter(laneOf(request), priority), admitted) : admitted(pass)
}
