/** The bytes the benchmarks move. */
import { createHash } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises"
import * as Path from "node:path"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import * as Undici from "@effect/platform-node/Undici"

export const MiB = 1024 * 1024

/** One mebibyte without short repetitions; content is this block again and again, so that it costs no memory and no disk. */
export const block = ((): Uint8Array => {
  const bytes = new Uint8Array(MiB)
  let state = 0x2545f491
  for (let index = 0; index < bytes.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[index] = state
  }
  return bytes
})()

/** The content in pieces of 64 KiB, the size sockets and files hand out. */
export const pieces: ReadonlyArray<Uint8Array> = Array.from({ length: 16 }, (_, index) =>
  block.subarray(index * 64 * 1024, (index + 1) * 64 * 1024)
)

export const digestOf = (mebibytes: number): string => {
  const hash = createHash("sha256")
  for (let index = 0; index < mebibytes; index++) hash.update(block)
  return `sha256:${hash.digest("hex")}`
}

export interface Blob {
  readonly digest: string
  readonly size: number
}

export interface Image {
  readonly repository: string
  /** An OCI layout, for tools that push folders. */
  readonly folder: string
  readonly layers: ReadonlyArray<Blob>
  readonly config: Blob
  readonly manifest: Blob
}

/** @returns the size of all layers. */
export const layerBytes = ({ layers }: Image): number => layers.reduce((sum, { size }) => sum + size, 0)

const store = async (folder: string, bytes: Uint8Array): Promise<Blob> => {
  const hex = createHash("sha256").update(bytes).digest("hex")
  await writeFile(Path.join(folder, "blobs/sha256", hex), bytes)
  return { digest: `sha256:${hex}`, size: bytes.length }
}

/** The content of a layer: the block, with a number in front that makes it another layer. */
const layerContent = (mebibytes: number, number: number): ReadonlyArray<Uint8Array> => [
  new TextEncoder().encode(String(number).padStart(16)),
  ...Array.from({ length: mebibytes }, () => block)
]

const diffIdOf = (mebibytes: number, number: number): string => {
  const hash = createHash("sha256")
  for (const bytes of layerContent(mebibytes, number)) hash.update(bytes)
  return `sha256:${hash.digest("hex")}`
}

/** Stored, not compressed: the tools take it for the gzip layer it is and nobody's time goes into compression. */
const writeLayer = async (folder: string, mebibytes: number, number: number): Promise<Blob> => {
  const path = Path.join(folder, "layer")
  const hash = createHash("sha256")
  const gzip = createGzip({ level: 0, chunkSize: MiB })
  gzip.on("data", (bytes) => hash.update(bytes))
  await pipeline(Readable.from(layerContent(mebibytes, number)), gzip, createWriteStream(path))
  const hex = hash.digest("hex")
  await rename(path, Path.join(folder, "blobs/sha256", hex))
  return { digest: `sha256:${hex}`, size: (await stat(Path.join(folder, "blobs/sha256", hex))).size }
}

/** An image of so many layers of the given size each, as an OCI layout with the tag `bench`. */
export const writeImage = async (folder: string, repository: string, count: number, mebibytes: number): Promise<Image> => {
  await mkdir(Path.join(folder, "blobs/sha256"), { recursive: true })
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  const numbers = Array.from({ length: count }, (_, number) => number)
  const layers: Array<Blob> = []
  for (const number of numbers) layers.push(await writeLayer(folder, mebibytes, number))
  const diffIds = numbers.map((number) => diffIdOf(mebibytes, number))
  const config = await store(
    folder,
    json({ architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: diffIds } })
  )
  const mediaType = "application/vnd.oci.image.manifest.v1+json"
  const manifest = await store(
    folder,
    json({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
      layers: layers.map((layer) => ({ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", ...layer }))
    })
  )
  const annotations = { "org.opencontainers.image.ref.name": "bench" }
  await writeFile(Path.join(folder, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }))
  await writeFile(Path.join(folder, "index.json"), json({ schemaVersion: 2, manifests: [{ mediaType, ...manifest, annotations }] }))
  return { repository, folder, layers, config, manifest }
}

/** Puts the image into a registry without any client under test. */
export const fill = async (origin: string, image: Image): Promise<void> => {
  const base = `${origin}/v2/${image.repository}`
  const pathOf = ({ digest }: Blob) => Path.join(image.folder, "blobs", digest.replace(":", "/"))
  const put = async (url: string | URL, blob: Blob, mediaType: string) => {
    const body = createReadStream(pathOf(blob), { highWaterMark: MiB })
    const headers = { "content-length": String(blob.size), "content-type": mediaType }
    const answer = await Undici.request(url, { method: "PUT", body, headers, headersTimeout: 0 })
    await answer.body.dump()
    if (answer.statusCode !== 201) throw new Error(`PUT ${url}: status ${answer.statusCode}`)
  }
  for (const blob of [image.config, ...image.layers]) {
    const begun = await Undici.request(`${base}/blobs/uploads/`, { method: "POST" })
    await begun.body.dump()
    const location = new URL(String(begun.headers["location"]), origin)
    location.searchParams.set("digest", blob.digest)
    await put(location, blob, "application/octet-stream")
  }
  await put(`${base}/manifests/bench`, image.manifest, "application/vnd.oci.image.manifest.v1+json")
}

/** Gives the image other tags, `t0` and so on. */
export const fillTags = async (origin: string, image: Image, count: number): Promise<void> => {
  const body = await readFile(Path.join(image.folder, "blobs", image.manifest.digest.replace(":", "/")))
  const headers = { "content-type": "application/vnd.oci.image.manifest.v1+json" }
  for (let tag = 0; tag < count; tag++) {
    const answer = await Undici.request(`${origin}/v2/${image.repository}/manifests/t${tag}`, { method: "PUT", body, headers })
    await answer.body.dump()
    if (answer.statusCode !== 201) throw new Error(`tag t${tag}: status ${answer.statusCode}`)
  }
}
