/**
 * The other side of a registry of the test kit: put content into it, look at what it holds and at what it was asked.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Descriptor from "../model/Descriptor.ts"
import type * as Digest from "../model/Digest.ts"
import type * as RegistryOptions from "./RegistryOptions.ts"
import type * as RegistryStorage from "./RegistryStorage.ts"

/**
 * One request as it was received. Header names are lower case and nothing is masked, so that a test can prove which secret went where.
 * Sizes in bytes; they grow while the bodies move.
 *
 * @since 0.1.0
 */
export interface RecordedRequest {
  readonly method: string
  readonly scheme: string
  readonly host: string
  /** As received, percent-encoded. */
  readonly path: string
  /** As received, with the question mark; empty without one. */
  readonly query: string
  readonly endpoint: RegistryOptions.Endpoint
  readonly headers: Readonly<Record<string, string>>
  /** Absent while there is no answer: the client went away, or it is being handled. */
  readonly status: number | undefined
  readonly bytesIn: number
  readonly bytesOut: number
}

/** @since 0.1.0 */
export interface SeedImageOptions {
  readonly tag?: string | undefined
  /** Default: 1. */
  readonly layers?: number | undefined
  /** Bytes of the file in each layer. Default: 64. */
  readonly layerBytes?: number | undefined
  /** Images with different seeds share no layer. Default: 0. */
  readonly seed?: number | undefined
  /** Default: `linux` on `amd64`. */
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string | undefined } | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
  readonly subject?: Descriptor.Descriptor | undefined
  readonly artifactType?: string | undefined
}

/** What {@link RegistryControl.seedImage} made. @since 0.1.0 */
export interface SeededImage {
  readonly manifest: Descriptor.Descriptor
  readonly config: Descriptor.Descriptor
  readonly layers: ReadonlyArray<Descriptor.Descriptor>
  /** The manifest as it is stored. */
  readonly bytes: Uint8Array
}

/** @since 0.1.0 */
export interface SeedManifestOptions {
  /** Default: what the manifest itself says, else the OCI image manifest. */
  readonly mediaType?: string | undefined
  readonly tags?: ReadonlyArray<string> | undefined
  readonly algorithm?: "sha256" | "sha512" | undefined
}

/** One registry. Seeding checks nothing but digests, so that broken content can be put in place too. @since 0.1.0 */
export interface RegistryControl {
  /** The host name, with the port if it has one. */
  readonly host: string
  readonly repositories: Effect.Effect<ReadonlyArray<string>>
  readonly tags: (repository: string) => Effect.Effect<ReadonlyArray<string>>
  /** By tag or digest. */
  readonly manifest: (repository: string, reference: string) => Effect.Effect<Option.Option<RegistryStorage.Manifest>>
  readonly manifests: (repository: string) => Effect.Effect<ReadonlyArray<Digest.Digest>>
  readonly blob: (repository: string, digest: Digest.Digest) => Effect.Effect<Option.Option<Uint8Array>>
  readonly blobs: (repository: string) => Effect.Effect<ReadonlyArray<Digest.Digest>>
  readonly seedRepository: (repository: string) => Effect.Effect<void>
  readonly seedBlob: (
    repository: string,
    content: Uint8Array | string,
    options?: { readonly mediaType?: string | undefined; readonly algorithm?: "sha256" | "sha512" | undefined }
  ) => Effect.Effect<Descriptor.Descriptor>
  /** An object is encoded as JSON. */
  readonly seedManifest: (
    repository: string,
    content: Uint8Array | string | object,
    options?: SeedManifestOptions
  ) => Effect.Effect<Descriptor.Descriptor>
  /** A small image one could run `tar` on. */
  readonly seedImage: (repository: string, options?: SeedImageOptions) => Effect.Effect<SeededImage>
  /** An upload session that has received something already. */
  readonly seedUpload: (repository: string, id: string, content: Uint8Array | string) => Effect.Effect<void>
  readonly openUploads: Effect.Effect<ReadonlyArray<RegistryStorage.UploadInfo>>
  /** Every request received, in order. */
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  /** How many requests by method and endpoint, such as `GET blob`. */
  readonly requestCounts: Effect.Effect<Readonly<Record<string, number>>>
  /** Bytes of all response bodies delivered. */
  readonly bytesServed: Effect.Effect<number>
  /** Bytes of all request bodies received. */
  readonly bytesReceived: Effect.Effect<number>
  readonly clearRequests: Effect.Effect<void>
  /** Every token given out so far becomes worthless. */
  readonly revokeTokens: Effect.Effect<void>
  readonly options: Effect.Effect<RegistryOptions.Options>
  /** Changes the behaviour from the next request on. */
  readonly update: (f: (options: RegistryOptions.Options) => RegistryOptions.Options) => Effect.Effect<void>
  /** Empty again: content, sessions, tokens and the record of requests. */
  readonly reset: Effect.Effect<void>
}
