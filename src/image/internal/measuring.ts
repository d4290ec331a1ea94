import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as BlobUpload from "../../client/BlobUpload.ts"
import { tapBytes, toStream } from "../../content/internal/blobBytes.ts"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import type { InvalidDigest } from "../../model/RegistryError.ts"

/** Digest and size of some content, which is read to its end. @internal */
export const described = <E, R>(
  content: BlobUpload.Source<E, R>
): Effect.Effect<Pick<Descriptor.Descriptor, "digest" | "size">, E | InvalidDigest, R> =>
  Effect.gen(function* () {
    const hasher = yield* Digest.hasher("sha256")
    let size = 0
    const look = tapBytes((bytes) => {
      hasher.update(bytes)
      size += bytes.length
    })
    yield* Stream.runDrain(look(toStream(content)))
    return { digest: hasher.digest(), size }
  })
