import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { assertSome } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Digest from "../../src/model/Digest.ts"
import { StoreError } from "../../src/model/RegistryError.ts"
import * as RegistryStorage from "../../src/testing/RegistryStorage.ts"

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const text = (storage: RegistryStorage.Service, digest: Digest.Digest, range?: RegistryStorage.ByteRange) =>
  Effect.map(Stream.runCollect(storage.read(digest, range)), (pieces) =>
    Chunk.toReadonlyArray(pieces)
      .map((bytes) => new TextDecoder().decode(bytes))
      .join("")
  )

const store = Effect.fnUntraced(function* (storage: RegistryStorage.Service, repository: string, content: string) {
  const upload = yield* storage.openUpload(repository)
  const digest = Digest.fromBytes(utf8(content))
  yield* upload.append(Stream.make(utf8(content)))
  yield* upload.commit(digest)
  return digest
})

const temporary = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const filesIn = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const entries = yield* fs.readDirectory(directory, { recursive: true })
  const files = yield* Effect.filter(entries, (entry) => Effect.map(fs.stat(path.join(directory, entry)), (info) => info.type === "File"))
  return files.sort()
})

const places = {
  memory: RegistryStorage.makeMemory,
  folder: Effect.flatMap(temporary, RegistryStorage.makeFolder)
}

