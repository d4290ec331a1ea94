import { mkdir, readdir, readFile, realpath, rm, symlink, truncate, unlink, utimes, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import * as NodePath from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, it } from "@effect/vitest"
import { assertNone } from "@effect/vitest/utils"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as MemoryStore from "../../src/content/MemoryStore.ts"
import * as OciLayout from "../../src/content/OciLayout.ts"
import * as Copy from "../../src/copy/Copy.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as DirImage from "../support/DirImage.ts"
import { turn } from "../support/Eventually.ts"
import * as Folder from "../support/Folder.ts"
import * as Program from "../support/Program.ts"
import * as Skopeo from "../support/Skopeo.ts"
import { storeLaws } from "./placeLaws.ts"
import { blob, blobOf, encode, manifestOf, noise, push, readBlob } from "./sampleImages.ts"

const open = (folder: string, options?: OciLayout.Options) => Effect.provide(OciLayout.open(folder, options), NodeContext.layer)
const create = (folder: string, options?: OciLayout.Options) => Effect.provide(OciLayout.create(folder, options), NodeContext.layer)

/** A layout that is there, over files of which some things go another way. */
const openOver = (folder: string, other: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>, options?: OciLayout.Options) =>
  FileSystem.FileSystem.pipe(
    Effect.flatMap((fs) => Effect.provideService(OciLayout.open(folder, options), FileSystem.FileSystem, { ...fs, ...other(fs) })),
    Effect.provide(NodeContext.layer)
  )

const promise = <A>(run: () => Promise<A>) => Effect.promise(run)

const fresh = Effect.gen(function* () {
  const folder = NodePath.join(yield* Folder.temporary("layout"), "images", "here")
  return { folder, layout: yield* create(folder) }
})

const image = DirImage.fromLayers([noise(1000, 1), noise(2000, 2)])
const other = DirImage.fromLayers([noise(1000, 1), noise(3000, 3)])

const fileOf = (folder: string, digest: string) => NodePath.join(folder, "blobs", ...digest.split(":"))

const failure = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.either(effect), (_) => (Either.isLeft(_) ? `${Object(_.left)._tag}: ${Object(_.left).message}` : "success"))

const tags = (layout: OciLayout.OciLayout) => Effect.map(Stream.runCollect(layout.tags), Chunk.toReadonlyArray)

const indexOf = (folder: string) =>
  Effect.map(
    promise(() => readFile(NodePath.join(folder, "index.json"), "utf8")),
    (_) => JSON.parse(_)
  )

storeLaws(
  "layout",
  Effect.map(fresh, (_) => _.layout)
)

