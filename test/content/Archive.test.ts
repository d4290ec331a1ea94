import { execFileSync } from "node:child_process"
import { lstat, mkdir, readdir, readFile, rmdir, stat, symlink, writeFile } from "node:fs/promises"
import * as NodePath from "node:path"
import { gzipSync } from "node:zlib"
import * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { assertNone, assertSome } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Archive from "../../src/content/Archive.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as DirImage from "../support/DirImage.ts"
import * as Folder from "../support/Folder.ts"
import * as Program from "../support/Program.ts"
import * as Skopeo from "../support/Skopeo.ts"
import { targetLaws } from "./placeLaws.ts"
import { blob, blobOf, encode, manifestOf, newSave, noise, push, readBlob } from "./sampleImages.ts"
import * as TarFiles from "./tarFiles.ts"

const read = (file: string, options?: Archive.ReadOptions) => Effect.provide(Archive.read(file, options), NodeContext.layer)
const write = (file: string, options: Archive.WriteOptions) => Effect.provide(Archive.write(file, options), NodeContext.layer)

const promise = <A>(run: () => Promise<A>) => Effect.promise(run)

const fileIn = (name: string) => Effect.map(Folder.temporary("archive"), (folder) => NodePath.join(folder, name))

const layers = [encode("a layer that is no tar, which nobody minds"), noise(200_000, 2)]
const image = DirImage.fromLayers(layers)
const other = DirImage.fromLayers([...layers.slice(0, 1), noise(3000, 3)])

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.either(effect), (_) => (Either.isLeft(_) ? `${Object(_.left)._tag}: ${Object(_.left).message}` : "success"))

const tags = <E>(place: { readonly tags: Stream.Stream<string, E> }) => Effect.map(Stream.runCollect(place.tags), Chunk.toReadonlyArray)

const written = Effect.fnUntraced(function* (image: DirImage.DirImage, options: Archive.WriteOptions, ...tags: ReadonlyArray<string>) {
  const file = yield* fileIn("app.tar")
  const archive = yield* write(file, options)
  yield* push(archive, image, tags)
  yield* archive.commit
  return file
})

targetLaws(
  "oci-archive",
  Effect.gen(function* () {
    const file = yield* fileIn("app.tar")
    const target = yield* write(file, { format: "oci" })
    return { target, look: Effect.zipRight(target.commit, read(file)) }
  })
)

describe("writing an oci-archive", () => {
  it.scoped("the same content gives the same bytes: a header, folders before what is in them, blobs, the index last", () =>
    Effect.gen(function* () {
      const inOrder = Effect.gen(function* () {
        const file = yield* fileIn("app.tar")
        const archive = yield* write(file, { format: "oci" })
        const manifest = manifestOf(image)
        for (const descriptor of Manifest.successors(manifest)) yield* archive.pushBlob(descriptor, blobOf(image, descriptor))
        yield* archive.pushManifest(manifest, { tags: ["v1"] })
        yield* archive.commit
        return yield* promise(() => readFile(file))
      })
      const [first, second] = [yield* inOrder, yield* inOrder]
      assert.isTrue(first.equals(second))
      const names = (yield* TarFiles.read(first)).map(([name]) => name)
      // Without its folders skopeo 1.9 can read it as root only.
      assert.deepStrictEqual(names.slice(0, 3), ["oci-layout", "blobs/", "blobs/sha256/"])
      assert.strictEqual(names.at(-1), "index.json")
      assert.lengthOf(names, 4 + 1 + image.blobs.size)
    })
  )

  it.scoped("nothing is there before it is committed, and nothing is left of what is not", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("app.tar")
      const folder = NodePath.dirname(file)
      yield* promise(() => writeFile(file, "what was there"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const archive = yield* write(file, { format: "oci" })
          yield* push(archive, image, ["v1"])
          assert.strictEqual(yield* promise(() => readFile(file, "utf8")), "what was there")
          assert.lengthOf(yield* promise(() => readdir(folder)), 2)
        })
      )
      assert.deepStrictEqual(yield* promise(() => readdir(folder)), ["app.tar"])
      assert.strictEqual(yield* promise(() => readFile(file, "utf8")), "what was there")
    })
  )

  it.scoped("a committed one takes the place of what was there, and nothing more is taken", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("app.tar")
      yield* promise(() => writeFile(file, "what was there"))
      const archive = yield* write(file, { format: "oci" })
      yield* push(archive, image, ["v1"])
      yield* archive.commit
      assert.deepStrictEqual(yield* promise(() => readdir(NodePath.dirname(file))), ["app.tar"])
      assert.include(yield* failure(archive.commit), "the archive is complete")
      const { bytes, descriptor } = blob(encode("late"))
      assert.include(yield* failure(archive.pushBlob(descriptor, bytes)), "the archive is complete")
      assert.strictEqual((yield* (yield* read(file)).main).digest, image.digest)
    })
  )

  it.scoped("one that was there keeps who may read it, and the link that leads to it", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("app.tar")
      const link = NodePath.join(NodePath.dirname(file), "link.tar")
      yield* promise(() => writeFile(file, "the old one", { mode: 0o600 }))
      yield* promise(() => symlink(file, link))
      const archive = yield* write(link, { format: "oci" })
      yield* push(archive, image, ["v1"])
      yield* archive.commit
      assert.isTrue((yield* promise(() => lstat(link))).isSymbolicLink())
      assert.strictEqual((yield* promise(() => stat(file))).mode & 0o777, 0o600)
      assert.deepStrictEqual(yield* tags(yield* read(file)), ["v1"])
      assert.deepStrictEqual((yield* promise(() => readdir(NodePath.dirname(file)))).sort(), ["app.tar", "link.tar"])
    })
  )

  it.scoped("a link to what is still to be written stays one, and what it leads to is written", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("app.tar")
      const folder = NodePath.dirname(file)
      const link = NodePath.join(folder, "link.tar")
      yield* promise(() => symlink("other.tar", link))
      yield* promise(() => symlink("app.tar", NodePath.join(folder, "other.tar")))
      const archive = yield* write(link, { format: "oci" })
      yield* push(archive, image, ["v1"])
      yield* archive.commit
      assert.deepStrictEqual(yield* tags(yield* read(file)), ["v1"])
      assert.isTrue((yield* promise(() => lstat(link))).isSymbolicLink())
      const circle = NodePath.join(folder, "circle.tar")
      yield* promise(() => symlink("circle.tar", circle))
      const other = yield* write(circle, { format: "oci" })
      yield* other.commit
      assert.deepStrictEqual(yield* tags(yield* read(circle)), [])
    })
  )

  it.scoped("a pipe gets it once it is complete, and stays", () =>
    Effect.gen(function* () {
      const whole = yield* written(image, { format: "oci" }, "v1")
      const pipe = yield* fileIn("pipe")
      execFileSync("mkfifo", [pipe])
      const reading = yield* Effect.fork(promise(() => readFile(pipe)))
      const archive = yield* write(pipe, { format: "oci" })
      yield* push(archive, image, ["v1"])
      yield* archive.commit
      assert.isTrue((yield* Fiber.join(reading)).equals(yield* promise(() => readFile(whole))))
      assert.isTrue((yield* promise(() => lstat(pipe))).isFIFO())
    })
  )

  it.scoped("a folder is none", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.temporary("archive")
      assert.include(yield* failure(write(folder, { format: "oci" })), "StoreError: ")
      assert.deepStrictEqual(yield* promise(() => readdir(folder)), [])
      // The empty path is the folder one is in.
      assert.include(yield* failure(write("", { format: "oci" })), "it is a folder")
    })
  )

  it.scoped("a failed entry leaves no trace, even when it was longer than all that follows", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("app.tar")
      const archive = yield* write(file, { format: "oci" })
      const long = blob(noise(4 * 1024 * 1024, 4))
      assert.include(yield* failure(archive.pushBlob(long.descriptor, Stream.make(long.bytes.map((byte) => byte ^ 1)))), "DigestMismatch")
      yield* push(archive, image, ["v1"])
      yield* archive.commit
      const content = yield* promise(() => readFile(file))
      assert.isBelow(content.length, 1024 * 1024)
      assert.isTrue(content.subarray(-1024).every((byte) => byte === 0))
      assert.lengthOf(yield* TarFiles.read(content), 5 + image.blobs.size)
    })
  )

  it.scoped("a folder that is not there is a failure", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("nowhere/app.tar")
      assert.include(yield* failure(write(file, { format: "oci" })), "StoreError")
      assert.include(yield* failure(read(file)), "StoreError")
    })
  )
})

