/** One thing that may be done: the part of a scope string before and after its last colon. @internal */
export interface Grant {
  readonly resource: string
  readonly actions: ReadonlySet<string>
}

/** `repository:library/ubuntu:pull,push`, with `*` in the resource for any text and as an action for all. @internal */
export const parseScope = (scope: string): Grant | undefined => {
  const colon = scope.lastIndexOf(":")
  if (colon <= 0) return undefined
  return {
    resource: scope.slice(0, colon),
    actions: new Set(
      scope
        .slice(colon + 1)
        .split(",")
        .filter(Boolean)
    )
  }
}

/** Scope parameters may also hold several scopes, parted by spaces. @internal */
export const parseScopes = (scopes: ReadonlyArray<string>): ReadonlyArray<Grant> =>
  scopes.flatMap((line) => line.split(" ")).flatMap((scope) => parseScope(scope) ?? [])

/** @internal */
export const formatGrant = (grant: Grant): string => `${grant.resource}:${[...grant.actions].join(",")}`

/** No regular expression: a client may ask for a scope with so many `*` that one would never end. */
const covers = (pattern: string, resource: string): boolean => {
  const [first = "", ...parts] = pattern.split("*")
  const last = parts.pop()
  if (last === undefined) return pattern === resource
  if (!resource.startsWith(first)) return false
  let position = first.length
  for (const part of parts) {
    const found = resource.indexOf(part, position)
    if (found === -1) return false
    position = found + part.length
  }
  return position + last.length <= resource.length && resource.endsWith(last)
}

/** Whether one action on one resource is among the grants. @internal */
export const allows = (grants: ReadonlyArray<Grant>, resource: string, action: string): boolean =>
  grants.some((grant) => (grant.actions.has("*") || grant.actions.has(action)) && covers(grant.resource, resource))

/** The part of what was asked for that the holder of `held` may have. @internal */
export const intersect = (asked: ReadonlyArray<Grant>, held: ReadonlyArray<Grant>): ReadonlyArray<Grant> =>
  asked.flatMap((grant) => {
    const actions = new Set([...grant.actions].filter((action) => allows(held, grant.resource, action)))
    return actions.size === 0 ? [] : [{ resource: grant.resource, actions }]
  })

/** Whether everything asked for is held. @internal */
export const includes = (held: ReadonlyArray<Grant>, asked: ReadonlyArray<Grant>): boolean =>
  asked.every((grant) => [...grant.actions].every((action) => allows(held, grant.resource, action)))

/** What a user without an `access` list may do. @internal */
export const everything: ReadonlyArray<string> = ["repository:*:*", "registry:*:*"]
