import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as ContentStore from "../../src/content/ContentStore.ts"
import * as MemoryStore from "../../src/content/MemoryStore.ts"
import * as Artifact from "../../src/image/Artifact.ts"
import * as Image from "../../src/image/Image.ts"
import * as Referrers from "../../src/image/Referrers.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import { turn } from "../support/Eventually.ts"
import * as Registries from "../support/Registries.ts"
import { client, image, remote, utf8 } from "./samples.ts"

const signature = "application/vnd.example.signature"
const sbom = "application/vnd.example.sbom"

const attach = <E>(place: ContentStore.Target<E>, subject: Descriptor.Descriptor, artifactType: string, text = artifactType) =>
  Effect.flatMap(Artifact.pack({ artifactType, blobs: [Artifact.fromText(text)] }), (packed) =>
    Effect.map(Artifact.attach(place, subject, packed), ({ descriptor }) => descriptor)
  )

/** An image with a signature and an SBOM that is signed. */
const seeded = <E>(place: ContentStore.Target<E>) =>
  Effect.gen(function* () {
    const { descriptor } = yield* Image.push(place, image("subject"), { tags: ["v1"] })
    const signed = yield* attach(place, descriptor, signature)
    const bill = yield* attach(place, descriptor, sbom)
    const signedBill = yield* attach(place, bill, signature, "of the bill")
    return { descriptor, signed, bill, signedBill }
  })

/** A tree as nested digests, in a fixed order. */
const shape = ({ descriptor, referrers }: Referrers.Node): unknown => ({
  [descriptor.digest]: referrers.toSorted((a, b) => Digest.Order(a.descriptor.digest, b.descriptor.digest)).map(shape)
})

const sorted = (...nodes: ReadonlyArray<Record<string, unknown>>) =>
  nodes.toSorted((a, b) => (Object.keys(a).join() < Object.keys(b).join() ? -1 : 1))

const named = (name: string) =>
  Descriptor.make({ ...Descriptor.fromBytes(utf8(name), MediaType.ociImageManifest), artifactType: `test/${name}` })

/** A place that knows nothing but who refers to whom. */
const graph = (edges: Readonly<Record<string, ReadonlyArray<string>>>): ContentStore.Referrers<never> => ({
  label: "a graph",
  referrers: (descriptor) => {
    const [, referrers = []] = Object.entries(edges).find(([name]) => named(name).digest === descriptor.digest) ?? []
    return Stream.fromIterable(referrers.map(named))
  }
})

