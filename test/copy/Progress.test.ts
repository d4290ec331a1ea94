import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import type * as ContentStore from "../../src/content/ContentStore.ts"
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
import * as Registries from "../support/Registries.ts"
import { throughTime } from "../support/World.ts"
import * as Vectors from "../vectors/Vectors.ts"

// --- the table ---

const Count = Schema.optionalWith(Schema.NonNegativeInt, { exact: true })

const Row = Schema.Struct({
  name: Schema.String,
  input: Schema.Struct({
    layerSize: Count,
    layers: Count,
    layerExists: Schema.optionalWith(Schema.Boolean, { exact: true }),
    nondistributable: Count,
    images: Count,
    tags: Count,
    patchFailures: Count,
    patchStatus: Count,
    manifestFailures: Count
  }),
  expectedUpdates: Schema.optionalWith(
    Schema.Array(
      Schema.Union(Schema.Struct({ total: Schema.Int, complete: Schema.Int }), Schema.Struct({ errorIsSet: Schema.Literal(true) }))
    ),
    { exact: true }
  ),
  expectedClosed: Schema.optionalWith(Schema.Literal(true), { exact: true }),
  expectedInvariant: Schema.optionalWith(
    Schema.Literal("total never falls, complete never falls, at the end complete == total, no error"),
    { exact: true }
  )
})

type Row = typeof Row.Type

const fails = ({ expectedUpdates = [] }: Row): boolean => expectedUpdates.some((update) => "errorIsSet" in update)

/** The bytes that are complete by each update. */
const completes = ({ expectedUpdates = [] }: Row): ReadonlyArray<number> =>
  expectedUpdates.flatMap((update) => ("complete" in update ? [update.complete] : []))

const neverFalls = (numbers: ReadonlyArray<number>): boolean => numbers.every((number, index) => number >= (numbers[index - 1] ?? 0))

const deviations: ReadonlyArray<Vectors.Deviation<Row>> = [
  {
    name: "what was counted is not taken back",
    reason: "go-containerregistry falls back to 0 when an attempt fails; ours stays where it was until the next attempt gets further",
    applies: (row) => !neverFalls(completes(row))
  }
]

const pushed = (store: MemoryStore.MemoryStore, bytes: Uint8Array, mediaType: string) => {
  const descriptor = Descriptor.fromBytes(bytes, mediaType)
  return Effect.as(store.pushBlob(descriptor, bytes), descriptor)
}

/** An image as the row describes it. */
const makeImage = (store: MemoryStore.MemoryStore, { layers = 1, layerSize = 10_000, nondistributable = 0 }: Row["input"], seed: number) =>
  Effect.gen(function* () {
    const config = yield* pushed(store, new TextEncoder().encode(JSON.stringify({ seed })), MediaType.ociImageConfig)
    const content = yield* Effect.forEach(Array.from({ length: layers }), (_, index) => {
      const type = index < nondistributable ? MediaType.ociNondistributableLayerTar : MediaType.ociLayerTar
      return pushed(store, new Uint8Array(layerSize).fill(16 * seed + index + 1), type)
    })
    const manifest = Manifest.imageManifest({ config, layers: content })
    yield* store.pushManifest(manifest)
    return manifest
  })

const makeContent = (store: MemoryStore.MemoryStore, input: Row["input"]) =>
  Effect.gen(function* () {
    if (input.images === undefined) return yield* makeImage(store, input, 0)
    const images = yield* Effect.forEach(Array.from({ length: input.images }), (_, index) => makeImage(store, input, index))
    const index = Manifest.imageIndex({ manifests: images.map(({ descriptor }) => descriptor) })
    yield* store.pushManifest(index)
    return index
  })

/** Refused after all of its body came. */
const refused = (status: number): Fault.Fault => Fault.earlyAnswer(Number.MAX_SAFE_INTEGER, status)

const rulesOf = ({ manifestFailures, patchFailures, patchStatus }: Row["input"]): ReadonlyArray<FaultyHttp.Rule> => [
  ...(patchStatus === undefined ? [] : [{ match: { method: "PATCH" }, fault: refused(patchStatus) }]),
  ...(patchFailures === undefined ? [] : [{ match: { method: "PATCH", count: patchFailures }, fault: refused(500) }]),
  ...(manifestFailures === undefined
    ? []
    : [{ match: { method: "PUT", path: /manifests/, count: manifestFailures }, fault: Fault.respond(500) }])
]

