import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Graph from "../../src/copy/Graph.ts"
import type * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"

const config = Manifest.imageIndex({ manifests: [] }).descriptor

const image = (size: number) =>
  Manifest.imageManifest({
    config: { ...config, mediaType: MediaType.ociImageConfig },
    layers: [{ mediaType: MediaType.ociLayerTarGzip, digest: Digest.fromBytes(new Uint8Array(size)), size }]
  })

const index = (...manifests: ReadonlyArray<Manifest.Manifest>) =>
  Manifest.imageIndex({ manifests: manifests.map(({ descriptor }) => descriptor) })

/** Gives these manifests, and remembers which were asked for. */
const sourceOf = (...manifests: ReadonlyArray<Manifest.Manifest>) => {
  const fetched: Array<string> = []
  const fetchManifest = (reference: string | Descriptor.Descriptor) =>
    Effect.suspend(() => {
      const digest = typeof reference === "string" ? reference : reference.digest
      fetched.push(digest)
      const found = manifests.find((manifest) => manifest.digest === digest)
      return found === undefined ? Effect.fail("missing" as const) : Effect.succeed(found)
    })
  return { source: { label: "test", fetchManifest }, fetched }
}

const digests = (nodes: ReadonlyArray<Graph.Node>) => nodes.map(({ descriptor }) => descriptor.digest)

describe("Graph", () => {
  it.effect("an image that two indexes name is fetched once and is a child of both", () =>
    Effect.gen(function* () {
      const [shared, other] = [image(1), image(2)]
      const [one, two] = [index(shared, other), index(shared)]
      const root = index(one, two, shared)
      const { fetched, source } = sourceOf(shared, other, one, two)
      const node = yield* Graph.load(source, root)
      expect([...fetched].sort()).toEqual(digests(Graph.postOrder(node)).slice(0, -1).sort())
      const parents = Graph.postOrder(node).filter(({ children }) => digests(children).includes(shared.digest))
      expect(digests(parents).sort()).toEqual([one.digest, two.digest, root.digest].sort())
    })
  )

  it.effect("without limits there are none", () =>
    Effect.gen(function* () {
      const leaf = image(1)
      const nested = Array.from({ length: 12 }).reduce<ReadonlyArray<Manifest.Manifest>>((all) => [index(all[0] ?? leaf), ...all], [])
      const [root = leaf, ...others] = nested
      const limits = { maxDepth: Number.POSITIVE_INFINITY, maxManifests: Number.POSITIVE_INFINITY }
      const node = yield* Graph.load(sourceOf(leaf, ...others).source, root, limits)
      expect(Graph.postOrder(node).length).toBe(13)
    })
  )

  it.effect("fetches so many manifests at once, however indexes nest", () =>
    Effect.gen(function* () {
      const images = Array.from({ length: 16 }, (_, size) => image(size))
      const indexes = [0, 4, 8, 12].map((from) => index(...images.slice(from, from + 4)))
      const { source } = sourceOf(...images, ...indexes)
      let fetching = 0
      let most = 0
      const begin = Effect.sync(() => {
        most = Math.max(most, ++fetching)
      })
      const end = Effect.sync(() => {
        fetching--
      })
      const slow = {
        ...source,
        fetchManifest: (reference: string | Descriptor.Descriptor) =>
          Effect.acquireUseRelease(
            begin,
            () => Effect.delay(source.fetchManifest(reference), "1 second"),
            () => end
          )
      }
      for (const [concurrency, expected] of [
        [undefined, 8],
        [3, 3],
        [0, 1]
      ] as const) {
        most = 0
        const loading = yield* Effect.fork(Graph.load(slow, index(...indexes), { concurrency }))
        yield* TestClock.adjust("1 minute")
        expect(Graph.postOrder(yield* Fiber.join(loading)).length).toBe(21)
        expect(most).toBe(expected)
      }
    })
  )

  it.effect("children come before parents, each once", () =>
    Effect.gen(function* () {
      const [a, b] = [image(1), image(2)]
      const low = index(a)
      const middle = index(b, low)
      const root = index(low, middle, a)
      const order = digests(Graph.postOrder(yield* Graph.load(sourceOf(a, b, low, middle).source, root)))
      expect(order.length).toBe(5)
      for (const [parent, child] of [
        [low, a],
        [middle, b],
        [middle, low],
        [root, middle]
      ] as const) {
        expect(order.indexOf(child.digest)).toBeLessThan(order.indexOf(parent.digest))
      }
    })
  )

  it.effect("what is skipped or not selected has no node, and blobs are told from manifests", () =>
    Effect.gen(function* () {
      const [a, b, c] = [image(1), image(2), image(3)]
      const root = index(a, b, c)
      const { fetched, source } = sourceOf(a, b, c)
      const node = yield* Graph.load(source, root, {
        select: ({ digest }) => digest !== a.digest,
        skip: ({ digest }) => Effect.succeed(digest === b.digest)
      })
      expect(digests(node.children)).toEqual([c.digest])
      expect(fetched).toEqual([c.digest])
      expect(node.children[0]?.blobs.map(({ digest }) => digest)).toEqual([c.config.digest, ...c.layers.map(({ digest }) => digest)])
    })
  )

  it.effect("is bounded in depth and number", () =>
    Effect.gen(function* () {
      const a = image(1)
      const low = index(a)
      const root = index(low, image(2))
      const { source } = sourceOf(a, low, image(2))
      expect((yield* Graph.load(source, root, { maxDepth: 2 })).children.length).toBe(2)
      expect(yield* Effect.flip(Graph.load(source, root, { maxDepth: 1 }))).toMatchObject({ _tag: "LimitExceeded", limit: 1 })
      expect(yield* Effect.flip(Graph.load(source, root, { maxManifests: 3 }))).toMatchObject({ _tag: "LimitExceeded", limit: 3 })
    })
  )

  it.effect("a source that names a manifest within itself does not keep it busy for ever", () =>
    Effect.gen(function* () {
      const low = index(image(1))
      const root = index(low)
      const loop = { label: "test", fetchManifest: () => Effect.succeed(root) }
      const node = yield* Graph.load(loop, root)
      expect(Graph.postOrder(node).length).toBe(2)
    })
  )
})
