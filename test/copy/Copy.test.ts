import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as MemoryStore from "../../src/content/MemoryStore.ts"
import * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Copy from "../../src/copy/Copy.ts"
import * as Progress from "../../src/copy/Progress.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import { eventually } from "../support/Eventually.ts"
import * as Registries from "../support/Registries.ts"
import { throughTime } from "../support/World.ts"

const hosts = { "source.test": {}, "target.test": {} }

const layer = (options: Registries.Options = {}) => Layer.provideMerge(RegistryClient.layer, Registries.layer({ hosts, ...options }))

const remote = (name: string) => Effect.flatMap(Reference.parseRepository(name), RemoteRepository.make)

const places = Effect.all({ source: remote("source.test/acme/app"), target: remote("target.test/mirror/app") })

const at = (host: string) => Effect.map(MemoryRegistry.MemoryRegistry, (registry) => registry.at(host))

const counts = (host: string) => Effect.flatMap(at(host), (registry) => registry.requestCounts)

const seedIndex = Effect.gen(function* () {
  const registry = yield* at("source.test")
  const images = yield* Effect.forEach(["amd64", "arm64"], (architecture, seed) =>
    registry.seedImage("acme/app", { layers: 2, seed, platform: { os: "linux", architecture } })
  )
  return yield* registry.seedManifest(
    "acme/app",
    {
      schemaVersion: 2,
      mediaType: MediaType.ociImageIndex,
      manifests: images.map(({ manifest }, index) => ({
        ...manifest,
        platform: { os: "linux", architecture: index === 0 ? "amd64" : "arm64" }
      }))
    },
    { tags: ["multi"] }
  )
})

/** Fails when something is missing. */
const readsWhole = (place: MemoryStore.MemoryStore, { digest }: Manifest.Manifest) =>
  Effect.flatMap(MemoryStore.make(), (elsewhere) => Copy.copy(place, digest, elsewhere, { tags: ["read"] }))

