/**
 * Registries through `fetch`, for Bun, Deno, browsers and edge workers. Reading and moderate pushes work; what fetch cannot do:
 *
 * - *Redirects*: followed by us, as on Node, where the runtime shows them. Browsers hide them: `redirects: "follow"` leaves them to the
 *   browser, which drops credentials for another origin but neither counts hops our way nor refuses internal addresses.
 * - *Compression*: fetch decompresses on its own and browsers do not let us ask for `identity`. Content that arrives with a
 *   `Content-Encoding` cannot be verified and fails.
 * - *Uploads*: a stream carries no `Content-Length`, which some registries refuse. Streams of known length up to `bufferBytes` are sent as
 *   one buffer; let larger blobs go in chunks of at most that size (`RegistryHosts`: `uploadPlan: "chunked"`). Browsers stream uploads over
 *   HTTP/2 only, if at all.
 * - *Connections*: certificate authorities, client certificates and proxies are the runtime's business; `RegistryHosts` settings for TLS
 *   have no effect. Browsers ask the registry for CORS headers that few send, and do not set `User-Agent`.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Layer from "effect/Layer"
import * as Keychain from "../auth/Keychain.ts"
import * as TokenCache from "../auth/TokenCache.ts"
import * as RegistryClient from "../client/RegistryClient.ts"
import * as RegistryHosts from "../transport/RegistryHosts.ts"
import * as RegistryTransport from "../transport/RegistryTransport.ts"
import * as RetryPolicy from "../transport/RetryPolicy.ts"
import * as FetchClient from "./internal/fetchClient.ts"

/**
 * - `redirects`: `manual` (default), or `follow` for browsers
 * - `bufferBytes`: the largest upload that is held in memory to be sent with its length, 16 MiB by default
 *
 * @since 0.1.0
 */
export interface FetchOptions {
  readonly redirects?: "manual" | "follow" | undefined
  readonly bufferBytes?: number | undefined
}

/**
 * - `hosts`: settings by host, instead of those of `RegistryHosts` in the context
 * - `keychain`: where credentials come from; nowhere by default. What it fails with and requires, the whole does
 * - `retry`, `transport`: the options of `RetryPolicy` and `RegistryTransport`
 *
 * @since 0.1.0
 */
export interface Options<KeychainE = never, KeychainR = never> extends FetchOptions {
  readonly hosts?: RegistryHosts.Options | undefined
  readonly keychain?: Layer.Layer<Keychain.Keychain, KeychainE, KeychainR> | undefined
  readonly retry?: RetryPolicy.Options | undefined
  readonly transport?: RegistryTransport.Options | undefined
}

/** What the layers provide. @since 0.1.0 */
export type Registry = RegistryClient.RegistryClient | RegistryTransport.RegistryTransport | HttpClient.HttpClient

/**
 * The platform's fetch client without cookies, cache and referrer. Another `fetch` can be provided as `FetchHttpClient.Fetch`.
 *
 * @since 0.1.0
 */
export const layerHttpClient = (options: FetchOptions = {}): Layer.Layer<HttpClient.HttpClient> =>
  FetchClient.layer({ redirects: options.redirects ?? "manual", bufferBytes: options.bufferBytes ?? 16 * 1024 * 1024 })

/** @since 0.1.0 */
export const layerWith = <KeychainE = never, KeychainR = never>(
  options: Options<KeychainE, KeychainR> = {}
): Layer.Layer<Registry, KeychainE, KeychainR> => {
  const client = RegistryClient.layer.pipe(
    Layer.provideMerge(RegistryTransport.layer(options.transport)),
    Layer.provide([options.keychain ?? Keychain.layerAnonymous, TokenCache.layerMemory, RetryPolicy.layer(options.retry)]),
    Layer.provideMerge(layerHttpClient(options))
  )
  return options.hosts === undefined ? client : Layer.provide(client, RegistryHosts.layer(options.hosts))
}

/** Anonymous, with memory for tokens and the default retries. @since 0.1.0 */
export const layer: Layer.Layer<Registry> = layerWith()
