// An archive for `docker load`: `manifest.json`, configurations by digest, and layers as they are unpacked, by diff id.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import * as ImageConfig from "../../model/ImageConfig.ts"
import * as Ending from "../../model/internal/ending.ts"
import { jsonBytes } from "../../model/internal/json.ts"
import type * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import type * as Reference from "../../model/Reference.ts"
import { LimitExceeded, MalformedContent, UnsupportedManifest } from "../../model/RegistryError.ts"
import type * as ContentStore from "../ContentStore.ts"
import { collect, counted, limited, pour, tapBytes, toStream } from "./blobBytes.ts"
import { decompress } from "./compression.ts"
import { configLimitBytes, manifestFile } from "./dockerArchive.ts"
import * as DockerNames from "./dockerNames.ts"
import { type LocalError, missing, storeError } from "./localError.ts"
import type { TarWriter } from "./tarWriter.ts"

/** @internal */
export type DockerError = LocalError | UnsupportedManifest

interface Image {
  readonly manifest: Manifest.ImageManifest
  readonly diffIds: ReadonlyArray<Digest.Digest>
  readonly names: ReadonlySet<string>
}

/** A configuration: its bytes wait for its image; of one that is in the archive only its diff ids are still asked for. */
type Config = { readonly size: number } & ({ readonly bytes: Uint8Array } | { readonly diffIds: ReadonlyArray<string> })

// Room for any number of images that are copied at once. What is no image is refused when its manifest comes, after all of its blobs.
const waitingLimitBytes = 64 * 1024 * 1024

/** @internal */
export interface Options {
  /** Where tags belong that are not whole names. */
  readonly repository?: Reference.Repository | undefined
  /** How much a layer may unpack to. */
  readonly unpackedLimitBytes: number
}

const layerFile = (diffId: Digest.Digest) => `${Digest.encoded(diffId)}.tar`

const configFile = (digest: Digest.Digest) => `${Digest.encoded(digest)}.json`

const unsupported = (mediaType: string, reason: string) => new UnsupportedManifest({ mediaType, reason })

/** @internal */
export interface DockerWriting {
  readonly target: ContentStore.Target<DockerError>
  readonly commit: Effect.Effect<void, DockerError>
}

