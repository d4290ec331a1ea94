import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as MemoryStore from "../../src/content/MemoryStore.ts"
import * as Image from "../../src/image/Image.ts"
import * as ImageIndex from "../../src/image/ImageIndex.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import { image, linux, recorded, utf8 } from "./samples.ts"

const amd64 = image("amd64")
const arm64 = image("arm64", linux("arm64"))

const built = <E, R>(draft: ImageIndex.Draft<E, R>): Manifest.ImageIndex => Either.getOrThrow(ImageIndex.build(draft))

const digests = <E, R>(draft: ImageIndex.Draft<E, R>): ReadonlyArray<string> => built(draft).manifests.map(({ digest }) => digest)

/** BuildKit's attestation about an image. */
const attestation = (about: Image.Built): Descriptor.Descriptor =>
  Descriptor.make({
    ...Descriptor.fromBytes(utf8(`about ${about.manifest.digest}`), MediaType.ociImageManifest),
    platform: { os: "unknown", architecture: "unknown" },
    annotations: { "vnd.docker.reference.digest": about.manifest.digest, "vnd.docker.reference.type": "attestation-manifest" }
  })

describe("fetch", () => {
  it.effect("an index with its children, which are fetched when they are asked for, once", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      yield* ImageIndex.push(store, ImageIndex.fromImages([amd64, arm64]), { tags: ["multi"] })
      let calls = 0
      const counting = {
        ...store,
        fetchManifest: (reference: string | Descriptor.Descriptor) => {
          calls++
          return store.fetchManifest(reference)
        }
      }
      const index = yield* ImageIndex.fetch(counting, "multi")
      expect(index.children.map(({ platform }) => platform)).toEqual([Option.some(linux("amd64")), Option.some(linux("arm64"))])
      expect(calls).toBe(1)
      const arm = Option.getOrThrow(ImageIndex.find(index, { os: "linux", architecture: "aarch64" }))
      expect(yield* arm.manifest).toEqual(arm64.manifest)
      const found = yield* arm.image
      expect((yield* found.config).architecture).toBe("arm64")
      expect(found.descriptor).toBe(arm.descriptor)
      expect(calls).toBe(2)
      expect(ImageIndex.find(index, { os: "linux", architecture: "aarch64" }, "exact")).toEqual(Option.none())
    })
  )

  it.effect("a child that is an index again gives the image for its platform", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const inner = yield* ImageIndex.push(store, ImageIndex.fromImages([amd64, arm64]))
      yield* ImageIndex.push(store, ImageIndex.add(ImageIndex.empty(), inner.descriptor, { platform: linux("arm64") }), { tags: ["outer"] })
      const outer = yield* ImageIndex.fetch(store, "outer")
      const images = yield* Effect.forEach(outer.children, (child) => child.image)
      expect(images.map(({ manifest }) => manifest.digest)).toEqual([arm64.manifest.digest])
    })
  )

  it.effect("what is no index is refused", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      yield* Image.push(store, amd64, { tags: ["single"] })
      expect(yield* Effect.flip(ImageIndex.fetch(store, "single"))).toMatchObject({ _tag: "UnsupportedManifest", reason: "it is no index" })
    })
  )
})

