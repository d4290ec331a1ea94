/**
 * Where a container engine goes for a registry, and in which order: mirrors, https before http, version 2 before version 1; and when it goes on from
 * one to the next.
 *
 * ```ts
 * const endpoints = yield* EngineEndpoints.forPull(config, "docker.io")
 * const manifest = yield* EngineEndpoints.firstOf(endpoints, (endpoint) => pullFrom(endpoint))
 * ```
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as DockerHub from "./DockerHub.ts"
import * as EngineConfig from "./EngineConfig.ts"
import * as FallbackRules from "./internal/fallbackRules.ts"
import * as GoUrl from "./internal/goUrl.ts"

/** Of the protocol. @since 0.1.0 */
export type Version = "v1" | "v2"

/**
 * A place that may answer for a registry.
 *
 * - `url`: scheme, host and port; that of a mirror ends in a slash
 * - `host`: host and port of that, as settings and credentials know it
 * - `mirror`: it answers reads of Docker Hub in its place
 * - `official`: it is Docker Hub itself
 * - `trimHostname`: it knows repositories without the name of the registry before them, which all do
 * - `secure`: it must have a certificate that is trusted. Where it need not, there is an endpoint by http as well
 *
 * @since 0.1.0
 */
export interface Endpoint {
  readonly url: string
  readonly version: Version
  readonly host: string
  readonly mirror: boolean
  readonly official: boolean
  readonly trimHostname: boolean
  readonly allowNondistributableArtifacts: boolean
  readonly secure: boolean
}

/** There is always one: the registry itself. @since 0.1.0 */
export type Endpoints = Arr.NonEmptyReadonlyArray<Endpoint>

// --- looking up ---

const hub: Endpoint = {
  url: DockerHub.registry,
  version: "v2",
  host: DockerHub.registryHost,
  mirror: false,
  official: true,
  trimHostname: true,
  allowNondistributableArtifacts: false,
  secure: true
}

/** A mirror without a host is none that can be asked. */
const mirrorEndpoint = (config: EngineConfig.EngineConfig, mirror: string): Effect.Effect<ReadonlyArray<Endpoint>> => {
  const { host = "", scheme } = GoUrl.parse(mirror) ?? {}
  if (host === "") return Effect.succeed([])
  return Effect.map(EngineConfig.isSecure(config, host), (secure) => [
    { ...hub, url: `${scheme}://${host}/`, host, mirror: true, official: false, secure }
  ])
}

const registryEndpoints = Effect.fnUntraced(function* (config: EngineConfig.EngineConfig, host: string) {
  const secure = yield* EngineConfig.isSecure(config, host)
  const allowNondistributableArtifacts = yield* EngineConfig.allowsNondistributable(config, host)
  const https: Endpoint = { ...hub, url: `https://${host}`, host, official: false, allowNondistributableArtifacts, secure }
  const v2: Endpoints = secure ? [https] : [https, { ...https, url: `http://${host}` }]
  if (config.v2Only || host === DockerHub.registryHost) return v2
  return Arr.appendAll(
    v2,
    v2.map((endpoint): Endpoint => ({ ...endpoint, version: "v1", allowNondistributableArtifacts: false }))
  )
})

/**
 * Where to push to: of Docker Hub (`docker.io`, `index.docker.io`) its registry, of any other `host[:port]` the host by https, then by http when it is
 * not secure, then the same by version 1 unless the configuration rules that out.
 *
 * @since 0.1.0
 */
export const forPush = (config: EngineConfig.EngineConfig, host: string): Effect.Effect<Endpoints> =>
  DockerHub.isIndex(host) ? Effect.succeed([hub]) : registryEndpoints(config, host)

/** Where to pull from: the mirrors, for Docker Hub, before what {@link forPush} has. @since 0.1.0 */
export const forPull = (config: EngineConfig.EngineConfig, host: string): Effect.Effect<Endpoints> =>
  DockerHub.isIndex(host)
    ? Effect.map(
        Effect.forEach(config.mirrors, (mirror) => mirrorEndpoint(config, mirror)),
        (mirrors): Endpoints => Arr.append(mirrors.flat(), hub)
      )
    : registryEndpoints(config, host)

// --- going through ---

/**
 * Whether another endpoint may do better.
 *
 * - From a mirror always, but for errors that have nothing to do with where one asks: those of a local store, and names that are none.
 * - From a registry after no usable answer at all, an answer that is not in the words of the API, a status of 500 or more, `Unauthorized`,
 *   `ManifestUnknown`, `NameUnknown`, and errors that are not this library's. Not after what the registry says for sure, `TooManyRequests` for one, and
 *   not after content that is wrong.
 *
 * @since 0.1.0
 */
export const continuesAfter = (error: unknown, endpoint: Pick<Endpoint, "mirror">): boolean =>
  FallbackRules.isOfEveryEndpoint(error) ? false : endpoint.mirror || FallbackRules.mayBeBetterElsewhere(error)

/**
 * Whether the host speaks version 2, by an error of such an endpoint: it answered in the words of that API, or with its content, or sent us for a
 * token. The engine goes by the header `Docker-Distribution-Api-Version`, which nobody has to send any more.
 *
 * @since 0.1.0
 */
export const confirmsV2 = (error: unknown, endpoint: Pick<Endpoint, "version">): boolean =>
  endpoint.version === "v2" && FallbackRules.isAnswerOfV2(error)

/** Rules other than those of {@link firstOf}. @since 0.1.0 */
export interface Rules<E> {
  readonly continuesAfter?: ((error: E, endpoint: Endpoint) => boolean) | undefined
  readonly confirmsV2?: ((error: E, endpoint: Endpoint) => boolean) | undefined
}

const isHttps = ({ url }: Endpoint): boolean => url.startsWith("https:")

/**
 * Uses one endpoint after the other until one does not fail, or fails for good ({@link continuesAfter}); then with its error. An endpoint of version 1 is
 * left out once an endpoint of version 2 has shown that it is one ({@link confirmsV2}), and plain http once the host has answered by https: somebody on
 * the way could have brought the error about to see what is sent.
 *
 * @since 0.1.0
 */
export const firstOf = <A, E, R>(
  endpoints: Endpoints,
  use: (endpoint: Endpoint) => Effect.Effect<A, E, R>,
  rules: Rules<E> = {}
): Effect.Effect<A, E, R> => {
  const goesOn = rules.continuesAfter ?? continuesAfter
  const speaksV2 = rules.confirmsV2 ?? confirmsV2
  const from = ([endpoint, ...others]: Endpoints): Effect.Effect<A, E, R> =>
    Effect.catchAll(
      Effect.suspend(() => use(endpoint)),
      (error) => {
        const v2 = speaksV2(error, endpoint)
        const tls = isHttps(endpoint) && !FallbackRules.isWithoutConnection(error)
        const left = others.filter((other) => !(v2 && other.version === "v1") && !(tls && other.host === endpoint.host && !isHttps(other)))
        return Arr.isNonEmptyReadonlyArray(left) && goesOn(error, endpoint) ? from(left) : Effect.fail(error)
      }
    )
  return from(endpoints)
}
