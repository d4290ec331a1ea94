import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as TokenScope from "../../auth/TokenScope.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import * as MediaType from "../../model/MediaType.ts"
import type * as Reference from "../../model/Reference.ts"
import { DigestMismatch, MalformedContent } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { blobTags, type DeleteBlobError, type HeadBlobError, type PingError, registryTags } from "./errors.ts"
import { blobPath, contentLength, isGone, originOf, type Place, send } from "./repositoryRequest.ts"

type Transport = RegistryTransport.Service

/** @internal */
export const ping = (transport: Transport, registry: string): Effect.Effect<RegistryTransport.Ping, PingError> =>
  Effect.gen(function* () {
    const response = yield* transport.execute({
      operation: "ping",
      endpoint: "base",
      registry,
      method: "GET",
      path: "/v2/",
      scopes: []
    })
    if (response.status !== 200) return yield* response.fail(registryTags)
    yield* response.discard
    return yield* transport.ping(registry)
  }).pipe(Effect.scoped)

/** Where mirrors come first, the registry may never be asked for anything. @internal */
export const prepare = (transport: Transport, { name, registry }: Reference.Repository): Effect.Effect<void> =>
  transport.settings(registry).mirrors.length > 0
    ? Effect.void
    : Effect.ignore(transport.token({ registry, repository: name }, [TokenScope.pull(name)]))

/** Whether the answer to a HEAD tells nothing that the one to a GET could not: the method is not known, or the length is missing. */
const isSilent = (response: RegistryTransport.TransportResponse): boolean =>
  response.status === 405 || response.status === 501 || (response.status === 200 && contentLength(response) === undefined)

/** What the headers of the blob tell; where a HEAD does not tell them a GET does, of which the body is not read. A mirror is asked once. */
const head = (
  place: Place,
  digest: Digest.Digest,
  read: "pull" | undefined,
  enough: (response: RegistryTransport.TransportResponse) => boolean
) => {
  const ask = (method: "HEAD" | "GET") =>
    send(place, {
      endpoint: "blob",
      method,
      path: blobPath(place, digest),
      scopes: [TokenScope.pull(place.repository.name)],
      read
    })
  return Effect.flatMap(ask("HEAD"), (response) => (enough(response) || response.mirror ? Effect.succeed(response) : ask("GET")))
}

const described = Effect.fnUntraced(function* (
  place: Place,
  response: RegistryTransport.TransportResponse,
  digest: Digest.Digest
): Effect.fn.Return<Descriptor.Descriptor, HeadBlobError> {
  if (response.status !== 200) return yield* response.fail(blobTags)
  const told = Digest.parse(response.headers["docker-content-digest"] ?? digest)
  // A registry may name the content by another algorithm; only the same one can be compared.
  if (Either.isRight(told) && Digest.algorithm(told.right) === Digest.algorithm(digest) && told.right !== digest) {
    return yield* new DigestMismatch({ ...originOf(place), expected: digest, actual: told.right })
  }
  const size = contentLength(response)
  if (size === undefined) return yield* new MalformedContent({ ...originOf(place), kind: "answer", reason: "it tells no Content-Length" })
  return { mediaType: MediaType.octetStream, digest, size }
})

/** A mirror that speaks of something else is passed over, and the registry has its say. @internal */
export const headBlob = (
  transport: Transport,
  repository: Reference.Repository,
  digest: Digest.Digest
): Effect.Effect<Descriptor.Descriptor, HeadBlobError> => {
  const place: Place = { transport, repository, operation: "headBlob" }
  const from = (read: "pull" | undefined): Effect.Effect<Descriptor.Descriptor, HeadBlobError, Scope.Scope> =>
    Effect.flatMap(
      head(place, digest, read, (response) => !isSilent(response)),
      (response) => {
        const told = described(place, response, digest)
        return response.mirror ? Effect.catchAll(told, () => Effect.zipRight(response.passOver, from(undefined))) : told
      }
    )
  return Effect.scoped(from("pull"))
}

/**
 * Whether the repository holds the blob, as far as the registry says so: 403 is no, as in `manifestExists`; `headBlob` tells the difference.
 *
 * @internal
 */
export const blobExists = (
  transport: Transport,
  repository: Reference.Repository,
  digest: Digest.Digest
): Effect.Effect<boolean, HeadBlobError> =>
  Effect.gen(function* () {
    const response = yield* head(
      { transport, repository, operation: "blobExists" },
      digest,
      "pull",
      (response) => response.status === 200 || !isSilent(response)
    )
    if (response.status === 200) return true
    return response.status === 404 || response.status === 403 ? false : yield* response.fail(blobTags)
  }).pipe(Effect.scoped)

/** @internal */
export const deleteBlob = (
  transport: Transport,
  repository: Reference.Repository,
  digest: Digest.Digest
): Effect.Effect<void, DeleteBlobError> =>
  Effect.gen(function* () {
    const place: Place = { transport, repository, operation: "deleteBlob" }
    const response = yield* send(place, {
      endpoint: "blob",
      method: "DELETE",
      path: blobPath(place, digest),
      scopes: [TokenScope.remove(repository.name)]
    })
    const isDeleted = response.status === 200 || response.status === 202 || response.status === 204 || isGone(response)
    yield* isDeleted ? response.discard : response.fail(blobTags)
  }).pipe(Effect.scoped)
