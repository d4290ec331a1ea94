import { readFileSync } from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ManifestCache from "../../src/client/ManifestCache.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as TagUpdate from "../../src/client/TagUpdate.ts"
import * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Copy from "../../src/copy/Copy.ts"
import * as Image from "../../src/image/Image.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import type * as RegistryControl from "../../src/testing/RegistryControl.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import { root } from "../house/Sources.ts"
import * as Registries from "../support/Registries.ts"

/** What the letters of the document stand for in the test. */
/** As few as move at once: for more the table is an upper limit. */
const layers = 15
const manyLayers = 60
const letters: Readonly<Record<string, number>> = { N: layers, "N+1": layers + 1, T: 3 }
const tagNames = ["one", "two", "three"]

type Counts = Readonly<Record<string, number>>

const countsOf = (cell: string): Counts =>
  Object.fromEntries(
    cell === "none"
      ? []
      : cell.split(", ").map((part) => {
          const [, count = "", request = ""] = /^(N\+1|[NT]|\d+) `([A-Z]+ [a-z]+)`$/.exec(part) ?? assert.fail(`not a count: ${part}`)
          return [request, letters[count] ?? Number(count)]
        })
  )

/** The rows of the table whose first column has this title. */
const rowsOf = (title: string): ReadonlyArray<readonly [name: string, cells: ReadonlyArray<string>]> => {
  const lines = readFileSync(Path.join(root, "docs/performance.md"), "utf8").split("\n")
  const start = lines.findIndex((line) => line.startsWith(`| ${title} |`))
  assert.isAtLeast(start, 0, `there is a table of ${title}`)
  const after = lines.slice(start + 2)
  return after.slice(0, after.indexOf("")).map((line) => {
    const [name = "", ...cells] = line.slice(2, -2).split(" | ")
    return [name, cells]
  })
}

const hosts = {
  "source.test": {},
  "target.test": {},
  "second.test": {},
  "third.test": {},
  "plain.test": { capabilities: { referrers: false, tagParameter: false } },
  "guarded.test": { auth: RegistryOptions.bearer({ users: {}, anonymous: ["repository:acme/app:pull"] }) }
}

const layer = Layer.provideMerge(RegistryClient.layer, Registries.layer({ hosts }))

const bytes = new TextEncoder().encode("some content")
const blob = Descriptor.fromBytes(bytes, MediaType.octetStream)

const repositories = Effect.all({
  source: Reference.parseRepository("source.test/acme/app"),
  target: Reference.parseRepository("target.test/mirror/app"),
  second: Reference.parseRepository("second.test/mirror/app"),
  third: Reference.parseRepository("third.test/mirror/app"),
  plain: Reference.parseRepository("plain.test/acme/app"),
  guarded: Reference.parseRepository("guarded.test/acme/app")
})

/** Registries with an image each, which nobody has asked anything yet. */
const makeWorld = Effect.gen(function* () {
  const registries = yield* MemoryRegistry.MemoryRegistry
  const client = yield* RegistryClient.RegistryClient
  const transport = yield* RegistryTransport.RegistryTransport
  const places = yield* repositories
  const v1 = yield* Reference.parseTag("v1")
  const tags = yield* Effect.forEach(tagNames, Reference.parseTag)
  const large = yield* registries.at("source.test").seedImage("acme/app", { tag: "v1", layers })
  const small = yield* registries.at("plain.test").seedImage("acme/app", { tag: "v1" })
  yield* registries.at("guarded.test").seedImage("acme/app", { tag: "v1" })
  const from = yield* RemoteRepository.make(places.source)
  const to = yield* RemoteRepository.make(places.target)
  const others = yield* Effect.forEach([places.second, places.third], RemoteRepository.make)
  const manifest = yield* Manifest.decode(large.bytes)
  const smallManifest = yield* Manifest.decode(small.bytes)
  const cached = ManifestCache.make(client)
  return { registries, client, cached, transport, ...places, v1, tags, large, small, from, to, others, manifest, smallManifest }
})

type World = Effect.Effect.Success<typeof makeWorld>

/** After everything that is asked once for each registry. */
const makeKnownWorld = Effect.gen(function* () {
  const world = yield* makeWorld
  yield* Effect.forEach(Object.keys(hosts), world.transport.ping)
  return world
})

type Program = (world: World) => Effect.Effect<unknown, unknown, RegistryTransport.RegistryTransport>

interface Case {
  /** The registries are not known yet. */
  readonly cold?: boolean
  /** What came before and is not counted. */
  readonly before?: Program | undefined
  readonly run: Program
}

/** A case of one registry. */
interface Operation extends Case {
  readonly host: string
}

