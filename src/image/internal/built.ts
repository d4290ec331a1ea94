// What was put together and can be pushed as it is.
import type * as BlobUpload from "../../client/BlobUpload.ts"
import type * as ContentStore from "../../content/ContentStore.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import type * as Manifest from "../../model/Manifest.ts"
import type * as Platform from "../../model/Platform.ts"

/**
 * A blob and where its bytes come from. `mounts` is where it lives already: a place next to that one takes it over without moving it.
 */
export interface Blob<E = never, R = never> {
  readonly descriptor: Descriptor.Descriptor
  readonly content: BlobUpload.Source<E, R>
  readonly mounts?: ContentStore.Mounts["mounts"] | undefined
}

/** @internal */
export interface Built<E = never, R = never> {
  readonly manifest: Manifest.ImageManifest
  readonly blobs: ReadonlyArray<Blob<E, R>>
  readonly platform?: Platform.Platform | undefined
}

/**
 * - `tags`: what it is called; without any it can be had by digest alone
 * - `jobs`: how many blobs move at once, default 4
 * - `nondistributable`: whether layers that are meant to be fetched elsewhere are pushed too, default no
 *
 * @internal
 */
export interface PushOptions {
  readonly tags?: ReadonlyArray<string> | undefined
  readonly jobs?: number | undefined
  readonly nondistributable?: boolean | undefined
}
