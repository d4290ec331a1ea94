import { describe, expect, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import * as ManifestCache from "../../src/client/ManifestCache.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import { eventually } from "../support/Eventually.ts"
import * as Registries from "../support/Registries.ts"
import { withSetBack } from "../support/SetBack.ts"

const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))
const tag = Either.getOrThrow(Reference.parseTag("stable"))
const tagged = Reference.withTag(repository, tag)

const layer = (options?: ManifestCache.Options, registries?: Registries.Options) =>
  Layer.provideMerge(ManifestCache.layer(options), Layer.provideMerge(RegistryClient.layer, Registries.layer(registries)))

const fresh = (freshFor: Duration.DurationInput, registries?: Registries.Options) => layer({ freshFor }, registries)

/** An image under the tag, and a second one; the registry was asked before. */
const seeded = Effect.gen(function* () {
  const client = yield* RegistryClient.RegistryClient
  const registry = yield* MemoryRegistry.MemoryRegistry
  const image = yield* registry.seedImage(repository.name, { tag, seed: 1 })
  const other = yield* registry.seedImage(repository.name, { tag: "other", seed: 2 })
  yield* client.ping("registry.test")
  yield* registry.clearRequests
  const move = registry.seedManifest(repository.name, other.bytes, { tags: [tag] })
  return { client, registry, image, other, move, manifest: yield* Manifest.decode(other.bytes, {}) }
})

const setRules = (rules: ReadonlyArray<FaultyHttp.Rule>) => Effect.flatMap(FaultyHttp.FaultyHttp, (faulty) => faulty.setRules(rules))

const asked = Effect.gen(function* () {
  const registry = yield* MemoryRegistry.MemoryRegistry
  const requests = yield* registry.requests
  yield* registry.clearRequests
  return requests.map(({ method, status }) => `${method} ${status}`)
})

