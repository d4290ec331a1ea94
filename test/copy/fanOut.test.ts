import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as MemoryStore from "../../src/content/MemoryStore.ts"
import * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Copy from "../../src/copy/Copy.ts"
import * as Progress from "../../src/copy/Progress.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import type * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import type * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as Registries from "../support/Registries.ts"
import * as Setting from "../support/Setting.ts"
import { throughTime } from "../support/World.ts"

const targetHosts = ["a.test", "b.test", "c.test", "d.test", "e.test"]
const hosts = Object.fromEntries(["source.test", ...targetHosts].map((host) => [host, {} satisfies RegistryOptions.Options]))

const layer = (options: Registries.Options = {}) => Layer.provideMerge(RegistryClient.layer, Registries.layer({ hosts, ...options }))

const remote = (name: string) => Effect.flatMap(Reference.parseRepository(name), RemoteRepository.make)

const at = (host: string) => Effect.map(MemoryRegistry.MemoryRegistry, (registry) => registry.at(host))

const asked = (host: string, request: string) =>
  Effect.map(
    Effect.flatMap(at(host), (registry) => registry.requestCounts),
    (counts) => counts[request] ?? 0
  )

const sourceOf = remote("source.test/acme/app")

const targetsOf = (names: ReadonlyArray<string>) =>
  Effect.map(
    Effect.forEach(names, (name) => remote(`${name}/mirror/app`)),
    (targets) => targets.map((target) => ({ target }))
  )

/** Larger than what is kept of a blob for all targets. */
const largeBytes = 2 * 1024 * 1024

const seed = (options: { readonly layers?: number; readonly layerBytes?: number; readonly tag?: string; readonly seed?: number } = {}) =>
  Effect.flatMap(at("source.test"), (registry) =>
    registry.seedImage("acme/app", { tag: "v1", layers: 2, layerBytes: largeBytes, ...options })
  )

const openUploads = Effect.map(
  Effect.forEach(targetHosts, (host) => Effect.flatMap(at(host), (registry) => registry.openUploads)),
  (uploads) => uploads.flat()
)

/** All there is of an image, byte for byte. */
const isComplete = (host: string, reference: string) =>
  Effect.gen(function* () {
    const [from, to] = [yield* at("source.test"), yield* at(host)]
    const source = yield* from.manifest("acme/app", reference)
    const target = yield* to.manifest("mirror/app", reference)
    if (Option.isNone(source) || Option.isNone(target) || source.value.digest !== target.value.digest) return false
    const blobs = Manifest.successors(yield* Manifest.decode(target.value.bytes))
    const found = yield* Effect.forEach(blobs, ({ digest }) => Effect.all([from.blob("acme/app", digest), to.blob("mirror/app", digest)]))
    return found.every(([left, right]) => Option.isSome(left) && Option.isSome(right) && Buffer.compare(left.value, right.value) === 0)
  })

/** Nothing more happens once so many bytes of the request were received. */
const stallAt = (bytes: number) =>
  Fault.custom(`stallAt(${bytes})`, (exchange) =>
    Effect.zipRight(Effect.ignore(Fault.earlyAnswer(bytes, 200).apply(exchange)), Effect.never)
  )

/** The first large blob that goes to the host. */
const stalls = (host: string, bytes: number): FaultyHttp.Rule => ({
  match: { host, method: "PUT", when: ({ headers }) => Number(headers["content-length"]) > largeBytes, count: 1 },
  fault: stallAt(bytes)
})

/** A copy with one job that goes on meanwhile, and the targets that have their manifest. */
const copyingTo = Effect.fnUntraced(function* <E>(
  source: RemoteRepository.RemoteRepository,
  destinations: ReadonlyArray<Copy.Destination<E>>
) {
  const done: Array<string> = []
  const onProgress: Progress.Listener = (event) => {
    if (event._tag === "Done" && MediaType.isManifest(event.descriptor.mediaType)) done.push(event.target)
  }
  const copying = yield* Effect.fork(Copy.copyToMany(source, "v1", destinations, { jobs: 1, onProgress }))
  return { copying, done }
})

/** A registry that knows nothing of an upload that broke off. */
const forgets: ReadonlyArray<FaultyHttp.Rule> = [{ match: { method: "GET", path: /uploads/ }, fault: Fault.respond(404) }]

