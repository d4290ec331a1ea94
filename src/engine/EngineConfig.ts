/**
 * What a container engine's `daemon.json` says about registries: mirrors of Docker Hub, registries that may be spoken to without trust, registries
 * that may be sent layers that are not to be distributed. The rules are those of docker's and balena-engine's package `registry`.
 *
 * ```ts
 * const config = yield* EngineConfig.load("/etc/docker/daemon.json")
 * const secure = yield* EngineConfig.isSecure(config, "registry.corp:5000")
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as TextFile from "../content/internal/textFile.ts"
import { parseJson } from "../model/internal/json.ts"
import { parseReason } from "../model/internal/parseReason.ts"
import * as DockerHub from "./DockerHub.ts"
import * as NetworkRules from "./internal/networkRules.ts"
import * as Settings from "./internal/settings.ts"

const list = Schema.optionalWith(Schema.Array(Schema.String), { nullable: true })

/**
 * The keys of `daemon.json` that are about registries; null counts as absent.
 *
 * - `registry-mirrors`: URLs of mirrors of Docker Hub, the first one is asked first
 * - `insecure-registries`: `host[:port]`, or networks such as `10.0.0.0/8`, whose registries need no certificate and may answer by plain http
 * - `allow-nondistributable-artifacts`: `host[:port]` or networks whose registries may be sent non-distributable layers
 * - `disable-legacy-registry`: the V1 protocol is not tried. It is unless this is set, as in the engines that had it
 *
 * @since 0.1.0
 */
export const Options = Schema.Struct({
  "registry-mirrors": list,
  "insecure-registries": list,
  "allow-nondistributable-artifacts": list,
  "disable-legacy-registry": Schema.optionalWith(Schema.Boolean, { nullable: true })
})

/** @since 0.1.0 */
export type Options = typeof Options.Type

/** Which of them is wrong: a setting, a name that was asked about, or the file as a whole. @since 0.1.0 */
export const Setting = Schema.Literal(
  "registry-mirrors",
  "insecure-registries",
  "allow-nondistributable-artifacts",
  "index-name",
  "daemon.json"
)

/** @since 0.1.0 */
export type Setting = typeof Setting.Type

/**
 * An entry that the engine would not take. `value` is the entry, or the file, and `reason` what the engine says of it; neither has a password that
 * somebody put into a URL.
 *
 * @since 0.1.0
 */
export class InvalidEngineConfig extends Schema.TaggedError<InvalidEngineConfig>("effect-oci/InvalidEngineConfig")("InvalidEngineConfig", {
  setting: Setting,
  value: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return this.reason
  }
}

/** Networks as `10.0.0.0/8`, in one spelling, and `host[:port]` as they were written; each once. @since 0.1.0 */
export interface Registries {
  readonly cidrs: ReadonlyArray<string>
  readonly hosts: ReadonlyArray<string>
}

/**
 * A configuration that was read: plain data.
 *
 * - `mirrors`: as they were written, with a slash at the end
 * - `insecure`: `127.0.0.0/8` is always among them, Docker Hub never
 * - `v2Only`: the V1 protocol is not tried
 *
 * @since 0.1.0
 */
export interface EngineConfig {
  readonly mirrors: ReadonlyArray<string>
  readonly insecure: Registries
  readonly nondistributable: Registries
  readonly v2Only: boolean
}

/** An index, which is what the engine calls a registry by its name. `secure`: by https with a certificate only. @since 0.1.0 */
export interface IndexInfo {
  readonly name: string
  readonly mirrors: ReadonlyArray<string>
  /** Whether it is Docker Hub. */
  readonly official: boolean
  readonly secure: boolean
}

const invalid =
  (setting: Setting) =>
  <A>(checked: Either.Either<A, Settings.Problem>): Either.Either<A, InvalidEngineConfig> =>
    Either.mapLeft(checked, (problem) => new InvalidEngineConfig({ setting, ...problem }))

// --- entries ---

/**
 * A mirror as it is configured: an http or https URL with nothing behind the host but a slash, and without user. Of what Go takes for a URL no more
 * is refused, so it may have no host: then nobody will answer.
 *
 * @since 0.1.0
 */
export const mirror = (text: string): Either.Either<string, InvalidEngineConfig> => invalid("registry-mirrors")(Settings.mirror(text))

/** The name of an index: `index.docker.io` is `docker.io`, and none begins or ends with a hyphen. Nothing else is checked. @since 0.1.0 */
export const indexName = (text: string): Either.Either<string, InvalidEngineConfig> => invalid("index-name")(Settings.indexName(text))

