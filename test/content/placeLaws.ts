/** What is true of every place: the same tests for memory, folders and archives. */
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as ContentStore from "../../src/content/ContentStore.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as DirImage from "../support/DirImage.ts"
import { blob, blobOf, encode, manifestOf, noise, push, readBlob } from "./sampleImages.ts"

type Readable<E> = ContentStore.Source<E> & ContentStore.Tags<E> & ContentStore.Referrers<E>

/** A fresh place, and how to look at what was written to it: the place itself, or an archive that is read once it is complete. */
export interface Fresh<E> {
  readonly target: ContentStore.Target<E>
  readonly look: Effect.Effect<Readable<E>, E, Scope.Scope>
}

export type Make<E> = Effect.Effect<Fresh<E>, E, Scope.Scope>

/** A fresh place that can all of it. */
export type MakeStore<E> = Effect.Effect<
  Readable<E> & ContentStore.Target<E> & ContentStore.Deletes<E> & ContentStore.Keeps<E>,
  E,
  Scope.Scope
>

const image = DirImage.fromLayers([noise(1000, 1), noise(3 * 1024 * 1024 + 7, 2)])
const other = DirImage.fromLayers([noise(1000, 1), noise(2000, 3)])

/** The tag of an error, and whether it is about something that is not there. */
const kindOf = (error: unknown): string => `${Object(error)._tag}${Object(error).missing === true ? ": missing" : ""}`

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.either(effect), (_) => (Either.isLeft(_) ? kindOf(_.left) : "success"))

const tags = <E>(place: ContentStore.Tags<E>) => Effect.map(Stream.runCollect(place.tags), Chunk.toReadonlyArray)

const referrers = <E>(place: ContentStore.Referrers<E>, subject: Descriptor.Descriptor, artifactType?: string) =>
  Effect.map(Stream.runCollect(place.referrers(subject, { artifactType })), (_) => Chunk.toReadonlyArray(_))

