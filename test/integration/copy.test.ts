/**
 * Copies between real registries, layouts and archives, looked at with skopeo, interrupted and killed. By hand with other moments:
 * `OCI_COPY_SEED=7 OCI_COPY_KILLS=60 OCI_COPY_INTERRUPTIONS=40`.
 */
import { createHash } from "node:crypto"
import * as Path from "node:path"
import { gunzipSync } from "node:zlib"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, layer } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as Archive from "../../src/content/Archive.ts"
import type * as ContentStore from "../../src/content/ContentStore.ts"
import * as OciLayout from "../../src/content/OciLayout.ts"
import type * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Copy from "../../src/copy/Copy.ts"
import * as ImageConfig from "../../src/model/ImageConfig.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as Crane from "../support/Crane.ts"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import * as Folder from "../support/Folder.ts"
import * as Program from "../support/Program.ts"
import * as Setting from "../support/Setting.ts"
import * as Skopeo from "../support/Skopeo.ts"
import * as CopyProcess from "./CopyProcess.ts"
import * as Images from "./Images.ts"
import * as Places from "./Places.ts"
import * as Samples from "./Samples.ts"

const seed = Setting.number("OCI_COPY_SEED", 2026)
const interruptions = Setting.number("OCI_COPY_INTERRUPTIONS", 8)
const kills = Setting.number("OCI_COPY_KILLS", 20)
const limit = (rounds: number) => 30_000 + rounds * 5000

interface Pair {
  readonly from: DockerRegistry.Service
  readonly to: DockerRegistry.Service
}

class Registries extends Context.Tag("effect-oci/test/Registries")<Registries, Pair>() {}

const registries = Layer.scoped(Registries, Effect.all({ from: DockerRegistry.make(), to: DockerRegistry.make() }, { concurrency: 2 }))

const live = Layer.mergeAll(registries, NodeContext.layer, NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous }))

/** What can be looked at while it is copied to. */
interface Place extends Places.Place<Failure>, ContentStore.Target<Failure> {}

type Failure = RemoteRepository.RemoteError | OciLayout.LayoutError

// --- moments ---

/** Numbers of events after which to stop, anywhere in a copy; the same ones for the same seed. */
const moments = (count: number, events: number) => Effect.replicateEffect(Random.make(seed + 1).nextIntBetween(1, events), count)

/** Copies until so many events have come, then interrupts. */
const copyUntil = (
  source: RemoteRepository.RemoteRepository,
  target: Place,
  moment: number
): Effect.Effect<"copied" | "interrupted", Failure | Copy.CopyError> =>
  Effect.gen(function* () {
    const reached = yield* Deferred.make<void>()
    let events = 0
    const onProgress = () => {
      if (++events === moment) Deferred.unsafeDone(reached, Effect.void)
    }
    return yield* Effect.raceFirst(
      Effect.as(Copy.copy(source, "v1", target, { onProgress }), "copied" as const),
      Effect.as(Deferred.await(reached), "interrupted" as const)
    )
  })

const countEvents = Effect.fnUntraced(function* (source: RemoteRepository.RemoteRepository, target: Place) {
  let events = 0
  yield* Copy.copy(source, "v1", target, {
    onProgress: () => {
      events++
    }
  })
  return events
})