/** The events of what the row describes, and how it ended. */
const run = ({ input }: Row) =>
  Effect.gen(function* () {
    const store = yield* MemoryStore.make()
    const root = yield* makeContent(store, input)
    const target = yield* Effect.flatMap(Reference.parseRepository("registry.test/acme/app"), RemoteRepository.make)
    if (input.layerExists === true) {
      const registry = (yield* MemoryRegistry.MemoryRegistry).at("registry.test")
      const layers = Manifest.successors(root).filter(({ mediaType }) => MediaType.isLayer(mediaType))
      for (const layer of layers) {
        const parts = yield* Stream.runCollect(store.fetchBlob(layer))
        yield* registry.seedBlob("acme/app", Buffer.concat(Chunk.toReadonlyArray(parts)))
      }
    }
    const entries = Array.from({ length: input.tags ?? 1 }, (_, index) => ({
      source: store,
      reference: root.digest,
      target,
      tags: [`tag-${index}`]
    }))
    const events: Array<Progress.Event> = []
    const stream = Progress.toStream((onProgress) => Copy.copyMany(entries, { onProgress, nondistributable: true }))
    const collecting = Stream.runForEach(stream, (event) => Effect.sync(() => events.push(event)))
    const exit = yield* throughTime(Effect.exit(collecting))
    return { exit, events, faults: yield* (yield* FaultyHttp.FaultyHttp).counts }
  }).pipe(
    Effect.provide(
      Layer.provideMerge(
        RegistryClient.layer,
        Registries.layer({ rules: rulesOf(input), settings: { "registry.test": { uploadPlan: "streamed" } } })
      )
    )
  )

const sumsOf = (events: ReadonlyArray<Progress.Event>): ReadonlyArray<Progress.Summary> => {
  const add = Progress.summarize()
  return events.map(add)
}

const isLayerEvent = ({ descriptor }: Progress.Event) => MediaType.isLayer(descriptor.mediaType)

describe("progress-updates", () => {
  for (const row of Vectors.load("progress-updates", Row)) {
    const deviation = Vectors.deviation(deviations, row)
    it.effect(deviation === undefined ? row.name : `${row.name} (${deviation.name})`, () =>
      Effect.gen(function* () {
        const { events, exit, faults } = yield* run(row)
        // What the row lets fail has failed.
        expect(faults.every((count) => count > 0)).toBe(true)
        // Go tells of one layer alone.
        const sums = sumsOf(row.expectedUpdates === undefined ? events : events.filter(isLayerEvent))
        const last = sums.at(-1) ?? expect.fail("nothing was told")
        expect(neverFalls(sums.map(({ totalBytes }) => totalBytes))).toBe(true)
        expect(neverFalls(sums.map(({ completeBytes }) => completeBytes))).toBe(true)
        expect(last.active).toBe(0)
        expect(Exit.isFailure(exit)).toBe(fails(row))
        expect(last.failed).toBe(fails(row) ? 1 : 0)
        if (!fails(row)) expect(last.completeBytes).toBe(last.totalBytes)
        if (row.expectedUpdates !== undefined) {
          expect(new Set(sums.map(({ totalBytes }) => totalBytes))).toEqual(new Set([row.input.layerSize]))
          expect(last.completeBytes).toBe(Math.max(...completes(row)))
        }
      })
    )
  }
})

// --- the module ---

const itemOf = (id: string, size: number): Progress.Item => ({
  id,
  descriptor: { ...Descriptor.empty, size },
  target: "somewhere"
})

describe("Progress.summarize", () => {
  it("adds up how pieces of content end", () => {
    const [stored, there, mounted, broken] = [itemOf("a", 10), itemOf("b", 20), itemOf("c", 30), itemOf("d", 40)]
    const add = Progress.summarize()
    for (const item of [stored, there, mounted, broken]) add({ ...item, _tag: "Started" })
    add({ ...stored, _tag: "Advanced", bytes: 4 })
    expect(add({ ...broken, _tag: "Advanced", bytes: 15 })).toMatchObject({ totalBytes: 100, completeBytes: 19, active: 4 })
    add({ ...stored, _tag: "Done" })
    add({ ...there, _tag: "Skipped" })
    add({ ...mounted, _tag: "Mounted" })
    const sum = add({ ...broken, _tag: "Failed", error: "broken" })
    expect(sum).toEqual({ totalBytes: 100, completeBytes: 75, active: 0, done: 1, skipped: 1, mounted: 1, failed: 1 })
  })

  it("counts what is tried again once, and no more than there is", () => {
    const item = itemOf("a", 10)
    const add = Progress.summarize()
    add({ ...item, _tag: "Started" })
    add({ ...item, _tag: "Advanced", bytes: 8 })
    add({ ...item, _tag: "Failed", error: "broken" })
    expect(add({ ...item, _tag: "Started" })).toMatchObject({ totalBytes: 10, completeBytes: 8, active: 1 })
    expect(add({ ...item, _tag: "Advanced", bytes: 3 }).completeBytes).toBe(8)
    expect(add({ ...item, _tag: "Advanced", bytes: 12 }).completeBytes).toBe(10)
    expect(add({ ...item, _tag: "Done" })).toMatchObject({ totalBytes: 10, completeBytes: 10, active: 0, done: 1 })
  })
})

