/**
 * Where content lives: one small interface for each thing a place can do, so that a place says in its type what it can and how it fails.
 * A copy needs a `Source` and a `Target`; a read-only place is no `Target` and cannot be written by mistake.
 *
 * They are values, not services, since a copy needs two at once. Registries, layouts on disk, archives and memory all have them.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type * as BlobUpload from "../client/BlobUpload.ts"
import type * as Descriptor from "../model/Descriptor.ts"
import type * as Digest from "../model/Digest.ts"
import type * as Manifest from "../model/Manifest.ts"

export type {
  /** @since 0.1.0 */
  LocalError
} from "./internal/localError.ts"

/** What every place has: a name for people, such as `ghcr.io/acme/app` or `oci:./images`. @since 0.1.0 */
export interface Place {
  readonly label: string
}

/** Tells whether a place holds some content, blob or manifest by its media type. @since 0.1.0 */
export interface Exists<E> extends Place {
  readonly exists: (descriptor: Descriptor.Descriptor) => Effect.Effect<boolean, E>
}

/** Gives content out. A reference is a tag, or a digest as text. @since 0.1.0 */
export interface Source<E> extends Exists<E> {
  /** What a reference stands for. */
  readonly resolve: (reference: string) => Effect.Effect<Descriptor.Descriptor, E>
  /** A manifest with its bytes, verified. */
  readonly fetchManifest: (reference: string | Descriptor.Descriptor) => Effect.Effect<Manifest.Manifest, E>
  /** The bytes of a blob; the last ones come when size and digest are right. */
  readonly fetchBlob: (descriptor: Descriptor.Descriptor) => Stream.Stream<Uint8Array, E>
}

/**
 * - `mountFrom`: repositories of the same registry that may hold the blob
 * - `checkExists`: whether the place is asked for the blob first, default yes; `mount`: as cheaply as it can be, see `BlobUpload.Options`
 * - `onBytes`: told how many bytes leave, those that are sent again included, and up to which position of the blob (`reached`)
 *
 * @since 0.1.0
 */
export interface PushBlobOptions {
  readonly mountFrom?: ReadonlyArray<string> | undefined
  readonly checkExists?: BlobUpload.Options["checkExists"]
  readonly onBytes?: BlobUpload.Options["onBytes"]
}

/** How content came to be in its place. @since 0.1.0 */
export type Outcome = "existed" | "mounted" | "stored"

/** Takes content in: blobs and children before the manifests that name them, tags last. @since 0.1.0 */
export interface Target<E> extends Exists<E> {
  /** What a tag stands for now. */
  readonly current: (tag: string) => Effect.Effect<Option.Option<Descriptor.Descriptor>, E>
  readonly pushBlob: <E2 = never, R = never>(
    descriptor: Descriptor.Descriptor,
    content: BlobUpload.Source<E2, R>,
    options?: PushBlobOptions
  ) => Effect.Effect<Outcome, E | E2, R>
  /** Stores a manifest's bytes under its digest and these tags. */
  readonly pushManifest: (
    manifest: Manifest.Manifest,
    options?: { readonly tags?: ReadonlyArray<string> | undefined }
  ) => Effect.Effect<void, E>
  /** Points a tag at a manifest the place holds. */
  readonly tag: (descriptor: Descriptor.Descriptor, tag: string) => Effect.Effect<void, E>
}

/** Takes content that is still being made: its descriptor is known when it has ended. The stream is run once. @since 0.1.0 */
export interface Streams<E> extends Place {
  readonly pushStream: <E2 = never, R = never>(
    content: Stream.Stream<Uint8Array, E2, R>,
    options?: { readonly mediaType?: string | undefined; readonly onBytes?: PushBlobOptions["onBytes"] }
  ) => Effect.Effect<Descriptor.Descriptor, E | E2, R>
}

/** Lists its tags. @since 0.1.0 */
export interface Tags<E> extends Place {
  readonly tags: Stream.Stream<string, E>
}

/** Lists what refers to a manifest. @since 0.1.0 */
export interface Referrers<E> extends Place {
  readonly referrers: (
    descriptor: Descriptor.Descriptor,
    options?: { readonly artifactType?: string | undefined }
  ) => Stream.Stream<Descriptor.Descriptor, E>
}

/** Tells what blob a digest stands for, as Docker schema 1 names its layers, without their sizes. @since 0.1.0 */
export interface ResolvesBlobs<E> extends Place {
  readonly resolveBlob: (digest: Digest.Digest) => Effect.Effect<Descriptor.Descriptor, E>
}

/** Lets content go. @since 0.1.0 */
export interface Deletes<E> extends Place {
  /** Takes a tag away and leaves the manifest. */
  readonly untag: (tag: string) => Effect.Effect<void, E>
  /** Deletes a blob or a manifest, and with it every tag that points to it. */
  readonly delete: (descriptor: Descriptor.Descriptor) => Effect.Effect<void, E>
}

/** Looks behind a manifest, and lets no collection of garbage take what is about to be named again. @since 0.1.0 */
export interface Keeps<E> extends Place {
  /** Whether a manifest is there with all that it leads to, which then stays for a while. */
  readonly keep: (descriptor: Descriptor.Descriptor) => Effect.Effect<boolean, E>
}

/**
 * Where blobs can be taken over without moving them: places with the same `space` share them, and `name` is what a mount calls this one.
 *
 * @since 0.1.0
 */
export interface Mounts extends Place {
  readonly mounts: { readonly space: string; readonly name: string }
}

/** Can be got ready before it is read: a registry is found, and its token fetched. @since 0.1.0 */
export interface Prepares extends Place {
  readonly prepare: Effect.Effect<void>
}

/** @since 0.1.0 */
export const hasPrepare = <P extends Place>(place: P): place is P & Prepares => "prepare" in place

/** @since 0.1.0 */
export const hasStreams = <P extends Place, E = unknown>(place: P): place is P & Streams<E> => "pushStream" in place

/** @since 0.1.0 */
export const hasTags = <P extends Place, E = unknown>(place: P): place is P & Tags<E> => "tags" in place

/** @since 0.1.0 */
export const hasReferrers = <P extends Place, E = unknown>(place: P): place is P & Referrers<E> => "referrers" in place

/** @since 0.1.0 */
export const hasResolveBlob = <P extends Place, E = unknown>(place: P): place is P & ResolvesBlobs<E> => "resolveBlob" in place

/** @since 0.1.0 */
export const hasDeletes = <P extends Place, E = unknown>(place: P): place is P & Deletes<E> => "untag" in place && "delete" in place

/** @since 0.1.0 */
export const hasKeeps = <P extends Place, E = unknown>(place: P): place is P & Keeps<E> => "keep" in place

/** @since 0.1.0 */
export const hasMounts = <P extends Place>(place: P): place is P & Mounts => "mounts" in place
