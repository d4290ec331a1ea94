/**
 * What a registry can do: the distribution-spec, one method for each endpoint.
 *
 * ```ts
 * const program = Effect.gen(function*() {
 *   const client = yield* RegistryClient.RegistryClient
 *   const reference = yield* Reference.parse("ghcr.io/acme/app:1.4")
 *   return yield* client.getManifest(reference)
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as PullStream from "../http/internal/pullStream.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import type * as Digest from "../model/Digest.ts"
import type * as Manifest from "../model/Manifest.ts"
import type * as Reference from "../model/Reference.ts"
import * as RegistryTransport from "../transport/RegistryTransport.ts"
import * as BlobDownload from "./BlobDownload.ts"
import * as BlobUpload from "./BlobUpload.ts"
import * as Blobs from "./internal/blobs.ts"
import * as Deletions from "./internal/deleteManifest.ts"
import type * as Errors from "./internal/errors.ts"
import * as Listing from "./internal/listing.ts"
import { makeManifestState } from "./internal/manifestState.ts"
import * as Manifests from "./internal/manifests.ts"
import * as Permissions from "./internal/permissions.ts"
import * as Pushes from "./internal/putManifest.ts"
import * as Referrers from "./internal/referrers.ts"
import * as UploadPlans from "./internal/uploadPlan.ts"
import type { ListOptions, Page, PageOptions } from "./Pagination.ts"

export type {
  /** @since 0.1.0 */
  DeleteManifestOptions
} from "./internal/deleteManifest.ts"
export type {
  /** @since 0.1.0 */
  CheckDeleteError,
  /** @since 0.1.0 */
  CheckPushError,
  /** @since 0.1.0 */
  DeleteBlobError,
  /** @since 0.1.0 */
  DeleteManifestError,
  /** @since 0.1.0 */
  DeleteTagError,
  /** @since 0.1.0 */
  GetBlobError,
  /** @since 0.1.0 */
  GetManifestError,
  /** @since 0.1.0 */
  HeadBlobError,
  /** @since 0.1.0 */
  ListReferrersError,
  /** @since 0.1.0 */
  ListRepositoriesError,
  /** @since 0.1.0 */
  ListTagsError,
  /** @since 0.1.0 */
  ManifestExistsError,
  /** @since 0.1.0 */
  MountBlobError,
  /** @since 0.1.0 */
  PingError,
  /** @since 0.1.0 */
  PutBlobError,
  /** @since 0.1.0 */
  PutManifestError,
  /** @since 0.1.0 */
  ResolveError
} from "./internal/errors.ts"
export type {
  /** @since 0.1.0 */
  GetManifestOptions,
  /** @since 0.1.0 */
  ResolveOptions
} from "./internal/manifests.ts"
export type {
  /** @since 0.1.0 */
  PutManifestOptions,
  /** @since 0.1.0 */
  PutManifestResult
} from "./internal/putManifest.ts"
export type {
  /** @since 0.1.0 */
  ReferrersOptions
} from "./internal/referrers.ts"

/**
 * The operations of all registries; the registry is part of each repository's name. None requires anything, so a stub replaces the whole.
 *
 * @since 0.1.0
 */
export interface Service {
  // --- the registry ---

  /** `GET /v2/`: whether the registry answers and lets us in (distribution-spec «Determining Support»). */
  readonly ping: (registry: string) => Effect.Effect<RegistryTransport.Ping, Errors.PingError>
  /**
   * Finds the registry and fetches the token for pulling from the repository, so that the next request need not wait for either. What is known
   * is not asked for again, and nothing is asked where mirrors come first. It does not fail: the next request will.
   */
  readonly prepare: (repository: Reference.Repository) => Effect.Effect<void>
  /** The repositories of a registry, page by page (`_catalog`, not part of the distribution-spec; many registries refuse it). */
  readonly repositories: (registry: string, options?: ListOptions) => Stream.Stream<string, Errors.ListRepositoriesError>
  /** One page of repositories, after `last` and of at most `n`. */
  readonly repositoriesPage: (registry: string, options?: PageOptions) => Effect.Effect<Page, Errors.ListRepositoriesError>

  // --- manifests ---

  /** What a tag or digest stands for: `HEAD`, and `GET` where the registry does not tell all there. */
  readonly resolve: (
    reference: Reference.Reference,
    options?: Manifests.ResolveOptions
  ) => Effect.Effect<Descriptor.Descriptor, Errors.ResolveError>
  /** Whether there is such a manifest. */
  readonly manifestExists: (reference: Reference.Reference) => Effect.Effect<boolean, Errors.ManifestExistsError>
  /** A manifest with its bytes as received, its digest verified. */
  readonly getManifest: (
    reference: Reference.Reference,
    options?: Manifests.GetManifestOptions
  ) => Effect.Effect<Manifest.Manifest, Errors.GetManifestError>
  /** Stores a manifest's bytes under its digest and any number of tags; keeps the list of referrers where the registry does not. */
  readonly putManifest: (
    repository: Reference.Repository,
    manifest: Manifest.Manifest,
    options?: Pushes.PutManifestOptions
  ) => Effect.Effect<Pushes.PutManifestResult, Errors.PutManifestError>
  /** Deletes a manifest, and with it every tag that points to it. What is not there any more when it is tried again was deleted; so for tags and blobs. */
  readonly deleteManifest: (
    repository: Reference.Repository,
    digest: Digest.Digest,
    options?: Deletions.DeleteManifestOptions
  ) => Effect.Effect<void, Errors.DeleteManifestError>
  /** Deletes a tag and never the manifest behind it; `Unsupported` where the registry cannot. */
  readonly deleteTag: (repository: Reference.Repository, tag: Reference.Tag) => Effect.Effect<void, Errors.DeleteTagError>