describe("Progress.toStream", () => {
  const item = itemOf("a", 100)
  const advances = (count: number): ReadonlyArray<Progress.Event> =>
    Array.from({ length: count }, (_, index) => ({ ...item, _tag: "Advanced", bytes: index + 1 }))

  it.effect("does not wait for a slow reader, who is told the last of the advances it missed and everything else", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<void>()
      const stream = Progress.toStream((listener) =>
        Effect.zipRight(
          Effect.sync(() => {
            for (const event of [{ ...item, _tag: "Started" } as const, ...advances(100), { ...item, _tag: "Done" } as const])
              listener(event)
          }),
          Deferred.succeed(ended, undefined)
        )
      )
      const read = yield* Effect.fork(Stream.runCollect(Stream.tap(stream, () => Deferred.await(ended))))
      const events = Chunk.toReadonlyArray(yield* Fiber.join(read))
      expect(events.map(({ _tag }) => _tag)).toEqual(["Started", "Advanced", "Done"])
      expect(events[1]).toMatchObject({ bytes: 100 })
    })
  )

  it.effect.prop(
    "keeps the order of events and loses none but advances, however they come",
    {
      steps: fc.array(
        fc.record({
          id: fc.constantFrom("a", "b"),
          kind: fc.constantFrom<"Started" | "Advanced" | "Done">("Started", "Advanced", "Done"),
          pause: fc.boolean()
        }),
        { maxLength: 30 }
      )
    },
    ({ steps }) =>
      Effect.gen(function* () {
        let bytes = 0
        const sent = steps.map(
          ({ id, kind }): Progress.Event =>
            kind === "Advanced" ? { ...itemOf(id, 100), _tag: kind, bytes: ++bytes } : { ...itemOf(id, 100), _tag: kind }
        )
        const stream = Progress.toStream((listener) =>
          Effect.forEach(sent, (event, index) => {
            listener(event)
            return steps[index]?.pause === true ? Effect.yieldNow() : Effect.void
          })
        )
        const got = Chunk.toReadonlyArray(yield* Stream.runCollect(stream))
        const isFirm = ({ _tag }: Progress.Event) => _tag !== "Advanced"
        expect(got.filter(isFirm)).toEqual(sent.filter(isFirm))
        for (const id of ["a", "b"]) {
          const last = (events: ReadonlyArray<Progress.Event>) => events.filter((event) => event.id === id).at(-1)
          expect(last(got)).toEqual(last(sent))
          expect(neverFalls(got.flatMap((event) => (event.id === id && event._tag === "Advanced" ? [event.bytes] : [])))).toBe(true)
        }
      })
  )

  it.effect("what is sent again is not counted as more", () =>
    Effect.gen(function* () {
      const source = yield* MemoryStore.make()
      const config = Descriptor.fromBytes(new Uint8Array(1000), MediaType.octetStream)
      yield* source.pushBlob(config, new Uint8Array(1000))
      yield* source.pushManifest(Manifest.artifact({ artifactType: "application/x.test", config, layers: [config] }), { tags: ["v1"] })
      const target = yield* MemoryStore.make()
      const breaksOnce: typeof target = {
        ...target,
        pushBlob: (descriptor, content, options) => {
          for (const reached of [600, 300, 600]) options?.onBytes?.(300, reached)
          return target.pushBlob(descriptor, content, options)
        }
      }
      const reached: Array<number> = []
      const onProgress: Progress.Listener = (event) => {
        if (event._tag === "Advanced") reached.push(event.bytes)
      }
      yield* Copy.copy(source, "v1", breaksOnce, { onProgress })
      expect(reached).toEqual([600, 600, 600, 1000])
    })
  )

  it.effect("a listener that throws does not hide why the copy failed", () =>
    Effect.gen(function* () {
      const source = yield* MemoryStore.make()
      const config = Descriptor.fromBytes(new Uint8Array(1000), MediaType.octetStream)
      yield* source.pushBlob(config, new Uint8Array(1000))
      yield* source.pushManifest(Manifest.artifact({ artifactType: "application/x.test", config, layers: [config] }), { tags: ["v1"] })
      const full: ContentStore.Target<unknown> = { ...(yield* MemoryStore.make()), pushManifest: () => Effect.fail("full") }
      const onProgress: Progress.Listener = ({ _tag }) => {
        if (_tag === "Failed") throw new Error("the listener")
      }
      const cause = yield* Effect.flip(Effect.sandbox(Copy.copy(source, "v1", full, { onProgress })))
      expect([...Cause.failures(cause)]).toEqual(["full"])
      expect([...Cause.defects(cause)]).toEqual([new Error("the listener")])
    })
  )

  it.effect("fails as what it tells about does, after all events", () =>
    Effect.gen(function* () {
      const stream = Progress.toStream((listener) =>
        Effect.zipRight(
          Effect.sync(() => listener({ ...item, _tag: "Started" })),
          Effect.fail("broken")
        )
      )
      const seen: Array<string> = []
      const exit = yield* Effect.exit(Stream.runForEach(stream, ({ _tag }) => Effect.sync(() => seen.push(_tag))))
      expect(seen).toEqual(["Started"])
      expect(exit).toEqual(Exit.fail("broken"))
    })
  )

  it.effect("ends what it tells about when nobody reads any more", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const stream = Progress.toStream((listener) =>
        Effect.zipRight(
          Effect.sync(() => listener({ ...item, _tag: "Started" })),
          Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
        )
      )
      yield* Stream.runDrain(Stream.take(stream, 1))
      yield* Deferred.await(interrupted)
    })
  )
})