describe("build", () => {
  it("an index of images, in order, with their platforms", () => {
    const index = built(ImageIndex.fromImages([arm64, amd64]))
    expect(index.mediaType).toBe(MediaType.ociImageIndex)
    expect(index.manifests).toEqual([
      { ...arm64.manifest.descriptor, platform: linux("arm64") },
      { ...amd64.manifest.descriptor, platform: linux("amd64") }
    ])
    const json = JSON.parse(new TextDecoder().decode(index.bytes))
    expect(Object.keys(json)).toEqual(["schemaVersion", "mediaType", "manifests"])
    expect(built(ImageIndex.fromImages([arm64, amd64])).bytes).toEqual(index.bytes)
    expect(built(ImageIndex.empty({ format: "docker" })).mediaType).toBe(MediaType.dockerManifestList)
  })

  it.effect("an index of images out of a place, for what their configs say", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      yield* Image.push(store, amd64, { tags: ["amd64"] })
      yield* Image.push(store, arm64, { tags: ["arm64"] })
      const images = yield* Effect.forEach(["amd64", "arm64"], (tag) => Effect.flatMap(Image.fetch(store, tag), Image.built))
      expect(built(ImageIndex.fromImages(images)).bytes).toEqual(built(ImageIndex.fromImages([amd64, arm64])).bytes)
    })
  )

  it("an entry takes the place of one with its digest", () => {
    const draft = ImageIndex.fromImages([amd64, arm64])
    const replaced = ImageIndex.add(draft, amd64, { platform: { ...linux("amd64"), variant: "v2" }, annotations: { a: "b" } })
    expect(digests(replaced)).toEqual(digests(draft))
    expect(built(replaced).manifests[0]).toMatchObject({ platform: { variant: "v2" }, annotations: { a: "b" } })
    expect(replaced.images.length).toBe(2)
    const inPlace = ImageIndex.add(draft, amd64.manifest.descriptor)
    expect(inPlace.images).toEqual([arm64])
  })

  it("entries are taken out with the attestations about them", () => {
    const draft = [attestation(amd64), attestation(arm64)].reduce(
      (index, entry) => ImageIndex.add(index, entry),
      ImageIndex.fromImages([amd64, arm64])
    )
    const byDigest = ImageIndex.remove(draft, amd64.manifest.digest)
    expect(digests(byDigest)).toEqual([arm64.manifest.digest, attestation(arm64).digest])
    expect(byDigest.images).toEqual([arm64])
    const byPlatform = ImageIndex.removePlatform(draft, { os: "linux", architecture: "aarch64", variant: "v8" })
    expect(digests(byPlatform)).toEqual([amd64.manifest.digest, attestation(amd64).digest])
    expect(digests(ImageIndex.removePlatform(draft, linux("s390x")))).toEqual(digests(draft))
  })

  it("takes a platform out, and leaves other platforms the image that served both", () => {
    const entries = [linux("amd64"), linux("arm64")].map((platform) => ({ ...amd64.manifest.descriptor, platform }))
    const shared = { ...ImageIndex.edit(Manifest.imageIndex({ manifests: [...entries, attestation(amd64)] })), images: [amd64] }
    const left = ImageIndex.removePlatform(shared, linux("amd64"))
    expect(left.manifests).toEqual([entries[1], attestation(amd64)])
    expect(left.images).toEqual([amd64])
    expect(digests(ImageIndex.removePlatform(left, linux("arm64")))).toEqual([])
    expect(digests(ImageIndex.remove(shared, amd64.manifest.digest))).toEqual([])
  })

  it("goes on from an index, and keeps what it does not touch", () => {
    const subject = Descriptor.fromBytes(utf8("subject"), MediaType.ociImageManifest)
    const original = Manifest.imageIndex({
      mediaType: MediaType.dockerManifestList,
      manifests: [{ ...amd64.manifest.descriptor, urls: ["https://example.test"] }],
      annotations: { a: "1" },
      artifactType: "application/x.thing",
      subject
    })
    expect(built(ImageIndex.edit(original)).bytes).toEqual(original.bytes)
    const edited = built(ImageIndex.annotate(ImageIndex.add(ImageIndex.edit(original), arm64), { a: undefined, b: "2" }))
    expect(edited).toMatchObject({ mediaType: MediaType.dockerManifestList, subject, annotations: { b: "2" } })
    expect(edited.manifests[0]).toEqual(original.manifests[0])
    expect(edited.manifests.length).toBe(2)
  })

  it("an artifact type that is none fails", () => {
    expect(Either.flip(ImageIndex.build({ ...ImageIndex.empty(), artifactType: "nothing" }))).toMatchObject({
      right: { _tag: "MalformedContent" }
    })
  })
})

describe("push", () => {
  it.effect("the images first, then the index with its tags, and nothing when they stand for it", () =>
    Effect.gen(function* () {
      const { pushed, recording } = recorded(yield* MemoryStore.make())
      const draft = ImageIndex.fromImages([amd64, arm64])
      const index = yield* ImageIndex.push(recording, draft, { tags: ["v1"] })
      expect(pushed.filter((what) => what.includes("manifest") || what.includes("index"))).toEqual([
        `${MediaType.ociImageManifest} `,
        `${MediaType.ociImageManifest} `,
        `${MediaType.ociImageIndex} v1`
      ])
      const before = pushed.length
      expect((yield* ImageIndex.push(recording, draft, { tags: ["v1"] })).digest).toBe(index.digest)
      expect(pushed.length).toBe(before)
    })
  )
})