describe("the files of a layout", () => {
  it.scoped("are those of the specification, and no others", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const manifest = yield* push(layout, image, ["v1"])
      yield* Effect.either(layout.pushBlob(blob(noise(10, 1)).descriptor, noise(10, 2)))
      const names = yield* promise(() => readdir(folder, { recursive: true }))
      const expected = [manifest.digest, ...Manifest.successors(manifest).map((_) => _.digest)].map(
        (_) => `blobs/sha256/${Digest.encoded(_)}`
      )
      assert.deepStrictEqual(names.sort(), ["blobs", "blobs/sha256", "index.json", "oci-layout", ...expected].sort())
      assert.strictEqual(yield* promise(() => readFile(NodePath.join(folder, "oci-layout"), "utf8")), '{"imageLayoutVersion":"1.0.0"}')
      assert.deepStrictEqual(yield* indexOf(folder), {
        schemaVersion: 2,
        mediaType: MediaType.ociImageIndex,
        manifests: [{ ...manifest.descriptor, annotations: { "org.opencontainers.image.ref.name": "v1" } }]
      })
    })
  )

  it.scoped("what an index says that we do not know is kept, as are annotations; ref.name stays in index.json", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const { descriptor } = yield* push(layout, image)
      const entry = { ...descriptor, "org.example.member": [1], annotations: { note: "here" } }
      yield* promise(() =>
        writeFile(NodePath.join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry], extra: { a: null } }))
      )
      yield* layout.tag(descriptor, "v1")
      yield* layout.tag({ ...descriptor, annotations: { other: "place" } }, "v2")
      const named = (tag: string) => ({ ...entry, annotations: { note: "here", "org.opencontainers.image.ref.name": tag } })
      assert.deepStrictEqual(yield* indexOf(folder), { schemaVersion: 2, manifests: [named("v1"), named("v2")], extra: { a: null } })
      assert.deepStrictEqual((yield* layout.resolve("v1")).annotations, { note: "here" })
    })
  )

  it.scoped("what nobody tagged is an entry of its own, until an index has it", () =>
    Effect.gen(function* () {
      const { layout } = yield* fresh
      const children = [yield* push(layout, image), yield* push(layout, other)].map((_) => _.descriptor)
      assert.deepStrictEqual(yield* layout.roots, children)
      const index = Manifest.imageIndex({ manifests: children })
      yield* layout.pushManifest(index)
      assert.deepStrictEqual(yield* layout.roots, [index.descriptor])
      assert.deepStrictEqual(yield* layout.main, index.descriptor)
    })
  )

  it.scoped("the main image: the only one, or the latest", () =>
    Effect.gen(function* () {
      const { layout } = yield* fresh
      assert.include(yield* failure(layout.main), "StoreError")
      const first = yield* push(layout, image, ["a", "b"])
      assert.deepStrictEqual(yield* layout.main, first.descriptor)
      const second = yield* push(layout, other, ["c"])
      assert.include(yield* failure(layout.main), "a, b, c")
      yield* layout.tag(second.descriptor, "latest")
      assert.deepStrictEqual(yield* layout.main, second.descriptor)
    })
  )

  it.scoped("a tag that another tool gave to several images stands for none, until it is given to one", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const [first, second] = [yield* push(layout, image, ["v1"]), yield* push(layout, other, ["v2"])]
      const share = (tag: string) =>
        Effect.flatMap(indexOf(folder), (index) => {
          const annotations = { "org.opencontainers.image.ref.name": tag }
          const manifests = index.manifests.map((entry: object) => ({ ...entry, annotations }))
          return promise(() => writeFile(NodePath.join(folder, "index.json"), JSON.stringify({ ...index, manifests })))
        })
      yield* share("latest")
      assert.deepStrictEqual(yield* tags(layout), ["latest"])
      for (const meant of [layout.resolve("latest"), layout.main]) {
        assert.include(yield* failure(meant), "several images have the tag latest: name one of them by digest")
      }
      assertNone(yield* layout.current("latest"))
      for (const { descriptor, digest } of [first, second]) assert.deepStrictEqual(yield* layout.resolve(digest), descriptor)
      yield* layout.tag(second.descriptor, "latest")
      assert.deepStrictEqual(yield* layout.main, second.descriptor)
      yield* push(layout, image, ["v1"])
      yield* share("latest")
      yield* layout.untag("latest")
      assert.deepStrictEqual(
        (yield* layout.roots).map(({ digest }) => digest),
        [second.digest, first.digest]
      )
    })
  )

  it.scoped("the main image is not what refers to it, unless that has a tag", () =>
    Effect.gen(function* () {
      const { layout } = yield* fresh
      const first = yield* push(layout, image)
      yield* layout.pushBlob(Descriptor.empty, Descriptor.emptyBytes())
      const mark = Manifest.artifact({ artifactType: "application/vnd.example.mark", subject: first.descriptor })
      yield* layout.pushManifest(mark)
      assert.deepStrictEqual(yield* layout.main, first.descriptor)
      yield* layout.tag(mark.descriptor, "mark")
      assert.include(yield* failure(layout.main), "name one of mark")
      yield* layout.untag("mark")
      yield* push(layout, other)
      assert.include(yield* failure(layout.main), "StoreError")
    })
  )

  it.scoped("full names may be tags, as other tools write them", () =>
    Effect.gen(function* () {
      const { layout } = yield* fresh
      // The last two have the form of a digest.
      const names = ["docker.io/library/alpine:3.20", "alpine:3.20", "app:v1"]
      const { descriptor } = yield* push(layout, image, names)
      for (const name of names) assert.deepStrictEqual(yield* layout.resolve(name), descriptor)
    })
  )

  it.scoped("a tag that is somebody's digest does not stand for it", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const { descriptor } = yield* push(layout, image)
      const asked = manifestOf(other).digest
      const entry = { ...descriptor, annotations: { "org.opencontainers.image.ref.name": asked } }
      yield* promise(() => writeFile(NodePath.join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] })))
      assert.include(yield* failure(layout.resolve(asked)), "StoreError")
    })
  )

  it.scoped("what is not there is missing, what cannot be read is not", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const manifest = yield* push(layout, image, ["v1"])
      assert.propertyVal(yield* Effect.flip(layout.resolve("v2")), "missing", true)
      yield* promise(() => rm(NodePath.join(folder, "index.json")).then(() => mkdir(NodePath.join(folder, "index.json"))))
      const broken = yield* Effect.flip(layout.resolve("v1"))
      assert.deepInclude(broken, { _tag: "StoreError", missing: false })
      assert.isTrue(yield* layout.exists(manifest.config))
    })
  )
})