  // --- blobs ---

  /** Size and digest of a blob, as the registry tells. */
  readonly headBlob: (repository: Reference.Repository, digest: Digest.Digest) => Effect.Effect<Descriptor.Descriptor, Errors.HeadBlobError>
  /** Whether the repository holds the blob; 403 is taken for no, as with `manifestExists`. */
  readonly blobExists: (repository: Reference.Repository, digest: Digest.Digest) => Effect.Effect<boolean, Errors.HeadBlobError>
  /** The bytes of a blob, verified and gone on with where they broke off: see `BlobDownload`. */
  readonly getBlob: (
    repository: Reference.Repository,
    content: Descriptor.Descriptor | Digest.Digest,
    options?: BlobDownload.Options
  ) => Stream.Stream<Uint8Array, Errors.GetBlobError>
  /** Some bytes of a blob; a part cannot be verified. */
  readonly getBlobRange: (
    repository: Reference.Repository,
    digest: Digest.Digest,
    range: BlobDownload.Range
  ) => Stream.Stream<Uint8Array, Errors.GetBlobError>
  /** Sees to it that the repository holds a blob of known digest: found, mounted or uploaded; see `BlobUpload`. */
  readonly putBlob: <E = never, R = never>(
    repository: Reference.Repository,
    descriptor: Descriptor.Descriptor,
    source: BlobUpload.Source<E, R>,
    options?: BlobUpload.Options
  ) => Effect.Effect<BlobUpload.Result, Errors.PutBlobError | E, R>
  /** Uploads content that is being made; the result's descriptor tells its digest. */
  readonly putBlobStream: <E = never, R = never>(
    repository: Reference.Repository,
    stream: Stream.Stream<Uint8Array, E, R>,
    options?: BlobUpload.StreamOptions
  ) => Effect.Effect<BlobUpload.Result, Errors.PutBlobError | E, R>
  /** Takes a blob over from another repository of the registry; false when the registry does not or will not. */
  readonly mountBlob: (
    repository: Reference.Repository,
    digest: Digest.Digest,
    from?: string
  ) => Effect.Effect<boolean, Errors.MountBlobError>
  /** Deletes a blob; most registries leave that to their garbage collection and answer `Unsupported`. */
  readonly deleteBlob: (repository: Reference.Repository, digest: Digest.Digest) => Effect.Effect<void, Errors.DeleteBlobError>

  // --- lists ---

  /** The tags of a repository, page by page, in the registry's order. */
  readonly tags: (repository: Reference.Repository, options?: ListOptions) => Stream.Stream<string, Errors.ListTagsError>
  /** One page of tags, after `last` and of at most `n`. */
  readonly tagsPage: (repository: Reference.Repository, options?: PageOptions) => Effect.Effect<Page, Errors.ListTagsError>
  /** What refers to a manifest, from the referrers API or the fall-back tag. */
  readonly referrers: (
    repository: Reference.Repository,
    digest: Digest.Digest,
    options?: Referrers.ReferrersOptions
  ) => Stream.Stream<Descriptor.Descriptor, Errors.ListReferrersError>

  // --- checks ---

  /** Whether the credentials allow a push; leaves no upload behind. */
  readonly checkPush: (repository: Reference.Repository) => Effect.Effect<void, Errors.CheckPushError>
  /** Whether the credentials allow deleting; deletes nothing. */
  readonly checkDelete: (repository: Reference.Repository) => Effect.Effect<void, Errors.CheckDeleteError>
}

/** @since 0.1.0 */
export class RegistryClient extends Context.Tag("effect-oci/RegistryClient")<RegistryClient, Service>() {}

type Place = Reference.Repository | Reference.Reference | string

/** Names of what a span is about, as OpenTelemetry has them for container images. */
const attributes = (place: Place): Record<string, string> => {
  if (typeof place === "string") return { "oci.registry": place }
  const repository = "repository" in place ? place.repository : place
  return { "oci.registry": repository.registry, "container.image.name": String(repository) }
}

const spanOptions = (place: Place) => ({ kind: "client" as const, captureStackTrace: false, attributes: attributes(place) })

