/** Images that one client pushes and the other pulls: skopeo shares no code with ours. */
import { randomBytes } from "node:crypto"
import { describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as DirImage from "../support/DirImage.ts"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import * as Program from "../support/Program.ts"
import * as Skopeo from "../support/Skopeo.ts"
import * as Images from "./Images.ts"

const login = { username: "alice", password: "wonder:land" }
const users = { [login.username]: login.password }

const ours = Layer.unwrapEffect(
  Effect.map(DockerRegistry.DockerRegistry, ({ host }) =>
    NodeRegistry.layerWith({ keychain: Keychain.layer({ [host]: Credentials.basic(login.username, login.password) }) })
  )
)

const image = () => DirImage.fromLayers([randomBytes(3_000_000), randomBytes(70_000), randomBytes(0)])

const registries = {
  open: DockerRegistry.layer(),
  "with a password": DockerRegistry.layer({ users }),
  "with tokens": DockerRegistry.layerTokens({ users })
}

describe.skipIf(!Program.available(DockerRegistry.program, Skopeo.program))("skopeo and RegistryClient", () => {
  for (const [name, registry] of Object.entries(registries)) {
    layer(Layer.provideMerge(ours, registry), { excludeTestServices: true, timeout: 20_000 })(name, (it) => {
      it.scoped("skopeo pushes, our client pulls", () =>
        Effect.gen(function* () {
          const { host } = yield* DockerRegistry.DockerRegistry
          const original = image()
          yield* Skopeo.push(original, `${host}/skopeo/app:1.0`, { logins: { [host]: login } })
          DirImage.assertSame(yield* Images.pull(yield* Reference.parse(`${host}/skopeo/app:1.0`)), original)
        })
      )

      it.scoped("our client pushes, skopeo pulls", () =>
        Effect.gen(function* () {
          const { host } = yield* DockerRegistry.DockerRegistry
          const original = image()
          yield* Images.push(yield* Reference.parse(`${host}/ours/app:1.0`), original)
          DirImage.assertSame(yield* Skopeo.pull(`${host}/ours/app:1.0`, { logins: { [host]: login } }), original)
        })
      )
    })
  }
})