for (const [place, make] of Object.entries(places)) {
  describe(place, () => {
    const check = (name: string, body: (storage: RegistryStorage.Service) => Effect.Effect<void, unknown>) =>
      it.scoped(name, () => Effect.flatMap(make, body).pipe(Effect.provide(NodeContext.layer)))

    check("an upload becomes a blob when its digest is right", (storage) =>
      Effect.gen(function* () {
        const upload = yield* storage.openUpload("a")
        assert.strictEqual(yield* upload.append(Stream.make(utf8("hel"), utf8("lo"))), 5)
        assert.strictEqual(yield* upload.append(Stream.make(utf8(" you"))), 9)
        assert.deepStrictEqual(yield* storage.uploads, [yield* upload.info])
        const digest = Digest.fromBytes(utf8("hello you"))
        assert.isTrue(Option.isNone(yield* storage.blobSize("a", digest)))
        assert.strictEqual(yield* upload.commit(digest), 9)
        assertSome(yield* storage.blobSize("a", digest), 9)
        assert.strictEqual(yield* text(storage, digest), "hello you")
        assert.deepStrictEqual(yield* storage.uploads, [])
        assert.isTrue(Option.isNone(yield* storage.upload("a", upload.id)))
      })
    )

    check("a wrong digest stores nothing and ends the session; another algorithm is computed", (storage) =>
      Effect.gen(function* () {
        const upload = yield* storage.openUpload("a")
        yield* upload.append(Stream.make(utf8("content")))
        const wrong = Digest.fromBytes(utf8("other"))
        const error = yield* Effect.flip(upload.commit(wrong))
        assert.strictEqual(error._tag, "DigestMismatch")
        assert.isTrue(Option.isNone(yield* storage.blobSize("a", wrong)))
        assert.deepStrictEqual(yield* storage.uploads, [])
        const other = yield* storage.openUpload("a")
        yield* other.append(Stream.make(utf8("content")))
        assert.strictEqual(yield* other.commit(Digest.fromBytes(utf8("content"), "sha512")), 7)
        assert.strictEqual((yield* Effect.flip(storage.openUpload("a", { algorithm: "md5" })))._tag, "InvalidDigest")
      })
    )

    check("the empty blob", (storage) =>
      Effect.gen(function* () {
        const upload = yield* storage.openUpload("a")
        const digest = Digest.fromBytes(new Uint8Array(0))
        assert.strictEqual(yield* upload.commit(digest), 0)
        assert.strictEqual(yield* text(storage, digest), "")
      })
    )

    check("what arrived before a failure or an interruption stays and counts", (storage) =>
      Effect.gen(function* () {
        const upload = yield* storage.openUpload("a")
        const broken = yield* Effect.exit(upload.append(Stream.concat(Stream.make(utf8("abc")), Stream.fail("broken"))))
        assert.isTrue(broken._tag === "Failure")
        assert.strictEqual((yield* upload.info).sizeBytes, 3)
        // The next piece is asked for when the one before it is written.
        const written = yield* Deferred.make<void>()
        const waiting = Stream.concat(Stream.execute(Deferred.succeed(written, undefined)), Stream.never)
        const stuck = yield* Effect.fork(upload.append(Stream.concat(Stream.make(utf8("def")), waiting)))
        yield* Deferred.await(written)
        yield* Fiber.interrupt(stuck)
        assert.strictEqual((yield* upload.info).sizeBytes, 6)
        assert.strictEqual(yield* upload.commit(Digest.fromBytes(utf8("abcdef"))), 6)
      })
    )

    check("a sender may reuse its buffer", (storage) =>
      Effect.gen(function* () {
        const buffer = new Uint8Array(4)
        const upload = yield* storage.openUpload("a")
        const pieces = Stream.make(1, 2, 3).pipe(
          Stream.rechunk(1),
          Stream.map((value) => buffer.fill(value))
        )
        yield* upload.append(pieces)
        const expected = Uint8Array.from([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
        yield* upload.commit(Digest.fromBytes(expected))
      })
    )

    check("any range of any blob", (storage) =>
      Effect.gen(function* () {
        const content = "0123456789abcdefghij"
        const upload = yield* storage.openUpload("a")
        const digest = Digest.fromBytes(utf8(content))
        yield* upload.append(Stream.map(Stream.make(content.slice(0, 3), content.slice(3, 4), content.slice(4)), utf8))
        yield* upload.commit(digest)
        const ranges = fc.sample(fc.tuple(fc.nat(19), fc.integer({ min: 1, max: 20 })), { numRuns: 60, seed: 1 })
        for (const [offset, wanted] of ranges) {
          const length = Math.min(wanted, content.length - offset)
          assert.strictEqual(yield* text(storage, digest, { offset, length }), content.slice(offset, offset + length))
        }
      })
    )

    check("blobs belong to repositories; the content goes with its last link", (storage) =>
      Effect.gen(function* () {
        const digest = yield* store(storage, "a", "shared")
        assert.isTrue(Option.isNone(yield* storage.linkBlob(digest, "b", "c")))
        assertSome(yield* storage.linkBlob(digest, "b", "a"), 6)
        assertSome(yield* storage.linkBlob(digest, "d"), 6)
        assert.deepStrictEqual(yield* storage.repositories, ["a", "b", "d"])
        for (const repository of ["a", "b"]) assert.isTrue(yield* storage.removeBlob(repository, digest))
        assert.isFalse(yield* storage.removeBlob("a", digest))
        assert.strictEqual(yield* text(storage, digest), "shared")
        assert.isTrue(yield* storage.removeBlob("d", digest))
        assert.instanceOf(yield* Effect.flip(text(storage, digest)), StoreError)
      })
    )

    check("what is stored again while its last link goes is there", (storage) =>
      Effect.gen(function* () {
        const bytes = utf8('{"schemaVersion":2}')
        const manifest = { digest: Digest.fromBytes(bytes), mediaType: "application/x", bytes }
        for (let round = 0; round < 30; round++) {
          const digest = yield* store(storage, "a", `content ${round}`)
          yield* storage.putManifest("a", manifest, [])
          const again = Effect.zipRight(store(storage, "b", `content ${round}`), storage.putManifest("b", manifest, []), {
            concurrent: true
          })
          const away = Effect.zipRight(storage.removeBlob("a", digest), storage.removeManifest("a", manifest.digest), { concurrent: true })
          yield* Effect.zipRight(away, again, { concurrent: true })
          assert.strictEqual(yield* text(storage, digest), `content ${round}`)
          const stored = yield* storage.manifest("b", manifest.digest)
          assertSome(
            Option.map(stored, (found) => found.bytes),
            bytes
          )
        }
      })
    )

    check("a request that waited for a session that ended is not run; one change of manifests at a time", (storage) =>
      Effect.gen(function* () {
        const upload = yield* storage.openUpload("a")
        assertSome(yield* upload.exclusive(Effect.succeed(1)), 1)
        const [, late] = yield* Effect.all([upload.exclusive(upload.cancel), upload.exclusive(Effect.die("too late"))], {
          concurrency: "unbounded"
        })
        assert.isTrue(Option.isNone(late))
        let running = 0
        const change = storage.exclusive(
          Effect.gen(function* () {
            running += 1
            assert.strictEqual(running, 1)
            yield* Effect.yieldNow()
            running -= 1
          })
        )
        yield* Effect.all([change, change, change], { concurrency: "unbounded" })
      })
    )

    check("an upload whose bytes are gone is no blob", (storage) =>
      Effect.gen(function* () {
        const upload = yield* storage.openUpload("a")
        yield* upload.append(Stream.make(utf8("content")))
        yield* storage.reset
        const digest = Digest.fromBytes(utf8("content"))
        assert.instanceOf(yield* Effect.flip(upload.commit(digest)), StoreError)
        assert.isTrue(Option.isNone(yield* storage.blobSize("a", digest)))
      })
    )

    check("manifests, tags and referrers", (storage) =>
      Effect.gen(function* () {
        const bytes = utf8('{"schemaVersion":2}')
        const digest = Digest.fromBytes(bytes)
        const subject = Digest.fromBytes(utf8("subject"))
        const referrer = { mediaType: "application/x", digest, size: bytes.length, annotations: { a: "b" } }
        const manifest = { digest, mediaType: "application/x", bytes, subject, referrer }
        yield* storage.putManifest("deep/er", manifest, ["two", "one"])
        assertSome(yield* storage.manifest("deep/er", digest), manifest)
        assert.deepStrictEqual(yield* storage.tags("deep/er"), ["one", "two"])
        assert.deepStrictEqual(yield* storage.referrers("deep/er", subject), [referrer])
        assert.isTrue(yield* storage.removeTag("deep/er", "one"))
        assert.isFalse(yield* storage.removeTag("deep/er", "one"))
        assert.isTrue(yield* storage.removeManifest("deep/er", digest))
        assert.deepStrictEqual(yield* storage.tags("deep/er"), [])
        assert.deepStrictEqual(yield* storage.referrers("deep/er", subject), [])
        yield* storage.reset
        assert.deepStrictEqual(yield* storage.repositories, [])
        yield* store(storage, "a", "usable again")
      })
    )
  })
}

describe("a folder", () => {
  it.scoped("is found again as it was left, without the sessions", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const before = yield* RegistryStorage.makeFolder(directory)
      const digest = yield* store(before, "group/app", "a blob")
      const bytes = utf8("{}")
      const manifest = Digest.fromBytes(bytes)
      const subject = Digest.fromBytes(utf8("subject"))
      const referrer = { mediaType: "application/x", digest: manifest, size: 2 }
      yield* before.putManifest("group", { digest: manifest, mediaType: "application/x", bytes, subject, referrer }, ["v1"])
      const abandoned = yield* before.openUpload("group")
      yield* abandoned.append(Stream.make(utf8("half")))

      const after = yield* RegistryStorage.makeFolder(directory)
      assert.deepStrictEqual(yield* after.repositories, ["group", "group/app"])
      assertSome(yield* after.blobSize("group/app", digest), 6)
      assert.strictEqual(yield* text(after, digest), "a blob")
      assertSome(yield* after.tag("group", "v1"), manifest)
      assert.deepStrictEqual((yield* Effect.flatten(after.manifest("group", manifest))).bytes, bytes)
      assert.deepStrictEqual(yield* after.referrers("group", subject), [referrer])
      assert.deepStrictEqual(yield* after.uploads, [])
      assert.deepStrictEqual(
        yield* filesIn(directory),
        [
          `blobs/sha256/${Digest.encoded(manifest)}`,
          `blobs/sha256/${Digest.encoded(digest)}`,
          "repositories/group/_repository.json",
          "repositories/group/app/_repository.json"
        ].sort()
      )
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("holds nothing but verified blobs after a refused and a cancelled upload", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const storage = yield* RegistryStorage.makeFolder(directory)
      const refused = yield* storage.openUpload("a")
      yield* refused.append(Stream.make(utf8("content")))
      yield* Effect.flip(refused.commit(Digest.fromBytes(utf8("other"))))
      const cancelled = yield* storage.openUpload("a")
      yield* cancelled.append(Stream.make(utf8("content")))
      yield* cancelled.cancel
      assert.deepStrictEqual(yield* filesIn(directory), [])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("ends a change that was begun, whoever is interrupted", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const storage = yield* RegistryStorage.makeFolder(directory)
      const kept = yield* store(storage, "from", "kept")
      const digest = yield* store(storage, "app", "content")
      const manifest = { digest: Digest.fromBytes(utf8("{}")), mediaType: "application/x", bytes: utf8("{}") }
      yield* storage.putManifest("app", manifest, ["old", "new"])
      const begun = <A, E>(change: Effect.Effect<A, E>, isBegun: Effect.Effect<boolean>) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.fork(change)
          yield* Effect.repeat(Effect.yieldNow(), { until: () => isBegun })
          yield* Fiber.interrupt(fiber)
        })
      yield* begun(storage.removeBlob("app", digest), Effect.map(storage.blobSize("app", digest), Option.isNone))
      yield* begun(storage.linkBlob(kept, "app"), Effect.map(storage.blobSize("app", kept), Option.isSome))
      yield* begun(storage.removeTag("app", "old"), Effect.map(storage.tag("app", "old"), Option.isNone))
      assert.notInclude((yield* filesIn(directory)).join(), Digest.encoded(digest))
      const again = yield* RegistryStorage.makeFolder(directory)
      assert.deepStrictEqual(yield* again.blobs("app"), [kept])
      assert.deepStrictEqual(yield* again.tags("app"), ["new"])
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("survives parallel pushes to one repository", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const storage = yield* RegistryStorage.makeFolder(directory)
      const contents = Array.from({ length: 20 }, (_, index) => `content ${index}`)
      const digests = yield* Effect.forEach(contents, (content) => store(storage, "a", content), { concurrency: "unbounded" })
      const after = yield* RegistryStorage.makeFolder(directory)
      assert.deepStrictEqual(yield* after.blobs("a"), [...digests].sort())
    }).pipe(Effect.provide(NodeContext.layer))
  )

  it.scoped("a broken record is a StoreError", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const fs = yield* FileSystem.FileSystem
      yield* fs.makeDirectory(`${directory}/repositories/a`, { recursive: true })
      yield* fs.writeFileString(`${directory}/repositories/a/_repository.json`, "{")
      const error = yield* Effect.flip(RegistryStorage.makeFolder(directory))
      assert.instanceOf(error, StoreError)
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