describe("opening", () => {
  const written = (files: Readonly<Record<string, string>>) =>
    Effect.tap(Folder.temporary("layout"), (folder) =>
      Effect.forEach(Object.entries(files), ([name, content]) => promise(() => writeFile(NodePath.join(folder, name), content)))
    )

  it.scoped("a folder that is none, or has no oci-layout, or another version", () =>
    Effect.gen(function* () {
      const folder = yield* Folder.temporary("layout")
      assert.include(yield* failure(open(NodePath.join(folder, "nowhere"))), "StoreError: open oci:")
      assert.propertyVal(yield* Effect.flip(open(NodePath.join(folder, "nowhere"))), "missing", true)
      assert.include(yield* failure(open(folder)), "MalformedContent: not a valid image layout")
      for (const header of ['{"imageLayoutVersion":"2.0.0"}', "{}", "[]", "text", "null"]) {
        const broken = yield* written({ "oci-layout": header, "index.json": '{"schemaVersion":2,"manifests":[]}' })
        assert.include(yield* failure(open(broken)), "MalformedContent: not a valid oci-layout", header)
        assert.include(yield* failure(create(broken)), "MalformedContent: not a valid oci-layout", header)
      }
    })
  )

  it.scoped("an index.json that is missing or broken fails what needs it", () =>
    Effect.gen(function* () {
      const header = '{"imageLayoutVersion":"1.0.0"}'
      const layout = yield* open(yield* written({ "oci-layout": header }))
      assert.include(yield* failure(layout.resolve("v1")), "there is no index.json")
      assert.isFalse(yield* layout.exists(manifestOf(image).descriptor))
      for (const index of [
        "",
        "[]",
        '{"manifests":[{}]}',
        '{"schemaVersion":1,"manifests":[]}',
        '{"manifests":[{"mediaType":"x","digest":"../x","size":1}]}'
      ]) {
        const broken = yield* open(yield* written({ "oci-layout": header, "index.json": index }))
        assert.include(yield* failure(broken.resolve("v1")), "MalformedContent: not a valid index.json", index)
      }
      const go = yield* open(yield* written({ "oci-layout": header, "index.json": '{"schemaVersion":2,"manifests":null}' }))
      assert.deepStrictEqual(yield* go.roots, [])
    })
  )

  it.scoped("a layout that is there is not made anew", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const { descriptor } = yield* push(layout, image, ["v1"])
      assert.deepStrictEqual(yield* (yield* create(folder)).resolve("v1"), descriptor)
      assert.deepStrictEqual(yield* (yield* open(folder)).resolve("v1"), descriptor)
    })
  )
})

describe("damage", () => {
  it.scoped("a truncated blob does not exist, is reported when read, and is replaced by a push", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const manifest = yield* push(layout, image, ["v1"])
      const { config } = manifest
      yield* promise(() => truncate(fileOf(folder, config.digest), 10))
      assert.isFalse(yield* layout.exists(config))
      assert.include(yield* failure(readBlob(layout, config)), "SizeMismatch")
      assert.strictEqual(yield* layout.pushBlob(config, blobOf(image, config)), "stored")
      assert.isTrue((yield* readBlob(layout, config)).equals(blobOf(image, config)))
    })
  )

  it.scoped("changed bytes are found out", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const manifest = yield* push(layout, image, ["v1"])
      for (const { digest, size } of [manifest.config, manifest.descriptor]) {
        yield* promise(() => writeFile(fileOf(folder, digest), noise(size, 9)))
      }
      assert.include(yield* failure(readBlob(layout, manifest.config)), "DigestMismatch")
      assert.include(yield* failure(layout.fetchManifest("v1")), "DigestMismatch")
    })
  )

  it.scoped("a huge manifest is not read", () =>
    Effect.gen(function* () {
      const { layout } = yield* fresh
      const { bytes, descriptor } = blob(new Uint8Array(5 * 1024 * 1024), MediaType.ociImageManifest)
      yield* layout.pushBlob(descriptor, bytes)
      assert.include(yield* failure(layout.fetchManifest(descriptor)), "LimitExceeded")
    })
  )

  it.scoped("a digest that is none reaches no file", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      yield* promise(() => writeFile(NodePath.join(folder, "secret"), "secret"))
      // As a caller without types could.
      const descriptor: Descriptor.Descriptor = Object.assign(JSON.parse("{}"), { mediaType: "x", digest: "..:../secret", size: 6 })
      assert.include(yield* failure(readBlob(layout, descriptor)), "InvalidDigest")
      assert.include(yield* failure(layout.exists(descriptor)), "InvalidDigest")
      assert.include(yield* failure(layout.delete(descriptor)), "InvalidDigest")
    })
  )
})

