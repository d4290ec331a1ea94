/** Images in the `dir:` form of skopeo: a manifest and its blobs, each a file named by its digest's hex. Hashed without our own code. */
import * as Assert from "node:assert"
import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import * as Path from "node:path"
import { gzipSync } from "node:zlib"
import * as Effect from "effect/Effect"

export interface DirImage {
  readonly manifest: Uint8Array
  readonly mediaType: string
  /** `sha256:…` of the manifest. */
  readonly digest: string
  /** Config and layers by digest. */
  readonly blobs: ReadonlyMap<string, Uint8Array>
}

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`

const describeBlob = (mediaType: string, bytes: Uint8Array) => ({ mediaType, digest: sha256(bytes), size: bytes.length })

/** An OCI image for Linux whose layers hold the given bytes, each as a gzip stream. */
export const fromLayers = (contents: ReadonlyArray<Uint8Array>, architecture = "amd64"): DirImage => {
  const mediaType = "application/vnd.oci.image.manifest.v1+json"
  const layers = contents.map((content) => gzipSync(content))
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: contents.map(sha256) },
      history: contents.map((_, layer) => ({ created_by: `layer ${layer}` }))
    })
  )
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: describeBlob("application/vnd.oci.image.config.v1+json", config),
      layers: layers.map((layer) => describeBlob("application/vnd.oci.image.layer.v1.tar+gzip", layer))
    })
  )
  const blobs = new Map([config, ...layers].map((bytes) => [sha256(bytes), bytes]))
  return { manifest, mediaType, digest: sha256(manifest), blobs }
}

/** Fails the test where a byte differs. */
export const assertSame = (given: DirImage, wanted: DirImage): void => {
  Assert.ok(Buffer.from(given.manifest).equals(wanted.manifest), "the manifests differ")
  Assert.deepStrictEqual([...given.blobs.keys()].sort(), [...wanted.blobs.keys()].sort())
  for (const [digest, bytes] of wanted.blobs) Assert.ok(Buffer.from(bytes).equals(given.blobs.get(digest) ?? Buffer.of()), digest)
}

/** Writes the folder for `skopeo copy dir:<folder> …`. */
export const write = (folder: string, image: DirImage): Effect.Effect<void> =>
  Effect.promise(async () => {
    await mkdir(folder, { recursive: true })
    await writeFile(Path.join(folder, "version"), "Directory Transport Version: 1.1\n")
    await writeFile(Path.join(folder, "manifest.json"), image.manifest)
    for (const [digest, bytes] of image.blobs) await writeFile(Path.join(folder, digest.replace("sha256:", "")), bytes)
  })

/** Reads what `skopeo copy … dir:<folder>` wrote. */
export const read = (folder: string): Effect.Effect<DirImage> =>
  Effect.promise(async () => {
    const manifest = await readFile(Path.join(folder, "manifest.json"))
    const names = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}$/.test(name))
    const blobs = await Promise.all(names.map(async (name) => [`sha256:${name}`, await readFile(Path.join(folder, name))] as const))
    return { manifest, mediaType: String(JSON.parse(manifest.toString("utf8")).mediaType), digest: sha256(manifest), blobs: new Map(blobs) }
  })
