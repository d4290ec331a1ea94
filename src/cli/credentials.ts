/** Where `login` keeps credentials and `logout` finds them: a helper when the file names one for the registry, else the file. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as CredentialHelper from "../auth/CredentialHelper.ts"
import type * as Credentials from "../auth/Credentials.ts"
import * as DockerConfig from "../auth/DockerConfig.ts"
import { KeychainError } from "../model/RegistryError.ts"

/** The file that is asked for credentials, else the one docker would make. */
const fileOf = Effect.fnUntraced(function* (chosen: Option.Option<string>) {
  if (Option.isSome(chosen)) return chosen.value
  const [located, fallback] = yield* Effect.all([DockerConfig.locate, DockerConfig.defaultPath])
  const file = Option.orElse(located, () => fallback)
  if (Option.isSome(file)) return file.value
  return yield* new KeychainError({ source: "credentials file", reason: "there is no home directory to keep it in; use --registry-config" })
})

/** Takes what the file says about a registry out of it. A file that says nothing is not made: one of docker's would hide podman's. */
const forget = Effect.fnUntraced(function* (file: string, registry: string) {
  const config = yield* DockerConfig.load(file)
  const others = DockerConfig.erase(config, { registry })
  if (Object.keys(others.auths).length < Object.keys(config.auths).length) yield* DockerConfig.save(file, others)
})

/** Keeps credentials and tells where. What the file itself held is replaced. */
export const store = Effect.fnUntraced(function* (
  registry: string,
  credentials: Credentials.Credentials,
  registryConfig: Option.Option<string>
) {
  const file = yield* fileOf(registryConfig)
  const helper = DockerConfig.helperFor(yield* DockerConfig.load(file), registry)
  if (Option.isNone(helper)) {
    yield* DockerConfig.update(file, (config) => DockerConfig.set(config, { registry }, credentials))
    return file
  }
  const helpers = yield* CredentialHelper.make()
  yield* helpers.store(helper.value, DockerConfig.keyFor({ registry }), credentials)
  yield* forget(file, registry)
  return `docker-credential-${helper.value}`
})

/** Forgets credentials wherever they are kept, and tells where that was. */
export const erase = Effect.fnUntraced(function* (registry: string, registryConfig: Option.Option<string>) {
  const file = yield* fileOf(registryConfig)
  const helper = DockerConfig.helperFor(yield* DockerConfig.load(file), registry)
  if (Option.isSome(helper)) {
    const helpers = yield* CredentialHelper.make()
    yield* helpers.erase(helper.value, DockerConfig.keyFor({ registry }))
  }
  yield* forget(file, registry)
  return Option.match(helper, { onNone: () => file, onSome: (suffix) => `docker-credential-${suffix}` })
})
