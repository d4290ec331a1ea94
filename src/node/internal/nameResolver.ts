/**
 * The names of hosts, for the policy that keeps servers from sending us into internal networks, and for the connections that come after.
 * What the policy has seen of a name is where they go for a while: looked up once more, it might stand for another address (DNS rebinding).
 * However late a connection is made, to a host that a server named it is made only where that server may send us.
 */
import * as Dns from "node:dns"
import type * as Net from "node:net"
import * as Effect from "effect/Effect"
import * as AddressPolicy from "../../http/internal/addressPolicy.ts"
import * as CodedError from "../../http/internal/codedError.ts"

export interface Names {
  /** For the policy: every address of a name, none when it is unknown. */
  readonly resolve: AddressPolicy.Resolve
  /** For the policy, about a host it lets a server name. */
  readonly guard: AddressPolicy.Guard
  /** For the transport, about a host that the user named. */
  readonly trust: (host: string) => void
  /** For connections. */
  readonly lookup: Net.LookupFunction
}

type Addresses = ReadonlyArray<Dns.LookupAddress>

/** Saves most connections a look of their own; after that a name is looked up like any other. */
const keptMillis = 60_000

/** So many names are remembered. */
const manyNames = 10_000

/** With the dot at its end (RFC 1035). */
const longestName = 254

/** Longer than a request that a server brought about waits for its connection, with all its attempts: nobody younger is forgotten. */
const guardedMillis = 60 * 60_000

export const make = (system: Net.LookupFunction = Dns.lookup): Effect.Effect<Names> =>
  Effect.map(Effect.clock, (clock) => {
    /** What was last found, and until when connections keep to it. */
    const seen = new Map<string, { readonly addresses: Addresses; readonly until: number }>()
    /** Who named a host last, and when, the latest last. */
    const trusted = new Set<string>()
    const guarded = new Map<string, { readonly from: string; readonly at: number }>()

    const remember = (host: string, addresses: Addresses, until: number) => {
      seen.delete(host)
      seen.set(host, { addresses, until })
      for (const name of seen.keys()) {
        if (seen.size <= manyNames) break
        seen.delete(name)
      }
    }

    const find = (host: string, options: Dns.LookupOptions, told: (error: Error | undefined, addresses: Addresses) => void) =>
      system(host, options, (error, found, family = 4) => {
        const addresses = typeof found === "string" ? [{ address: found, family }] : found
        if (error) told(error, [])
        else if (addresses.length === 0) told(CodedError.make("ENOTFOUND", `${host} has no address`), [])
        else told(undefined, addresses)
      })

    const resolve: AddressPolicy.Resolve = (host) =>
      Effect.async((resume) => {
        find(host, { all: true }, (error, found) => {
          if (error === undefined) remember(host, found, clock.unsafeCurrentTimeMillis() + keptMillis)
          // A connection that is kept may lead to where the name led before.
          const addresses = error === undefined ? found : (seen.get(host)?.addresses ?? [])
          resume(Effect.succeed(textsOf(addresses)))
        })
      })

    const guard: AddressPolicy.Guard = (host, from) => {
      if (trusted.has(host)) return undefined
      if (host.length > longestName) return "no host has so long a name"
      const now = clock.unsafeCurrentTimeMillis()
      guarded.delete(host)
      for (const [name, { at }] of guarded) {
        if (guarded.size < manyNames || now - at < guardedMillis) break
        guarded.delete(name)
      }
      // None of them may be forgotten, lest a request that still waits goes anywhere.
      if (guarded.size >= manyNames) return "more hosts were named than can be watched"
      guarded.set(host, { from, at: now })
      return undefined
    }

    /** What is wrong with the addresses of a host, if it is one that a server named. */
    const judge = (host: string, addresses: Addresses, told: (reach: AddressPolicy.Reach | undefined) => void) => {
      const named = trusted.has(host) ? undefined : guarded.get(host)
      const targets = textsOf(addresses)
      if (named === undefined || AddressPolicy.forbidden(targets, []) === undefined) return told(undefined)
      const { from } = named
      if (AddressPolicy.reachOf(from) !== undefined) return told(AddressPolicy.forbidden(targets, [from]))
      find(from, { all: true }, (_, sources) => told(AddressPolicy.forbidden(targets, textsOf(sources))))
    }

    const lookup: Net.LookupFunction = (host, options, callback) => {
      const give = (addresses: Addresses) =>
        judge(host, addresses, (reach) => {
          const [first] = addresses
          if (reach !== undefined) callback(CodedError.make("EACCES", `${host} is a ${reach} address`), "", 0)
          else if (options.all === true) callback(null, [...addresses])
          else callback(null, first?.address ?? "", first?.family)
        })
      const known = seen.get(host)
      if (known !== undefined && known.until > clock.unsafeCurrentTimeMillis()) return process.nextTick(give, known.addresses)
      find(host, options, (error, addresses) => {
        if (error !== undefined) return callback(error, "", 0)
        remember(host, addresses, 0)
        give(addresses)
      })
    }

    return { resolve, guard, trust: (host) => void trusted.add(host), lookup }
  })

const textsOf = (addresses: Addresses): ReadonlyArray<string> => addresses.map(({ address }) => address)
