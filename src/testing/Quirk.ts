/**
 * Single deviations of registries from the distribution spec, as values to be put among the `adjustments` of a registry. Whole registries
 * made of them are in `Quirks`; deviations that need more than a look at the headers are switches of `RegistryOptions`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { StoreError } from "../model/RegistryError.ts"
import { error, json } from "./internal/exchange.ts"
import { gzip } from "./internal/faultBytes.ts"
import type { Adjustment, Endpoint, RequestHead, Response } from "./RegistryOptions.ts"

type Headers = Response["headers"]

/** The headers without some, whatever their case, and with others. */
const changed = (headers: Headers, changes: Readonly<Record<string, Headers[string] | undefined>>): Headers => {
  const names = new Set(Object.keys(changes).map((name) => name.toLowerCase()))
  const kept = Object.entries(headers).filter(([name]) => !names.has(name.toLowerCase()))
  const added = Object.entries(changes).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  return Object.fromEntries([...kept, ...added])
}

const header = (headers: Headers, wanted: string): string | undefined => {
  const found = Object.entries(headers).find(([name]) => name.toLowerCase() === wanted)?.[1]
  return Predicate.isString(found) ? found : found?.join(", ")
}

/** Refuses the requests that a test picks out. */
const refuseWhen = (name: string, when: (request: RequestHead, endpoint: Endpoint) => boolean, response: Response): Adjustment => ({
  name,
  before: (request, endpoint) => (when(request, endpoint) ? Option.some(response) : Option.none())
})

/** Changes the answers that a test picks out. */
const changeWhen = (
  name: string,
  when: (request: RequestHead, endpoint: Endpoint, response: Response) => boolean,
  change: (response: Response, request: RequestHead) => Response
): Adjustment => ({
  name,
  after: (request, endpoint, response) => (when(request, endpoint, response) ? change(response, request) : response)
})

const repositoryOf = (path: string): string => /^\/v2\/(.*?)\/(?:manifests|blobs|tags|referrers)\//.exec(path)?.[1] ?? ""

// --- manifests and blobs ---

/** `HEAD` of a manifest does not tell the digest. @since 0.1.0 */
export const headWithoutDigest: Adjustment = changeWhen(
  "headWithoutDigest",
  ({ method }, endpoint) => method === "HEAD" && endpoint === "manifest",
  (response) => ({ ...response, headers: changed(response.headers, { "docker-content-digest": undefined }) })
)

/** `HEAD` of a manifest tells a length that is off by so many bytes. @since 0.1.0 */
export const headLengthOff = (bytes: number): Adjustment =>
  changeWhen(
    `headLengthOff(${bytes})`,
    ({ method }, endpoint, { status }) => method === "HEAD" && endpoint === "manifest" && status === 200,
    (response) => {
      const length = Number(header(response.headers, "content-length")) + bytes
      return { ...response, headers: changed(response.headers, { "Content-Length": String(length) }) }
    }
  )

/** `HEAD` of a manifest is refused. @since 0.1.0 */
export const headRefused = (status: 400 | 403 | 405 | 501): Adjustment =>
  refuseWhen(
    `headRefused(${status})`,
    ({ method }, endpoint) => method === "HEAD" && endpoint === "manifest",
    error(status, "UNSUPPORTED", "the operation is unsupported")
  )

/** What is missing is forbidden: 403 for 404 on manifests and blobs. @since 0.1.0 */
export const missingIsDenied: Adjustment = changeWhen(
  "missingIsDenied",
  ({ method }, endpoint, { status }) =>
    (method === "GET" || method === "HEAD") && (endpoint === "manifest" || endpoint === "blob") && status === 404,
  () => error(403, "DENIED", "requested access to the resource is denied")
)

const toStream = ({ body }: Response) => (body instanceof Uint8Array ? Stream.make(body) : body)

const cannotCompress = () => new StoreError({ store: "quirk", operation: "gzip", reason: "the body cannot be compressed" })

/**
 * Whole blobs are sent compressed, with `Content-Encoding: gzip`: `always`, or when the client `accepts` it.
 *
 * @since 0.1.0
 */
export const gzipBlobs = (when: "always" | "accepted"): Adjustment =>
  changeWhen(
    `gzipBlobs(${when})`,
    ({ headers, method }, endpoint, { status }) =>
      method === "GET" &&
      endpoint === "blob" &&
      status === 200 &&
      (when === "always" || /\bgzip\b/.test(headers["accept-encoding"] ?? "gzip")),
    (response) => ({
      ...response,
      headers: changed(response.headers, { "Content-Encoding": "gzip", "Content-Length": undefined }),
      body: Stream.mapError(gzip(toStream(response)), cannotCompress)
    })
  )

// --- uploads ---

/** Bytes in a `Content-Range` of a chunk. */
const chunkLength = ({ headers }: RequestHead): number => {
  const match = /^(\d+)-(\d+)$/.exec(headers["content-range"] ?? "")
  return match === null ? 0 : Number(match[2]) - Number(match[1]) + 1
}