const at =
  (host: keyof typeof hosts) =>
  (run: Program, before?: Program): Operation => ({ host, run, before })

const source = at("source.test")
const target = at("target.test")
const plain = at("plain.test")

const v1Of = (repository: Reference.Repository, { v1 }: World) => Reference.withTag(repository, v1)

const seedIndex = ({ registries, large }: World) =>
  registries.at("source.test").seedManifest(
    "acme/app",
    {
      schemaVersion: 2,
      mediaType: MediaType.ociImageIndex,
      manifests: [{ ...large.manifest, platform: { os: "linux", architecture: "amd64" } }]
    },
    { tags: ["multi"] }
  )

/** Refers to an image and is made of its config. */
const note = (image: RegistryControl.SeededImage, text: string) =>
  Manifest.imageManifest({ config: image.config, layers: [], subject: image.manifest, annotations: { text } })

const resolveGuarded = (world: World) => world.client.resolve(v1Of(world.guarded, world))

const operations: Readonly<Record<string, Operation>> = {
  "first contact with an open registry, a ping": { ...source(({ client }) => client.ping("source.test")), cold: true },
  "first contact with a token service, a ping": { host: "guarded.test", cold: true, run: ({ client }) => client.ping("guarded.test") },
  "first contact with a token service, getting ready to pull": {
    host: "guarded.test",
    cold: true,
    run: ({ client, guarded }) => client.prepare(guarded)
  },
  "first contact with an open registry, resolving a tag": {
    ...source((world) => world.client.resolve(v1Of(world.source, world))),
    cold: true
  },
  "first contact with a token service, resolving a tag": { host: "guarded.test", cold: true, run: resolveGuarded },
  "eight resolutions at once, at first contact with a token service": {
    host: "guarded.test",
    cold: true,
    run: (world) =>
      Effect.all(
        Array.from({ length: 8 }, () => resolveGuarded(world)),
        { concurrency: "unbounded" }
      )
  },
  ping: source(({ client }) => client.ping("source.test")),
  "get ready to pull, at a registry that is known": source((world) => world.client.prepare(world.source)),
  "resolve a tag or a digest": source((world) => world.client.resolve(v1Of(world.source, world))),
  "get a manifest by tag or digest": source((world) =>
    world.client.getManifest(Reference.withDigest(world.source, world.large.manifest.digest))
  ),
  "get a manifest by its tag again, with `ManifestCache`": source(
    (world) => world.cached.getManifest(v1Of(world.source, world)),
    (world) => world.cached.getManifest(v1Of(world.source, world))
  ),
  "get a manifest by its digest again, with `ManifestCache`": source(
    (world) => world.cached.getManifest(Reference.withDigest(world.source, world.large.manifest.digest)),
    (world) => world.cached.getManifest(v1Of(world.source, world))
  ),
  "get an image through an index": source((world) => Image.fetch(world.from, "multi"), seedIndex),
  "ask whether a manifest is there": source((world) => world.client.manifestExists(v1Of(world.source, world))),
  "ask for a blob": source((world) => world.client.headBlob(world.source, world.large.config.digest)),
  "ask whether a blob is there": source((world) => world.client.blobExists(world.source, world.large.config.digest)),
  "get a part of a blob": source((world) =>
    Stream.runDrain(world.client.getBlobRange(world.source, world.large.config.digest, { offset: 1, length: 2 }))
  ),
  "get a blob": source((world) => Stream.runDrain(world.client.getBlob(world.source, world.large.config))),
  "put a blob the repository has": target(
    (world) => world.client.putBlob(world.target, blob, bytes),
    (world) => world.client.putBlob(world.target, blob, bytes)
  ),
  "put a blob that is new": target((world) => world.client.putBlob(world.target, blob, bytes)),
  "put a blob that is new, without asking for it first": target((world) =>
    world.client.putBlob(world.target, blob, bytes, { checkExists: false })
  ),
  "put a blob that can be mounted": target(
    (world) => world.client.putBlob(world.target, blob, bytes, { mountFrom: ["other/app"] }),
    (world) => world.registries.at("target.test").seedBlob("other/app", bytes)
  ),
  "mount a blob": target(
    (world) => world.client.mountBlob(world.target, blob.digest, "other/app"),
    (world) => world.registries.at("target.test").seedBlob("other/app", bytes)
  ),
  "put a small stream of unknown digest": target((world) => world.client.putBlobStream(world.target, Stream.make(bytes))),
  "put a manifest with one tag, or none": source((world) => world.client.putManifest(world.source, world.manifest, { tag: world.v1 })),
  "put a manifest with T tags": source((world) => world.client.putManifest(world.source, world.manifest, { tags: world.tags })),
  "put a manifest with T tags, where the registry does not know `?tag=`": plain(
    (world) => world.client.putManifest(world.plain, world.smallManifest, { tags: world.tags }),
    (world) => world.client.putManifest(world.plain, world.smallManifest, { tags: world.tags })
  ),
  "put the first manifest with a subject": source((world) => world.client.putManifest(world.source, note(world.large, "first"))),
  "put a manifest with a subject": source(
    (world) => world.client.putManifest(world.source, note(world.large, "second")),
    (world) => world.client.putManifest(world.source, note(world.large, "first"))
  ),
  "put a manifest with a subject, where there is no referrers API": plain(
    (world) => world.client.putManifest(world.plain, note(world.small, "first")),
    (world) => Stream.runDrain(world.client.referrers(world.plain, world.small.manifest.digest))
  ),
  "list tags, one page": source((world) => Stream.runDrain(world.client.tags(world.source))),
  "list tags, three pages": source(
    (world) => Stream.runDrain(world.client.tags(world.source, { pageSize: 2 })),
    (world) =>
      Effect.forEach(["a", "b", "c", "d"], (tag, seed) => world.registries.at("source.test").seedImage("acme/app", { tag, seed: seed + 1 }))
  ),
  "list repositories, one page": source((world) => Stream.runDrain(world.client.repositories("source.test"))),
  "list referrers, one page": source((world) => Stream.runDrain(world.client.referrers(world.source, world.large.manifest.digest))),
  "list referrers, where there is no referrers API": plain(
    (world) => Stream.runDrain(world.client.referrers(world.plain, world.small.manifest.digest)),
    (world) => Stream.runDrain(world.client.referrers(world.plain, world.small.manifest.digest))
  ),
  "delete a tag": source((world) => world.client.deleteTag(world.source, world.v1)),
  "delete the first manifest": source((world) => world.client.deleteManifest(world.source, world.large.manifest.digest)),
  "delete a manifest": source(
    (world) => world.client.deleteManifest(world.source, note(world.large, "first").digest),
    (world) => world.client.putManifest(world.source, note(world.large, "first"))
  ),
  "delete the only referrer, where there is no referrers API": plain(
    (world) => world.client.deleteManifest(world.plain, note(world.small, "first").digest),
    (world) => world.client.putManifest(world.plain, note(world.small, "first"))
  ),
  "check whether a deletion is allowed": source((world) => world.client.checkDelete(world.source)),
  "set a tag that stands for what is expected": source(
    (world) => TagUpdate.ensure(world.source, world.v1, note(world.large, "first"), { expected: world.large.manifest.digest }),
    (world) => world.client.putManifest(world.source, note(world.large, "first"))
  ),
  "set a tag that stands for it already": source((world) => TagUpdate.ensure(world.source, world.v1, world.manifest)),
  "delete a blob": source((world) => world.client.deleteBlob(world.source, world.large.config.digest)),
  "check whether a push is allowed": target((world) => world.client.checkPush(world.target))
}

