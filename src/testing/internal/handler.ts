import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { StoreError } from "../../model/RegistryError.ts"
import { type Capabilities, type Endpoint, noAuth, type Options, type RequestHead, type Response } from "../RegistryOptions.ts"
import { type Grant, parseScopes } from "./access.ts"
import * as Authority from "./authority.ts"
import * as Blobs from "./blobs.ts"
import { error, json, noBytes, type Refusal, type Request, type RequestAborted, refuse } from "./exchange.ts"
import * as Listings from "./listings.ts"
import * as Manifests from "./manifests.ts"
import * as Route from "./route.ts"
import { type ChunkedSession, capabilities, checkDigest, checkName, limits, locator, type Site, uploads } from "./site.ts"
import type { Service } from "./storageService.ts"
import * as Uploads from "./uploads.ts"

/** One registry: a function from requests to answers over a storage. @internal */
export interface Handler {
  readonly handle: (request: Request) => Effect.Effect<Response, RequestAborted>
  /** Which part of the API a request is for. */
  readonly endpoint: (request: RequestHead) => Effect.Effect<Endpoint>
  readonly authority: Authority.Authority
  /** Forgets what is remembered beside the storage. */
  readonly reset: Effect.Effect<void>
}

type Failure = Refusal | RequestAborted | StoreError

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"])

/** A method HTTP does not know is a malformed request, one it knows is merely not for this resource. */
const wrongMethod = (method: string) =>
  methods.has(method)
    ? refuse(405, "UNSUPPORTED", `${method} is not supported here`)
    : refuse(400, "UNSUPPORTED", `${method} is not a method`)

const base = json(200, {})

const notFound = refuse(404, "UNSUPPORTED", "no such endpoint")

/** The scopes a request needs (docker token scope documentation); `undefined` where being known is enough. */
const needed = (route: Route.Route, method: string): ReadonlyArray<Grant> => {
  const on = (name: string, actions: string) => parseScopes([`repository:${name}:${actions}`])
  const reading = method === "GET" || method === "HEAD"
  switch (route._tag) {
    case "Base":
    case "Unknown":
      return []
    case "Catalog":
      return parseScopes(["registry:catalog:*"])
    case "Tags":
    case "Referrers":
      return on(route.name, "pull")
    case "Manifest":
    case "Blob":
      return on(route.name, reading ? "pull" : method === "DELETE" ? "delete" : "pull,push")
    case "Uploads":
    case "Upload":
      return on(route.name, "pull,push")
  }
}

/** A mount is tried with `pull` on the source; CNCF distribution asks for both scopes too (`registry/handlers/app.go`). */
const helpful = (route: Route.Route, request: RequestHead, { mount }: Capabilities): ReadonlyArray<Grant> => {
  const from = request.query.get("from") ?? ""
  const mounts = mount && route._tag === "Uploads" && request.method === "POST" && request.query.has("mount")
  return mounts && Route.isName(from) ? parseScopes([`repository:${from}:pull`]) : []
}

const dispatch = (site: Site, route: Route.Route): Effect.Effect<Response, Failure> => {
  const method = site.request.method
  const reading = method === "GET" || method === "HEAD"
  switch (route._tag) {
    case "Base":
      return reading ? Effect.succeed(base) : wrongMethod(method)
    case "Unknown":
      return notFound
    case "Catalog":
      return reading ? Listings.catalog(site) : wrongMethod(method)
    case "Tags":
      return reading ? Listings.tags(site, route.name) : wrongMethod(method)
    case "Referrers":
      return reading ? Listings.referrers(site, route.name, route.digest) : wrongMethod(method)
    case "Manifest":
      if (reading) return Manifests.read(site, route.name, route.reference)
      if (method === "PUT") return Manifests.put(site, route.name, route.reference)
      return method === "DELETE" ? Manifests.remove(site, route.name, route.reference) : wrongMethod(method)
    case "Blob":
      if (reading) return Blobs.read(site, route.name, route.digest)
      if (method === "DELETE") return Blobs.remove(site, route.name, route.digest)
      // What looks like a blob but names no digest is a misspelt upload path.
      return Effect.zipRight(checkDigest(site, route.digest), wrongMethod(method))
    case "Uploads":
      return method === "POST" ? Uploads.start(site, route.name) : wrongMethod(method)
    case "Upload":
      if (method === "GET") return Uploads.status(site, route.name, route.id)
      if (method === "PATCH") return Uploads.patch(site, route.name, route.id)
      if (method === "PUT") return Uploads.close(site, route.name, route.id)
      return method === "DELETE" ? Uploads.cancel(site, route.name, route.id) : wrongMethod(method)
  }
}

