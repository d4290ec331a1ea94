import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as AddressPolicy from "../../http/internal/addressPolicy.ts"
import type * as Wire from "../../http/internal/Wire.ts"
import type { RequestContext } from "../../model/RegistryError.ts"
import * as Preparation from "../../transport/internal/preparation.ts"
import * as NamedWire from "./namedWire.ts"
import { areTrusted } from "./v1Trust.ts"

/**
 * How requests of the first API are sent.
 *
 * - `userAgent`: put in front of the library's own
 * - `headers`: go with every request to the hosts that are asked, and not where these redirect to
 * - `connectTimeout`, `headersTimeout`: together, how long nothing may happen until the answer's headers arrive; by default 30 s and 1
 *   minute, 5 minutes for PUT
 * - `idleTimeout`: how long a body may stand still, default 1 minute
 * - `maxRedirects`: default 10
 *
 * @since 0.1.0
 */
export interface Options {
  readonly userAgent?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly connectTimeout?: Duration.DurationInput | undefined
  readonly headersTimeout?: Duration.DurationInput | undefined
  readonly idleTimeout?: Duration.DurationInput | undefined
  readonly maxRedirects?: number | undefined
}

/** @internal */
export interface V1Wire {
  readonly wire: Pick<Wire.Wire, "send" | "open">
  readonly resolver: AddressPolicy.CheckOptions["resolver"]
  /** What goes with every request. */
  readonly headers: Readonly<Record<string, string>>
}

const lowerCase = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/** The same wire, which finds out what it has to know about a host before the first request to it. */
const prepared = (wire: Wire.Wire, hosts: Preparation.Preparation["Type"]): Pick<Wire.Wire, "send" | "open"> => {
  const ready = new Set<string>()
  const prepare = (context: RequestContext) =>
    ready.has(context.registry)
      ? Effect.void
      : Effect.map(Preparation.prepare(hosts, context.registry, context), () => {
          ready.add(context.registry)
        })
  return {
    send: (request, options) => Effect.zipRight(prepare(request.context), wire.send(request, options)),
    open: (request, restore) => Effect.zipRight(restore(prepare(request.context)), wire.open(request, restore))
  }
}

/** A wire over the client of the context; the host of the URL is one that the user named. @internal */
export const open = Effect.fnUntraced(function* (url: string, { headers = {}, ...options }: Options) {
  const { resolver, wire } = yield* NamedWire.open(url, { ...options, sharesCredentials: areTrusted })
  const v1: V1Wire = { wire: prepared(wire, yield* Preparation.Preparation), resolver, headers: lowerCase(headers) }
  return v1
})
