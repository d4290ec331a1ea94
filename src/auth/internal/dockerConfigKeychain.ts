/**
 * How docker's files, environment and helpers together answer for a resource.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import { KeychainError } from "../../model/RegistryError.ts"
import type * as CredentialHelper from "../CredentialHelper.ts"
import * as Credentials from "../Credentials.ts"
import * as DockerConfig from "../DockerConfig.ts"
import * as CredentialKeys from "./credentialKeys.ts"
import * as DockerConfigPaths from "./dockerConfigPaths.ts"
import { hostname } from "./hostname.ts"

type Answer = Effect.Effect<Credentials.Credentials, KeychainError>

/** What was read: the file, and `DOCKER_AUTH_CONFIG`, which is asked before it. */
interface Sources {
  readonly file: DockerConfig.DockerConfig
  readonly environment: DockerConfig.DockerConfig
}

const orAnonymous = Option.getOrElse(() => Credentials.anonymous)

const firstKnown = Effect.fnUntraced(function* (answers: ReadonlyArray<Answer>) {
  for (const answer of answers) {
    const credentials = yield* answer
    if (!Credentials.isAnonymous(credentials)) return credentials
  }
  return Credentials.anonymous
})

const askHelper = (helpers: CredentialHelper.Service, helper: string, server: string, entry: DockerConfig.AuthConfig | undefined): Answer =>
  Effect.map(helpers.get(helper, server), (found) => {
    // A helper's answer takes the place of the file's but for a registry token, which helpers cannot keep.
    const fromFile = DockerConfig.toCredentials({ registryToken: entry?.registryToken })
    return Credentials.isAnonymous(fromFile) ? Option.getOrElse(found, () => Credentials.anonymous) : fromFile
  })

/**
 * The repository's own helper, the entries of its path and of its parents, then the registry, which belongs to its helper, else to
 * `credsStore`, else to the entries.
 */
const specific = (helpers: CredentialHelper.Service, { environment, file }: Sources, resource: CredentialKeys.Resource): Answer => {
  const registry = { registry: resource.registry }

  const ofRepository = Effect.suspend(() => {
    const key = resource.repository === undefined ? undefined : CredentialKeys.helperKey(Object.keys(file.credHelpers), resource)
    const helper = key === undefined ? "" : (file.credHelpers[key] ?? "")
    return key === undefined || helper === "" ? Effect.succeed(Credentials.anonymous) : askHelper(helpers, helper, key, file.auths[key])
  })
  const ofPaths = CredentialKeys.matchKeys(Object.keys(file.auths), resource)
    .filter((_) => _.path !== "")
    .map(({ key }) => Effect.succeed(DockerConfig.toCredentials(file.auths[key] ?? {})))
  const ofRegistry = Effect.suspend(() => {
    const helper = DockerConfig.helperFor(file, resource.registry)
    if (Option.isNone(helper)) return Effect.succeed(orAnonymous(DockerConfig.lookup(file, registry)))
    const [entry] = CredentialKeys.matchKeys(Object.keys(file.auths), registry)
    return askHelper(helpers, helper.value, DockerConfig.keyFor(registry), entry === undefined ? undefined : file.auths[entry.key])
  })
  return firstKnown([Effect.succeed(orAnonymous(DockerConfig.lookup(environment, resource))), ofRepository, ...ofPaths, ofRegistry])
}

/**
 * docker's order: the repository's key, then the registry's, each exact in `credHelpers`, else in `credsStore`, else in the entries, where any
 * key of the same hostname answers too. Where docker takes the first in random order, this takes the first in the order of the text.
 */
