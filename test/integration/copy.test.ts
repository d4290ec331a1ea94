/**
 * Copies between real registries, layouts and archives, looked at with skopeo, interrupted and killed. By hand with other moments:
 * `OCI_COPY_SEED=7 OCI_COPY_KILLS=20 OCI_COPY_INTERRUPTIONS=40`.
 */
import { spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import * as Path from "node:path"
import { gunzipSync } from "node:zlib"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, layer } from "@effect/vitest"
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
import * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Copy from "../../src/copy/Copy.ts"
import type * as Descriptor from "../../src/model/Descriptor.ts"
import * as ImageConfig from "../../src/model/ImageConfig.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as Compiled from "../support/Compiled.ts"
import * as DirImage from "../support/DirImage.ts"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import * as Folder from "../support/Folder.ts"
import * as Program from "../support/Program.ts"
import * as Skopeo from "../support/Skopeo.ts"
import * as Images from "./Images.ts"
import * as Places from "./Places.ts"

const setting = (name: string, otherwise: number) => Number(process.env[`OCI_COPY_${name}`] ?? otherwise)

const seed = setting("SEED", 2026)
const interruptions = setting("INTERRUPTIONS", 8)
const kills = setting("KILLS", 4)
const limit = (rounds: number) => 30_000 + rounds * 5000

interface Pair {
  readonly from: DockerRegistry.Service
  readonly to: DockerRegistry.Service
}

class Registries extends Context.Tag("effect-oci/test/Registries")<Registries, Pair>() {}

const registries = Layer.scoped(Registries, Effect.all({ from: DockerRegistry.make(), to: DockerRegistry.make() }, { concurrency: 2 }))

const live = Layer.mergeAll(registries, NodeContext.layer, NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous }))

const repositoryAt = (host: string, name: string) => Effect.flatMap(Reference.parseRepository(`${host}/${name}`), RemoteRepository.make)

// --- what is copied ---

const imageOf = (layers: number) => DirImage.fromLayers(Array.from({ length: layers }, () => randomBytes(3000)))

const pushImage = Effect.fnUntraced(function* (repository: RemoteRepository.RemoteRepository, layers: number, tag?: string) {
  const image = imageOf(layers)
  const manifest = yield* Manifest.decode(image.manifest, { contentType: image.mediaType })
  const reference = Reference.withDigest(repository.repository, manifest.digest)
  yield* Images.push(reference, image)
  if (tag !== undefined) yield* repository.tag(manifest.descriptor, tag)
  return manifest.descriptor
})

const pushIndex = Effect.fnUntraced(function* (
  repository: RemoteRepository.RemoteRepository,
  manifests: ReadonlyArray<Descriptor.Descriptor>,
  tag?: string
) {
  const index = Manifest.imageIndex({ manifests })
  yield* repository.pushManifest(index, { tags: tag === undefined ? [] : [tag] })
  return index.descriptor
})

const on = (architecture: string, descriptor: Descriptor.Descriptor) => ({ ...descriptor, platform: { os: "linux", architecture } })

const pushFlat = Effect.fnUntraced(function* (repository: RemoteRepository.RemoteRepository, tag: string) {
  const amd64 = on("amd64", yield* pushImage(repository, 3))
  const arm64 = on("arm64", yield* pushImage(repository, 5))
  return yield* pushIndex(repository, [amd64, arm64], tag)
})

/** Two platforms, and two indexes below the index that share one of their images. The shared one is the slowest to move. */
const pushNested = Effect.fnUntraced(function* (repository: RemoteRepository.RemoteRepository, tag: string) {
  const amd64 = on("amd64", yield* pushImage(repository, 3))
  const arm64 = on("arm64", yield* pushImage(repository, 4))
  const shared = on("s390x", yield* pushImage(repository, 20))
  const riscv64 = on("riscv64", yield* pushImage(repository, 2))
  const one = yield* pushIndex(repository, [shared, riscv64])
  const two = yield* pushIndex(repository, [shared])
  return yield* pushIndex(repository, [amd64, arm64, one, two], tag)
})

// --- moments ---

/** Numbers of events after which to stop, anywhere in a copy; the same ones for the same seed. */
const moments = (count: number, events: number, salt: number) =>
  Effect.all(Array.from({ length: count }, () => Random.nextIntBetween(1, events))).pipe(Effect.withRandom(Random.make(seed + salt)))

/** Copies until so many events have come, then interrupts. */
const copyUntil = <E>(
  source: RemoteRepository.RemoteRepository,
  target: ContentStore.Target<E>,
  moment: number
): Effect.Effect<"copied" | "interrupted", E | Effect.Effect.Error<ReturnType<typeof Copy.copy<RemoteRepository.RemoteError, E>>>> =>
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

