/** What is copied between real places: images and indexes pushed to a repository, their layers archives as other tools expect them. */
import { createHash, randomBytes } from "node:crypto"
import { createGzip } from "node:zlib"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Image from "../../src/image/Image.ts"
import * as Layer from "../../src/image/Layer.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as TarFiles from "../content/tarFiles.ts"
import * as Content from "../support/Content.ts"
import * as DirImage from "../support/DirImage.ts"
import * as Images from "./Images.ts"

type Repository = RemoteRepository.RemoteRepository

/** `layers`: how many; `layerBytes`: how long the one file in each of them is, default 3000. */
export interface ImageOptions {
  readonly layers: number
  readonly layerBytes?: number | undefined
  readonly architecture?: string | undefined
  readonly tag?: string | undefined
}

const archive = (sizeBytes: number) =>
  Buffer.concat([TarFiles.raw({ name: randomBytes(8).toString("hex"), content: randomBytes(sizeBytes) }), TarFiles.end])

export const pushImage = Effect.fnUntraced(function* (repository: Repository, options: ImageOptions) {
  const layers = Array.from({ length: options.layers }, () => archive(options.layerBytes ?? 3000))
  const image = DirImage.fromLayers(layers, options.architecture)
  const manifest = yield* Manifest.decode(image.manifest, { contentType: image.mediaType })
  yield* Images.push(Reference.withDigest(repository.repository, manifest.digest), image)
  if (options.tag !== undefined) yield* repository.tag(manifest.descriptor, options.tag)
  return manifest.descriptor
})

const pushIndex = Effect.fnUntraced(function* (repository: Repository, manifests: ReadonlyArray<Descriptor.Descriptor>, tag?: string) {
  const index = Manifest.imageIndex({ manifests })
  yield* repository.pushManifest(index, { tags: tag === undefined ? [] : [tag] })
  return index.descriptor
})

/** An entry of an index. */
const pushEntry = (repository: Repository, architecture: string, layers: number, layerBytes?: number) =>
  Effect.map(pushImage(repository, { layers, layerBytes, architecture }), (descriptor) => ({
    ...descriptor,
    platform: { os: "linux", architecture }
  }))

export const pushFlat = Effect.fnUntraced(function* (repository: Repository, tag: string) {
  const amd64 = yield* pushEntry(repository, "amd64", 3)
  const arm64 = yield* pushEntry(repository, "arm64", 5)
  return yield* pushIndex(repository, [amd64, arm64], tag)
})

const sharedLayers = 20

/** Two platforms, and two indexes below the index that share one of their images. The shared one is the slowest to move. */
export const pushNested = Effect.fnUntraced(function* (
  repository: Repository,
  tag: string,
  options: { readonly sharedLayers?: number; readonly layerBytes?: number } = {}
) {
  const entry = (architecture: string, layers: number) => pushEntry(repository, architecture, layers, options.layerBytes)
  const amd64 = yield* entry("amd64", 3)
  const arm64 = yield* entry("arm64", 4)
  const shared = yield* entry("s390x", options.sharedLayers ?? sharedLayers)
  const riscv64 = yield* entry("riscv64", 2)
  const one = yield* pushIndex(repository, [shared, riscv64])
  const two = yield* pushIndex(repository, [shared])
  return yield* pushIndex(repository, [amd64, arm64, one, two], tag)
})

/** What `pushNested` is made of, where nothing else is said. */
export const nested = { manifests: 7, blobs: 4 + 5 + 1 + sharedLayers + 3 }

// --- layers that are not held in memory ---

const largeArchive = (sizeBytes: number): Stream.Stream<Uint8Array> => {
  const header = TarFiles.raw({ name: "large", size: `${sizeBytes.toString(8).padStart(11, "0")}\0` })
  const padding = Buffer.alloc((512 - (sizeBytes % 512)) % 512)
  return Stream.make(header).pipe(Stream.concat(Content.large(sizeBytes).from(0)), Stream.concat(Stream.make(padding, TarFiles.end)))
}

/** Stored, not compressed: other tools take it for the gzip layer it is, and no time goes into compression. */
const stored = (archive: Stream.Stream<Uint8Array>): Stream.Stream<Uint8Array> =>
  NodeStream.pipeThroughSimple(Stream.orDie(archive), () => createGzip({ level: 0, chunkSize: Content.MiB })).pipe(Stream.orDie)

const measured = (bytes: Stream.Stream<Uint8Array>) =>
  Effect.suspend(() => {
    const hash = createHash("sha256")
    const counted = Stream.runFold(bytes, 0, (sum, part) => {
      hash.update(part)
      return sum + part.length
    })
    return Effect.map(counted, (size) => ({ size, digest: Either.getOrThrow(Digest.make("sha256", hash.digest("hex"))) }))
  })

const largeLayer = Effect.fnUntraced(function* (sizeBytes: number) {
  const archive = largeArchive(sizeBytes)
  const { digest: diffId } = yield* measured(archive)
  const { digest, size } = yield* measured(stored(archive))
  return Layer.fromBlob(Descriptor.make({ mediaType: MediaType.ociLayerTarGzip, digest, size }), stored(archive), diffId)
})

/** An image of layers of these sizes, made while they are pushed. */
export const pushLarge = Effect.fnUntraced(function* (repository: Repository, tag: string, layerSizes: ReadonlyArray<number>) {
  const layers = yield* Effect.forEach(layerSizes, largeLayer)
  const image = layers.reduce<Image.Draft>((draft, layer) => Image.appendLayer(draft, layer), Image.empty())
  return yield* Image.push(repository, yield* Image.build(image), { tags: [tag] })
})
