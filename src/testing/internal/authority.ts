import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import type { Auth, BearerAuth, RequestHead, Response, User } from "../RegistryOptions.ts"
import * as Access from "./access.ts"
import { error, json, type Request } from "./exchange.ts"
import { readAll } from "./requestBody.ts"

interface Token {
  readonly grants: ReadonlyArray<Access.Grant>
  /** What a token of the same owner could be good for. */
  readonly within: ReadonlyArray<Access.Grant>
  readonly expiresAt: number
}

/** Who asks, once the credentials were looked at. @internal */
export type Verdict =
  | { readonly _tag: "Allowed"; readonly grants: ReadonlyArray<Access.Grant> }
  | { readonly _tag: "Refused"; readonly response: Response }

/** The rights a request is about. @internal */
export interface Demand {
  /** Without these it is refused. */
  readonly needed: ReadonlyArray<Access.Grant>
  /** With these it goes better: who could have them, and shows a token without them, is asked for a wider one. */
  readonly helpful: ReadonlyArray<Access.Grant>
}

/** The side of a registry that knows users and tokens. @internal */
export interface Authority {
  /** Checks the credentials of a request against the rights it is about. */
  readonly check: (auth: Auth, request: RequestHead, demand: Demand) => Effect.Effect<Verdict>
  /** Answers a request to the token service. */
  readonly issue: (auth: BearerAuth, request: Request) => Effect.Effect<Response>
  /** Makes every token given out so far worthless. */
  readonly revoke: Effect.Effect<void>
}

const text = (secret: string | Redacted.Redacted<string>): string => (Redacted.isRedacted(secret) ? Redacted.value(secret) : secret)

const userGrants = (user: User): ReadonlyArray<Access.Grant> => Access.parseScopes(user.access ?? Access.everything)

const ownUser = (users: Readonly<Record<string, User>>, name: string): User | undefined =>
  Object.hasOwn(users, name) ? users[name] : undefined

const login = (users: Readonly<Record<string, User>>, name: string, password: string): User | undefined => {
  const user = ownUser(users, name)
  return user !== undefined && text(user.password) === password ? user : undefined
}

const credentials = (request: RequestHead): { readonly scheme: string; readonly value: string } | undefined => {
  const header = request.headers["authorization"]
  const space = header?.indexOf(" ") ?? -1
  return header === undefined || space === -1
    ? undefined
    : { scheme: header.slice(0, space).toLowerCase(), value: header.slice(space + 1).trim() }
}

const basicPair = (value: string): readonly [string, string] | undefined => {
  const decoded = Either.getOrUndefined(Encoding.decodeBase64String(value))
  const colon = decoded?.indexOf(":") ?? -1
  return decoded === undefined || colon === -1 ? undefined : [decoded.slice(0, colon), decoded.slice(colon + 1)]
}

const basicUser = (users: Readonly<Record<string, User>>, value: string): User | undefined => {
  const pair = basicPair(value)
  return pair && login(users, pair[0], pair[1])
}

const basicChallenge = (realm: string | undefined): string => `Basic realm="${realm ?? "registry"}"`

/** The absolute URL of the token service. @internal */
export const realmOf = (auth: BearerAuth, request: RequestHead): string => auth.realm ?? `${request.scheme}://${request.host}/token`

const bearerChallenge = (auth: BearerAuth, request: RequestHead, needed: ReadonlyArray<Access.Grant>, problem?: string): string =>
  [
    `Bearer realm="${auth.advertisedRealm ?? realmOf(auth, request)}"`,
    `service="${auth.service ?? request.host}"`,
    ...(needed.length === 0 ? [] : [`scope="${needed.map(Access.formatGrant).join(" ")}"`]),
    ...(problem === undefined ? [] : [`error="${problem}"`])
  ].join(",")

const unauthorized = (challenges: ReadonlyArray<string>, needed: ReadonlyArray<Access.Grant>): Verdict => ({
  _tag: "Refused",
  response: error(401, "UNAUTHORIZED", "authentication required", needed.map(Access.formatGrant), { "WWW-Authenticate": challenges })
})

const allowed = (grants: ReadonlyArray<Access.Grant>): Verdict => ({ _tag: "Allowed", grants })

const denied: Verdict = { _tag: "Refused", response: error(403, "DENIED", "requested access to the resource is denied") }