const copy: Program = ({ from, to }) => Copy.copy(from, "v1", to)
const copyTagged: Program = ({ from, to }) => Copy.copy(from, "v1", to, { tags: tagNames })

const copyWhole: Program = ({ from, to }) => Copy.copy(from, "v1", to, { referrers: true })

const copyDigest: Program = ({ from, large, to }) => Copy.copy(from, large.manifest.digest, to)

const toMany: Program = ({ from, to, others }) =>
  Effect.flatMap(
    Copy.copyToMany(
      from,
      "v1",
      [to, ...others].map((target) => ({ target }))
    ),
    Effect.all
  )

/** The image is at hand: what its blobs cost at the source is not counted here. */
const push: Program = ({ large, manifest, registries, to }) =>
  Effect.gen(function* () {
    if (!Manifest.isImageManifest(manifest)) return assert.fail("the seeded image is an image")
    const content = (descriptor: Descriptor.Descriptor) =>
      Stream.unwrap(
        Effect.map(registries.at("source.test").blob("acme/app", descriptor.digest), (found) => Stream.make(Option.getOrThrow(found)))
      )
    const blobs = [...large.layers, large.config].map((descriptor) => ({ descriptor, content: content(descriptor) }))
    yield* Image.push(to, { manifest, blobs, platform: undefined }, { tags: ["v1"] })
  })

