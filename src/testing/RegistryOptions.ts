/**
 * How a registry of the test kit behaves, as plain data: what it can do, what it refuses, who may do what, and small adjustments that make it
 * act like a registry one has met. The defaults are the distribution spec at HEAD with everything switched on and no authentication.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Stream from "effect/Stream"
import type * as RegistryError from "../model/RegistryError.ts"

/**
 * The switches of a registry. Switched off, an endpoint answers as a registry that never heard of it: 404 for `catalog` and `referrers`, 405
 * `UNSUPPORTED` for deletions, cancelling and uploads in parts, and silence for parameters.
 *
 * @since 0.1.0
 */
export interface Capabilities {
  /** `GET /v2/_catalog` */
  readonly catalog: boolean
  /** `GET /v2/<name>/referrers/<digest>` and the `OCI-Subject` header (spec «Listing Referrers»). */
  readonly referrers: boolean
  /** The `artifactType` filter of the referrers and its `OCI-Filters-Applied` header. */
  readonly referrersFilter: boolean
  /** `PUT /v2/<name>/manifests/<digest>?tag=…` and the `OCI-Tag` header. */
  readonly tagParameter: boolean
  /** Digests other than sha256. */
  readonly sha512: boolean
  /** `POST ?digest-algorithm=`; without it an algorithm that is not supported is not refused either. */
  readonly digestAlgorithm: boolean
  /** The whole blob in one `POST ?digest=`; without it that POST opens a session (202), as the spec asks. */
  readonly singlePost: boolean
  /** The whole blob in the closing `PUT` of a session; without it that `PUT` takes the digest only. */
  readonly singlePut: boolean
  /** `PATCH` with `Content-Range`. */
  readonly chunkedUpload: boolean
  /** `PATCH` without `Content-Range`. */
  readonly streamedUpload: boolean
  /** A second `PATCH` without `Content-Range` appends; without it such a request is refused. */
  readonly streamedAppend: boolean
  /** `GET` of an upload session. */
  readonly uploadStatus: boolean
  /** `DELETE` of an upload session. */
  readonly cancel: boolean
  /** `POST ?mount=&from=`; without it the POST opens a session (202). */
  readonly mount: boolean
  /** `POST ?mount=` without `from`. */
  readonly anonymousMount: boolean
  /** A blob that no manifest names is mounted too; without it the POST opens a session. */
  readonly mountUncommitted: boolean
  readonly deleteTag: boolean
  readonly deleteManifest: boolean
  readonly deleteBlob: boolean
  /** `Range` on blobs. */
  readonly ranges: boolean
  /** `ETag`, `If-Match`, `If-None-Match`. */
  readonly conditional: boolean
  /** A manifest whose blobs or children are missing is refused with `MANIFEST_BLOB_UNKNOWN`. */
  readonly validateReferences: boolean
  /** A tag may be pushed again; without it that is `TAG_INVALID`, even for the same manifest. */
  readonly moveTags: boolean
  /** Manifests of other things than container images; without it they are `MANIFEST_INVALID`. */
  readonly artifacts: boolean
  /** A push creates the repository; without it a push to an unknown one is `NAME_UNKNOWN`. */
  readonly createRepositories: boolean
}

/** @since 0.1.0 */
export const allCapabilities: Capabilities = {
  catalog: true,
  referrers: true,
  referrersFilter: true,
  tagParameter: true,
  sha512: true,
  digestAlgorithm: true,
  singlePost: true,
  singlePut: true,
  chunkedUpload: true,
  streamedUpload: true,
  streamedAppend: false,
  uploadStatus: true,
  cancel: true,
  mount: true,
  anonymousMount: true,
  mountUncommitted: true,
  deleteTag: true,
  deleteManifest: true,
  deleteBlob: true,
  ranges: true,
  conditional: true,
  validateReferences: true,
  moveTags: true,
  artifacts: true,
  createRepositories: true
}

