/** What a user of the packed package writes: the barrel, one module, the test kit. `.ci/run` type-checks and runs it outside the repository. */
import * as assert from "node:assert/strict"
import * as Either from "effect/Either"
import { Digest, Reference } from "effect-oci"
import * as OneModule from "effect-oci/Reference"

const reference = Either.getOrThrow(OneModule.parse("ubuntu:24.04"))

assert.equal(Reference.parse, OneModule.parse, "the barrel and the entry are the same module")
assert.equal(String(reference), "docker.io/library/ubuntu:24.04")
assert.equal(Digest.algorithm(Digest.fromBytes(new Uint8Array())), "sha256")

console.log(`effect-oci, installed: ${reference}`)
