/**
 * What a token is asked for: scopes such as `repository:library/ubuntu:pull,push`, treated as sets of actions on resources
 * (distribution «Token Scope Documentation»).
 *
 * @since 0.1.0
 */

/**
 * One scope. `type` may carry a class, as in `repository(plugin)`; actions are in the order given. Text that is no scope of this form
 * stands in `type` alone, without actions.
 *
 * @since 0.1.0
 */
export interface TokenScope {
  readonly type: string
  readonly name: string
  readonly actions: ReadonlyArray<string>
}

/**
 * The scope for actions on a repository, `repository:<name>:<actions>`, with the actions in the order given. A `class` other than `image`
 * is written `repository(<class>)`.
 *
 * @since 0.1.0
 */
export const repository = (name: string, actions: ReadonlyArray<string>, options?: { readonly class?: string | undefined }): string => {
  const type =
    options?.class === undefined || options.class === "" || options.class === "image" ? "repository" : `repository(${options.class})`
  return `${type}:${name}:${actions.join(",")}`
}

/** @since 0.1.0 */
export const pull = (name: string): string => repository(name, ["pull"])

/** `push,pull`, the order that go-containerregistry asks in. @since 0.1.0 */
export const push = (name: string): string => repository(name, ["push", "pull"])

/** Registries differ in whether deleting is `push` or `delete`, so both are asked for. @since 0.1.0 */
export const remove = (name: string): string => repository(name, ["push", "pull", "delete"])

/** The scope for the list of all repositories. @since 0.1.0 */
export const catalog = "registry:catalog:*"

/** The scope for the search of the v1 API. @since 0.1.0 */
export const search = "registry:catalog:search"

/** A repository of a registry, as a mount sees it. @since 0.1.0 */
export interface Place {
  readonly registry: string
  readonly name: string
}

/**
 * The scopes of an upload with blobs to mount: the target's first, since some services look at the first one only, then `pull` on every
 * other repository of the same registry.
 *
 * @since 0.1.0
 */
export const upload = (target: Place, mountFrom: Iterable<Place> = []): ReadonlyArray<string> => {
  const sources = [...mountFrom].filter((source) => source.registry === target.registry && source.name !== target.name)
  return [push(target.name), ...new Set(sources.map((source) => pull(source.name)))]
}

const parseOne = (scope: string): TokenScope => {
  const first = scope.indexOf(":")
  const last = scope.lastIndexOf(":")
  // The name in between may hold colons: a registry host with a port.
  return first === last
    ? { type: scope, name: "", actions: [] }
    : {
        type: scope.slice(0, first),
        name: scope.slice(first + 1, last),
        actions: scope
          .slice(last + 1)
          .split(",")
          .filter((_) => _ !== "")
      }
}

/** Reads a `scope` parameter, which may hold several scopes with spaces between. @since 0.1.0 */
export const parse = (scopes: string): ReadonlyArray<TokenScope> =>
  scopes
    .split(/\s+/)
    .filter((_) => _ !== "")
    .map(parseOne)

/** @since 0.1.0 */
export const format = (scope: TokenScope): string =>
  scope.name === "" && scope.actions.length === 0 ? scope.type : `${scope.type}:${scope.name}:${scope.actions.join(",")}`

const resource = (scope: TokenScope) => `${scope.type}:${scope.name}`

const grouped = (scopes: ReadonlyArray<string>): ReadonlyArray<TokenScope> => {
  const found = new Map<string, TokenScope>()
  for (const scope of scopes.flatMap(parse)) {
    const held = found.get(resource(scope))
    found.set(
      resource(scope),
      held === undefined
        ? { ...scope, actions: [...new Set(scope.actions)] }
        : { ...held, actions: [...new Set([...held.actions, ...scope.actions])] }
    )
  }
  return [...found.values()]
}

/**
 * Puts the scopes a challenge asked for in front of those held: one scope per resource, its actions joined. Some token services look at the
 * first or the last scope only, so a resource is never named twice.
 *
 * @since 0.1.0
 */
export const merge = (held: ReadonlyArray<string>, added: ReadonlyArray<string>): ReadonlyArray<string> => {
  const known = byResource(held)
  // Who asks for an action by its name was not content with `*`.
  const missing = added.flatMap(parse).filter((scope) => !names(known.get(resource(scope)), scope))
  return grouped([...missing.map(format), ...held]).map(format)
}

/** The same set of scopes in one fixed spelling, for comparing and for cache keys: sorted, joined per resource. @since 0.1.0 */
export const normalize = (scopes: ReadonlyArray<string>): ReadonlyArray<string> =>
  grouped(scopes)
    .map((scope) => format({ ...scope, actions: [...scope.actions].sort() }))
    .sort()

const byResource = (scopes: ReadonlyArray<string>): ReadonlyMap<string, TokenScope> =>
  new Map(grouped(scopes).map((scope) => [resource(scope), scope]))

const names = (held: TokenScope | undefined, needed: TokenScope): boolean =>
  held !== undefined && needed.actions.every((action) => held.actions.includes(action))

const allows = (held: TokenScope | undefined, needed: TokenScope): boolean => held?.actions.includes("*") === true || names(held, needed)

/** Whether a token with the scopes `held` may do everything that `needed` names. `*` stands for every action. @since 0.1.0 */
export const covers = (held: ReadonlyArray<string>, needed: ReadonlyArray<string>): boolean => {
  const known = byResource(held)
  return grouped(needed).every((scope) => allows(known.get(resource(scope)), scope))
}