/** @internal */
export const make = (): Authority => {
  const tokens = new Map<string, Token>()
  const refreshTokens = new Map<string, string>()
  let issued = 0

  const secret = (kind: string): string => {
    issued += 1
    return `${kind}-${issued}-${globalThis.crypto.randomUUID()}`
  }

  const checkBasic = (auth: Auth & { readonly _tag: "Basic" }, request: RequestHead, needed: ReadonlyArray<Access.Grant>): Verdict => {
    const given = credentials(request)
    const anonymous = Access.parseScopes(auth.anonymous ?? [])
    if (given === undefined && needed.length > 0 && Access.includes(anonymous, needed)) return allowed(anonymous)
    const user = given?.scheme === "basic" ? basicUser(auth.users, given.value) : undefined
    if (user === undefined) return unauthorized([basicChallenge(auth.realm)], needed)
    const grants = userGrants(user)
    return Access.includes(grants, needed) ? allowed(grants) : denied
  }

  const validToken = (auth: BearerAuth, token: string, now: number): Pick<Token, "grants" | "within"> | undefined => {
    const foreign = auth.registryTokens
    if (foreign !== undefined && Object.hasOwn(foreign, token)) {
      const grants = Access.parseScopes(foreign[token] ?? [])
      return { grants, within: grants }
    }
    const known = tokens.get(token)
    return known === undefined || known.expiresAt <= now ? undefined : known
  }

  const checkBearer = (auth: BearerAuth, request: RequestHead, { helpful, needed }: Demand, now: number): Verdict => {
    const ask = (problem?: string) => {
      const scopes = [...needed, ...helpful]
      const challenge = bearerChallenge(auth, request, scopes, problem)
      return unauthorized(auth.alsoBasic === true ? [challenge, basicChallenge(undefined)] : [challenge], scopes)
    }
    const given = credentials(request)
    if (given?.scheme === "basic" && auth.alsoBasic === true) {
      const user = basicUser(auth.users, given.value)
      if (user === undefined) return ask()
      return Access.includes(userGrants(user), needed) ? allowed(userGrants(user)) : denied
    }
    if (given?.scheme !== "bearer") return ask()
    const token = validToken(auth, given.value, now)
    if (token === undefined) return ask("invalid_token")
    const couldBeWider = Access.includes(token.within, helpful) && !Access.includes(token.grants, helpful)
    return Access.includes(token.grants, needed) && !couldBeWider ? allowed(token.grants) : ask("insufficient_scope")
  }

  const check: Authority["check"] = (auth, request, demand) => {
    switch (auth._tag) {
      case "None":
        return Effect.succeed(allowed(Access.parseScopes(Access.everything)))
      case "Basic":
        return Effect.sync(() => checkBasic(auth, request, demand.needed))
      case "Bearer":
        return Effect.map(Clock.currentTimeMillis, (now) => checkBearer(auth, request, demand, now))
    }
  }

  /** The name and rights behind a token request; `undefined` when the credentials are wrong. */
  const holder = (
    auth: BearerAuth,
    request: RequestHead,
    form: URLSearchParams | undefined
  ): { readonly name: string; readonly grants: ReadonlyArray<Access.Grant> } | undefined => {
    const of = (name: string) => {
      const user = ownUser(auth.users, name)
      return user && { name, grants: userGrants(user) }
    }
    if (form !== undefined) {
      const refresh = form.get("refresh_token") ?? ""
      if (form.get("grant_type") === "password") {
        const name = form.get("username") ?? ""
        return login(auth.users, name, form.get("password") ?? "") && of(name)
      }
      const identity = auth.identityTokens ?? {}
      const name = refreshTokens.get(refresh) ?? (Object.hasOwn(identity, refresh) ? identity[refresh] : undefined)
      return name === undefined ? undefined : of(name)
    }
    const given = credentials(request)
    if (given === undefined) return { name: "", grants: Access.parseScopes(auth.anonymous ?? []) }
    const pair = given.scheme === "basic" ? basicPair(given.value) : undefined
    return pair && login(auth.users, pair[0], pair[1]) && of(pair[0])
  }

  const issueToken = (auth: BearerAuth, parameters: URLSearchParams, owner: { name: string; grants: ReadonlyArray<Access.Grant> }) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const asked = parameters.getAll("scope")
      const counted = auth.misbehavior?.lastScopeOnly === true ? asked.slice(-1) : asked
      const grants = auth.misbehavior?.ignoresScope === true ? owner.grants : Access.intersect(Access.parseScopes(counted), owner.grants)
      const lifetime = Duration.toMillis(auth.expiresIn ?? "5 minutes")
      const token = secret("access")
      if (auth.misbehavior?.worthlessToken !== true) tokens.set(token, { grants, within: owner.grants, expiresAt: now + lifetime })
      const offline = parameters.get("offline_token") === "true" || parameters.get("access_type") === "offline"
      const refresh = offline && owner.name !== "" && auth.refreshTokens !== false ? secret("refresh") : undefined
      if (refresh !== undefined) refreshTokens.set(refresh, owner.name)
      const member = auth.tokenMember ?? "both"
      return json(200, {
        ...(auth.misbehavior?.noToken === true || member === "access_token" ? {} : { token }),
        ...(auth.misbehavior?.noToken === true || member === "token" ? {} : { access_token: token }),
        ...(auth.tellExpiry === false
          ? {}
          : { expires_in: Math.floor(lifetime / 1000), issued_at: DateTime.formatIso(DateTime.unsafeMake(now)) }),
        ...(refresh === undefined ? {} : { refresh_token: refresh }),
        scope: grants.map(Access.formatGrant).join(" ")
      })
    })

  const issue: Authority["issue"] = Effect.fnUntraced(function* (auth, request) {
    const bad = auth.misbehavior ?? {}
    if (bad.delay !== undefined) yield* Effect.sleep(bad.delay)
    if (bad.status !== undefined || bad.body !== undefined) {
      const response = error(bad.status ?? 200, "UNKNOWN", "the token service is out of order", undefined, bad.headers)
      if (bad.body === undefined) return response
      const body = new TextEncoder().encode(bad.body)
      return { ...response, headers: { ...response.headers, "Content-Length": String(body.length) }, body }
    }
    if (request.method === "POST" && bad.postStatus !== undefined) return error(bad.postStatus, "UNSUPPORTED", "POST is not supported")
    if (request.method !== "GET" && request.method !== "POST") return error(405, "UNSUPPORTED", "only GET and POST")
    const form =
      request.method === "POST"
        ? yield* Effect.match(readAll(request.body, 64 * 1024), {
            onFailure: () => new URLSearchParams(),
            onSuccess: (bytes) => new URLSearchParams(new TextDecoder().decode(bytes))
          })
        : undefined
    const owner = holder(auth, request, form)
    if (owner === undefined) return error(401, "UNAUTHORIZED", "incorrect username or password")
    return yield* issueToken(auth, form ?? request.query, owner)
  })

  return {
    check,
    issue,
    revoke: Effect.sync(() => {
      tokens.clear()
      refreshTokens.clear()
    })
  }
}
