/** Copies an image with its progress, gives one up half-way, and copies one to an image layout and an archive at once. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { Archive, Copy, OciLayout, Progress, Reference, RemoteRepository } from "effect-oci"
import { NodeRegistry } from "effect-oci/node"
import { RegistryServer } from "effect-oci/testing"

const repositoryOf = Effect.fn("repositoryOf")(function* (text: string) {
  return yield* RemoteRepository.make(yield* Reference.parseRepository(text))
})

const program = Effect.gen(function* () {
  const server = yield* RegistryServer.RegistryServer
  yield* server.seedImage("acme/app", { tag: "1.4", layers: 3, layerBytes: 4_000_000 })
  const source = yield* repositoryOf(`${server.host}/acme/app`)

  // A repository of another registry, or this one: where both are one, layers are mounted and no bytes move.
  yield* Copy.stream(source, "1.4", yield* repositoryOf(`${server.host}/mirror/app`), { tags: ["1.4", "stable"] }).pipe(
    Stream.map(Progress.summarize()),
    Stream.runForEach(({ completeBytes, totalBytes, mounted }) =>
      Console.log(`${completeBytes} of ${totalBytes} bytes, ${mounted} mounted`)
    )
  )

  // Interruption cancels the uploads that are open. What has arrived stays, without a tag, and is not sent again by the next copy.
  const other = yield* repositoryOf(`${server.host.replace("127.0.0.1", "localhost")}/late/app`)
  const late = Copy.copy(source, "1.4", other).pipe(Effect.timeoutOption("1 millis"))
  yield* Console.log((yield* late)._tag, yield* server.tags("late/app"), yield* server.openUploads)

  const folder = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
  const layout = yield* OciLayout.create(`${folder}/layout`)
  const archive = yield* Archive.write(`${folder}/app.tar`, { format: "docker" })
  const results = yield* Copy.copyToMany(source, "1.4", [{ target: layout }, { target: archive, tags: ["acme/app:1.4"] }])
  yield* archive.commit
  for (const result of results) {
    yield* Console.log(Either.match(result, { onLeft: (error) => error.message, onRight: ({ bytes }) => `${bytes} bytes` }))
  }
})

Effect.runPromise(program.pipe(Effect.scoped, Effect.provide([NodeRegistry.layer, RegistryServer.layer(), NodeContext.layer])))
