/**
 * Lists of registries that stand in `daemon.json`: hosts as they are named, and networks in which hosts may be.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { HostAddresses } from "../HostAddresses.ts"
import * as HostPort from "./hostPort.ts"
import * as IpNetwork from "./ipNetwork.ts"

/** Whether one of the addresses is in one of the networks. Text that is neither is passed over. @internal */
export const includes = (cidrs: ReadonlyArray<string>, addresses: ReadonlyArray<string>): boolean =>
  cidrs.some((cidr) => {
    const network = IpNetwork.parseNetwork(cidr)
    return (
      network !== undefined &&
      addresses.some((text) => {
        const address = IpNetwork.parseAddress(text)
        return address !== undefined && IpNetwork.contains(network, address)
      })
    )
  })

/** References have hosts in lower case, lists have them as somebody wrote them. @internal */
export const names = (hosts: ReadonlyArray<string>, host: string): boolean =>
  hosts.some((entry) => entry === host || entry.toLowerCase() === host)

/** The address of `host[:port]`, if the host is one. @internal */
export const literal = (host: string): ReadonlyArray<string> | undefined => {
  const name = HostPort.hostOf(host)
  return IpNetwork.parseAddress(name) === undefined ? undefined : [name]
}

/** The addresses of `host[:port]`. Nothing is looked up where there is nothing to compare it with. @internal */
export const addressesOf = (cidrs: ReadonlyArray<string>, host: string): Effect.Effect<ReadonlyArray<string>> => {
  const known = cidrs.length === 0 ? [] : literal(host)
  return known === undefined ? Effect.flatMap(HostAddresses, (_) => _.lookup(HostPort.hostOf(host))) : Effect.succeed(known)
}
