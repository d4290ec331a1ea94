/**
 * A token service as the distribution project describes it (docs/spec/auth/token.md and oauth.md), for a real registry: JSON web tokens
 * signed with ES256, the certificate in `x5c`. It remembers what it was asked.
 */
import { createPrivateKey, randomUUID, sign, X509Certificate } from "node:crypto"
import type * as Http from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Certificates from "./Certificates.ts"
import * as LocalServer from "./LocalServer.ts"

export interface Access {
  readonly type: string
  readonly name: string
  readonly actions: ReadonlyArray<string>
}

/** What a client asked for, as far as tests look at it. */
export interface TokenRequest {
  readonly method: string
  readonly grant: "anonymous" | "basic" | "password" | "refresh_token"
  readonly service: string
  readonly scopes: ReadonlyArray<string>
  readonly clientId: string | undefined
  readonly status: number
}

export interface Settings {
  /** The `expires_in` that is announced. */
  readonly announcedSeconds: number
  /** How long the registry accepts the token. docker-registry 2.8 adds 60 seconds of leeway: -58 is good for two seconds. */
  readonly validSeconds: number
  /** Other methods are answered with 405. */
  readonly methods: ReadonlyArray<string>
  /** Which of the wanted actions a user gets; `undefined` is nobody. */
  readonly grants: (user: string | undefined, access: Access) => ReadonlyArray<string>
}

export interface Options extends Partial<Settings> {
  /** Passwords by user name. */
  readonly users?: Readonly<Record<string, string>>
}

export interface Service {
  readonly realm: string
  readonly service: string
  readonly issuer: string
  /** PEM of the certificate the registry must trust. */
  readonly certificate: string
  readonly requests: Effect.Effect<ReadonlyArray<TokenRequest>>
  /** Forgets the requests seen so far. */
  readonly reset: Effect.Effect<void>
  readonly configure: (settings: Partial<Settings>) => Effect.Effect<void>
}

export class TokenServer extends Context.Tag("effect-oci/test/TokenServer")<TokenServer, Service>() {}

const service = "registry.test"
const issuer = "effect-oci test issuer"

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

const parseScope = (scope: string): Access => {
  const first = scope.indexOf(":")
  const last = scope.lastIndexOf(":")
  return { type: scope.slice(0, first), name: scope.slice(first + 1, last), actions: scope.slice(last + 1).split(",") }
}

/** Signs claims as a compact JSON web signature. */
const signer = (authority: Certificates.Certificate) => {
  const key = createPrivateKey(authority.privateKey)
  const header = { typ: "JWT", alg: "ES256", x5c: [new X509Certificate(authority.certificate).raw.toString("base64")] }
  return (claims: unknown): string => {
    const signed = `${base64url(header)}.${base64url(claims)}`
    return `${signed}.${sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`
  }
}

interface Asked {
  readonly grant: TokenRequest["grant"]
  readonly parameters: URLSearchParams
  readonly scopes: ReadonlyArray<string>
  readonly username?: string
  readonly password?: string
  readonly refreshToken?: string
  readonly offline: boolean
}

const splitScopes = (values: ReadonlyArray<string>): ReadonlyArray<string> => values.flatMap((_) => _.split(" ")).filter((_) => _ !== "")

const askedByGet = (request: Http.IncomingMessage): Asked => {
  const parameters = new URL(request.url ?? "/", "http://localhost").searchParams
  const basic = /^Basic (.+)$/i.exec(request.headers.authorization ?? "")?.[1]
  const common = { parameters, scopes: splitScopes(parameters.getAll("scope")), offline: parameters.get("offline_token") === "true" }
  if (basic === undefined) return { ...common, grant: "anonymous" }
  const [username = "", ...rest] = Buffer.from(basic, "base64").toString("utf8").split(":")
  return { ...common, grant: "basic", username, password: rest.join(":") }
}

