/** What a copy takes along and what it leaves out, between places of any kind. */
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import type * as ContentStore from "../../src/content/ContentStore.ts"
import * as MemoryStore from "../../src/content/MemoryStore.ts"
import * as Copy from "../../src/copy/Copy.ts"
import * as Progress from "../../src/copy/Progress.ts"
import * as Artifact from "../../src/image/Artifact.ts"
import * as Image from "../../src/image/Image.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import type * as Platform from "../../src/model/Platform.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as Quirk from "../../src/testing/Quirk.ts"
import { image, linux, remote, utf8 } from "../image/samples.ts"
import * as Registries from "../support/Registries.ts"

const amd64 = linux("amd64")
const arm64 = linux("arm64")

/** Pushes an index of these manifests. */
const pushIndex = (
  store: MemoryStore.MemoryStore,
  entries: ReadonlyArray<{ readonly manifest: Manifest.Manifest; readonly platform?: Platform.Platform }>,
  tags: ReadonlyArray<string>
) => {
  const manifests = entries.map(({ manifest, platform }) => Descriptor.make({ ...manifest.descriptor, platform }))
  const index = Manifest.imageIndex({ manifests })
  return Effect.as(store.pushManifest(index, { tags }), index)
}

const pushImage = (store: MemoryStore.MemoryStore, name: string, platform = amd64) =>
  Effect.map(Image.push(store, image(name, platform)), (manifest) => ({ manifest, platform }))

const hosts = { "source.test": {}, "target.test": {}, "harbor.test": { adjustments: [Quirk.referrerSizes((size) => size * 3)] } }

const registries = Layer.provideMerge(RegistryClient.layer, Registries.layer({ hosts }))

const unknownName = { match: { path: /\/tags\/list$/ }, fault: Fault.respond(404, {}, '{"errors":[{"code":"NAME_UNKNOWN"}]}') }

const note = Either.getOrThrow(Artifact.pack({ artifactType: "application/x.note", blobs: [Artifact.fromText("a note")] }))

const has = (store: MemoryStore.MemoryStore, { descriptor }: Manifest.Manifest) => store.exists(descriptor)

const schema1 = (store: ContentStore.Target<unknown>) =>
  Effect.gen(function* () {
    const bytes = utf8("a layer")
    const descriptor = Descriptor.fromBytes(bytes, MediaType.dockerLayerTarGzip)
    yield* store.pushBlob(descriptor, bytes)
    const fsLayers = [{ blobSum: descriptor.digest }, { blobSum: descriptor.digest }]
    const document = utf8(JSON.stringify({ schemaVersion: 1, name: "acme/app", tag: "old", architecture: "amd64", fsLayers, history: [] }))
    const manifest = yield* Manifest.decode(document, { contentType: MediaType.dockerManifestSchema1 })
    yield* store.pushManifest(manifest, { tags: ["old"] })
    return descriptor
  })