describe("links", () => {
  const outside = Effect.gen(function* () {
    const folder = yield* Folder.temporary("outside")
    const { folder: inside, layout } = yield* fresh
    return { folder, inside, layout }
  })

  it.scoped("a blob that is a link to a file outside is not read, unless that is asked for", () =>
    Effect.gen(function* () {
      const { folder, inside, layout } = yield* outside
      const { bytes, descriptor } = blob(encode("outside"))
      yield* push(layout, image, ["v1"])
      yield* promise(() => writeFile(NodePath.join(folder, "file"), bytes))
      yield* promise(() => symlink(NodePath.join(folder, "file"), fileOf(inside, descriptor.digest)))
      assert.include(yield* failure(layout.exists(descriptor)), "leads out of the folder")
      assert.include(yield* failure(readBlob(layout, descriptor)), "leads out of the folder")
      const following = yield* open(inside, { followLinks: true })
      assert.isTrue((yield* readBlob(following, descriptor)).equals(bytes))
    })
  )

  it.scoped("nothing is written through a link to a folder outside", () =>
    Effect.gen(function* () {
      const { folder, inside, layout } = yield* outside
      const { bytes, descriptor } = blob(encode("outside"))
      for (const link of ["blobs", "blobs/sha256"]) {
        yield* promise(() => rm(NodePath.join(inside, "blobs"), { recursive: true, force: true }))
        if (link !== "blobs") yield* promise(() => mkdir(NodePath.join(inside, "blobs")))
        yield* promise(() => symlink(folder, NodePath.join(inside, link)))
        assert.include(yield* failure(layout.pushBlob(descriptor, bytes, { checkExists: false })), "leads out of the folder")
        assert.deepStrictEqual(yield* promise(() => readdir(folder)), [])
        const file = NodePath.join(folder, ...(link === "blobs" ? ["sha256"] : []), Digest.encoded(descriptor.digest))
        yield* promise(() => mkdir(NodePath.dirname(file), { recursive: true }))
        yield* promise(() => writeFile(file, bytes))
        assert.include(yield* failure(layout.delete(descriptor)), "leads out of the folder")
        assert.isTrue((yield* promise(() => readFile(file))).equals(bytes))
        yield* promise(() => rm(folder, { recursive: true }))
        yield* promise(() => mkdir(folder))
        yield* promise(() => unlink(NodePath.join(inside, link)))
      }
    })
  )

  it.scoped("the blobs may be on another disk, to which no file is renamed", () =>
    Effect.gen(function* () {
      const { folder, inside } = yield* outside
      yield* promise(() => symlink(folder, NodePath.join(inside, "blobs")))
      const disk = (path: string) => Effect.promise(() => realpath(NodePath.dirname(path)).then((_) => _.startsWith(folder)))
      const crossing = (path: string) =>
        new SystemError({ module: "FileSystem", method: "rename", reason: "Unknown", pathOrDescriptor: path, description: "EXDEV" })
      const layout = yield* openOver(
        inside,
        (fs) => ({
          rename: (from, to) =>
            Effect.zipWith(disk(from), disk(to), (one, another) => one === another).pipe(
              Effect.flatMap((same) => (same ? fs.rename(from, to) : crossing(to)))
            )
        }),
        { followLinks: true }
      )
      const { config } = yield* push(layout, image, ["v1"])
      assert.isTrue((yield* readBlob(layout, config)).equals(blobOf(image, config)))
    })
  )

  it.scoped("an index.json that is a link outside is not read", () =>
    Effect.gen(function* () {
      const { folder, inside, layout } = yield* outside
      yield* promise(() => writeFile(NodePath.join(folder, "index.json"), '{"schemaVersion":2,"manifests":[]}'))
      yield* promise(() => unlink(NodePath.join(inside, "index.json")))
      yield* promise(() => symlink(NodePath.join(folder, "index.json"), NodePath.join(inside, "index.json")))
      assert.include(yield* failure(layout.resolve("v1")), "leads out of the folder")
    })
  )

  it.scoped("the folder itself may be reached through one", () =>
    Effect.gen(function* () {
      const { folder, inside, layout } = yield* outside
      const { descriptor } = yield* push(layout, image, ["v1"])
      yield* promise(() => symlink(inside, NodePath.join(folder, "link")))
      assert.deepStrictEqual(yield* (yield* open(NodePath.join(folder, "link"))).resolve("v1"), descriptor)
    })
  )
})

