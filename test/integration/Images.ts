/** Images pushed and pulled with our client, as a user of the library would. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import type * as Descriptor from "../../src/model/Descriptor.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import type * as Reference from "../../src/model/Reference.ts"
import * as Content from "../support/Content.ts"
import type { DirImage } from "../support/DirImage.ts"

/** All bytes of a blob, verified by the client and counted here. */
export const readBlob = Effect.fn("readBlob")(function* (repository: Reference.Repository, content: Descriptor.Descriptor) {
  const client = yield* RegistryClient.RegistryClient
  return Buffer.concat([...(yield* Stream.runCollect(client.getBlob(repository, content)))])
})

export const push = Effect.fn("push")(function* (reference: Reference.Reference, image: DirImage) {
  const client = yield* RegistryClient.RegistryClient
  const manifest = yield* Manifest.decode(image.manifest, { contentType: image.mediaType })
  yield* Effect.forEach([...image.blobs.values()], (bytes) => client.putBlob(reference.repository, Content.describeBytes(bytes), bytes), {
    concurrency: 4
  })
  return yield* client.putManifest(reference.repository, manifest, { tag: reference.tag })
})

export const pull = Effect.fn("pull")(function* (reference: Reference.Reference) {
  const client = yield* RegistryClient.RegistryClient
  const manifest = yield* client.getManifest(reference)
  const blobs = yield* Effect.forEach(
    Manifest.successors(manifest),
    (content) => Effect.map(readBlob(reference.repository, content), (bytes) => [String(content.digest), bytes] as const),
    { concurrency: 4 }
  )
  const image: DirImage = { manifest: manifest.bytes, mediaType: manifest.mediaType, digest: manifest.digest, blobs: new Map(blobs) }
  return image
})
