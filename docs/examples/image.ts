/** Reads the config of an image, and pushes another one with the files of a folder on top. */
import * as Command from "@effect/platform/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Image, Layer, Reference, RemoteRepository } from "effect-oci"
import { NodeRegistry } from "effect-oci/node"
import { RegistryServer } from "effect-oci/testing"

/** Of an index it is the image for linux/amd64, unless `platform` says otherwise. */
const read = Effect.fn("read")(function* (text: string) {
  const reference = yield* Reference.parse(text)
  const repository = yield* RemoteRepository.make(reference.repository)
  return yield* Image.fetch(repository, reference.identifier)
})

const tarOf = (folder: string) => Command.stream(Command.make("tar", "-C", folder, "-cf", "-", "."))

const withFolder = Effect.fn("withFolder")(function* (base: string, target: string, folder: string) {
  const { repository, tag } = yield* Reference.parse(target)
  const draft = Image.appendLayer(yield* Image.edit(yield* read(base)), Layer.fromStream(tarOf(folder)), { created_by: `COPY ${folder} /` })
  const changed = Image.setConfig(draft, (config) => ({ ...config, config: { ...config.config, Cmd: ["/demo"] } }))
  // The layers of the base are mounted where the registry is the same; the new one is packed while it leaves.
  return yield* Image.push(yield* RemoteRepository.make(repository), changed, { tags: tag === undefined ? [] : [tag] })
})

const program = Effect.gen(function* () {
  const server = yield* RegistryServer.RegistryServer
  yield* server.seedImage("acme/base", { tag: "1.4" })
  const config = yield* (yield* read(`${server.host}/acme/base:1.4`)).config
  yield* Console.log(`${config.os}/${config.architecture}`, config.config?.Env)
  const manifest = yield* withFolder(`${server.host}/acme/base:1.4`, `${server.host}/acme/app:1.4`, "docs/examples")
  yield* Console.log(`${manifest.digest} has ${manifest.layers.length} layers`)
})

Effect.runPromise(program.pipe(Effect.provide([NodeRegistry.layer, RegistryServer.layer(), NodeContext.layer])))
