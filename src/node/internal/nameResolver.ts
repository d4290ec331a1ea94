/**
 * The names of hosts, for the policy that keeps servers from sending us into internal networks, and for the connections that come after.
 * What the policy has seen of a name is where they go: looked up once more, it might stand for another address (DNS rebinding).
 */
import * as Dns from "node:dns"
import type * as Net from "node:net"
import * as Effect from "effect/Effect"
import type { Resolve } from "../../http/internal/addressPolicy.ts"

export interface Names {
  /** For the policy: every address of a name, none when it is unknown. */
  readonly resolve: Resolve
  /** For connections. */
  readonly lookup: Net.LookupFunction
}

/** From the look of the policy to the last connection it is for; after that a name is looked up like any other. */
const keptMillis = 60_000

export const make = (system: Net.LookupFunction = Dns.lookup): Effect.Effect<Names> =>
  Effect.map(Effect.clock, (clock) => {
    const seen = new Map<string, { readonly addresses: ReadonlyArray<Dns.LookupAddress>; readonly until: number }>()

    const keep = (host: string, addresses: ReadonlyArray<Dns.LookupAddress>) => {
      const now = clock.unsafeCurrentTimeMillis()
      for (const [name, { until }] of seen) if (until <= now) seen.delete(name)
      if (addresses.length > 0) seen.set(host, { addresses, until: now + keptMillis })
    }

    const resolve: Resolve = (host) =>
      Effect.async((resume) => {
        system(host, { all: true }, (error, found) => {
          const addresses = error === null && typeof found !== "string" ? found : []
          keep(host, addresses)
          resume(Effect.succeed(addresses.map(({ address }) => address)))
        })
      })

    const lookup: Net.LookupFunction = (host, options, callback) => {
      const known = seen.get(host)
      const [first] = known?.addresses ?? []
      if (known === undefined || first === undefined || known.until <= clock.unsafeCurrentTimeMillis())
        return system(host, options, callback)
      process.nextTick(() => (options.all === true ? callback(null, [...known.addresses]) : callback(null, first.address, first.family)))
    }

    return { resolve, lookup }
  })
