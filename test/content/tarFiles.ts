/** Tar archives made by a library that shares no code with ours, and headers that no library would write. */
import { writeFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import { extract, type Header, pack } from "tar-stream"

export type Entry = readonly [header: string | (Partial<Header> & { readonly name: string }), content?: Uint8Array | string | undefined]

const joined = async (stream: AsyncIterable<unknown>): Promise<Buffer> => {
  const parts: Array<Uint8Array> = []
  for await (const part of stream) if (part instanceof Uint8Array) parts.push(part)
  return Buffer.concat(parts)
}

/** An archive as `tar-stream` writes it. */
export const bytes = (entries: ReadonlyArray<Entry>): Effect.Effect<Buffer> =>
  Effect.promise(async () => {
    const packed = pack()
    for (const [header, content = ""] of entries) {
      packed.entry(typeof header === "string" ? { name: header } : header, Buffer.from(content))
    }
    packed.finalize()
    return joined(packed)
  })

export const write = (file: string, entries: ReadonlyArray<Entry>): Effect.Effect<string> =>
  Effect.as(
    Effect.flatMap(bytes(entries), (archive) => Effect.promise(() => writeFile(file, archive))),
    file
  )

/** The files of an archive as `tar-stream` reads them. */
export const read = (archive: Uint8Array): Effect.Effect<ReadonlyArray<readonly [string, Buffer]>> =>
  Effect.promise(async () => {
    const found: Array<readonly [string, Buffer]> = []
    const reading = extract()
    reading.end(Buffer.from(archive))
    for await (const entry of reading) {
      found.push([entry.header.name, await joined(entry)])
    }
    return found
  })

export interface Raw {
  readonly name: string
  readonly flag?: string
  readonly size?: string | Uint8Array
  readonly linkName?: string
  readonly magic?: string
  readonly prefix?: string
  readonly content?: Uint8Array | string
  readonly checksum?: string
}

/** A header block with any fields, and its content filled up. */
export const raw = (fields: Raw): Buffer => {
  const content = Buffer.from(fields.content ?? "")
  const block = Buffer.alloc(512)
  block.write(fields.name, 0, 100)
  block.write("0000644\0", 100)
  const size = fields.size ?? `${content.length.toString(8).padStart(11, "0")}\0`
  Buffer.from(size).copy(block, 124)
  block.write("00000000000\0", 136)
  block.write(fields.flag ?? "0", 156)
  block.write(fields.linkName ?? "", 157, 100)
  block.write(fields.magic ?? "ustar\0" + "00", 257)
  block.write(fields.prefix ?? "", 345, 155)
  block.fill(" ", 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(fields.checksum ?? `${sum.toString(8).padStart(6, "0")}\0 `, 148)
  return Buffer.concat([block, content, Buffer.alloc((512 - (content.length % 512)) % 512)])
}

export const end = Buffer.alloc(1024)
