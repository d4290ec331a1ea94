import { gunzipSync } from "node:zlib"
import { assert, describe, expect, expectTypeOf, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Layer_ from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as ContentStore from "../../src/content/ContentStore.ts"
import * as MemoryStore from "../../src/content/MemoryStore.ts"
import * as Image from "../../src/image/Image.ts"
import * as ImageIndex from "../../src/image/ImageIndex.ts"
import * as Layer from "../../src/image/Layer.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as ImageConfig from "../../src/model/ImageConfig.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Platform from "../../src/model/Platform.ts"
import type { MalformedContent, UnsupportedManifest } from "../../src/model/RegistryError.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as Registries from "../support/Registries.ts"
import * as Vectors from "../vectors/Vectors.ts"
import { archive, bytesOf, client, image, layer, linux, recorded, remote, utf8 } from "./samples.ts"

const decode = (document: object, contentType?: string) =>
  Either.getOrThrow(Manifest.decode(utf8(JSON.stringify(document)), { contentType }))

/** A place with an index of two platforms, tagged `multi`, and the images of it. */
const multi = Effect.gen(function* () {
  const store = yield* MemoryStore.make()
  const images = { amd64: image("amd64"), arm64: image("arm64", linux("arm64")) }
  const index = yield* ImageIndex.push(store, ImageIndex.fromImages([images.arm64, images.amd64]), { tags: ["multi"] })
  return { store, images, index }
})

/** A place that counts what is read from it. */
const counted = <E>(source: ContentStore.Source<E>) => {
  const read: Array<string> = []
  const counting: ContentStore.Source<E> = {
    ...source,
    fetchManifest: (reference) => {
      read.push(typeof reference === "string" ? reference : reference.digest)
      return source.fetchManifest(reference)
    },
    fetchBlob: (descriptor) => {
      read.push(descriptor.digest)
      return source.fetchBlob(descriptor)
    }
  }
  return { read, counting }
}

describe("fetch", () => {
  it.effect("reads nothing but manifests until it is asked, and the config once", () =>
    Effect.gen(function* () {
      const { store, images } = yield* multi
      const { read, counting } = counted(store)
      const fetched = yield* Image.fetch(counting, "multi")
      const { manifest } = images.amd64
      expect(fetched.manifest).toEqual(manifest)
      expect(fetched.descriptor).toEqual({ ...manifest.descriptor, platform: linux("amd64") })
      expect(fetched.platform).toEqual(Option.some(linux("amd64")))
      expect(fetched.mediaTypes).toEqual([MediaType.ociImageManifest, MediaType.ociImageConfig, MediaType.ociLayerTarGzip])
      expect(read).toEqual(["multi", manifest.digest])
      const [config] = yield* Effect.all([fetched.config, fetched.config, fetched.configBytes], { concurrency: 3 })
      expect(config).toMatchObject({ os: "linux", architecture: "amd64" })
      expect(yield* Effect.forEach(fetched.layers, ({ uncompressed }) => bytesOf(uncompressed))).toEqual([Buffer.from(archive("amd64"))])
      expect(read).toEqual(["multi", manifest.digest, manifest.config.digest, ...manifest.layers.map(({ digest }) => digest)])
    })
  )

  it.effect("a config that could not be read is asked for again", () =>
    Effect.gen(function* () {
      const { store } = yield* multi
      let calls = 0
      const failing: ContentStore.Source<MemoryStore.MemoryError | "the network"> = {
        ...store,
        fetchBlob: (descriptor) => (calls++ === 0 ? Stream.fail("the network" as const) : store.fetchBlob(descriptor))
      }
      const fetched = yield* Image.fetch(failing, "multi")
      expect(yield* Effect.flip(fetched.config)).toBe("the network")
      expect((yield* fetched.config).os).toBe("linux")
    })
  )

  it.effect("takes the image for a platform, through indexes of indexes", () =>
    Effect.gen(function* () {
      const { store, images, index } = yield* multi
      yield* ImageIndex.push(store, ImageIndex.add(ImageIndex.empty(), index.descriptor, { platform: linux("arm64") }), {
        tags: ["nested"]
      })
      const fetched = yield* Image.fetch(store, "nested", { platform: { os: "Linux", architecture: "aarch64", variant: "v8" } })
      expect(fetched.manifest.digest).toBe(images.arm64.manifest.digest)
      const exact = { platform: { os: "linux", architecture: "aarch64" }, policy: "exact" } as const
      expect(yield* Effect.flip(Image.fetch(store, "multi", exact))).toMatchObject({
        _tag: "UnsupportedManifest",
        repository: "memory",
        reason: "it has nothing for linux/aarch64"
      })
    })
  )

  it.effect("an index that names itself ends", () =>
    Effect.gen(function* () {
      const { store } = yield* multi
      const inner = Manifest.imageIndex({ manifests: [Descriptor.fromBytes(utf8("not read"), MediaType.ociImageIndex)] })
      const looping: ContentStore.Source<MemoryStore.MemoryError> = { ...store, fetchManifest: () => Effect.succeed(inner) }
      expect(yield* Effect.flip(Image.fetch(looping, "loop"))).toMatchObject({ _tag: "LimitExceeded" })
    })
  )

  it.effect("takes manifests and configs out of descriptors that have them", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const { manifest, blobs } = image("inside")
      const [config] = blobs.filter(({ descriptor }) => descriptor.digest === manifest.config.digest)
      assert(config?.content instanceof Uint8Array)
      const whole = Manifest.imageManifest({ config: Descriptor.withData(manifest.config, config.content), layers: manifest.layers })
      const index = Manifest.imageIndex({ manifests: [Descriptor.withData(whole.descriptor, whole.bytes)] })
      yield* store.pushManifest(index, { tags: ["inline"] })
      const fetched = yield* Image.fetch(store, "inline")
      expect(fetched.manifest.digest).toBe(whole.digest)
      expect((yield* fetched.config).architecture).toBe("amd64")
    })
  )

  it.effect("is not for other kinds of manifests", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const others = [
        decode({ schemaVersion: 1, fsLayers: [], history: [] }, MediaType.dockerManifestSchema1),
        decode({ mediaType: MediaType.ociArtifactManifest, artifactType: "a/b", blobs: [] }),
        decode({ mediaType: "application/vnd.someone.else+json" })
      ]
      for (const manifest of others) {
        const error = yield* Effect.flip(Image.fromManifest(store, manifest))
        expect(error).toMatchObject({ _tag: "UnsupportedManifest", mediaType: manifest.mediaType })
      }
    })
  )

  it.effect("configs are limited, and have to know their layers", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const large = { ...Descriptor.fromBytes(utf8("{}"), MediaType.ociImageConfig), size: Image.configLimitBytes + 1 }
      const limited = Image.fromImageManifest(store, Manifest.imageManifest({ config: large, layers: [] }))
      expect(yield* Effect.flip(limited.config)).toMatchObject({ _tag: "LimitExceeded", limit: Image.configLimitBytes })
      const { manifest, blobs } = image("one")
      yield* Effect.forEach(blobs, ({ descriptor, content }) => store.pushBlob(descriptor, content))
      const two = Manifest.imageManifest({ config: manifest.config, layers: [...manifest.layers, ...manifest.layers] })
      const unknown = Image.fromImageManifest(store, two)
      const errors = yield* Effect.forEach(unknown.layers.slice(1), ({ uncompressed }) => Effect.flip(bytesOf(uncompressed)))
      expect(errors).toMatchObject([{ _tag: "MalformedContent", reason: "it has no diff id for layer 2" }])
      expect(yield* Effect.flip(Image.edit(unknown))).toMatchObject({ _tag: "MalformedContent" })
    })
  )

  it.effect("layers of what is no image are read without a diff id", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const chart = layer("chart")
      yield* store.pushBlob(chart.descriptor, chart.content)
      const config = Descriptor.fromBytes(utf8("{}"), "application/vnd.cncf.helm.config.v1+json")
      const fetched = Image.fromImageManifest(store, Manifest.imageManifest({ config, layers: [chart.descriptor] }))
      expect(yield* Effect.forEach(fetched.layers, ({ uncompressed }) => bytesOf(uncompressed))).toEqual([Buffer.from(archive("chart"))])
    })
  )
})

