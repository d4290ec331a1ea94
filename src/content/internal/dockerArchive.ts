// What `docker save` writes, old and new, seen as images: their manifests are made here, always the same for the same archive.
import * as Arr from "effect/Array"
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

const noFile = (name: string) => malformed(`it has no file ${JSON.stringify(name.slice(0, 256))}`)

/** What was said of an entry, asked once: images share configurations and layers, and an archive may list very many images. */
const once = <A, E>(look: (entry: Entry) => Effect.Effect<A, E>) => {
  const known = new Map<Entry, A>()
  return Effect.fnUntraced(function* (entry: Entry) {
    const found = known.get(entry) ?? (yield* look(entry))
    known.set(entry, found)
    return found
  })
}

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

/** Reads the images of an archive. */
const images = (tar: TarFile) => {
  const compressionOf = once((entry) => Effect.map(tar.readHead(entry, 4), (head) => sniff([...head])))

  const hashed = once(
    Effect.fnUntraced(function* (entry) {
      const hasher = yield* Digest.hasher("sha256")
      yield* Stream.runForEach(tar.read(entry), (bytes) => Effect.sync(() => hasher.update(bytes)))
      return hasher.digest()
    })
  )

  const configOf = once(
    Effect.fnUntraced(function* (entry) {
      const bytes = yield* tar.whole(entry, configLimitBytes)
      const { diff_ids: diffIds } = (yield* ImageConfig.decode(bytes)).rootfs
      return { descriptor: Descriptor.fromBytes(bytes, MediaType.dockerImageConfig), diffIds, entry }
    })
  )

  const readLayer = Effect.fnUntraced(function* (image: Image, name: string, diffId: Digest.Digest) {
    const source = image.LayerSources?.[diffId]
    const entry = tar.find(name)
    if (Option.isNone(entry) && source !== undefined) return { descriptor: Descriptor.make(source), entry } satisfies Layer
    if (Option.isNone(entry)) return yield* noFile(name)
    const compression = yield* compressionOf(entry.value)
    // A layer that is not compressed is what its diff id names. It is verified when it is read.
    const known = compression === "none" ? Option.some(diffId) : digestOfName(name)
    const digest = Option.isSome(known) ? known.value : yield* hashed(entry.value)
    const layer: Layer = { descriptor: Descriptor.make({ mediaType: layerTypes[compression], digest, size: entry.value.sizeBytes }), entry }
    return layer
  })

  return Effect.fnUntraced(function* (image: Image) {
    const file = yield* tar.only(image.Config)
    if (Option.isNone(file)) return yield* noFile(image.Config)
    const config = yield* configOf(file.value)
    const names = image.Layers ?? []
    if (names.length !== config.diffIds.length) {
      return yield* malformed(`an image has ${names.length} layers, and its configuration names ${config.diffIds.length}`)
    }
    const layers = yield* Effect.forEach(config.diffIds, (diffId, at) => readLayer(image, names[at] ?? "", diffId))
    const manifest = Manifest.imageManifest({
      mediaType: MediaType.dockerManifest,
      config: config.descriptor,
      layers: layers.map((_) => _.descriptor)
    })
    return { config, layers, manifest, names: Arr.filterMap(image.RepoTags ?? [], DockerNames.normalize) }
  })
}

interface Named {
  readonly manifest: Manifest.ImageManifest
  readonly names: ReadonlyArray<string>
}

/** The images by their names, in time that grows with their number; of several images of one name the last has it. */
const indexOf = (found: ReadonlyArray<Named>): Index.Index => {
  const byName = new Map<string, Descriptor.Descriptor>()
  for (const { manifest, names } of found) for (const name of names) byName.set(name, manifest.descriptor)
  const named = [...byName].map(([name, descriptor]) => Index.tagged(descriptor, name))
  const listed = new Set(named.map(({ digest }) => digest))
  const unnamed = found.filter(({ manifest, names }) => names.length === 0 && !listed.has(manifest.digest))
  const others = new Map(unnamed.map(({ manifest }) => [manifest.digest, manifest.descriptor]))
  return Index.replace(Index.empty, [...named, ...others.values()])
}

type Content = Entry | Uint8Array

/** Fails when it is no docker archive, or one of before Docker 1.10 that has no `manifest.json`. @internal */
export const read = Effect.fnUntraced(function* (label: string, tar: TarFile) {
  const document = yield* tar.document(manifestFile, manifestLimitBytes)
  if (Option.isNone(document)) return yield* malformed(`it has no ${manifestFile}`)
  const found = yield* Effect.forEach(yield* parseImages(document.value), images(tar))

  const contents = new Map<Digest.Digest, Content>()
  for (const { config, layers, manifest } of found) {
    contents.set(config.descriptor.digest, config.entry)
    contents.set(manifest.digest, manifest.bytes)
    for (const { descriptor, entry } of layers) if (Option.isSome(entry)) contents.set(descriptor.digest, entry.value)
  }
  const index = indexOf(found)

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