describe("tree", () => {
  it.effect("asks for no more lists once one has failed", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 20 }, (_, number) => `r${number}`)
      let asked = 0
      const failing: ContentStore.Referrers<"broken"> = {
        label: "failing",
        referrers: () => {
          if (asked++ === 0) return Stream.fromIterable(names.map(named))
          return asked === 4 ? Stream.fromEffect(Effect.zipRight(turn, Effect.fail("broken" as const))) : Stream.never
        }
      }
      expect(yield* Effect.flip(Referrers.tree(failing, named("a"), { concurrency: 3 }))).toBe("broken")
      expect(asked).toBe(4)
    })
  )

  it.effect("fetches no more lists at once than it may, however many branches there are", () =>
    Effect.gen(function* () {
      const counts = { now: 0, most: 0, all: 0 }
      const lists = graph({ a: ["b", "c", "d"], b: ["e", "f", "g"], c: ["h", "i", "j"], d: ["k", "l", "m"] })
      const counting: ContentStore.Referrers<never> = {
        label: lists.label,
        referrers: (descriptor) =>
          Stream.unwrap(
            Effect.gen(function* () {
              counts.all++
              counts.most = Math.max(counts.most, ++counts.now)
              yield* turn
              counts.now--
              return lists.referrers(descriptor)
            })
          )
      }
      yield* Referrers.tree(counting, named("a"), { concurrency: 3 })
      expect(counts).toEqual({ now: 0, most: 3, all: 13 })
    })
  )

  const check = <E>(place: ContentStore.Target<E> & ContentStore.Referrers<E>) =>
    Effect.gen(function* () {
      const { descriptor, signed, bill, signedBill } = yield* seeded(place)
      const tree = yield* Referrers.tree(place, descriptor)
      const whole = sorted({ [signed.digest]: [] }, { [bill.digest]: [{ [signedBill.digest]: [] }] })
      expect(shape(tree)).toEqual({ [descriptor.digest]: whole })
      expect(new Set(Referrers.flatten(tree).map(({ digest }) => digest))).toEqual(
        new Set([signed, bill, signedBill].map(({ digest }) => digest))
      )
      const bills = yield* Referrers.tree(place, descriptor, { artifactTypes: [sbom] })
      expect(shape(bills)).toEqual({ [descriptor.digest]: [{ [bill.digest]: [] }] })
      const signatures = yield* Referrers.tree(place, descriptor, { artifactTypes: [signature] })
      expect(shape(signatures)).toEqual({ [descriptor.digest]: whole })
      const none = yield* Referrers.tree(place, descriptor, { artifactTypes: ["test/none"] })
      expect(none).toEqual({ descriptor, referrers: [] })
      const shallow = yield* Referrers.tree(place, descriptor, { maxDepth: 1 })
      expect(shape(shallow)).toEqual({ [descriptor.digest]: sorted({ [signed.digest]: [] }, { [bill.digest]: [] }) })
    })

  it.effect("follows what refers to what refers to a manifest", () => Effect.flatMap(MemoryStore.make(), check))

  it.effect("also in a registry", () =>
    Effect.flatMap(remote("registry.test/acme/app"), check).pipe(Effect.provide(Layer.provideMerge(client, Registries.layer())))
  )

  it.effect("ends where it was before, and shows each manifest once", () =>
    Effect.gen(function* () {
      const place = graph({ root: ["a", "root"], a: ["b", "a"], b: ["root", "a", "c", "c"] })
      const tree = yield* Referrers.tree(place, named("root"))
      expect(Referrers.flatten(tree)).toEqual(["a", "b", "c"].map(named))
    })
  )

  it.effect("is limited", () =>
    Effect.gen(function* () {
      const place = graph({ root: ["a", "b", "c"] })
      expect(Referrers.flatten(yield* Referrers.tree(place, named("root"), { maxManifests: 3 })).length).toBe(3)
      const error = yield* Effect.flip(Referrers.tree(place, named("root"), { maxManifests: 2 }))
      expect(error).toMatchObject({ _tag: "LimitExceeded", repository: "a graph", limit: 2 })
    })
  )
})

describe("digestTags", () => {
  const digest = Digest.fromBytes(utf8("signed"))
  const other = Digest.fromBytes(utf8("other"), "sha512")
  const tagOf = (of: Digest.Digest, suffix: string) => `${of.replace(":", "-")}${suffix}`

  it("are read from tags that have the form", () => {
    expect(Referrers.parseDigestTag(tagOf(digest, ".sig"))).toEqual(Option.some({ tag: tagOf(digest, ".sig"), digest, suffix: "sig" }))
    const none = [
      "latest",
      "v1.sig",
      tagOf(digest, ""),
      tagOf(digest, "."),
      `${tagOf(digest, "").slice(0, -1)}.sig`,
      `sha256:${"a".repeat(64)}.sig`
    ]
    for (const tag of none) expect(Referrers.parseDigestTag(tag)).toEqual(Option.none())
    const long = `${"a-00000000000000000000000000000000.".repeat(2 ** 15)}!`
    expect(Referrers.parseDigestTag(long)).toEqual(Option.none())
    expect(Option.isSome(Referrers.parseDigestTag(tagOf(other, ".sig")))).toBe(true)
  })

  it.effect("are those of a place for one digest, or all", () =>
    Effect.gen(function* () {
      const tags = [tagOf(digest, ".sig"), "latest", tagOf(other, ".att"), tagOf(digest, ".sbom"), tagOf(digest, "")]
      const place = { label: "tags", tags: Stream.fromIterable(tags) }
      const suffixes = (found: Stream.Stream<Referrers.DigestTag>) =>
        Effect.map(Stream.runCollect(found), (all) => Chunk.toReadonlyArray(all).map(({ suffix }) => suffix))
      expect(yield* suffixes(Referrers.digestTags(place, digest))).toEqual(["sig", "sbom"])
      expect(yield* suffixes(Referrers.digestTags(place))).toEqual(["sig", "att", "sbom"])
      expect(yield* suffixes(Referrers.digestTags(place, Either.getOrThrow(Digest.parse(`sha256:${"0".repeat(64)}`))))).toEqual([])
    })
  )
})
