import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import { Credentials, Keychain, Reference, RegistryClient, RegistryError } from "effect-oci"
import { NodeRegistry } from "effect-oci/node"
import { RegistryOptions, RegistryServer } from "effect-oci/testing"

class VaultSealed extends Data.TaggedError("VaultSealed")<{ readonly path: string }> {}

/** Where this program has its secrets: any service of its own. */
class Vault extends Context.Tag("Vault")<
  Vault,
  { readonly read: (path: string) => Effect.Effect<Redacted.Redacted, VaultSealed>; readonly rotate: (to: string) => Effect.Effect<void> }
>() {
  static readonly layer = Layer.effect(
    Vault,
    Effect.map(Ref.make("first"), (password) => ({
      read: () => Effect.map(Ref.get(password), Redacted.make),
      rotate: (to: string) => Ref.set(password, to)
    }))
  )
}

/**
 * Credentials out of the vault, which is asked before each request, so that a secret that was changed counts from the next one on.
 * `Keychain.refreshing(…, "1 minute")` around it would ask once in a minute.
 */
const VaultKeychain = Layer.effect(
  Keychain.Keychain,
  Effect.map(Vault, (vault) =>
    Keychain.fromFunction(({ registry }) =>
      Effect.mapBoth(vault.read(`registries/${registry}`), {
        onSuccess: (secret) => Credentials.basic("robot", secret),
        onFailure: ({ path }) => new RegistryError.KeychainError({ registry, source: "vault", reason: `${path} is sealed` })
      })
    )
  )
)

const passwordOf = (password: string) => ({ auth: RegistryOptions.bearer({ users: { robot: { password } } }) })

const program = Effect.gen(function* () {
  const server = yield* RegistryServer.RegistryServer
  yield* server.seedImage("acme/app", { tag: "1.4" })
  const client = yield* RegistryClient.RegistryClient
  const image = yield* Reference.parse(`${server.host}/acme/app:1.4`)
  yield* Console.log(`${(yield* client.resolve(image)).digest}, with the first password`)

  yield* server.update((options) => ({ ...options, ...passwordOf("second") }))
  yield* server.revokeTokens
  const refused = yield* Effect.flip(client.resolve(image))
  yield* Console.log(refused._tag, refused.message)

  yield* Effect.flatMap(Vault, (vault) => vault.rotate("second"))
  yield* Console.log(`${(yield* client.resolve(image)).digest}, with the second`)
})

// Keychains of more kinds go together: Keychain.layerFirst(VaultKeychain, Keychain.layerGitHub).
const Registry = NodeRegistry.layerWith({ keychain: VaultKeychain })

Effect.runPromise(program.pipe(Effect.provide(Registry), Effect.provide([Vault.layer, RegistryServer.layer(passwordOf("first"))])))