const countEvents = Effect.fnUntraced(function* <E>(source: RemoteRepository.RemoteRepository, target: ContentStore.Target<E>) {
  let events = 0
  yield* Copy.copy(source, "v1", target, {
    onProgress: () => {
      events++
    }
  })
  return events
})

class Script extends Context.Tag("effect-oci/test/CopyScript")<Script, string>() {}

const script = Layer.scoped(
  Script,
  Effect.map(Compiled.make(["src", "test/integration/copying.ts"]), (folder) => Path.join(folder, "test/integration/copying.js"))
)

/** Copies in a process of its own and kills that after so many events. Whether it was killed. */
const copyAndKill = Effect.fnUntraced(function* (from: string, to: string, moment: number) {
  const file = yield* Script
  return yield* Effect.async<boolean, Program.ProgramError>((resume) => {
    const child = spawn(process.execPath, [file, from, to], { stdio: ["ignore", "pipe", "pipe"] })
    let events = 0
    let errors = ""
    child.stderr.on("data", (chunk) => {
      errors += String(chunk)
    })
    child.stdout.on("data", (chunk) => {
      events += String(chunk).split("\n").length - 1
      if (events >= moment) child.kill("SIGKILL")
    })
    child.once("close", (code, signal) =>
      resume(code === 0 || signal === "SIGKILL" ? Effect.succeed(signal !== null) : new Program.ProgramError({ message: errors }))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })
})

describe.skipIf(!Program.available(DockerRegistry.program, Skopeo.program))("Copy between real places", () => {
  layer(Layer.merge(live, script), { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.scoped("an index of indexes that share an image, byte for byte", () =>
      Effect.gen(function* () {
        const { from, to } = yield* Registries
        const source = yield* repositoryAt(from.host, "team/nested")
        const target = yield* repositoryAt(to.host, "mirror/nested")
        const index = yield* pushNested(source, "v1")
        const result = yield* Copy.copy(source, "v1", target)
        assert.strictEqual(result.descriptor.digest, index.digest)
        assert.deepInclude(result, { unchanged: false, manifests: 7, blobs: 4 + 5 + 21 + 3, skipped: 0 })
        yield* Places.assertSameForSkopeo(source, target, "v1")
        yield* Places.assertSameBlobs(source, target, "v1")
      })
    )

    it.scoped("60 layers within the budget of requests; again with one request at each end", () =>
      Effect.gen(function* () {
        const { from, to } = yield* Registries
        const source = yield* repositoryAt(from.host, "team/layers")
        const target = yield* repositoryAt(to.host, "mirror/layers")
        const { digest } = yield* pushImage(source, 60, "v1")
        const copied = yield* Places.asked(from, Places.asked(to, Copy.copy(source, "v1", target)))
        assert.deepInclude(copied.result.result, { unchanged: false, manifests: 1, blobs: 61, skipped: 0 })
        assert.isAtMost(copied.requests.length, 63, copied.requests.join("\n"))
        assert.isAtMost(copied.result.requests.length, 190, copied.result.requests.join("\n"))
        yield* Places.assertSameForSkopeo(source, target, "v1")
        yield* Places.assertSameBlobs(source, target, "v1")

        const again = yield* Places.asked(from, Places.asked(to, Copy.copy(source, "v1", target)))
        assert.deepInclude(again.result.result, { unchanged: true, manifests: 0, blobs: 0, bytes: 0 })
        assert.strictEqual(again.result.result.descriptor.digest, digest)
        assert.deepStrictEqual(again.requests, ["HEAD /v2/team/layers/manifests/v1"])
        assert.deepStrictEqual(again.result.requests, ["HEAD /v2/mirror/layers/manifests/v1"])
      })
    )

    it.scoped("registry, layout, oci-archive, docker-archive, registry: the digest stays until the docker-archive", () =>
      Effect.gen(function* () {
        const { from, to } = yield* Registries
        const folder = yield* Folder.temporary("round-trip")
        const source = yield* repositoryAt(from.host, "team/round")
        const target = yield* repositoryAt(to.host, "mirror/round")
        const { digest } = yield* pushImage(source, 4, "v1")
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
        const source = yield* repositoryAt(from.host, "team/index")
        const target = yield* repositoryAt(to.host, "mirror/index")
        const { digest } = yield* pushNested(source, "v1")
        const layout = yield* OciLayout.create(Path.join(folder, "layout"))
        yield* Copy.copy(source, "v1", layout)
        assert.strictEqual(yield* Places.assertWhole(layout), 1)
        const file = Path.join(folder, "oci.tar")
        const writer = yield* Archive.write(file, { format: "oci" })
        yield* Copy.copy(layout, "v1", writer)
        yield* writer.commit
        const result = yield* Copy.copy(yield* Archive.read(file), "v1", target)
        assert.deepInclude(result, { manifests: 7, blobs: 4 + 5 + 21 + 3 })
        assert.strictEqual(result.descriptor.digest, digest)
        yield* Places.assertSameForSkopeo(source, target, "v1")
      })
    )

    it.scoped("skopeo reads our layout, and we read the one of skopeo", () =>
      Effect.gen(function* () {
        const { from, to } = yield* Registries
        const folder = yield* Folder.temporary("layouts")
        const source = yield* repositoryAt(from.host, "team/layout")
        const { digest } = yield* pushFlat(source, "v1")

        const ours = Path.join(folder, "ours")
        const layout = yield* OciLayout.create(ours)
        yield* Copy.copy(source, "v1", layout)
        yield* Skopeo.copy(`oci:${ours}:v1`, `docker://${to.host}/by/skopeo:v1`)
        const bySkopeo = yield* repositoryAt(to.host, "by/skopeo")
        yield* Places.assertSameForSkopeo(source, bySkopeo, "v1")
        yield* Places.assertSameBlobs(source, bySkopeo, "v1")

        const theirs = Path.join(folder, "theirs")
        yield* Skopeo.copy(`docker://${source.label}:v1`, `oci:${theirs}:v1`)
        const opened = yield* OciLayout.open(theirs)
        assert.strictEqual((yield* opened.resolve("v1")).digest, digest)
        const byUs = yield* repositoryAt(to.host, "by/us")
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
          const source = yield* repositoryAt(from.host, "team/interrupted")
          const { digest } = yield* pushNested(source, "v1")
          const { digest: old } = yield* pushImage(source, 2, "old")
          const folder = yield* Folder.temporary("interrupted")
          const events = yield* countEvents(source, yield* repositoryAt(to.host, "mirror/counted"))
          let interrupted = 0
          let looks = 0

          const round = Effect.fnUntraced(function* <E>(target: Places.Place<E> & ContentStore.Target<E>, moment: number) {
            yield* Copy.copy(source, "old", target, { tags: ["v1"] })
            // Looks on while the copy runs, and is not told when it is stopped.
            const watch = Effect.forever(Effect.map(Places.assertWhole(target), () => looks++))
            const watched = Effect.raceFirst(copyUntil(source, target, moment), watch)
            if ((yield* watched) === "interrupted") interrupted++
            assert.include([old, digest], Option.getOrThrow(yield* target.current("v1")).digest)
            assert.strictEqual(yield* Places.assertWhole(target), 1)
            const result = yield* Copy.copy(source, "v1", target)
            assert.strictEqual(result.descriptor.digest, digest)
            const { manifests, missing } = yield* Places.lookAt(target, "v1")
            assert.deepStrictEqual(missing, [])
            assert.strictEqual(manifests.length, 7)
          })

          for (const [at, moment] of (yield* moments(interruptions, events, 1)).entries()) {
            if (at % 2 === 0) yield* round(yield* repositoryAt(to.host, `mirror/interrupted-${at}`), moment)
            else yield* round(yield* OciLayout.create(Path.join(folder, String(at))), moment)
          }
          assert.isAtLeast(interrupted, interruptions / 2)
          assert.isAbove(looks, 0, "nothing was looked at meanwhile")
        }),
      limit(interruptions)
    )

    it.scoped(
      "killed at any moment: tags stay whole, and the next run ends it",
      () =>
        Effect.gen(function* () {
          const { from, to } = yield* Registries
          const source = yield* repositoryAt(from.host, "team/killed")
          const { digest } = yield* pushNested(source, "v1")
          yield* pushImage(source, 2, "old")
          const folder = yield* Folder.temporary("killed")
          const events = yield* countEvents(source, yield* repositoryAt(to.host, "mirror/uncounted"))
          let killed = 0

          const round = Effect.fnUntraced(function* <E>(target: Places.Place<E> & ContentStore.Target<E>, to: string, moment: number) {
            yield* Copy.copy(source, "old", target, { tags: ["v1"] })
            if (yield* copyAndKill(`${source.label}:v1`, to, moment)) killed++
            assert.strictEqual(yield* Places.assertWhole(target), 1)
            yield* Copy.copy(source, "v1", target)
            assert.strictEqual(yield* Places.assertWhole(target), 1)
            assert.strictEqual((yield* Places.lookAt(target, "v1")).manifests[0]?.digest, digest)
          })

          const one = Effect.fnUntraced(function* (moment: number, at: number) {
            if (at % 2 === 0) {
              const target = yield* repositoryAt(to.host, `mirror/killed-${at}`)
              return yield* round(target, target.label, moment)
            }
            const directory = Path.join(folder, String(at))
            // A process that was killed leaves its lock behind, which shows no sign of life.
            yield* round(yield* OciLayout.create(directory, { lockExpiry: "1 second" }), `oci:${directory}`, moment)
          })
          yield* Effect.forEach(yield* moments(kills, events, 2), one, { concurrency: 2 })
          assert.isAtLeast(killed, kills / 2)
        }),
      limit(kills)
    )
  })
})
