import * as Redacted from "effect/Redacted"
import { queryEscape } from "../../http/internal/queryEscape.ts"

/** What a token is asked with. @internal */
export interface TokenQuestion {
  readonly realm: string
  readonly service: string | undefined
  /** One scope each, the most important first. */
  readonly scopes: ReadonlyArray<string>
  readonly clientId: string
  /** Whether a refresh token is wanted as well, for somebody who keeps it. */
  readonly offline?: boolean | undefined
}

const byName = (a: readonly [string, string], b: readonly [string, string]) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)

const written = (fields: ReadonlyArray<readonly [string, string]>): ReadonlyArray<readonly [name: string, text: string]> =>
  fields.map(([name, value]) => [name, `${queryEscape(name)}=${queryEscape(value)}`])

const nameOf = (raw: string): string => new URLSearchParams(raw).keys().next().value ?? ""

const present = (name: string, value: string | undefined): ReadonlyArray<readonly [string, string]> =>
  value === undefined || value === "" ? [] : [[name, value]]

/**
 * The URL of the GET flow: the realm with its own query kept as written, one `scope` per scope, `service` when the challenge named one and
 * `account` with a user name (docker/distribution sends it, go-containerregistry does not; it costs nothing and some services log it).
 * `client_id` goes only along with `offline_token`, which asks for a refresh token.
 *
 * @internal
 */
export const url = (question: TokenQuestion, account: string | undefined): string => {
  const [base = "", own = ""] = question.realm.replace(/#.*$/s, "").split(/\?(.*)/s)
  const asked = written([
    ...present("account", account),
    ...(question.offline === true ? [["client_id", question.clientId] as const, ["offline_token", "true"] as const] : []),
    ...question.scopes.map((scope) => ["scope", scope] as const),
    ...present("service", question.service)
  ])
  const replaced = new Set(asked.map(([name]) => name))
  const kept = own
    .split("&")
    .filter((raw) => raw !== "")
    .map((raw) => [nameOf(raw), raw] as const)
    .filter(([name]) => !replaced.has(name))
  const query = [...kept, ...asked].sort(byName).map(([, text]) => text)
  return query.length === 0 ? base : `${base}?${query.join("&")}`
}

/** The form of the POST flow (OAuth2 refresh grant): all scopes in one field. @internal */
export const form = (question: TokenQuestion, refreshToken: Redacted.Redacted): string =>
  written([
    ["client_id", question.clientId],
    ["grant_type", "refresh_token"],
    ["refresh_token", Redacted.value(refreshToken)],
    ...present("scope", question.scopes.join(" ")),
    ...present("service", question.service)
  ])
    .map(([, text]) => text)
    .join("&")
