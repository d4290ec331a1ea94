import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import type * as Descriptor from "../../src/model/Descriptor.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as Registries from "../support/Registries.ts"
import { whileTimePasses } from "../support/ScriptedHttp.ts"

const mirrors = ["one.test", "two.test"]
const hosts = { "registry.test": {}, "one.test": {}, "two.test": {} }
const capabilities = ["pull", "resolve", "list", "referrers"] as const
const settings = { "registry.test": { mirrors: mirrors.map((host) => RegistryHosts.mirror(`https://${host}`, { capabilities })) } }

const layer = (...rules: ReadonlyArray<FaultyHttp.Rule>) =>
  Layer.provideMerge(RegistryClient.layer, Registries.layer({ hosts, settings, rules }))

const at = (host: string, path: RegExp, fault: Fault.Fault, method = "GET"): FaultyHttp.Rule => ({ match: { host, path, method }, fault })

/** The same at both mirrors. */
const atMirrors = (path: RegExp, fault: Fault.Fault) => mirrors.map((host) => at(host, path, fault))

const short = new TextEncoder().encode("short enough to come in one piece")
const long = Uint8Array.from({ length: 200 * 1024 }, (_, index) => index % 251)

/** The same image and blobs everywhere, before anybody was asked. */
const world = Effect.gen(function* () {
  const registries = yield* MemoryRegistry.MemoryRegistry
  const client = yield* RegistryClient.RegistryClient
  const repository = yield* Reference.parseRepository("registry.test/acme/app")
  const tag = yield* Reference.parseTag("v1")
  const seeded = yield* Effect.forEach(Object.keys(hosts), (host) =>
    Effect.gen(function* () {
      const registry = registries.at(host)
      const { manifest } = yield* registry.seedImage("acme/app", { tag: "v1" })
      return { manifest, short: yield* registry.seedBlob("acme/app", short), long: yield* registry.seedBlob("acme/app", long) }
    })
  )
  const first = seeded[0] ?? assert.fail("nothing was seeded")
  const asked = Effect.map(registries.allRequests, (requests) =>
    requests.filter(({ endpoint }) => endpoint !== "base").map(({ host, method }) => `${method} ${host}`)
  )
  /** Without the first mirror, which a fault may keep from being asked. */
  const askedOthers = Effect.map(asked, (all) => all.filter((line) => !line.endsWith(" one.test")))
  const read = (content: Descriptor.Descriptor) =>
    Effect.map(Stream.runCollect(client.getBlob(repository, content)), (all) => Buffer.concat(Chunk.toReadonlyArray(all)))
  const byTag = Reference.withTag(repository, tag)
  const byDigest = Reference.withDigest(repository, first.manifest.digest)
  return { ...first, client, repository, byTag, byDigest, asked, askedOthers, read, registries }
})

const wrongDigest = { "docker-content-digest": `sha256:${"0".repeat(64)}` }

/** The same referrer of the image everywhere. */
const withReferrer = Effect.gen(function* () {
  const all = yield* world
  const { digest, mediaType, size } = all.manifest
  const referrer = Manifest.artifact({ artifactType: "application/vnd.example.sbom", subject: { digest, mediaType, size } })
  for (const host of Object.keys(hosts)) yield* all.registries.at(host).seedManifest("acme/app", referrer.bytes)
  return { ...all, referrer }
})

const listed = <A, E>(list: Stream.Stream<A, E>) => Effect.map(Stream.runCollect(list), Chunk.toReadonlyArray)

/** What is no list of anything. */
const strangeLists = [
  ["a page for people", Fault.respond(200, { "content-type": "text/html" }, "<html>log in</html>")],
  ["a body that breaks off", Fault.cutResponseAt(5)],
  ["nothing", Fault.respond(204, {}, "")]
] as const

