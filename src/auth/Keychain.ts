/**
 * Where credentials come from. A `Keychain` answers, for a registry and perhaps a repository in it, with the credentials to use;
 * `Anonymous` means that it knows none. Keychains are values: they combine with `first` and `refreshing`.
 *
 * @since 0.1.0
 */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { KeychainError } from "../model/RegistryError.ts"
import * as CredentialHelper from "./CredentialHelper.ts"
import * as Credentials from "./Credentials.ts"
import * as CredentialKeys from "./internal/credentialKeys.ts"
import * as DockerConfigKeychain from "./internal/dockerConfigKeychain.ts"
import * as SharedCache from "./internal/sharedCache.ts"

export type {
  /** @since 0.1.0 */
  Resource
} from "./internal/credentialKeys.ts"

/** @since 0.1.0 */
export interface Service {
  /**
   * The most specific credentials known for the resource, `Anonymous` when there are none. Asked for each request to a registry that wants
   * credentials, so that other ones count from the next request on; `refreshing` is for keychains that take time.
   */
  readonly resolve: (resource: CredentialKeys.Resource) => Effect.Effect<Credentials.Credentials, KeychainError>
}

/** @since 0.1.0 */
export class Keychain extends Context.Tag("effect-oci/Keychain")<Keychain, Service>() {}

/** A keychain from a function. @since 0.1.0 */
export const fromFunction = (resolve: Service["resolve"]): Service => ({ resolve })

/** Knows nobody. @since 0.1.0 */
export const anonymous: Service = fromFunction(() => Effect.succeed(Credentials.anonymous))

/**
 * Credentials by pattern, a fixed table. A pattern is a registry (`ghcr.io`), a path in one (`ghcr.io/acme`, which speaks for everything
 * below it) or a host with `*` for one label or a part of one (`*.gcr.io`). The most specific pattern wins: the longest path, then a host
 * without `*`. For Docker Hub, `docker.io`, `index.docker.io` and `https://index.docker.io/v1/` are all understood.
 *
 * @since 0.1.0
 */
export const make = (credentials: Readonly<Record<string, Credentials.Credentials>>): Service => {
  const table = new Map(Object.entries(credentials))
  return fromFunction((resource) => {
    const found = CredentialKeys.matchKeys(table.keys(), resource, { wildcards: true })
      .map((_) => table.get(_.key) ?? Credentials.anonymous)
      .find((_) => !Credentials.isAnonymous(_))
    return Effect.succeed(found ?? Credentials.anonymous)
  })
}

/**
 * Asks one keychain after the other; the first answer that is not `Anonymous` counts, the first failure ends the search.
 *
 * @since 0.1.0
 */
export const first = (...keychains: ReadonlyArray<Service>): Service =>
  fromFunction(
    Effect.fnUntraced(function* (resource: CredentialKeys.Resource) {
      for (const keychain of keychains) {
        const credentials = yield* keychain.resolve(resource)
        if (!Credentials.isAnonymous(credentials)) return credentials
      }
      return Credentials.anonymous
    })
  )

/**
 * Keeps each answer for a time, and asks once where several ask for the same resource at the same time. Failures are not kept.
 *
 * @since 0.1.0
 */
export const refreshing = (keychain: Service, timeToLive: Duration.DurationInput): Service => {
  const answers = SharedCache.make<Credentials.Credentials, KeychainError>(timeToLive)
  return fromFunction((resource) => answers.get(JSON.stringify([resource.registry, resource.repository]), keychain.resolve(resource)))
}

/**
 * Takes a failure of the keychain for «knows nobody»; it is logged at debug level. For helpers that need not be installed.
 *
 * @since 0.1.0
 */
export const orAnonymous = (keychain: Service): Service =>
  fromFunction((resource) =>
    Effect.catchAll(keychain.resolve(resource), (error) => Effect.as(Effect.logDebug(error.message), Credentials.anonymous))
  )