describe.skipIf(!Program.available(DockerRegistry.program, Skopeo.program))("Copy between real places", () => {
  layer(Layer.merge(live, CopyProcess.layer), { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.scoped("an index of indexes that share an image, byte for byte", () =>
      Effect.gen(function* () {
        const { from, to } = yield* Registries
        const source = yield* Places.repositoryAt(from.host, "team/nested")
        const target = yield* Places.repositoryAt(to.host, "mirror/nested")
        const index = yield* Samples.pushNested(source, "v1")
        const result = yield* Copy.copy(source, "v1", target)
        assert.strictEqual(result.descriptor.digest, index.digest)
        assert.deepInclude(result, { unchanged: false, ...Samples.nested, skipped: 0 })
        yield* Places.assertSameForSkopeo(source, target, "v1")
        yield* Places.assertSameBlobs(source, target, "v1")
        yield* Crane.validate(`${target.label}:v1`)
        yield* Places.assertNothingMoves({ from, to }, source, target, "v1")
      })
    )

    it.scoped("60 layers within the budget of requests; again with one request at each end", () =>
      Effect.gen(function* () {
        const { from, to } = yield* Registries
        const source = yield* Places.repositoryAt(from.host, "team/layers")
        const target = yield* Places.repositoryAt(to.host, "mirror/layers")
        yield* Samples.pushImage(source, { layers: 60, tag: "v1" })
        const copied = yield* Places.asked(from, Places.asked(to, Copy.copy(source, "v1", target)))
        assert.deepInclude(copied.result.result, { unchanged: false, manifests: 1, blobs: 61, skipped: 0 })
        assert.isAtMost(copied.requests.length, 63, copied.requests.join("\n"))
        assert.isAtMost(copied.result.requests.length, 190, copied.result.requests.join("\n"))
        yield* Places.assertSameForSkopeo(source, target, "v1")
        yield* Places.assertSameBlobs(source, target, "v1")
        yield* Crane.validate(`${target.label}:v1`)
        yield* Places.assertNothingMoves({ from, to }, source, target, "v1")
      })
    )

    it.scoped("registry, layout, oci-archive, docker-archive, registry: the digest stays until the docker-archive", () =>
      Effect.gen(function* () {
        const { from, to } = yield* Registries
        const folder = yield* Folder.temporary("round-trip")
        const source = yield* Places.repositoryAt(from.host, "team/round")
        const target = yield* Places.repositoryAt(to.host, "mirror/round")
        const { digest } = yield* Samples.pushImage(source, { layers: 4, tag: "v1" })
        const original = yield* Images.pull(Reference.withDigest(source.repository, digest))

        const layout = yield* OciLayout.create(Path.join(folder, "layout"))
        assert.strictEqual((yield* Copy.copy(source, "v1", layout)).descriptor.digest, digest)

        const ociFile = Path.join(folder, "oci.tar")
        const ociWriter = yield* Archive.write(ociFile, { format: "oci" })
        assert.strictEqual((yield* Copy.copy(layout, "v1", ociWriter)).descriptor.digest, digest)
        yield* ociWriter.commit
        const ociArchive = yield* Archive.read(ociFile)
        assert.strictEqual((yield* ociArchive.resolve("v1")).digest, digest)
        assert.strictEqual((yield* Copy.copy(ociArchive, "v1", target, { tags: ["oci"] })).descriptor.digest, digest)
        assert.deepStrictEqual(yield* Images.pull(Reference.withDigest(target.repository, digest)), original)

        const dockerFile = Path.join(folder, "docker.tar")
        const dockerWriter = yield* Archive.write(dockerFile, { format: "docker", repository: source.repository })
        yield* Copy.copy(ociArchive, "v1", dockerWriter)
        yield* dockerWriter.commit
        const dockerArchive = yield* Archive.read(dockerFile)
        const { descriptor } = yield* Copy.copy(dockerArchive, "v1", target)
        const byName = yield* Copy.copy(dockerArchive, `${source.label}:v1`, target, { tags: ["v1"] })
        assert.deepInclude(byName, { unchanged: true, blobs: 0, manifests: 0 })

        const last = yield* Images.pull(Reference.withDigest(target.repository, descriptor.digest))
        const before = yield* Manifest.decode(original.manifest)
        const after = yield* Manifest.decode(last.manifest)
        assert(before._tag === "ImageManifest" && after._tag === "ImageManifest")
        assert.strictEqual(after.mediaType, MediaType.dockerManifest)
        assert.strictEqual(after.config.digest, before.config.digest)
        const config = yield* ImageConfig.decode(last.blobs.get(after.config.digest) ?? Buffer.of())
        assert.deepStrictEqual(
          after.layers.map((_) => _.digest),
          config.rootfs.diff_ids,
          "layers that are not compressed are named by their diff ids"
        )
        for (const [at, { digest: compressed }] of before.layers.entries()) {
          const plain = gunzipSync(original.blobs.get(compressed) ?? Buffer.of())
          assert.strictEqual(`sha256:${createHash("sha256").update(plain).digest("hex")}`, after.layers[at]?.digest)
        }
        assert.strictEqual(yield* Skopeo.rawManifest(`docker://${target.label}:v1`), Places.raw(last.manifest))
      })
    )

    it.scoped("an index goes through a layout and an oci-archive with its digest", () =>
      Effect.gen(function* () {
        const { from, to } = yield* Registries
        const folder = yield* Folder.temporary("index")
        const source = yield* Places.repositoryAt(from.host, "team/index")
        const target = yield* Places.repositoryAt(to.host, "mirror/index")
        const { digest } = yield* Samples.pushNested(source, "v1")
        const layout = yield* OciLayout.create(Path.join(folder, "layout"))
        yield* Copy.copy(source, "v1", layout)
        assert.strictEqual(yield* Places.assertWhole(layout), 1)
        const file = Path.join(folder, "oci.tar")
        const writer = yield* Archive.write(file, { format: "oci" })
        yield* Copy.copy(layout, "v1", writer)
        yield* writer.commit
        const result = yield* Copy.copy(yield* Archive.read(file), "v1", target)
        assert.deepInclude(result, Samples.nested)
        assert.strictEqual(result.descriptor.digest, digest)
        yield* Places.assertSameForSkopeo(source, target, "v1")
      })
    )

    it.scoped("skopeo reads our layout, and we read the one of skopeo", () =>
      Effect.gen(function* () {
        const { from, to } = yield* Registries
        const folder = yield* Folder.temporary("layouts")
        const source = yield* Places.repositoryAt(from.host, "team/layout")
        const { digest } = yield* Samples.pushFlat(source, "v1")

        const ours = Path.join(folder, "ours")
        const layout = yield* OciLayout.create(ours)
        yield* Copy.copy(source, "v1", layout)
        yield* Skopeo.copy(`oci:${ours}:v1`, `docker://${to.host}/by/skopeo:v1`)
        const bySkopeo = yield* Places.repositoryAt(to.host, "by/skopeo")
        yield* Places.assertSameForSkopeo(source, bySkopeo, "v1")
        yield* Places.assertSameBlobs(source, bySkopeo, "v1")

        const theirs = Path.join(folder, "theirs")
        yield* Skopeo.copy(`docker://${source.label}:v1`, `oci:${theirs}:v1`)
        const opened = yield* OciLayout.open(theirs)
        assert.strictEqual((yield* opened.resolve("v1")).digest, digest)
        const byUs = yield* Places.repositoryAt(to.host, "by/us")
        yield* Copy.copy(opened, "v1", byUs)
        yield* Places.assertSameForSkopeo(source, byUs, "v1")
        yield* Places.assertSameBlobs(source, byUs, "v1")
      })
    )

    it.scoped(
      "interrupted at any moment: tags stay whole, and the next run ends it",
      () =>
        Effect.gen(function* () {
          const { from, to } = yield* Registries
          const source = yield* Places.repositoryAt(from.host, "team/interrupted")
          const { digest } = yield* Samples.pushNested(source, "v1")
          const { digest: old } = yield* Samples.pushImage(source, { layers: 2, tag: "old" })
          const folder = yield* Folder.temporary("interrupted")
          const events = yield* countEvents(source, yield* Places.repositoryAt(to.host, "mirror/counted"))
          let interrupted = 0
          let looks = 0
          const onLook = () => {
            looks++
          }

          const round = Effect.fnUntraced(function* (target: Place, moment: number) {
            yield* Copy.copy(source, "old", target, { tags: ["v1"] })
            // Looks on while the copy runs, and is not told when it is stopped.
            const watched = Effect.raceFirst(copyUntil(source, target, moment), Places.watch(target, ["v1"], onLook))
            if ((yield* watched) === "interrupted") interrupted++
            assert.include([old, digest], Option.getOrThrow(yield* target.current("v1")).digest)
            assert.strictEqual(yield* Places.assertWhole(target), 1)
            const result = yield* Copy.copy(source, "v1", target)
            assert.strictEqual(result.descriptor.digest, digest)
            const { manifests, missing } = yield* Places.lookAt(target, "v1")
            assert.deepStrictEqual(missing, [])
            assert.strictEqual(manifests.length, Samples.nested.manifests)
          })

          for (const [at, moment] of (yield* moments(interruptions, events)).entries()) {
            if (at % 2 === 0) yield* round(yield* Places.repositoryAt(to.host, `mirror/interrupted-${at}`), moment)
            else yield* round(yield* OciLayout.create(Path.join(folder, String(at))), moment)
          }
          assert.isAtLeast(interrupted, interruptions / 2)
          assert.isAbove(looks, 0, "nothing was looked at meanwhile")
        }),
      limit(interruptions)
    )

    it.scoped(
      "killed at any moment: tags are whole all the time, and the next run ends it",
      () =>
        Effect.gen(function* () {
          const { from, to } = yield* Registries
          const source = yield* Places.repositoryAt(from.host, "team/killed")
          yield* Samples.pushNested(source, "v1", { sharedLayers: 6, layerBytes: 100_000 })
          yield* Samples.pushFlat(source, "v2")
          yield* Samples.pushImage(source, { layers: 10, tag: "v3" })
          yield* Samples.pushImage(source, { layers: 2, tag: "old" })
          const folder = yield* Folder.temporary("killed")
          let killed = 0
          let looks = 0
          const onLook = () => {
            looks++
          }

          const open = Effect.fnUntraced(function* (at: number, name: string) {
            // A process that was killed leaves its lock behind, which shows no sign of life.
            const inLayout = OciLayout.create(Path.join(folder, name), { lockExpiry: "200 millis" })
            const target: Place = at % 2 === 0 ? yield* Places.repositoryAt(to.host, `mirror/killed-${name}`) : yield* inLayout
            return target
          })
          const tagsOf = (at: number) => (at % 4 < 2 ? ["v1"] : ["v1", "v2", "v3"])
          const task = (target: Place, at: number): CopyProcess.Task => ({ from: source.label, to: target.label, tags: tagsOf(at) })

          const wholeRun = (at: number) => Effect.flatMap(open(at, `whole-${at}`), (target) => CopyProcess.run(task(target, at)))
          const wholeRuns = yield* Effect.forEach([0, 1, 2, 3], wholeRun, { concurrency: 2 })
          const momentOf = (fraction: number, at: number): CopyProcess.Moment => {
            const { events, millis } = wholeRuns[at % 4] ?? { events: 1, millis: 1 }
            return at % 3 === 0 ? { events: Math.ceil(fraction * events) } : { millis: Math.ceil(fraction * millis) }
          }

          const round = Effect.fnUntraced(function* (fraction: number, at: number) {
            const target = yield* open(at, String(at))
            const tags = tagsOf(at)
            const assertWhole = Effect.map(Places.assertWhole(target), (count) => assert.strictEqual(count, tags.length))
            yield* Copy.copy(source, "old", target, { tags })
            const kill = CopyProcess.kill(task(target, at), momentOf(fraction, at))
            if (yield* Effect.raceFirst(kill, Places.watch(target, tags, onLook))) killed++
            yield* assertWhole
            yield* Copy.copyMany(tags.map((reference) => ({ source, reference, target })))
            yield* assertWhole
            for (const tag of tags) assert.strictEqual((yield* target.resolve(tag)).digest, (yield* source.resolve(tag)).digest)
          })
          const fractions = yield* Effect.replicateEffect(Random.make(seed + 2).next, kills)
          yield* Effect.forEach(fractions, round, { concurrency: 2 })
          yield* Console.log(`killed ${killed} of ${kills} copies, looked at ${looks} times meanwhile`)
          assert.isAtLeast(killed, kills / 3)
          assert.isAtLeast(looks, kills)
        }),
      limit(kills)
    )
  })
})
