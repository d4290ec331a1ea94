import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Digest from "../../model/Digest.ts"
import * as MediaType from "../../model/MediaType.ts"
import type * as Reference from "../../model/Reference.ts"
import { type ResponseError, Unsupported } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"

/** What an operation works on. @internal */
export interface Place {
  readonly transport: RegistryTransport.Service
  readonly repository: Reference.Repository
  readonly operation: string
}

type Members = "endpoint" | "method" | "path" | "scopes"

/** A request without what the place tells. @internal */
export type Request = Pick<RegistryTransport.TransportRequest, Members> &
  Omit<Partial<RegistryTransport.TransportRequest>, Members | "operation" | "registry" | "repository">

/** @internal */
export const send = (
  { transport, repository, operation }: Place,
  request: Request
): Effect.Effect<RegistryTransport.TransportResponse, RegistryTransport.TransportFailure, Scope.Scope> =>
  transport.execute({ ...request, operation, registry: repository.registry, repository: repository.name })

/** What failures tell about the place. @internal */
export const originOf = ({ repository, operation }: Omit<Place, "transport">) => ({
  registry: repository.registry,
  repository: repository.name,
  operation
})

type Within = Pick<Place, "repository">

/** `tagOrDigest` is safe in a path: the grammars of tags and digests see to that. @internal */
export const manifestPath = ({ repository }: Within, tagOrDigest: string): string => `/v2/${repository.name}/manifests/${tagOrDigest}`

/** @internal */
export const blobPath = ({ repository }: Within, digest: Digest.Digest): string => `/v2/${repository.name}/blobs/${digest}`

/** Where uploads are opened. @internal */
export const uploadsPath = ({ repository }: Within): string => `/v2/${repository.name}/blobs/uploads/`

/** The `Content-Length` of an answer; undefined when it has none that can be right. @internal */
export const contentLength = ({ headers }: RegistryTransport.TransportResponse): number | undefined => {
  const text = headers["content-length"]
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** The `ETag` of an answer, if it promises the same bytes: preconditions and ranges take no weak one (RFC 9110, 13.1.1 and 13.1.5). @internal */
export const strongEtag = ({ headers }: RegistryTransport.TransportResponse): string | undefined => {
  const etag = headers["etag"]
  return etag?.startsWith("W/") === true ? undefined : etag
}

/** What is replaced has to be there still, or not to be there; nothing is demanded of what came without an `ETag`. @internal */
export const precondition = (isThere: boolean, etag: string | undefined): Readonly<Record<string, string>> =>
  isThere ? (etag === undefined ? {} : { "if-match": etag }) : { "if-none-match": "*" }

/** An `Accept` header; all manifest types unless told otherwise. @internal */
export const acceptHeader = (mediaTypes: ReadonlyArray<string> | undefined): { readonly accept: string } => ({
  accept: mediaTypes === undefined ? MediaType.acceptManifestHeader : mediaTypes.join(", ")
})

/** The answer to a deletion that an earlier attempt may have done: what was to go is not there. @internal */
export const isGone = ({ doubtful, status }: RegistryTransport.TransportResponse): boolean => doubtful && status === 404

/** A refusal that, for this operation, means that the registry cannot do it. @internal */
export const asUnsupported = (error: ResponseError): Unsupported =>
  new Unsupported({
    registry: error.registry,
    repository: error.repository,
    operation: error.operation,
    method: error.method,
    url: error.url,
    status: error.status,
    diagnostics: error.diagnostics,
    body: error.body,
    requestId: error.requestId,
    retryAfter: error.retryAfter,
    retryable: error.retryable
  })