/**
 * What a registry is willing to handle. Sizes in bytes.
 *
 * @since 0.1.0
 */
export interface Limits {
  /** A longer manifest is refused with 413. */
  readonly manifestBytes: number
  /** A longer body of one upload request is refused with 413. */
  readonly uploadBodyBytes: number
  /** Announced as `OCI-Chunk-Min-Length`; only the last chunk may be shorter. 0: not announced. */
  readonly chunkMinBytes: number
  /** The most entries of one page; a larger `n` is cut. */
  readonly pageEntries: number
  /** A larger `n` is refused with `PAGINATION_NUMBER_INVALID`. */
  readonly pageParameter: number
  /** Most `tag=` parameters of one push; more are refused with 414. */
  readonly tagParameters: number
}

/** @since 0.1.0 */
export const defaultLimits: Limits = {
  manifestBytes: 4 * 1024 * 1024,
  uploadBodyBytes: Number.POSITIVE_INFINITY,
  chunkMinBytes: 0,
  pageEntries: 1000,
  pageParameter: Number.POSITIVE_INFINITY,
  tagParameters: 100
}

/**
 * One account. `access` lists scopes, `repository:<name>:<actions>`, where the name may contain `*` for any text and the action `*` means
 * all; the default is everything.
 *
 * @since 0.1.0
 */
export interface User {
  readonly password: string | Redacted.Redacted<string>
  readonly access?: ReadonlyArray<string> | undefined
}

/** @since 0.1.0 */
export interface NoAuth {
  readonly _tag: "None"
}

/** @since 0.1.0 */
export interface BasicAuth {
  readonly _tag: "Basic"
  readonly users: Readonly<Record<string, User>>
  /** Scopes granted without credentials. Default: none. */
  readonly anonymous?: ReadonlyArray<string> | undefined
  readonly realm?: string | undefined
}

/**
 * How the token service goes wrong on purpose. `status` answers every token request with that status; `postStatus` only the OAuth2 POST.
 *
 * @since 0.1.0
 */
export interface TokenMisbehavior {
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly postStatus?: number | undefined
  readonly body?: string | undefined
  readonly delay?: Duration.DurationInput | undefined
  /** A success without a token in it. */
  readonly noToken?: boolean | undefined
  /** A token of which the registry knows nothing. */
  readonly worthlessToken?: boolean | undefined
  /** Only the last `scope` parameter counts (GitLab). */
  readonly lastScopeOnly?: boolean | undefined
  /** A token is good for everything its owner may do, whatever was asked for (Gitea). */
  readonly ignoresScope?: boolean | undefined
}

/**
 * Bearer tokens (the docker token protocol and its OAuth2 form). The token service is part of the registry unless `realm` says otherwise.
 *
 * @since 0.1.0
 */
export interface BearerAuth {
  readonly _tag: "Bearer"
  readonly users: Readonly<Record<string, User>>
  /** Scopes granted without credentials. Default: none. */
  readonly anonymous?: ReadonlyArray<string> | undefined
  /** The URL of the token service. Default: `/token` of the registry. */
  readonly realm?: string | undefined
  /** What the challenge names instead of the true realm: an attack, or a mistake. */
  readonly advertisedRealm?: string | undefined
  /** Default: the host of the registry. */
  readonly service?: string | undefined
  /** How long a token is good for. Default: 5 minutes. */
  readonly expiresIn?: Duration.DurationInput | undefined
  /** The member that carries the token. Default: both. */
  readonly tokenMember?: "token" | "access_token" | "both" | undefined
  /** Whether the answer tells `expires_in` and `issued_at`. Default: true. */
  readonly tellExpiry?: boolean | undefined
  /** Long-lived identity or refresh tokens known from the start: token to user. */
  readonly identityTokens?: Readonly<Record<string, string>> | undefined
  /** Registry tokens issued elsewhere: token to scopes. They do not expire. */
  readonly registryTokens?: Readonly<Record<string, ReadonlyArray<string>>> | undefined
  /** Whether a refresh token is given when asked for. Default: true. */
  readonly refreshTokens?: boolean | undefined
  /** Whether the registry also takes, and asks for, Basic credentials. Default: false. */
  readonly alsoBasic?: boolean | undefined
  readonly misbehavior?: TokenMisbehavior | undefined
}

