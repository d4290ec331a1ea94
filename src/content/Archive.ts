/**
 * Images in one tar file: `oci-archive`, an image layout in a tar archive, and `docker-archive`, what `docker save` writes and `docker load`
 * reads.
 *
 * Reading goes to any place in the file by seeking; a file that is compressed (gzip, zstd) is unpacked to a temporary file first. Nothing
 * is unpacked under a name from the archive: names only serve to find content, which is then verified. Links are followed once, within
 * the archive.
 *
 * Writing streams one blob after the other to a file beside, which takes its place when it is committed.
 *
 * A docker archive has no manifests. Reading makes one for each image (Docker schema 2, its layers as they are in the archive), always
 * the same for the same archive. Writing unpacks layers, so that digests of manifests and of compressed layers are not kept; digests of
 * configurations are. Its tags are names: `alpine:3.20`.
 *
 * Docker since 25 and containerd write archives that are both, in which images of several names may have the same tag. As an OCI archive its
 * images go by tag, and by the whole name that is beside it (`io.containerd.image.name`); those that share a tag with others are listed by
 * their names. A tag that several images have says nothing: to resolve it fails.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Descriptor from "../model/Descriptor.ts"
import type * as Reference from "../model/Reference.ts"
import type { UnsupportedManifest } from "../model/RegistryError.ts"
import type * as ContentStore from "./ContentStore.ts"
import * as ContainerdNames from "./internal/containerdNames.ts"
import * as DockerArchive from "./internal/dockerArchive.ts"
import * as DockerArchiveWriter from "./internal/dockerArchiveWriter.ts"
import * as DockerNames from "./internal/dockerNames.ts"
import { layoutFile } from "./internal/layoutIndex.ts"
import type { LocalError } from "./internal/localError.ts"
import * as OciArchive from "./internal/ociArchive.ts"
import * as Place from "./internal/place.ts"
import * as TarFile from "./internal/tarFile.ts"
import * as TarWriter from "./internal/tarWriter.ts"

/** @since 0.1.0 */
export type Format = "oci" | "docker"

/** Why reading an archive fails. What is not there is a `StoreError` that is `missing`. @since 0.1.0 */
export type ReadError = LocalError

/** Why writing an archive fails: `UnsupportedManifest` when a docker archive has no room for it, as for an index. @since 0.1.0 */
export type WriteError = LocalError | UnsupportedManifest

/** @since 0.1.0 */
export interface ReadArchive
  extends ContentStore.Source<ReadError>,
    ContentStore.ResolvesBlobs<ReadError>,
    ContentStore.Tags<ReadError>,
    ContentStore.Referrers<ReadError> {
  readonly format: Format
  /** What the archive lists, tags among the annotations. */
  readonly roots: Effect.Effect<ReadonlyArray<Descriptor.Descriptor>, ReadError>
  /** What is meant when nothing is named: the only manifest, else the one tagged `latest`, else the only one but for untagged ones with a `subject`. */
  readonly main: Effect.Effect<Descriptor.Descriptor, ReadError>
}

/** @since 0.1.0 */
export interface WriteArchive extends ContentStore.Target<WriteError> {
  readonly format: Format
  /**
   * Completes the archive; a file that was in its place is replaced. Nothing can be pushed after that. One that fails or is interrupted can be
   * tried again, unless it went to a pipe or device.
   */
  readonly commit: Effect.Effect<void, WriteError>
}

/**
 * - `format`: unless given, a file that is both (`docker save` since Docker 25) is read as `oci`
 * - `unpackedLimitBytes`: how much a compressed archive may unpack to, default 64 GiB
 *
 * @since 0.1.0
 */
export interface ReadOptions {
  readonly format?: Format | undefined
  readonly unpackedLimitBytes?: number | undefined
}

/**
 * - `repository`: in a docker archive, what tags belong to that are not whole names
 * - `unpackedLimitBytes`: how much a layer may unpack to, default 64 GiB
 *
 * @since 0.1.0
 */
export interface WriteOptions {
  readonly format: Format
  readonly repository?: Reference.Repository | undefined
  readonly unpackedLimitBytes?: number | undefined
}

const unpackedLimitBytes = 64 * 1024 ** 3

const labelOf = (format: Format, file: string) => `${format}-archive:${file}`

/** An archive that is there; it must stay as it is until the scope closes. @since 0.1.0 */
export const read = Effect.fn("Archive.read")(function* (file: string, options: ReadOptions = {}) {
  const tar = yield* TarFile.open(file, labelOf(options.format ?? "oci", file), options.unpackedLimitBytes ?? unpackedLimitBytes)
  const isDocker = Option.isNone(tar.find(layoutFile)) && Option.isSome(tar.find(DockerArchive.manifestFile))
  const format = options.format ?? (isDocker ? "docker" : "oci")
  const label = labelOf(format, file)
  const reader =
    format === "oci"
      ? Place.reader(yield* OciArchive.read(label, tar), ContainerdNames.naming)
      : Place.reader(yield* DockerArchive.read(label, tar), DockerNames.naming)
  const archive: ReadArchive = { ...reader, format }
  return archive
})

/** A new archive. It is there once it is committed; without that, nothing is left when the scope closes. @since 0.1.0 */
export const write = Effect.fn("Archive.write")(function* (file: string, options: WriteOptions) {
  const { format } = options
  const label = labelOf(format, file)
  const tar = yield* TarWriter.make(yield* FileSystem.FileSystem, yield* Path.Path, file, label)
  const make = Effect.gen(function* () {
    if (format === "docker") {
      return DockerArchiveWriter.write(label, tar, {
        repository: options.repository,
        unpackedLimitBytes: options.unpackedLimitBytes ?? unpackedLimitBytes
      })
    }
    const { commit, storage } = yield* OciArchive.write(label, tar)
    return { target: Place.writer(storage), commit }
  })
  const { commit, target } = yield* make
  const archive: WriteArchive = { ...target, format, commit }
  return archive
})
