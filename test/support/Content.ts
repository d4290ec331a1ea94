/** Content for tests, described without our own code, and as large as one likes without being kept in memory. */
import { createHash, type Hash, randomBytes } from "node:crypto"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as MediaType from "../../src/model/MediaType.ts"

export const MiB = 1024 * 1024

export const inMebibytes = (bytes: number): string => `${(bytes / MiB).toFixed(1)} MiB`

const described = (hash: Hash, size: number, mediaType: string): Descriptor.Descriptor =>
  Descriptor.make({ mediaType, digest: Either.getOrThrow(Digest.make("sha256", hash.digest("hex"))), size })

export const describeBytes = (bytes: Uint8Array, mediaType: string = MediaType.octetStream): Descriptor.Descriptor =>
  described(createHash("sha256").update(bytes), bytes.byteLength, mediaType)

export interface Large {
  readonly descriptor: Descriptor.Descriptor
  /** The bytes from an offset on, made while they are read. */
  readonly from: (offset: number) => Stream.Stream<Uint8Array>
}

/** Random mebibytes that differ in their first bytes, so that no part of the content can stand for another. */
export const large = (size: number): Large => {
  const pattern = randomBytes(MiB)
  const write = (bytes: Buffer, index: number): Uint8Array => {
    bytes.writeUInt32BE(index)
    return bytes.subarray(0, size - index * MiB)
  }
  const part = (index: number): Uint8Array => write(Buffer.from(pattern), index)
  const count = Math.ceil(size / MiB)
  const hash = createHash("sha256")
  // In one buffer: a loop without a pause would leave more garbage than the client under test.
  for (let index = 0; index < count; index++) hash.update(write(pattern, index))
  return {
    descriptor: described(hash, size, MediaType.octetStream),
    from: (offset) => {
      const first = Math.floor(offset / MiB)
      return Stream.unfold(first, (index) => {
        if (index >= count) return Option.none()
        return Option.some([index === first ? part(index).subarray(offset - first * MiB) : part(index), index + 1])
      })
    }
  }
}
