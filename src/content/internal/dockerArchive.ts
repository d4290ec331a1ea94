// What `docker save` writes, old and new, seen as images: their manifests are made here, always the same for the same archive.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import * as ImageConfig from "../../model/ImageConfig.ts"
import { parseJsonBytes } from "../../model/internal/json.ts"
import { open, optional } from "../../model/internal/openStruct.ts"
import { parseReason } from "../../model/internal/parseReason.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import { MalformedContent } from "../../model/RegistryError.ts"
import { sniff } from "./compression.ts"
import * as DockerNames from "./dockerNames.ts"
import * as Index from "./layoutIndex.ts"
import { type LocalError, missing } from "./localError.ts"
import type { Reading } from "./storage.ts"
import type { TarFile } from "./tarFile.ts"
import type { Entry } from "./tarIndex.ts"

/** @internal */
export const manifestFile = "manifest.json"

const Image = open(
  "DockerArchiveImage",
  Schema.Struct({
    Config: Schema.String,
    RepoTags: optional(Schema.Array(Schema.String)),
    Layers: optional(Schema.Array(Schema.String)),
    /** Where layers can be had that are not in the archive, by their diff id. */
    LayerSources: optional(Schema.Record({ key: Schema.String, value: Descriptor.Descriptor }))
  })
)

type Image = typeof Image.Type

const decodeImages = Schema.decodeUnknownEither(Schema.Array(Image))

const malformed = (reason: string) => new MalformedContent({ kind: "docker archive", reason })

const manifestLimitBytes = 16 * 1024 * 1024

/** The longest configuration of an image. @internal */
export const configLimitBytes = 16 * 1024 * 1024

const parseImages = (bytes: Uint8Array): Either.Either<ReadonlyArray<Image>, MalformedContent> =>
  parseJsonBytes(bytes).pipe(
    Either.flatMap((json) => Either.mapLeft(decodeImages(json), parseReason)),
    Either.mapLeft((reason) => malformed(`${manifestFile}: ${reason}`))
  )

const require = (tar: TarFile, name: string): Either.Either<Entry, MalformedContent> =>
  Either.fromOption(tar.find(name), () => malformed(`it has no file ${JSON.stringify(name.slice(0, 256))}`))

type Content = Entry | Uint8Array

interface Layer {
  readonly descriptor: Descriptor.Descriptor
  /** None when it is to be had elsewhere. */
  readonly entry: Option.Option<Entry>
}

const layerTypes = {
  none: MediaType.dockerLayerTar,
  gzip: MediaType.dockerLayerTarGzip,
  zstd: MediaType.dockerLayerTarZstd
}

/** New archives keep compressed layers under their digest. */
const digestOfName = (name: string): Option.Option<Digest.Digest> => {
  const [blobs, algorithm = "", encoded = "", ...rest] = name.split("/")
  return blobs === "blobs" && rest.length === 0 ? Either.getRight(Digest.make(algorithm, encoded)) : Option.none()
}

const hashed = Effect.fnUntraced(function* (tar: TarFile, entry: Entry) {
  const hasher = yield* Digest.hasher("sha256")
  yield* Stream.runForEach(tar.read(entry), (bytes) => Effect.sync(() => hasher.update(bytes)))
  return hasher.digest()
})

const readLayer = Effect.fnUntraced(function* (tar: TarFile, image: Image, name: string, diffId: Digest.Digest) {
  const source = image.LayerSources?.[diffId]
  const entry = tar.find(name)
  if (Option.isNone(entry) && source !== undefined) return { descriptor: Descriptor.make(source), entry } satisfies Layer
  const found = yield* require(tar, name)
  const compression = sniff([...(yield* tar.readHead(found, 4))])
  // A layer that is not compressed is what its diff id names. It is verified when it is read.
  const known = compression === "none" ? Option.some(diffId) : digestOfName(name)
  const digest = Option.isSome(known) ? known.value : yield* hashed(tar, found)
  const layer: Layer = {
    descriptor: Descriptor.make({ mediaType: layerTypes[compression], digest, size: found.sizeBytes }),
    entry: Option.some(found)
  }
  return layer
})

const readImage = Effect.fnUntraced(function* (tar: TarFile, image: Image) {
  const bytes = yield* tar.document(image.Config, configLimitBytes)
  if (Option.isNone(bytes)) return yield* malformed(`it has no file ${JSON.stringify(image.Config.slice(0, 256))}`)
  const config = Descriptor.fromBytes(bytes.value, MediaType.dockerImageConfig)
  const { diff_ids: diffIds } = (yield* ImageConfig.decode(bytes.value)).rootfs
  const names = image.Layers ?? []
  if (names.length !== diffIds.length) {
    return yield* malformed(`an image has ${names.length} layers, and its configuration names ${diffIds.length}`)
  }
  const layers = yield* Effect.forEach(diffIds, (diffId, at) => readLayer(tar, image, names[at] ?? "", diffId))
  const manifest = Manifest.imageManifest({ mediaType: MediaType.dockerManifest, config, layers: layers.map((_) => _.descriptor) })
  return { config: { descriptor: config, bytes: bytes.value }, layers, manifest, names: (image.RepoTags ?? []).map(DockerNames.normalize) }
})

/** Fails when it is no docker archive, or one of before Docker 1.10 that has no `manifest.json`. @internal */
export const read = Effect.fnUntraced(function* (label: string, tar: TarFile) {
  const document = yield* tar.document(manifestFile, manifestLimitBytes)
  if (Option.isNone(document)) return yield* malformed(`it has no ${manifestFile}`)
  const images = yield* Effect.forEach(yield* parseImages(document.value), (image) => readImage(tar, image))

  const contents = new Map<Digest.Digest, Content>()
  let index = Index.empty
  for (const { config, layers, manifest, names } of images) {
    contents.set(config.descriptor.digest, config.bytes)
    contents.set(manifest.digest, manifest.bytes)
    for (const { descriptor, entry } of layers) if (Option.isSome(entry)) contents.set(descriptor.digest, entry.value)
    const known = names.flatMap(Option.toArray)
    index =
      known.length === 0
        ? Index.add(index, manifest.descriptor)
        : known.reduce((_, name) => Index.setTag(_, manifest.descriptor, name), index)
  }

  const sizeOf = (content: Content): number => (content instanceof Uint8Array ? content.length : content.sizeBytes)

  const storage: Reading = {
    label,
    index: Effect.succeed(index),
    sizeOf: (digest) => Effect.succeed(Option.map(Option.fromNullable(contents.get(digest)), sizeOf)),
    read: (digest) =>
      Stream.suspend((): Stream.Stream<Uint8Array, LocalError> => {
        const content = contents.get(digest)
        if (content === undefined) return Stream.fail(missing(label, "read", digest))
        return content instanceof Uint8Array ? Stream.make(content) : tar.read(content)
      })
  }
  return storage
})
