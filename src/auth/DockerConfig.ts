/**
 * The credentials file of docker (`config.json`) and podman (`auth.json`): reading it, writing it, and finding what it says about a
 * registry. Secrets are `Redacted` once read; keys of the file that are not about credentials are kept as they are.
 *
 * @since 0.1.0
 */
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as ParseResult from "effect/ParseResult"
import * as Random from "effect/Random"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { inAnyCase, isJsonObject } from "../model/internal/json.ts"
import { KeychainError } from "../model/RegistryError.ts"
import * as Credentials from "./Credentials.ts"
import * as AuthField from "./internal/authField.ts"
import * as CredentialKeys from "./internal/credentialKeys.ts"
import * as DockerConfigPaths from "./internal/dockerConfigPaths.ts"
import { engineHostname, hostname } from "./internal/hostname.ts"

// --- one entry ---

const text = Schema.optional(Schema.NullOr(Schema.String))

const AuthJson = Schema.Struct({ username: text, password: text, auth: text, identitytoken: text, registrytoken: text })

const OpenAuthJson = Schema.Struct(AuthJson.fields, { key: Schema.String, value: Schema.Unknown })
const entryNames = inAnyCase(...Object.keys(AuthJson.fields))

/**
 * What the file says about one registry; absent means absent or empty. `auth` is base64 of `user:password`.
 *
 * @since 0.1.0
 */
export interface AuthConfig {
  readonly username?: string | undefined
  readonly password?: Redacted.Redacted | undefined
  readonly auth?: Redacted.Redacted | undefined
  readonly identityToken?: Redacted.Redacted | undefined
  readonly registryToken?: Redacted.Redacted | undefined
}

const secret = (value: string | null | undefined) => (value == null || value === "" ? undefined : Redacted.make(value))
const clear = (value: Redacted.Redacted | undefined) => (value === undefined ? "" : Redacted.value(value))

const readAuth = (json: typeof AuthJson.Type, reading: AuthField.Reading): Either.Either<AuthConfig, string> =>
  Either.gen(function* () {
    const tokens = { identityToken: secret(json.identitytoken), registryToken: secret(json.registrytoken) }
    if (json.auth != null && json.auth !== "") {
      const { password, username } = yield* AuthField.decode(json.auth, reading)
      return { username: username === "" ? undefined : username, password: secret(password), auth: secret(json.auth), ...tokens }
    }
    const username = json.username ?? ""
    const password = json.password ?? ""
    return {
      username: username === "" ? undefined : username,
      password: secret(password),
      auth: username !== "" && password !== "" ? secret(AuthField.encode({ username, password })) : undefined,
      ...tokens
    }
  })

const writeAuth = (auth: AuthConfig): typeof AuthJson.Type => {
  const user = { username: auth.username ?? "", password: clear(auth.password) }
  return Record.filter(
    {
      ...user,
      auth: AuthField.encode(user),
      identitytoken: clear(auth.identityToken),
      registrytoken: clear(auth.registryToken)
    },
    (_) => _ !== ""
  )
}

const AuthConfigFromSelf: Schema.Schema<AuthConfig> = Schema.Struct({
  username: Schema.optional(Schema.String),
  password: Schema.optional(Schema.RedactedFromSelf(Schema.String)),
  auth: Schema.optional(Schema.RedactedFromSelf(Schema.String)),
  identityToken: Schema.optional(Schema.RedactedFromSelf(Schema.String)),
  registryToken: Schema.optional(Schema.RedactedFromSelf(Schema.String))
})

/**
 * An entry on its own, as in Kubernetes secrets and on go-containerregistry's command line: `auth` wins over `username` and `password`, its
 * padding may be missing and its user may be empty. Encoding always writes `auth`.
 *
 * @since 0.1.0
 */
export const AuthConfig: Schema.Schema<AuthConfig, typeof OpenAuthJson.Type | null> = Schema.transformOrFail(
  Schema.NullOr(OpenAuthJson),
  AuthConfigFromSelf,
  {
    strict: true,
    decode: (json, _, ast) =>
      Schema.decodeUnknownEither(AuthJson)(entryNames(json ?? {})).pipe(
        Either.mapLeft(() => "has an unexpected type of value"),
        Either.flatMap((entry) => readAuth(entry, "loose")),
        Either.mapLeft((reason) => new ParseResult.Type(ast, undefined, `unable to decode auth field: ${reason}`))
      ),
    encode: (auth) => Either.right(writeAuth(auth))
  }
  // The default message quotes the entry, and with it secrets.
).annotations({ message: () => ({ message: "not a usable entry of a docker credentials file", override: true }) })

