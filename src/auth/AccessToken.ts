/**
 * The tokens a token service gives, and the reader of its answer (distribution «Token Authentication Specification», «OAuth2»).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { inAnyCase } from "../model/internal/json.ts"

/**
 * A token and how long it is good for. `issuedAt` and `expiresAt` are milliseconds since 1970 by our own clock; `scopes` are the scopes it
 * was given for; `refreshToken`, when there is one, asks for the next token. `announcedEnd` is the end the service told where that is before
 * `expiresAt`: it counts with services that are seen to mean it.
 *
 * @since 0.1.0
 */
export interface AccessToken {
  readonly value: Redacted.Redacted
  readonly issuedAt: number
  readonly expiresAt: number
  readonly announcedEnd?: number | undefined
  readonly refreshToken?: Redacted.Redacted | undefined
  readonly scopes: ReadonlyArray<string>
}

const minimumLifetimeMillis = 60_000
const maximumLifetimeMillis = 365 * 24 * 60 * 60 * 1000
const maximumLeadMillis = 10_000

/** @since 0.1.0 */
export const make = (fields: {
  readonly value: string | Redacted.Redacted
  readonly issuedAt: number
  readonly expiresAt: number
  readonly announcedEnd?: number | undefined
  readonly refreshToken?: string | Redacted.Redacted | undefined
  readonly scopes?: ReadonlyArray<string> | undefined
}): AccessToken => ({
  value: redacted(fields.value),
  issuedAt: fields.issuedAt,
  expiresAt: fields.expiresAt,
  ...(fields.announcedEnd === undefined ? {} : { announcedEnd: fields.announcedEnd }),
  ...(fields.refreshToken === undefined ? {} : { refreshToken: redacted(fields.refreshToken) }),
  scopes: fields.scopes ?? []
})

const redacted = (secret: string | Redacted.Redacted) => (typeof secret === "string" ? Redacted.make(secret) : secret)

/** Whether both hold the same token text. @since 0.1.0 */
export const isSame = (a: AccessToken, b: AccessToken): boolean => Redacted.value(a.value) === Redacted.value(b.value)

/**
 * When to ask for the next token: a tenth of the lifetime before the end, ten seconds at most, so that a request does not set out with a
 * token that ends on its way.
 *
 * @since 0.1.0
 */
export const refreshAt = (token: AccessToken): number => refreshMillis(token.issuedAt, token.expiresAt)

const refreshMillis = (issuedAt: number, expiresAt: number): number =>
  expiresAt - Math.min(maximumLeadMillis, Math.max(0, expiresAt - issuedAt) / 10)

/** Whether the token may still be sent at this time (milliseconds since 1970). @since 0.1.0 */
export const isFresh = (token: AccessToken, now: number): boolean => now < refreshAt(token)

/**
 * Whether the token has come to the end that was announced for it, or to the second half of so short a life that a request's own way counts.
 *
 * @since 0.1.0
 */
export const endsAsAnnounced = (token: AccessToken, now: number): boolean =>
  token.announcedEnd !== undefined && now >= token.announcedEnd - Math.min(maximumLeadMillis, (token.announcedEnd - token.issuedAt) / 2)

/** The value of the `Authorization` header. @since 0.1.0 */
export const authorization = (token: AccessToken): Redacted.Redacted => Redacted.make(`Bearer ${Redacted.value(token.value)}`)

// Anything else cannot stand in a header.
const usable = (value: unknown): value is string => typeof value === "string" && /^[\x21-\x7e]+$/.test(value)

// Some services write the number as a string.
const announcedMillis = (value: unknown): number => {
  const seconds = typeof value === "number" ? value : typeof value === "string" && /^\d+$/.test(value) ? Number(value) : 0
  return Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : 0
}

/**
 * `issued_at` is believed while it makes sense by our clock. In the future, or so long ago that the next token would be due before this one
 * came, the clocks differ, and the token counts from now.
 */
const issuedAtMillis = (value: unknown, now: number, lifetime: number): number => {
  const said = typeof value === "string" ? Date.parse(value) : Number.NaN
  return Number.isFinite(said) && said <= now && now < refreshMillis(said, said + lifetime) ? said : now
}

const grantedScopes = (value: unknown, asked: ReadonlyArray<string>): ReadonlyArray<string> =>
  typeof value === "string" && value.trim() !== "" ? value.trim().split(/\s+/) : asked

const namesOf = inAnyCase("access_token", "token", "expires_in", "issued_at", "refresh_token", "scope")

/**
 * Reads the answer of a token service. `access_token` wins over `token`; `expires_in` is seconds, 60 when absent and 60 at least. `now` is
 * milliseconds since 1970 and `scopes` what was asked for, which the answer may correct. On the left the reason, which never repeats the
 * answer, since that may hold a secret.
 *
 * @since 0.1.0
 */
export const decode = (
  body: string,
  options: { readonly now: number; readonly scopes?: ReadonlyArray<string> | undefined }
): Either.Either<AccessToken, string> => {
  let json: unknown
  try {
    json = namesOf(JSON.parse(body))
  } catch {
    return Either.left("the answer is not JSON")
  }
  if (!Predicate.isRecord(json)) return Either.left("the answer is not a JSON object")
  const value = [json["access_token"], json["token"]].find((_) => _ !== undefined && _ !== null && _ !== "")
  if (value === undefined) return Either.left("the answer holds neither access_token nor token")
  if (!usable(value)) return Either.left("the answer holds a token that cannot be sent in a header")
  const announced = announcedMillis(json["expires_in"])
  const lifetime = Math.min(maximumLifetimeMillis, Math.max(minimumLifetimeMillis, announced))
  const issuedAt = issuedAtMillis(json["issued_at"], options.now, lifetime)
  return Either.right(
    make({
      value,
      issuedAt,
      expiresAt: issuedAt + lifetime,
      announcedEnd: announced > 0 && announced < lifetime ? options.now + announced : undefined,
      refreshToken: usable(json["refresh_token"]) ? json["refresh_token"] : undefined,
      scopes: grantedScopes(json["scope"], options.scopes ?? [])
    })
  )
}

/** A registry token as an access token: sent as it is, known by no end. @since 0.1.0 */
export const fromRegistryToken = (token: Redacted.Redacted, now: number): AccessToken =>
  make({ value: token, issuedAt: now, expiresAt: Number.MAX_SAFE_INTEGER })
