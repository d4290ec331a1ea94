/**
 * The addresses of hosts as the operating system has them, for the container engine's rules about networks.
 *
 * ```ts
 * EngineEndpoints.forPull(config, "registry.corp:5000").pipe(Effect.provide(NodeHostAddresses.layer))
 * ```
 *
 * @since 0.1.0
 */
import * as Dns from "node:dns"
import type * as Net from "node:net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HostAddresses, type Service } from "../engine/HostAddresses.ts"

/** Every address that a function like `dns.lookup`, which is the default, has for a name; none when it fails. @since 0.1.0 */
export const make = (lookup: Net.LookupFunction = Dns.lookup): Service => ({
  lookup: (host) =>
    // Asked for nothing, the system answers with nothing for an address.
    host === ""
      ? Effect.succeed([])
      : Effect.async((resume) => {
          lookup(host, { all: true }, (error, found) => {
            // Of a failure Node gives nothing else.
            if (error !== null) resume(Effect.succeed([]))
            else resume(Effect.succeed(typeof found === "string" ? [found] : found.map(({ address }) => address)))
          })
        })
})

/** `dns.lookup`: the hosts file and the name servers of the system, as connections have it. @since 0.1.0 */
export const layer: Layer.Layer<never> = Layer.succeed(HostAddresses, make())