describe("mirrors that serve something wrong", () => {
  it.effect.each([
    ["that names its content is a condition anywhere", undefined, [200, 304]],
    ["that does not is none", "v1", [200, 200]]
  ] as const)("an ETag %s", ([, etag, statuses]) => {
    const rules = etag === undefined ? [] : [at("one.test", /manifests/, Fault.changeHeaders({ etag: `"${etag}"` }))]
    return Effect.gen(function* () {
      const { byDigest, byTag, client, registries } = yield* world
      const known = yield* client.getManifest(byTag)
      assert.strictEqual(yield* client.getManifest(byTag, { known }), known)
      const requests = Effect.map(registries.at("one.test").requests, (all) => all.filter(({ endpoint }) => endpoint === "manifest"))
      assert.deepStrictEqual(
        (yield* requests).map(({ status }) => status),
        [...statuses]
      )
      // What is known of something else is no answer to a question about this.
      const other = yield* Manifest.decode(new TextEncoder().encode("{}"), { contentType: "application/vnd.example" })
      assert.strictEqual((yield* client.getManifest(byDigest, { known: other })).digest, known.digest)
    }).pipe(Effect.provide(layer(...rules)))
  })

  for (const [name, fault] of [
    ["another byte", Fault.corruptResponseAt(7)],
    ["no JSON", Fault.respond(200, { "content-type": "text/html" }, "<html>log in</html>")],
    ["too little", Fault.endResponseAt(20)],
    ["a body that breaks off", Fault.cutResponseAt(20)],
    ["no end", Fault.endlessResponse()]
  ] as const) {
    it.effect(`${name} as a manifest: the next one is asked, and that one is left alone for 30 s`, () =>
      Effect.gen(function* () {
        const { byDigest, byTag, client, manifest, registries } = yield* world
        const faults = yield* FaultyHttp.FaultyHttp
        assert.strictEqual((yield* client.getManifest(byDigest)).digest, manifest.digest)
        assert.strictEqual((yield* client.getManifest(byTag)).digest, manifest.digest)
        assert.deepStrictEqual(yield* faults.counts, [1])
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* client.getManifest(byTag)).digest, manifest.digest)
        assert.deepStrictEqual(yield* faults.counts, [2])
        assert.deepStrictEqual(yield* registries.at("two.test").requestCounts, { "GET base": 1, "GET manifest": 3 })
        assert.deepStrictEqual(yield* registries.at("registry.test").requests, [])
      }).pipe(Effect.provide(layer(at("one.test", /manifests/, fault))))
    )
  }

  it.effect("all of them: the registry has its say", () =>
    Effect.gen(function* () {
      const { asked, byDigest, client, manifest, read, short: blob } = yield* world
      assert.strictEqual((yield* client.getManifest(byDigest)).digest, manifest.digest)
      assert.deepStrictEqual(yield* asked, ["GET one.test", "GET two.test", "GET registry.test"])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* read(blob), Buffer.from(short))
    }).pipe(Effect.provide(layer(...atMirrors(/manifests|blobs/, Fault.corruptResponseAt(7)))))
  )

  it.effect("the registry itself: that is told", () =>
    Effect.gen(function* () {
      const { byDigest, client, read, short: blob } = yield* world
      assert.strictEqual((yield* Effect.flip(client.getManifest(byDigest)))._tag, "DigestMismatch")
      assert.strictEqual((yield* Effect.flip(read(blob)))._tag, "DigestMismatch")
    }).pipe(Effect.provide(layer({ fault: Fault.corruptResponseAt(7) })))
  )

  it.effect("another digest in a HEAD: a GET elsewhere tells", () =>
    Effect.gen(function* () {
      const { asked, byDigest, client, manifest } = yield* world
      assert.deepInclude(yield* client.resolve(byDigest), { digest: manifest.digest, size: manifest.size })
      assert.deepStrictEqual(yield* asked, ["HEAD one.test", "GET two.test"])
    }).pipe(Effect.provide(layer(at("one.test", /manifests/, Fault.changeHeaders(wrongDigest), "HEAD"))))
  )

  it.effect.prop(
    "a short blob with any byte wrong is read elsewhere",
    [fc.nat(short.length - 1)],
    ([offset]) =>
      Effect.gen(function* () {
        const { asked, client, read, repository, short: blob } = yield* world
        assert.deepStrictEqual(yield* read(blob), Buffer.from(short))
        assert.deepStrictEqual(yield* asked, ["GET one.test", "GET two.test"])
        yield* Stream.runDrain(client.getBlob(repository, blob.digest))
      }).pipe(Effect.provide(layer(at("one.test", /blobs/, Fault.corruptResponseAt(offset))))),
    { fastCheck: { numRuns: 20 } }
  )

  it.effect("another length than the descriptor's: known before the first byte", () =>
    Effect.gen(function* () {
      const { asked, long: blob, read } = yield* world
      assert.isTrue((yield* read(blob)).equals(long))
      assert.deepStrictEqual(yield* asked, ["GET one.test", "GET two.test"])
    }).pipe(Effect.provide(layer(at("one.test", /blobs/, Fault.changeHeaders({ "content-length": "17" })))))
  )

  it.effect("a long blob: what was given out cannot be taken back, but the next download goes elsewhere", () =>
    Effect.gen(function* () {
      const { asked, long: blob, read } = yield* world
      assert.strictEqual(yield* Effect.match(read(blob), { onFailure: ({ _tag }) => _tag, onSuccess: () => "read" }), "DigestMismatch")
      assert.isTrue((yield* read(blob)).equals(long))
      assert.deepStrictEqual(yield* asked, ["GET one.test", "GET two.test"])
    }).pipe(
      Effect.provide(
        layer(at("one.test", /blobs/, Fault.compose(Fault.trickle(64 * 1024, Duration.zero), Fault.corruptResponseAt(long.length - 1))))
      )
    )
  )

  it.effect("another digest, or no length, for a blob: the registry has its say", () =>
    Effect.gen(function* () {
      const { asked, client, repository, short: blob } = yield* world
      assert.deepInclude(yield* client.headBlob(repository, blob.digest), { digest: blob.digest, size: blob.size })
      assert.deepStrictEqual(yield* asked, ["HEAD one.test", "HEAD registry.test"])
      yield* client.headBlob(repository, blob.digest)
      assert.deepStrictEqual((yield* asked).slice(2), ["HEAD two.test", "HEAD registry.test"])
    }).pipe(
      Effect.provide(
        layer(
          at("one.test", /blobs/, Fault.changeHeaders(wrongDigest), "HEAD"),
          at("two.test", /blobs/, Fault.changeHeaders({ "content-length": "?" }), "HEAD")
        )
      )
    )
  )

  for (const [name, fault] of strangeLists) {
    it.effect(`${name} as a list: the registry has its say, and that one is left alone for 30 s`, () =>
      Effect.gen(function* () {
        const { askedOthers, client, repository } = yield* world
        const faults = yield* FaultyHttp.FaultyHttp
        assert.deepStrictEqual(yield* listed(client.tags(repository)), ["v1"])
        assert.deepStrictEqual((yield* client.tagsPage(repository)).items, ["v1"])
        assert.deepStrictEqual(yield* askedOthers, ["GET registry.test", "GET two.test"])
        assert.deepStrictEqual(yield* faults.counts, [1])
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(yield* listed(client.repositories("registry.test")), ["acme/app"])
        assert.deepStrictEqual((yield* askedOthers).slice(2), ["GET registry.test"])
        assert.deepStrictEqual(yield* faults.counts, [2])
      }).pipe(Effect.provide(layer(at("one.test", /tags|_catalog/, fault))))
    )

    it.effect(`${name} as a list of referrers: the registry has its say, and that one is left alone for 30 s`, () =>
      Effect.gen(function* () {
        const { askedOthers, client, manifest, referrer, repository } = yield* withReferrer
        const faults = yield* FaultyHttp.FaultyHttp
        assert.deepStrictEqual(yield* listed(client.referrers(repository, manifest.digest)), [Manifest.referrer(referrer)])
        assert.deepStrictEqual(yield* askedOthers, ["GET registry.test"])
        assert.deepStrictEqual(yield* listed(client.referrers(repository, manifest.digest)), [Manifest.referrer(referrer)])
        assert.deepStrictEqual((yield* askedOthers).slice(1), ["GET two.test"])
        assert.deepStrictEqual(yield* faults.counts, [1])
      }).pipe(Effect.provide(layer(at("one.test", /referrers/, fault))))
    )

    it.effect(`${name} under the fall-back tag: the registry has its say`, () =>
      Effect.gen(function* () {
        const { askedOthers, client, manifest, referrer, registries, repository } = yield* withReferrer
        const faults = yield* FaultyHttp.FaultyHttp
        const index = Manifest.imageIndex({ manifests: [Manifest.referrer(referrer)] })
        for (const host of Object.keys(hosts)) {
          yield* registries.at(host).update((options) => ({ ...options, capabilities: { referrers: false } }))
          yield* registries.at(host).seedManifest("acme/app", index.bytes, { tags: [Reference.referrersTag(manifest.digest)] })
        }
        assert.deepStrictEqual(yield* listed(client.referrers(repository, manifest.digest)), [Manifest.referrer(referrer)])
        assert.deepStrictEqual(yield* askedOthers, ["GET two.test", "GET registry.test", "GET registry.test"])
        assert.deepStrictEqual(yield* faults.counts, [1])
      }).pipe(Effect.provide(layer(at("one.test", /manifests\/sha256-/, fault))))
    )
  }

  for (const [name, fault, times] of [
    ["breaks off", Fault.cutResponseAt(20), 2],
    ["ends early", Fault.endResponseAt(20), 2],
    ["is not what was asked for", Fault.respond(206, { "content-range": "bytes 100-199/200" }, short), 1]
  ] as const) {
    // One byte more each time would be progress.
    const again = Fault.custom("again", (exchange) =>
      (exchange.request.headers["range"] === undefined || name === "is not what was asked for" ? fault : Fault.cutResponseAt(0)).apply(
        exchange
      )
    )

    it.effect(`a blob that ${name} again and again: the registry goes on, and the mirror is left alone for 30 s`, () =>
      Effect.gen(function* () {
        const { long: blob, read, registries } = yield* world
        assert.isTrue((yield* whileTimePasses(read(blob), "1 millis")).equals(long))
        assert.strictEqual((yield* registries.at("one.test").requestCounts)["GET blob"], times === 1 ? undefined : times)
        assert.isTrue((yield* read(blob)).equals(long))
        const faults = yield* FaultyHttp.FaultyHttp
        assert.deepStrictEqual(yield* faults.counts, [times])
      }).pipe(Effect.provide(layer(at("one.test", /blobs/, again))))
    )

    it.effect(`a part of a blob that ${name} again and again: the registry has its say`, () =>
      Effect.gen(function* () {
        const { client, long: blob, registries, repository } = yield* world
        const reading = Stream.runCollect(client.getBlobRange(repository, blob.digest, { offset: 5, length: 50 }))
        const got = Buffer.concat(Chunk.toReadonlyArray(yield* whileTimePasses(reading, "1 millis")))
        assert.isTrue(got.equals(long.subarray(5, 55)))
        assert.deepStrictEqual((yield* registries.at("registry.test").requests).filter(({ endpoint }) => endpoint === "blob").length, 1)
      }).pipe(Effect.provide(layer(at("one.test", /blobs/, again))))
    )
  }

  it.effect("a wrong byte before a mirror broke off: the next download goes elsewhere", () =>
    Effect.gen(function* () {
      const { asked, read, short: blob } = yield* world
      assert.strictEqual((yield* Effect.flip(read(blob)))._tag, "DigestMismatch")
      assert.deepStrictEqual(yield* read(blob), Buffer.from(short))
      assert.deepStrictEqual(yield* asked, ["GET one.test", "GET two.test", "GET registry.test"])
    }).pipe(
      Effect.provide(
        layer(
          {
            match: { host: "one.test", path: /blobs/, count: 1 },
            fault: Fault.compose(Fault.cutResponseAt(20), Fault.corruptResponseAt(7))
          },
          at("one.test", /blobs/, Fault.respond(206))
        )
      )
    )
  )
})