describe("fetchAll", () => {
  it.effect("an index with all its manifests, in its order", () =>
    Effect.gen(function* () {
      const { store, images, index } = yield* multi
      const all = yield* Image.fetchAll(store, "multi")
      expect(Option.map(all.index, ({ digest }) => digest)).toEqual(Option.some(index.digest))
      expect(all.manifests).toEqual([images.arm64.manifest, images.amd64.manifest])
    })
  )

  it.effect("a single image has no index, and schema 1 is refused", () =>
    Effect.gen(function* () {
      const { store, images } = yield* multi
      const all = yield* Image.fetchAll(store, images.amd64.manifest.digest)
      expect(all).toEqual({ index: Option.none(), manifests: [images.amd64.manifest] })
      const old = decode({ schemaVersion: 1, fsLayers: [], history: [] }, MediaType.dockerManifestSchema1)
      const legacy: ContentStore.Source<never> = {
        ...store,
        exists: () => Effect.succeed(true),
        resolve: () => Effect.succeed(old.descriptor),
        fetchBlob: () => Stream.empty,
        fetchManifest: () => Effect.succeed(old)
      }
      expect(yield* Effect.flip(Image.fetchAll(legacy, "old"))).toMatchObject({ _tag: "UnsupportedManifest" })
    })
  )
})

