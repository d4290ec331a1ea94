import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { type RequestContext, TransportError } from "../../model/RegistryError.ts"
import type * as RegistryHosts from "../RegistryHosts.ts"

type Hosts = Pick<RegistryHosts.Service, "prepare">

/**
 * The settings of hosts by which the `HttpClient` beside it connects: for those who ask registries without a transport. A client that trusts
 * all hosts alike comes without.
 *
 * @internal
 */
export class Preparation extends Context.Reference<Preparation>()("effect-oci/transport/Preparation", {
  defaultValue: (): Hosts => ({})
}) {}

/** Finds out what the settings of a host stand upon; the context is that of the first request to it. @internal */
export const prepare = (hosts: Hosts, host: string, context: RequestContext): Effect.Effect<void, TransportError> => {
  if (hosts.prepare === undefined) return Effect.void
  const { method, operation, registry, url } = context
  return Effect.mapError(
    hosts.prepare(host),
    ({ message }) => new TransportError({ registry, operation, method, url, reason: "tls", detail: message, retryable: false })
  )
}