/** @since 0.1.0 */
export const layerAnonymous: Layer.Layer<Keychain> = Layer.succeed(Keychain, anonymous)

/** See `make`. @since 0.1.0 */
export const layer = (credentials: Readonly<Record<string, Credentials.Credentials>>): Layer.Layer<Keychain> =>
  Layer.sync(Keychain, () => make(credentials))

type AnyLayer = Layer.Layer<Keychain, unknown, unknown>

/** `first` for layers: each is built once, in no particular order, and asked in the order given. @since 0.1.0 */
export const layerFirst = <const Layers extends readonly [AnyLayer, ...ReadonlyArray<AnyLayer>]>(
  ...layers: Layers
): Layer.Layer<Keychain, Layer.Layer.Error<Layers[number]>, Layer.Layer.Context<Layers[number]>> => {
  const all = layers.reduce((before, after) =>
    Layer.zipWith(before, after, (a, b) => Context.make(Keychain, first(Context.get(a, Keychain), Context.get(b, Keychain))))
  )
  // The errors and requirements are those of the layers given; `reduce` can only carry them as `unknown`.
  // @effect-diagnostics-next-line unsafeEffectTypeAssertion:off
  return all as Layer.Layer<Keychain, Layer.Layer.Error<Layers[number]>, Layer.Layer.Context<Layers[number]>>
}

/**
 * A fixed table, see `make`, whose credentials come from the configuration.
 *
 * @example
 * ```ts
 * Keychain.layerConfig({
 *   "ghcr.io": Config.zipWith(Config.string("GHCR_USER"), Config.redacted("GHCR_TOKEN"), Credentials.basic)
 * })
 * ```
 *
 * @since 0.1.0
 */
export const layerConfig = (
  credentials:
    | Config.Config<Readonly<Record<string, Credentials.Credentials>>>
    | Readonly<Record<string, Config.Config<Credentials.Credentials>>>
): Layer.Layer<Keychain, ConfigError.ConfigError> =>
  Layer.effect(Keychain, Effect.map(Config.isConfig(credentials) ? credentials : Config.all(credentials), make))

// --- docker and podman ---

/** @since 0.1.0 */
export interface DockerConfigOptions {
  /** The credentials file to read, which then has to exist. Default: the one docker or podman would read, if any. */
  readonly path?: string | undefined
  /**
   * Which entry answers when several could. `specific`, the default: the repository's path, its parent paths, the registry; a helper is asked
   * for a registry only. `docker`: as docker and go-containerregistry do it, without parent paths, with any entry below a host answering for
   * that host, and with helpers asked for the repository before the registry.
   */
  readonly matching?: "specific" | "docker" | undefined
  /** How credential helpers are run. */
  readonly helpers?: CredentialHelper.Options | undefined
}

/**
 * The credentials of `docker login` and `podman login`: `config.json` or `auth.json` (read again when it changed), `DOCKER_AUTH_CONFIG`
 * before it, and the helpers it names.
 *
 * @since 0.1.0
 */
export const dockerConfig = Effect.fnUntraced(function* (options?: DockerConfigOptions) {
  const helpers = yield* CredentialHelper.make(options?.helpers)
  return fromFunction(yield* DockerConfigKeychain.make(helpers, { path: options?.path, matching: options?.matching ?? "specific" }))
})

/** @since 0.1.0 */
export const layerDockerConfig = (
  options?: DockerConfigOptions
): Layer.Layer<Keychain, never, FileSystem.FileSystem | Path.Path | CommandExecutor.CommandExecutor> =>
  Layer.effect(Keychain, dockerConfig(options))

// --- one helper for some registries ---

/** Which registries a keychain is for: patterns as for `make`, or a predicate. @since 0.1.0 */
export type Hosts = ReadonlyArray<string> | ((registry: string) => boolean)

const covers = (hosts: Hosts) => (registry: string) =>
  typeof hosts === "function" ? hosts(registry) : hosts.some((pattern) => CredentialKeys.hostMatches(pattern, registry))

