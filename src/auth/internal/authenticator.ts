import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Origin from "../../http/internal/origin.ts"
import type { Wire } from "../../http/internal/Wire.ts"
import * as RegistryError from "../../model/RegistryError.ts"
import * as AccessToken from "../AccessToken.ts"
import * as Challenge from "../Challenge.ts"
import * as Credentials from "../Credentials.ts"
import type * as Keychain from "../Keychain.ts"
import type { TokenCache, TokenKey } from "../TokenCache.ts"
import * as TokenScope from "../TokenScope.ts"
import * as RealmPolicy from "./realmPolicy.ts"
import * as Recent from "./recent.ts"
import { type ExchangeFailure, exchange } from "./tokenExchange.ts"

/** Why there is no answer: the connection, the limits, or authentication. Statuses are not failures here. */
export type AuthFailure = ExchangeFailure | RegistryError.KeychainError

/** What a request needs. @internal */
export interface Need {
  readonly repository?: string | undefined
  /** Token scopes, the most important first. */
  readonly scopes: ReadonlyArray<string>
  readonly context: RegistryError.RequestContext
}

/** Answers the challenges of one endpoint: a registry's origin or a mirror. @internal */
export interface Authenticator {
  /** Whether there may be something to send before being asked: a challenge is known, or none is waited for. */
  readonly isAsked: () => boolean
  /** The `Authorization` to send before being asked; none while a challenge is waited for. From the cache, or fetched. */
  readonly authorize: (need: Need) => Effect.Effect<Option.Option<Redacted.Redacted>, AuthFailure>
  /**
   * What to send after a 401: remembers the challenges, forgets the rejected token and asks for the scopes that were missing. None when
   * nothing more can be tried. `from` is the origin the 401 came from; that of another host, after a redirect, is never answered.
   */
  readonly answer: (
    need: Need,
    challenges: ReadonlyArray<Challenge.Challenge>,
    rejected: Option.Option<Redacted.Redacted>,
    from?: string | undefined
  ) => Effect.Effect<Option.Option<Redacted.Redacted>, AuthFailure>
  /** What `answer` gave was taken: should it be refused later, then because it has come to its end or was revoked. */
  readonly accepted: (header: Redacted.Redacted) => void
  /** The token for the need; none where the endpoint does not ask for tokens. */
  readonly token: (need: Need) => Effect.Effect<Option.Option<AccessToken.AccessToken>, AuthFailure>
}

/** @internal */
export interface Options {
  /** The registry as the keychain knows it. */
  readonly registry: string
  readonly origin: string
  /** The registry may be spoken to without TLS; otherwise no credentials leave for an `http:` origin. */
  readonly plainHttp: boolean
  /** Those of the ping. */
  readonly challenges: ReadonlyArray<Challenge.Challenge>
  readonly keychain: Pick<Keychain.Service, "resolve">
  readonly tokenCache: TokenCache.Service
  readonly wire: Wire
  readonly clientId?: string | undefined
  /** Whether token services are asked for a refresh token as well: for a login, whose result is kept. */
  readonly offline?: boolean | undefined
  /** Hosts of token services that may be internal and need not stay the one seen first. */
  readonly trustedRealms?: ReadonlyArray<string> | undefined
  /** Whether no challenge is waited for where the credentials need none to be sent. */
  readonly eager?: boolean | undefined
  /** How names are looked up, instead of the resolver in the context. */
  readonly resolver?: RealmPolicy.Registry["resolver"]
}

/** A token that was handed out, so that its rejection can be understood. */
interface Issued {
  readonly key: TokenKey
  readonly token: AccessToken.AccessToken
  /** When the token was fetched in answer to a 401, and whether for more scopes than before. */
  readonly answered: { readonly at: number; readonly widened: boolean } | undefined
}

const memory = 1000
/** A token refused this soon after it was fetched in answer to a 401, and never taken, will not be taken later either; an older one may just have ended. */
const answerLifeMillis = 1000

