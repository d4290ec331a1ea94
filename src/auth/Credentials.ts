/**
 * Who the library may say it is. A registry's credentials are one of four things, told apart by `_tag`; every secret is `Redacted`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import { fingerprint } from "./internal/fingerprint.ts"

/** Nobody: tokens are asked for without credentials. @since 0.1.0 */
export interface Anonymous {
  readonly _tag: "Anonymous"
}

/** A user name and a password or personal access token. @since 0.1.0 */
export interface Basic {
  readonly _tag: "Basic"
  readonly username: string
  readonly password: Redacted.Redacted
}

/**
 * An OAuth2 refresh token, exchanged with the token service's POST flow. `username` and `password`, when known too, are the way out for
 * token services without that flow.
 *
 * @since 0.1.0
 */
export interface IdentityToken {
  readonly _tag: "IdentityToken"
  readonly token: Redacted.Redacted
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted | undefined
}

/** A bearer token for the registry itself, sent as it is and never exchanged. @since 0.1.0 */
export interface RegistryToken {
  readonly _tag: "RegistryToken"
  readonly token: Redacted.Redacted
}

/** @since 0.1.0 */
export type Credentials = Anonymous | Basic | IdentityToken | RegistryToken

/** Text that is, or shall be, kept out of logs. @since 0.1.0 */
export type Secret = string | Redacted.Redacted

const redacted = (secret: Secret): Redacted.Redacted => (typeof secret === "string" ? Redacted.make(secret) : secret)

/** @since 0.1.0 */
export const anonymous: Credentials = { _tag: "Anonymous" }

/** @since 0.1.0 */
export const basic = (username: string, password: Secret): Credentials => ({ _tag: "Basic", username, password: redacted(password) })

/** @since 0.1.0 */
export const identityToken = (token: Secret, fallback?: { readonly username: string; readonly password: Secret }): Credentials => ({
  _tag: "IdentityToken",
  token: redacted(token),
  ...(fallback === undefined ? {} : { username: fallback.username, password: redacted(fallback.password) })
})

/** @since 0.1.0 */
export const registryToken = (token: Secret): Credentials => ({ _tag: "RegistryToken", token: redacted(token) })

/** Matches on the kind of credentials: `Credentials.match(credentials, { Anonymous: …, Basic: …, … })`. @since 0.1.0 */
export const { $is: is, $match: match } = Data.taggedEnum<Credentials>()

/** @since 0.1.0 */
export const isAnonymous = is("Anonymous")

/** @since 0.1.0 */
export const isBasic = is("Basic")

/** @since 0.1.0 */
export const isIdentityToken = is("IdentityToken")

/** @since 0.1.0 */
export const isRegistryToken = is("RegistryToken")

const pair = (username: string | undefined, password: Redacted.Redacted | undefined) =>
  username === undefined || username === "" || password === undefined || Redacted.value(password) === ""
    ? undefined
    : { username, password }

/**
 * The user name and password inside the credentials when there are both and neither is empty: half a pair is never sent, it would only
 * turn an anonymous request into a refused one.
 *
 * @since 0.1.0
 */
export const userAndPassword = (
  credentials: Credentials
): { readonly username: string; readonly password: Redacted.Redacted } | undefined =>
  credentials._tag === "Basic" || credentials._tag === "IdentityToken" ? pair(credentials.username, credentials.password) : undefined

/**
 * The value of an `Authorization` header of scheme Basic (RFC 7617, UTF-8), or `undefined` without a complete user name and password.
 *
 * @since 0.1.0
 */
export const basicAuthorization = (credentials: Credentials): Redacted.Redacted | undefined => {
  const user = userAndPassword(credentials)
  return user === undefined
    ? undefined
    : Redacted.make(`Basic ${Encoding.encodeBase64(`${user.username}:${Redacted.value(user.password)}`)}`)
}

const content = (credentials: Credentials): ReadonlyArray<string> => {
  switch (credentials._tag) {
    case "Anonymous":
      return []
    case "Basic":
      return [credentials.username, Redacted.value(credentials.password)]
    case "IdentityToken":
      return [
        Redacted.value(credentials.token),
        credentials.username ?? "",
        credentials.password === undefined ? "" : Redacted.value(credentials.password)
      ]
    case "RegistryToken":
      return [Redacted.value(credentials.token)]
  }
}

/**
 * A name for the credentials in cache keys: equal for equal credentials, different for different ones, stable between processes. It is a
 * SHA-256 over kind and content: nothing can be read from it, but a guess can be confirmed, so it is no thing to publish.
 *
 * @since 0.1.0
 */
export const identity = (credentials: Credentials): string =>
  credentials._tag === "Anonymous" ? "anonymous" : fingerprint([credentials._tag, ...content(credentials)])