const expectRight = <A, E>(results: ReadonlyArray<Either.Either<A, E>>): ReadonlyArray<A> =>
  results.map((result) => (Either.isRight(result) ? result.right : expect.fail(String(result.left))))

describe("Copy.copyToMany", () => {
  it.effect("reads each manifest and each blob once for all targets", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      const names = ["a.test", "b.test", "c.test"]
      const { manifest, layers } = yield* seed({ layers: 3 })
      expect(Math.min(...layers.map(({ size }) => size))).toBeGreaterThan(1024 * 1024)
      const results = expectRight(yield* Copy.copyToMany(source, "v1", yield* targetsOf(names)))
      for (const result of results) expect(result).toMatchObject({ unchanged: false, blobs: 4, manifests: 1, skipped: 0, mounted: 0 })
      expect(results.map(({ descriptor }) => descriptor.digest)).toEqual(names.map(() => manifest.digest))
      for (const name of names) expect(yield* isComplete(name, "v1")).toBe(true)
      expect(yield* (yield* at("source.test")).requestCounts).toEqual({ "GET base": 1, "GET manifest": 1, "GET blob": 4 })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("one job and one request at a time at each host are enough for five targets", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed()
      expectRight(yield* Copy.copyToMany(source, "v1", yield* targetsOf(targetHosts), { jobs: 1 }))
      expect(yield* asked("source.test", "GET blob")).toBe(3)
      for (const name of targetHosts) expect(yield* isComplete(name, "v1")).toBe(true)
    }).pipe(Effect.provide(layer({ settings: { "*": { concurrency: 1 } } })))
  )

  it.effect("one request at a time at each host ends with any number of jobs", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 6 })
      expectRight(yield* throughTime(Copy.copyToMany(source, "v1", yield* targetsOf(targetHosts), { jobs: 16 })))
      for (const name of targetHosts) expect(yield* isComplete(name, "v1")).toBe(true)
      expect(yield* openUploads).toEqual([])
    }).pipe(Effect.provide(layer({ settings: { "*": { concurrency: 1 } } })))
  )

  it.effect("targets of one registry: one gets a blob, the others mount it", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed()
      const others = yield* Effect.forEach(["x", "y"], (name) => Effect.map(remote(`a.test/other/${name}`), (target) => ({ target })))
      const results = expectRight(yield* Copy.copyToMany(source, "v1", [...(yield* targetsOf(["a.test", "b.test"])), ...others]))
      expect(results.map(({ blobs, mounted }) => [blobs, mounted])).toEqual([
        [3, 0],
        [3, 0],
        [0, 3],
        [0, 3]
      ])
      expect(yield* asked("source.test", "GET blob")).toBe(3)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("where a registry mounts nothing, its targets read together, from the second blob on with all others", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 4 })
      const destinations = yield* Effect.forEach(["x", "y", "z"], (name) =>
        Effect.map(remote(`a.test/other/${name}`), (target) => ({ target }))
      )
      const results = expectRight(yield* Copy.copyToMany(source, "v1", destinations, { jobs: 1 }))
      expect(results.map(({ blobs }) => blobs)).toEqual([5, 5, 5])
      expect(yield* asked("source.test", "GET blob")).toBe(6)
    }).pipe(Effect.provide(layer({ hosts: { ...hosts, "a.test": { capabilities: { mount: false } } } })))
  )

  it.effect("targets that have all, half and nothing", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      const { layers } = yield* seed({ layers: 4 })
      const destinations = yield* targetsOf(["a.test", "b.test", "c.test"])
      const [first] = destinations
      if (first === undefined) return expect.fail("no target")
      yield* Copy.copy(source, "v1", first.target)
      const [from, half] = [yield* at("source.test"), yield* at("b.test")]
      yield* Effect.forEach(layers.slice(0, 2), ({ digest }) =>
        Effect.flatMap(from.blob("acme/app", digest), (bytes) => half.seedBlob("mirror/app", Option.getOrThrow(bytes)))
      )
      yield* from.clearRequests
      const results = expectRight(yield* Copy.copyToMany(source, "v1", destinations))
      expect(results).toMatchObject([
        { unchanged: true, blobs: 0, manifests: 0 },
        { unchanged: false, blobs: 3, skipped: 2, manifests: 1 },
        { unchanged: false, blobs: 5, skipped: 0, manifests: 1 }
      ])
      expect(yield* from.requestCounts).toEqual({ "HEAD manifest": 1, "GET manifest": 1, "GET blob": 5 })
      yield* from.clearRequests
      const again = expectRight(yield* Copy.copyToMany(source, "v1", destinations))
      expect(again.every(({ unchanged }) => unchanged)).toBe(true)
      expect(yield* from.requestCounts).toEqual({ "HEAD manifest": 1 })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("a target that fails is its own result, and the others go on", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 3 })
      const [first, second, third] = yield* Copy.copyToMany(source, "v1", yield* targetsOf(["a.test", "b.test", "c.test"]), { jobs: 1 })
      expect(second).toMatchObject({ _tag: "Left", left: { _tag: "Denied", registry: "b.test" } })
      expect([first, third]).toMatchObject([
        { _tag: "Right", right: { blobs: 4 } },
        { _tag: "Right", right: { blobs: 4 } }
      ])
      expect(yield* asked("source.test", "GET blob")).toBe(4)
      expect(yield* asked("b.test", "PUT manifest")).toBe(0)
      expect(yield* openUploads).toEqual([])
    }).pipe(
      Effect.provide(
        layer({
          rules: [
            {
              match: { host: "b.test", method: "PUT", path: /uploads/, skip: 1 },
              fault: Fault.earlyAnswer(700_000, 403, { "content-type": "application/json" }, '{"errors":[{"code":"DENIED"}]}')
            }
          ]
        })
      )
    )
  )

  it.effect("all targets fail, each with its own failure", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed()
      const results = yield* Copy.copyToMany(source, "v1", yield* targetsOf(["a.test", "b.test"]))
      expect(results).toMatchObject([
        { _tag: "Left", left: { _tag: "Denied", registry: "a.test" } },
        { _tag: "Left", left: { _tag: "Denied", registry: "b.test" } }
      ])
    }).pipe(Effect.provide(layer({ rules: [{ match: { method: "POST" }, fault: Fault.respond(403) }] })))
  )

  it.effect("fails as a whole when the source has nothing of that name", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Copy.copyToMany(yield* sourceOf, "v1", yield* targetsOf(["a.test", "b.test"])))
      expect([error._tag, "registry" in error && error.registry]).toEqual(["ManifestUnknown", "source.test"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("an upload that begins again reads by itself, the others are read for once", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 1, layerBytes: 10_000_000 })
      expectRight(yield* throughTime(Copy.copyToMany(source, "v1", yield* targetsOf(["a.test", "b.test", "c.test"]))))
      for (const name of ["a.test", "b.test", "c.test"]) expect(yield* isComplete(name, "v1")).toBe(true)
      expect(yield* asked("source.test", "GET blob")).toBe(3)
    }).pipe(
      Effect.provide(
        layer({
          rules: [
            {
              match: { host: "b.test", method: "PUT", when: ({ headers }) => Number(headers["content-length"]) > largeBytes, count: 1 },
              fault: Fault.cutRequestAt(9_000_000)
            },
            ...forgets
          ]
        })
      )
    )
  )

  it.effect("an upload that goes on where it broke off is still part of the shared read", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 1 })
      expectRight(yield* throughTime(Copy.copyToMany(source, "v1", yield* targetsOf(["a.test", "b.test", "c.test"]))))
      expect(yield* isComplete("b.test", "v1")).toBe(true)
      expect(yield* asked("source.test", "GET blob")).toBe(2)
    }).pipe(
      Effect.provide(
        layer({
          rules: [
            {
              match: { host: "b.test", method: "PUT", when: ({ headers }) => Number(headers["content-length"]) > largeBytes, count: 1 },
              fault: Fault.cutRequestAt(1_500_000)
            }
          ]
        })
      )
    )
  )

  it.effect("a target that takes small chunks only is still part of the shared read", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 1 })
      expectRight(yield* Copy.copyToMany(source, "v1", yield* targetsOf(["a.test", "b.test", "c.test"])))
      expect(yield* isComplete("b.test", "v1")).toBe(true)
      expect(yield* asked("b.test", "PATCH upload")).toBeGreaterThan(10)
      expect(yield* asked("source.test", "GET blob")).toBe(2)
    }).pipe(Effect.provide(layer({ settings: { "b.test": { uploadPlan: "chunked", chunkBytes: 100_000 } } })))
  )

  it.effect("a target that stalls in the middle of a blob is left behind and holds nobody up", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 3 })
      const { copying, done } = yield* copyingTo(source, yield* targetsOf(["a.test", "b.test", "c.test"]))
      yield* TestClock.adjust("30 seconds")
      expect([...done].sort()).toEqual(["a.test/mirror/app", "c.test/mirror/app"])
      const [, second] = yield* throughTime(Effect.flatten(Fiber.await(copying)))
      expect(second).toMatchObject({ _tag: "Right", right: { blobs: 4 } })
      for (const name of ["a.test", "b.test", "c.test"]) expect(yield* isComplete(name, "v1")).toBe(true)
      expect(yield* openUploads).toEqual([])
    }).pipe(Effect.provide(layer({ rules: [stalls("b.test", 700_000)] })))
  )

  it.effect("a target that stalls with the last bytes of a blob holds nobody up", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 3 })
      const { copying, done } = yield* copyingTo(source, yield* targetsOf(["a.test", "b.test", "c.test"]))
      yield* TestClock.adjust("30 seconds")
      expect([...done].sort()).toEqual(["a.test/mirror/app", "c.test/mirror/app"])
      expectRight(yield* throughTime(Effect.flatten(Fiber.await(copying))))
      expect(yield* isComplete("b.test", "v1")).toBe(true)
      expect(yield* asked("source.test", "GET blob")).toBe(4)
    }).pipe(Effect.provide(layer({ rules: [stalls("b.test", largeBytes - 100_000)] })))
  )

  it.effect("targets that wait for another one of their registry, which stalls, hold nobody up", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 3 })
      const other = { target: yield* remote("b.test/other/app") }
      const { copying, done } = yield* copyingTo(source, [...(yield* targetsOf(["a.test", "b.test", "c.test"])), other])
      yield* TestClock.adjust("30 seconds")
      expect([...done].sort()).toEqual(["a.test/mirror/app", "c.test/mirror/app"])
      expectRight(yield* throughTime(Effect.flatten(Fiber.await(copying))))
      expect(done.length).toBe(4)
    }).pipe(Effect.provide(layer({ rules: [stalls("b.test", 700_000)] })))
  )

  it.effect("a target that is slow to answer gets its blobs out of the shared read all the same", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 3 })
      expectRight(yield* throughTime(Copy.copyToMany(source, "v1", yield* targetsOf(["a.test", "b.test", "c.test"]))))
      expect(yield* asked("source.test", "GET blob")).toBe(4)
    }).pipe(Effect.provide(layer({ rules: [{ match: { host: "b.test" }, fault: Fault.delay("1 second") }] })))
  )

  it.effect("interrupted, it leaves no upload open", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 3 })
      const copying = yield* Effect.fork(Copy.copyToMany(source, "v1", yield* targetsOf(targetHosts)))
      yield* TestClock.adjust("2 seconds")
      expect((yield* openUploads).length).toBeGreaterThan(0)
      yield* throughTime(Fiber.interrupt(copying))
      expect(yield* openUploads).toEqual([])
      for (const name of targetHosts) expect(yield* asked(name, "PUT manifest")).toBe(0)
    }).pipe(Effect.provide(layer({ rules: [{ match: { method: "PUT", path: /uploads/ }, fault: Fault.stall }] })))
  )

  it.effect("interrupted at any moment, it leaves no upload open and nothing in the way of the next copy", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 2, layerBytes: 800_000 })
      const destinations = yield* targetsOf(["a.test", "b.test"])
      const same = { target: yield* remote("a.test/other/app") }
      for (let millis = 0; millis < 1000; millis += 50) {
        const copying = yield* Effect.fork(Copy.copyToMany(source, "v1", [...destinations, same]))
        yield* TestClock.adjust(millis)
        yield* throughTime(Fiber.interrupt(copying))
        expect(yield* openUploads).toEqual([])
      }
      expectRight(yield* throughTime(Copy.copyToMany(source, "v1", [...destinations, same])))
      for (const name of ["a.test", "b.test"]) expect(yield* isComplete(name, "v1")).toBe(true)
    }).pipe(Effect.provide(layer({ settings: { "*": { concurrency: 2 } }, rules: [{ match: {}, fault: Fault.delay("100 millis") }] })))
  )

  it.effect("brings indexes, referrers and digest tags to all, under the tags of each", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      const registry = yield* at("source.test")
      const images = yield* Effect.forEach([1, 2], (number) => seed({ layerBytes: 64, seed: number, tag: `part-${number}` }))
      const index = yield* registry.seedManifest(
        "acme/app",
        { schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: images.map(({ manifest }) => manifest) },
        { tags: ["multi"] }
      )
      const signature = yield* registry.seedImage("acme/app", { subject: index, artifactType: "application/x.sig", seed: 7 })
      const digestTag = `${index.digest.replace(":", "-")}.sig`
      yield* registry.seedImage("acme/app", { tag: digestTag, seed: 9 })
      const [first, second] = yield* targetsOf(["a.test", "b.test"])
      if (first === undefined || second === undefined) return expect.fail("no targets")
      // One of them has one of the images.
      yield* Copy.copy(source, "part-1", second.target)
      const store = yield* MemoryStore.make()
      const destinations: ReadonlyArray<Copy.Destination<RemoteRepository.RemoteError | MemoryStore.MemoryError>> = [
        { ...first, tags: ["x", "y"] },
        second,
        { target: store }
      ]
      const results = expectRight(yield* Copy.copyToMany(source, "multi", destinations, { referrers: true, digestTags: true }))
      expect(results.map(({ manifests }) => manifests)).toEqual([5, 4, 5])
      expect([...(yield* (yield* at("a.test")).tags("mirror/app"))].sort()).toEqual([digestTag, "x", "y"].sort())
      expect([...(yield* (yield* at("b.test")).tags("mirror/app"))].sort()).toEqual([digestTag, "multi", "part-1"].sort())
      expect(yield* store.exists(signature.manifest)).toBe(true)
      expect((yield* store.resolve("multi")).digest).toBe(index.digest)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("heals a target that lost a blob it seemed to have", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layerBytes: 64 })
      expectRight(yield* Copy.copyToMany(source, "v1", yield* targetsOf(["a.test", "b.test"])))
      for (const name of ["a.test", "b.test"]) expect(yield* isComplete(name, "v1")).toBe(true)
    }).pipe(
      Effect.provide(
        layer({
          rules: [
            { match: { host: "b.test", method: "HEAD", path: /blobs/, count: 1 }, fault: Fault.respond(200, { "content-length": "1" }) }
          ]
        })
      )
    )
  )

  it.effect("tells the progress of each target, whose sums never fall and end equal", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 3 })
      const add = Progress.summarize()
      const sums: Array<Progress.Summary> = []
      const targets = yield* targetsOf(["a.test", "b.test"])
      expectRight(yield* Copy.copyToMany(source, "v1", targets, { onProgress: (event) => sums.push(add(event)) }))
      for (const [index, sum] of sums.entries()) {
        expect(sum.totalBytes).toBeGreaterThanOrEqual(sums[index - 1]?.totalBytes ?? 0)
        expect(sum.completeBytes).toBeGreaterThanOrEqual(sums[index - 1]?.completeBytes ?? 0)
      }
      expect(sums.at(-1)).toMatchObject({ active: 0, done: 10, failed: 0 })
      expect(sums.at(-1)?.completeBytes).toBe(sums.at(-1)?.totalBytes)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("tells of the progress of a target that begins again, also of what another one has put there meanwhile", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      const registry = yield* at("source.test")
      const { manifest } = yield* registry.seedImage("acme/app")
      yield* registry.seedManifest(
        "acme/app",
        { schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: [manifest] },
        { tags: ["multi"] }
      )
      const add = Progress.summarize()
      let sum = Progress.empty
      const onProgress: Progress.Listener = (event) => {
        sum = add(event)
      }
      const targets = [...(yield* targetsOf(["a.test"])), ...(yield* targetsOf(["a.test"]))]
      expectRight(yield* Copy.copyToMany(source, "multi", targets, { onProgress }))
      expect(sum).toMatchObject({ active: 0, failed: 1 })
      expect(sum.completeBytes).toBe(sum.totalBytes)
    }).pipe(
      Effect.provide(
        layer({
          rules: [
            {
              match: { host: "a.test", method: "PUT", path: /manifests/, count: 1 },
              fault: Fault.respond(404, {}, JSON.stringify({ errors: [{ code: "MANIFEST_BLOB_UNKNOWN" }] }))
            }
          ]
        })
      )
    )
  )

  it.effect("what a target has begun when it fails ends as failed", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 3 })
      const add = Progress.summarize()
      let sum = Progress.empty
      const onProgress: Progress.Listener = (event) => {
        sum = add(event)
      }
      const [, second] = yield* throughTime(Copy.copyToMany(source, "v1", yield* targetsOf(["a.test", "b.test"]), { onProgress }))
      expect(second).toMatchObject({ _tag: "Left", left: { _tag: "Denied" } })
      expect(sum).toMatchObject({ active: 0, done: 5, failed: 4 })
    }).pipe(
      Effect.provide(
        layer({
          rules: [
            { match: { host: "b.test", method: "PUT", path: /uploads/, count: 3 }, fault: Fault.stall },
            { match: { host: "b.test", method: "PUT", path: /uploads/ }, fault: Fault.respond(403) }
          ]
        })
      )
    )
  )

  it.effect("a target that is interrupted has not succeeded", () =>
    Effect.gen(function* () {
      const source = yield* sourceOf
      yield* seed({ layers: 1 })
      const store = yield* MemoryStore.make()
      const destinations = [{ target: store }, { target: { ...store, label: "other", pushBlob: () => Effect.interrupt } }]
      expect(Exit.isInterrupted(yield* Effect.exit(Copy.copyToMany(source, "v1", destinations)))).toBe(true)
    }).pipe(Effect.provide(layer()))
  )

  type Situation = "empty" | "half" | "full" | "denied" | "cut" | "slow" | "stalled"
  const Situation = fc.constantFrom<Situation>("empty", "half", "full", "denied", "cut", "slow", "stalled")

  const ruleOf = (situation: Situation, host: string): ReadonlyArray<FaultyHttp.Rule> => {
    const put = { host, method: "PUT", path: /uploads/ }
    switch (situation) {
      case "denied":
        return [{ match: { ...put, skip: 1 }, fault: Fault.respond(403) }]
      case "cut":
        return [{ match: { ...put, count: 2 }, fault: Fault.cutRequestAt(300_000) }]
      case "slow":
        return [{ match: { host }, fault: Fault.delay("3 seconds") }]
      case "stalled":
        return [{ match: { ...put, count: 1 }, fault: Fault.stall }]
      default:
        return []
    }
  }

  it.effect.prop(
    "whatever the targets are like, those that succeed have all of it and nothing stays open",
    {
      situations: fc.array(Situation, { minLength: 1, maxLength: 5 }),
      jobs: fc.constantFrom(1, 2, 16),
      concurrency: fc.constantFrom(1, 16)
    },
    ({ concurrency, jobs, situations }) =>
      Effect.gen(function* () {
        const source = yield* sourceOf
        const { layers } = yield* seed({ layers: 3, layerBytes: 800_000 })
        const destinations = yield* targetsOf(targetHosts.slice(0, situations.length))
        const from = yield* at("source.test")
        for (const [index, situation] of situations.entries()) {
          const to = yield* at(targetHosts[index] ?? "")
          const there = situation === "full" ? layers : situation === "half" ? layers.slice(0, 1) : []
          for (const { digest } of there) {
            yield* to.seedBlob("mirror/app", Option.getOrThrow(yield* from.blob("acme/app", digest)))
          }
        }
        const results = yield* throughTime(Copy.copyToMany(source, "v1", destinations, { jobs }))
        for (const [index, situation] of situations.entries()) {
          const result = results[index]
          expect(result?._tag).toBe(situation === "denied" ? "Left" : "Right")
          if (situation !== "denied") expect(yield* isComplete(targetHosts[index] ?? "", "v1")).toBe(true)
        }
        expect(yield* openUploads).toEqual([])
        const alone = situations.filter((situation) => situation === "cut" || situation === "slow" || situation === "stalled").length
        if (alone === 0 && jobs <= concurrency) expect(yield* asked("source.test", "GET blob")).toBeLessThanOrEqual(4)
      }).pipe(
        Effect.provide(
          layer({
            settings: { "*": { concurrency } },
            transport: { headersTimeout: "20 seconds" },
            rules: situations.flatMap((situation, index) => ruleOf(situation, targetHosts[index] ?? ""))
          })
        )
      ),
    { fastCheck: { numRuns: Setting.number("OCI_FAN_OUT_RUNS", 4) }, timeout: 600_000 }
  )
})