const traced = <A, E, R>(name: keyof Service, place: Place, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withSpan(effect, `RegistryClient.${name}`, spanOptions(place))

const tracedStream = <A, E, R>(name: keyof Service, place: Place, stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
  Stream.withSpan(stream, `RegistryClient.${name}`, spanOptions(place))

const over = (transport: RegistryTransport.Service): Service => {
  const state = makeManifestState()
  const memory = UploadPlans.memory()
  return {
    ping: (registry) => traced("ping", registry, Blobs.ping(transport, registry)),
    prepare: (repository) => traced("prepare", repository, Blobs.prepare(transport, repository)),
    repositories: (registry, options) => tracedStream("repositories", registry, Listing.repositories(transport, registry, options)),
    repositoriesPage: (registry, options) => traced("repositoriesPage", registry, Listing.repositoriesPage(transport, registry, options)),
    resolve: (reference, options) => traced("resolve", reference, Manifests.resolve(transport, reference, options)),
    manifestExists: (reference) => traced("manifestExists", reference, Manifests.manifestExists(transport, reference)),
    getManifest: (reference, options) => traced("getManifest", reference, Manifests.getManifest(transport, reference, options)),
    putManifest: (repository, manifest, options) =>
      traced("putManifest", repository, Pushes.putManifest(transport, state, repository, manifest, options)),
    deleteManifest: (repository, digest, options) =>
      traced("deleteManifest", repository, Deletions.deleteManifest(transport, state, repository, digest, options)),
    deleteTag: (repository, tag) => traced("deleteTag", repository, Deletions.deleteTag(transport, repository, tag)),
    headBlob: (repository, digest) => traced("headBlob", repository, Blobs.headBlob(transport, repository, digest)),
    blobExists: (repository, digest) => traced("blobExists", repository, Blobs.blobExists(transport, repository, digest)),
    getBlob: (repository, content, options) =>
      PullStream.withSpan(BlobDownload.stream(transport, repository, content, options), "RegistryClient.getBlob", spanOptions(repository)),
    getBlobRange: (repository, digest, range) =>
      tracedStream("getBlobRange", repository, BlobDownload.streamRange(transport, repository, digest, range)),
    putBlob: (repository, descriptor, source, options) =>
      traced("putBlob", repository, BlobUpload.put(transport, memory, repository, descriptor, source, options)),
    putBlobStream: (repository, stream, options) =>
      traced("putBlobStream", repository, BlobUpload.putStream(transport, memory, repository, stream, options)),
    mountBlob: (repository, digest, from) => traced("mountBlob", repository, BlobUpload.mount(transport, repository, digest, from)),
    deleteBlob: (repository, digest) => traced("deleteBlob", repository, Blobs.deleteBlob(transport, repository, digest)),
    tags: (repository, options) => tracedStream("tags", repository, Listing.tags(transport, repository, options)),
    tagsPage: (repository, options) => traced("tagsPage", repository, Listing.tagsPage(transport, repository, options)),
    referrers: (repository, digest, options) =>
      tracedStream("referrers", repository, Referrers.referrers(transport, state, repository, digest, options)),
    checkPush: (repository) => traced("checkPush", repository, Permissions.checkPush(transport, repository)),
    checkDelete: (repository) => traced("checkDelete", repository, Permissions.checkDelete(transport, repository))
  }
}

/** A client over a transport. It remembers what it learns about registries: what they can do, and how they like uploads. @since 0.1.0 */
export const make: Effect.Effect<Service, never, RegistryTransport.RegistryTransport> = Effect.map(
  RegistryTransport.RegistryTransport,
  over
)

/** @since 0.1.0 */
export const layer: Layer.Layer<RegistryClient, never, RegistryTransport.RegistryTransport> = Layer.effect(RegistryClient, make)

const missing = (name: keyof Service) => new Error(`RegistryClient.${name} was called, and the test's client does not have it`)

/**
 * A client for tests, made of the methods a test needs. A method that is missing is a defect that tells its name.
 *
 * @since 0.1.0
 */
export const layerTest = (methods: Partial<Service>): Layer.Layer<RegistryClient> => {
  const effect = (name: keyof Service) => () => Effect.die(missing(name))
  const stream = (name: keyof Service) => () => Stream.die(missing(name))
  return Layer.succeed(RegistryClient, {
    ping: effect("ping"),
    prepare: () => Effect.void,
    repositories: stream("repositories"),
    repositoriesPage: effect("repositoriesPage"),
    resolve: effect("resolve"),
    manifestExists: effect("manifestExists"),
    getManifest: effect("getManifest"),
    putManifest: effect("putManifest"),
    deleteManifest: effect("deleteManifest"),
    deleteTag: effect("deleteTag"),
    headBlob: effect("headBlob"),
    blobExists: effect("blobExists"),
    getBlob: stream("getBlob"),
    getBlobRange: stream("getBlobRange"),
    putBlob: effect("putBlob"),
    putBlobStream: effect("putBlobStream"),
    mountBlob: effect("mountBlob"),
    deleteBlob: effect("deleteBlob"),
    tags: stream("tags"),
    tagsPage: effect("tagsPage"),
    referrers: stream("referrers"),
    checkPush: effect("checkPush"),
    checkDelete: effect("checkDelete"),
    ...methods
  })
}
