// An archive for `docker load`: `manifest.json`, configurations by digest, and layers as they are unpacked, by diff id.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import * as ImageConfig from "../../model/ImageConfig.ts"
import { jsonBytes } from "../../model/internal/json.ts"
import type * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import type * as Reference from "../../model/Reference.ts"
import { MalformedContent, UnsupportedManifest } from "../../model/RegistryError.ts"
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
  const configs = new Map<Digest.Digest, Uint8Array>()
  const unpacked = new Set<Digest.Digest>()
  const written = new Set<Digest.Digest>()
  const images = new Map<Digest.Digest, Image>()

  const has = ({ digest, size }: Descriptor.Descriptor): boolean =>
    size === (diffIds.get(digest)?.size ?? configs.get(digest)?.length ?? images.get(digest)?.manifest.size)

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
    configs.set(descriptor.digest, (yield* collect(bytes)).slice())
  })

  /** The layers of an image by diff id, when all of it is there and fits together. */
  const contentOf = Effect.fnUntraced(function* (manifest: Manifest.ImageManifest) {
    const bytes = configs.get(manifest.config.digest)
    if (bytes === undefined || !MediaType.isConfig(manifest.config.mediaType)) {
      const reason = "a docker archive holds images with a configuration, which is pushed before"
      return yield* unsupported(manifest.mediaType, reason)
    }
    const layers = yield* Effect.forEach(manifest.layers, ({ digest }) =>
      Either.fromNullable(diffIds.get(digest)?.diffId, () => unsupported(manifest.mediaType, `there is no layer ${digest} in the archive`))
    )
    const expected = (yield* ImageConfig.decode(bytes)).rootfs.diff_ids
    if (layers.length !== expected.length || layers.some((diffId, at) => diffId !== expected[at])) {
      return yield* new MalformedContent({ kind: "image config", reason: "its diff_ids are not those of the layers" })
    }
    return { bytes, layers }
  })

  const writeConfig = (digest: Digest.Digest, bytes: Uint8Array) => {
    const name = configFile(digest)
    // Manifests may share a configuration, and one may be pushed by several fibers: one of them writes it, when it has its turn.
    return tar.append(
      (put) => (written.has(digest) ? Effect.succeed(undefined) : Effect.as(put(bytes), { name, written: () => void written.add(digest) })),
      name
    )
  }

  const tagImage = (image: Image, tags: ReadonlyArray<string>) => {
    for (const [digest, other] of images)
      images.set(digest, { ...other, names: new Set([...other.names].filter((_) => !tags.includes(_))) })
    images.set(image.manifest.digest, { ...image, names: new Set([...image.names, ...tags]) })
  }

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
      const { bytes, layers } = yield* contentOf(manifest)
      yield* writeConfig(manifest.config.digest, bytes)
      tagImage(images.get(manifest.digest) ?? { manifest, diffIds: layers, names: new Set() }, names)
    }),
    tag: Effect.fnUntraced(function* (descriptor, tag) {
      const names = yield* namesOf([tag])
      const image = images.get(descriptor.digest)
      if (image === undefined) return yield* missing(label, "tag", descriptor.digest)
      tagImage(image, names)
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
