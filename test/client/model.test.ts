/**
 * Random programs of pushes, pulls, mounts, tags and deletions, some of them interrupted at a random moment, against a model that knows only
 * sets. Whatever happens: what the model says is there is there and nothing else, nothing is under a wrong digest, no upload stays open, no
 * place at the host stays taken, no fiber stays behind.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as TestContext from "effect/TestContext"
import type * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Content from "../support/Content.ts"
import * as Eventually from "../support/Eventually.ts"
import * as World from "../support/World.ts"

// --- what there is to push ---

const names = ["one", "two", "three"] as const
const tagNames = ["a", "b", "c"] as const
const contents = [0, 1, 10, 5000].map((length, seed) => Uint8Array.from({ length }, (_, index) => (index * 31 + seed) % 251))
const blobs = contents.map((bytes) => Content.describeBytes(bytes))
const blobAt = (index: number) => blobs[index] ?? Content.describeBytes(new Uint8Array(0))
const bytesAt = (index: number) => contents[index] ?? new Uint8Array(0)

/** An image of one config and one layer, for every pair. */
const manifestOf = (config: number, layer: number) =>
  Manifest.imageManifest({
    config: { ...blobAt(config), mediaType: MediaType.ociImageConfig },
    layers: [{ ...blobAt(layer), mediaType: MediaType.ociLayerTar }]
  })

const repositoryOf = (name: string) => Effect.runSync(Reference.parseRepository(`${World.host}/${name}`))

// --- the model ---

interface Shelf {
  readonly blobs: ReadonlySet<string>
  readonly manifests: ReadonlySet<string>
  readonly tags: ReadonlyMap<string, string>
}

/** Repositories come to be with their first content. */
type Model = ReadonlyMap<string, Shelf>

const nothing: Shelf = { blobs: new Set(), manifests: new Set(), tags: new Map() }

const shelf = (model: Model, name: string): Shelf => model.get(name) ?? nothing

const changed = (model: Model, name: string, change: (shelf: Shelf) => Shelf): Model =>
  new Map([...model, [name, change(shelf(model, name))]])

const without = (set: ReadonlySet<string>, value: string) => new Set([...set].filter((one) => one !== value))

const withBlob = (model: Model, name: string, digest: string): Model =>
  changed(model, name, (held) => ({ ...held, blobs: new Set([...held.blobs, digest]) }))

/** The model as plain text, to be compared. */
const pictureOf = (model: Model): string =>
  JSON.stringify(
    [...model]
      .map(([name, { blobs, manifests, tags }]) => [name, [...blobs].sort(), [...manifests].sort(), [...tags].sort()])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
  )

const pictureOfRegistry = ({ registry }: World.World) =>
  Effect.gen(function* () {
    const model = new Map<string, Shelf>()
    for (const name of yield* registry.repositories) {
      const tags = new Map<string, string>()
      for (const tag of yield* registry.tags(name)) {
        tags.set(tag, Option.getOrThrow(yield* registry.manifest(name, tag)).digest)
      }
      model.set(name, { blobs: new Set(yield* registry.blobs(name)), manifests: new Set(yield* registry.manifests(name)), tags })
    }
    return pictureOf(model)
  })

// --- commands ---

/** What a command does to the registry, and what it says. */
interface Prediction {
  readonly outcome: string
  readonly model: Model
}

interface Command {
  readonly name: string
  readonly run: (client: RegistryClient.Service) => Effect.Effect<string, { readonly _tag: string }>
  readonly predict: (model: Model) => Prediction
}

const says = (model: Model, outcome: string): Prediction => ({ outcome, model })

const missing = (model: Model, name: string, tag: string): Prediction => says(model, model.has(name) ? tag : "!NameUnknown")

const name = fc.constantFrom(...names)
const tag = fc.constantFrom(...tagNames)
const content = fc.nat({ max: contents.length - 1 })

const plans = ["auto", "single", "streamed", "chunked", "once", "made"] as const

const pushBlob: fc.Arbitrary<Command> = fc.record({ name, content, plan: fc.constantFrom(...plans) }).map(({ name, content, plan }) => ({
  name: `push blob ${content} to ${name} (${plan})`,
  run: (client) => {
    const repository = repositoryOf(name)
    const bytes = bytesAt(content)
    const pieces = Stream.fromIterable([bytes.subarray(0, 700), bytes.subarray(700)])
    const chunkBytes = 2000
    const result =
      plan === "made"
        ? client.putBlobStream(repository, pieces, { chunkBytes })
        : plan === "once"
          ? client.putBlob(repository, blobAt(content), { once: pieces }, { chunkBytes })
          : client.putBlob(repository, blobAt(content), pieces, { plan, chunkBytes })
    return Effect.map(result, ({ outcome }) => outcome)
  },
  predict: (model) => {
    const { digest } = blobAt(content)
    const held = shelf(model, name).blobs.has(digest) && plan !== "made"
    return { outcome: held ? "existed" : "uploaded", model: withBlob(model, name, digest) }
  }
}))

