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
  /** How names are looked up, instead of the resolver in the context. */
  readonly resolver?: AddressPolicy.CheckOptions["resolver"]
}

// Reached over plain http without leave to be, a registry is held to the rules of https.
const asSeen = (registry: Registry): URL | undefined =>
  Origin.parse(registry.origin.replace(/^https?:/, registry.plainHttp ? "http:" : "https:"))

/**
 * Which token services a registry may send us to. Made once per registry, since it remembers the first one that was trusted with
 * credentials: a registry that names another one later may have been taken over.
 *
 * @internal
 */
export interface RealmPolicy {
  /** Why this realm may not be asked; `undefined` when it may. `withCredentials`: they would go there. */
  readonly check: (realm: string, options: { readonly withCredentials: boolean }) => Effect.Effect<string | undefined>
  /**
   * Why a token service may not redirect there: what it may not do for itself, it may not do for the registry; and a body that holds a
   * credential stays with the service it was written for.
   */
  readonly redirectRefusal: (method: string) => (from: URL, to: URL) => string | undefined
}

const withUser = (url: URL): string | undefined =>
  url.username !== "" || url.password !== "" ? "it carries a user name or password" : undefined

/**
 * https, or http when the registry is plain http; no address that is internal, unless the registry is as internal itself
 * (go-containerregistry `validateRealmURL`, and the addresses behind names as far as they can be looked up).
 *
 * @internal
 */
export const make = (registry: Registry): RealmPolicy => {
  const source = asSeen(registry)
  let pinned: string | undefined

  /** The user vouches for the host, named with or without its port. */
  const isTrusted = (url: URL) => registry.trustedRealms?.some((host) => host === url.host || host === url.hostname) ?? false

  const pin = (url: URL): string | undefined => {
    if (isTrusted(url)) return undefined
    pinned ??= url.host
    return pinned === url.host ? undefined : `the registry named ${pinned} before`
  }

  const check: RealmPolicy["check"] = (realm, { withCredentials }) => {
    const url = /^[a-z][a-z0-9+.-]*:\/\/[\x21-\x7e]+$/i.test(realm) ? Origin.parse(realm) : undefined
    if (source === undefined) return Effect.succeed("the address of the registry is not a URL")
    if (url === undefined) return Effect.succeed("it is not an absolute URL")
    const form = withUser(url)
    if (form !== undefined) return Effect.succeed(form)
    const address = AddressPolicy.check(source, url, { allowInternal: isTrusted(url), resolver: registry.resolver })
    return Effect.map(address, (reason) => reason ?? (withCredentials ? pin(url) : undefined))
  }

  const redirectRefusal: RealmPolicy["redirectRefusal"] = (method) => (from, to) => {
    if (source === undefined) return "the address of the registry is not a URL"
    if (method !== "GET" && !Origin.same(from, to)) return "credentials are not sent on to another host"
    return withUser(to) ?? (isTrusted(to) ? undefined : AddressPolicy.refusal(source, to))
  }

  return { check, redirectRefusal }
}