const layoutEntries = (image: DirImage.DirImage, tag = "v1"): ReadonlyArray<TarFiles.Entry> => {
  const { descriptor } = manifestOf(image)
  const name = (digest: string) => `blobs/${digest.replace(":", "/")}`
  const entry = { ...descriptor, annotations: { "org.opencontainers.image.ref.name": tag } }
  return [
    ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
    ["index.json", JSON.stringify({ schemaVersion: 2, manifests: [entry] })],
    [name(descriptor.digest), image.manifest],
    ...[...image.blobs].map(([digest, bytes]): TarFiles.Entry => [name(digest), bytes])
  ]
}

const checkImage = (archive: Archive.ReadArchive, expected: DirImage.DirImage) =>
  Effect.gen(function* () {
    const manifest = yield* archive.fetchManifest("v1")
    assert.strictEqual(manifest.digest, expected.digest)
    for (const descriptor of Manifest.successors(manifest)) {
      assert.isTrue((yield* readBlob(archive, descriptor)).equals(blobOf(expected, descriptor)))
    }
  })

/** A zstd frame whose blocks are stored as they are (RFC 8878 §3.1.1.2). */
const zstdFrame = (content: Uint8Array): Buffer => {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(content.length)
  const blocks: Array<Buffer> = []
  for (let offset = 0; offset < content.length || blocks.length === 0; offset += 65536) {
    const part = content.subarray(offset, offset + 65536)
    const last = offset + 65536 >= content.length ? 1 : 0
    const word = (part.length << 3) | last
    blocks.push(Buffer.from([word & 255, (word >> 8) & 255, (word >> 16) & 255]), Buffer.from(part))
  }
  // Descriptor: four bytes of content size, no single segment; a window of 1 MiB.
  return Buffer.concat([Buffer.from("28b52ffd", "hex"), Buffer.from([0x80, 0x50]), size, ...blocks])
}

