import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Digest from "../../model/Digest.ts"
import type { StoreError } from "../../model/RegistryError.ts"
import type { ByteRange } from "./storageService.ts"

/** What is remembered of one manifest besides its bytes. @internal */
export interface ManifestRecord {
  readonly mediaType: string
  readonly subject?: Digest.Digest | undefined
  readonly referrer?: Descriptor.Descriptor | undefined
}

/** One repository: which content it links, and its tags. @internal */
export interface RepositoryRecord {
  readonly name: string
  readonly blobs: ReadonlyMap<Digest.Digest, number>
  readonly manifests: ReadonlyMap<Digest.Digest, ManifestRecord>
  readonly tags: ReadonlyMap<string, Digest.Digest>
}

/**
 * Where the bytes are and what survives a restart: memory or a folder. The bookkeeping above it is the same for both.
 *
 * @internal
 */
export interface Place {
  /** Called for each piece that reached its place, in order and at once, so that hash and size never run ahead of the bytes. */
  readonly append: <E>(
    id: string,
    body: Stream.Stream<Uint8Array, E>,
    written: (bytes: Uint8Array) => void
  ) => Effect.Effect<void, E | StoreError>
  readonly readUpload: (id: string) => Stream.Stream<Uint8Array, StoreError>
  /** Makes the bytes of an upload the content with this digest; fails when there are more or fewer of them. */
  readonly seal: (id: string, digest: Digest.Digest, sizeBytes: number) => Effect.Effect<void, StoreError>
  readonly discard: (id: string) => Effect.Effect<void, StoreError>
  readonly put: (digest: Digest.Digest, bytes: Uint8Array) => Effect.Effect<void, StoreError>
  readonly read: (digest: Digest.Digest, range?: ByteRange) => Stream.Stream<Uint8Array, StoreError>
  readonly remove: (digest: Digest.Digest) => Effect.Effect<void, StoreError>
  readonly save: (record: RepositoryRecord) => Effect.Effect<void, StoreError>
  readonly clear: Effect.Effect<void, StoreError>
}