const pullBlob: fc.Arbitrary<Command> = fc.record({ name, content }).map(({ name, content }) => ({
  name: `pull blob ${content} from ${name}`,
  run: (client) =>
    Effect.map(
      Stream.runFold(client.getBlob(repositoryOf(name), blobAt(content)), Buffer.alloc(0), (all, part) => Buffer.concat([all, part])),
      (bytes) => (bytes.equals(bytesAt(content)) ? "right" : "wrong")
    ),
  predict: (model) => says(model, shelf(model, name).blobs.has(blobAt(content).digest) ? "right" : "!BlobUnknown")
}))

const mount: fc.Arbitrary<Command> = fc.record({ from: name, to: name, content }).map(({ from, to, content }) => ({
  name: `mount blob ${content} from ${from} to ${to}`,
  run: (client) => Effect.map(client.mountBlob(repositoryOf(to), blobAt(content).digest, from), String),
  predict: (model) => {
    const { digest } = blobAt(content)
    return shelf(model, from).blobs.has(digest) ? says(withBlob(model, to, digest), "true") : says(model, "false")
  }
}))

const pushManifest: fc.Arbitrary<Command> = fc
  .record({ name, config: content, layer: content, tags: fc.uniqueArray(tag) })
  .map(({ name, config, layer, tags }) => ({
    name: `push image ${config}/${layer} to ${name} as ${tags.join(", ")}`,
    run: (client) => {
      const options = { tags: tags.map((one) => Reference.Tag.make(one)) }
      return Effect.as(client.putManifest(repositoryOf(name), manifestOf(config, layer), options), "pushed")
    },
    predict: (model) => {
      const held = shelf(model, name).blobs
      if (!held.has(blobAt(config).digest) || !held.has(blobAt(layer).digest)) return says(model, "!ManifestBlobUnknown")
      const { digest } = manifestOf(config, layer)
      const put = (one: Shelf): Shelf => ({
        ...one,
        manifests: new Set([...one.manifests, digest]),
        tags: new Map([...one.tags, ...tags.map((tag) => [tag, digest] as const)])
      })
      return says(changed(model, name, put), "pushed")
    }
  }))

const pullManifest: fc.Arbitrary<Command> = fc.record({ name, tag }).map(({ name, tag }) => ({
  name: `pull ${name}:${tag}`,
  run: (client) => Effect.map(client.getManifest(Reference.withTag(repositoryOf(name), Reference.Tag.make(tag))), ({ digest }) => digest),
  predict: (model) => says(model, shelf(model, name).tags.get(tag) ?? "!ManifestUnknown")
}))

const deleteTag: fc.Arbitrary<Command> = fc.record({ name, tag }).map(({ name, tag }) => ({
  name: `delete ${name}:${tag}`,
  run: (client) => Effect.as(client.deleteTag(repositoryOf(name), Reference.Tag.make(tag)), "deleted"),
  predict: (model) =>
    shelf(model, name).tags.has(tag)
      ? says(
          changed(model, name, (held) => ({ ...held, tags: new Map([...held.tags].filter(([one]) => one !== tag)) })),
          "deleted"
        )
      : missing(model, name, "!ManifestUnknown")
}))

const deleteManifest: fc.Arbitrary<Command> = fc.record({ name, config: content, layer: content }).map(({ name, config, layer }) => ({
  name: `delete image ${config}/${layer} of ${name}`,
  run: (client) => Effect.as(client.deleteManifest(repositoryOf(name), manifestOf(config, layer).digest), "deleted"),
  predict: (model) => {
    const { digest } = manifestOf(config, layer)
    if (!shelf(model, name).manifests.has(digest)) return missing(model, name, "!ManifestUnknown")
    const drop = (held: Shelf): Shelf => ({
      ...held,
      manifests: without(held.manifests, digest),
      tags: new Map([...held.tags].filter(([, tagged]) => tagged !== digest))
    })
    return says(changed(model, name, drop), "deleted")
  }
}))

const deleteBlob: fc.Arbitrary<Command> = fc.record({ name, content }).map(({ name, content }) => ({
  name: `delete blob ${content} of ${name}`,
  run: (client) => Effect.as(client.deleteBlob(repositoryOf(name), blobAt(content).digest), "deleted"),
  predict: (model) => {
    const { digest } = blobAt(content)
    if (!shelf(model, name).blobs.has(digest)) return says(model, "!BlobUnknown")
    return says(
      changed(model, name, (held) => ({ ...held, blobs: without(held.blobs, digest) })),
      "deleted"
    )
  }
}))

const listTags: fc.Arbitrary<Command> = name.map((name) => ({
  name: `tags of ${name}`,
  run: (client) => Effect.map(Stream.runCollect(client.tags(repositoryOf(name), { pageSize: 1 })), (tags) => [...tags].sort().join(",")),
  predict: (model) => says(model, model.has(name) ? [...shelf(model, name).tags.keys()].sort().join(",") : "!NameUnknown")
}))