// --- building ---

const openJson = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes))

/** What image-spec asks of a manifest and its config. */
const isValid = ({ manifest, blobs }: Image.Built) => {
  const document = openJson(manifest.bytes)
  expect(document.schemaVersion).toBe(2)
  expect(document.mediaType).toBe(manifest.mediaType)
  expect(Digest.fromBytes(manifest.bytes)).toBe(manifest.digest)
  const named = [...document.layers, document.config]
  expect(blobs.map(({ descriptor }) => descriptor)).toEqual(named)
  for (const { descriptor, content } of blobs) {
    assert(content instanceof Uint8Array)
    expect(descriptor).toMatchObject(Descriptor.fromBytes(content, descriptor.mediaType))
  }
  const config = blobs.at(-1)?.content
  assert(config instanceof Uint8Array)
  const { rootfs, history, architecture, os } = openJson(config)
  expect([typeof architecture, typeof os, rootfs.type]).toEqual(["string", "string", "layers"])
  expect(rootfs.diff_ids.length).toBe(document.layers.length)
  expect(history.filter((entry: { empty_layer?: boolean }) => entry.empty_layer !== true).length).toBe(document.layers.length)
  const unpacked = blobs.slice(0, -1).map(({ descriptor, content }) => {
    assert(content instanceof Uint8Array)
    return Digest.fromBytes(descriptor.mediaType.endsWith("gzip") ? gunzipSync(content) : content)
  })
  expect(rootfs.diff_ids).toEqual(unpacked)
}

describe("build", () => {
  const text = fc.string({ maxLength: 12 })
  const anyLayer = fc.record({
    tar: fc.uint8Array({ maxLength: 600 }),
    compression: fc.constantFrom("gzip" as const, "none" as const),
    created_by: text,
    emptySteps: fc.integer({ min: 0, max: 2 })
  })
  const anyImage = fc.record({
    format: fc.constantFrom("oci" as const, "docker" as const),
    platform: fc.record({
      os: fc.constantFrom("linux", "windows"),
      architecture: fc.constantFrom("amd64", "arm"),
      variant: fc.constantFrom("v6", "v7")
    }),
    layers: fc.array(anyLayer, { maxLength: 4 }),
    env: fc.array(text, { maxLength: 3 }),
    annotations: fc.dictionary(text, text, { maxKeys: 3 })
  })
  type Recipe = typeof anyImage extends fc.Arbitrary<infer A> ? A : never

  const made = ({ format, platform, layers, env, annotations }: Recipe) =>
    Effect.gen(function* () {
      let draft: Image.Draft = Image.empty({ format, platform })
      for (const { tar, compression, created_by, emptySteps } of layers) {
        const steps = Array.from({ length: emptySteps }, () => ({ created_by, empty_layer: true }))
        draft = Image.setConfig(draft, (config) => ({ ...config, history: [...(config.history ?? []), ...steps] }))
        draft = Image.appendLayer(draft, yield* Layer.fromTar(tar, { compression }), { created_by })
      }
      draft = Image.setConfig(draft, (config) => ({ ...config, config: { ...config.config, Env: env } }))
      return yield* Image.build(Image.annotate(draft, annotations))
    })

  it.effect.prop(
    "makes images that are valid, and the same of the same steps",
    [anyImage],
    ([recipe]) =>
      Effect.gen(function* () {
        const first = yield* made(recipe)
        isValid(first)
        const types = first.manifest.layers.map(({ mediaType }) => mediaType.includes("docker"))
        expect(types.every((docker) => docker === (recipe.format === "docker"))).toBe(true)
        expect((yield* made(recipe)).manifest.bytes).toEqual(first.manifest.bytes)
        expect(first.platform).toEqual(recipe.platform)
      }),
    { fastCheck: { numRuns: 40 } }
  )

  it("annotations come and go, and none are left out", () => {
    const draft = Image.annotate(Image.empty(), { a: "1", b: "2" })
    const both = Either.getOrThrow(Image.build(Image.annotate(draft, { c: "3", a: undefined })))
    expect(both.manifest.annotations).toEqual({ b: "2", c: "3" })
    const none = Either.getOrThrow(Image.build(Image.annotate(draft, { a: undefined, b: undefined })))
    expect(openJson(none.manifest.bytes)).not.toHaveProperty("annotations")
  })

  it("an artifact type that is none fails", () => {
    const draft = { ...Image.empty(), artifactType: "nothing" }
    expect(Either.flip(Image.build(draft))).toMatchObject({ right: { _tag: "MalformedContent" } })
  })
})