describe("Copy", () => {
  it.effect("copies an image byte for byte with the fewest requests", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const { manifest } = yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1", layers: 5 })
      const result = yield* Copy.copy(source, "v1", target)
      expect(result).toMatchObject({ unchanged: false, blobs: 6, manifests: 1, skipped: 0, mounted: 0 })
      expect(result.descriptor.digest).toBe(manifest.digest)
      const stored = yield* (yield* at("target.test")).manifest("mirror/app", "v1")
      expect(Option.map(stored, ({ digest }) => digest)).toEqual(Option.some(manifest.digest))
      expect(yield* counts("source.test")).toEqual({ "GET base": 1, "GET manifest": 1, "GET blob": 6 })
      expect(yield* counts("target.test")).toEqual({
        "GET base": 1,
        "HEAD manifest": 1,
        "HEAD blob": 6,
        "POST upload": 6,
        "PUT upload": 6,
        "PUT manifest": 1
      })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("gets the source ready while it asks the target", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1" })
      const copying = yield* Effect.fork(Copy.copy(source, "v1", target))
      yield* eventually(Effect.map(counts("source.test"), (asked) => asked["GET token"] === 1))
      expect(yield* counts("target.test")).toEqual({ "GET base": 1 })
      yield* TestClock.adjust("1 minute")
      yield* throughTime(Fiber.join(copying))
      expect(yield* counts("source.test")).toEqual({ "GET base": 1, "GET token": 1, "GET manifest": 1, "GET blob": 2 })
    }).pipe(
      Effect.provide(
        layer({
          hosts: { ...hosts, "source.test": { auth: RegistryOptions.bearer({ users: {}, anonymous: ["repository:*:pull"] }) } },
          rules: [{ match: { host: "target.test", method: "HEAD", path: /manifests/ }, fault: Fault.delay("50 seconds") }]
        })
      )
    )
  )

  it.effect("asks the source nothing for a digest that all tags of the target stand for", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const { manifest } = yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1" })
      yield* Copy.copy(source, manifest.digest, target, { tags: ["v1"] })
      yield* (yield* MemoryRegistry.MemoryRegistry).clearRequests
      expect(yield* Copy.copy(source, manifest.digest, target, { tags: ["v1"] })).toMatchObject({ unchanged: true })
      expect(yield* counts("source.test")).toEqual({})
    }).pipe(Effect.provide(layer()))
  )

  it.effect("does one piece at a time when asked for fewer", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1", layers: 2 })
      expect(yield* Copy.copy(source, "v1", target, { jobs: 0 })).toMatchObject({ blobs: 3, manifests: 1 })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("a repeated copy asks each side once", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1" })
      yield* Copy.copy(source, "v1", target)
      yield* (yield* MemoryRegistry.MemoryRegistry).clearRequests
      const result = yield* Copy.copy(source, "v1", target)
      expect(result).toMatchObject({ unchanged: true, blobs: 0, manifests: 0, bytes: 0 })
      expect(yield* counts("source.test")).toEqual({ "HEAD manifest": 1 })
      expect(yield* counts("target.test")).toEqual({ "HEAD manifest": 1 })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("brings what a place lacks of a manifest that it has", () =>
    Effect.gen(function* () {
      const { source } = yield* places
      const multi = yield* source.fetchManifest((yield* seedIndex).digest)
      const store = yield* MemoryStore.make()
      const again = yield* MemoryStore.make()
      const [child] = Manifest.successors(multi)
      if (child === undefined) return expect.fail()
      const image = yield* source.fetchManifest(child)
      for (const target of [store, again]) {
        yield* Copy.copy(source, child.digest, target)
        for (const blob of Manifest.successors(image)) yield* target.delete(blob)
      }
      yield* Copy.copy(source, "multi", store)
      yield* readsWhole(store, multi)
      yield* Copy.copy(source, child.digest, again)
      yield* readsWhole(again, image)
      for (const blob of Manifest.successors(image)) yield* again.delete(blob)
      yield* Effect.flatMap(Copy.copyToMany(source, "multi", [{ target: store }, { target: again }]), Effect.all)
      yield* readsWhole(again, multi)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("mounts inside a registry", () =>
    Effect.gen(function* () {
      const source = yield* remote("source.test/acme/app")
      const target = yield* remote("source.test/acme/copy")
      yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1", layers: 3 })
      const result = yield* Copy.copy(source, "v1", target, { tags: ["a", "b"] })
      expect(result).toMatchObject({ blobs: 0, mounted: 4, manifests: 1 })
      expect([...(yield* (yield* at("source.test")).tags("acme/copy"))].sort()).toEqual(["a", "b"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("copies an index with its images, and only what is missing the next time", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const index = yield* seedIndex
      const result = yield* Copy.copy(source, "multi", target)
      expect(result.descriptor.digest).toBe(index.digest)
      expect(result.manifests).toBe(3)
      const again = yield* Copy.copy(source, index.digest, target, { tags: ["other"] })
      expect(again).toMatchObject({ blobs: 0, manifests: 1 })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("takes one platform, strips the others or keeps the index as it is", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      yield* seedIndex
      const arm = { os: "linux", architecture: "arm64" }
      const only = yield* Copy.copy(source, "multi", target, { platforms: { only: arm }, tags: ["only"] })
      expect(MediaType.isImage(only.descriptor.mediaType)).toBe(true)
      const strip = yield* Copy.copy(source, "multi", target, { platforms: { strip: [arm] }, tags: ["strip"] })
      const stripped = yield* target.fetchManifest("strip")
      expect(stripped._tag === "ImageIndex" && stripped.manifests.length).toBe(1)
      expect(strip.descriptor.digest).toBe(stripped.digest)
      const missing = yield* Effect.flip(
        Copy.copy(source, "multi", target, { platforms: { only: { os: "linux", architecture: "s390x" } } })
      )
      expect(missing).toMatchObject({ _tag: "UnsupportedManifest" })
      const refused = yield* Effect.flip(Copy.copy(source, "multi", target, { platforms: { sparse: [arm] }, tags: ["sparse"] }))
      expect(refused._tag).toBe("ManifestBlobUnknown")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("brings referrers and digest tags along", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const registry = yield* at("source.test")
      const { manifest } = yield* registry.seedImage("acme/app", { tag: "v1" })
      const signature = yield* registry.seedImage("acme/app", { subject: manifest, artifactType: "application/x.sig", seed: 7 })
      yield* registry.seedImage("acme/app", { subject: signature.manifest, artifactType: "application/x.note", seed: 8 })
      const digestTag = `${manifest.digest.replace(":", "-")}.sig`
      yield* registry.seedImage("acme/app", { tag: digestTag, seed: 9 })
      yield* Copy.copy(source, "v1", target, { referrers: true, digestTags: true })
      expect(Chunk.size(yield* Stream.runCollect(target.referrers(manifest)))).toBe(1)
      expect(Chunk.size(yield* Stream.runCollect(target.referrers(signature.manifest)))).toBe(1)
      expect([...(yield* (yield* at("target.test")).tags("mirror/app"))].sort()).toEqual([digestTag, "v1"].sort())
    }).pipe(Effect.provide(layer()))
  )

  it.effect("brings along what belongs to images that are in place", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const registry = yield* at("source.test")
      yield* seedIndex
      const index = yield* source.fetchManifest("multi")
      const [image] = Manifest.successors(index)
      if (image === undefined) return expect.fail("an index without images")
      yield* Copy.copy(source, "multi", target)
      const digestTag = `${image.digest.replace(":", "-")}.sig`
      yield* registry.seedImage("acme/app", { tag: digestTag, seed: 9 })
      yield* registry.seedImage("acme/app", { subject: image, artifactType: "application/x.sig", seed: 7 })
      yield* Copy.copy(source, "multi", target, { referrers: true, digestTags: true })
      expect(Chunk.size(yield* Stream.runCollect(target.referrers(image)))).toBe(1)
      expect([...(yield* (yield* at("target.test")).tags("mirror/app"))]).toContain(digestTag)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("heals once when the target lost a blob it seemed to have", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const faults = yield* FaultyHttp.FaultyHttp
      const { manifest } = yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1", layers: 2 })
      yield* faults.setRules([
        { match: { host: "target.test", method: "HEAD", path: /blobs/, count: 1 }, fault: Fault.respond(200, { "content-length": "1" }) }
      ])
      const result = yield* Copy.copy(source, "v1", target)
      expect(result.descriptor.digest).toBe(manifest.digest)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("heals once also where missing content is not the first reason the target gives", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const faults = yield* FaultyHttp.FaultyHttp
      const { digest } = yield* seedIndex
      const errors = ["DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"].map((code) => ({ code }))
      const refused = Fault.respond(400, { "content-type": "application/json" }, JSON.stringify({ errors }))
      const rule = { match: { host: "target.test", method: "PUT", path: /manifests\/multi/, count: 1 }, fault: refused }
      yield* faults.setRules([rule])
      expect((yield* Copy.copy(source, "multi", target)).descriptor.digest).toBe(digest)
      yield* faults.setRules([rule])
      const [result] = yield* Copy.copyToMany(source, "multi", [{ target: yield* remote("target.test/other/app") }])
      expect(result).toMatchObject({ _tag: "Right", right: { descriptor: { digest } } })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("looks no further at what is there by its digest, and sets what tags it lacks", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const { digest } = yield* seedIndex
      expect(yield* Copy.copy(source, digest, target)).toMatchObject({ unchanged: false, manifests: 3 })
      yield* (yield* MemoryRegistry.MemoryRegistry).clearRequests
      expect(yield* Copy.copy(source, digest, target)).toMatchObject({ unchanged: true, manifests: 0 })
      expect(yield* counts("target.test")).toEqual({ "HEAD manifest": 1 })
      expect(yield* Copy.copy(source, digest, target, { tags: ["a", "b"] })).toMatchObject({ unchanged: false, manifests: 1, blobs: 0 })
      yield* (yield* MemoryRegistry.MemoryRegistry).clearRequests
      expect(yield* Copy.copy(source, "multi", target, { tags: ["a", "c"] })).toMatchObject({ unchanged: false, manifests: 1 })
      expect(yield* counts("target.test")).toEqual({ "HEAD manifest": 2, "PUT manifest": 1 })
      expect([...(yield* (yield* at("target.test")).tags("mirror/app"))].sort()).toEqual(["a", "b", "c"])
      yield* (yield* MemoryRegistry.MemoryRegistry).clearRequests
      expect(yield* Copy.copy(source, digest, target, { force: true })).toMatchObject({ unchanged: false })
      expect((yield* counts("target.test"))["HEAD blob"]).toBeGreaterThan(0)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("heals when the target has not what is behind a manifest it seemed to have", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const faults = yield* FaultyHttp.FaultyHttp
      const { digest } = yield* seedIndex
      const lie = Fault.respond(200, { "content-length": "1", "content-type": MediaType.ociImageManifest })
      const rules = [{ match: { host: "target.test", method: "HEAD", path: /manifests\/sha256:/, count: 1 }, fault: lie }]
      yield* faults.setRules(rules)
      expect(yield* Copy.copy(source, digest, target, { tags: ["a"] })).toMatchObject({ unchanged: false, manifests: 3 })
      expect((yield* target.resolve("a")).digest).toBe(digest)
      const other = yield* remote("target.test/other/app")
      yield* faults.setRules(rules)
      const [result] = yield* Copy.copyToMany(source, digest, [{ target: other, tags: ["a"] }])
      expect(result).toMatchObject({ _tag: "Right", right: { unchanged: false } })
      expect((yield* other.resolve("a")).digest).toBe(digest)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("takes what descriptors carry, without asking for it, and passes over what is wrong", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const registry = yield* at("source.test")
      const bytes = new TextEncoder().encode("carried along")
      const layer = Descriptor.fromBytes(bytes, MediaType.ociLayerTar)
      const config = yield* registry.seedBlob("acme/app", "{}", { mediaType: MediaType.ociEmpty })
      const wrong = { ...config, data: "W10=" }
      const image = { schemaVersion: 2, mediaType: MediaType.ociImageManifest, config: wrong, layers: [Descriptor.withData(layer, bytes)] }
      const child = Descriptor.fromBytes(new TextEncoder().encode(JSON.stringify(image)), MediaType.ociImageManifest)
      const entry = Descriptor.withData(child, new TextEncoder().encode(JSON.stringify(image)))
      yield* registry.seedManifest(
        "acme/app",
        { schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: [entry] },
        { tags: ["data"] }
      )
      const result = yield* Copy.copy(source, "data", target)
      expect(result).toMatchObject({ blobs: 2, manifests: 2 })
      expect(yield* counts("source.test")).toEqual({ "GET base": 1, "GET manifest": 1, "GET blob": 1 })
      const stored = yield* (yield* at("target.test")).blob("mirror/app", layer.digest)
      expect(Option.map(stored, (found) => [...found])).toEqual(Option.some([...bytes]))
      const store = yield* MemoryStore.make()
      const [many] = yield* Copy.copyToMany(source, "data", [{ target: store }])
      expect(many).toMatchObject({ _tag: "Right", right: { blobs: 2, manifests: 2 } })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("heals once when the target lost an image of an index it seemed to have", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const faults = yield* FaultyHttp.FaultyHttp
      const index = yield* seedIndex
      const lie = Fault.respond(200, { "content-length": "1", "content-type": MediaType.ociImageManifest })
      yield* faults.setRules([{ match: { host: "target.test", method: "HEAD", path: /manifests\/sha256:/, count: 1 }, fault: lie }])
      const result = yield* Copy.copy(source, "multi", target)
      expect(result.descriptor.digest).toBe(index.digest)
      const stored = yield* target.fetchManifest("multi")
      const children = yield* Effect.forEach(stored._tag === "ImageIndex" ? stored.manifests : [], target.fetchManifest)
      expect(children.length).toBe(2)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("many copies share what they move", () =>
    Effect.gen(function* () {
      const source = yield* remote("source.test/acme/app")
      const targets = yield* Effect.forEach(["a", "b", "c"], (name) => remote(`target.test/mirror/${name}`))
      yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1", layers: 3 })
      const results = yield* Copy.copyMany(
        targets.map((target) => ({ source, reference: "v1", target })),
        { jobs: 1 }
      )
      expect(results.length).toBe(3)
      expect(results[2]).toMatchObject({ blobs: 4, mounted: 8, manifests: 3 })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("many copies at once move what they share once, into one place or into a registry", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      const { manifest } = yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1", layers: 3 })
      const tags = ["v1", "v2", "v3"]
      const entries = tags.map((tag) => ({ source, reference: manifest.digest, target, tags: [tag] }))
      const results = yield* Copy.copyMany(entries)
      expect(results.map(({ blobs }) => blobs)).toEqual([4, 4, 4])
      expect((yield* counts("target.test"))["PUT upload"]).toBe(4)

      const others = yield* Effect.forEach(["a", "b", "c"], (name) => remote(`target.test/other/${name}`))
      yield* Copy.copyMany(others.map((target) => ({ source, reference: "v1", target })))
      expect((yield* counts("target.test"))["PUT upload"]).toBe(8)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("many copies of which one fails have all ended when they fail", () =>
    Effect.gen(function* () {
      const { source } = yield* places
      yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1", layers: 1 })
      const targets = yield* Effect.forEach(["a", "b", "c"], (name) => remote(`target.test/mirror/${name}`))
      const entries = targets.map((target, index) => ({ source, reference: index === 0 ? "missing" : "v1", target }))
      let active = 0
      const add = Progress.summarize()
      const onProgress: Progress.Listener = (event) => {
        active = add(event).active
      }
      const copying = Effect.exit(Copy.copyMany(entries, { jobs: 2, onProgress }))
      // Looked at in the very moment: an upload is cancelled sooner or later.
      const [exit, left] = yield* throughTime(Effect.map(copying, (ended) => [ended, active] as const))
      expect(Exit.isFailure(exit)).toBe(true)
      expect((yield* counts("target.test"))["DELETE upload"]).toBeGreaterThan(0)
      expect(left).toBe(0)
    }).pipe(
      Effect.provide(
        layer({
          rules: [
            { match: { path: /manifests\/missing/, method: "GET" }, fault: Fault.delay("5 seconds") },
            { match: { path: /uploads\/./, method: "PUT" }, fault: Fault.delay("1 minute") },
            { match: { path: /uploads\/./, method: "DELETE" }, fault: Fault.delay("1 second") }
          ]
        })
      )
    )
  )

  it.effect("goes through a graph once, however many ways there are through it", () =>
    Effect.gen(function* () {
      const memory = yield* MemoryStore.make()
      const content = new TextEncoder().encode("{}")
      const config = Descriptor.fromBytes(content, MediaType.octetStream)
      yield* memory.pushBlob(config, content)
      let names = 0
      const push = (manifest: Manifest.Manifest, tags: ReadonlyArray<string> = []) =>
        Effect.as(memory.pushManifest(manifest, { tags }), manifest.descriptor)
      const images = Array.from({ length: 6 }, () =>
        Manifest.artifact({ artifactType: `application/x.${names++}`, config, layers: [config] })
      )
      let manifests = yield* Effect.forEach(images, (image) => push(image))
      for (let depth = 1; depth < 8; depth++) {
        const indexes = Array.from({ length: 6 }, () => Manifest.imageIndex({ manifests, artifactType: `application/x.${names++}` }))
        manifests = yield* Effect.forEach(indexes, (index) => push(index))
      }
      yield* push(Manifest.imageIndex({ manifests }), ["v1"])
      let fetched = 0
      const source: typeof memory = {
        ...memory,
        fetchBlob: (descriptor) => {
          fetched++
          return memory.fetchBlob(descriptor)
        }
      }
      expect(yield* Copy.copy(source, "v1", yield* MemoryStore.make())).toMatchObject({ blobs: 1, manifests: names + 1 })
      expect(fetched).toBe(1)
      const [both] = yield* Copy.copyToMany(source, "v1", [{ target: yield* MemoryStore.make() }])
      expect(both).toMatchObject({ _tag: "Right", right: { blobs: 1, manifests: names + 1 } })
      expect(fetched).toBe(2)
    })
  )

  it.effect("tells its progress, whose sums never fall and end equal", () =>
    Effect.gen(function* () {
      const { source, target } = yield* places
      yield* (yield* at("source.test")).seedImage("acme/app", { tag: "v1", layers: 3, layerBytes: 100_000 })
      const add = Progress.summarize()
      const sums = Chunk.toReadonlyArray(yield* throughTime(Stream.runCollect(Stream.map(Copy.stream(source, "v1", target), add))))
      for (const [index, sum] of sums.entries()) {
        expect(sum.totalBytes).toBeGreaterThanOrEqual(sums[index - 1]?.totalBytes ?? 0)
        expect(sum.completeBytes).toBeGreaterThanOrEqual(sums[index - 1]?.completeBytes ?? 0)
      }
      const last = sums.at(-1)
      expect(last).toMatchObject({ active: 0, done: 5, failed: 0 })
      expect(last?.completeBytes).toBe(last?.totalBytes)
    }).pipe(
      Effect.provide(
        layer({ rules: [{ match: { host: "target.test", method: "PUT", path: /uploads/, count: 1 }, fault: Fault.cutRequestAt(5000) }] })
      )
    )
  )
})