const nothing = Option.none<Redacted.Redacted>()

const isSupported = (challenge: Challenge.Challenge) => Challenge.isBearer(challenge) || Challenge.isBasic(challenge)

const scopesOf = (challenges: ReadonlyArray<Challenge.Challenge>) =>
  challenges.flatMap((challenge) => TokenScope.parse(challenge.parameters["scope"] ?? "").map(TokenScope.format))

const sameHeader = (header: Redacted.Redacted, rejected: Option.Option<Redacted.Redacted>) =>
  Option.isSome(rejected) && Redacted.value(rejected.value) === Redacted.value(header)

/** What credentials can say where nobody told how. */
const unasked = (credentials: Credentials.Credentials): Option.Option<Redacted.Redacted> =>
  Credentials.isRegistryToken(credentials)
    ? Option.some(Redacted.make(`Bearer ${Redacted.value(credentials.token)}`))
    : Option.fromNullable(Credentials.basicAuthorization(credentials))

/** @internal */
export const make = (options: Options): Effect.Effect<Authenticator> =>
  Effect.sync(() => {
    const { registry } = options
    // Who asks for something else than is known here is not told a password.
    const eager = options.eager === true && options.challenges.length === 0
    let known = options.challenges.filter(isSupported)
    const realmPolicy = RealmPolicy.make(options)
    const refreshTokens = Recent.make<Credentials.Credentials>(memory)
    const learnedScopes = Recent.make<ReadonlyArray<string>>(memory)
    const issued = Recent.make<Issued>(memory)
    /** Whether a token was refused that had come to an end of less than the usual minute: from then on such ends are believed. */
    let endsEarly = false

    const challengeError = (need: Need, reason: string) =>
      new RegistryError.ChallengeError({ registry, repository: need.repository, operation: need.context.operation, reason })

    const mayHaveCredentials = options.plainHttp || !options.origin.startsWith("http:")
    const credentialsFor = (need: Need) =>
      mayHaveCredentials
        ? Effect.suspend(() => options.keychain.resolve({ registry, repository: need.repository }))
        : Effect.succeed(Credentials.anonymous)

    // What follows from the scopes of a request is worked out once: there are many requests and few scopes.
    const wishes = Recent.make<{ readonly name: string; readonly scopes: ReadonlyArray<string> }>(memory)
    const wishOf = ({ scopes }: Need) => {
      const text = scopes.join(" ")
      const wish = wishes.get(text) ?? { name: TokenScope.normalize(scopes).join(" "), scopes: TokenScope.merge([], scopes) }
      wishes.set(text, wish)
      return wish
    }
    const nameOf = (need: Need) => wishOf(need).name
    const scopesFor = (need: Need) => learnedScopes.get(nameOf(need)) ?? wishOf(need).scopes

    const keys = new WeakMap<ReadonlyArray<string>, { readonly key: TokenKey; readonly of: Credentials.Credentials }>()
    const keyOf = (challenge: Challenge.Challenge, realm: string, scopes: ReadonlyArray<string>, of: Credentials.Credentials): TokenKey => {
      const service = challenge.parameters["service"] ?? ""
      const last = keys.get(scopes)
      if (last?.of === of && last.key.realm === realm && last.key.service === service) return last.key
      const key = { registry, realm, service, scopes, identity: Credentials.identity(of) }
      keys.set(scopes, { key, of })
      return key
    }

    const ask = (need: Need, challenge: Challenge.Challenge, scopes: ReadonlyArray<string>, credentials: Credentials.Credentials) =>
      exchange(options.wire, {
        challenge,
        registry,
        realmPolicy,
        scopes,
        credentials,
        clientId: options.clientId,
        offline: options.offline,
        context: need.context
      })

    /** A refresh token from an earlier answer goes first; when it does not work any more, the credentials themselves do. */
    const acquire = Effect.fnUntraced(function* (
      need: Need,
      challenge: Challenge.Challenge,
      scopes: ReadonlyArray<string>,
      credentials: Credentials.Credentials
    ) {
      if (Credentials.isAnonymous(credentials)) return yield* ask(need, challenge, scopes, credentials)
      const name = Credentials.identity(credentials)
      const refreshed = refreshTokens.get(name)
      const again = () => {
        refreshTokens.delete(name)
        return ask(need, challenge, scopes, credentials)
      }
      const token =
        refreshed === undefined
          ? yield* ask(need, challenge, scopes, credentials)
          : yield* Effect.catchTags(ask(need, challenge, scopes, refreshed), {
              Unauthorized: again,
              Denied: again,
              // A service that asks for time has said nothing of the refresh token.
              TokenExchangeError: (error) => (error.retryable && error.retryAfter !== undefined ? Effect.fail(error) : again())
            })
      if (token.refreshToken !== undefined) {
        refreshTokens.set(name, Credentials.identityToken(token.refreshToken, Credentials.userAndPassword(credentials)))
      }
      return token
    })

    const fetchToken = Effect.fnUntraced(function* (
      need: Need,
      challenge: Challenge.Challenge,
      scopes: ReadonlyArray<string>,
      credentials: Credentials.Credentials,
      answered: { readonly widened: boolean } | undefined
    ) {
      if (Credentials.isRegistryToken(credentials)) {
        return AccessToken.fromRegistryToken(credentials.token, yield* Clock.currentTimeMillis)
      }
      const realm = challenge.parameters["realm"]
      if (realm === undefined) return yield* challengeError(need, "the Bearer challenge names no realm")
      const key = keyOf(challenge, realm, scopes, credentials)
      let fetchedAt: number | undefined
      const fetching = Effect.zipLeft(
        acquire(need, challenge, scopes, credentials),
        Effect.map(Clock.currentTimeMillis, (now) => {
          fetchedAt = now
        })
      )
      const kept = yield* options.tokenCache.get(key, fetching)
      const ended = fetchedAt === undefined && endsEarly && AccessToken.endsAsAnnounced(kept, yield* Clock.currentTimeMillis)
      if (ended) yield* options.tokenCache.invalidate(key, kept)
      const token = ended ? yield* options.tokenCache.get(key, fetching) : kept
      const text = Redacted.value(token.value)
      const before = issued.get(text)
      const mark = answered === undefined || fetchedAt === undefined ? before?.answered : { at: fetchedAt, widened: answered.widened }
      issued.set(text, { key, token, answered: mark })
      return token
    })

    const headerFor = (
      need: Need,
      challenge: Challenge.Challenge,
      scopes: ReadonlyArray<string>,
      credentials: Credentials.Credentials,
      answered?: { readonly widened: boolean } | undefined
    ): Effect.Effect<Option.Option<Redacted.Redacted>, AuthFailure> =>
      Challenge.isBasic(challenge) && !Credentials.isRegistryToken(credentials)
        ? Effect.succeed(Option.fromNullable(Credentials.basicAuthorization(credentials)))
        : Effect.map(fetchToken(need, challenge, scopes, credentials, answered), (token) => Option.some(AccessToken.authorization(token)))

    const authorize = (need: Need): Effect.Effect<Option.Option<Redacted.Redacted>, AuthFailure> => {
      if (known.length === 0) return eager ? Effect.map(credentialsFor(need), unasked) : Effect.succeed(nothing)
      return Effect.flatMap(credentialsFor(need), (credentials) => {
        const challenge = Challenge.select(known, credentials)
        return Option.isNone(challenge) ? Effect.succeed(nothing) : headerFor(need, challenge.value, scopesFor(need), credentials)
      })
    }

    const token = Effect.fnUntraced(function* (need: Need) {
      const credentials = yield* credentialsFor(need)
      const challenge = Option.filter(Challenge.select(known, credentials), Challenge.isBearer)
      return Option.isNone(challenge)
        ? Option.none<AccessToken.AccessToken>()
        : Option.some(yield* fetchToken(need, challenge.value, scopesFor(need), credentials, undefined))
    })

    const textOf = (header: Redacted.Redacted) => Redacted.value(header).replace(/^Bearer /, "")

    const accepted = (header: Redacted.Redacted) => {
      const text = textOf(header)
      const found = issued.get(text)
      if (found?.answered !== undefined) issued.set(text, { ...found, answered: undefined })
    }

    /** What was known of the rejected token, which is forgotten. */
    const reject = Effect.fnUntraced(function* (rejected: Option.Option<Redacted.Redacted>) {
      const text = Option.match(rejected, { onNone: () => "", onSome: textOf })
      const found = issued.get(text)
      if (found !== undefined) yield* options.tokenCache.invalidate(found.key, found.token)
      return found
    })

    const answerBearer = Effect.fnUntraced(function* (
      need: Need,
      asked: ReadonlyArray<Challenge.Challenge>,
      challenge: Challenge.Challenge,
      credentials: Credentials.Credentials,
      rejected: Option.Option<Redacted.Redacted>
    ) {
      const previous = yield* reject(rejected)
      const now = yield* Clock.currentTimeMillis
      const held = previous?.key.scopes ?? scopesFor(need)
      const wanted = scopesOf(asked)
      const widened = !TokenScope.covers(held, wanted)
      const ended = previous !== undefined && AccessToken.endsAsAnnounced(previous.token, now)
      if (ended) endsEarly = true
      const answeredJustNow = previous?.answered !== undefined && now - previous.answered.at < answerLifeMillis
      const recent = answeredJustNow && !ended ? previous.answered : undefined
      // The rejected token was itself the answer to a 401: only scopes nobody had asked for yet are worth another try, and those once.
      if (recent !== undefined && (recent.widened || !widened)) return nothing
      const scopes = nextScopes(held, wanted, challenge.parameters["error"])
      if (TokenScope.normalize(scopes).join(" ") !== nameOf(need)) learnedScopes.set(nameOf(need), scopes)
      return yield* headerFor(need, challenge, scopes, credentials, { widened: widened && previous !== undefined })
    })

    const answer = Effect.fnUntraced(function* (
      need: Need,
      challenges: ReadonlyArray<Challenge.Challenge>,
      rejected: Option.Option<Redacted.Redacted>,
      from?: string | undefined
    ) {
      if (challenges.length === 0 || !Origin.sameText(options.origin, from ?? options.origin)) return nothing
      const supported = challenges.filter(isSupported)
      if (supported.length > 0) known = supported
      if (known.length === 0) {
        const schemes = challenges.map((_) => _.scheme).join(", ")
        return yield* challengeError(need, `the registry asks for ${schemes} authentication, and only Bearer and Basic are known here`)
      }
      const credentials = yield* credentialsFor(need)
      const challenge = Challenge.select(known, credentials)
      if (Option.isNone(challenge)) return nothing
      if (Challenge.isBearer(challenge.value) && !Credentials.isRegistryToken(credentials)) {
        return yield* answerBearer(need, challenges, challenge.value, credentials, rejected)
      }
      return Option.filter(yield* headerFor(need, challenge.value, [], credentials), (header) => !sameHeader(header, rejected))
    })

    return { isAsked: () => eager || known.length > 0, authorize, answer, accepted, token }
  })

/**
 * The scopes to ask for after a rejection: the missing ones in front of those held. When all of several were asked for and the registry
 * still says that the token does not reach, the token service looked at one of them only; then the registry's own list goes alone.
 */
const nextScopes = (held: ReadonlyArray<string>, wanted: ReadonlyArray<string>, error: string | undefined): ReadonlyArray<string> =>
  error === "insufficient_scope" && wanted.length > 0 && held.length > 1 && TokenScope.covers(held, wanted)
    ? TokenScope.merge([], wanted)
    : TokenScope.merge(held, wanted)
