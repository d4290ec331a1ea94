/**
 * Everything a program on Node needs to talk to registries: our HTTP client, credentials from docker's and podman's files, tokens in memory
 * and the default retries.
 *
 * ```ts
 * program.pipe(Effect.provide(NodeRegistry.layer))
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Keychain from "../auth/Keychain.ts"
import * as TokenCache from "../auth/TokenCache.ts"
import * as RegistryClient from "../client/RegistryClient.ts"
import * as Preparation from "../transport/internal/preparation.ts"
import * as RegistryHosts from "../transport/RegistryHosts.ts"
import * as RegistryTransport from "../transport/RegistryTransport.ts"
import * as RetryPolicy from "../transport/RetryPolicy.ts"
import type * as Dispatcher from "./Dispatcher.ts"
import * as NodeClient from "./NodeClient.ts"

/**
 * - `hosts`: settings by host, instead of those of `RegistryHosts` in the context
 * - `keychain`: where credentials come from instead of docker's and podman's files
 * - `tokenCache`: where tokens are kept instead of in memory
 * - `retry`, `transport`, `dispatcher`: the options of `RetryPolicy`, `RegistryTransport` and `Dispatcher`
 *
 * What the layers of keychain and tokens fail with and require, the whole does.
 *
 * @since 0.1.0
 */
export interface Options<KeychainE = never, KeychainR = never, TokenCacheE = never, TokenCacheR = never> {
  readonly hosts?: RegistryHosts.Options | undefined
  readonly keychain?: Layer.Layer<Keychain.Keychain, KeychainE, KeychainR> | undefined
  readonly tokenCache?: Layer.Layer<TokenCache.TokenCache, TokenCacheE, TokenCacheR> | undefined
  readonly retry?: RetryPolicy.Options | undefined
  readonly transport?: RegistryTransport.Options | undefined
  readonly dispatcher?: Omit<Dispatcher.Options, "tls"> | undefined
}

/** What the layers provide. @since 0.1.0 */
export type Registry = RegistryClient.RegistryClient | RegistryTransport.RegistryTransport | HttpClient.HttpClient

/**
 * `NodeClient` with the trust settings of `RegistryHosts`. A client of one's own goes around it with `Layer.provideMerge`: the layer also
 * provides how names are looked up, without which the addresses behind names that servers give are not looked at, and what `RegistryHosts` finds
 * out about a host before it is first asked, which `Login` and `Search` need.
 *
 * @since 0.1.0
 */
export const layerHttpClient = (options: Omit<Dispatcher.Options, "tls"> = {}): Layer.Layer<HttpClient.HttpClient> =>
  Layer.unwrapEffect(
    Effect.map(RegistryHosts.RegistryHosts, (hosts) =>
      Layer.merge(
        NodeClient.layer({ ...options, tls: (origin) => hosts.get(new URL(origin).host).tls }),
        Layer.succeed(Preparation.Preparation, hosts)
      )
    )
  )

/** The client and what it stands on, with other parts than the usual ones. @since 0.1.0 */
export const layerWith = <KeychainE = never, KeychainR = never, TokenCacheE = never, TokenCacheR = never>(
  options: Options<KeychainE, KeychainR, TokenCacheE, TokenCacheR> = {}
): Layer.Layer<Registry, KeychainE | TokenCacheE, KeychainR | TokenCacheR> => {
  const keychain = options.keychain ?? Layer.provide(Keychain.layerDockerConfig(), NodeContext.layer)
  const client = RegistryClient.layer.pipe(
    Layer.provideMerge(RegistryTransport.layer(options.transport)),
    Layer.provide([keychain, options.tokenCache ?? TokenCache.layerMemory, RetryPolicy.layer(options.retry)]),
    Layer.provideMerge(layerHttpClient(options.dispatcher))
  )
  return options.hosts === undefined ? client : Layer.provide(client, RegistryHosts.layer(options.hosts))
}

/** The client and what it stands on, as the environment says: credentials, proxies. @since 0.1.0 */
export const layer: Layer.Layer<Registry> = layerWith()
