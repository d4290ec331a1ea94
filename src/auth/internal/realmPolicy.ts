import * as Effect from "effect/Effect"
import * as AddressPolicy from "../../http/internal/addressPolicy.ts"
import * as Origin from "../../http/internal/origin.ts"

/** The registry that named the token service. @internal */
export interface Registry {
  readonly origin: string
  /** It may be spoken to without TLS. */
  readonly plainHttp: boolean
  /** Hosts of token services that the user vouches for, internal or not. */
  readonly trustedRealms?: ReadonlyArray<string> | undefined
}

// Reached over plain http without leave to be, a registry is held to the rules of https.
const asSeen = (registry: Registry): URL | undefined =>
  Origin.parse(registry.origin.replace(/^https?:/, registry.plainHttp ? "http:" : "https:"))

/** Whether the user vouches for the host, named with or without its port. @internal */
export const isTrusted = (registry: Pick<Registry, "trustedRealms">, realm: URL): boolean =>
  registry.trustedRealms?.some((host) => host === realm.host || host === realm.hostname) ?? false

const withUser = (url: URL): string | undefined =>
  url.username !== "" || url.password !== "" ? "it carries a user name or password" : undefined

/**
 * Why a registry may not send us to this token service (go-containerregistry `validateRealmURL`, and the names behind it as far as they can be
 * looked up): https, or http when the registry is plain http; no address that is internal, unless the registry is as internal itself.
 *
 * @internal
 */
export const check = (registry: Registry, realm: string): Effect.Effect<string | undefined> => {
  const from = asSeen(registry)
  const to = /^[a-z][a-z0-9+.-]*:\/\/[\x21-\x7e]+$/i.test(realm) ? Origin.parse(realm) : undefined
  if (from === undefined) return Effect.succeed("the address of the registry is not a URL")
  if (to === undefined) return Effect.succeed("it is not an absolute URL")
  const reason = withUser(to)
  return reason === undefined ? AddressPolicy.check(from, to, { allowInternal: isTrusted(registry, to) }) : Effect.succeed(reason)
}

/**
 * Why a token service may not redirect there: what it may not do for itself, it may not do for the registry; and a body that holds a
 * credential stays with the service it was written for.
 *
 * @internal
 */
export const redirectRefusal =
  (registry: Registry, method: string) =>
  (from: URL, to: URL): string | undefined => {
    const source = asSeen(registry)
    if (source === undefined) return "the address of the registry is not a URL"
    if (method !== "GET" && !Origin.same(from, to)) return "credentials are not sent on to another host"
    return withUser(to) ?? (isTrusted(registry, to) ? undefined : AddressPolicy.refusal(source, to))
  }