describe("edit", () => {
  it.effect("keeps the config byte for byte unless it changes", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const config = utf8(`{ "os": "linux", "architecture": "amd64", "x-kept": [1], "rootfs": {"type": "layers", "diff_ids": []} }`)
      const descriptor = Descriptor.fromBytes(config, MediaType.dockerImageConfig)
      yield* store.pushBlob(descriptor, config)
      yield* store.pushManifest(Manifest.imageManifest({ mediaType: MediaType.dockerManifest, config: descriptor, layers: [] }), {
        tags: ["base"]
      })
      const draft = yield* Image.edit(yield* Image.fetch(store, "base"))
      const annotated = yield* Image.build(Image.annotate(draft, { a: "b" }))
      expect(annotated.manifest).toMatchObject({ mediaType: MediaType.dockerManifest, config: descriptor })
      const setTo = (os: string) => Either.getOrThrow(Image.build(Image.setConfig(draft, (config) => ({ ...config, os })))).manifest.config
      expect(setTo("linux")).toEqual(descriptor)
      expect(setTo("windows")).not.toEqual(descriptor)
      const changed = yield* Image.push(store, Image.appendLayer(draft, layer("more")), { tags: ["more"] })
      expect(changed.layers.map(({ mediaType }) => mediaType)).toEqual([MediaType.dockerLayerTarGzip])
      const fetched = yield* (yield* Image.fetch(store, "more")).config
      expect(fetched).toMatchObject({ "x-kept": [1], rootfs: { diff_ids: [layer("more").diffId] }, history: [{}] })
    })
  )

  it.effect("goes on from layers that are there, and leaves a history alone that was not complete", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const bare = Image.setConfig(Image.appendLayer(Image.empty(), layer("base")), ({ history: _, ...config }) => config)
      yield* Image.push(store, bare, { tags: ["base"] })
      const draft = yield* Image.edit(yield* Image.fetch(store, "base"))
      yield* Image.push(store, Image.appendLayer(draft, layer("top"), { created_by: "me" }), { tags: ["top"] })
      const top = yield* Image.fetch(store, "top")
      const config = yield* top.config
      expect(config.rootfs.diff_ids).toEqual([layer("base").diffId, layer("top").diffId])
      expect(config.history).toBeUndefined()
      const unpacked = yield* Effect.forEach(top.layers, ({ uncompressed }) => bytesOf(uncompressed))
      expect(unpacked).toEqual([Buffer.from(archive("base")), Buffer.from(archive("top"))])
    })
  )
})

