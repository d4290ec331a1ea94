/**
 * A registry on a real port, for tests that need sockets and for tools like `docker`, `skopeo` and `crane`: the same registry as
 * `MemoryRegistry`, served by Node.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { StoreError } from "../model/RegistryError.ts"
import * as NodeServer from "./internal/nodeServer.ts"
import * as Registry from "./internal/registry.ts"
import type { RegistryControl } from "./RegistryControl.ts"
import type * as RegistryOptions from "./RegistryOptions.ts"
import * as RegistryStorage from "./RegistryStorage.ts"

/** @since 0.1.0 */
export interface RegistryServerOptions extends RegistryOptions.Options, NodeServer.Options {}

/** @since 0.1.0 */
export class RegistryServer extends Context.Tag("effect-oci/RegistryServer")<RegistryServer, Service>() {}

/** @since 0.1.0 */
export interface Service extends RegistryControl, NodeServer.Server {}

/** A server over a storage; it stops, connections and all, when the scope closes. @since 0.1.0 */
export const make: (options: RegistryServerOptions, storage: RegistryStorage.Service) => Effect.Effect<Service, StoreError, Scope.Scope> =
  Effect.fnUntraced(function* (options, storage) {
    const { hostname, port, tls, ...behavior } = options
    // Which registry answers is known once the port is.
    const ready = yield* Deferred.make<Registry.Registry>()
    const server = yield* NodeServer.serve({ hostname, port, tls }, (request, query) =>
      Effect.flatMap(Deferred.await(ready), (registry) => registry.serve(request, query))
    )
    const registry = yield* Registry.make(server.host, storage, behavior)
    yield* Deferred.succeed(ready, registry)
    return { ...registry.control, ...server }
  })

/** A registry on a port over a storage of one's own. @since 0.1.0 */
export const layerWithoutStorage = (
  options: RegistryServerOptions = {}
): Layer.Layer<RegistryServer, StoreError, RegistryStorage.RegistryStorage> =>
  Layer.scoped(
    RegistryServer,
    Effect.flatMap(RegistryStorage.RegistryStorage, (storage) => make(options, storage))
  )

/** A registry in memory on a port. @since 0.1.0 */
export const layer = (options: RegistryServerOptions = {}): Layer.Layer<RegistryServer, StoreError> =>
  Layer.provide(layerWithoutStorage(options), RegistryStorage.layerMemory)
