import * as HttpBody from "@effect/platform/HttpBody"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as RetryAfter from "../../http/internal/retryAfter.ts"
import type { Wire, WireRequest } from "../../http/internal/Wire.ts"
import { sanitizeBounded, sanitizeUrl } from "../../model/internal/sanitize.ts"
import * as RegistryError from "../../model/RegistryError.ts"
import * as AccessToken from "../AccessToken.ts"
import type { Challenge } from "../Challenge.ts"
import * as Credentials from "../Credentials.ts"
import type { RealmPolicy } from "./realmPolicy.ts"
import { secretsOf } from "./secrets.ts"
import * as TokenRequest from "./tokenRequest.ts"

/** @internal */
export type ExchangeFailure =
  | RegistryError.TransportError
  | RegistryError.RedirectRefused
  | RegistryError.LimitExceeded
  | RegistryError.ChallengeError
  | RegistryError.TokenExchangeError
  | RegistryError.InsecureRealm
  | RegistryError.Unauthorized
  | RegistryError.Denied
  | RegistryError.TooManyRequests

/** @internal */
export interface ExchangeOptions {
  readonly challenge: Challenge
  readonly registry: string
  readonly realmPolicy: RealmPolicy
  /** The most important first. */
  readonly scopes: ReadonlyArray<string>
  readonly credentials: Credentials.Credentials
  readonly clientId?: string | undefined
  /** Whether a refresh token is asked for. */
  readonly offline?: boolean | undefined
  /** The request that needs the token. */
  readonly context: RegistryError.RequestContext
}

const bodyLimitBytes = 64 * 1024
const maxReasonLength = 300
const refused: ReadonlySet<number> = new Set([400, 401, 403])
const defaultClientId = "effect-oci"

/** What the token service said: its body, empty where a refusal's could not be read. */
interface Answer {
  readonly context: RegistryError.RequestContext
  readonly status: number
  readonly body: string
  readonly retryAfter: Duration.Duration | undefined
}

/** An answer without a token, and why. */
interface Refusal {
  readonly answer: Answer
  readonly reason: string
}

const placeOf = (options: ExchangeOptions) => ({
  registry: options.registry,
  repository: options.context.repository,
  operation: options.context.operation
})

const isSuccess = (status: number) => status >= 200 && status < 300

/**
 * Asks the token service that the challenge names. Credentials go by GET with Basic, identity tokens by POST (OAuth2) with a way back to GET
 * where the service does not know the POST flow. A registry token is its own access token and is not exchanged.
 *
 * @internal
 */
export const exchange = Effect.fnUntraced(function* (wire: Wire, options: ExchangeOptions) {
  const { credentials } = options
  if (Credentials.isRegistryToken(credentials)) return AccessToken.fromRegistryToken(credentials.token, yield* Clock.currentTimeMillis)
  const realm = options.challenge.parameters["realm"]
  if (realm === undefined) {
    return yield* new RegistryError.ChallengeError({ ...placeOf(options), reason: "the Bearer challenge names no realm" })
  }
  yield* admit(options, realm)
  const first = yield* attempt(wire, options, realm, options.scopes)
  if (Either.isRight(first)) return first.right
  const primary = options.scopes.slice(0, 1)
  // Some services refuse the lot when the extra scope, the source of a mount, is not ours to read; the main one may still be granted.
  if (options.scopes.length < 2 || !refused.has(first.left.answer.status)) {
    return yield* failure(options, realm, first.left)
  }
  const second = yield* attempt(wire, options, realm, primary)
  return Either.isRight(second) ? second.right : yield* failure(options, realm, second.left)
})

const admit = Effect.fnUntraced(function* (options: ExchangeOptions, realm: string) {
  const reason = yield* options.realmPolicy.check(realm, { withCredentials: !Credentials.isAnonymous(options.credentials) })
  if (reason !== undefined) yield* new RegistryError.InsecureRealm({ ...placeOf(options), realm: sanitizeUrl(realm), reason })
})