describe("reading an oci-archive", () => {
  const packed: ReadonlyArray<readonly [string, (content: Buffer) => Uint8Array]> = [
    ["as it is", (content) => content],
    ["with gzip", (content) => gzipSync(content)],
    ["with gzip in two members", (content) => Buffer.concat([gzipSync(content.subarray(0, 1000)), gzipSync(content.subarray(1000))])],
    ["with zstd", zstdFrame]
  ]
  for (const [how, pack] of packed) {
    it.scoped(`packed ${how}`, () =>
      Effect.gen(function* () {
        const file = yield* fileIn("app.tar")
        const content = yield* TarFiles.bytes(layoutEntries(image))
        yield* promise(() => writeFile(file, pack(content)))
        const archive = yield* read(file)
        assert.strictEqual(archive.format, "oci")
        assert.deepStrictEqual(yield* tags(archive), ["v1"])
        assert.strictEqual((yield* archive.main).digest, image.digest)
        yield* checkImage(archive, image)
      })
    )
  }

  it.scoped("an archive that unpacks to too much is given up", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("bomb.tar.gz")
      yield* promise(() => writeFile(file, gzipSync(Buffer.alloc(8 * 1024 * 1024))))
      assert.include(yield* failure(read(file, { unpackedLimitBytes: 1024 * 1024 })), "LimitExceeded")
    })
  )

  it.scoped("one that is cut, or compressed in other ways, is refused", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("app.tar")
      const content = gzipSync(yield* TarFiles.bytes(layoutEntries(image)))
      for (const [bytes, expected] of [
        [content.subarray(0, content.length / 2), "MalformedContent: not a valid gzip content"],
        [Buffer.from("425a683931", "hex"), "bzip2"],
        [Buffer.from("fd377a585a00", "hex"), "xz"],
        [Buffer.alloc(0), "it is empty"]
      ] as const) {
        yield* promise(() => writeFile(file, bytes))
        assert.include(yield* failure(read(file)), expected)
      }
    })
  )

  it.scoped("missing blobs fail only for what is missing; changed ones are found out", () =>
    Effect.gen(function* () {
      const manifest = manifestOf(image)
      const [first, second] = manifest.layers
      if (!first || !second) return assert.fail()
      const entries = layoutEntries(image).map(([name, content]): TarFiles.Entry => {
        if (String(name).endsWith(Digest.encoded(second.digest))) return [name, Buffer.alloc(second.size)]
        return [String(name).endsWith(Digest.encoded(first.digest)) ? "elsewhere" : name, content]
      })
      const archive = yield* read(yield* TarFiles.write(yield* fileIn("app.tar"), entries))
      assert.isFalse(yield* archive.exists(first))
      assert.include(yield* failure(readBlob(archive, first)), "StoreError")
      assert.include(yield* failure(readBlob(archive, second)), "DigestMismatch")
      assert.isTrue((yield* readBlob(archive, manifest.config)).equals(blobOf(image, manifest.config)))
    })
  )

  const broken: ReadonlyArray<readonly [string, (entries: ReadonlyArray<TarFiles.Entry>) => ReadonlyArray<TarFiles.Entry>, string]> = [
    ["no oci-layout", (_) => _.slice(1), "there is no oci-layout"],
    ["another version", (_) => [["oci-layout", '{"imageLayoutVersion":"3.0.0"}'], ..._.slice(1)], "not a valid oci-layout"],
    ["no index.json", (_) => _.filter(([name]) => name !== "index.json"), "there is no index.json"],
    ["two index.json", (_) => [..._, ["./index.json", "{}"]], "several files index.json"],
    [
      "an index.json that leads out",
      (_) => _.map(([name, content]) => [name === "index.json" ? "../index.json" : name, content]),
      "there is no index.json"
    ],
    [
      "an index.json that is none",
      (_) => _.map(([name, content]) => [name, name === "index.json" ? "{" : content]),
      "not a valid index.json"
    ],
    ["a huge oci-layout", (_) => [["oci-layout", Buffer.alloc(100_000)], ..._.slice(1)], "LimitExceeded"]
  ]
  for (const [what, change, expected] of broken) {
    it.scoped(`${what}: refused`, () =>
      Effect.gen(function* () {
        const file = yield* TarFiles.write(yield* fileIn("app.tar"), change(layoutEntries(image)))
        assert.include(yield* failure(read(file, { format: "oci" })), expected)
      })
    )
  }
})

// --- disks that fail, and fibers that are interrupted ---

type Disk = (fs: FileSystem.FileSystem) => FileSystem.FileSystem

/** A disk that asks before it writes to a file. */
const asking =
  (before: (bytes: Uint8Array) => Effect.Effect<void, PlatformError.PlatformError>): Disk =>
  (fs) => ({
    ...fs,
    open: (path, options) =>
      Effect.map(fs.open(path, options), (file) => ({
        [FileSystem.FileTypeId]: FileSystem.FileTypeId,
        fd: file.fd,
        stat: file.stat,
        seek: (offset, from) => file.seek(offset, from),
        sync: file.sync,
        read: (buffer) => file.read(buffer),
        readAlloc: (size) => file.readAlloc(size),
        truncate: (length) => file.truncate(length),
        write: (buffer) => file.write(buffer),
        writeAll: (bytes) => Effect.zipRight(before(bytes), file.writeAll(bytes))
      }))
  })

const writeOn = (disk: Disk, file: string, options: Archive.WriteOptions) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.provideService(Archive.write(file, options), FileSystem.FileSystem, disk(fs))).pipe(
    Effect.provide(NodeContext.layer)
  )

const diskFull = new PlatformError.SystemError({
  reason: "Unknown",
  module: "FileSystem",
  method: "writeAll",
  description: "the disk is full"
})

/** Does something the first time only. */
const once = <E>(first: Effect.Effect<void, E>) => {
  let isFirst = true
  return Effect.suspend(() => {
    if (!isFirst) return Effect.void
    isFirst = false
    return first
  })
}

const isHeader = (bytes: Uint8Array): boolean =>
  bytes.length % 512 === 0 && Buffer.from(bytes.subarray(-255)).toString("latin1", 0, 5) === "ustar"