/**
 * The credentials an entry means: a registry token before an identity token before user and password. An entry without any of them is
 * `Anonymous`.
 *
 * @since 0.1.0
 */
export const toCredentials = (auth: AuthConfig): Credentials.Credentials => {
  if (auth.registryToken !== undefined) return Credentials.registryToken(auth.registryToken)
  if (auth.identityToken !== undefined) {
    return auth.username === undefined
      ? Credentials.identityToken(auth.identityToken)
      : Credentials.identityToken(auth.identityToken, { username: auth.username, password: auth.password ?? "" })
  }
  return auth.username === undefined && auth.password === undefined
    ? Credentials.anonymous
    : Credentials.basic(auth.username ?? "", auth.password ?? "")
}

/** The entry as docker writes it: user and password only as `auth`, never in clear. */
const toFileEntry = (credentials: Credentials.Credentials): typeof AuthJson.Type => {
  const field = (username: string | undefined, password: Redacted.Redacted | undefined) =>
    username === undefined || username === "" ? {} : { auth: AuthField.encode({ username, password: clear(password) }) }
  switch (credentials._tag) {
    case "Anonymous":
      return {}
    case "Basic":
      return field(credentials.username, credentials.password)
    case "IdentityToken":
      return { ...field(credentials.username, credentials.password), identitytoken: Redacted.value(credentials.token) }
    case "RegistryToken":
      return { registrytoken: Redacted.value(credentials.token) }
  }
}

// --- the file ---

const table = <A, I>(value: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(Schema.Record({ key: Schema.String, value })))

/**
 * The file's JSON as far as credentials go; every other key, here and in the entries, is kept.
 *
 * @since 0.1.0
 */
export const Document = Schema.Struct(
  {
    auths: table(Schema.NullOr(OpenAuthJson)),
    credHelpers: table(Schema.NullOr(Schema.String)),
    credsStore: Schema.optional(Schema.NullOr(Schema.String))
  },
  { key: Schema.String, value: Schema.Unknown }
)

/** @since 0.1.0 */
export type Document = typeof Document.Type

/**
 * A credentials file that was read. `credHelpers` names the helper of a registry (an empty name: none), `credsStore` that of all others.
 * `document` is the whole file, redacted because its other keys (`HttpHeaders`) may hold secrets too.
 *
 * @since 0.1.0
 */
export interface DockerConfig {
  readonly auths: Readonly<Record<string, AuthConfig>>
  readonly credHelpers: Readonly<Record<string, string>>
  readonly credsStore: string | undefined
  readonly document: Redacted.Redacted<Document>
}

const fromDocument = (document: Document): Either.Either<DockerConfig, string> =>
  Either.map(
    Either.all(
      Record.map(document.auths ?? {}, (entry, key) =>
        Either.mapLeft(readAuth(entry ?? {}, "file"), (reason) => `the field "auth" of ${JSON.stringify(key)} ${reason}`)
      )
    ),
    (auths) => ({
      auths,
      credHelpers: Record.map(document.credHelpers ?? {}, (helper) => helper ?? ""),
      credsStore: document.credsStore ?? undefined,
      document: Redacted.make(document)
    })
  )

/** @since 0.1.0 */
export const empty: DockerConfig = { auths: {}, credHelpers: {}, credsStore: undefined, document: Redacted.make({}) }

const parseJson = (input: string): Either.Either<unknown, string> =>
  // The message of a SyntaxError quotes the text, and with it secrets.
  Either.try({ try: () => JSON.parse(input), catch: () => "is not valid JSON" })

// Of a schema's complaint only the place is told: the rest quotes the file.
const placeOf = (error: ParseResult.ParseError): string => {
  const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
  const place = issue === undefined ? [] : issue.path
  return place.length === 0 ? "is not a JSON object" : `has an unexpected type of value at ${JSON.stringify(place.map(String))}`
}

const asDockerReads = (json: unknown): unknown => {
  const file = inAnyCase(...Object.keys(Document.fields))(json)
  return isJsonObject(file) && isJsonObject(file["auths"]) ? { ...file, auths: Record.map(file["auths"], entryNames) } : file
}