describe("writers at the same time", () => {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href
  const program = fileURLToPath(new URL("addEntries.ts", import.meta.url))
  const addElsewhere = (folder: string, name: string, count: number) =>
    Program.run(process.execPath, ["--import", tsx, "-C", "effect-oci/source", program, folder, name, String(count)])

  it.scopedLive(
    "several processes, from the making of the layout on: none of their entries is lost",
    () =>
      Effect.gen(function* () {
        const folder = NodePath.join(yield* Folder.temporary("layout"), "shared")
        const names = ["a", "b", "c"]
        yield* Effect.forEach(names, (name) => addElsewhere(folder, name, 12), { concurrency: "unbounded" })
        const layout = yield* open(folder)
        assert.deepStrictEqual(yield* tags(layout), names.flatMap((name) => Array.from({ length: 12 }, (_, at) => `${name}-${at}`)).sort())
        assert.deepStrictEqual((yield* promise(() => readdir(folder))).sort(), ["blobs", "index.json", "oci-layout"])
        for (const tag of ["a-0", "c-11"]) {
          const manifest = manifestOf(DirImage.fromLayers([encode(tag), encode("the same in all of them")]))
          assert.strictEqual((yield* layout.fetchManifest(tag)).digest, manifest.digest)
          for (const descriptor of Manifest.successors(manifest)) yield* readBlob(layout, descriptor)
        }
      }),
    // Three processes start.
    120_000
  )

  it.scoped("several layouts over one folder in one process", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const { descriptor } = yield* push(layout, image)
      const layouts = yield* Effect.all([open(folder), open(folder), open(folder)])
      const names = Array.from({ length: 30 }, (_, at) => `tag-${at}`)
      const tagging = yield* Effect.fork(
        Effect.forEach(names, (tag, at) => (layouts[at % 3] ?? layout).tag(descriptor, tag), { concurrency: "unbounded" })
      )
      yield* passing(tagging, "10 millis")
      assert.deepStrictEqual(yield* tags(layout), names.sort())
    })
  )

  const lockOf = (folder: string) => NodePath.join(folder, ".index.json.lock")

  it.scoped("a lock that was left behind is taken over once it shows no sign of life", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const { descriptor } = yield* push(layout, image)
      yield* promise(() => writeFile(lockOf(folder), "somebody who is gone"))
      const others = yield* Effect.all([open(folder), open(folder)])
      const tagging = yield* Effect.fork(
        Effect.forEach([layout, ...others], (_, at) => _.tag(descriptor, `v${at}`), { concurrency: "unbounded" })
      )
      const waited = yield* passing(tagging, "500 millis")
      assert.isAtLeast(Duration.toSeconds(waited), 10)
      assert.deepStrictEqual(yield* tags(layout), ["v0", "v1", "v2"])
      assert.notInclude(yield* promise(() => readdir(folder)), ".index.json.lock")
    })
  )

  it.scoped("a lock that shows signs of life is waited for, and that ends", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const { descriptor } = yield* push(layout, image)
      yield* promise(() => writeFile(lockOf(folder), "somebody who works"))
      const tagging = yield* Effect.fork(Effect.either(layout.tag(descriptor, "v1")))
      let beats = 0
      const alive = promise(() => utimes(lockOf(folder), ++beats, beats))
      const waited = yield* passing(tagging, "1 seconds", alive)
      assert.isAtLeast(Duration.toSeconds(waited), 60)
      assert.isTrue(Either.isLeft(yield* Fiber.join(tagging)))
      assert.strictEqual(yield* promise(() => readFile(lockOf(folder), "utf8")), "somebody who works")
      yield* promise(() => unlink(lockOf(folder)))
      yield* layout.tag(descriptor, "v1")
    })
  )

  it.scoped("those who wait at the same time are served in one writing", () =>
    Effect.gen(function* () {
      const { folder, layout: other } = yield* fresh
      const { descriptor } = yield* push(other, image)
      let writings = 0
      const layout = yield* openOver(folder, (fs) => ({
        rename: (from, to) => {
          if (NodePath.basename(to) === "index.json") writings++
          return fs.rename(from, to)
        }
      }))
      const names = Array.from({ length: 30 }, (_, at) => `tag-${at}`)
      yield* Effect.forEach(names, (tag) => layout.tag(descriptor, tag), { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* tags(layout), names.sort())
      assert.isAtMost(writings, 5)
    })
  )

  it.scoped("who is interrupted while he waits with others changes nothing, and what fails fails for all", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const { descriptor } = yield* push(layout, image)
      yield* promise(() => writeFile(lockOf(folder), "somebody who works"))
      const tagging = yield* Effect.forEach(["v1", "v2", "v3"], (tag) => Effect.fork(Effect.either(layout.tag(descriptor, tag))))
      const [first, second, third] = tagging
      if (!first || !second || !third) return assert.fail()
      // Each has looked for the manifest and waits now.
      yield* Effect.repeatN(turn, 50)
      yield* Fiber.interrupt(first)
      yield* Fiber.interrupt(third)
      yield* promise(() => unlink(lockOf(folder)))
      yield* passing(second, "10 millis")
      assert.deepStrictEqual(yield* tags(layout), ["v2"])

      const index = yield* promise(() => readFile(NodePath.join(folder, "index.json")))
      yield* promise(() => writeFile(NodePath.join(folder, "index.json"), "broken"))
      const broken = yield* Effect.forEach(["v4", "v5"], (tag) => failure(layout.tag(descriptor, tag)), { concurrency: "unbounded" })
      for (const said of broken) assert.include(said, "not a valid index.json")
      yield* promise(() => writeFile(NodePath.join(folder, "index.json"), index))
      yield* layout.tag(descriptor, "v6")
      assert.deepStrictEqual(yield* tags(layout), ["v2", "v6"])
    })
  )

  it.scoped("whoever waits for a lock can be interrupted, and leaves nothing", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const { descriptor } = yield* push(layout, image)
      yield* promise(() => writeFile(lockOf(folder), "somebody who works"))
      const tagging = yield* Effect.fork(layout.tag(descriptor, "v1"))
      yield* turn
      yield* Fiber.interrupt(tagging)
      assert.strictEqual(yield* promise(() => readFile(lockOf(folder), "utf8")), "somebody who works")
    })
  )
})

/** Lets time pass in steps, with the disk doing its work between them, until the fiber is done; how much it was. */
const passing = <A, E>(fiber: Fiber.RuntimeFiber<A, E>, step: Duration.DurationInput, between: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function* () {
    let waited = Duration.zero
    while ((yield* Fiber.poll(fiber))._tag === "None") {
      yield* between
      for (let turns = 0; turns < 20; turns++) yield* turn
      yield* TestClock.adjust(step)
      waited = Duration.sum(waited, step)
    }
    return waited
  })