/** @since 0.1.0 */
export type Auth = NoAuth | BasicAuth | BearerAuth

/** A request as an adjustment sees it: everything but the body. Header names are lower case, the path is as received. @since 0.1.0 */
export interface RequestHead {
  readonly method: string
  readonly scheme: string
  readonly host: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
}

/** An answer. A header with several values is sent as several header lines. @since 0.1.0 */
export interface Response {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly body: Uint8Array | Stream.Stream<Uint8Array, RegistryError.StoreError>
}

/** Which part of the API a request is for; `unknown` has no route. @since 0.1.0 */
export type Endpoint = RegistryError.Endpoint | "token" | "unknown"

/**
 * A deviation of one registry from the spec as a value. `before` answers instead of the registry; `after` changes what the registry
 * answered. Both are pure.
 *
 * @since 0.1.0
 */
export interface Adjustment {
  readonly name: string
  readonly before?: ((request: RequestHead, endpoint: Endpoint) => Option.Option<Response>) | undefined
  readonly after?: ((request: RequestHead, endpoint: Endpoint, response: Response) => Response) | undefined
}

/**
 * What registries do to uploads that the spec does not foresee.
 *
 * - `patchStatus`: the answer to a `PATCH`; 202 in the spec
 * - `range`: what `Range` says after a chunk: how much has arrived, or, `stuck`, for ever how much arrived with the first one
 * - `laterChunks`: whether the chunks after the first one are `kept`, or accepted and `lost`
 *
 * @since 0.1.0
 */
export interface Uploads {
  readonly patchStatus: 201 | 202 | 204
  readonly range: "moving" | "stuck"
  readonly laterChunks: "kept" | "lost"
}

/** @since 0.1.0 */
export const defaultUploads: Uploads = { patchStatus: 202, range: "moving", laterChunks: "kept" }

/** @since 0.1.0 */
export interface Options {
  readonly capabilities?: Partial<Capabilities> | undefined
  readonly limits?: Partial<Limits> | undefined
  readonly uploads?: Partial<Uploads> | undefined
  /** `OCI-Subject` is sent even where there is no list of referrers. Default: false. */
  readonly claimsSubject?: boolean | undefined
  readonly auth?: Auth | undefined
  /** Sent with every answer as `Warning: 299 - "…"` (spec «Warnings»). */
  readonly warnings?: ReadonlyArray<string> | undefined
  /** `Location` as a path or with scheme and host. Default: path. */
  readonly location?: "path" | "absolute" | undefined
  /** Applied in order. */
  readonly adjustments?: ReadonlyArray<Adjustment> | undefined
}

/** No authentication. @since 0.1.0 */
export const noAuth: Auth = { _tag: "None" }

/** @since 0.1.0 */
export const basic = (options: Omit<BasicAuth, "_tag">): Auth => ({ _tag: "Basic", ...options })

/** @since 0.1.0 */
export const bearer = (options: Omit<BearerAuth, "_tag">): Auth => ({ _tag: "Bearer", ...options })

/** One set of options on top of another: switches, limits and uploads merge, adjustments add up, the rest is replaced. @since 0.1.0 */
export const merge = (base: Options, over: Options): Options => ({
  ...base,
  ...over,
  capabilities: { ...base.capabilities, ...over.capabilities },
  limits: { ...base.limits, ...over.limits },
  uploads: { ...base.uploads, ...over.uploads },
  adjustments: [...(base.adjustments ?? []), ...(over.adjustments ?? [])]
})