const command = fc.oneof(
  { weight: 5, arbitrary: pushBlob },
  { weight: 2, arbitrary: pullBlob },
  { weight: 2, arbitrary: mount },
  { weight: 4, arbitrary: pushManifest },
  { weight: 2, arbitrary: pullManifest },
  { weight: 1, arbitrary: deleteTag },
  { weight: 1, arbitrary: deleteManifest },
  { weight: 1, arbitrary: deleteBlob },
  { weight: 1, arbitrary: listTags }
)

/**
 * Turns a command gets before it is interrupted, each of so many operations (fewer than some ten, and a fiber never gets on); undefined lets
 * it end.
 */
const patience = fc.option(fc.record({ turns: fc.nat({ max: 60 }), grain: fc.constantFrom(16, 40, 150) }), { nil: undefined, freq: 2 })
type Patience = { readonly turns: number; readonly grain: number } | undefined

interface Step {
  readonly command: Command
  readonly patience: Patience
}

const nameOf = ({ command, patience }: Step) =>
  `${command.name}${patience === undefined ? "" : `, interrupted after ${patience.turns} turns of ${patience.grain}`}`

const step: fc.Arbitrary<Step> = fc
  .record({ command, patience })
  .map((one) => Object.defineProperty(one, fc.toStringMethod, { value: () => nameOf(one) }))

const program: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(step, { minLength: 1, maxLength: 14 })

// --- running them ---

const tally = { programs: 0, commands: 0, interrupted: 0, late: 0 }

const carryOut = (self: Effect.Effect<string, { readonly _tag: string }>, patience: Patience) =>
  Effect.gen(function* () {
    if (patience === undefined) return yield* Effect.exit(World.throughTime(self))
    const fiber = yield* Effect.fork(Effect.withMaxOpsBeforeYield(self, patience.grain))
    // Promises of the platform move on between turns of the event loop only.
    for (let turn = 0; turn < patience.turns; turn++) yield* turn % 100 === 99 ? Eventually.turn : Effect.yieldNow()
    // What the interruption does, such as cancelling an upload, may wait on the clock.
    return yield* World.throughTime(Fiber.interrupt(fiber))
  })

const follow = (steps: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const world = yield* World.make({ settings: { "*": { concurrency: 2 } } })
    let model: Model = new Map()
    tally.programs++
    for (const step of steps) {
      const { command, patience } = step
      const where = nameOf(step)
      tally.commands++
      const { outcome, model: next } = command.predict(model)
      const exit = yield* carryOut(command.run(world.client), patience)
      const interrupted = Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)
      const found = yield* pictureOfRegistry(world)
      if (interrupted) {
        tally.interrupted++
        // An interrupted command has happened or it has not; of several tags some may be set.
        const after = pictureOf(next)
        if (found === after) model = next
        else if (found !== pictureOf(model)) model = yield* partly(command, model, next, found, where)
      } else {
        if (patience !== undefined) tally.late++
        assert.strictEqual(World.outcomeOf(exit), outcome, where)
        assert.strictEqual(found, pictureOf(next), where)
        model = next
      }
      assert.deepStrictEqual(yield* World.corruptContent(world.registry), [], where)
      assert.deepStrictEqual(yield* world.registry.openUploads, [], where)
      assert.deepStrictEqual(yield* world.taken, { read: 0, write: 0 }, where)
    }
  }).pipe(Effect.scoped)

/** The states between: a manifest is there and only some of its tags. */
const partly = (command: Command, before: Model, after: Model, found: string, where: string) =>
  Effect.sync(() => {
    for (const [name, held] of after) {
      const old = shelf(before, name)
      const moved = [...held.tags].filter(([tag, digest]) => old.tags.get(tag) !== digest)
      for (let subset = 0; subset < 2 ** moved.length; subset++) {
        const tags = new Map([...old.tags, ...moved.filter((_, index) => (subset & (1 << index)) !== 0)])
        const between = new Map([...before, [name, { ...held, tags }]])
        if (pictureOf(between) === found) return between
      }
    }
    return assert.fail(`${where}: neither before nor after ${command.name}\n${found}\n${pictureOf(after)}`)
  })

/** Runs a program with everything it forks under observation. */
const observed = (steps: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const supervisor = yield* Supervisor.track
    yield* Effect.supervised(follow(steps), supervisor)
    for (let turns = 0; turns < 3; turns++) yield* Eventually.turn
    assert.deepStrictEqual(yield* Effect.map(supervisor.value, (fibers) => fibers.length), 0, "fibers left behind")
  }).pipe(Effect.provide(TestContext.TestContext))

describe("the client against a model", () => {
  it("random programs, interrupted at random", { timeout: 120_000 }, () =>
    fc.assert(
      fc.asyncProperty(program, (steps) => Effect.runPromise(observed(steps))),
      { numRuns: 250, seed: 20_260_801 }
    )
  )

  it("other programs each time", { timeout: 120_000 }, () =>
    fc.assert(
      fc.asyncProperty(program, (steps) => Effect.runPromise(observed(steps))),
      { numRuns: 50 }
    )
  )

  afterAll(() => {
    const { commands, interrupted, late, programs } = tally
    console.log(`model: ${programs} programs, ${commands} commands, ${interrupted} interrupted, ${late} over before the interruption`)
  })
})
