/**
 * A login as the container engine does it: credentials are tried at the endpoints of a registry, and what the registry gives for them is what
 * to keep.
 *
 * ```ts
 * const { credentials } = yield* Login.login({ registry: "ghcr.io", credentials: Credentials.basic(user, password) })
 * yield* DockerConfig.update(file, (config) => DockerConfig.set(config, { registry: "ghcr.io" }, credentials))
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Credentials from "../auth/Credentials.ts"
import { registryTags } from "../client/internal/errors.ts"
import type * as RegistryClient from "../client/RegistryClient.ts"
import * as DockerHub from "./DockerHub.ts"
import * as EngineConfig from "./EngineConfig.ts"
import * as EngineEndpoints from "./EngineEndpoints.ts"
import * as NamedWire from "./internal/namedWire.ts"
import * as V2Endpoint from "./internal/v2Endpoint.ts"
import * as V1Endpoint from "./V1Endpoint.ts"
import * as V1Session from "./V1Session.ts"

/**
 * - `registry`: as people write it, `ghcr.io` or `https://index.docker.io/v1/`; only the host counts, and without one it is Docker Hub
 * - `config`: which registries may be asked unverified, by plain http or by the V1 protocol
 * - `userAgent`: put in front of the library's own
 * - `clientId`: how the library names itself to token services, default `effect-oci`
 *
 * @since 0.1.0
 */
export interface Options {
  readonly credentials: Credentials.Credentials
  readonly registry?: string | undefined
  readonly config?: EngineConfig.EngineConfig | undefined
  readonly userAgent?: string | undefined
  readonly clientId?: string | undefined
}

/**
 * - `endpoint`: the one that let us in
 * - `credentials`: what to keep: the identity token that the token service gave, or what was tried
 *
 * @since 0.1.0
 */
export interface LoggedIn {
  readonly endpoint: EngineEndpoints.Endpoint
  readonly credentials: Credentials.Credentials
}

/** Why nobody is logged in: what the last endpoint that was asked said. @since 0.1.0 */
export type LoginError = RegistryClient.PingError | V1Session.LoginRefused

/** A failure, and whether it is the last word on the matter. */
interface Failure {
  readonly error: LoginError
  readonly final: boolean
}

type Attempt = Effect.Effect<LoggedIn, Failure, HttpClient.HttpClient>

const byV2 = (endpoint: EngineEndpoints.Endpoint, { clientId, credentials, userAgent }: Options): Attempt =>
  Effect.gen(function* () {
    const visit = { registry: endpoint.host, url: endpoint.url, operation: "login", credentials, clientId, userAgent }
    const v2 = yield* Effect.mapError(V2Endpoint.ping(visit, true), (error): Failure => ({ error, final: false }))
    const entered = Effect.gen(function* () {
      const { header, token } = yield* v2.authorize([])
      // Asked for credentials, and there are none that fit: the same request would get the same answer.
      const response = v2.greeting.status === 401 && Option.isNone(header) ? v2.greeting : yield* v2.get(header)
      if (response.status !== 200) return yield* response.fail(registryTags)
      const refreshToken = Option.getOrUndefined(token)?.refreshToken
      return { endpoint, credentials: refreshToken === undefined ? credentials : Credentials.identityToken(refreshToken) }
    })
    return yield* Effect.mapError(entered, (error): Failure => ({ error, final: v2.confirmed }))
  })

const byV1 = (endpoint: EngineEndpoints.Endpoint, { credentials, userAgent }: Options): Attempt =>
  V1Session.login(V1Endpoint.fromEndpoint(endpoint), credentials, { ...NamedWire.patience, userAgent }).pipe(
    Effect.as({ endpoint, credentials }),
    Effect.mapError((error): Failure => ({ error, final: error._tag === "LoginRefused" }))
  )

/** Without scheme, user, path and query, of which none may become part of the URLs that credentials are sent to. */
const hostOf = (registry: string): string => {
  const [authority = ""] = registry.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "").split(/[/?#\\]/, 1)
  return authority.replace(/^.*@/s, "").toLowerCase() || DockerHub.indexHostname
}

/**
 * Tries the credentials at the endpoints of a registry, one after the other: by https, and where the registry is an insecure one by plain http,
 * and then, unless `disable-legacy-registry` is set, by the V1 protocol. The next one is asked where nobody answers, and where a v2 endpoint
 * that does not call itself one (`Docker-Distribution-Api-Version`) does not let us in; a refusal by one that does is final. Unlike the
 * engine it leaves plain http alone at a host that has answered by https. Token services are asked for an identity token along with the access
 * token.
 *
 * Needs an `HttpClient` that knows how each host is verified, as that of `NodeRegistry` with `EngineHosts`. A password goes by plain http where
 * the registry is an insecure one.
 *
 * @since 0.1.0
 */
export const login: (options: Options) => Effect.Effect<LoggedIn, LoginError, HttpClient.HttpClient> = Effect.fn("Login.login")(function* (
  options: Options
) {
  const endpoints = yield* EngineEndpoints.forPush(options.config ?? EngineConfig.empty, hostOf(options.registry ?? ""))
  const final = new WeakSet<LoginError>()
  const attempt = (endpoint: EngineEndpoints.Endpoint) =>
    Effect.mapError(endpoint.version === "v1" ? byV1(endpoint, options) : byV2(endpoint, options), (failure) => {
      if (failure.final) final.add(failure.error)
      return failure.error
    })
  return yield* EngineEndpoints.firstOf(endpoints, attempt, {
    continuesAfter: (error) => !final.has(error),
    confirmsV2: (error) => final.has(error)
  })
})
