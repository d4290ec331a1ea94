/**
 * Copies of large images between real registries: byte for byte for other tools, and in little memory. By hand in the sizes that count:
 * `OCI_COPY_LAYER_BYTES=536870912 OCI_COPY_BYTES=2147483648`.
 */
import { statfs } from "node:fs/promises"
import { tmpdir } from "node:os"
import { assert, describe, layer } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as Content from "../support/Content.ts"
import * as Crane from "../support/Crane.ts"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import * as Program from "../support/Program.ts"
import * as Setting from "../support/Setting.ts"
import * as Skopeo from "../support/Skopeo.ts"
import * as CopyProcess from "./CopyProcess.ts"
import * as Places from "./Places.ts"
import * as Samples from "./Samples.ts"

const layerBytes = Setting.number("OCI_COPY_LAYER_BYTES", 64 * Content.MiB)
const imageBytes = Setting.number("OCI_COPY_BYTES", 128 * Content.MiB)
const layers = 8
const maxPeakRssBytes = 250 * Content.MiB
const timeoutFor = (sizeBytes: number) => 60_000 + (sizeBytes / Content.MiB) * 300

/** Both registries keep a copy in the folder for temporary files. */
const requireSpace = Effect.fnUntraced(function* (sizeBytes: number) {
  const { bavail, bsize } = yield* Effect.promise(() => statfs(tmpdir()))
  const needed = 3 * sizeBytes
  assert.isAbove(bavail * bsize, needed, `${tmpdir()} needs ${Content.inMebibytes(needed)}`)
})

/** An image copied by a process of its own, in little memory, from one registry to another. */
const copied = Effect.fnUntraced(function* (layerSizes: ReadonlyArray<number>) {
  yield* requireSpace(layerSizes.reduce((sum, size) => sum + size))
  const registries = yield* Effect.all({ from: DockerRegistry.make(), to: DockerRegistry.make() }, { concurrency: 2 })
  const source = yield* Places.repositoryAt(registries.from.host, "team/large")
  const target = yield* Places.repositoryAt(registries.to.host, "mirror/large")
  const manifest = yield* Samples.pushLarge(source, "v1", layerSizes)
  const { completeBytes, done, millis, peakRssBytes } = yield* CopyProcess.run({ from: source.label, to: target.label, tags: ["v1"] })
  yield* Console.log(
    `${layerSizes.length} layers, ${Content.inMebibytes(completeBytes)} in ${millis} ms, peak memory ${Content.inMebibytes(peakRssBytes)}`
  )
  assert.strictEqual((yield* target.resolve("v1")).digest, manifest.digest)
  assert.strictEqual(done, layerSizes.length + 2)
  assert.isBelow(peakRssBytes, maxPeakRssBytes)
  return { registries, source, target, manifest }
})

describe.skipIf(!Program.available(DockerRegistry.program, Skopeo.program))("Copy of large images", () => {
  layer(Layer.merge(CopyProcess.layer, NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous })), {
    excludeTestServices: true,
    timeout: 60_000
  })((it) => {
    it.scoped(
      "one large layer, byte for byte and in little memory; again without moving it",
      () =>
        Effect.gen(function* () {
          const { registries, source, target, manifest } = yield* copied([layerBytes])
          yield* Places.assertSameForSkopeo(source, target, "v1")
          yield* Crane.validate(`${target.label}:v1`)
          // Read to the end: the client verifies size and digest.
          for (const blob of Manifest.successors(manifest)) yield* Stream.runDrain(target.fetchBlob(blob))
          yield* Places.assertNothingMoves(registries, source, target, "v1")
        }),
      timeoutFor(layerBytes)
    )

    it.scoped(
      "several large layers at once in little memory",
      () =>
        Effect.gen(function* () {
          const { target } = yield* copied(Array.from({ length: layers }, () => Math.floor(imageBytes / layers)))
          assert.deepStrictEqual((yield* Places.lookAt(target, "v1")).missing, [])
        }),
      timeoutFor(imageBytes)
    )
  })
})