const attempt = Effect.fnUntraced(function* (wire: Wire, options: ExchangeOptions, realm: string, scopes: ReadonlyArray<string>) {
  const { credentials } = options
  const question: TokenRequest.TokenQuestion = {
    realm,
    service: options.challenge.parameters["service"],
    scopes,
    clientId: options.clientId ?? defaultClientId,
    offline: options.offline
  }
  if (Credentials.isIdentityToken(credentials)) {
    const posted = yield* send(wire, options, "POST", realm.replace(/#.*$/s, ""), TokenRequest.form(question, credentials.token))
    const token = yield* read(posted, scopes)
    if (Either.isRight(token) || !mayAskByGet(posted.status, credentials)) return token
  }
  const account = Credentials.userAndPassword(credentials)?.username
  return yield* Effect.flatMap(send(wire, options, "GET", TokenRequest.url(question, account)), (answer) => read(answer, scopes))
})

/**
 * Whether GET may work after POST did not. 404 (Google), 405 (Harbor) and answers that make no sense come from services without the POST
 * flow; 400 (Azure) and 401 (Artifactory) may also mean that the identity token is bad, and then only a password can do better.
 */
const mayAskByGet = (status: number, credentials: Credentials.Credentials): boolean =>
  status === 404 || status === 405 || isSuccess(status)
    ? true
    : (status === 400 || status === 401) && Credentials.userAndPassword(credentials) !== undefined

const authorizationOf = (credentials: Credentials.Credentials): Readonly<Record<string, string>> => {
  const header = Credentials.basicAuthorization(credentials)
  return header === undefined ? {} : { authorization: Redacted.value(header) }
}

const send = Effect.fnUntraced(function* (wire: Wire, options: ExchangeOptions, method: "GET" | "POST", url: string, form?: string) {
  const context: RegistryError.RequestContext = {
    registry: options.registry,
    repository: options.context.repository,
    operation: "token",
    endpoint: "base",
    method,
    url
  }
  const request: WireRequest = {
    method,
    url,
    headers: { accept: "application/json", ...(form === undefined ? authorizationOf(options.credentials) : {}) },
    ...(form === undefined ? {} : { body: HttpBody.text(form, "application/x-www-form-urlencoded") }),
    context
  }
  const response = yield* wire.send(request, { allowRedirect: options.realmPolicy.redirectRefusal(method) })
  const body = response.text(bodyLimitBytes)
  const answer: Answer = {
    context,
    status: response.status,
    // A refusal is one by its status, whatever becomes of its body.
    body: yield* isSuccess(response.status) ? body : Effect.orElseSucceed(body, () => ""),
    retryAfter: yield* RetryAfter.of(response.headers)
  }
  return answer
}, Effect.scoped)

const read = (answer: Answer, scopes: ReadonlyArray<string>): Effect.Effect<Either.Either<AccessToken.AccessToken, Refusal>> =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    isSuccess(answer.status)
      ? Either.mapLeft(AccessToken.decode(answer.body, { now, scopes }), (reason) => ({ answer, reason }))
      : Either.left({ answer, reason: answer.body === "" ? "the token service gave no reason" : answer.body })
  )

const failure = (
  options: ExchangeOptions,
  realm: string,
  { answer, reason }: Refusal
): Effect.Effect<
  never,
  RegistryError.TokenExchangeError | RegistryError.Unauthorized | RegistryError.Denied | RegistryError.TooManyRequests
> => {
  const secrets = secretsOf(options.credentials)
  const said = isSuccess(answer.status)
    ? undefined
    : RegistryError.fromResponse(["Unauthorized", "Denied", "TooManyRequests"], answer.context, {
        status: answer.status,
        body: answer.body,
        retryAfter: answer.retryAfter,
        secrets
      })
  if (said !== undefined && said._tag !== "UnknownRegistryError") return Effect.fail(said)
  return Effect.fail(
    new RegistryError.TokenExchangeError({
      ...placeOf(options),
      realm: sanitizeUrl(realm),
      status: said?.status,
      reason:
        said === undefined || said.diagnostics.length === 0
          ? sanitizeBounded(reason, secrets, maxReasonLength)
          : said.diagnostics.map(String).join(", "),
      retryAfter: said?.retryAfter,
      retryable: said?.retryable ?? false
    })
  )
}
