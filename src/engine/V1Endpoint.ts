/**
 * Where the first Docker Registry API, `/v1/`, is spoken: its addresses, and what a registry says of itself when it is pinged
 * (balena-engine v18, `registry.V1Endpoint`). Of public servers only the search of Docker Hub still speaks it.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Origin from "../http/internal/origin.ts"
import { inAnyCase, isJsonObject, parseJson } from "../model/internal/json.ts"
import { sanitizeUrl } from "../model/internal/sanitize.ts"
import { RedirectRefused, TransportError } from "../model/RegistryError.ts"
import * as DockerHub from "./DockerHub.ts"
import { authorityOf } from "./internal/v1Address.ts"
import type { Options } from "./internal/v1Wire.ts"
import * as V1Wire from "./internal/v1Wire.ts"

export type {
  /** @since 0.1.0 */
  Options
} from "./internal/v1Wire.ts"

/**
 * The base of all requests: `url` is an http or https URL that ends in `/v1/`. One with `http` was asked for in so many words, or is that of
 * an insecure registry: credentials go there in clear.
 *
 * @since 0.1.0
 */
export const V1Endpoint = Schema.Struct({
  url: Schema.String.pipe(Schema.pattern(/^https?:\/\/[^/?#@\\\s]+(?:\/[^?#\\\s]*)?\/v1\/$/))
}).annotations({ identifier: "V1Endpoint" })

/** @since 0.1.0 */
export type V1Endpoint = typeof V1Endpoint.Type

/** The text is no address of a V1 registry. @since 0.1.0 */
export class InvalidV1Endpoint extends Schema.TaggedError<InvalidV1Endpoint>("effect-oci/InvalidV1Endpoint")("InvalidV1Endpoint", {
  input: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `invalid V1 endpoint ${JSON.stringify(this.input)}: ${this.reason}`
  }
}

/** Without the password that somebody may have written into it. */
const shown = (input: string): string => sanitizeUrl(input).replace(/^.*@/s, "").slice(0, 512)

/** That of Docker Hub; it is never pinged. @since 0.1.0 */
export const dockerHub: V1Endpoint = { url: DockerHub.indexServer }

const problemOf = (url: string): string | undefined => {
  if (/^https?:\/\/[^/]*:\/\//i.test(url)) return "only http and https are spoken"
  if (!/^https?:\/\/[^/]/i.test(url)) return "there is no host"
  if (/[\\\s]/.test(url)) return "it contains white space or a backslash"
  if (/[?#@]/.test(url)) return "a query, a fragment or a user is not allowed"
  return Origin.parse(url) === undefined ? "it is not a URL" : undefined
}

/**
 * Reads an address: `https://` where it names no scheme, and with or without `/v1/` at its end.
 *
 * ```ts
 * V1Endpoint.parse("registry.example.com:5000") // { url: "https://registry.example.com:5000/v1/" }
 * ```
 *
 * Unlike Go's, it takes no address that could not be asked: `ftp://example.com` is no host called `ftp:`, and a query or a password is an error.
 *
 * @since 0.1.0
 */
export const parse = (input: string): Either.Either<V1Endpoint, InvalidV1Endpoint> => {
  const [, scheme = "https", rest = ""] = /^(?:(https?):\/\/)?(.*)$/is.exec(input) ?? []
  const address = `${scheme.toLowerCase()}://${rest}`.replace(/\/$/, "")
  const base = address.replace(/\/v1$/, "")
  const reason = /\/v2$/.test(address) ? "unsupported V1 version path v2" : problemOf(base)
  return reason === undefined ? Either.right({ url: `${base}/v1/` }) : Either.left(new InvalidV1Endpoint({ input: shown(input), reason }))
}

/** That of an endpoint of the container engine, whose URL is taken as it is (balena-engine `APIEndpoint.ToV1Endpoint`). @since 0.1.0 */
export const fromEndpoint = ({ url }: { readonly url: string }): V1Endpoint => ({ url: `${url.replace(/\/$/, "")}/v1/` })

/** The URL of what is at a path below `/v1/`, which is taken as it is. @since 0.1.0 */
export const path = ({ url }: V1Endpoint, path: string): string => `${url}${path}`

/**
 * What a registry says of itself.
 *
 * - `version`: of the registry's program; empty when it does not say
 * - `standalone`: whether it keeps its own users, so that credentials go with every request; so unless it says otherwise
 *
 * @since 0.1.0
 */
export const PingResult = Schema.Struct({ version: Schema.String, standalone: Schema.Boolean })

/** @since 0.1.0 */
export type PingResult = typeof PingResult.Type

/** Why a registry could not be pinged: nothing that answers counts. @since 0.1.0 */
export type PingError = TransportError | RedirectRefused

const bodyLimitBytes = 64 * 1024

const saidInBody = (body: string): Partial<PingResult> => {
  const json = inAnyCase("version", "standalone")(Either.getOrUndefined(parseJson(body)))
  if (!isJsonObject(json)) return {}
  const { standalone, version } = json
  return { ...(typeof version === "string" && { version }), ...(typeof standalone === "boolean" && { standalone }) }
}

const saidInHeaders = (headers: Readonly<Record<string, string>>): Partial<PingResult> => {
  const version = headers["x-docker-registry-version"] ?? ""
  const standalone = (headers["x-docker-registry-standalone"] ?? "").toLowerCase()
  return {
    ...(version !== "" && { version }),
    ...(standalone !== "" && { standalone: standalone === "true" || standalone === "1" })
  }
}

/**
 * Asks a registry about itself: `GET /v1/_ping`. Any status will do, and what the answer does not say, or says wrongly, has its default.
 * Docker Hub is not asked. Credentials are not sent.
 *
 * @since 0.1.0
 */
export const ping: (endpoint: V1Endpoint, options?: Options) => Effect.Effect<PingResult, PingError, HttpClient.HttpClient> = Effect.fn(
  "V1Endpoint.ping"
)(function* (endpoint: V1Endpoint, options: Options = {}) {
  if (endpoint.url === dockerHub.url) return { version: "", standalone: false }
  const url = path(endpoint, "_ping")
  const { headers, wire } = yield* V1Wire.open(url, options)
  const registry = authorityOf(url)
  const context = { registry, operation: "ping", endpoint: "base", method: "GET", url } as const
  const response = yield* wire.send({ method: "GET", url, headers, context })
  const body = yield* Effect.orElseSucceed(response.text(bodyLimitBytes), () => "")
  return { version: "", standalone: true, ...saidInBody(body), ...saidInHeaders(response.headers) }
}, Effect.scoped)

const Failure = Schema.Union(TransportError, RedirectRefused)

/**
 * Nothing that speaks HTTP was found: `https` is why by https, and `http` why by plain http, which only an insecure registry is asked by.
 *
 * @since 0.1.0
 */
export class EndpointUnreachable extends Schema.TaggedError<EndpointUnreachable>("effect-oci/EndpointUnreachable")("EndpointUnreachable", {
  registry: Schema.String,
  https: Failure,
  http: Schema.optional(Failure)
}) {
  override get message(): string {
    const { http, https, registry } = this
    const invalid = `invalid registry endpoint https://${registry}/v1/`
    return http === undefined
      ? `${invalid}: ${https.message}. If this private registry supports only HTTP or HTTPS with an unknown CA certificate, please add ${registry} to the insecure registries. In the case of HTTPS, if you have access to the registry's CA certificate, no need for that; simply place the CA certificate at certs.d/${registry}/ca.crt`
      : `${invalid}. HTTPS attempt: ${https.message}. HTTP attempt: ${http.message}`
  }
}

/** An endpoint that answered, and what it said. @since 0.1.0 */
export interface Connection {
  readonly endpoint: V1Endpoint
  readonly ping: PingResult
}

/**
 * Finds the endpoint of an index by pinging it: by https, and where that fails by plain http, if the index is an insecure one
 * (balena-engine `NewV1Endpoint`). How https is verified is for the `HttpClient` to know.
 *
 * @since 0.1.0
 */
export const connect: (
  index: { readonly name: string; readonly official: boolean; readonly secure: boolean },
  options?: Options
) => Effect.Effect<Connection, InvalidV1Endpoint | EndpointUnreachable, HttpClient.HttpClient> = Effect.fn("V1Endpoint.connect")(function* (
  index: { readonly name: string; readonly official: boolean; readonly secure: boolean },
  options: Options = {}
) {
  const named = index.official ? dockerHub : yield* parse(index.name)
  const by = (scheme: "https" | "http") => {
    const endpoint: V1Endpoint = { url: named.url.replace(/^https?/, scheme) }
    return Effect.map(ping(endpoint, options), (ping): Connection => ({ endpoint, ping }))
  }
  const registry = authorityOf(named.url)
  return yield* Effect.catchAll(by("https"), (https) =>
    index.secure
      ? new EndpointUnreachable({ registry, https })
      : Effect.mapError(by("http"), (http) => new EndpointUnreachable({ registry, https, http }))
  )
})
