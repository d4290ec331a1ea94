import type { Endpoint } from "../RegistryOptions.ts"

/** @internal */
export type Route =
  | { readonly _tag: "Base" }
  | { readonly _tag: "Catalog" }
  | { readonly _tag: "Tags"; readonly name: string }
  | { readonly _tag: "Manifest"; readonly name: string; readonly reference: string }
  | { readonly _tag: "Blob"; readonly name: string; readonly digest: string }
  | { readonly _tag: "Uploads"; readonly name: string }
  | { readonly _tag: "Upload"; readonly name: string; readonly id: string }
  | { readonly _tag: "Referrers"; readonly name: string; readonly digest: string }
  | { readonly _tag: "Unknown" }

const unknown: Route = { _tag: "Unknown" }

const decode = (path: string): string | undefined => {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

// The name may itself contain `blobs`, `manifests` or `tags`: the last such segment that fits decides.
const routes: ReadonlyArray<readonly [RegExp, (name: string, rest: string) => Route]> = [
  [/^\/v2\/(?:(.*)\/)?blobs\/uploads\/?()$/, (name) => ({ _tag: "Uploads", name })],
  [/^\/v2\/(?:(.*)\/)?blobs\/uploads\/([^/]+)$/, (name, id) => ({ _tag: "Upload", name, id })],
  [/^\/v2\/(?:(.*)\/)?blobs\/([^/]+)$/, (name, digest) => ({ _tag: "Blob", name, digest })],
  [/^\/v2\/(?:(.*)\/)?manifests\/([^/]+)$/, (name, reference) => ({ _tag: "Manifest", name, reference })],
  [/^\/v2\/(?:(.*)\/)?tags\/list()$/, (name) => ({ _tag: "Tags", name })],
  [/^\/v2\/(?:(.*)\/)?referrers\/([^/]+)$/, (name, digest) => ({ _tag: "Referrers", name, digest })]
]

/** What a path asks for; the parts are not checked yet. @internal */
export const parse = (path: string): Route => {
  const decoded = decode(path)
  if (decoded === undefined) return unknown
  if (decoded === "/v2" || decoded === "/v2/") return { _tag: "Base" }
  if (decoded === "/v2/_catalog") return { _tag: "Catalog" }
  for (const [pattern, make] of routes) {
    const match = pattern.exec(decoded)
    if (match !== null) return make(match[1] ?? "", match[2] ?? "")
  }
  return unknown
}

const namePattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/

/** Spec «Pulling manifests»: the grammar of a repository name, and the length most registries allow. @internal */
export const isName = (name: string): boolean => name.length <= 255 && namePattern.test(name)

/** @internal */
export const isTag = (tag: string): boolean => /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/.test(tag)

/** @internal */
export const endpoint = (route: Route): Endpoint => {
  switch (route._tag) {
    case "Base":
      return "base"
    case "Catalog":
      return "catalog"
    case "Tags":
      return "tags"
    case "Manifest":
      return "manifest"
    case "Blob":
      return "blob"
    case "Uploads":
    case "Upload":
      return "upload"
    case "Referrers":
      return "referrers"
    case "Unknown":
      return "unknown"
  }
}
