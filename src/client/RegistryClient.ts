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
import type * as Stream from "effect/Stream"
import type * as Descriptor from "../model/Descriptor.ts"
import type * as Digest from "../model/Digest.ts"
import type * as Manifest from "../model/Manifest.ts"
import type * as Reference from "../model/Reference.ts"
import * as RegistryTransport from "../transport/RegistryTransport.ts"
import type * as BlobDownload from "./BlobDownload.ts"
import type * as BlobUpload from "./BlobUpload.ts"
import type * as Errors from "./internal/errors.ts"
import * as internal from "./internal/registryClient.ts"
import type { Page, PageOptions, ListOptions } from "./Pagination.ts"
import type { DeleteManifestOptions, GetManifestOptions, PutManifestOptions, PutManifestResult, ReferrersOptions, ResolveOptions } from "./internal/TBD.ts"

export type {
  CheckDeleteError, CheckPushError, DeleteBlobError, DeleteManifestError, DeleteTagError, GetBlobError, GetManifestError, HeadBlobError, ListReferrersError, ListRepositoriesError, ListTagsError, MountBlobError, PingError, PutBlobError, PutManifestError, ResolveError
} from "./internal/errors.ts"

/** @since 0.1.0 */
export interface Service {
  // --- the registry ---

  /** `GET /v2/`: whether the registry answers and lets us in (distribution-spec «Determining Support»). */
  readonly ping: (registry: string) => Effect.Effect<RegistryTransport.Ping, Errors.PingError>
  /** The repositories of a registry, page by page (`_catalog`, not part of the distribution-spec; many registries refuse it). */
  readonly repositories: (registry: string, options?: ListOptions) => Stream.Stream<string, Errors.ListRepositoriesError>
  /** One page of repositories, after `last` and of at most `n`. */
  readonly repositoriesPage: (registry: string, options?: PageOptions) => Effect.Effect<Page, Errors.ListRepositoriesError>

  // --- manifests ---

  /** What a tag or digest stands for: `HEAD`, and `GET` where the registry does not tell all there. */
  readonly resolve: (reference: Reference.Reference, options?: ResolveOptions) => Effect.Effect<Descriptor.Descriptor, Errors.ResolveError>
  /** Whether there is such a manifest. */
  readonly manifestExists: (reference: Reference.Reference) => Effect.Effect<boolean, Errors.ResolveError>
  /** A manifest with its bytes as received, its digest verified. */
  readonly getManifest: (reference: Reference.Reference, options?: GetManifestOptions) => Effect.Effect<Manifest.Manifest, Errors.GetManifestError>
  /** Stores a manifest's bytes under its digest and any number of tags; keeps the list of referrers where the registry does not. */
  readonly putManifest: (
    repository: Reference.Repository,
    manifest: Manifest.Manifest,
    options?: PutManifestOptions
  ) => Effect.Effect<PutManifestResult, Errors.PutManifestError>
  /** Deletes a manifest, and with it every tag that points to it. */
  readonly deleteManifest: (
    repository: Reference.Repository,
    digest: Digest.Digest,
    options?: DeleteManifestOptions
  ) => Effect.Effect<void, Errors.DeleteManifestError>
  /** Deletes a tag and never the manifest behind it; `Unsupported` where the registry cannot. */
  readonly deleteTag: (repository: Reference.Repository, tag: Reference.Tag) => Effect.Effect<void, Errors.DeleteTagError>

  // --- blobs ---

  /** Size and digest of a blob, as the registry tells. */
  readonly headBlob: (repository: Reference.Repository, digest: Digest.Digest) => Effect.Effect<Descriptor.Descriptor, Errors.HeadBlobError>
  /** Whether the repository holds the blob. */
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
  /** Takes a blob over from another repository of the registry; false when the registry does not. */
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
    options?: ReferrersOptions
  ) => Stream.Stream<Descriptor.Descriptor, Errors.ListReferrersError>

  // --- checks ---

  /** Whether the credentials allow a push; leaves no upload behind. */
  readonly checkPush: (repository: Reference.Repository) => Effect.Effect<void, Errors.CheckPushError>
  /** Whether the credentials allow deleting; deletes nothing. */
  readonly checkDelete: (repository: Reference.Repository) => Effect.Effect<void, Errors.CheckDeleteError>
}

/** @since 0.1.0 */
export class RegistryClient extends Context.Tag("effect-oci/RegistryClient")<RegistryClient, Service>() {}

/** @since 0.1.0 */
export const make: Effect.Effect<Service, never, RegistryTransport.RegistryTransport> = Effect.map(
  RegistryTransport.RegistryTransport,
  internal.make
)

/** @since 0.1.0 */
export const layer: Layer.Layer<RegistryClient, never, RegistryTransport.RegistryTransport> = Layer.effect(RegistryClient, make)

/**
 * A client for tests, made of the methods a test needs. A method that is missing is a defect that tells its name.
 *
 * @since 0.1.0
 */
export const layerTest = (methods: Partial<Service>): Layer.Layer<RegistryClient> =>
  Layer.succeed(RegistryClient, internal.makeTest(methods))