describe("ManifestCache", () => {
  it.effect("a manifest is read once by its digest, whatever led to it", () =>
    Effect.gen(function* () {
      const { client, image, other } = yield* seeded
      const byTag = yield* client.getManifest(tagged)
      const byDigest = Reference.withDigest(repository, image.manifest.digest)
      expect(yield* client.getManifest(byDigest)).toBe(byTag)
      expect(yield* client.getManifest(Reference.withDigest(repository, other.manifest.digest))).toMatchObject(other.manifest)
      yield* client.getManifest(Reference.withDigest(repository, other.manifest.digest))
      expect(yield* asked).toEqual(["GET 200", "GET 200"])
      // Its limit holds as if it were read.
      expect((yield* Effect.flip(client.getManifest(byDigest, { maxBytes: 10 })))._tag).toBe("LimitExceeded")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("a tag is asked for with a condition, and read again when it has moved", () =>
    Effect.gen(function* () {
      const { client, move, other } = yield* seeded
      const first = yield* client.getManifest(tagged)
      expect(yield* client.getManifest(tagged)).toBe(first)
      expect(yield* asked).toEqual(["GET 200", "GET 304"])
      yield* move
      expect((yield* client.getManifest(tagged)).digest).toBe(other.manifest.digest)
      yield* client.getManifest(tagged)
      expect(yield* asked).toEqual(["GET 200", "GET 304"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("of a registry without conditions a tag is read each time", () =>
    Effect.gen(function* () {
      const { client } = yield* seeded
      const first = yield* client.getManifest(tagged)
      expect(yield* client.getManifest(tagged)).toBe(first)
      expect(yield* asked).toEqual(["GET 200", "GET 200"])
    }).pipe(Effect.provide(layer({}, { hosts: { "registry.test": { capabilities: { conditional: false } } } })))
  )

  it.effect("a 304 about something else is not believed", () =>
    Effect.gen(function* () {
      const { client, image, other } = yield* seeded
      yield* client.getManifest(tagged)
      yield* setRules([
        { match: { method: "GET", count: 1 }, fault: Fault.respond(304, { "docker-content-digest": other.manifest.digest }) }
      ])
      expect((yield* client.getManifest(tagged)).digest).toBe(image.manifest.digest)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("a 304 that nobody asked for is a failure", () =>
    Effect.gen(function* () {
      const { client } = yield* seeded
      yield* setRules([{ match: { method: "GET" }, fault: Fault.respond(304) }])
      expect((yield* Effect.flip(client.getManifest(tagged)))._tag).toBe("UnknownRegistryError")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("answers hold for as long as they are fresh", () =>
    Effect.gen(function* () {
      const { client, image, move, other } = yield* seeded
      const layerBlob = image.layers[0]?.digest ?? image.config.digest
      const all = Effect.all([
        client.resolve(tagged),
        client.manifestExists(tagged),
        client.getManifest(tagged),
        client.headBlob(repository, image.config.digest),
        client.blobExists(repository, image.config.digest),
        client.blobExists(repository, layerBlob)
      ])
      yield* all
      expect(yield* asked).toEqual(["HEAD 200", "GET 200", "HEAD 200", "HEAD 200"])
      yield* move
      yield* TestClock.adjust("29 seconds")
      const [before] = yield* all
      expect(before.digest).toBe(image.manifest.digest)
      expect(yield* asked).toEqual([])
      yield* TestClock.adjust("1 second")
      const [after] = yield* all
      expect(after.digest).toBe(other.manifest.digest)
      expect(yield* asked).toEqual(["HEAD 200", "GET 200", "HEAD 200", "HEAD 200"])
    }).pipe(Effect.provide(fresh("30 seconds")))
  )

  it.effect("a clock that is set back makes no answer hold longer", () =>
    withSetBack((setBack) =>
      Effect.gen(function* () {
        const { client, move, other } = yield* seeded
        yield* client.getManifest(tagged)
        yield* client.resolve(tagged)
        yield* move
        yield* setBack(3)
        yield* TestClock.adjust("31 seconds")
        expect((yield* client.resolve(tagged)).digest).toBe(other.manifest.digest)
        expect((yield* client.getManifest(tagged)).digest).toBe(other.manifest.digest)
        yield* TestClock.adjust("3 hours")
        expect((yield* client.resolve(tagged)).digest).toBe(other.manifest.digest)
      })
    ).pipe(Effect.provide(fresh("30 seconds")))
  )

  it.effect("without `freshFor` every question but that for content is asked", () =>
    Effect.gen(function* () {
      const { client, image } = yield* seeded
      const { digest } = image.config
      const all = Effect.all([
        client.resolve(tagged),
        client.manifestExists(tagged),
        client.headBlob(repository, digest),
        client.blobExists(repository, digest)
      ])
      yield* all
      yield* all
      expect(yield* asked).toHaveLength(8)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("that something is missing is not remembered", () =>
    Effect.gen(function* () {
      const { client, move } = yield* seeded
      const none = Reference.withTag(repository, Either.getOrThrow(Reference.parseTag("none")))
      expect(yield* client.manifestExists(none)).toBe(false)
      expect((yield* Effect.flip(client.resolve(none)))._tag).toBe("ManifestUnknown")
      yield* move
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.seedImage(repository.name, { tag: "none", seed: 3 })
      expect(yield* client.manifestExists(none)).toBe(true)
      yield* client.resolve(none)
      expect(yield* asked).toEqual(["HEAD 404", "HEAD 404", "HEAD 200", "HEAD 200"])
    }).pipe(Effect.provide(fresh("1 hour")))
  )

  it.effect("nor is what was there before, once it was seen to be missing", () =>
    Effect.gen(function* () {
      const { client, image, registry } = yield* seeded
      const { digest } = image.config
      yield* client.manifestExists(tagged)
      yield* client.blobExists(repository, digest)
      const gone = Reference.withDigest(repository, image.manifest.digest)
      yield* client.manifestExists(gone)
      yield* registry.update((options) => ({ ...options, auth: RegistryOptions.basic({ users: {} }) }))
      yield* Effect.flip(client.resolve(tagged))
      yield* Effect.flip(client.headBlob(repository, digest))
      yield* asked
      yield* Effect.flip(client.manifestExists(tagged))
      yield* Effect.flip(client.blobExists(repository, digest))
      expect(yield* asked).toEqual(["HEAD 401", "HEAD 401"])
    }).pipe(Effect.provide(fresh("1 hour")))
  )

  it.effect("the limit of manifests holds for those that are kept", () =>
    Effect.gen(function* () {
      const { client, registry } = yield* seeded
      const large = new TextEncoder().encode(
        `{"schemaVersion":2,"mediaType":"${MediaType.ociImageIndex}","manifests":[]${" ".repeat(5e6)}}`
      )
      const { digest } = yield* registry.seedManifest(repository.name, large, {})
      const reference = Reference.withDigest(repository, digest)
      const known = yield* client.getManifest(reference, { maxBytes: 8e6 })
      expect(yield* client.getManifest(reference, { maxBytes: 8e6 })).toBe(known)
      expect((yield* Effect.flip(client.getManifest(reference)))._tag).toBe("LimitExceeded")
      expect((yield* Effect.flip(client.getManifest(reference, { known })))._tag).toBe("LimitExceeded")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("equal questions at the same time are one, also when who came first gives up", () =>
    Effect.gen(function* () {
      const { client } = yield* seeded
      yield* setRules([{ match: { method: ["GET", "HEAD"] }, fault: Fault.delay("1 second") }])
      const first = yield* Effect.fork(client.getManifest(tagged))
      const others = yield* Effect.fork(
        Effect.all([client.getManifest(tagged), client.getManifest(tagged), client.resolve(tagged), client.resolve(tagged)], {
          concurrency: "unbounded"
        })
      )
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("500 millis")
      yield* eventually(Effect.map(Fiber.status(others), ({ _tag }) => _tag === "Done"))
      const [one, two] = yield* Fiber.join(others)
      expect(one).toBe(two)
      expect((yield* asked).toSorted()).toEqual(["GET 200", "HEAD 200"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("what is written through it is never answered from before, nor by a question asked before", () =>
    Effect.gen(function* () {
      const { client, image, manifest } = yield* seeded
      yield* client.resolve(tagged)
      yield* client.putManifest(repository, manifest, { tag })
      expect((yield* client.resolve(tagged)).digest).toBe(manifest.digest)
      yield* client.putManifest(repository, yield* Manifest.decode(image.bytes, {}), { tag })
      // An answer on its way while the tag is written.
      yield* TestClock.adjust("1 hour")
      const late = Fault.custom("late", ({ execute, request }) => Effect.tap(execute(request), () => Effect.sleep("1 second")))
      yield* setRules([{ match: { method: "HEAD", count: 1 }, fault: late }])
      const before = yield* Effect.fork(client.resolve(tagged))
      yield* TestClock.adjust("500 millis")
      yield* client.putManifest(repository, manifest, { tag })
      expect((yield* client.resolve(tagged)).digest).toBe(manifest.digest)
      yield* TestClock.adjust("500 millis")
      expect((yield* Fiber.join(before)).digest).toBe(image.manifest.digest)
      expect((yield* client.resolve(tagged)).digest).toBe(manifest.digest)
      yield* client.deleteTag(repository, tag)
      expect(yield* client.manifestExists(tagged)).toBe(false)
      const byDigest = Reference.withDigest(repository, image.manifest.digest)
      yield* client.getManifest(byDigest)
      yield* client.deleteManifest(repository, image.manifest.digest)
      expect((yield* Effect.flip(client.getManifest(byDigest)))._tag).toBe("ManifestUnknown")
    }).pipe(Effect.provide(fresh("1 hour")))
  )

  it.effect("blobs that are put or deleted through it are asked for again", () =>
    Effect.gen(function* () {
      const { client, image } = yield* seeded
      const { digest } = image.config
      yield* client.blobExists(repository, digest)
      yield* client.deleteBlob(repository, digest)
      expect(yield* client.blobExists(repository, digest)).toBe(false)
      expect((yield* Effect.flip(client.headBlob(repository, digest)))._tag).toBe("BlobUnknown")
    }).pipe(Effect.provide(fresh("1 hour")))
  )

  it.effect("what is larger than all it may keep leaves the rest alone", () =>
    Effect.gen(function* () {
      const { client, image, registry } = yield* seeded
      const small = Reference.withDigest(repository, image.manifest.digest)
      const large = yield* registry.seedImage(repository.name, { tag: "large", layers: 20, seed: 5 })
      yield* client.getManifest(small)
      yield* client.getManifest(Reference.withDigest(repository, large.manifest.digest))
      yield* asked
      yield* client.getManifest(small)
      expect(yield* asked).toEqual([])
    }).pipe(Effect.provide(layer({ maxBytes: 1000 })))
  )

  it.effect("keeps no more than it may", () =>
    Effect.gen(function* () {
      const { client, image, other } = yield* seeded
      const read = (digest: typeof image.manifest.digest) => client.getManifest(Reference.withDigest(repository, digest))
      yield* read(image.manifest.digest)
      yield* read(other.manifest.digest)
      yield* read(other.manifest.digest)
      yield* read(image.manifest.digest)
      expect(yield* asked).toEqual(["GET 200", "GET 200", "GET 200"])
    }).pipe(Effect.provide(layer({ maxBytes: 600 })))
  )

  it.effect("asks for other media types as if it were not there", () =>
    Effect.gen(function* () {
      const { client, image } = yield* seeded
      const accept = [image.manifest.mediaType]
      yield* client.getManifest(tagged)
      yield* client.getManifest(tagged, { accept })
      yield* client.resolve(tagged, { accept })
      expect(yield* asked).toEqual(["GET 200", "GET 200", "HEAD 200"])
    }).pipe(Effect.provide(fresh("1 hour")))
  )
})
