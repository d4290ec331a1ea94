/** The system's name service, for the policy that keeps redirects out of internal networks. */
import * as Dns from "node:dns"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NameResolver, type Resolve } from "../../http/internal/addressPolicy.ts"

/** Every address of a name, as connections would use them; none when the name is unknown. */
export const resolve: Resolve = (host) =>
  Effect.async((resume) => {
    Dns.lookup(host, { all: true }, (error, addresses) => resume(Effect.succeed(error === null ? addresses.map((_) => _.address) : [])))
  })

export const layer: Layer.Layer<never> = Layer.succeed(NameResolver, { resolve })