/** A chunk with `Content-Range` that is longer is answered 416, as if its range were wrong. @since 0.1.0 */
export const longChunksRefused = (bytes: number): Adjustment => {
  const { body, headers } = json(416, {
    errors: [{ code: "REQUESTED_RANGE_NOT_SATISFIABLE", message: "request body is too large" }]
  })
  return refuseWhen(
    `longChunksRefused(${bytes})`,
    (request, endpoint) => request.method === "PATCH" && endpoint === "upload" && chunkLength(request) > bytes,
    { status: 416, headers, body }
  )
}

/** The `Location` of an upload carries that many bytes of state. @since 0.1.0 */
export const hugeLocation = (bytes: number): Adjustment =>
  changeWhen(
    `hugeLocation(${bytes})`,
    (_, endpoint, { headers, status }) => endpoint === "upload" && status === 202 && header(headers, "location") !== undefined,
    (response) => {
      const location = header(response.headers, "location") ?? ""
      return { ...response, headers: changed(response.headers, { Location: `${location}?_state=${"s".repeat(bytes)}` }) }
    }
  )

const isMount = ({ method, query }: RequestHead, endpoint: Endpoint): boolean =>
  method === "POST" && endpoint === "upload" && query.has("mount")

const project = (repository: string): string => repository.slice(0, repository.indexOf("/") + 1)

/** A mount from another project, which is what comes before the first slash, is 401, whoever asks. @since 0.1.0 */
export const mountWithinProject: Adjustment = refuseWhen(
  "mountWithinProject",
  (request, endpoint) => isMount(request, endpoint) && project(request.query.get("from") ?? "") !== project(repositoryOf(request.path)),
  error(401, "UNAUTHORIZED", "project not found")
)

/** A mount without `from` is a bad request. @since 0.1.0 */
export const mountNeedsFrom: Adjustment = refuseWhen(
  "mountNeedsFrom",
  (request, endpoint) => isMount(request, endpoint) && !request.query.has("from"),
  json(400, { errors: [{ code: "INVALID_REQUEST", message: "Invalid request", detail: {} }] })
)

/** Repositories stand in a project: names without a slash cannot be pushed to. @since 0.1.0 */
export const projectRequired: Adjustment = refuseWhen(
  "projectRequired",
  ({ method, path }) => (method === "POST" || method === "PUT") && path.startsWith("/v2/") && !repositoryOf(path).includes("/"),
  error(400, "NAME_INVALID", "the repository name has no project")
)

// --- lists ---

const parsed = (body: Response["body"]): unknown =>
  body instanceof Uint8Array ? Either.getOrUndefined(Either.try((): unknown => JSON.parse(new TextDecoder().decode(body)))) : undefined

const resized = (entry: unknown, size: (size: number) => number): unknown =>
  Predicate.isRecord(entry) ? { ...entry, size: size(Number(entry["size"])) } : entry

/** Referrers are listed with sizes that are not those of their manifests. @since 0.1.0 */
export const referrerSizes = (size: (size: number) => number): Adjustment =>
  changeWhen(
    "referrerSizes",
    (_, endpoint, { status }) => endpoint === "referrers" && status === 200,
    (response) => {
      const index = parsed(response.body)
      if (!Predicate.isRecord(index) || !Array.isArray(index["manifests"])) return response
      const { body, headers } = json(200, { ...index, manifests: index["manifests"].map((entry) => resized(entry, size)) })
      return { ...response, headers: changed(response.headers, { "Content-Length": headers["Content-Length"] }), body }
    }
  )

// --- limits and credentials ---

/** Pulls are counted: manifests are answered with what is left, the IETF draft's way. @since 0.1.0 */
export const pullBudget = (limit: number, remaining: number, windowSeconds: number): Adjustment =>
  changeWhen(
    `pullBudget(${limit}, ${remaining})`,
    ({ method }, endpoint) => endpoint === "manifest" && (method === "GET" || method === "HEAD"),
    (response) => ({
      ...response,
      headers: changed(response.headers, {
        "RateLimit-Limit": `${limit};w=${windowSeconds}`,
        "RateLimit-Remaining": `${remaining};w=${windowSeconds}`
      })
    })
  )

/** The pulls are used up: `GET` of a manifest is 429 in plain text, `HEAD` is free. @since 0.1.0 */
export const pullsUsedUp: Adjustment = refuseWhen("pullsUsedUp", ({ method }, endpoint) => method === "GET" && endpoint === "manifest", {
  status: 429,
  headers: { "Content-Type": "text/plain" },
  body: new TextEncoder().encode("You have reached your pull rate limit.\n")
})

/** All challenges stand in one header line, and the scope of the one for tokens is `*`. @since 0.1.0 */
export const challengesInOneLine: Adjustment = changeWhen(
  "challengesInOneLine",
  (_, __, { status }) => status === 401,
  (response) => {
    const challenges = header(response.headers, "www-authenticate")
    return {
      ...response,
      headers: changed(response.headers, { "WWW-Authenticate": challenges?.replace(/scope="[^"]*"/, 'scope="*"') })
    }
  }
)