/**
 * Reads the text of a credentials file; empty text is an empty file, and the case of the names it knows does not count. One `auth` field that
 * cannot be read fails the whole file, as it does for docker. `source` names the file in the error.
 *
 * @since 0.1.0
 */
export const parse = (input: string, source = "config.json"): Either.Either<DockerConfig, KeychainError> =>
  input.trim() === ""
    ? Either.right(empty)
    : parseJson(input).pipe(
        Either.flatMap((json) => Either.mapLeft(Schema.decodeUnknownEither(Document)(asDockerReads(json ?? {})), placeOf)),
        Either.flatMap(fromDocument),
        Either.mapLeft((reason) => new KeychainError({ source, reason }))
      )

/** The text of the file, indented with tabs as docker does it. It holds secrets in clear. @since 0.1.0 */
export const encode = (config: DockerConfig): string => `${JSON.stringify(Redacted.value(config.document), null, "\t")}\n`

// --- changing it ---

/** The key docker and podman keep a registry's or a repository's credentials under. @since 0.1.0 */
export const keyFor: (resource: CredentialKeys.Resource) => string = CredentialKeys.keyFor

const withAuths = (config: DockerConfig, auths: NonNullable<Document["auths"]>, read: DockerConfig["auths"]): DockerConfig => ({
  ...config,
  auths: read,
  document: Redacted.make({ ...Redacted.value(config.document), auths })
})

/** Removes what the file says about exactly this registry or path, in any spelling. Helpers are left as they are. @since 0.1.0 */
export const erase = (config: DockerConfig, resource: CredentialKeys.Resource): DockerConfig => {
  const path = resource.repository ?? ""
  const keys = new Set(CredentialKeys.matchKeys(Object.keys(config.auths), resource).flatMap((_) => (_.path === path ? [_.key] : [])))
  const keep = <A>(entries: Readonly<Record<string, A>>) => Record.filter(entries, (_, key) => !keys.has(key))
  return withAuths(config, keep(Redacted.value(config.document).auths ?? {}), keep(config.auths))
}

/** Puts credentials in the place of what the file said about this registry or path. @since 0.1.0 */
export const set = (config: DockerConfig, resource: CredentialKeys.Resource, credentials: Credentials.Credentials): DockerConfig => {
  const others = erase(config, resource)
  const key = keyFor(resource)
  const entry = toFileEntry(credentials)
  const auth = Either.getOrElse(readAuth(entry, "file"), (): AuthConfig => ({}))
  return withAuths(others, { ...Redacted.value(others.document).auths, [key]: entry }, { ...others.auths, [key]: auth })
}

// --- on disk ---

const limitBytes = 16 * 1024 * 1024

const fileError = (source: string, action: string) => (error: PlatformError | KeychainError) =>
  error._tag === "KeychainError"
    ? error
    : new KeychainError({ source, reason: `cannot be ${action} (${error._tag === "SystemError" ? error.reason : error._tag})` })

const isMissing = (error: PlatformError | KeychainError) => error._tag === "SystemError" && error.reason === "NotFound"

/**
 * The file that is read by default: docker's in the home directory or in `DOCKER_CONFIG`, else `REGISTRY_AUTH_FILE`, else podman's below
 * `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME` or the home directory. None when there is none.
 *
 * @since 0.1.0
 */
export const locate: Effect.Effect<Option.Option<string>, never, FileSystem.FileSystem | Path.Path> = Effect.flatMap(
  DockerConfigPaths.environment,
  DockerConfigPaths.locate
)

/** The file docker keeps credentials in, whether it exists or not: below `DOCKER_CONFIG`, else the home directory. @since 0.1.0 */
export const defaultPath: Effect.Effect<Option.Option<string>, never, Path.Path> = Effect.zipWith(
  Path.Path,
  DockerConfigPaths.environment,
  DockerConfigPaths.dockerPath
)

/** Reads a file; one that does not exist is empty. @since 0.1.0 */
export const load = Effect.fn("DockerConfig.load")(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const content = yield* fs.stat(file).pipe(
    Effect.filterOrFail(
      (info) => info.size <= limitBytes,
      () => new KeychainError({ source: file, reason: `is larger than ${limitBytes} bytes` })
    ),
    Effect.zipRight(fs.readFileString(file)),
    Effect.catchIf(isMissing, () => Effect.succeed("")),
    Effect.mapError(fileError(file, "read"))
  )
  return yield* parse(content, file)
})

