/**
 * Where credentials come from. A `Keychain` answers, for a registry and perhaps a repository in it, with the credentials to use;
 * `Anonymous` means that it knows none. Keychains are values: they combine with `first` and `refreshing`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { KeychainError } from "../model/RegistryError.ts"
import * as Credentials from "./Credentials.ts"
import * as CredentialKeys from "./internal/credentialKeys.ts"

/**
 * What credentials are asked for. `registry` is the name as references have it (`docker.io`, `ghcr.io`, `localhost:5000`), `repository`
 * the path in it (`library/ubuntu`) where one is known.
 *
 * @since 0.1.0
 */
export interface Resource {
  readonly registry: string
  readonly repository?: string | undefined
}

/** @since 0.1.0 */
export interface Service {
  /** The most specific credentials known for the resource, `Anonymous` when there are none. */
  readonly resolve: (resource: Resource) => Effect.Effect<Credentials.Credentials, KeychainError>
}

/** @since 0.1.0 */
export class Keychain extends Context.Tag("effect-oci/Keychain")<Keychain, Service>() {}

/** A keychain from a function. @since 0.1.0 */
export const fromFunction = (resolve: Service["resolve"]): Service => ({ resolve })

/** Knows nobody. @since 0.1.0 */
export const anonymous: Service = fromFunction(() => Effect.succeed(Credentials.anonymous))

/**
 * Credentials by pattern, a fixed table. A pattern is a registry (`ghcr.io`), a path in one (`ghcr.io/acme`, which speaks for everything
 * below it) or a host with `*` for one label or a part of one (`*.gcr.io`). The most specific pattern wins: the longest path, then a host
 * without `*`. For Docker Hub, `docker.io`, `index.docker.io` and `https://index.docker.io/v1/` are all understood.
 *
 * @since 0.1.0
 */
export const make = (credentials: Readonly<Record<string, Credentials.Credentials>>): Service => {
  const table = new Map(Object.entries(credentials))
  return fromFunction((resource) => {
    const found = CredentialKeys.matchKeys(table.keys(), resource, { wildcards: true })
      .map((_) => table.get(_.key) ?? Credentials.anonymous)
      .find((_) => !Credentials.isAnonymous(_))
    return Effect.succeed(found ?? Credentials.anonymous)
  })
}

/**
 * Asks one keychain after the other; the first answer that is not `Anonymous` counts, the first failure ends the search.
 *
 * @since 0.1.0
 */
export const first = (...keychains: ReadonlyArray<Service>): Service =>
  fromFunction(
    Effect.fnUntraced(function* (resource: Resource) {
      for (const keychain of keychains) {
        const credentials = yield* keychain.resolve(resource)
        if (!Credentials.isAnonymous(credentials)) return credentials
      }
      return Credentials.anonymous
    })
  )

/** @since 0.1.0 */
export const layerAnonymous: Layer.Layer<Keychain> = Layer.succeed(Keychain, anonymous)

/** See `make`. @since 0.1.0 */
export const layer = (credentials: Readonly<Record<string, Credentials.Credentials>>): Layer.Layer<Keychain> =>
  Layer.sync(Keychain, () => make(credentials))

/** `first` for layers: each is built once, in no particular order, and asked in the order given. @since 0.1.0 */
export const layerFirst = <const Layers extends ReadonlyArray<Layer.Layer<Keychain, unknown, unknown>>>(
  ...layers: Layers
): Layer.Layer<Keychain, Layer.Layer.Error<Layers[number]>, Layer.Layer.Context<Layers[number]>> => {
  const all = layers.reduce<Layer.Layer<Keychain, unknown, unknown>>(
    (before, after) =>
      Layer.zipWith(before, after, (a, b) => Context.make(Keychain, first(Context.get(a, Keychain), Context.get(b, Keychain)))),
    layerAnonymous
  )
  // The errors and requirements are those of the layers given; `reduce` can only carry them as `unknown`.
  return all as Layer.Layer<Keychain, Layer.Layer.Error<Layers[number]>, Layer.Layer.Context<Layers[number]>>
}
