import { assert, describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as MemoryStore from "../../src/content/MemoryStore.ts"
import * as Artifact from "../../src/image/Artifact.ts"
import * as Image from "../../src/image/Image.ts"
import * as Annotations from "../../src/model/Annotations.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Registries from "../support/Registries.ts"
import { bytesOf, client, image, recorded, remote, utf8 } from "./samples.ts"

const artifactType = "application/vnd.example.report"

const packed = <E = never, R = never>(options: Omit<Artifact.PackOptions<E, R>, "artifactType"> = {}) =>
  Either.getOrThrow(Artifact.pack({ artifactType, ...options }))

const subject = Descriptor.make({
  ...Descriptor.fromBytes(utf8("subject"), MediaType.ociImageManifest),
  annotations: { a: "b" },
  platform: { os: "linux", architecture: "amd64" }
})

describe("pack", () => {
  it("something without content has the empty config and the empty layer, and an artifact type", () => {
    const { manifest, blobs } = packed()
    expect(new TextDecoder().decode(manifest.bytes)).toBe(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MediaType.ociImageManifest,
        artifactType,
        config: { mediaType: MediaType.ociEmpty, digest: Descriptor.empty.digest, size: 2, data: "e30=" },
        layers: [{ mediaType: MediaType.ociEmpty, digest: Descriptor.empty.digest, size: 2, data: "e30=" }]
      })
    )
    for (const { descriptor, content } of blobs) {
      assert(content instanceof Uint8Array)
      expect(Descriptor.fromBytes(content, descriptor.mediaType).digest).toBe(descriptor.digest)
    }
  })

  it("files keep their names, and equal options give equal bytes", () => {
    const make = () =>
      packed({
        blobs: [
          Artifact.fromText("one", { title: "one.txt", mediaType: "text/plain" }),
          Artifact.fromBytes(utf8("two"), { annotations: { b: "2", a: "1" } })
        ],
        config: Artifact.fromText("{}", { mediaType: "application/vnd.example.config+json" }),
        annotations: { z: "26", a: "1" },
        subject
      })
    const { manifest, blobs } = make()
    expect(manifest.layers).toEqual([
      { ...Descriptor.fromBytes(utf8("one"), "text/plain"), annotations: { [Annotations.title]: "one.txt" } },
      { ...Descriptor.fromBytes(utf8("two"), MediaType.octetStream), annotations: { a: "1", b: "2" } }
    ])
    expect(manifest.layers.map(Artifact.title)).toEqual([Option.some("one.txt"), Option.none()])
    expect(blobs.map(({ descriptor }) => descriptor)).toEqual([...manifest.layers, manifest.config])
    // The subject is named and not described.
    expect(manifest.subject).toEqual(Descriptor.fromBytes(utf8("subject"), MediaType.ociImageManifest))
    expect(make().manifest.bytes).toEqual(manifest.bytes)
  })

  it("what is no artifact type is refused", () => {
    for (const wrong of ["", "report", "a/b/c", "application/"]) {
      expect(Either.flip(Artifact.pack({ artifactType: wrong }))).toMatchObject({ right: { _tag: "MalformedContent" } })
    }
  })

  it.effect("content that can be read again is measured, not kept", () =>
    Effect.gen(function* () {
      const file = { from: (offset: number) => Stream.make(utf8("a file").subarray(offset)) }
      const blob = yield* Artifact.fromSource(file, { title: "file.txt" })
      expect(blob.descriptor).toEqual(Artifact.fromText("a file", { title: "file.txt" }).descriptor)
      expect(blob.content).toBe(file)
      expect(yield* Effect.flip(Artifact.fromSource(Stream.fail("the disk")))).toBe("the disk")
    })
  )
})

describe("push", () => {
  it.effect("blobs once, then the manifest; also layers that images may not push", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const { pushed, recording } = recorded(store)
      const foreign = Artifact.fromText("x", { mediaType: MediaType.dockerForeignLayerTarGzip })
      const manifest = yield* Artifact.push(recording, packed({ blobs: [foreign, foreign] }), { tags: ["v1"] })
      expect(pushed).toEqual([MediaType.dockerForeignLayerTarGzip, MediaType.ociEmpty, `${MediaType.ociImageManifest} v1`])
      expect((yield* store.fetchManifest("v1")).digest).toBe(manifest.digest)
      // A copy may have left such layers out, so that the tag does not say that they are there.
      yield* Artifact.push(recording, packed({ blobs: [foreign, foreign] }), { tags: ["v1"] })
      expect(pushed.slice(3)).toEqual(pushed.slice(0, 3))
      yield* Artifact.push(recording, packed({ blobs: [Artifact.fromText("x")] }), { tags: ["v2"] })
      yield* Artifact.push(recording, packed({ blobs: [Artifact.fromText("x")] }), { tags: ["v2"] })
      expect(pushed.length).toBe(9)
    })
  )

  it.effect("its files are read as the layers of an image are", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      yield* Artifact.push(store, packed({ blobs: [Artifact.fromText("hello", { title: "hello.txt" })] }), { tags: ["v1"] })
      const fetched = yield* Image.fetch(store, "v1")
      expect(yield* Effect.forEach(fetched.layers, ({ compressed }) => bytesOf(compressed))).toEqual([Buffer.from("hello")])
    })
  )
})

describe("attach", () => {
  it.effect("makes a referrer that has no tag, in memory", () =>
    Effect.gen(function* () {
      const store = yield* MemoryStore.make()
      const { descriptor } = yield* Image.push(store, image("subject"), { tags: ["v1"] })
      const manifest = yield* Artifact.attach(store, descriptor, packed({ annotations: { a: "1" } }))
      expect(manifest).toMatchObject({ artifactType, subject: descriptor, annotations: { a: "1" } })
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(store.referrers(descriptor)))).toMatchObject([
        { digest: manifest.digest, artifactType, annotations: { a: "1" } }
      ])
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(store.tags))).toEqual(["v1"])
    })
  )

  it.effect("and in a registry", () =>
    Effect.gen(function* () {
      const place = yield* remote("registry.test/acme/app")
      const { descriptor } = yield* Image.push(place, image("subject"), { tags: ["v1"] })
      const manifest = yield* Artifact.attach(place, descriptor, packed())
      const found = Chunk.toReadonlyArray(yield* Stream.runCollect(place.referrers(descriptor, { artifactType })))
      expect(found.map(({ digest }) => digest)).toEqual([manifest.digest])
    }).pipe(Effect.provide(Layer.provideMerge(client, Registries.layer())))
  )
})