/**
 * The credentials that `docker-credential-<suffix>` has for some registries; for all others `Anonymous`, without asking it.
 *
 * @since 0.1.0
 */
export const fromHelper = (suffix: string, hosts: Hosts, options?: CredentialHelper.Options) =>
  Effect.map(CredentialHelper.make(options), (helper) => {
    const isCovered = covers(hosts)
    return fromFunction((resource) =>
      isCovered(resource.registry)
        ? Effect.map(
            helper.get(suffix, CredentialKeys.keyFor({ registry: resource.registry })),
            Option.getOrElse(() => Credentials.anonymous)
          )
        : Effect.succeed(Credentials.anonymous)
    )
  })

/** A keychain that runs a helper. @since 0.1.0 */
export type HelperLayer = Layer.Layer<Keychain, never, CommandExecutor.CommandExecutor>

/** See `fromHelper`. @since 0.1.0 */
export const layerHelper = (suffix: string, hosts: Hosts, options?: CredentialHelper.Options): HelperLayer =>
  Layer.effect(Keychain, fromHelper(suffix, hosts, options))

// --- clouds ---

/** @since 0.1.0 */
export interface CloudOptions extends CredentialHelper.Options {
  /** The suffix of another helper than the cloud's own. */
  readonly helper?: string | undefined
}

// The hosts that Amazon's own helper accepts: anything else below amazonaws.com, such as a bucket of that name, is somebody else's.
const ecrHost =
  /^[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.[a-z0-9][a-z0-9_-]*\.(?:amazonaws\.(?:com(?:\.cn)?|eu)|on\.(?:aws|amazonwebservices\.com\.cn)|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)$/

/** Amazon ECR, private and public, through `docker-credential-ecr-login`. @since 0.1.0 */
export const layerEcr = (options?: CloudOptions): HelperLayer =>
  layerHelper(options?.helper ?? "ecr-login", (registry) => registry === "public.ecr.aws" || ecrHost.test(registry), options)

/** Google Artifact Registry and `gcr.io` through `docker-credential-gcr` (or `helper: "gcloud"`). @since 0.1.0 */
export const layerGoogle = (options?: CloudOptions): HelperLayer =>
  layerHelper(options?.helper ?? "gcr", ["gcr.io", "*.gcr.io", "*.pkg.dev"], options)

/** Azure Container Registry, sovereign clouds included, through `docker-credential-acr-env`. @since 0.1.0 */
export const layerAzure = (options?: CloudOptions): HelperLayer =>
  layerHelper(options?.helper ?? "acr-env", ["*.azurecr.io", "*.azurecr.cn", "*.azurecr.us", "*.azurecr.de"], options)

const gitHubHosts = ["ghcr.io", "docker.pkg.github.com"]

const secret = (name: string) => Config.redacted(Config.nonEmptyString(name))

const gitHubConfig = Config.all({
  token: Config.option(secret("GITHUB_TOKEN").pipe(Config.orElse(() => secret("GH_TOKEN")))),
  // GitHub reads the token only, but wants some name beside it.
  actor: Config.nonEmptyString("GITHUB_ACTOR").pipe(Config.withDefault("unset"))
})

/**
 * The token of GitHub Actions or of the `gh` command for GitHub's registries: `GITHUB_TOKEN` or `GH_TOKEN`, with the name in
 * `GITHUB_ACTOR`. Knows nobody when there is no token.
 *
 * @since 0.1.0
 */
export const gitHub: Effect.Effect<Service, ConfigError.ConfigError> = Effect.map(gitHubConfig, ({ actor, token }) =>
  Option.match(token, {
    onNone: () => anonymous,
    onSome: (value) => make(Object.fromEntries(gitHubHosts.map((host) => [host, Credentials.basic(actor, value)])))
  })
)

/** See `gitHub`. @since 0.1.0 */
export const layerGitHub: Layer.Layer<Keychain, ConfigError.ConfigError> = Layer.effect(Keychain, gitHub)