/** @internal */
export const write = (label: string, tar: TarWriter, options: Options): DockerWriting => {
  // By digest of what was pushed. The layers are in the archive by now, configurations wait for their image.
  const diffIds = new Map<Digest.Digest, { readonly diffId: Digest.Digest; readonly size: number }>()
  const configs = new Map<Digest.Digest, Config>()
  const unpacked = new Set<Digest.Digest>()
  const images = new Map<Digest.Digest, Image>()
  let waitingBytes = 0

  const has = ({ digest, size }: Descriptor.Descriptor): boolean =>
    size === (diffIds.get(digest)?.size ?? configs.get(digest)?.size ?? images.get(digest)?.manifest.size)

  const pushLayer = <E, R>(descriptor: Descriptor.Descriptor, bytes: Stream.Stream<Uint8Array, E, R>) =>
    tar.append(
      Effect.fnUntraced(function* (put) {
        if (diffIds.has(descriptor.digest)) return undefined
        const hasher = yield* Digest.hasher("sha256")
        const plain = decompress(bytes).pipe(limited("an unpacked layer", options.unpackedLimitBytes), tapBytes(hasher.update))
        yield* pour(plain, put)
        const diffId = hasher.digest()
        const known = () => {
          unpacked.add(diffId)
          diffIds.set(descriptor.digest, { diffId, size: descriptor.size })
        }
        // The same layer may come compressed in several ways.
        if (!unpacked.has(diffId)) return { name: layerFile(diffId), written: known }
        known()
        return undefined
      })
    )

  const pushConfig = Effect.fnUntraced(function* <E, R>(descriptor: Descriptor.Descriptor, bytes: Stream.Stream<Uint8Array, E, R>) {
    if (descriptor.size > configLimitBytes) {
      return yield* storeError(
        label,
        "pushBlob",
        `a docker archive has room for layers and configurations, not for ${descriptor.mediaType}`
      )
    }
    const { digest, size } = descriptor
    if (waitingBytes + size > waitingLimitBytes) {
      return yield* new LimitExceeded({ what: "what waits for its image in the docker archive", limit: waitingLimitBytes })
    }
    yield* Ending.between(
      () => {
        waitingBytes += size
      },
      collect(bytes),
      (exit) => {
        if (Exit.isSuccess(exit) && !configs.has(digest)) configs.set(digest, { size, bytes: exit.value.slice() })
        else waitingBytes -= size
      }
    )
  })

  /** The layers of an image by diff id, when all of it is there and fits together. */
  const layersOf = Effect.fnUntraced(function* (manifest: Manifest.ImageManifest) {
    const config = configs.get(manifest.config.digest)
    if (config === undefined || !MediaType.isConfig(manifest.config.mediaType)) {
      const reason = "a docker archive holds images with a configuration, which is pushed before"
      return yield* unsupported(manifest.mediaType, reason)
    }
    const layers = yield* Effect.forEach(manifest.layers, ({ digest }) =>
      Either.fromNullable(diffIds.get(digest)?.diffId, () => unsupported(manifest.mediaType, `there is no layer ${digest} in the archive`))
    )
    const expected = "bytes" in config ? (yield* ImageConfig.decode(config.bytes)).rootfs.diff_ids : config.diffIds
    if (layers.length !== expected.length || layers.some((diffId, at) => diffId !== expected[at])) {
      return yield* new MalformedContent({ kind: "image config", reason: "its diff_ids are not those of the layers" })
    }
    return layers
  })

  const writeConfig = (digest: Digest.Digest, diffIds: ReadonlyArray<string>) => {
    const name = configFile(digest)
    return tar.append((put) => {
      const config = configs.get(digest)
      // Manifests may share a configuration, and one may be pushed by several fibers: the first one that has its turn writes it.
      if (config === undefined || !("bytes" in config)) return Effect.succeed(undefined)
      const { bytes, size } = config
      const written = () => {
        configs.set(digest, { size, diffIds })
        waitingBytes -= size
      }
      return Effect.as(put(bytes), { name, written })
    }, name)
  }

  const tagImage = (image: Image, tags: ReadonlyArray<string>) =>
    tar.change(() => {
      const names = images.get(image.manifest.digest)?.names ?? []
      for (const [digest, other] of images)
        images.set(digest, { ...other, names: new Set([...other.names].filter((_) => !tags.includes(_))) })
      images.set(image.manifest.digest, { ...image, names: new Set([...names, ...tags]) })
    })

  const namesOf = (tags: ReadonlyArray<string>) => Effect.forEach(tags, (tag) => DockerNames.name(tag, options.repository))

  const target: ContentStore.Target<DockerError> = {
    label,
    exists: (descriptor) => Effect.sync(() => has(descriptor)),
    current: (tag) =>
      Effect.sync(() =>
        Either.match(DockerNames.name(tag, options.repository), {
          onLeft: () => Option.none(),
          onRight: (name) =>
            Option.map(Option.fromNullable([...images.values()].find((_) => _.names.has(name))), (_) => _.manifest.descriptor)
        })
      ),
    pushBlob: Effect.fnUntraced(function* (descriptor, content, pushing) {
      if (pushing?.checkExists !== false && has(descriptor)) return "existed"
      const verified = Digest.verifyStream(descriptor.digest, descriptor.size, { operation: "pushBlob" })(
        counted(pushing?.onBytes)(toStream(content))
      )
      yield* MediaType.isLayer(descriptor.mediaType) ? pushLayer(descriptor, verified) : pushConfig(descriptor, verified)
      return "stored"
    }),
    pushManifest: Effect.fnUntraced(function* (manifest, pushing) {
      const names = yield* namesOf(pushing?.tags ?? [])
      if (manifest._tag !== "ImageManifest") {
        return yield* unsupported(manifest.mediaType, "a docker archive holds images, each for one platform: choose one")
      }
      const layers = yield* layersOf(manifest)
      yield* writeConfig(manifest.config.digest, layers)
      yield* tagImage(images.get(manifest.digest) ?? { manifest, diffIds: layers, names: new Set() }, names)
    }),
    tag: Effect.fnUntraced(function* (descriptor, tag) {
      const names = yield* namesOf([tag])
      const image = images.get(descriptor.digest)
      if (image === undefined) return yield* missing(label, "tag", descriptor.digest)
      yield* tagImage(image, names)
    })
  }

  const manifestJson = () =>
    [...images.values()].map(({ diffIds, manifest, names }) => ({
      Config: configFile(manifest.config.digest),
      RepoTags: [...names],
      Layers: diffIds.map(layerFile)
    }))

  return { target, commit: tar.commit(manifestFile, () => jsonBytes(manifestJson())) }
}
