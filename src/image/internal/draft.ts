import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Descriptor from "../../model/Descriptor.ts"
import type * as Digest from "../../model/Digest.ts"
import * as ImageConfig from "../../model/ImageConfig.ts"
import * as Bytes from "../../model/internal/bytes.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import { MalformedContent } from "../../model/RegistryError.ts"
import type { Blob } from "./built.ts"

/** OCI's media types, or Docker's. */
export type Format = "oci" | "docker"

/** A layer whose digests are known. @internal */
export interface Known {
  readonly _tag: "Blob"
  readonly descriptor: Descriptor.Descriptor
  readonly diffId: Digest.Digest
}

interface Typed {
  readonly _tag: "Streamed"
  readonly mediaType: string
}

/** @internal */
export interface Draft<L> {
  readonly format: Format
  readonly config: ImageConfig.ImageConfig
  /** The config it began with, whose bytes are kept as long as nothing in it changes. */
  readonly original: Option.Option<{
    readonly config: ImageConfig.ImageConfig
    readonly bytes: Uint8Array
    readonly descriptor: Descriptor.Descriptor
  }>
  /** Base first. */
  readonly layers: ReadonlyArray<L>
  readonly annotations: Readonly<Record<string, string>>
  readonly artifactType: string | undefined
  readonly subject: Descriptor.Descriptor | undefined
}

const layerTypes: ReadonlyArray<Readonly<Record<Format, string>>> = [
  { oci: MediaType.ociLayerTar, docker: MediaType.dockerLayerTar },
  { oci: MediaType.ociLayerTarGzip, docker: MediaType.dockerLayerTarGzip },
  { oci: MediaType.ociLayerTarZstd, docker: MediaType.dockerLayerTarZstd }
]

/** Layers of both formats are the same bytes under different names. */
const layerType = (format: Format, mediaType: string): string =>
  layerTypes.find((pair) => pair.oci === mediaType || pair.docker === mediaType)?.[format] ?? mediaType

const inFormat = <L extends Known | Typed>(format: Format, layer: L): L =>
  layer._tag === "Blob"
    ? { ...layer, descriptor: { ...layer.descriptor, mediaType: layerType(format, layer.descriptor.mediaType) } }
    : { ...layer, mediaType: layerType(format, layer.mediaType) }

// Tools refuse a history that does not fit the layers, and take none at all.
const isComplete = (history: ImageConfig.ImageConfig["history"] = [], layers: number): boolean =>
  history.filter((entry) => entry.empty_layer !== true).length === layers

/** @internal */
export const append = <L, L2 extends Known | Typed>(draft: Draft<L>, layer: L2, entry: ImageConfig.HistoryEntry): Draft<L | L2> => {
  const { history } = draft.config
  const following = isComplete(history, draft.layers.length) ? { history: [...(history ?? []), entry] } : {}
  // Another config in any case: what it says about layers is no longer true.
  return { ...draft, config: { ...draft.config, ...following }, layers: [...draft.layers, inFormat(draft.format, layer)] }
}

/** @internal */
export const merged = (
  annotations: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string | undefined>>
): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries({ ...annotations, ...changes }).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))

const configBytes = ({ config, layers }: Draft<Known>): Uint8Array =>
  ImageConfig.encode({
    ...config,
    rootfs: { ...config.rootfs, type: "layers", diff_ids: layers.map(({ diffId }) => diffId) }
  })

const encodedConfig = (draft: Draft<Known>): Blob => {
  const bytes = configBytes(draft)
  const mediaType = draft.format === "docker" ? MediaType.dockerImageConfig : MediaType.ociImageConfig
  return { descriptor: Descriptor.fromBytes(bytes, mediaType), content: bytes }
}

/** Another value that says the same is no change. */
const isUnchanged = (original: ImageConfig.ImageConfig, draft: Draft<Known>): boolean =>
  original === draft.config || Bytes.equal(ImageConfig.encode(original), configBytes(draft))

const configBlob = (draft: Draft<Known>): Blob =>
  Option.match(
    Option.filter(draft.original, ({ config }) => isUnchanged(config, draft)),
    { onNone: () => encodedConfig(draft), onSome: ({ descriptor, bytes }) => ({ descriptor, content: bytes }) }
  )

/** What throws only for values that came from elsewhere, as a value. @internal */
export const checked = <A>(kind: string, make: () => A): Either.Either<A, MalformedContent> =>
  Either.try({
    try: make,
    catch: (cause) => (cause instanceof MalformedContent ? cause : new MalformedContent({ kind, reason: String(cause) }))
  })

/** Empty annotations are left out. @internal */
export const orNone = <A extends object>(annotations: A): A | undefined => (Object.keys(annotations).length === 0 ? undefined : annotations)

/** The manifest and the config it names. @internal */
export const documents = (
  draft: Draft<Known>
): Either.Either<{ readonly manifest: Manifest.ImageManifest; readonly config: Blob }, MalformedContent> =>
  Either.flatMap(
    checked("image config", () => configBlob(draft)),
    (config) =>
      checked("manifest", () => ({
        config,
        manifest: Manifest.imageManifest({
          mediaType: draft.format === "docker" ? MediaType.dockerManifest : MediaType.ociImageManifest,
          config: config.descriptor,
          layers: draft.layers.map(({ descriptor }) => descriptor),
          annotations: orNone(draft.annotations),
          artifactType: draft.artifactType,
          subject: draft.subject
        })
      }))
  )