const askedByPost = async (request: Http.IncomingMessage): Promise<Asked> => {
  const parameters = new URLSearchParams(await LocalServer.text(request))
  const common = { parameters, scopes: splitScopes(parameters.getAll("scope")), offline: parameters.get("access_type") === "offline" }
  return parameters.get("grant_type") === "refresh_token"
    ? { ...common, grant: "refresh_token", refreshToken: parameters.get("refresh_token") ?? "" }
    : { ...common, grant: "password", username: parameters.get("username") ?? "", password: parameters.get("password") ?? "" }
}

export const make = (options: Options = {}): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const users = options.users ?? {}
    let settings: Settings = {
      announcedSeconds: options.announcedSeconds ?? 300,
      validSeconds: options.validSeconds ?? 300,
      methods: options.methods ?? ["GET", "POST"],
      grants: options.grants ?? ((user, access) => (user === undefined ? [] : access.actions))
    }
    let requests: ReadonlyArray<TokenRequest> = []
    const refreshTokens = new Map<string, string | undefined>()
    const authority = yield* Certificates.authority(issuer)
    const token = signer(authority)

    /** The user, `undefined` for nobody, `false` for a wrong password or an unknown token. */
    const authenticate = (asked: Asked): string | undefined | false => {
      if (asked.grant === "anonymous") return undefined
      if (asked.refreshToken !== undefined) return refreshTokens.has(asked.refreshToken) ? refreshTokens.get(asked.refreshToken) : false
      return asked.username !== undefined && users[asked.username] === asked.password ? asked.username : false
    }

    const issue = (user: string | undefined, scopes: ReadonlyArray<string>): string => {
      const now = Math.floor(Date.now() / 1000)
      return token({
        iss: issuer,
        sub: user ?? "",
        aud: service,
        iat: now,
        nbf: Math.min(now, now + settings.validSeconds) - 10,
        exp: now + settings.validSeconds,
        jti: randomUUID(),
        access: scopes.map(parseScope).map((access) => ({ ...access, actions: settings.grants(user, access) }))
      })
    }

    const answer = (asked: Asked, post: boolean): readonly [status: number, body: unknown] => {
      const user = authenticate(asked)
      if (user === false)
        return [401, post ? { error: "invalid_grant" } : { errors: [{ code: "UNAUTHORIZED", message: "wrong password" }] }]
      const value = issue(user, asked.scopes)
      const refreshToken = randomUUID()
      if (asked.offline) refreshTokens.set(refreshToken, user)
      return [
        200,
        {
          access_token: value,
          ...(post ? { scope: asked.scopes.join(" ") } : { token: value }),
          expires_in: settings.announcedSeconds,
          issued_at: new Date().toISOString(),
          ...(asked.offline ? { refresh_token: refreshToken } : {})
        }
      ]
    }

    const handle = async (request: Http.IncomingMessage, response: Http.ServerResponse): Promise<void> => {
      const method = request.method ?? "GET"
      const post = method === "POST"
      const asked = post ? await askedByPost(request) : askedByGet(request)
      const [status, body] = settings.methods.includes(method) ? answer(asked, post) : [405, {}]
      requests = [
        ...requests,
        {
          method,
          grant: asked.grant,
          service: asked.parameters.get("service") ?? "",
          scopes: asked.scopes,
          clientId: asked.parameters.get("client_id") ?? undefined,
          status
        }
      ]
      LocalServer.json(response, status, body)
    }

    const server = yield* LocalServer.make((request, response) => {
      handle(request, response).catch((error) => response.writeHead(500).end(String(error)))
    })
    return {
      realm: `${server.origin}/token`,
      service,
      issuer,
      certificate: authority.certificate,
      requests: Effect.sync(() => requests),
      reset: Effect.sync(() => {
        requests = []
      }),
      configure: (changes) =>
        Effect.sync(() => {
          settings = { ...settings, ...changes }
        })
    }
  })

export const layer = (options?: Options): Layer.Layer<TokenServer> => Layer.scoped(TokenServer, make(options))