describe("a copy", () => {
  it.effect("brings layers meant to be fetched elsewhere, also to what came without them", () =>
    Effect.gen(function* () {
      const source = yield* MemoryStore.make()
      const foreign = Descriptor.fromBytes(utf8("windows"), MediaType.dockerForeignLayerTarGzip)
      yield* source.pushBlob(foreign, utf8("windows"))
      const { config } = yield* Image.push(source, image("base"))
      const manifest = Manifest.imageManifest({ config, layers: [foreign] })
      yield* source.pushManifest(manifest, { tags: ["v1"] })
      yield* pushIndex(source, [{ manifest, platform: amd64 }], ["multi"])
      for (const tag of ["v1", "multi"]) {
        const target = yield* MemoryStore.make()
        yield* Copy.copy(source, tag, target)
        expect(yield* target.exists(foreign)).toBe(false)
        yield* Copy.copy(source, tag, target, { nondistributable: true })
        expect(yield* target.exists(foreign)).toBe(true)
      }
      const target = yield* MemoryStore.make()
      const built = yield* Image.built(yield* Image.fetch(source, "v1"))
      yield* Image.push(target, built, { tags: ["v1"] })
      yield* Image.push(target, built, { tags: ["v1"], nondistributable: true })
      expect(yield* target.exists(foreign)).toBe(true)
    })
  )

  it.effect("brings what refers to the images of nested indexes that are in place", () =>
    Effect.gen(function* () {
      const source = yield* MemoryStore.make()
      const target = yield* MemoryStore.make()
      const inner = yield* pushIndex(source, [yield* pushImage(source, "one")], [])
      yield* pushIndex(source, [{ manifest: inner }], ["outer"])
      yield* Copy.copy(source, "outer", target)
      const [one] = inner.manifests
      if (one === undefined) return expect.fail("an index without images")
      const signature = yield* Artifact.attach(source, one, note)
      yield* Copy.copy(source, "outer", target, { referrers: true })
      expect(yield* has(target, signature)).toBe(true)
    })
  )

  it.effect("leaves out what refers to images that are left out", () =>
    Effect.gen(function* () {
      const source = yield* MemoryStore.make()
      const target = yield* MemoryStore.make()
      const images = [yield* pushImage(source, "amd64", amd64), yield* pushImage(source, "arm64", arm64)]
      yield* pushIndex(source, images, ["multi"])
      const [kept, left] = yield* Effect.forEach(images, ({ manifest }) => Artifact.attach(source, manifest.descriptor, note))
      if (kept === undefined || left === undefined) return expect.fail("two signatures")
      yield* Copy.copy(source, "multi", target, { platforms: { sparse: [amd64] }, referrers: true })
      expect([yield* has(target, kept), yield* has(target, left)]).toEqual([true, false])
    })
  )

  it.effect("passes over referrers that are listed and not there", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const target = yield* MemoryStore.make()
      const { manifest } = yield* pushImage(store, "one")
      yield* store.tag(manifest.descriptor, "v1")
      const signature = yield* Artifact.attach(store, manifest.descriptor, note)
      const gone = Descriptor.fromBytes(utf8("gone"), MediaType.ociImageManifest)
      const source = {
        ...store,
        referrers: (descriptor: Descriptor.Descriptor) => Stream.concat(Stream.make(gone), store.referrers(descriptor))
      }
      yield* Copy.copy(source, "v1", target, { referrers: true })
      expect(yield* has(target, signature)).toBe(true)
    })
  )

  it.effect("passes over digest tags that are listed and not there", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const target = yield* MemoryStore.make()
      const { manifest } = yield* pushImage(store, "one")
      yield* store.tag(manifest.descriptor, "v1")
      const digestTag = `${manifest.digest.replace(":", "-")}.sig`
      yield* store.tag((yield* pushImage(store, "signature")).manifest.descriptor, digestTag)
      const gone = `${manifest.digest.replace(":", "-")}.att`
      const source = { ...store, tags: Stream.concat(Stream.make(gone), store.tags) }
      yield* Copy.copy(source, "v1", target, { digestTags: true })
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(target.tags))).toEqual([digestTag, "v1"])
    })
  )

  it.effect("a repository without tags, which its registry does not know for that, has no digest tags", () =>
    Effect.gen(function* () {
      const source = yield* remote("source.test/acme/app")
      const manifest = yield* Image.push(source, image("one", amd64))
      const target = yield* MemoryStore.make()
      yield* Copy.copy(source, manifest.digest, target, { digestTags: true })
      expect(yield* has(target, manifest)).toBe(true)
    }).pipe(Effect.provide(Layer.provideMerge(RegistryClient.layer, Registries.layer({ hosts, rules: [unknownName] }))))
  )

  it.effect("strips an index to the entries that were asked for, also when one image has several", () =>
    Effect.gen(function* () {
      const source = yield* MemoryStore.make()
      const target = yield* MemoryStore.make()
      const { manifest } = yield* pushImage(source, "one")
      yield* pushIndex(
        source,
        [
          { manifest, platform: amd64 },
          { manifest, platform: linux("386") }
        ],
        ["multi"]
      )
      yield* Copy.copy(source, "multi", target, { platforms: { strip: [amd64] } })
      const stripped = yield* target.fetchManifest("multi")
      expect(Manifest.successors(stripped).map(({ platform }) => platform)).toEqual([amd64])
    })
  )

  it.effect("looks for one platform only so deep", () =>
    Effect.gen(function* () {
      const source = yield* MemoryStore.make()
      const target = yield* MemoryStore.make()
      let entry: { readonly manifest: Manifest.Manifest; readonly platform?: Platform.Platform } = yield* pushImage(source, "one")
      for (let depth = 1; depth <= 9; depth++) {
        entry = { manifest: yield* pushIndex(source, [entry], [`depth-${depth}`]), platform: amd64 }
      }
      const only = (depth: number) => Copy.copy(source, `depth-${depth}`, target, { platforms: { only: amd64 } })
      expect((yield* only(8)).descriptor.mediaType).toBe(MediaType.ociImageManifest)
      expect(yield* Effect.flip(only(9))).toMatchObject({ _tag: "LimitExceeded", limit: 8 })
    })
  )

  it.effect("keeps a tag that is the name of an image", () =>
    Effect.gen(function* () {
      const source = yield* MemoryStore.make()
      for (const name of ["ghcr.io/acme/app:v1", `app:${"0".repeat(40)}`]) {
        const target = yield* MemoryStore.make()
        yield* Image.push(source, image("one"), { tags: [name] })
        yield* Copy.copy(source, name, target)
        expect(Chunk.toReadonlyArray(yield* Stream.runCollect(target.tags))).toEqual([name])
      }
    })
  )

  it.effect("takes an image for whole that lacks what is fetched elsewhere, and schema 1 for one only with its layers", () =>
    Effect.gen(function* () {
      const source = yield* MemoryStore.make()
      const target = yield* MemoryStore.make()
      const foreign = Descriptor.fromBytes(utf8("windows"), MediaType.dockerForeignLayerTarGzip)
      const { config } = yield* Image.push(source, image("base"))
      const { digest } = Manifest.imageManifest({ config, layers: [foreign] })
      yield* source.pushManifest(Manifest.imageManifest({ config, layers: [foreign] }))
      expect(yield* Copy.copy(source, digest, target)).toMatchObject({ unchanged: false, manifests: 1 })
      expect(yield* Copy.copy(source, digest, target)).toMatchObject({ unchanged: true, manifests: 0 })
      const layer = yield* schema1(source)
      const old = yield* source.fetchManifest("old")
      yield* target.pushManifest(old)
      yield* Copy.copy(source, old.digest, target)
      expect(yield* target.exists(layer)).toBe(true)
    })
  )

  it.effect("does not mind that a registry tells wrong sizes of referrers", () =>
    Effect.gen(function* () {
      const source = yield* remote("harbor.test/acme/app")
      const target = yield* MemoryStore.make()
      const { descriptor } = yield* Image.push(source, image("one"), { tags: ["v1"] })
      const signature = yield* Artifact.attach(source, descriptor, note)
      yield* Copy.copy(source, "v1", target, { referrers: true })
      expect(yield* has(target, signature)).toBe(true)
    }).pipe(Effect.provide(registries))
  )

  it.effect("brings the layers of Docker schema 1", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore.make()
      const registry = yield* remote("source.test/acme/app")
      for (const source of [memory, registry]) {
        const old = yield* schema1(source)
        for (const target of [yield* MemoryStore.make(), yield* remote("target.test/acme/app")]) {
          yield* Copy.copy<unknown, unknown>(source, "old", target)
          expect(yield* target.exists(old)).toBe(true)
          expect((yield* target.fetchManifest("old"))._tag).toBe("Schema1Manifest")
        }
      }
    }).pipe(Effect.provide(registries))
  )

  it.effect("tells places apart that have the same name", () =>
    Effect.gen(function* () {
      const source = yield* MemoryStore.make()
      yield* Image.push(source, image("one"), { tags: ["v1"] })
      const targets = yield* Effect.replicateEffect(MemoryStore.make(), 2)
      const ended = new Map<string, number>()
      const add = Progress.summarize()
      let last = Progress.empty
      yield* Copy.copyToMany(
        source,
        "v1",
        targets.map((target) => ({ target })),
        {
          onProgress: (event) => {
            last = add(event)
            if (event._tag === "Done") ended.set(event.id, (ended.get(event.id) ?? 0) + 1)
          }
        }
      )
      expect([...ended.values()]).toEqual([1, 1, 1, 1, 1, 1])
      expect(last).toMatchObject({ done: 6, active: 0 })
    })
  )
})
