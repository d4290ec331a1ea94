/** Images of the `dir:` kind, put into places and compared with what comes out. */

import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type * as ContentStore from "../../src/content/ContentStore.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import type * as DirImage from "../support/DirImage.ts"
import type * as TarFiles from "./tarFiles.ts"

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Bytes that do not compress and differ by seed. */
export const noise = (length: number, seed: number): Uint8Array => {
  let state = seed + 1
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  })
}

export const blob = (bytes: Uint8Array, mediaType = MediaType.octetStream) => ({
  bytes,
  descriptor: Descriptor.fromBytes(bytes, mediaType)
})

export const manifestOf = (image: DirImage.DirImage): Manifest.ImageManifest => {
  const manifest = Either.getOrThrow(Manifest.decode(image.manifest, { contentType: image.mediaType }))
  if (manifest._tag !== "ImageManifest") throw new Error(`not an image: ${manifest._tag}`)
  return manifest
}

export const blobOf = (image: DirImage.DirImage, descriptor: Descriptor.Descriptor): Uint8Array => {
  const bytes = image.blobs.get(descriptor.digest)
  if (bytes === undefined) throw new Error(`the image has no ${descriptor.digest}`)
  return bytes
}

/** Puts an image into a place, blobs first. */
export const push = <E>(target: ContentStore.Target<E>, image: DirImage.DirImage, tags: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const manifest = manifestOf(image)
    yield* Effect.forEach(Manifest.successors(manifest), (descriptor) => target.pushBlob(descriptor, blobOf(image, descriptor)), {
      concurrency: "unbounded"
    })
    yield* target.pushManifest(manifest, { tags })
    return manifest
  })

export const readBlob = <E>(source: ContentStore.Source<E>, descriptor: Descriptor.Descriptor) =>
  Effect.map(Stream.runCollect(source.fetchBlob(descriptor)), (chunk) => Buffer.concat(Chunk.toReadonlyArray(chunk)))

export const digestOf = (text: string): Digest.Digest => Digest.fromBytes(encode(text))

/** What `docker save` writes since version 25, of images by name: both a layout and a docker archive. */
export const newSave = (images: ReadonlyArray<readonly [name: string, image: DirImage.DirImage]>): ReadonlyArray<TarFiles.Entry> => {
  const path = (digest: string) => `blobs/${digest.replace(":", "/")}`
  const manifests = images.map(([name, image]) => ({
    ...manifestOf(image).descriptor,
    annotations: {
      "io.containerd.image.name": `docker.io/library/${name}`,
      "org.opencontainers.image.ref.name": name.slice(name.indexOf(":") + 1)
    }
  }))
  const blobs = new Map(images.flatMap(([, image]) => [[manifestOf(image).digest, image.manifest] as const, ...image.blobs]))
  const saved = images.map(([name, image]) => {
    const { config, layers } = manifestOf(image)
    return { Config: path(config.digest), RepoTags: [name], Layers: layers.map((_) => path(_.digest)) }
  })
  return [
    ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
    ["index.json", JSON.stringify({ schemaVersion: 2, manifests })],
    ["manifest.json", JSON.stringify(saved)],
    ...[...blobs].map(([digest, bytes]): TarFiles.Entry => [path(digest), bytes])
  ]
}
