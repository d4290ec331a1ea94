import type * as HttpClient from "@effect/platform/HttpClient"
import * as Layer from "effect/Layer"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as TokenCache from "../../src/auth/TokenCache.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as RetryPolicy from "../../src/transport/RetryPolicy.ts"

export interface Options {
  /** The registries; `registry.test` without authentication when absent. */
  readonly hosts?: MemoryRegistry.MemoryRegistryOptions["hosts"]
  readonly rules?: ReadonlyArray<FaultyHttp.Rule>
  readonly settings?: RegistryHosts.Options
  readonly keychain?: Layer.Layer<Keychain.Keychain>
  readonly retry?: RetryPolicy.Options
  readonly transport?: RegistryTransport.Options
}

/** Everything below the transport over any client. */
export const layerOver = <A, E, R>(http: Layer.Layer<A | HttpClient.HttpClient, E, R>, options: Options = {}) =>
  RegistryTransport.layer(options.transport).pipe(
    Layer.provide([
      options.keychain ?? Keychain.layerAnonymous,
      TokenCache.layerMemory,
      RetryPolicy.layer(options.retry),
      RegistryHosts.layer(options.settings ?? {})
    ]),
    Layer.provideMerge(http)
  )

/** Registries in memory, behind a network that fails as the rules say, and a transport to them. */
export const layer = (options: Options = {}) => {
  const registries = MemoryRegistry.layer({ hosts: options.hosts ?? { "registry.test": {} } })
  const http = FaultyHttp.layer({ rules: options.rules ?? [] }).pipe(Layer.provideMerge(registries))
  return layerOver(http, options)
}