const transfers: Readonly<Record<string, Case>> = {
  "an image, to another registry, at first contact": { cold: true, run: copy },
  "an image, to another registry": { run: copy },
  "an image whose blobs are there": { before: copy, run: ({ from, to }) => Copy.copy(from, "v1", to, { tags: ["other"] }) },
  "an image, under T tags": { run: copyTagged },
  "an image, again": { before: copy, run: copy },
  "an image, again, under T tags": { before: copyTagged, run: copyTagged },
  "an image, again, under T tags, one of them new": {
    before: ({ from, to }) => Copy.copy(from, "v1", to, { tags: tagNames.slice(1) }),
    run: copyTagged
  },
  "an image by its digest": { run: copyDigest },
  "an image by its digest, again": { before: copyDigest, run: copyDigest },
  "an image by its digest, again, under a new tag": {
    before: copy,
    run: ({ from, large, to }) => Copy.copy(from, large.manifest.digest, to, { tags: ["other"] })
  },
  "an image, to T other registries": { run: toMany },
  "an image, to T other registries, again": { before: toMany, run: toMany },
  "an image with what refers to it, again": {
    before: (world) => Effect.zipRight(world.client.putManifest(world.source, note(world.large, "first")), copyWhole(world)),
    run: copyWhole
  },
  "an image with what might refer to it, again": { before: copyWhole, run: copyWhole },
  "an image pushed with `Image.push`": { run: push },
  "an image pushed with `Image.push`, again": { before: push, run: push }
}

const total = (counts: Counts): number => Object.values(counts).reduce((sum, count) => sum + count, 0)

/** What the registries of a new world are asked by the case alone. */
const measured = ({ before, cold, run }: Case) =>
  Effect.gen(function* () {
    const world = yield* cold === true ? makeWorld : makeKnownWorld
    if (before !== undefined) yield* before(world)
    yield* world.registries.clearRequests
    yield* run(world)
    return (host: string) => world.registries.at(host).requestCounts
  })

describe("the budget of requests", () => {
  const operationRows = rowsOf("operation")
  const transferRows = rowsOf("copy or push")

  it("every row of the document is measured, and nothing else", () => {
    assert.deepStrictEqual(operationRows.map(([name]) => name).sort(), Object.keys(operations).sort())
    assert.deepStrictEqual(transferRows.map(([name]) => name).sort(), Object.keys(transfers).sort())
  })

  for (const [name, [cell = ""]] of operationRows) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const operation = operations[name] ?? assert.fail("not measured")
        const asked = yield* measured(operation)
        assert.deepStrictEqual(yield* asked(operation.host), countsOf(cell))
      }).pipe(Effect.provide(layer))
    )
  }

  for (const [name, [atSource = "", atTarget = ""]] of transferRows) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const asked = yield* measured(transfers[name] ?? assert.fail("not measured"))
        assert.deepStrictEqual(yield* asked("source.test"), countsOf(atSource))
        assert.deepStrictEqual(yield* asked("target.test"), countsOf(atTarget))
      }).pipe(Effect.provide(layer))
    )
  }

  it.effect("an image of 60 layers takes at most 63 requests at its source and 190 at its target, and asks for few of its blobs", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      yield* world.registries.at("source.test").seedImage("acme/app", { tag: "many", layers: manyLayers, seed: 1 })
      yield* world.registries.clearRequests
      yield* Copy.copy(world.from, "many", world.to)
      const asked = yield* world.registries.at("target.test").requestCounts
      assert.isAtMost(total(yield* world.registries.at("source.test").requestCounts), 63)
      assert.isAtMost(total(asked), 186)
      assert.strictEqual(total(asked), 142)
      // Those that move at once at first.
      assert.strictEqual(asked["HEAD blob"], 16)
      assert.strictEqual(asked["POST upload"], manyLayers + 2)
    }).pipe(Effect.provide(layer))
  )

  it.effect("a copy that changes nothing takes at most one request for each tag and place", () =>
    Effect.gen(function* () {
      const asked = yield* measured({ before: copyTagged, run: copyTagged })
      assert.isAtMost(total(yield* asked("source.test")), tagNames.length)
      assert.isAtMost(total(yield* asked("target.test")), tagNames.length)
    }).pipe(Effect.provide(layer))
  )

  it.effect("inside a registry blobs are mounted and nothing is moved", () =>
    Effect.gen(function* () {
      const world = yield* makeKnownWorld
      const near = yield* Effect.flatMap(Reference.parseRepository("source.test/mirror/app"), RemoteRepository.make)
      const registry = world.registries.at("source.test")
      yield* registry.clearRequests
      yield* Copy.copy(world.from, "v1", near)
      const blobs = layers + 1
      assert.deepStrictEqual(yield* registry.requestCounts, {
        "HEAD manifest": 1,
        "GET manifest": 1,
        "HEAD blob": blobs,
        "POST upload": blobs,
        "PUT manifest": 1
      })
      assert.strictEqual(yield* registry.bytesReceived, world.manifest.size)
    }).pipe(Effect.provide(layer))
  )
})