// --- reading ---

/** Fails for the first entry that the engine would not take. @since 0.1.0 */
export const make = (options: Options): Either.Either<EngineConfig, InvalidEngineConfig> =>
  // In the order of the engine, which tells of one mistake only.
  Either.all({
    nondistributable: invalid("allow-nondistributable-artifacts")(
      Settings.nondistributable(options["allow-nondistributable-artifacts"] ?? [])
    ),
    mirrors: invalid("registry-mirrors")(Settings.mirrors(options["registry-mirrors"] ?? [])),
    insecure: invalid("insecure-registries")(Settings.insecure(options["insecure-registries"] ?? [])),
    v2Only: Either.right(options["disable-legacy-registry"] ?? false)
  })

/** What holds without any `daemon.json`. @since 0.1.0 */
export const empty: EngineConfig = Either.getOrThrow(make({}))

const decode = Schema.decodeUnknownEither(Options)

/** Reads the text of a `daemon.json`; its other keys are passed over, and empty text is an empty file. `source` names it in errors. @since 0.1.0 */
export const parse = (text: string, source = "daemon.json"): Either.Either<EngineConfig, InvalidEngineConfig> => {
  const refuse = (reason: string) =>
    Either.left(new InvalidEngineConfig({ setting: "daemon.json", value: source, reason: `${source}: ${reason}` }))
  // Some editors begin a file with a mark of its encoding, which is not JSON.
  const bare = text.replace(/^\ufeff/, "").trim()
  if (bare === "") return Either.right(empty)
  const json = parseJson(bare)
  // What the parser says of it quotes the file.
  if (Either.isLeft(json)) return refuse("it is not JSON")
  const options = decode(json.right)
  return Either.isLeft(options) ? refuse(parseReason(options.left)) : make(options.right)
}

const limitBytes = 16 * 1024 * 1024

/** Reads a `daemon.json`; one that does not exist is empty. At most 16 MiB. @since 0.1.0 */
export const load = Effect.fn("EngineConfig.load")(function* (file: string) {
  const text = yield* Effect.catchIf(
    TextFile.read(file, "load", limitBytes),
    ({ missing }) => missing === true,
    () => Effect.succeed("")
  )
  return yield* parse(text, file)
})

// --- asking ---

/**
 * {@link isSecure} of a host that has these addresses, without looking anything up. Those of a host that is an IP address are not needed.
 *
 * @since 0.1.0
 */
export const isSecureAt = ({ insecure }: EngineConfig, host: string, addresses: ReadonlyArray<string>): boolean =>
  host === DockerHub.indexName ||
  !(NetworkRules.names(insecure.hosts, host) || NetworkRules.includes(insecure.cidrs, NetworkRules.literal(host) ?? addresses))

/**
 * Whether a host, `host[:port]`, must prove who it is: no when it is listed as insecure, port and all, or has an address in a network that is. How its
 * name is looked up is up to `HostAddresses`; of a host that nobody knows the name alone counts.
 *
 * Differs from Go in two things: an entry in capitals is the host in lower case too, as references have it, and `[::1]` is an address without a port as
 * well.
 *
 * @since 0.1.0
 */
export const isSecure = (config: EngineConfig, host: string): Effect.Effect<boolean> => {
  const { cidrs, hosts } = config.insecure
  const listed = host === DockerHub.indexName || NetworkRules.names(hosts, host)
  const addresses = listed ? Effect.succeed([]) : NetworkRules.addressesOf(cidrs, host)
  return Effect.map(addresses, (_) => isSecureAt(config, host, _))
}

/** Whether a registry, `host[:port]`, may be sent layers that are not to be distributed; found as in {@link isSecure}. @since 0.1.0 */
export const allowsNondistributable = ({ nondistributable }: EngineConfig, host: string): Effect.Effect<boolean> =>
  NetworkRules.names(nondistributable.hosts, host)
    ? Effect.succeed(true)
    : Effect.map(NetworkRules.addressesOf(nondistributable.cidrs, host), (addresses) =>
        NetworkRules.includes(nondistributable.cidrs, addresses)
      )

/** What is known about an index. Mirrors are Docker Hub's alone. @since 0.1.0 */
export const indexInfo = (config: EngineConfig, name: string): Effect.Effect<IndexInfo, InvalidEngineConfig> =>
  Effect.flatMap(indexName(name), (name) => {
    const official = name === DockerHub.indexName
    const mirrors = official ? config.mirrors : []
    return Effect.map(isSecure(config, name), (secure) => ({ name, mirrors, official, secure }))
  })
