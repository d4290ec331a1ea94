/**
 * Registries without sockets: an `HttpClient` layer behind which any number of hosts answer as the distribution spec says, and a service to
 * seed and inspect them.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CodedError from "../http/internal/codedError.ts"
import * as clientRequest from "./internal/clientRequest.ts"
import * as clientResponse from "./internal/clientResponse.ts"
import * as Bytes from "./internal/faultBytes.ts"
import * as Recorder from "./internal/recorder.ts"
import * as Registry from "./internal/registry.ts"
import type { RecordedRequest, RegistryControl } from "./RegistryControl.ts"
import type * as RegistryOptions from "./RegistryOptions.ts"
import * as RegistryStorage from "./RegistryStorage.ts"

/** How one host behaves. @since 0.1.0 */
export interface HostOptions extends RegistryOptions.Options {
  /** What it listens to. https to a host of plain http fails as a TLS handshake does. Default: both. */
  readonly schemes?: ReadonlyArray<"https" | "http"> | undefined
  /** Default: a fresh memory. */
  readonly storage?: RegistryStorage.Service | undefined
}

/** @since 0.1.0 */
export interface MemoryRegistryOptions {
  /** By host name, with the port if it is not the scheme's own: `registry.test`, `localhost:5000`. */
  readonly hosts: Readonly<Record<string, HostOptions>>
}

/** @since 0.1.0 */
export class MemoryRegistry extends Context.Tag("effect-oci/MemoryRegistry")<MemoryRegistry, Service>() {}

/** Its own members speak of the first host; `clearRequests` and `reset` of all. @since 0.1.0 */
export interface Service extends RegistryControl {
  /** One host. Asking for a host the layer does not have is a defect. */
  readonly at: (host: string) => RegistryControl
  /** The requests to all hosts, in order of arrival. */
  readonly allRequests: Effect.Effect<ReadonlyArray<RecordedRequest>>
}

interface Host {
  readonly registry: Registry.Registry
  readonly schemes: ReadonlyArray<string>
}

const broken = (request: HttpClientRequest.HttpClientRequest, cause: unknown) =>
  new HttpClientError.RequestError({ request, reason: "Transport", cause })

const servesRealm = Effect.fnUntraced(function* (host: Host, url: URL) {
  const { auth } = yield* host.registry.options
  return auth?._tag === "Bearer" && auth.realm === `${url.origin}${url.pathname}`
})

/** The registry behind a URL: that of the host, or the one whose token service has this URL. */
const findHost = Effect.fnUntraced(function* (
  hosts: ReadonlyMap<string, Host>,
  request: HttpClientRequest.HttpClientRequest,
  url: URL
): Effect.fn.Return<Host, HttpClientError.RequestError> {
  const host = hosts.get(url.host)
  if (host === undefined) {
    for (const candidate of hosts.values()) if (yield* servesRealm(candidate, url)) return candidate
    return yield* broken(request, Bytes.connectionRefused(url.host))
  }
  const scheme = url.protocol.slice(0, -1)
  if (host.schemes.includes(scheme)) return host
  return yield* broken(
    request,
    scheme === "https"
      ? CodedError.make("ERR_SSL_WRONG_VERSION_NUMBER", "write EPROTO: wrong version number")
      : CodedError.make("ECONNRESET", "socket hang up")
  )
})

const makeClient = (hosts: ReadonlyMap<string, Host>): HttpClient.HttpClient =>
  HttpClient.make(
    Effect.fnUntraced(function* (request, url, signal) {
      const { registry } = yield* findHost(hosts, request, url)
      const headers = clientRequest.headers(request, url.host)
      const answer = yield* registry
        .serve(
          {
            method: request.method,
            scheme: url.protocol.slice(0, -1),
            host: url.host,
            path: url.pathname,
            query: url.searchParams,
            headers,
            body: clientRequest.body(request, headers)
          },
          url.search
        )
        .pipe(Effect.mapError(({ cause }) => broken(request, cause)))
      return clientResponse.make(request, answer, signal)
    })
  )

/** The registries of the options, their client and their controls. @since 0.1.0 */
export const make: (
  options: MemoryRegistryOptions
) => Effect.Effect<{ readonly client: HttpClient.HttpClient; readonly registry: Service }> = Effect.fnUntraced(function* (options) {
  const hosts = new Map<string, Host>()
  const everything = Recorder.make()
  for (const [host, { schemes, storage, ...behavior }] of Object.entries(options.hosts)) {
    const registry = yield* Registry.make(
      host.toLowerCase(),
      storage ?? (yield* RegistryStorage.makeMemory),
      behavior,
      Recorder.both(Recorder.make(), everything)
    )
    hosts.set(host.toLowerCase(), { registry, schemes: schemes ?? ["https", "http"] })
  }
  const at = (host: string): RegistryControl => {
    const found = hosts.get(host.toLowerCase())
    if (found === undefined) throw new Error(`MemoryRegistry has no host ${host}`)
    return found.registry.control
  }
  const first = at(Object.keys(options.hosts)[0] ?? "")
  const controls = [...hosts.values()].map((host) => host.registry.control)
  return {
    client: makeClient(hosts),
    registry: {
      ...first,
      at,
      allRequests: everything.requests,
      clearRequests: Effect.zipRight(
        Effect.forEach(controls, (control) => control.clearRequests, { discard: true }),
        everything.clear
      ),
      reset: Effect.zipRight(
        Effect.forEach(controls, (control) => control.reset, { discard: true }),
        everything.clear
      )
    }
  }
})

/** @since 0.1.0 */
export const layer = (options: MemoryRegistryOptions): Layer.Layer<MemoryRegistry | HttpClient.HttpClient> =>
  Layer.effectContext(
    Effect.map(make(options), ({ client, registry }) =>
      Context.empty().pipe(Context.add(HttpClient.HttpClient, client), Context.add(MemoryRegistry, registry))
    )
  )