for (const format of ["oci", "docker"] as const) {
  describe(`${format}-archive: an entry that is not completed`, () => {
    const tag = format === "oci" ? "v1" : "app:v1"
    const [layer] = manifestOf(image).layers

    const check = (file: string) =>
      Effect.gen(function* () {
        const archive = yield* read(file)
        const manifest = yield* archive.fetchManifest(tag)
        assert.strictEqual(manifest._tag, "ImageManifest")
        for (const descriptor of Manifest.successors(manifest)) yield* readBlob(archive, descriptor)
        const names = (yield* TarFiles.read(yield* promise(() => readFile(file)))).map(([name]) => name)
        assert.lengthOf(new Set(names), names.length)
      })

    it.scoped("a disk that fails for its header: it is not there, and can be pushed again", () =>
      Effect.gen(function* () {
        if (layer === undefined) return assert.fail()
        const file = yield* fileIn("app.tar")
        const layerBytes = blobOf(image, layer)
        let isReady = false
        const fail = once(Effect.fail(diskFull))
        const archive = yield* writeOn(
          asking((bytes) => (isReady && isHeader(bytes) ? fail : Effect.void)),
          file,
          { format }
        )
        isReady = true
        assert.include(yield* failure(archive.pushBlob(layer, layerBytes)), "the disk is full")
        assert.isFalse(yield* archive.exists(layer))
        yield* push(archive, image, [tag])
        yield* archive.commit
        yield* check(file)
      })
    )

    it.scoped("an interruption while its header is written: it is there as a whole", () =>
      Effect.gen(function* () {
        if (layer === undefined) return assert.fail()
        const file = yield* fileIn("app.tar")
        const [reached, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        let isReady = false
        const wait = once(Effect.zipRight(Deferred.succeed(reached, undefined), Deferred.await(go)))
        const archive = yield* writeOn(
          asking((bytes) => (isReady && isHeader(bytes) ? wait : Effect.void)),
          file,
          { format }
        )
        isReady = true
        const pushing = yield* Effect.fork(archive.pushBlob(layer, blobOf(image, layer)))
        yield* Deferred.await(reached)
        const interrupting = yield* Effect.fork(Fiber.interrupt(pushing))
        yield* Effect.yieldNow()
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(interrupting)
        yield* push(archive, image, [tag])
        yield* archive.commit
        yield* check(file)
      })
    )
  })
}

for (const [format, first, second] of [
  ["oci", "v1", "v2"],
  ["docker", "acme/app:v1", "acme/app:v2"]
] as const) {
  it.scoped(`a committed ${format}-archive takes no more tags, and says so`, () =>
    Effect.gen(function* () {
      const file = yield* fileIn("app.tar")
      const archive = yield* write(file, { format })
      yield* push(archive, image, [first])
      const { descriptor } = manifestOf(image)
      yield* archive.tag(descriptor, second)
      yield* archive.commit
      assert.include(yield* failure(archive.tag(descriptor, first)), "the archive is complete")
      assert.include(yield* failure(archive.pushManifest(manifestOf(image), { tags: [first] })), "the archive is complete")
      assert.include(yield* failure(archive.pushManifest(manifestOf(image))), "the archive is complete")
      assert.deepStrictEqual([...(yield* tags(yield* read(file)))].sort(), [first, second])
    })
  )
}

describe("a commit that fails", () => {
  const endsArchive = (bytes: Uint8Array): boolean => bytes.length >= 1024 && bytes.subarray(-1024).every((byte) => byte === 0)
  const wholeNames = (file: string) =>
    Effect.map(
      Effect.flatMap(
        promise(() => readFile(file)),
        TarFiles.read
      ),
      (entries) => entries.map(([name]) => name)
    )

  const formats = [
    ["oci", "v1", "v2", "index.json"],
    ["docker", "app:v1", "app:v2", "manifest.json"]
  ] as const
  for (const [format, first, second, last] of formats) {
    const check = (file: string, ...expected: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const names = yield* wholeNames(file)
        assert.strictEqual(names.at(-1), last)
        assert.lengthOf(new Set(names), names.length)
        const archive = yield* read(file)
        assert.deepStrictEqual(yield* tags(archive), expected)
        for (const tag of expected) {
          const manifest = yield* archive.fetchManifest(tag)
          for (const descriptor of Manifest.successors(manifest)) yield* readBlob(archive, descriptor)
        }
        assert.deepStrictEqual(yield* promise(() => readdir(NodePath.dirname(file))), ["app.tar"])
      })

    it.scoped(`${format}: on a full disk: tried again, with nothing twice`, () =>
      Effect.gen(function* () {
        const file = yield* fileIn("app.tar")
        const fail = once(Effect.fail(diskFull))
        const archive = yield* writeOn(
          asking((bytes) => (endsArchive(bytes) ? fail : Effect.void)),
          file,
          { format }
        )
        yield* push(archive, image, [first])
        assert.include(yield* failure(archive.commit), "the disk is full")
        yield* archive.commit
        yield* check(file, first)
        assert.include(yield* failure(archive.commit), "the archive is complete")
      })
    )

    it.scoped(`${format}: interrupted: tried again, with nothing twice`, () =>
      Effect.gen(function* () {
        const file = yield* fileIn("app.tar")
        const [reached, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const wait = once(Effect.zipRight(Deferred.succeed(reached, undefined), Deferred.await(go)))
        const archive = yield* writeOn(
          asking((bytes) => (endsArchive(bytes) ? wait : Effect.void)),
          file,
          { format }
        )
        yield* push(archive, image, [first])
        const committing = yield* Effect.fork(archive.commit)
        yield* Deferred.await(reached)
        const interrupting = yield* Effect.fork(Fiber.interrupt(committing))
        yield* Effect.yieldNow()
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(interrupting)
        assert.notInclude(yield* promise(() => readdir(NodePath.dirname(file))), "app.tar")
        yield* archive.commit
        yield* check(file, first)
      })
    )

    it.scoped(`${format}: for what is in its place: more can be pushed before it is tried again`, () =>
      Effect.gen(function* () {
        const file = yield* fileIn("app.tar")
        const archive = yield* write(file, { format })
        yield* push(archive, image, [first])
        yield* promise(() => mkdir(file))
        assert.include(yield* failure(archive.commit), "StoreError")
        yield* push(archive, other, [second])
        yield* promise(() => rmdir(file))
        yield* archive.commit
        yield* check(file, first, second)
      })
    )
  }
})

// --- docker archives ---

const hex = (bytes: Uint8Array) => Digest.encoded(Digest.fromBytes(bytes))

const config = (...layers: ReadonlyArray<Uint8Array>) =>
  encode(
    JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: layers.map((_) => Digest.fromBytes(_)) } })
  )

const [one, two] = [encode("layer one"), noise(5000, 7)]

/** As Docker wrote it before version 25: a folder for each layer, and a link where a layer comes twice. */
const oldSave: ReadonlyArray<TarFiles.Entry> = [
  ["aaa/VERSION", "1.0"],
  ["aaa/json", "{}"],
  ["aaa/layer.tar", one],
  ["bbb/layer.tar", two],
  [{ name: "ccc/layer.tar", type: "symlink", linkname: "../aaa/layer.tar" }],
  [`${hex(config(one, two, one))}.json`, config(one, two, one)],
  [`${hex(config(one))}.json`, config(one)],
  [
    "manifest.json",
    JSON.stringify([
      {
        Config: `${hex(config(one, two, one))}.json`,
        RepoTags: ["app:v1", "ghcr.io/acme/app:v2"],
        Layers: ["aaa/layer.tar", "bbb/layer.tar", "ccc/layer.tar"]
      },
      { Config: `${hex(config(one))}.json`, RepoTags: null, Layers: ["aaa/layer.tar"] }
    ])
  ],
  ["repositories", "{}"]
]