describe("push", () => {
  it.effect("layers, config, manifest; each digest once, and nothing when the tags stand for it", () =>
    Effect.gen(function* () {
      const { pushed, recording } = recorded(yield* MemoryStore.make())
      const draft = Image.appendLayer(Image.appendLayer(Image.empty(), layer("a")), layer("a"))
      const manifest = yield* Image.push(recording, draft, { tags: ["v1", "latest"], jobs: 1 })
      expect(manifest.layers.length).toBe(2)
      expect(pushed).toEqual([MediaType.ociLayerTarGzip, MediaType.ociImageConfig, `${MediaType.ociImageManifest} v1,latest`])
      yield* Image.push(recording, draft, { tags: ["latest", "v1"] })
      expect(pushed.length).toBe(3)
      yield* Image.push(recording, draft, { tags: ["latest", "v2"] })
      expect(pushed.at(-1)).toBe(`${MediaType.ociImageManifest} latest,v2`)
    })
  )

  it.effect("layers that are to be fetched elsewhere stay there unless they are wanted", () =>
    Effect.gen(function* () {
      const { pushed, recording } = recorded(yield* MemoryStore.make())
      const bytes = utf8("not ours")
      const foreign = Layer.fromBlob(Descriptor.fromBytes(bytes, MediaType.dockerForeignLayerTarGzip), bytes, Digest.fromBytes(bytes))
      const draft = Image.appendLayer(Image.empty({ format: "docker" }), foreign)
      yield* Image.push(recording, draft)
      expect(pushed).toEqual([MediaType.dockerImageConfig, `${MediaType.dockerManifest} `])
      yield* Image.push(recording, draft, { nondistributable: true })
      expect(pushed).toContain(MediaType.dockerForeignLayerTarGzip)
    })
  )

  it.effect("an image of another place", () =>
    Effect.gen(function* () {
      const { store, images } = yield* multi
      const target = yield* MemoryStore.make()
      const manifest = yield* Image.push(target, yield* Image.built(yield* Image.fetch(store, "multi")), { tags: ["copy"] })
      expect(manifest.digest).toBe(images.amd64.manifest.digest)
      expect((yield* (yield* Image.fetch(target, "copy")).config).architecture).toBe("amd64")
    })
  )

  const registry = Layer_.provideMerge(client, Registries.layer())
  const requests = Effect.flatMap(MemoryRegistry.MemoryRegistry, (_) => _.requestCounts)
  const clear = Effect.flatMap(MemoryRegistry.MemoryRegistry, (_) => _.clearRequests)

  it.effect("streams a layer whose digest is not known yet into a registry", () =>
    Effect.gen(function* () {
      const target = yield* remote("registry.test/acme/app")
      const tar = { once: Stream.make(archive("streamed").subarray(0, 1000), archive("streamed").subarray(1000)) }
      const draft = Image.appendLayer(Image.appendLayer(Image.empty(), layer("known")), Layer.fromStream(tar), { comment: "on the fly" })
      yield* Image.push(target, draft, { tags: ["v1"] })
      const counts = yield* requests
      // The known layer and the config are asked for first; the streamed one cannot be.
      expect(counts).toMatchObject({ "HEAD blob": 2, "POST upload": 3, "PUT manifest": 1 })
      const fetched = yield* Image.fetch(target, "v1")
      expect((yield* fetched.config).history).toEqual([{}, { comment: "on the fly" }])
      const unpacked = yield* Effect.forEach(fetched.layers, ({ uncompressed }) => bytesOf(uncompressed))
      expect(unpacked).toEqual([Buffer.from(archive("known")), Buffer.from(archive("streamed"))])
    }).pipe(Effect.provide(registry))
  )

  it.effect("and into a place that has to know the digest first", () =>
    Effect.gen(function* () {
      const target = yield* MemoryStore.make()
      const tar = { once: Stream.make(archive("streamed")) }
      yield* Image.push(target, Image.appendLayer(Image.empty(), Layer.fromStream(tar)), { tags: ["v1"] })
      const fetched = yield* Image.fetch(target, "v1")
      expect(yield* Effect.forEach(fetched.layers, ({ uncompressed }) => bytesOf(uncompressed))).toEqual([Buffer.from(archive("streamed"))])
    })
  )

  it.effect("a stream that fails leaves no manifest", () =>
    Effect.gen(function* () {
      const target = yield* remote("registry.test/acme/app")
      const failing = Layer.fromStream(Stream.concat(Stream.make(archive("x")), Stream.fail("the disk")))
      expect(yield* Effect.flip(Image.push(target, Image.appendLayer(Image.empty(), failing), { tags: ["v1"] }))).toBe("the disk")
      expect(yield* target.current("v1")).toEqual(Option.none())
    }).pipe(Effect.provide(registry))
  )

  it.effect("an image on top of one next to it mounts what is there", () =>
    Effect.gen(function* () {
      const base = yield* remote("registry.test/acme/base")
      const app = yield* remote("registry.test/acme/app")
      yield* Image.push(base, image("base"), { tags: ["v1"] })
      const draft = yield* Image.edit(yield* Image.fetch(base, "v1"))
      yield* clear
      yield* Image.push(app, Image.appendLayer(draft, layer("app")), { tags: ["v1"] })
      // Three blobs: the base's is mounted, the new layer and the config are uploaded. Nothing is downloaded.
      const counts = yield* requests
      expect(counts).toMatchObject({ "HEAD blob": 3, "POST upload": 3, "PUT upload": 2, "PUT manifest": 1 })
      expect(counts).not.toHaveProperty("GET blob")
      yield* clear
      yield* Image.push(app, Image.appendLayer(draft, layer("app")), { tags: ["v1"] })
      expect(yield* requests).toEqual({ "HEAD manifest": 1 })
    }).pipe(Effect.provide(registry))
  )
})

