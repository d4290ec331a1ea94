import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import type { RegistryControl, SeededImage, SeedImageOptions } from "../RegistryControl.ts"
import * as ManifestContent from "./manifestContent.ts"
import type { Service } from "./storageService.ts"

const encoder = new TextEncoder()

const toBytes = (content: Uint8Array | string): Uint8Array => (typeof content === "string" ? encoder.encode(content) : content)

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, "0")}\0`

/** A tar archive (POSIX ustar) of one file. */
const tar = (name: string, content: Uint8Array): Uint8Array => {
  const archive = new Uint8Array(512 + Math.ceil(content.length / 512) * 512 + 1024)
  const field = (offset: number, text: string) => archive.set(encoder.encode(text), offset)
  field(0, name)
  field(100, octal(0o644, 8))
  field(108, octal(0, 8))
  field(116, octal(0, 8))
  field(124, octal(content.length, 12))
  field(136, octal(0, 12))
  field(148, " ".repeat(8))
  field(156, "0")
  field(257, "ustar\u000000")
  const checksum = archive.subarray(0, 512).reduce((sum, byte) => sum + byte, 0)
  field(148, `${checksum.toString(8).padStart(6, "0")}\0 `)
  archive.set(content, 512)
  return archive
}

/** Bytes that look random and are the same every time (mulberry32). */
const pseudoRandom = (seed: number, length: number): Uint8Array => {
  let state = seed >>> 0
  return Uint8Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) & 0xff
  })
}

const imageManifest = "application/vnd.oci.image.manifest.v1+json"

/** Seeding over a storage; a storage that fails is a defect of the test. @internal */
export const make = (
  storage: Service
): Pick<RegistryControl, "seedRepository" | "seedBlob" | "seedManifest" | "seedImage" | "seedUpload"> => {
  const seedBlob: RegistryControl["seedBlob"] = (repository, content, options) =>
    Effect.gen(function* () {
      const bytes = toBytes(content)
      const digest = Digest.fromBytes(bytes, options?.algorithm)
      const upload = yield* storage.openUpload(repository, { algorithm: Digest.algorithm(digest) })
      yield* upload.append(Stream.make(bytes))
      yield* upload.commit(digest)
      return { mediaType: options?.mediaType ?? "application/octet-stream", digest, size: bytes.length }
    }).pipe(Effect.orDie)

  const seedManifest: RegistryControl["seedManifest"] = (repository, content, options) =>
    Effect.suspend(() => {
      const bytes =
        content instanceof Uint8Array || typeof content === "string" ? toBytes(content) : encoder.encode(JSON.stringify(content))
      const digest = Digest.fromBytes(bytes, options?.algorithm)
      const parsed = Either.getOrUndefined(ManifestContent.parse(bytes, options?.mediaType))
      const mediaType = options?.mediaType ?? parsed?.mediaType ?? imageManifest
      const referrer = parsed && Option.getOrUndefined(ManifestContent.referrer(parsed, digest, bytes.length))
      return Effect.as(
        storage.putManifest(repository, { digest, mediaType, bytes, subject: parsed?.subject, referrer }, options?.tags ?? []),
        { mediaType, digest, size: bytes.length }
      )
    }).pipe(Effect.orDie)

  const seedImage = Effect.fnUntraced(function* (repository: string, options: SeedImageOptions = {}): Effect.fn.Return<SeededImage> {
    const seed = options.seed ?? 0
    const layers: Array<Descriptor.Descriptor> = []
    for (let index = 0; index < (options.layers ?? 1); index++) {
      const archive = tar(`file-${seed}-${index}`, pseudoRandom(seed * 1000 + index + 1, options.layerBytes ?? 64))
      layers.push(yield* seedBlob(repository, archive, { mediaType: "application/vnd.oci.image.layer.v1.tar" }))
    }
    const { architecture, os, variant } = options.platform ?? { os: "linux", architecture: "amd64" }
    const config = yield* seedBlob(
      repository,
      JSON.stringify({
        architecture,
        os,
        ...(variant === undefined ? {} : { variant }),
        config: { Env: ["PATH=/"], Labels: { seed: String(seed) } },
        rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.digest) }
      }),
      { mediaType: "application/vnd.oci.image.config.v1+json" }
    )
    const bytes = encoder.encode(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: imageManifest,
        ...(options.artifactType === undefined ? {} : { artifactType: options.artifactType }),
        config,
        layers,
        ...(options.subject === undefined ? {} : { subject: options.subject }),
        ...(options.annotations === undefined ? {} : { annotations: options.annotations })
      })
    )
    const manifest = yield* seedManifest(repository, bytes, { tags: Predicate.isString(options.tag) ? [options.tag] : [] })
    return { manifest, config, layers, bytes }
  })

  return {
    seedRepository: (repository) => Effect.orDie(storage.createRepository(repository)),
    seedBlob,
    seedManifest,
    seedImage,
    seedUpload: (repository, id, content) =>
      storage.openUpload(repository, { id }).pipe(
        Effect.flatMap((upload) => upload.append(Stream.make(toBytes(content)))),
        Effect.orDie,
        Effect.asVoid
      )
  }
}