describe("reading a docker-archive", () => {
  const opened = (entries: ReadonlyArray<TarFiles.Entry>, options?: Archive.ReadOptions) =>
    Effect.flatMap(
      Effect.flatMap(fileIn("app.tar"), (file) => TarFiles.write(file, entries)),
      (file) => read(file, options)
    )

  it.scoped("an old one: images by name, the same manifest each time, layers as they are", () =>
    Effect.gen(function* () {
      const archive = yield* opened(oldSave)
      assert.strictEqual(archive.format, "docker")
      assert.deepStrictEqual(yield* tags(archive), ["app:v1", "ghcr.io/acme/app:v2"])
      const manifest = yield* archive.fetchManifest("app:v1")
      if (manifest._tag !== "ImageManifest") return assert.fail()
      assert.strictEqual(manifest.mediaType, MediaType.dockerManifest)
      assert.deepStrictEqual(manifest.config, Descriptor.fromBytes(config(one, two, one), MediaType.dockerImageConfig))
      assert.deepStrictEqual(
        manifest.layers,
        [one, two, one].map((_) => Descriptor.fromBytes(_, MediaType.dockerLayerTar))
      )
      for (const [at, bytes] of [one, two, one].entries()) {
        const layer = manifest.layers[at]
        assert.isTrue(layer !== undefined && (yield* readBlob(archive, layer)).equals(bytes))
      }
      assert.isTrue((yield* readBlob(archive, manifest.config)).equals(config(one, two, one)))
      assert.strictEqual((yield* (yield* opened(oldSave)).resolve("app:v1")).digest, manifest.digest)
    })
  )

  it.scoped("names are docker's: in full, in short, by tag alone", () =>
    Effect.gen(function* () {
      const archive = yield* opened(oldSave)
      const { digest } = yield* archive.resolve("app:v1")
      for (const name of ["docker.io/library/app:v1", "index.docker.io/library/app:v1", "ghcr.io/acme/app:v2", "v1", "v2", digest]) {
        assert.strictEqual((yield* archive.resolve(name)).digest, digest, name)
      }
      for (const name of ["app", "app:v2", "ghcr.io/acme/app", "v3", "a b:c", ""]) {
        assert.include(yield* failure(archive.resolve(name)), "StoreError", name)
      }
      assert.lengthOf(yield* archive.roots, 3)
      assert.include(yield* failure(archive.main), "several")
    })
  )

  it.scoped("a tag that several images have says nothing", () =>
    Effect.gen(function* () {
      const archive = yield* opened([
        ["one", one],
        ["two", two],
        ["1.json", config(one)],
        ["2.json", config(two)],
        [
          "manifest.json",
          JSON.stringify([
            { Config: "1.json", RepoTags: ["app:v1", "v1:latest"], Layers: ["one"] },
            { Config: "2.json", RepoTags: ["other:v1", "x:v2", "not a name"], Layers: ["two"] }
          ])
        ]
      ])
      assert.deepStrictEqual((yield* archive.resolve("v1")).digest, (yield* archive.resolve("app:v1")).digest, "v1 is a name as well")
      assert.deepStrictEqual(yield* tags(archive), ["app:v1", "other:v1", "v1:latest", "x:v2"])
      const ambiguous = yield* opened([
        ["one", one],
        ["two", two],
        ["1.json", config(one)],
        ["2.json", config(two)],
        [
          "manifest.json",
          JSON.stringify([
            { Config: "1.json", RepoTags: ["app:v1"], Layers: ["one"] },
            { Config: "2.json", RepoTags: ["other:v1"], Layers: ["two"] }
          ])
        ]
      ])
      assert.include(yield* failure(ambiguous.resolve("v1")), "several images have the tag v1")
    })
  )

  it.scoped("the main image of several: the only one that some name has as latest", () =>
    Effect.gen(function* () {
      const archiveOf = (...names: ReadonlyArray<string>) =>
        opened([
          ["one", one],
          ["two", two],
          ["1.json", config(one)],
          ["2.json", config(two)],
          [
            "manifest.json",
            JSON.stringify([
              { Config: "1.json", RepoTags: ["app:v1"], Layers: ["one"] },
              { Config: "2.json", RepoTags: names, Layers: ["two"] }
            ])
          ]
        ])
      const archive = yield* archiveOf("ghcr.io/acme/app:v2", "ghcr.io/acme/app:latest")
      assert.strictEqual((yield* archive.main).digest, (yield* archive.resolve("v2")).digest)
      assert.include(yield* failure((yield* archiveOf("app:v2")).main), "none of them is tagged latest: name one of app:v1, app:v2")
    })
  )

  it.scoped("compressed layers keep their digest: by name, else by their bytes", () =>
    Effect.gen(function* () {
      const [gz, zst] = [gzipSync(one), zstdFrame(two)]
      const archive = yield* opened([
        [`blobs/sha256/${hex(gz)}`, gz],
        ["layer2", zst],
        [`blobs/sha256/${hex(config(one, two))}`, config(one, two)],
        [
          "manifest.json",
          JSON.stringify([
            { Config: `blobs/sha256/${hex(config(one, two))}`, RepoTags: ["app:v1"], Layers: [`blobs/sha256/${hex(gz)}`, "layer2"] }
          ])
        ]
      ])
      const manifest = yield* archive.fetchManifest("app:v1")
      if (manifest._tag !== "ImageManifest") return assert.fail()
      assert.deepStrictEqual(manifest.layers, [
        Descriptor.fromBytes(gz, MediaType.dockerLayerTarGzip),
        Descriptor.fromBytes(zst, MediaType.dockerLayerTarZstd)
      ])
      for (const layer of manifest.layers) yield* readBlob(archive, layer)
    })
  )

  it.scoped("very many images of the same content: what they share is looked at once", () =>
    Effect.gen(function* () {
      const plain = noise(8 * 1024 * 1024, 6)
      const names = Array.from({ length: 10_000 }, (_, at) => `app:v${at}`)
      const listed = names.map((name) => ({ Config: "config.json", RepoTags: [name], Layers: ["layer.tar.gz"] }))
      const file = yield* TarFiles.write(yield* fileIn("many.tar"), [
        ["config.json", config(plain)],
        ["layer.tar.gz", gzipSync(plain, { level: 0 })],
        ["manifest.json", JSON.stringify(listed)]
      ])
      const archive = yield* read(file)
      assert.deepStrictEqual(yield* tags(archive), names.sort())
      const manifest = yield* archive.fetchManifest("app:v9999")
      assert(manifest._tag === "ImageManifest")
      assert.isTrue((yield* readBlob(archive, manifest.config)).equals(Buffer.from(config(plain))))
    })
  )

  it.scoped("a new one is read as a layout, or as docker's when that is asked for", () =>
    Effect.gen(function* () {
      const manifest = manifestOf(image)
      const path = (digest: string) => `blobs/${digest.replace(":", "/")}`
      const entries: ReadonlyArray<TarFiles.Entry> = [
        ...layoutEntries(image),
        [
          "manifest.json",
          JSON.stringify([
            { Config: path(manifest.config.digest), RepoTags: ["app:v1"], Layers: manifest.layers.map((_) => path(_.digest)) }
          ])
        ]
      ]
      yield* checkImage(yield* opened(entries), image)
      const docker = yield* opened(entries, { format: "docker" })
      const seen = yield* docker.fetchManifest("app:v1")
      if (seen._tag !== "ImageManifest") return assert.fail()
      assert.deepStrictEqual(
        seen.layers.map((_) => _.digest),
        manifest.layers.map((_) => _.digest)
      )
      assert.strictEqual(seen.config.digest, manifest.config.digest)
    })
  )

  it.scoped("a new one of several images: by tag, by name, and never by a tag that several have", () =>
    Effect.gen(function* () {
      const entries = newSave([
        ["app:latest", image],
        ["app:v1", image],
        ["web:latest", other]
      ])
      const archive = yield* opened(entries)
      assert.strictEqual(archive.format, "oci")
      assert.deepStrictEqual(yield* tags(archive), ["app:latest", "v1", "web:latest"])
      const names = [
        ["app:latest", image],
        ["docker.io/library/app:latest", image],
        ["v1", image],
        ["app:v1", image],
        ["web:latest", other],
        ["docker.io/library/web:latest", other],
        [other.digest, other]
      ] as const
      for (const [name, { digest }] of names) assert.strictEqual((yield* archive.resolve(name)).digest, digest, name)
      const several = "several images have the tag latest: name one of app:latest, web:latest"
      for (const meant of [archive.resolve("latest"), archive.fetchManifest("latest"), archive.main]) {
        assert.include(yield* failure(meant), several)
      }
      for (const name of ["web:v1", "ghcr.io/library/web:latest", "v2"]) {
        assert.include(yield* failure(archive.resolve(name)), "is not there", name)
      }
      const docker = yield* opened(entries, { format: "docker" })
      assert.deepStrictEqual(yield* tags(docker), ["app:latest", "app:v1", "web:latest"])
      assert.include(yield* failure(docker.resolve("latest")), several)
    })
  )

  it.scoped("a tag that entries of one manifest share stands for it", () =>
    Effect.gen(function* () {
      const archive = yield* opened(
        newSave([
          ["app:latest", image],
          ["web:latest", image]
        ])
      )
      assert.deepStrictEqual(yield* tags(archive), ["latest"])
      for (const name of ["latest", "web:latest"]) assert.strictEqual((yield* archive.resolve(name)).digest, image.digest)
      assert.strictEqual((yield* archive.main).digest, image.digest)
    })
  )

  it.scoped("a layer that is to be had elsewhere", () =>
    Effect.gen(function* () {
      const source = {
        mediaType: MediaType.dockerForeignLayerTarGzip,
        digest: Digest.fromBytes(two),
        size: 9,
        urls: ["https://example.com/layer"]
      }
      const archive = yield* opened([
        ["c.json", config(one)],
        ["manifest.json", JSON.stringify([{ Config: "c.json", Layers: ["gone"], LayerSources: { [Digest.fromBytes(one)]: source } }])]
      ])
      const manifest = yield* archive.fetchManifest((yield* archive.main).digest)
      if (manifest._tag !== "ImageManifest") return assert.fail()
      assert.deepStrictEqual(manifest.layers, [source])
      assert.isFalse(yield* archive.exists(source))
    })
  )

  const single = (image: object, ...entries: ReadonlyArray<TarFiles.Entry>): ReadonlyArray<TarFiles.Entry> => [
    ["c.json", config(one)],
    ["layer", one],
    ...entries,
    ["manifest.json", JSON.stringify([{ Config: "c.json", RepoTags: ["app:v1"], Layers: ["layer"], ...image }])]
  ]
  const broken: ReadonlyArray<readonly [string, ReadonlyArray<TarFiles.Entry>, string]> = [
    ["no manifest.json", [["layer", one]], "it has no manifest.json"],
    ["a manifest.json that is none", [["manifest.json", "{}"]], "manifest.json: expected"],
    ["two of them", [...single({}), ["manifest.json", "[]"]], "several files manifest.json"],
    ["two configurations of a name", single({}, ["c.json", config(two)]), "several files c.json"],
    ["no configuration", single({ Config: "gone" }), 'it has no file "gone"'],
    ["a configuration outside", single({ Config: "../../etc/passwd" }), "it has no file"],
    ["a configuration that is none", single({ Config: "layer" }), "not a valid image config"],
    ["a layer that is missing", single({ Layers: ["gone"] }), 'it has no file "gone"'],
    ["a layer outside", single({ Layers: ["/etc/passwd"] }), "it has no file"],
    ["a layer too many", single({ Layers: ["layer", "layer"] }), "an image has 2 layers, and its configuration names 1"],
    ["a configuration that is too long", single({ Config: "big" }, ["big", Buffer.alloc(17 * 1024 * 1024)]), "LimitExceeded"]
  ]
  for (const [what, entries, expected] of broken) {
    it.scoped(`${what}: refused`, () =>
      Effect.gen(function* () {
        assert.include(yield* failure(opened(entries, { format: "docker" })), expected)
      })
    )
  }

  it.scoped("a layer that is not what the configuration says is found out", () =>
    Effect.gen(function* () {
      const archive = yield* opened(single({ Layers: ["changed"] }, ["changed", one.map((byte) => byte ^ 1)]))
      const manifest = yield* archive.fetchManifest("app:v1")
      if (manifest._tag !== "ImageManifest") return assert.fail()
      const [layer] = manifest.layers
      assert.include(layer === undefined ? "" : yield* failure(readBlob(archive, layer)), "DigestMismatch")
    })
  )
})

