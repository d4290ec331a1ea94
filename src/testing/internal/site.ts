import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Digest from "../../model/Digest.ts"
import {
  allCapabilities,
  type Capabilities,
  defaultLimits,
  defaultUploads,
  type Limits,
  type Options,
  type RequestHead,
  type Uploads
} from "../RegistryOptions.ts"
import type { Grant } from "./access.ts"
import { type Refusal, type Request, refuse } from "./exchange.ts"
import * as Route from "./route.ts"
import type { Service } from "./storageService.ts"

/** What is remembered about a session that takes chunks. @internal */
export interface ChunkedSession {
  /** Bytes of the first chunk. */
  readonly firstBytes: number
  /** Bytes the client was told have arrived, although they were not kept. */
  readonly lostBytes: number
  /** The last chunk was too short to be followed by another one. */
  readonly short: boolean
}

/** Everything an endpoint needs to answer one request. @internal */
export interface Site {
  readonly storage: Service
  readonly can: Capabilities
  readonly limits: Limits
  readonly uploads: Uploads
  readonly claimsSubject: boolean
  readonly request: Request
  readonly query: URLSearchParams
  /** What the caller may do. */
  readonly grants: ReadonlyArray<Grant>
  /** A path as `Location` shows it. */
  readonly locate: (path: string) => string
  /** By upload. */
  readonly chunked: Map<string, ChunkedSession>
}

/** @internal */
export const capabilities = (options: Options): Capabilities => ({ ...allCapabilities, ...options.capabilities })

/** @internal */
export const limits = (options: Options): Limits => ({ ...defaultLimits, ...options.limits })

/** @internal */
export const uploads = (options: Options): Uploads => ({ ...defaultUploads, ...options.uploads })

/** @internal */
export const locator =
  (options: Options, request: RequestHead) =>
  (path: string): string =>
    options.location === "absolute" ? `${request.scheme}://${request.host}${path}` : path

/** @internal */
export const checkName = (name: string): Effect.Effect<void, Refusal> =>
  Route.isName(name) ? Effect.void : refuse(400, "NAME_INVALID", "invalid repository name", { name })

/** A digest in the grammar and of an algorithm this registry keeps; anything else is 400 (spec «Pushing blobs»). @internal */
export const checkDigest = (site: Site, input: string | null): Effect.Effect<Digest.Digest, Refusal> => {
  if (input === null) return refuse(400, "DIGEST_INVALID", "the digest is missing")
  const digest = Digest.parse(input)
  if (Either.isLeft(digest)) return refuse(400, "DIGEST_INVALID", digest.left.reason, { digest: input })
  return Effect.as(checkAlgorithm(site, Digest.algorithm(digest.right)), digest.right)
}

/** @internal */
export const checkAlgorithm = (site: Site, algorithm: string): Effect.Effect<void, Refusal> =>
  algorithm === "sha256" || (algorithm === "sha512" && site.can.sha512)
    ? Effect.void
    : refuse(400, "DIGEST_INVALID", `the algorithm ${algorithm} is not supported`)

/** @internal */
export const checkRepositoryForPush = (site: Site, name: string): Effect.Effect<void, Refusal> =>
  site.can.createRepositories
    ? Effect.void
    : Effect.flatMap(site.storage.hasRepository(name), (exists) =>
        exists ? Effect.void : refuse(404, "NAME_UNKNOWN", "repository name not known to registry", { name })
      )

/** `Content-Length` as a number; undefined when the body is streamed. @internal */
export const contentLength = (request: RequestHead): number | undefined => {
  const header = request.headers["content-length"]
  return header !== undefined && /^\d+$/.test(header) ? Number(header) : undefined
}
