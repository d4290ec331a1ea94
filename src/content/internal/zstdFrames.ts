// Zstandard frames as they come (RFC 8878 §3): where blocks begin and end, so that a decoder can be fed one at a time.
import { join } from "../../model/internal/bytes.ts"
import { MalformedContent } from "../../model/RegistryError.ts"

/**
 * What a decoder gets next: the header of a frame, one of its blocks, or its last block with the checksum, which ends it.
 *
 * @internal
 */
export interface Piece {
  readonly bytes: Uint8Array
  readonly starts: boolean
  readonly ends: boolean
}

/** The window a decoder keeps in memory; what `zstd` itself takes without being asked to take more. */
const windowLimitBytes = 128 * 1024 * 1024

// RFC 8878 §3.1.1.2.3: no block unpacks to more, and none is longer than it unpacks to.
const blockLimitBytes = 128 * 1024

/** @internal */
export const malformed = (reason: string): MalformedContent => new MalformedContent({ kind: "zstd content", reason })

type Failure = { readonly failure: MalformedContent }
type Step = { readonly take: number; readonly read: (bytes: Uint8Array) => ReadonlyArray<Piece> | Failure }

const fail = (reason: string): Failure => ({ failure: malformed(reason) })

const uint32 = (bytes: Uint8Array, at: number): number => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true)

// By value of the two flags: how many bytes the dictionary's id and the size of the content have (RFC 8878 §3.1.1.1.1).
const dictionaryBytes = [0, 1, 2, 4] as const
const contentSizeBytes = [0, 2, 4, 8] as const

const flags = (descriptor: number) => {
  const singleSegment = (descriptor & 0b0010_0000) !== 0
  const sizeFlag = descriptor >> 6
  return {
    singleSegment,
    reserved: (descriptor & 0b0000_1000) !== 0,
    checksum: (descriptor & 0b0000_0100) !== 0,
    dictionary: dictionaryBytes[descriptor & 0b11] ?? 0,
    contentSize: sizeFlag === 0 && singleSegment ? 1 : (contentSizeBytes[sizeFlag] ?? 0)
  }
}

type Flags = ReturnType<typeof flags>

/** The bytes of the header after magic number and descriptor. */
const restOfHeader = ({ singleSegment, dictionary, contentSize }: Flags) => (singleSegment ? 0 : 1) + dictionary + contentSize

const windowBytes = (header: Uint8Array, { singleSegment, dictionary, contentSize }: Flags): number => {
  if (!singleSegment) {
    const byte = header[5] ?? 0
    const base = 2 ** (10 + (byte >> 3))
    return base + (base / 8) * (byte & 7)
  }
  // The content is the window; how long it is comes last, the least byte first.
  const size = header.subarray(5 + dictionary, 5 + dictionary + contentSize)
  return size.reduceRight((sum, byte) => sum * 256 + byte, 0) + (contentSize === 2 ? 256 : 0)
}

/**
 * Cuts content that arrives in any chunks into pieces. Give it all chunks in order, then ask for `end`: it is a failure unless the last
 * frame is complete. Frames that a decoder has to skip are left out.
 *
 * @internal
 */
export const cutter = () => {
  let waiting: Array<Uint8Array> = []
  let waitingBytes = 0
  let skipBytes = 0
  let header: Uint8Array = new Uint8Array()
  let flag = flags(0)
  let last = false
  let blockHeader: Uint8Array = new Uint8Array()

  const magic: Step = {
    take: 4,
    read: (bytes) => {
      const number = uint32(bytes, 0)
      header = bytes
      if (number === 0xfd2fb528) return next(descriptor)
      return (number & 0xfffffff0) >>> 0 === 0x184d2a50 ? next(skippable) : fail("this is no frame")
    }
  }
  const skippable: Step = {
    take: 4,
    read: (bytes) => {
      skipBytes = uint32(bytes, 0)
      return next(magic)
    }
  }
  const descriptor: Step = {
    take: 1,
    read: (bytes) => {
      header = join([header, bytes])
      flag = flags(bytes[0] ?? 0)
      if (flag.reserved) return fail("a reserved bit is set")
      const take = restOfHeader(flag)
      return next({ take, read: frame })
    }
  }
  const frame: Step["read"] = (bytes) => {
    header = join([header, bytes])
    if (windowBytes(header, flag) > windowLimitBytes) return fail(`its window is larger than ${windowLimitBytes} bytes`)
    const dictionary = header.subarray(flag.singleSegment ? 5 : 6).subarray(0, flag.dictionary)
    if (dictionary.some((byte) => byte !== 0)) return fail("it needs a dictionary")
    next(block)
    return [{ bytes: header, starts: true, ends: false }]
  }
  const block: Step = {
    take: 3,
    read: (bytes) => {
      const [a = 0, b = 0, c = 0] = bytes
      const type = (a >> 1) & 0b11
      const size = (a >> 3) | (b << 5) | (c << 13)
      last = (a & 1) === 1
      blockHeader = bytes
      if (type === 3) return fail("a block is of a reserved type")
      if (size > blockLimitBytes) return fail("a block is too long")
      // A block of one byte, repeated.
      const contentBytes = type === 1 ? 1 : size
      return next({ take: contentBytes + (last && flag.checksum ? 4 : 0), read: content })
    }
  }
  const content: Step["read"] = (bytes) => {
    next(last ? magic : block)
    return [{ bytes: join([blockHeader, bytes]), starts: false, ends: last }]
  }

  let step = magic
  const next = (following: Step): ReadonlyArray<Piece> => {
    step = following
    return []
  }

  const takeBytes = (count: number): Uint8Array => {
    const all = join(waiting)
    waiting = count < all.length ? [all.subarray(count)] : []
    waitingBytes -= count
    return all.subarray(0, count)
  }

  const skip = () => {
    const count = Math.min(skipBytes, waitingBytes)
    skipBytes -= count
    takeBytes(count)
  }

  return {
    push: (bytes: Uint8Array): { readonly pieces: ReadonlyArray<Piece>; readonly failure?: MalformedContent } => {
      waiting.push(bytes)
      waitingBytes += bytes.length
      const pieces: Array<Piece> = []
      for (;;) {
        if (skipBytes > 0) skip()
        if (skipBytes > 0 || waitingBytes < step.take) return { pieces }
        const made = step.read(takeBytes(step.take))
        if ("failure" in made) return { pieces, failure: made.failure }
        pieces.push(...made)
      }
    },
    end: (): MalformedContent | undefined =>
      step === magic && waitingBytes === 0 && skipBytes === 0 ? undefined : malformed("it ends in the middle of a frame")
  }
}
