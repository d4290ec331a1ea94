/** Layers, images and places for the tests of this floor. */
import { gzipSync } from "node:zlib"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import type * as ContentStore from "../../src/content/ContentStore.ts"
import * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Image from "../../src/image/Image.ts"
import * as Layer from "../../src/image/Layer.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import type * as Platform from "../../src/model/Platform.ts"
import * as Reference from "../../src/model/Reference.ts"

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export const linux = (architecture: string): Platform.Platform => ({ os: "linux", architecture })

/** Bytes of a length, told apart by their first ones. */
export const archive = (name: string, length = 2048): Uint8Array => {
  const bytes = new Uint8Array(length)
  bytes.set(utf8(name).subarray(0, length))
  return bytes
}

/** A layer packed by Node and not by our own code. */
export const layer = (name: string): Layer.Blob => {
  const tar = archive(name)
  const bytes = gzipSync(tar)
  return Layer.fromBlob(Descriptor.fromBytes(bytes, MediaType.ociLayerTarGzip), bytes, Digest.fromBytes(tar))
}

/** An image of one layer. */
export const image = (name: string, platform: Platform.Platform = linux("amd64")): Image.Built =>
  Either.getOrThrow(Image.build(Image.appendLayer(Image.empty({ platform }), layer(name))))

export const bytesOf = <E, R>(stream: Stream.Stream<Uint8Array, E, R>): Effect.Effect<Buffer, E, R> =>
  Effect.map(Stream.runCollect(stream), (chunk) => Buffer.concat(Chunk.toReadonlyArray(chunk)))

export const remote = (name: string) => Effect.flatMap(Reference.parseRepository(name), RemoteRepository.make)

export const client = RegistryClient.layer

/** A place that tells what is pushed to it, and in which order. */
export const recorded = <E>(target: ContentStore.Target<E>) => {
  const pushed: Array<string> = []
  const recording: ContentStore.Target<E> = {
    ...target,
    pushBlob: (descriptor, content, options) => {
      pushed.push(descriptor.mediaType)
      return target.pushBlob(descriptor, content, options)
    },
    pushManifest: (manifest, options) => {
      pushed.push(`${manifest.mediaType} ${options?.tags?.join(",")}`)
      return target.pushManifest(manifest, options)
    }
  }
  return { pushed, recording }
}