describe("types", () => {
  class Disk extends Context.Tag("test/Disk")<Disk, string>() {}
  const file: Stream.Stream<Uint8Array, "the disk", Disk> = Stream.fromEffect(Effect.as(Disk, utf8("")))

  it("a draft of known digests can be built, one with streams cannot be before it is pushed", () => {
    const known = Image.appendLayer(Image.empty(), layer("known"))
    expectTypeOf(known).toEqualTypeOf<Image.Draft<Layer.Blob>>()
    expectTypeOf(Image.build(known)).toEqualTypeOf<Either.Either<Image.Built, MalformedContent>>()
    const streamed = Image.appendLayer(known, Layer.fromStream(file))
    expectTypeOf(streamed).not.toMatchTypeOf<Parameters<typeof Image.build>[0]>()
  })

  it.effect("errors and requirements are those of the place, the content and the model", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const draft = Image.appendLayer(Image.appendLayer(Image.empty(), layer("known")), Layer.fromStream(file))
      const pushing = Image.push(store, draft)
      expectTypeOf<Effect.Effect.Error<typeof pushing>>().toEqualTypeOf<MemoryStore.MemoryError | "the disk">()
      expectTypeOf<Effect.Effect.Context<typeof pushing>>().toEqualTypeOf<Disk>()
      const fetching = Image.fetch(store, "v1")
      expectTypeOf<Effect.Effect.Error<typeof fetching>>().toEqualTypeOf<MemoryStore.MemoryError | UnsupportedManifest>()
      expectTypeOf<Effect.Effect.Context<typeof fetching>>().toEqualTypeOf<never>()
      expect(yield* Effect.flip(fetching)).toMatchObject({ _tag: "StoreError" })
    })
  )
})

describe("vectors", () => {
  const Row = Schema.Struct({ index: Schema.Unknown, platform: Platform.Platform, expectedDigest: Schema.NullOr(Schema.String) })

  it.effect.each(Vectors.load("index-child-resolution", Row))("index-child-resolution %j", ({ index, platform, expectedDigest }) =>
    Effect.gen(function* () {
      const found = decode(Object(index), MediaType.ociImageIndex)
      const place: ContentStore.Source<string> = {
        ...(yield* MemoryStore.make()),
        exists: () => Effect.succeed(true),
        resolve: () => Effect.succeed(found.descriptor),
        fetchBlob: () => Stream.fail("no blob is needed"),
        fetchManifest: (reference) => (typeof reference === "string" ? Effect.succeed(found) : Effect.fail(reference.digest))
      }
      const outcome = yield* Effect.flip(Image.fetch(place, "tag", { platform, policy: "exact" }))
      expect(typeof outcome === "string" ? outcome : outcome._tag).toBe(expectedDigest ?? "UnsupportedManifest")
    })
  )

  it.effect("platforms of configs are those of their images", () =>
    Effect.gen(function* () {
      const config = yield* ImageConfig.decode(
        ImageConfig.encode(Image.empty({ platform: { os: "linux", architecture: "arm", variant: "v7" } }).config)
      )
      expect(ImageConfig.platform(config)).toEqual({ os: "linux", architecture: "arm", variant: "v7" })
    })
  )
})
