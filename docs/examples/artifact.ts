/** A bill of materials for an image: attached to it, found again, and read. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Artifact, Reference, RemoteRepository } from "effect-oci"
import { MemoryRegistry, TestRegistry } from "effect-oci/testing"

const spdx = "application/spdx+json"

const attach = Effect.fn("attach")(function* (image: string, sbom: string) {
  const reference = yield* Reference.parse(image)
  const repository = yield* RemoteRepository.make(reference.repository)
  const blob = Artifact.fromText(sbom, { title: "sbom.spdx.json", mediaType: spdx })
  const packed = yield* Artifact.pack({ artifactType: spdx, blobs: [blob] })
  return yield* Artifact.attach(repository, yield* repository.resolve(reference.identifier), packed)
})

const read = Effect.fn("read")(function* (image: string) {
  const reference = yield* Reference.parse(image)
  const repository = yield* RemoteRepository.make(reference.repository)
  const subject = yield* repository.resolve(reference.identifier)
  // Referrers of referrers, such as the signature of the list, come with Referrers.tree.
  return yield* repository.referrers(subject, { artifactType: spdx }).pipe(
    Stream.mapEffect((referrer) => repository.fetchManifest(referrer)),
    Stream.flatMap((manifest) => Stream.fromIterable(manifest._tag === "ImageManifest" ? manifest.layers : [])),
    Stream.mapEffect((blob) => Stream.mkString(Stream.decodeText(repository.fetchBlob(blob)))),
    Stream.runCollect
  )
})

const program = Effect.gen(function* () {
  yield* (yield* MemoryRegistry.MemoryRegistry).seedImage("acme/app", { tag: "1.4" })
  const { digest } = yield* attach("registry.test/acme/app:1.4", '{ "spdxVersion": "SPDX-2.3" }')
  yield* Console.log(digest, [...(yield* read("registry.test/acme/app:1.4"))])
})

Effect.runPromise(Effect.provide(program, TestRegistry.layer()))