describe("garbage", () => {
  const everything = { minAge: 0 } as const

  const blobs = (folder: string) =>
    Effect.map(
      promise(() => readdir(NodePath.join(folder, "blobs", "sha256"))),
      (names) => names.map((_) => `sha256:${_}`).sort()
    )

  const digests = (...manifests: ReadonlyArray<Manifest.Manifest>) =>
    [...new Set(manifests.flatMap((manifest) => [manifest.digest, ...Manifest.successors(manifest).map((_) => _.digest)]))].sort()

  it.scoped("what no entry leads to goes, the rest stays", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const first = yield* push(layout, image, ["v1"])
      const second = yield* push(layout, other, ["v1"])
      const stray = blob(noise(100, 4))
      yield* layout.pushBlob(stray.descriptor, stray.bytes)
      for (const parts of [[], ["blobs", "sha256"]]) {
        yield* promise(() => writeFile(NodePath.join(folder, ...parts, `.${globalThis.crypto.randomUUID()}.part`), "half"))
      }
      yield* promise(() => writeFile(NodePath.join(folder, "blobs", "sha256", "README"), "not a blob"))
      const kept = digests(second)
      const expected = [...digests(first).filter((_) => !kept.includes(_)), stray.descriptor.digest].sort()
      const removed = yield* layout.garbageCollect(everything)
      assert.deepStrictEqual(removed.digests, expected)
      assert.isAbove(removed.sizeBytes, 2100)
      assert.deepStrictEqual(yield* blobs(folder), [...kept, "sha256:README"].sort())
      assert.deepStrictEqual((yield* promise(() => readdir(folder))).sort(), ["blobs", "index.json", "oci-layout"])
      assert.deepStrictEqual((yield* layout.garbageCollect(everything)).digests, [])
    })
  )

  it.scoped("images of indexes, referrers and schema 1 layers are in use", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const child = yield* push(layout, image)
      yield* layout.pushManifest(Manifest.imageIndex({ manifests: [child.descriptor] }), { tags: ["multi"] })
      yield* layout.pushBlob(Descriptor.empty, Descriptor.emptyBytes())
      yield* layout.pushManifest(Manifest.artifact({ artifactType: "application/x.y", subject: child.descriptor }))
      const layer = blob(noise(100, 6))
      yield* layout.pushBlob(layer.descriptor, layer.bytes)
      const old = encode(JSON.stringify({ schemaVersion: 1, fsLayers: [{ blobSum: layer.descriptor.digest }], history: [{}] }))
      yield* layout.pushManifest(Either.getOrThrow(Manifest.decode(old, { contentType: MediaType.dockerManifestSchema1 })), {
        tags: ["old"]
      })
      const before = yield* blobs(folder)
      assert.deepStrictEqual((yield* layout.garbageCollect({ ...everything, untagged: true })).digests, [])
      assert.deepStrictEqual(yield* blobs(folder), before)
      assert.lengthOf(yield* layout.roots, 3)
    })
  )

  it.scoped("what a manifest names is in use, also if another has that manifest for a layer", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const child = yield* push(layout, image)
      yield* layout.pushBlob(Descriptor.empty, Descriptor.emptyBytes())
      const layer = Descriptor.make({ ...child.descriptor, mediaType: MediaType.octetStream })
      yield* layout.pushManifest(Manifest.artifact({ artifactType: "application/x.bundle", layers: [layer] }), { tags: ["bundle"] })
      yield* layout.pushManifest(Manifest.imageIndex({ manifests: [child.descriptor] }), { tags: ["v1"] })
      const before = yield* blobs(folder)
      assert.deepStrictEqual((yield* layout.garbageCollect(everything)).digests, [])
      assert.deepStrictEqual(yield* blobs(folder), before)
    })
  )

  it.scoped("what a document of a kind nobody knows names is in use", () =>
    Effect.gen(function* () {
      const { layout } = yield* fresh
      const [near, far] = [blob(encode("near")), blob(encode("far"))]
      const inner = blob(encode(JSON.stringify({ deep: [{ far: far.descriptor.digest }] })))
      const outer = blob(
        encode(JSON.stringify({ mediaType: "application/x.y+json", a: near.descriptor.digest, b: { c: inner.descriptor.digest } }))
      )
      for (const { bytes, descriptor } of [near, far, inner]) yield* layout.pushBlob(descriptor, bytes)
      yield* layout.pushManifest(Either.getOrThrow(Manifest.decode(outer.bytes)), { tags: ["odd"] })
      assert.deepStrictEqual((yield* layout.garbageCollect(everything)).digests, [])
    })
  )

  it.scoped("an entry that is no manifest stands in the way of nothing, however long it is", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const subject = yield* push(layout, image, ["v1"])
      yield* layout.pushBlob(Descriptor.empty, Descriptor.emptyBytes())
      const signature = Manifest.artifact({ artifactType: "application/x.y", subject: subject.descriptor })
      yield* layout.pushManifest(signature)
      const page = blob(encode("<component/>".padEnd(5 * 1024 * 1024)), "application/xml")
      yield* layout.pushBlob(page.descriptor, page.bytes)
      const index = yield* indexOf(folder)
      const manifests = [...index.manifests, page.descriptor]
      yield* promise(() => writeFile(NodePath.join(folder, "index.json"), JSON.stringify({ ...index, manifests })))
      assert.lengthOf(yield* Stream.runCollect(layout.referrers(subject.descriptor)), 1)
      assert.deepStrictEqual((yield* layout.garbageCollect(everything)).digests, [])
      assert.deepStrictEqual((yield* layout.garbageCollect({ ...everything, untagged: true })).digests, [page.descriptor.digest])
    })
  )

  it.scoped("untagged entries go when that is asked for, with their referrers", () =>
    Effect.gen(function* () {
      const { layout } = yield* fresh
      const kept = yield* push(layout, image, ["v1"])
      const gone = yield* push(layout, other)
      yield* layout.pushBlob(Descriptor.empty, Descriptor.emptyBytes())
      const attach = (subject: Descriptor.Descriptor) => {
        const manifest = Manifest.artifact({ artifactType: "application/x.y", subject })
        return Effect.as(layout.pushManifest(manifest), manifest)
      }
      const signature = yield* attach(kept.descriptor)
      const signatureOfSignature = yield* attach(signature.descriptor)
      const lost = yield* attach(gone.descriptor)
      assert.deepStrictEqual((yield* layout.garbageCollect(everything)).digests, [])
      const { digests: removed } = yield* layout.garbageCollect({ ...everything, untagged: true })
      assert.include(removed, gone.digest)
      assert.include(removed, lost.digest)
      assert.deepStrictEqual(
        (yield* layout.roots).map((_) => _.digest),
        [kept.digest, signature.digest, signatureOfSignature.digest]
      )
    })
  )

  it.scopedLive("what is young stays, and what is pushed again is young", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const [old, again, young] = [1, 2, 3].map((seed) => blob(noise(100, seed)))
      if (!old || !again || !young) return assert.fail()
      for (const { bytes, descriptor } of [old, again, young]) yield* layout.pushBlob(descriptor, bytes)
      for (const { descriptor } of [old, again]) yield* promise(() => utimes(fileOf(folder, descriptor.digest), 1, 1))
      assert.strictEqual(yield* layout.pushBlob(again.descriptor, again.bytes), "existed")
      assert.deepStrictEqual((yield* layout.garbageCollect()).digests, [old.descriptor.digest])
    })
  )

  const minute = 60

  const age = (folder: string, digests: ReadonlyArray<string>, seconds: number) =>
    promise(() => {
      const time = Date.now() / 1000 - seconds
      return Promise.all(digests.map((digest) => utimes(fileOf(folder, digest), time, time)))
    })

  it.scopedLive("what a young manifest names stays, however old it is", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const gone = yield* push(layout, image)
      const index = Manifest.imageIndex({ manifests: [gone.descriptor] })
      yield* layout.pushManifest(index, { tags: ["v1"] })
      yield* push(layout, other, ["v1"])
      yield* age(folder, yield* blobs(folder), 65 * minute)
      yield* age(folder, [index.digest], 55 * minute)
      assert.deepStrictEqual((yield* layout.garbageCollect()).digests, [])
      // Nobody needs it: that it is damaged is nothing to stop for.
      yield* promise(() => writeFile(fileOf(folder, gone.digest), noise(gone.size, 1)))
      assert.isAbove((yield* layout.garbageCollect()).digests.length, 0)
      assert.isTrue(yield* layout.exists(index.descriptor))
    })
  )

  it.scopedLive("what a copy leaves alone because it is there stays until the copy is done", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const source = yield* MemoryStore.make()
      const there = yield* push(source, image, ["v1"])
      const missing = yield* push(source, other)
      yield* source.pushManifest(Manifest.imageIndex({ manifests: [there.descriptor, missing.descriptor] }), { tags: ["v2"] })
      yield* Copy.copy(source, "v1", layout)
      yield* layout.untag("v1")
      yield* age(folder, digests(there), 2 * 60 * minute)
      const collecting = yield* Effect.cached(layout.garbageCollect({ untagged: true }))
      const slow: typeof source = {
        ...source,
        fetchBlob: (descriptor) => Stream.unwrap(Effect.as(collecting, source.fetchBlob(descriptor)))
      }
      yield* Copy.copy(slow, "v2", layout)
      assert.deepStrictEqual(yield* Effect.map(collecting, (_) => _.digests), [])
      yield* Copy.copy(layout, "v2", yield* MemoryStore.make())
    })
  )

  it.scopedLive("what is pushed again while it is collected is there in the end", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const { bytes, descriptor } = blob(noise(100, 1))
      const file = yield* promise(() => realpath(folder).then((_) => fileOf(_, descriptor.digest)))
      const pushed = layout.pushBlob(descriptor, bytes)
      yield* pushed
      const old = age(folder, [descriptor.digest], 2 * 60 * minute)
      const whole = Effect.gen(function* () {
        assert.isTrue((yield* readBlob(layout, descriptor)).equals(bytes))
        assert.deepStrictEqual(yield* blobs(folder), [descriptor.digest])
      })
      const said: Array<string> = []
      const saying = Effect.orDie(Effect.map(pushed, (outcome) => void said.push(outcome)))
      const meddling = (before: Effect.Effect<void>, after: Effect.Effect<void>) =>
        openOver(folder, (fs) => ({
          rename: (from, to) => (from === file ? Effect.zipRight(before, Effect.zipLeft(fs.rename(from, to), after)) : fs.rename(from, to)),
          remove: (path, options) => (path === file ? Effect.zipRight(before, fs.remove(path, options)) : fs.remove(path, options))
        }))

      // The collector has seen how old it is, and is about to remove it.
      yield* old
      assert.deepStrictEqual((yield* (yield* meddling(saying, Effect.void)).garbageCollect()).digests, [])
      yield* whole
      // It is back before the collector has put it back.
      yield* old
      assert.deepStrictEqual((yield* (yield* meddling(saying, saying)).garbageCollect()).digests, [])
      yield* whole
      // It is back before the collector has removed it.
      yield* old
      assert.deepStrictEqual((yield* (yield* meddling(Effect.void, saying)).garbageCollect()).digests, [descriptor.digest])
      yield* whole
      assert.deepStrictEqual(said, ["existed", "existed", "stored", "stored"])
    })
  )

  it.scopedLive("what goes while it is pushed again is stored", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const { bytes, descriptor } = blob(noise(100, 1))
      yield* layout.pushBlob(descriptor, bytes)
      yield* age(folder, [descriptor.digest], 2 * 60 * minute)
      const collecting = yield* Effect.cached(Effect.orDie(layout.garbageCollect()))
      const late = yield* openOver(folder, (fs) => ({
        stat: (path) => (path.endsWith(Digest.encoded(descriptor.digest)) ? Effect.zipLeft(fs.stat(path), collecting) : fs.stat(path))
      }))
      assert.strictEqual(yield* late.pushBlob(descriptor, bytes), "stored")
      assert.isTrue((yield* readBlob(layout, descriptor)).equals(bytes))
    })
  )

  it.scoped("a damaged manifest stops it, a missing one does not", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      const manifest = yield* push(layout, image, ["v1"])
      const stray = blob(noise(100, 4))
      yield* layout.pushBlob(stray.descriptor, stray.bytes)
      yield* promise(() => writeFile(fileOf(folder, manifest.digest), noise(manifest.size, 1)))
      assert.include(yield* failure(layout.garbageCollect(everything)), "DigestMismatch")
      assert.isTrue(yield* layout.exists(stray.descriptor))
      yield* promise(() => unlink(fileOf(folder, manifest.digest)))
      assert.include((yield* layout.garbageCollect(everything)).digests, stray.descriptor.digest)
    })
  )
})

