import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { AuthFailure } from "../../auth/internal/authenticator.ts"
import * as Origin from "../../http/internal/origin.ts"
import * as PullStream from "../../http/internal/pullStream.ts"
import * as RetryAfter from "../../http/internal/retryAfter.ts"
import type { Wire, WireResponse } from "../../http/internal/Wire.ts"
import type { RequestContext } from "../../model/RegistryError.ts"
import type { Connection, Endpoint } from "./endpoint.ts"
import { enterIn, type HostGate, type Pass } from "./hostGate.ts"
import type { Heard, TransportRequest } from "./message.ts"
import { challengesOf } from "./ping.ts"

type Authorization = Option.Option<Redacted.Redacted>

/** How often in a row a 401 is answered: a token that was refused may have come to its end on the way. */
const maxAnswers = 3

/** The URL a path stands for, and whether it is the endpoint's own, to which credentials may go. */
const target = (connection: Connection, endpoint: Endpoint, path: string): { readonly url: string; readonly own: boolean } => {
  if (!path.startsWith("/")) return { url: path, own: Origin.sameText(connection.origin, path) }
  const url = `${connection.origin}${connection.prefix}${path}`
  if (endpoint.mirror?.proxy !== true) return { url, own: true }
  return { url: `${url}${path.includes("?") ? "&" : "?"}ns=${encodeURIComponent(endpoint.registry)}`, own: true }
}

const withAuthorization = (headers: TransportRequest["headers"], authorization: Authorization) =>
  Option.match(authorization, {
    onNone: () => headers ?? {},
    onSome: (value) => ({ ...headers, authorization: Redacted.value(value) })
  })

/** A place at the host, given back when the scope closes or before. */
const enter = (gate: HostGate, request: TransportRequest, scope: Scope.Scope): Effect.Effect<Pass> => {
  const lane = request.method === "GET" || request.method === "HEAD" ? "read" : "write"
  return enterIn(scope, gate, lane, request.priority ?? "small")
}

/** Lends the place while the consumer of the body rests, and gives it back at the end of the body. */
const paced = (response: WireResponse, { moving, leave }: Pass): WireResponse => ({
  ...response,
  body: PullStream.make((scope) =>
    Effect.flatMap(PullStream.openIn(scope, response.body), (pull) =>
      Effect.as(
        Scope.addFinalizer(scope, leave),
        Effect.tapError(moving(pull), () => leave)
      )
    )
  ),
  bytes: (limitBytes) => Effect.ensuring(moving(response.bytes(limitBytes)), leave),
  text: (limitBytes) => Effect.ensuring(moving(response.text(limitBytes)), leave),
  discard: Effect.ensuring(moving(response.discard), leave)
})

/**
 * One request and, after each 401 that can be answered, one more, `maxAnswers` of them at most. What can be answered is for the authenticator
 * to say.
 *
 * @internal
 */
export const attempt = Effect.fnUntraced(function* (
  wire: Wire,
  endpoint: Endpoint,
  connection: Connection,
  request: TransportRequest,
  scope: Scope.Scope
): Effect.fn.Return<Heard, AuthFailure> {
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
  // The place first: while it is waited for, a token may come to its end.
  const pass = yield* enter(endpoint.gate, request, scope)

  const send = (authorization: Authorization) =>
    pass.moving(
      wire.sendIn(scope, {
        method: request.method,
        url,
        headers: withAuthorization(request.headers, authorization),
        body: request.body,
        replayable: request.replayable,
        context
      })
    )

  const hear = Effect.fnUntraced(function* (response: WireResponse, sent: ReadonlyArray<Authorization>) {
    if (request.method === "HEAD") yield* pass.leave
    const heard: Heard = {
      response: paced(response, pass),
      context,
      authorizations: sent.flatMap(Option.toArray),
      retryAfter: yield* RetryAfter.of(response.headers),
      direct: Origin.sameText(origin, response.origin)
    }
    return heard
  })

  const first: Authorization = own ? yield* authenticator.authorize(need) : Option.none()
  const sent = [first]
  let last = first
  let response = yield* send(first)
  while (response.status === 401 && own && sent.length <= maxAnswers) {
    const answered = authenticator.answer(need, challengesOf(response), last, response.origin)
    if (request.replayable === false) {
      // It was sent once and is not sent again, whatever becomes of the token for the next request.
      yield* Effect.ignore(answered)
      break
    }
    const next = yield* answered
    if (Option.isNone(next)) break
    yield* response.discard
    last = next
    sent.push(next)
    response = yield* send(next)
  }
  return yield* hear(response, sent)
})