/** Laws of targets and of what reads them. */
export const targetLaws = <E>(name: string, make: Make<E>): void => {
  describe(`${name}: what goes in comes out`, () => {
    it.scoped("an image, byte for byte, by tag and by digest", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const manifest = yield* push(target, image, ["v1", "latest"])
        const place = yield* look
        assert.deepStrictEqual(yield* tags(place), ["latest", "v1"])
        for (const reference of ["v1", "latest", manifest.digest]) {
          assert.deepStrictEqual(yield* place.resolve(reference), manifest.descriptor)
          assert.deepStrictEqual(Buffer.from((yield* place.fetchManifest(reference)).bytes), Buffer.from(image.manifest))
        }
        assert.deepStrictEqual((yield* place.fetchManifest(manifest.descriptor)).digest, manifest.digest)
        for (const descriptor of Manifest.successors(manifest)) {
          assert.isTrue(yield* place.exists(descriptor))
          assert.isTrue((yield* readBlob(place, descriptor)).equals(blobOf(image, descriptor)))
        }
      })
    )

    it.scoped("what is not there does not exist, and asking for it fails", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const { descriptor } = yield* push(target, image, ["v1"])
        const absent = manifestOf(other)
        assert.isFalse(yield* target.exists(absent.descriptor))
        assertNone(yield* target.current("v2"))
        assert.strictEqual(yield* failure(target.tag(absent.descriptor, "v2")), "StoreError: missing")
        const place = yield* look
        assert.isFalse(yield* place.exists(absent.descriptor))
        assert.isFalse(yield* place.exists({ ...descriptor, size: descriptor.size + 1 }))
        for (const reference of ["v2", "not a tag", "../v1", absent.digest, blob(encode("{}")).descriptor.digest]) {
          assert.strictEqual(yield* failure(place.resolve(reference)), "StoreError: missing")
        }
        assert.strictEqual(yield* failure(place.fetchManifest(absent.descriptor)), "StoreError: missing")
        assert.strictEqual(yield* failure(readBlob(place, absent.config)), "StoreError: missing")
      })
    )

    it.scoped("a blob is no manifest, even when it is asked for by digest", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const manifest = yield* push(target, image, ["v1"])
        assert.strictEqual(yield* failure((yield* look).resolve(manifest.config.digest)), "StoreError: missing")
      })
    )

    it.scoped("all kinds of sources: bytes, streams, files, streams that run once; bytes are told as they go", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const manifest = yield* push(target, image, ["v1"])
        const contents = [1, 2, 3, 4].map((seed) => blob(noise(50_000, seed + 10)))
        const chunks = (bytes: Uint8Array) => Stream.fromIterable([bytes.subarray(0, 1), new Uint8Array(), bytes.subarray(1)])
        let told = 0
        const onBytes = (count: number) => {
          told += count
        }
        const [first, second, third, fourth] = contents
        if (!first || !second || !third || !fourth) return assert.fail()
        assert.strictEqual(yield* target.pushBlob(first.descriptor, first.bytes, { onBytes }), "stored")
        assert.strictEqual(yield* target.pushBlob(second.descriptor, chunks(second.bytes), { onBytes }), "stored")
        assert.strictEqual(
          yield* target.pushBlob(third.descriptor, { from: (offset) => chunks(third.bytes.subarray(offset)) }, { onBytes }),
          "stored"
        )
        assert.strictEqual(yield* target.pushBlob(fourth.descriptor, { once: chunks(fourth.bytes) }, { onBytes }), "stored")
        assert.strictEqual(told, 200_000)
        assert.strictEqual(yield* target.pushBlob(fourth.descriptor, Stream.die("not to be read"), { onBytes }), "existed")
        assert.strictEqual(told, 200_000)
        assert.isTrue(yield* target.exists(manifest.descriptor))
        const place = yield* look
        for (const { bytes, descriptor } of contents) assert.isTrue((yield* readBlob(place, descriptor)).equals(bytes))
      })
    )

    it.scoped("sha512 and the empty blob", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const bytes = noise(70_000, 5)
        const long = Descriptor.fromBytes(bytes, MediaType.ociLayerTar, "sha512")
        const empty = blob(new Uint8Array())
        const config = blob(encode("{}"), MediaType.ociImageConfig)
        const manifest = Manifest.imageManifest({ config: config.descriptor, layers: [long, empty.descriptor], algorithm: "sha512" })
        yield* target.pushBlob(long, bytes)
        yield* target.pushBlob(empty.descriptor, empty.bytes)
        yield* target.pushBlob(config.descriptor, config.bytes)
        yield* target.pushManifest(manifest, { tags: ["v1"] })
        const place = yield* look
        assert.strictEqual(Digest.algorithm((yield* place.fetchManifest("v1")).digest), "sha512")
        assert.isTrue((yield* readBlob(place, long)).equals(bytes))
        assert.strictEqual((yield* readBlob(place, empty.descriptor)).length, 0)
      })
    )
  })

  describe(`${name}: what is wrong does not go in`, () => {
    const good = blob(noise(3 * 1024 * 1024, 7))
    const wrong: ReadonlyArray<readonly [string, Uint8Array, string]> = [
      ["other bytes", noise(3 * 1024 * 1024, 8), "DigestMismatch"],
      ["fewer bytes", good.bytes.subarray(1), "SizeMismatch"],
      ["more bytes", Buffer.concat([good.bytes, good.bytes]), "SizeMismatch"]
    ]
    for (const [what, bytes, expected] of wrong) {
      it.scoped(`${what}: refused, nothing visible, and the right ones are taken afterwards`, () =>
        Effect.gen(function* () {
          const { look, target } = yield* make
          yield* push(target, image, ["v1"])
          assert.strictEqual(yield* failure(target.pushBlob(good.descriptor, Stream.make(bytes))), expected)
          assert.isFalse(yield* target.exists(good.descriptor))
          assert.strictEqual(yield* target.pushBlob(good.descriptor, good.bytes), "stored")
          const place = yield* look
          assert.isTrue((yield* readBlob(place, good.descriptor)).equals(good.bytes))
          yield* checkImage(place)
        })
      )
    }

    it.scoped("a source that fails: its error, and nothing visible", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        yield* push(target, image, ["v1"])
        const half = Stream.concat(Stream.make(good.bytes.subarray(0, 2 * 1024 * 1024)), Stream.fail({ _tag: "SourceFailed" as const }))
        assert.strictEqual(yield* failure(target.pushBlob(good.descriptor, half)), "SourceFailed")
        assert.isFalse(yield* target.exists(good.descriptor))
        yield* checkImage(yield* look)
      })
    )

    it.scoped("a source that is interrupted: nothing visible, and others go on", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const reading = yield* Deferred.make<void>()
        const stuck = Stream.concat(
          Stream.make(good.bytes.subarray(0, 2 * 1024 * 1024)),
          Stream.fromEffect(Effect.zipRight(Deferred.succeed(reading, undefined), Effect.never))
        )
        const pushing = yield* Effect.fork(target.pushBlob(good.descriptor, stuck))
        yield* Deferred.await(reading)
        yield* Fiber.interrupt(pushing)
        assert.isFalse(yield* target.exists(good.descriptor))
        yield* push(target, image, ["v1"])
        yield* checkImage(yield* look)
      })
    )

    it.scoped("an algorithm nobody can compute", () =>
      Effect.gen(function* () {
        const { target } = yield* make
        const descriptor = { ...good.descriptor, digest: Either.getOrThrow(Digest.parse("md99:abcdef")) }
        assert.strictEqual(yield* failure(target.pushBlob(descriptor, good.bytes)), "InvalidDigest")
      })
    )

    it.scoped("text that is no tag", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const { descriptor } = yield* push(target, image, ["v1"])
        for (const tag of ["", "a b", "../x", "-x", descriptor.digest, "x".repeat(600)]) {
          assert.strictEqual(yield* failure(target.tag(descriptor, tag)), "InvalidReference", tag)
          assert.strictEqual(yield* failure(target.pushManifest(manifestOf(image), { tags: [tag] })), "InvalidReference", tag)
        }
        assert.deepStrictEqual(yield* tags(yield* look), ["v1"])
      })
    )
  })

  describe(`${name}: tags and indexes`, () => {
    it.scoped("a tag moves, several stay", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const first = yield* push(target, image, ["v1", "latest"])
        assertSome(yield* target.current("latest"), first.descriptor)
        const second = yield* push(target, other, ["latest"])
        assertSome(yield* target.current("latest"), second.descriptor)
        yield* target.tag(second.descriptor, "v2")
        yield* target.tag(second.descriptor, "v2")
        const place = yield* look
        assert.deepStrictEqual(yield* tags(place), ["latest", "v1", "v2"])
        assert.strictEqual((yield* place.resolve("v1")).digest, first.digest)
        assert.strictEqual((yield* place.resolve("v2")).digest, second.digest)
      })
    )

    it.scoped("many writers at once: every tag is there", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const names = Array.from({ length: 20 }, (_, at) => `tag-${at}`).sort()
        yield* Effect.forEach(names, (tag) => push(target, image, [tag]), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* tags(yield* look), names)
      })
    )

    it.scoped("an index and its images; children are found by digest", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const children = [yield* push(target, image), yield* push(target, other)]
        const index = Manifest.imageIndex({ manifests: children.map((_) => _.descriptor) })
        yield* target.pushManifest(index, { tags: ["multi"] })
        const place = yield* look
        const found = yield* place.fetchManifest("multi")
        assert.strictEqual(found._tag, "ImageIndex")
        for (const child of children) assert.deepStrictEqual(yield* place.resolve(child.digest), child.descriptor)
        yield* checkImage(place)
      })
    )

    it.scoped("referrers, all and by artifact type, also of a subject that is not there", () =>
      Effect.gen(function* () {
        const { look, target } = yield* make
        const subject = yield* push(target, image, ["v1"])
        yield* target.pushBlob(Descriptor.empty, Descriptor.emptyBytes())
        const attach = (artifactType: string, to: Descriptor.Descriptor) =>
          Effect.tap(
            Effect.sync(() => Manifest.artifact({ artifactType, subject: to, annotations: { at: artifactType } })),
            (manifest) => target.pushManifest(manifest)
          )
        const signature = yield* attach("application/vnd.example.signature", subject.descriptor)
        const sbom = yield* attach("application/vnd.example.sbom", subject.descriptor)
        const stray = yield* attach("application/vnd.example.sbom", manifestOf(other).descriptor)
        const place = yield* look
        assert.deepStrictEqual(
          (yield* referrers(place, subject.descriptor)).map((_) => _.digest).sort(),
          [signature.digest, sbom.digest].sort()
        )
        assert.deepStrictEqual(yield* referrers(place, subject.descriptor, "application/vnd.example.sbom"), [Manifest.referrer(sbom)])
        assert.deepStrictEqual(yield* referrers(place, manifestOf(other).descriptor), [Manifest.referrer(stray)])
        assert.deepStrictEqual(yield* referrers(place, sbom.descriptor), [])
      })
    )
  })
}

