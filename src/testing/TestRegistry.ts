/**
 * All a test of a program that talks to registries needs, in one layer: the client, registries in memory behind it, and between the two a
 * network that fails when told to.
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
import * as FaultyHttp from "./FaultyHttp.ts"
import * as MemoryRegistry from "./MemoryRegistry.ts"
import * as Quirks from "./Quirks.ts"

/**
 * - `hosts`: the registries; `registry.test`, open to everyone and true to the spec, unless given
 * - `rules`: the faults of the network, see `FaultyHttp`
 * - `keychain`: the first account of each registry unless given. What it fails with and requires, the whole does
 * - `settings`, `retry`, `transport`: as for the client of a program
 *
 * @since 0.1.0
 */
export interface Options<KeychainE = never, KeychainR = never> {
  readonly hosts?: MemoryRegistry.MemoryRegistryOptions["hosts"] | undefined
  readonly rules?: ReadonlyArray<FaultyHttp.Rule> | undefined
  readonly keychain?: Layer.Layer<Keychain.Keychain, KeychainE, KeychainR> | undefined
  readonly settings?: RegistryHosts.Options | undefined
  readonly retry?: RetryPolicy.Options | undefined
  readonly transport?: RegistryTransport.Options | undefined
}

/** The parts of the layer: each can be asked for in the test. @since 0.1.0 */
export type TestRegistry =
  | RegistryClient.RegistryClient
  | RegistryTransport.RegistryTransport
  | MemoryRegistry.MemoryRegistry
  | FaultyHttp.FaultyHttp
  | HttpClient.HttpClient

/** @since 0.1.0 */
export const layer = <KeychainE = never, KeychainR = never>(
  options: Options<KeychainE, KeychainR> = {}
): Layer.Layer<TestRegistry, KeychainE, KeychainR> => {
  const hosts = options.hosts ?? { "registry.test": {} }
  const accounts = Object.entries(hosts).map(([host, behavior]) => [host, Quirks.credentials(behavior)] as const)
  const network = FaultyHttp.layer({ rules: options.rules ?? [] }).pipe(Layer.provideMerge(MemoryRegistry.layer({ hosts })))
  return RegistryClient.layer.pipe(
    Layer.provideMerge(RegistryTransport.layer(options.transport)),
    Layer.provide([
      options.keychain ?? Keychain.layer(Object.fromEntries(accounts)),
      TokenCache.layerMemory,
      RetryPolicy.layer(options.retry),
      RegistryHosts.layer(options.settings ?? {})
    ]),
    Layer.provideMerge(network)
  )
}