const docker = (helpers: CredentialHelper.Service, { environment, file }: Sources, resource: CredentialKeys.Resource): Answer => {
  const canonical = CredentialKeys.canonicalHost(resource.registry)
  const host = canonical === "docker.io" ? "index.docker.io" : canonical
  const registryKey = canonical === "docker.io" ? CredentialKeys.hubKey : canonical
  const keys = resource.repository === undefined ? [registryKey] : [`${host}/${resource.repository}`, registryKey]
  const entryOf = (key: string) =>
    Record.get(file.auths, key).pipe(
      Option.orElse(() => ofHostname(file, key)),
      Option.getOrUndefined
    )
  return firstKnown(
    keys.flatMap((key): ReadonlyArray<Answer> => {
      const helper = Option.getOrElse(Record.get(file.credHelpers, key), () => file.credsStore ?? "")
      const entry = entryOf(key)
      const fromEnvironment = Option.map(Record.get(environment.auths, key), DockerConfig.toCredentials)
      return [
        Effect.succeed(orAnonymous(fromEnvironment)),
        helper === "" ? Effect.succeed(DockerConfig.toCredentials(entry ?? {})) : askHelper(helpers, helper, key, entry)
      ]
    })
  )
}

const ofHostname = (config: DockerConfig.DockerConfig, name: string) => {
  const key = Object.keys(config.auths)
    .sort(Order.string)
    .find((_) => hostname(_) === name)
  return key === undefined ? Option.none() : Record.get(config.auths, key)
}

/** Reads a file again only when it changed: another path, time, size or inode. */
const makeReader = Effect.gen(function* () {
  const context = yield* Effect.context<FileSystem.FileSystem>()
  const fs = yield* FileSystem.FileSystem
  let last: { readonly stamp: string; readonly config: DockerConfig.DockerConfig } | undefined

  const stampOf = (file: string, info: FileSystem.File.Info) =>
    Option.map(info.mtime, (mtime) => JSON.stringify([file, mtime.getTime(), String(info.size), Option.getOrNull(info.ino)]))

  return Effect.fnUntraced(function* (file: string) {
    const info = yield* Effect.option(fs.stat(file))
    // As for docker, what is not there, and a directory in its place, says nothing.
    if (Option.isNone(info) || info.value.type === "Directory") return DockerConfig.empty
    const stamp = Option.getOrUndefined(stampOf(file, info.value))
    if (last !== undefined && last.stamp === stamp) return last.config
    const config = yield* DockerConfig.load(file)
    last = stamp === undefined ? undefined : { stamp, config }
    return config
  }, Effect.provide(context))
})

/** Text that cannot be read is a failure here; docker warns and goes on without. */
const readVariable = (env: DockerConfigPaths.Environment) =>
  Option.match(env.dockerAuthConfig, {
    onNone: () => Either.right(DockerConfig.empty),
    onSome: (text) => DockerConfig.parse(Redacted.value(text), "DOCKER_AUTH_CONFIG")
  })

export const make = Effect.fnUntraced(function* (
  helpers: CredentialHelper.Service,
  options: { readonly path: string | undefined; readonly matching: "specific" | "docker" }
) {
  const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const env = yield* DockerConfigPaths.environment
  const read = yield* makeReader
  const variable = readVariable(env)
  const answer = options.matching === "docker" ? docker : specific

  const file =
    options.path === undefined
      ? Effect.flatMap(DockerConfigPaths.locate(env), Option.match({ onNone: () => Effect.succeed(DockerConfig.empty), onSome: read }))
      : Effect.zipRight(requireFile(options.path), read(options.path))

  return Effect.fnUntraced(
    function* (resource: CredentialKeys.Resource) {
      const sources: Sources = { environment: yield* variable, file: yield* file }
      return yield* answer(helpers, sources, resource)
    },
    (effect, { registry }) => Effect.mapError(effect, ({ reason, source }) => new KeychainError({ registry, source, reason })),
    Effect.provide(context)
  )
})

/** A file named by the user has to be there: a slip of the pen must not mean «no credentials». */
const requireFile = (file: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.exists(file).pipe(
      Effect.orElseSucceed(() => false),
      Effect.filterOrFail(
        (exists) => exists,
        () => new KeychainError({ source: file, reason: "does not exist" })
      )
    )
  )