const checkImage = <E>(place: ContentStore.Source<E>) =>
  Effect.gen(function* () {
    const manifest = manifestOf(image)
    assert.isTrue(Buffer.from((yield* place.fetchManifest(manifest.digest)).bytes).equals(image.manifest))
    for (const descriptor of Manifest.successors(manifest)) {
      assert.isTrue((yield* readBlob(place, descriptor)).equals(blobOf(image, descriptor)))
    }
  })

/** Laws of places that let content go. */
export const storeLaws = <E>(name: string, make: MakeStore<E>): void => {
  targetLaws(
    name,
    Effect.map(make, (place) => ({ target: place, look: Effect.succeed(place) }))
  )

  describe(`${name}: what is let go`, () => {
    it.scoped("an untagged manifest stays, under its digest and its other tags", () =>
      Effect.gen(function* () {
        const place = yield* make
        const { descriptor, digest } = yield* push(place, image, ["v1", "v2"])
        yield* place.untag("v1")
        assert.deepStrictEqual(yield* tags(place), ["v2"])
        yield* place.untag("v2")
        assert.deepStrictEqual(yield* tags(place), [])
        assert.deepStrictEqual(yield* place.resolve(digest), descriptor)
        assert.strictEqual(yield* failure(place.untag("v2")), "StoreError: missing")
      })
    )

    it.scoped("a deleted manifest takes its tags with it, and may come back", () =>
      Effect.gen(function* () {
        const place = yield* make
        const first = yield* push(place, image, ["v1", "v2"])
        const second = yield* push(place, other, ["v3"])
        yield* place.delete(first.descriptor)
        assert.deepStrictEqual(yield* tags(place), ["v3"])
        assert.isFalse(yield* place.exists(first.descriptor))
        assert.strictEqual(yield* failure(place.resolve("v1")), "StoreError: missing")
        assert.strictEqual(yield* failure(place.delete(first.descriptor)), "StoreError: missing")
        assert.isTrue(yield* place.exists(second.descriptor))
        yield* push(place, image, ["v1"])
        yield* checkImage(place)
      })
    )

    it.scoped("a deleted referrer that an index names refers to nothing, until it is back", () =>
      Effect.gen(function* () {
        const place = yield* make
        const subject = yield* push(place, image)
        yield* place.pushBlob(Descriptor.empty, Descriptor.emptyBytes())
        const mark = Manifest.artifact({ artifactType: "application/vnd.example.mark", subject: subject.descriptor })
        yield* place.pushManifest(mark)
        yield* place.pushManifest(Manifest.imageIndex({ manifests: [subject.descriptor, mark.descriptor] }), { tags: ["v1"] })
        assert.deepStrictEqual(yield* referrers(place, subject.descriptor), [Manifest.referrer(mark)])
        yield* place.delete(mark.descriptor)
        assert.deepStrictEqual(yield* referrers(place, subject.descriptor), [])
        yield* place.pushManifest(mark)
        assert.deepStrictEqual(yield* referrers(place, subject.descriptor), [Manifest.referrer(mark)])
      })
    )

    it.scoped("a manifest is kept with all that it leads to, or said to lack something", () =>
      Effect.gen(function* () {
        const place = yield* make
        const child = yield* push(place, image)
        const index = Manifest.imageIndex({ manifests: [child.descriptor] })
        assert.isFalse(yield* place.keep(index.descriptor))
        yield* place.pushManifest(index, { tags: ["v1"] })
        assert.isTrue(yield* place.keep(index.descriptor))
        yield* place.delete(child.config)
        assert.isFalse(yield* place.keep(index.descriptor))
        assert.isTrue(yield* place.exists(index.descriptor))
        yield* place.pushBlob(child.config, blobOf(image, child.config))
        assert.isTrue(yield* place.keep(index.descriptor))
        yield* place.delete(child.descriptor)
        assert.isFalse(yield* place.keep(index.descriptor))
      })
    )

    it.scoped("a deleted blob is missed alone", () =>
      Effect.gen(function* () {
        const place = yield* make
        const manifest = yield* push(place, image, ["v1"])
        yield* place.delete(manifest.config)
        assert.isFalse(yield* place.exists(manifest.config))
        assert.strictEqual(yield* failure(readBlob(place, manifest.config)), "StoreError: missing")
        assert.strictEqual((yield* place.fetchManifest("v1")).digest, manifest.digest)
        for (const layer of manifest.layers) assert.isTrue((yield* readBlob(place, layer)).equals(blobOf(image, layer)))
        assert.strictEqual(yield* place.pushBlob(manifest.config, blobOf(image, manifest.config)), "stored")
        yield* checkImage(place)
      })
    )
  })
}
