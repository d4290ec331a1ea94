/** What the tests of manifests are about: one repository, and an artifact that may be in it. */
import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as Reference from "../../src/model/Reference.ts"

export const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))
export const tag = (name: string) => Reference.Tag.make(name)
export const byTag = Reference.withTag(repository, tag("v1"))
export const byDigest = (digest: Digest.Digest) => Reference.withDigest(repository, digest)

export const image = Manifest.artifact({ artifactType: "application/vnd.example.thing" })
export const sha512 = Manifest.artifact({ artifactType: "application/vnd.example.thing", algorithm: "sha512" })
export const text = new TextDecoder().decode(image.bytes)

/** What a registry says of the image. */
export const manifestHeaders = {
  "content-type": image.mediaType,
  "docker-content-digest": image.digest,
  "content-length": String(image.size)
}
export const zeros = Digest.Digest.pipe(Schema.decodeSync)(`sha256:${"0".repeat(64)}`)

export const fails = (tagged: string) => Either.left(expect.objectContaining({ _tag: tagged }))