describe("writing a docker-archive", () => {
  const docker = { format: "docker" } as const

  it.scoped("layers are unpacked, the configuration keeps its digest, manifest.json comes last", () =>
    Effect.gen(function* () {
      const file = yield* written(image, docker, "app:v1")
      const manifest = manifestOf(image)
      const files = yield* TarFiles.read(yield* promise(() => readFile(file)))
      const expected = [...layers.map((_) => `${hex(_)}.tar`), `${Digest.encoded(manifest.config.digest)}.json`, "manifest.json"]
      assert.deepStrictEqual(files.map(([name]) => name).sort(), expected.sort())
      assert.strictEqual(files.at(-1)?.[0], "manifest.json")
      const content = new Map(files)
      for (const layer of layers) assert.isTrue(content.get(`${hex(layer)}.tar`)?.equals(layer))
      assert.deepStrictEqual(JSON.parse(String(content.get("manifest.json"))), [
        { Config: `${Digest.encoded(manifest.config.digest)}.json`, RepoTags: ["app:v1"], Layers: layers.map((_) => `${hex(_)}.tar`) }
      ])
    })
  )

  it.scoped("what is written is read, and written again to the same images", () =>
    Effect.gen(function* () {
      const first = yield* read(yield* written(image, docker, "app:v1"))
      const manifest = yield* first.fetchManifest("app:v1")
      if (manifest._tag !== "ImageManifest") return assert.fail()
      assert.strictEqual(manifest.config.digest, manifestOf(image).config.digest)
      const file = yield* fileIn("again.tar")
      const again = yield* write(file, docker)
      for (const descriptor of Manifest.successors(manifest)) yield* again.pushBlob(descriptor, first.fetchBlob(descriptor))
      yield* again.pushManifest(manifest, { tags: ["app:v1"] })
      yield* again.commit
      assert.deepStrictEqual(yield* (yield* read(file)).resolve("app:v1"), manifest.descriptor)
    })
  )

  it.scoped("zstd, and a layer that comes in two compressions, which is there once", () =>
    Effect.gen(function* () {
      const content = noise(300_000, 9)
      const packed = [
        blob(gzipSync(content), MediaType.ociLayerTarGzip),
        blob(zstdFrame(content), MediaType.ociLayerTarZstd),
        blob(content, MediaType.ociLayerTar)
      ]
      const made = blob(config(content, content, content), MediaType.ociImageConfig)
      const file = yield* fileIn("app.tar")
      const archive = yield* write(file, docker)
      for (const { bytes, descriptor } of [...packed, made]) {
        assert.strictEqual(yield* archive.pushBlob(descriptor, bytes), "stored")
        assert.isTrue(yield* archive.exists(descriptor))
        assert.strictEqual(yield* archive.pushBlob(descriptor, Stream.die("not to be read")), "existed")
      }
      yield* archive.pushManifest(Manifest.imageManifest({ config: made.descriptor, layers: packed.map((_) => _.descriptor) }), {
        tags: ["app:v1"]
      })
      yield* archive.commit
      const files = yield* TarFiles.read(yield* promise(() => readFile(file)))
      assert.lengthOf(files, 3)
      assert.isTrue(files[0]?.[1].equals(content))
    })
  )

  it.scoped("names: whole ones, tags of a repository, and those that move", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("app.tar")
      const repository = Either.getOrThrow(Reference.parseRepository("ghcr.io/acme/app"))
      const archive = yield* write(file, { ...docker, repository })
      const first = yield* push(archive, image, ["v1", "docker.io/library/app:latest"])
      assertSome(yield* archive.current("v1"), first.descriptor)
      assertSome(yield* archive.current("app:latest"), first.descriptor)
      assertNone(yield* archive.current("v2"))
      const second = yield* push(archive, other, ["v1"])
      assertSome(yield* archive.current("v1"), second.descriptor)
      yield* archive.tag(first.descriptor, "v3")
      assert.include(yield* failure(archive.tag(first.config, "v4")), "StoreError")
      yield* archive.commit
      const reading = yield* read(file)
      assert.deepStrictEqual(yield* tags(reading), ["app:latest", "ghcr.io/acme/app:v1", "ghcr.io/acme/app:v3"])
      assert.notStrictEqual((yield* reading.resolve("v1")).digest, (yield* reading.resolve("v3")).digest)
    })
  )

  it.scoped("many writers at once: every name is there, and each configuration once", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("app.tar")
      const archive = yield* write(file, docker)
      const manifest = manifestOf(image)
      for (const descriptor of Manifest.successors(manifest)) yield* archive.pushBlob(descriptor, blobOf(image, descriptor))
      const twin = Manifest.imageManifest({ config: manifest.config, layers: manifest.layers, annotations: { of: "the same image" } })
      const names = Array.from({ length: 20 }, (_, at) => `app:${at}`).sort()
      const entries = names.map((name, at) => [name, at % 2 === 0 ? manifest : twin] as const)
      yield* Effect.forEach(entries, ([name, pushed]) => archive.pushManifest(pushed, { tags: [name] }), { concurrency: "unbounded" })
      yield* archive.commit
      assert.deepStrictEqual(yield* tags(yield* read(file)), names)
      assert.lengthOf(yield* TarFiles.read(yield* promise(() => readFile(file))), 4)
    })
  )

  it.scoped("what waits for its image is bounded; images that are there take no room", () =>
    Effect.gen(function* () {
      const file = yield* fileIn("app.tar")
      const archive = yield* write(file, docker)
      const large = (seed: number) => blob(new Uint8Array(16 * 1024 * 1024).fill(seed), "application/vnd.example.part")
      for (const seed of [1, 2, 3]) yield* archive.pushBlob(large(seed).descriptor, large(seed).bytes)
      // Neither twice nor after a failure.
      yield* archive.pushBlob(large(3).descriptor, large(3).bytes, { checkExists: false })
      assert.include(yield* failure(archive.pushBlob(large(4).descriptor, large(5).bytes)), "DigestMismatch")
      for (const seed of [1, 2, 3, 4, 5]) {
        const padded = new Uint8Array(8 * 1024 * 1024).fill(0x20)
        padded.set(config(one), seed)
        const made = blob(padded, MediaType.ociImageConfig)
        const layer = blob(one, MediaType.ociLayerTar)
        for (const { bytes, descriptor } of [made, layer]) yield* archive.pushBlob(descriptor, bytes)
        yield* archive.pushManifest(Manifest.imageManifest({ config: made.descriptor, layers: [layer.descriptor] }), {
          tags: [`app:${seed}`]
        })
        assert.isTrue(yield* archive.exists(made.descriptor))
      }
      yield* archive.pushBlob(large(4).descriptor, large(4).bytes)
      const message = yield* failure(archive.pushBlob(large(5).descriptor, large(5).bytes))
      assert.include(message, "LimitExceeded: what waits for its image in the docker archive")
      yield* archive.commit
      assert.lengthOf(yield* tags(yield* read(file)), 5)
    })
  )

  it.scoped("a tag without repository is no name", () =>
    Effect.gen(function* () {
      const archive = yield* write(yield* fileIn("app.tar"), docker)
      const { descriptor } = yield* push(archive, image)
      for (const tag of ["v1", "", "a b:c", "app@sha256:abc", `app:v1@${descriptor.digest}`]) {
        assert.include(yield* failure(archive.tag(descriptor, tag)), "InvalidReference", tag)
      }
    })
  )

  it.scoped("what it has no room for is refused", () =>
    Effect.gen(function* () {
      const archive = yield* write(yield* fileIn("app.tar"), { ...docker, unpackedLimitBytes: 1_000_000 })
      const manifest = yield* push(archive, image, ["app:v1"])
      assert.include(yield* failure(archive.pushManifest(Manifest.imageIndex({ manifests: [manifest.descriptor] }))), "UnsupportedManifest")
      assert.include(yield* failure(archive.pushManifest(manifestOf(other))), "UnsupportedManifest")
      assert.include(yield* failure(archive.pushManifest(Manifest.artifact({ artifactType: "application/x.y" }))), "UnsupportedManifest")
      const big = blob(new Uint8Array(17 * 1024 * 1024))
      assert.include(yield* failure(archive.pushBlob(big.descriptor, big.bytes)), "StoreError")
      const bomb = blob(gzipSync(Buffer.alloc(2_000_000)), MediaType.ociLayerTarGzip)
      assert.include(yield* failure(archive.pushBlob(bomb.descriptor, bomb.bytes)), "LimitExceeded")
      const cut = blob(gzipSync(noise(10_000, 1)).subarray(0, 5000), MediaType.ociLayerTarGzip)
      assert.include(yield* failure(archive.pushBlob(cut.descriptor, cut.bytes)), "MalformedContent")
      const wrong = blob(encode("right"), MediaType.ociLayerTar)
      assert.include(yield* failure(archive.pushBlob(wrong.descriptor, Stream.make(encode("wrong")))), "DigestMismatch")
      assert.isFalse(yield* archive.exists(wrong.descriptor))
      const lying = blob(config(two), MediaType.ociImageConfig)
      yield* archive.pushBlob(lying.descriptor, lying.bytes)
      assert.include(
        yield* failure(archive.pushManifest(Manifest.imageManifest({ config: lying.descriptor, layers: manifest.layers }))),
        "its diff_ids are not those of the layers"
      )
      yield* archive.commit
    })
  )
})

