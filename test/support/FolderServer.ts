/** Our registry on a socket, with its content in a folder: of an upload that breaks it keeps what came. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RegistryServer from "../../src/testing/RegistryServer.ts"
import * as RegistryStorage from "../../src/testing/RegistryStorage.ts"
import * as Folder from "./Folder.ts"

export const make = Effect.fnUntraced(function* (options: RegistryServer.RegistryServerOptions = {}) {
  const storage = RegistryStorage.layerFolder(yield* Folder.temporary("storage"))
  const server = RegistryServer.layerWithoutStorage(options).pipe(Layer.provide(storage), Layer.provide(NodeContext.layer))
  return Context.get(yield* Layer.build(server), RegistryServer.RegistryServer)
})
