/**
 * Who a V1 session says it is, request by request (balena-engine v18 `registry.AuthTransport`).
 *
 * The user's name and password go to the endpoint of the session only: with every request where that keeps its own users, else with those that
 * ask for a token. The token it answers with is for the registries it names.
 */
import * as Redacted from "effect/Redacted"
import * as Credentials from "../../auth/Credentials.ts"
import { secretsOf } from "../../auth/internal/secrets.ts"

/** @internal */
export interface Options {
  /** The origin of the session's endpoint. */
  readonly origin: string
  readonly credentials: Credentials.Credentials
  /** Whether the password goes with every request. */
  readonly always: boolean
}

/** @internal */
export interface Authorization {
  /** The header of a request to an origin. */
  readonly header: (origin: string, asksForToken: boolean) => Redacted.Redacted | undefined
  /** Takes note of an `X-Docker-Token`; each takes the place of the one before. */
  readonly hear: (token: string | undefined) => void
  /** What must not be shown. */
  readonly secrets: () => ReadonlyArray<string>
}

/** Several lines are one list, which Go writes without spaces. */
const asList = (token: string): string => token.replace(/, /g, ",")

/** @internal */
export const make = ({ always, credentials, origin }: Options): Authorization => {
  const basic = Credentials.basicAuthorization(credentials)
  const bearer = Credentials.isRegistryToken(credentials) ? Redacted.make(`Bearer ${Redacted.value(credentials.token)}`) : undefined
  const ownSecrets = secretsOf(credentials)
  let token: string | undefined
  return {
    header: (to, asksForToken) => {
      if (to === origin && bearer !== undefined) return bearer
      if (to === origin && basic !== undefined && (always || asksForToken)) return basic
      return token === undefined ? undefined : Redacted.make(`Token ${asList(token)}`)
    },
    hear: (heard) => {
      if (heard !== undefined && heard !== "") token = heard
    },
    secrets: () => (token === undefined ? ownSecrets : [...ownSecrets, token, asList(token)])
  }
}