describe.skipIf(!Program.available(Skopeo.program))("with skopeo", () => {
  it.scopedLive("it reads what we write", () =>
    Effect.gen(function* () {
      const { folder, layout } = yield* fresh
      yield* push(layout, image, ["v1"])
      yield* push(layout, other, ["v2"])
      assert.strictEqual(yield* Skopeo.rawManifest(`oci:${folder}:v1`), Buffer.from(image.manifest).toString())
      const copied = yield* Folder.temporary("copied")
      yield* Skopeo.copy(`oci:${folder}:v2`, `dir:${copied}`)
      const read = yield* DirImage.read(copied)
      assert.strictEqual(read.digest, other.digest)
      assert.deepStrictEqual([...read.blobs.keys()].sort(), [...other.blobs.keys()].sort())
    })
  )

  it.scopedLive("we read what it writes, and add to it", () =>
    Effect.gen(function* () {
      const [from, folder] = [yield* Folder.temporary("from"), NodePath.join(yield* Folder.temporary("to"), "layout")]
      yield* DirImage.write(from, image)
      yield* Skopeo.copy(`dir:${from}`, `oci:${folder}:v1`)
      const layout = yield* open(folder)
      const manifest = yield* layout.fetchManifest("v1")
      assert.strictEqual(manifest.digest, image.digest)
      for (const descriptor of Manifest.successors(manifest)) {
        assert.isTrue((yield* readBlob(layout, descriptor)).equals(blobOf(image, descriptor)))
      }
      yield* push(layout, other, ["v2"])
      assert.strictEqual(yield* Skopeo.rawManifest(`oci:${folder}:v1`), Buffer.from(image.manifest).toString())
      assert.strictEqual(yield* Skopeo.rawManifest(`oci:${folder}:v2`), Buffer.from(other.manifest).toString())
    })
  )
})