describe.skipIf(!Program.available(Skopeo.program))("with skopeo", () => {
  /** Docker archives have no digests to be preserved, and so need a copy of their own kind. */
  const convert = (from: string, to: string) =>
    Effect.flatMap(Folder.temporary("skopeo"), (tmp) =>
      Program.run(Skopeo.program, ["--insecure-policy", "--tmpdir", tmp, "copy", from, to])
    )

  const tarLayers = Effect.map(
    Effect.all([TarFiles.bytes([["etc/one", "1"]]), TarFiles.bytes([["etc/two", noise(50_000, 4)]])]),
    (contents) => ({ contents, image: DirImage.fromLayers(contents) })
  )

  it.scopedLive("it reads the oci-archive we write, and we read the one it writes", () =>
    Effect.gen(function* () {
      const file = yield* written(image, { format: "oci" }, "v1")
      assert.strictEqual(yield* Skopeo.rawManifest(`oci-archive:${file}:v1`), Buffer.from(image.manifest).toString())
      const copied = yield* Folder.temporary("copied")
      yield* Skopeo.copy(`oci-archive:${file}:v1`, `dir:${copied}`)
      assert.strictEqual((yield* DirImage.read(copied)).digest, image.digest)
      const theirs = yield* fileIn("theirs.tar")
      yield* Skopeo.copy(`dir:${copied}`, `oci-archive:${theirs}:v1`)
      yield* checkImage(yield* read(theirs), image)
    })
  )

  it.scopedLive("it reads the docker-archive we write", () =>
    Effect.gen(function* () {
      const { contents, image } = yield* tarLayers
      const file = yield* written(image, { format: "docker" }, "example.com/acme/app:v1")
      const copied = yield* Folder.temporary("copied")
      yield* convert(`docker-archive:${file}:example.com/acme/app:v1`, `dir:${copied}`)
      const seen = manifestOf(yield* DirImage.read(copied))
      assert.strictEqual(seen.config.digest, manifestOf(image).config.digest)
      assert.deepStrictEqual(
        seen.layers.map((_) => _.digest),
        contents.map((_) => Digest.fromBytes(_))
      )
    })
  )

  it.scopedLive("we read the docker-archive it writes", () =>
    Effect.gen(function* () {
      const { contents, image } = yield* tarLayers
      const [from, file] = [yield* Folder.temporary("from"), yield* fileIn("theirs.tar")]
      yield* DirImage.write(from, image)
      yield* convert(`dir:${from}`, `docker-archive:${file}:example.com/acme/app:v1`)
      const archive = yield* read(file)
      assert.strictEqual(archive.format, "docker")
      assert.deepStrictEqual(yield* tags(archive), ["example.com/acme/app:v1"])
      const manifest = yield* archive.fetchManifest("example.com/acme/app:v1")
      if (manifest._tag !== "ImageManifest") return assert.fail()
      assert.deepStrictEqual(
        manifest.layers.map((_) => _.digest),
        contents.map((_) => Digest.fromBytes(_))
      )
      for (const [at, layer] of manifest.layers.entries()) {
        assert.isTrue((yield* readBlob(archive, layer)).equals(contents[at] ?? Buffer.of()))
      }
      const { diff_ids: diffIds } = JSON.parse(String(yield* readBlob(archive, manifest.config))).rootfs
      assert.deepStrictEqual(
        diffIds,
        contents.map((_) => Digest.fromBytes(_))
      )
    })
  )
})
