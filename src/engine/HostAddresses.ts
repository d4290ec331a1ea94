/**
 * How the container engine's rules about networks learn the addresses of a host: `insecure-registries` may hold `10.0.0.0/8`, which means every
 * registry whose name leads there. Nothing is looked up unless a layer says how: `NodeHostAddresses.layer` asks the operating system.
 *
 * ```ts
 * EngineConfig.isSecure(config, "registry.corp:5000").pipe(
 *   Effect.provide(HostAddresses.layer({ "registry.corp": ["10.1.2.3"] }))
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** @since 0.1.0 */
export interface Service {
  /** The IP addresses of a host without port; none when it is unknown or cannot be looked up. IP literals are never asked about. */
  readonly lookup: (host: string) => Effect.Effect<ReadonlyArray<string>>
}

const loopback: ReadonlyArray<string> = ["127.0.0.1", "::1"]

/** RFC 6761, 6.3: these names are this machine's, whoever is asked. */
const isLocalhost = (host: string): boolean => /^(?:.+\.)?localhost\.?$/i.test(host)

/**
 * The addresses of hosts. Where nothing is provided only `localhost` and the names below it are known, as the loopback addresses that they
 * stand for everywhere (RFC 6761, 6.3).
 *
 * @since 0.1.0
 */
export class HostAddresses extends Context.Reference<HostAddresses>()("effect-oci/HostAddresses", {
  defaultValue: (): Service => ({ lookup: (host) => Effect.succeed(isLocalhost(host) ? loopback : []) })
}) {}

/** Addresses by host, whatever the case of its name. All others are unknown, `localhost` too. @since 0.1.0 */
export const make = (table: Readonly<Record<string, ReadonlyArray<string>>>): Service => {
  const known = new Map(Object.entries(table).map(([host, addresses]) => [host.toLowerCase(), addresses]))
  return { lookup: (host) => Effect.sync(() => known.get(host.toLowerCase()) ?? []) }
}

/** See {@link make}. @since 0.1.0 */
export const layer = (table: Readonly<Record<string, ReadonlyArray<string>>>): Layer.Layer<never> =>
  Layer.succeed(HostAddresses, make(table))
