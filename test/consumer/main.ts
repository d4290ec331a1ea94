/** What a user of the packed package writes: the barrel, one module, the test kit. `.ci/run` type-checks and runs it outside the repository. */
import * as assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import { Digest, Reference } from "effect-oci"
import * as OneModule from "effect-oci/Reference"
import { MemoryRegistry } from "effect-oci/testing"

const program = Effect.gen(function* () {
  const reference = yield* OneModule.parse("ubuntu:24.04")
  assert.equal(Reference.parse, OneModule.parse, "the barrel and the entry are the same module")
  assert.equal(String(reference), "docker.io/library/ubuntu:24.04")
  assert.equal(Digest.algorithm(Digest.fromBytes(new Uint8Array())), "sha256")

  const registry = yield* MemoryRegistry.MemoryRegistry
  const image = yield* registry.seedImage("team/app", { tag: "1.0" })
  assert.deepEqual(yield* registry.tags("team/app"), ["1.0"])
  console.log(`effect-oci, installed: ${reference}, ${image.manifest.digest}`)
})

await Effect.runPromise(program.pipe(Effect.provide(MemoryRegistry.layer({ hosts: { "registry.test": {} } }))))
