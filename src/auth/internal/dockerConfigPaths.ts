/**
 * Where the credentials files of docker and podman are.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/** What the environment says about credentials files; an empty variable counts as absent. */
export interface Environment {
  readonly home: Option.Option<string>
  readonly dockerConfig: Option.Option<string>
  readonly registryAuthFile: Option.Option<string>
  readonly xdgRuntimeDir: Option.Option<string>
  readonly xdgConfigHome: Option.Option<string>
  /** `DOCKER_AUTH_CONFIG`: the JSON of a credentials file itself. */
  readonly dockerAuthConfig: Option.Option<Redacted.Redacted>
}

const variable = (name: string) => Config.option(Config.nonEmptyString(name))

export const environment: Effect.Effect<Environment> = Config.all({
  home: variable("HOME").pipe(Config.zipWith(variable("USERPROFILE"), (home, profile) => Option.orElse(home, () => profile))),
  dockerConfig: variable("DOCKER_CONFIG"),
  registryAuthFile: variable("REGISTRY_AUTH_FILE"),
  xdgRuntimeDir: variable("XDG_RUNTIME_DIR"),
  xdgConfigHome: variable("XDG_CONFIG_HOME"),
  dockerAuthConfig: variable("DOCKER_AUTH_CONFIG").pipe(Config.map(Option.map(Redacted.make)))
  // Each may be absent: what is left are failures of a broken configuration provider.
}).pipe(Effect.orDie)

/** The file docker reads and `login` writes: of `$DOCKER_CONFIG`, else of the home directory. */
export const dockerPath = (path: Path.Path, env: Environment): Option.Option<string> =>
  Option.orElse(
    Option.map(env.dockerConfig, (_) => path.join(_, "config.json")),
    () => Option.map(env.home, (_) => path.join(_, ".docker", "config.json"))
  )

/**
 * The file to read, in the order of go-containerregistry's default keychain: docker's when there is one in the home directory or in
 * `$DOCKER_CONFIG`, else `$REGISTRY_AUTH_FILE`, else podman's. As for docker, a `$DOCKER_CONFIG` without a file in it hides the home
 * directory's.
 */
export const locate = Effect.fnUntraced(function* (env: Environment) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const isFile = (file: string) =>
    fs.stat(file).pipe(
      Effect.map((_) => _.type === "File"),
      Effect.orElseSucceed(() => false)
    )
  const below = (directory: Option.Option<string>, ...names: ReadonlyArray<string>) =>
    Option.toArray(Option.map(directory, (_) => path.join(_, ...names)))
  const firstFile = (files: ReadonlyArray<string>) => Effect.findFirst(files, isFile)

  const docker = yield* firstFile([...below(env.home, ".docker", "config.json"), ...below(env.dockerConfig, "config.json")])
  if (Option.isSome(docker)) return dockerPath(path, env)
  return yield* firstFile([
    ...below(env.registryAuthFile),
    ...below(env.xdgRuntimeDir, "containers", "auth.json"),
    ...below(
      Option.orElse(env.xdgConfigHome, () => Option.map(env.home, (_) => path.join(_, ".config"))),
      "containers",
      "auth.json"
    )
  ])
})
