/**
 * Media types of the OCI image-spec and of Docker: what a manifest or a blob is.
 *
 * Predicates look at the essence, so a `Content-Type` with parameters can be asked about as it is.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

// --- manifests ---

/** @since 0.1.0 */
export const ociImageManifest = "application/vnd.oci.image.manifest.v1+json"

/** @since 0.1.0 */
export const ociImageIndex = "application/vnd.oci.image.index.v1+json"

/** Withdrawn before image-spec 1.1, and still in registries. @since 0.1.0 */
export const ociArtifactManifest = "application/vnd.oci.artifact.manifest.v1+json"

/** @since 0.1.0 */
export const dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"

/** @since 0.1.0 */
export const dockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"

/** Obsolete: can be stored and copied, not interpreted. @since 0.1.0 */
export const dockerManifestSchema1 = "application/vnd.docker.distribution.manifest.v1+json"

/** @since 0.1.0 */
export const dockerManifestSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"

// --- configurations and other documents ---

/** @since 0.1.0 */
export const ociImageConfig = "application/vnd.oci.image.config.v1+json"

/** @since 0.1.0 */
export const dockerImageConfig = "application/vnd.docker.container.image.v1+json"

/** @since 0.1.0 */
export const dockerPluginConfig = "application/vnd.docker.plugin.v1+json"

/** The two bytes `{}`, where a manifest has nothing to say (image-spec «Guidance for an Empty Descriptor»). @since 0.1.0 */
export const ociEmpty = "application/vnd.oci.empty.v1+json"

/** @since 0.1.0 */
export const ociDescriptor = "application/vnd.oci.descriptor.v1+json"

/** The `oci-layout` file. @since 0.1.0 */
export const ociLayoutHeader = "application/vnd.oci.layout.header.v1+json"

/** What bytes are when nobody says. @since 0.1.0 */
export const octetStream = "application/octet-stream"

// --- layers ---

/** @since 0.1.0 */
export const ociLayerTar = "application/vnd.oci.image.layer.v1.tar"

/** @since 0.1.0 */
export const ociLayerTarGzip = "application/vnd.oci.image.layer.v1.tar+gzip"

/** @since 0.1.0 */
export const ociLayerTarZstd = "application/vnd.oci.image.layer.v1.tar+zstd"

/** @since 0.1.0 */
export const dockerLayerTar = "application/vnd.docker.image.rootfs.diff.tar"

/** @since 0.1.0 */
export const dockerLayerTarGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip"

/** Never specified; containerd and BuildKit write it. @since 0.1.0 */
export const dockerLayerTarZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd"

// Layers that may not be pushed to another registry: deprecated in image-spec 1.1, to be read still.

/** @since 0.1.0 */
export const ociNondistributableLayerTar = "application/vnd.oci.image.layer.nondistributable.v1.tar"

/** @since 0.1.0 */
export const ociNondistributableLayerTarGzip = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"

/** @since 0.1.0 */
export const ociNondistributableLayerTarZstd = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"

/** @since 0.1.0 */
export const dockerForeignLayerTar = "application/vnd.docker.image.rootfs.foreign.diff.tar"

/** @since 0.1.0 */
export const dockerForeignLayerTarGzip = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

// --- questions ---

/**
 * The type itself: without parameters, in lower case (distribution-spec: parameters of a response's `Content-Type` are to be ignored).
 *
 * @since 0.1.0
 */
export const essence = (contentType: string): string => {
  const semicolon = contentType.indexOf(";")
  return (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
}

const oneOf = (...mediaTypes: ReadonlyArray<string>) => {
  const known: ReadonlySet<string> = new Set(mediaTypes)
  return (mediaType: string): boolean => known.has(essence(mediaType))
}

/** The manifest of one image. @since 0.1.0 */
export const isImage: (mediaType: string) => boolean = oneOf(ociImageManifest, dockerManifest)

/** An index of manifests: OCI index or Docker manifest list. @since 0.1.0 */
export const isIndex: (mediaType: string) => boolean = oneOf(ociImageIndex, dockerManifestList)

/** The withdrawn OCI artifact manifest. @since 0.1.0 */
export const isArtifact: (mediaType: string) => boolean = oneOf(ociArtifactManifest)

/** @since 0.1.0 */
export const isSchema1: (mediaType: string) => boolean = oneOf(dockerManifestSchema1, dockerManifestSchema1Signed)

/** Anything that is fetched and pushed as a manifest; everything else is a blob. @since 0.1.0 */
export const isManifest = (mediaType: string): boolean =>
  isImage(mediaType) || isIndex(mediaType) || isArtifact(mediaType) || isSchema1(mediaType)

/** The configuration of an image. @since 0.1.0 */
export const isConfig: (mediaType: string) => boolean = oneOf(ociImageConfig, dockerImageConfig)

const isNondistributable = oneOf(
  ociNondistributableLayerTar,
  ociNondistributableLayerTarGzip,
  ociNondistributableLayerTarZstd,
  dockerForeignLayerTar,
  dockerForeignLayerTarGzip
)

const isDistributableLayer = oneOf(ociLayerTar, ociLayerTarGzip, ociLayerTarZstd, dockerLayerTar, dockerLayerTarGzip, dockerLayerTarZstd)

/** A file system layer, distributable or not. @since 0.1.0 */
export const isLayer = (mediaType: string): boolean => isDistributableLayer(mediaType) || isNondistributable(mediaType)

/** Whether the content may be pushed; all but foreign and nondistributable layers may. @since 0.1.0 */
export const isDistributable = (mediaType: string): boolean => !isNondistributable(mediaType)

/** @since 0.1.0 */
export type Compression = "none" | "gzip" | "zstd"

/**
 * How a tar archive or a suffixed type is compressed, by its name: `…tar+gzip` and Docker's `….gzip`, the same for zstd, `….tar` not at
 * all. None when the type does not tell.
 *
 * @since 0.1.0
 */
export const compression = (mediaType: string): Option.Option<Compression> => {
  const type = essence(mediaType)
  if (/[+.]gzip$/.test(type)) return Option.some("gzip")
  if (/[+.]zstd$/.test(type)) return Option.some("zstd")
  return type.endsWith(".tar") ? Option.some("none") : Option.none()
}

// --- asking for manifests ---

/**
 * All manifest types, the preferred first: a registry that is not offered the type it holds answers that there is no manifest.
 *
 * @since 0.1.0
 */
export const acceptManifest: ReadonlyArray<string> = [
  ociImageIndex,
  ociImageManifest,
  dockerManifestList,
  dockerManifest,
  ociArtifactManifest,
  dockerManifestSchema1Signed,
  dockerManifestSchema1
]

/** `acceptManifest` as the value of one `Accept` header, the same for HEAD and GET. @since 0.1.0 */
export const acceptManifestHeader: string = acceptManifest.join(", ")