const everyAnswer = (options: Options): Response["headers"] => ({
  "Docker-Distribution-API-Version": "registry/2.0",
  ...(options.warnings === undefined || options.warnings.length === 0
    ? {}
    : { Warning: options.warnings.map((text) => `299 - "${text.replace(/["\\]/g, "\\$&")}"`) })
})

const adjustedBefore = (options: Options, request: RequestHead, endpoint: Endpoint): Response | undefined => {
  for (const adjustment of options.adjustments ?? []) {
    const answer = adjustment.before?.(request, endpoint)
    if (answer !== undefined && Option.isSome(answer)) return answer.value
  }
  return undefined
}

const adjustedAfter = (options: Options, request: RequestHead, endpoint: Endpoint, response: Response): Response =>
  (options.adjustments ?? []).reduce((answer, adjustment) => adjustment.after?.(request, endpoint, answer) ?? answer, response)

/** Repository names are checked before anybody is asked for credentials, as the names decide which credentials. */
const guard = (route: Route.Route): Effect.Effect<void, Refusal> => ("name" in route ? checkName(route.name) : Effect.void)

/** @internal */
export const make = (storage: Service, options: Effect.Effect<Options>): Handler => {
  const authority = Authority.make()
  const chunked = new Map<string, ChunkedSession>()

  const answer = Effect.fnUntraced(function* (
    request: Request,
    route: Route.Route,
    settings: Options
  ): Effect.fn.Return<Response, Failure> {
    yield* guard(route)
    const can = capabilities(settings)
    const verdict = yield* authority.check(settings.auth ?? noAuth, request, {
      needed: needed(route, request.method),
      helpful: helpful(route, request, can)
    })
    if (verdict._tag === "Refused") return verdict.response
    const site: Site = {
      storage,
      can,
      limits: limits(settings),
      uploads: uploads(settings),
      claimsSubject: settings.claimsSubject === true,
      request,
      query: request.query,
      grants: verdict.grants,
      locate: locator(settings, request),
      chunked
    }
    return yield* dispatch(site, route)
  })

  const endpointOf = (request: RequestHead, { auth }: Options): Endpoint =>
    auth?._tag === "Bearer" && `${request.scheme}://${request.host}${request.path}` === Authority.realmOf(auth, request)
      ? "token"
      : Route.endpoint(Route.parse(request.path))

  const handle: Handler["handle"] = Effect.fnUntraced(function* (request) {
    const settings = yield* options
    const endpoint = endpointOf(request, settings)
    const early = adjustedBefore(settings, request, endpoint)
    const answering =
      endpoint === "token" && settings.auth?._tag === "Bearer"
        ? authority.issue(settings.auth, request)
        : answer(request, Route.parse(request.path), settings)
    const response =
      early ??
      (yield* Effect.catchTags(answering, {
        Refusal: (refusal) => Effect.succeed(refusal.response),
        StoreError: (failure) => Effect.succeed(error(500, "UNKNOWN", failure.message))
      }))
    const complete = { ...response, headers: { ...everyAnswer(settings), ...response.headers } }
    const adjusted = adjustedAfter(settings, request, endpoint, complete)
    return request.method === "HEAD" ? { ...adjusted, body: noBytes } : adjusted
  })

  return {
    handle,
    authority,
    endpoint: (request) => Effect.map(options, (settings) => endpointOf(request, settings)),
    reset: Effect.zipRight(
      authority.revoke,
      Effect.sync(() => chunked.clear())
    )
  }
}
