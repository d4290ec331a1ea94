import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Manifest, Reference, RegistryClient } from "effect-oci"
import { NodeRegistry } from "effect-oci/node"
import { RegistryServer } from "effect-oci/testing"

/** Reads an image and all it is made of. What arrives is what the digests promise, or the effect fails. */
const pull = Effect.fn("pull")(function* (image: string) {
  const client = yield* RegistryClient.RegistryClient
  const reference = yield* Reference.parse(image)
  const manifest = yield* client.getManifest(reference)
  yield* Console.log(`${reference} is ${manifest.digest}`)
  for (const content of Manifest.successors(manifest)) {
    const size = yield* client.getBlob(reference.repository, content).pipe(Stream.runFold(0, (sum, bytes) => sum + bytes.length))
    yield* Console.log(`  ${size} bytes of ${content.mediaType}`)
  }
})

const program = Effect.gen(function* () {
  // A registry on this machine, so that the example runs anywhere. "ghcr.io/acme/app:1.4" is read the same way.
  const server = yield* RegistryServer.RegistryServer
  yield* server.seedImage("acme/app", { tag: "1.4", layers: 2 })
  yield* pull(`${server.host}/acme/app:1.4`)
  yield* pull(`${server.host}/acme/app:2.0`).pipe(Effect.catchTag("ManifestUnknown", (error) => Console.log(error.message)))
})

Effect.runPromise(program.pipe(Effect.provide([NodeRegistry.layer, RegistryServer.layer()])))