/**
 * Writes a file whole or not at all: beside the old one, readable by the owner only, then renamed over it. A symbolic link stays one.
 *
 * @since 0.1.0
 */
export const save = Effect.fn("DockerConfig.save")(function* (file: string, config: DockerConfig) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const write = Effect.gen(function* () {
    yield* fs.makeDirectory(path.dirname(file), { recursive: true, mode: 0o700 })
    const target = yield* fs.realPath(file).pipe(
      // A link to what is still to be written.
      Effect.orElse(() => Effect.map(fs.readLink(file), (link) => path.resolve(path.dirname(file), link))),
      Effect.orElseSucceed(() => file)
    )
    const there = yield* Effect.option(fs.stat(target))
    // `/dev/null` would be a file from then on, for everybody.
    if (Option.exists(there, ({ type }) => type !== "File")) {
      return yield* new KeychainError({ source: file, reason: "cannot be written: it is no file" })
    }
    const suffix = (yield* Random.nextIntBetween(0, 2 ** 48)).toString(36)
    const beside = path.join(path.dirname(target), `.${path.basename(target)}.${suffix}`)
    yield* Effect.scoped(
      Effect.gen(function* () {
        const opened = yield* fs.open(beside, { flag: "wx", mode: 0o600 })
        yield* opened.writeAll(new TextEncoder().encode(encode(config)))
        yield* opened.sync
      })
    ).pipe(
      Effect.zipRight(fs.rename(beside, target)),
      Effect.onError(() => Effect.ignore(fs.remove(beside)))
    )
  })
  yield* Effect.mapError(write, fileError(file, "written"))
})

/** Reads a file, changes it and writes it back. @since 0.1.0 */
export const update = Effect.fn("DockerConfig.update")(function* (file: string, change: (config: DockerConfig) => DockerConfig) {
  yield* save(file, change(yield* load(file)))
})

// --- asking it ---

/**
 * The credentials in the file for a resource: of the repository's path, else of a parent path, else of the registry; in each the spellings
 * `host`, `https://host/v1/`, `https://host`, then the rest. A key with a path never answers for the registry.
 *
 * @since 0.1.0
 */
export const lookup = (config: Pick<DockerConfig, "auths">, resource: CredentialKeys.Resource): Option.Option<Credentials.Credentials> =>
  Option.fromNullable(
    CredentialKeys.matchKeys(Object.keys(config.auths), resource)
      .map((_) => toCredentials(config.auths[_.key] ?? {}))
      .find((_) => !Credentials.isAnonymous(_))
  )

/**
 * The helper that keeps a registry's credentials: the one in `credHelpers`, else `credsStore`; none when both are absent or empty.
 *
 * @since 0.1.0
 */
export const helperFor = (config: DockerConfig, registry: string): Option.Option<string> => {
  const own = CredentialKeys.helperKey(Object.keys(config.credHelpers), { registry })
  const helper = own === undefined ? config.credsStore : config.credHelpers[own]
  return helper === undefined || helper === "" ? Option.none() : Option.some(helper)
}

/** The hostname a key stands for, as docker's command line reads keys: a URL is parsed, other text cut at the first slash. @since 0.1.0 */
export const convertToHostname: (key: string) => string = hostname

/** An index of the container engine: `official` is Docker Hub. @since 0.1.0 */
export interface Index {
  readonly name: string
  readonly official: boolean
}

/** The key the engine keeps an index's credentials under. @since 0.1.0 */
export const authKey = (index: Index): string => (index.official ? CredentialKeys.hubKey : index.name)

/**
 * An index's entry as the container engine finds it: the exact key, else, unless the index is the official one, a key whose hostname is the
 * index's name; of several the first in the order of their text (the engine takes any).
 *
 * @since 0.1.0
 */
export const resolveAuthConfig = <A>(auths: Readonly<Record<string, A>>, index: Index): Option.Option<A> => {
  const exact = Record.get(auths, authKey(index))
  if (Option.isSome(exact) || index.official) return exact
  const key = Object.keys(auths)
    .sort(Order.string)
    .find((_) => engineHostname(_) === index.name)
  return key === undefined ? Option.none() : Record.get(auths, key)
}
