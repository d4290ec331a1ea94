import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Digest from "../../model/Digest.ts"
import type * as RegistryError from "../../model/RegistryError.ts"

/** The bytes from `offset` on, at most `length` of them. @since 0.1.0 */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** A manifest with what the registry knows about it. `referrer` is its descriptor in the list of its subject's referrers. @since 0.1.0 */
export interface Manifest {
  readonly digest: Digest.Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly subject?: Digest.Digest | undefined
  readonly referrer?: Descriptor.Descriptor | undefined
}

/** What there is to know about an upload session. @since 0.1.0 */
export interface UploadInfo {
  readonly id: string
  readonly repository: string
  readonly sizeBytes: number
  /** Epoch milliseconds. */
  readonly startedAt: number
}

/** An open upload session. @since 0.1.0 */
export interface Upload {
  readonly id: string
  readonly repository: string
  readonly info: Effect.Effect<UploadInfo>
  /** Runs one request at a time on this session; none when the session ended while it waited. */
  readonly exclusive: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<Option.Option<A>, E, R>
  /** Adds bytes at the end and returns the new size. What arrived before a failure stays. */
  readonly append: <E>(body: Stream.Stream<Uint8Array, E>) => Effect.Effect<number, E | RegistryError.StoreError>
  /** Turns the session into a blob of its repository when the bytes have this digest; the session ends either way. */
  readonly commit: (
    digest: Digest.Digest
  ) => Effect.Effect<number, RegistryError.DigestMismatch | RegistryError.InvalidDigest | RegistryError.StoreError>
  readonly cancel: Effect.Effect<void, RegistryError.StoreError>
}

/** Lists are sorted; removals say whether there was something to remove. @since 0.1.0 */
export interface Service {
  readonly repositories: Effect.Effect<ReadonlyArray<string>>
  readonly hasRepository: (repository: string) => Effect.Effect<boolean>
  readonly createRepository: (repository: string) => Effect.Effect<void, RegistryError.StoreError>

  readonly blobs: (repository: string) => Effect.Effect<ReadonlyArray<Digest.Digest>>
  /** The size of a blob of this repository. */
  readonly blobSize: (repository: string, digest: Digest.Digest) => Effect.Effect<Option.Option<number>>
  /** The bytes of a blob or a manifest, whichever repository links it. */
  readonly read: (digest: Digest.Digest, range?: ByteRange) => Stream.Stream<Uint8Array, RegistryError.StoreError>
  /** Makes a blob that another repository has, the one named or any, a blob of `to` too. */
  readonly linkBlob: (
    digest: Digest.Digest,
    to: string,
    from?: string | undefined
  ) => Effect.Effect<Option.Option<number>, RegistryError.StoreError>
  readonly removeBlob: (repository: string, digest: Digest.Digest) => Effect.Effect<boolean, RegistryError.StoreError>

  readonly openUpload: (
    repository: string,
    options?: { readonly algorithm?: string | undefined; readonly id?: string | undefined }
  ) => Effect.Effect<Upload, RegistryError.InvalidDigest | RegistryError.StoreError>
  readonly upload: (repository: string, id: string) => Effect.Effect<Option.Option<Upload>>
  readonly uploads: Effect.Effect<ReadonlyArray<UploadInfo>>

  readonly manifests: (repository: string) => Effect.Effect<ReadonlyArray<Digest.Digest>>
  readonly manifest: (repository: string, digest: Digest.Digest) => Effect.Effect<Option.Option<Manifest>, RegistryError.StoreError>
  readonly hasManifest: (repository: string, digest: Digest.Digest) => Effect.Effect<boolean>
  readonly putManifest: (
    repository: string,
    manifest: Manifest,
    tags: ReadonlyArray<string>
  ) => Effect.Effect<void, RegistryError.StoreError>
  /** Removes a manifest and the tags that name it. */
  readonly removeManifest: (repository: string, digest: Digest.Digest) => Effect.Effect<boolean, RegistryError.StoreError>
  readonly referrers: (repository: string, subject: Digest.Digest) => Effect.Effect<ReadonlyArray<Descriptor.Descriptor>>

  readonly tags: (repository: string) => Effect.Effect<ReadonlyArray<string>>
  readonly tag: (repository: string, tag: string) => Effect.Effect<Option.Option<Digest.Digest>>
  readonly removeTag: (repository: string, tag: string) => Effect.Effect<boolean, RegistryError.StoreError>

  /** Runs one change at a time of manifests and tags that depends on those that are there. */
  readonly exclusive: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

  /** Back to an empty registry. */
  readonly reset: Effect.Effect<void, RegistryError.StoreError>
}
