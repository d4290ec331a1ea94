/**
 * A repository of a registry as a place for content.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as RegistryClient from "../client/RegistryClient.ts"
import * as Digest from "../model/Digest.ts"
import * as MediaType from "../model/MediaType.ts"
import * as Reference from "../model/Reference.ts"
import { InvalidReference } from "../model/RegistryError.ts"
import type * as ContentStore from "./ContentStore.ts"

/** Why reading or writing a repository fails. @since 0.1.0 */
export type RemoteError =
  | InvalidReference
  | RegistryClient.GetManifestError
  | RegistryClient.GetBlobError
  | RegistryClient.HeadBlobError
  | RegistryClient.PutBlobError
  | RegistryClient.PutManifestError
  | RegistryClient.DeleteManifestError
  | RegistryClient.DeleteTagError
  | RegistryClient.DeleteBlobError
  | RegistryClient.ListTagsError
  | RegistryClient.ListReferrersError

/** @since 0.1.0 */
export interface RemoteRepository
  extends ContentStore.Source<RemoteError>,
    ContentStore.Target<RemoteError>,
    ContentStore.Streams<RemoteError>,
    ContentStore.Tags<RemoteError>,
    ContentStore.Referrers<RemoteError>,
    ContentStore.Deletes<RemoteError>,
    ContentStore.ResolvesBlobs<RemoteError>,
    ContentStore.Mounts,
    ContentStore.Prepares {
  readonly repository: Reference.Repository
}

const outcomes = { existed: "existed", mounted: "mounted", uploaded: "stored" } as const

/** The repository as reached by the client in the context. @since 0.1.0 */
export const make = (repository: Reference.Repository): Effect.Effect<RemoteRepository, never, RegistryClient.RegistryClient> =>
  Effect.map(RegistryClient.RegistryClient, (client) => over(client, repository))

/** The repository as reached by a client. @since 0.1.0 */
export const over = (client: RegistryClient.Service, repository: Reference.Repository): RemoteRepository => {
  const withDigest = (digest: Digest.Digest) => Reference.withDigest(repository, digest)

  const referenceOf = (reference: string): Either.Either<Reference.Reference, InvalidReference> =>
    reference.includes(":")
      ? Either.mapBoth(Digest.parse(reference), {
          onLeft: ({ input, reason }) => new InvalidReference({ input, reason }),
          onRight: withDigest
        })
      : Either.map(Reference.parseTag(reference), (tag) => Reference.withTag(repository, tag))

  return {
    label: String(repository),
    repository,
    mounts: { space: repository.registry, name: repository.name },
    prepare: client.prepare(repository),
    exists: (descriptor) =>
      MediaType.isManifest(descriptor.mediaType)
        ? client.manifestExists(withDigest(descriptor.digest))
        : client.blobExists(repository, descriptor.digest),
    resolve: (reference) => Effect.flatMap(referenceOf(reference), (parsed) => client.resolve(parsed)),
    fetchManifest: (reference) =>
      typeof reference === "string"
        ? Effect.flatMap(referenceOf(reference), (parsed) => client.getManifest(parsed))
        : // The size a registry tells may be wrong (Harbor, Google Artifact Registry); the digest decides.
          client.getManifest(withDigest(reference.digest)),
    resolveBlob: (digest) => client.headBlob(repository, digest),
    fetchBlob: (descriptor) => client.getBlob(repository, descriptor),
    current: (tag) =>
      Effect.flatMap(Reference.parseTag(tag), (parsed) => client.resolve(Reference.withTag(repository, parsed))).pipe(
        Effect.asSome,
        // A repository that does not exist, or may not be looked at, has no such tag (field: Artifactory answers 403 for what is missing).
        Effect.catchTags({
          ManifestUnknown: () => Effect.succeedNone,
          NameUnknown: () => Effect.succeedNone,
          Denied: () => Effect.succeedNone
        })
      ),
    pushBlob: (descriptor, content, options) =>
      Effect.map(client.putBlob(repository, descriptor, content, options), (result) => outcomes[result.outcome]),
    pushStream: (content, options) => Effect.map(client.putBlobStream(repository, content, options), ({ descriptor }) => descriptor),
    pushManifest: (manifest, options) =>
      Effect.flatMap(Effect.forEach(options?.tags ?? [], Reference.parseTag), (tags) =>
        Effect.asVoid(client.putManifest(repository, manifest, { tags }))
      ),
    tag: (descriptor, tag) =>
      Effect.flatMap(Reference.parseTag(tag), (parsed) =>
        Effect.flatMap(client.getManifest(withDigest(descriptor.digest)), (manifest) =>
          Effect.asVoid(client.putManifest(repository, manifest, { tags: [parsed] }))
        )
      ),
    tags: client.tags(repository),
    referrers: (descriptor, options) => client.referrers(repository, descriptor.digest, options),
    untag: (tag) => Effect.flatMap(Reference.parseTag(tag), (parsed) => client.deleteTag(repository, parsed)),
    delete: (descriptor) =>
      MediaType.isManifest(descriptor.mediaType)
        ? client.deleteManifest(repository, descriptor.digest)
        : client.deleteBlob(repository, descriptor.digest)
  }
}
