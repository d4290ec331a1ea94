/**
 * What is known about each registry host: how it is reached, how much it may be asked at once and how it likes its uploads.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as ParseResult from "effect/ParseResult"
import * as Record from "effect/Record"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Reference from "../model/Reference.ts"

/**
 * `https`, `http`, or one of two that find out by asking:
 *
 * - `auto`: https first and plain http as a fall-back, for local and private registries only. Over the fall-back credentials go to this
 *   machine alone: that https does not answer may be an attacker's doing. Say `http` to have them sent
 * - `either`: plain http when nobody answers by https, wherever the host is, and credentials are sent over both. Whoever is on the way to the
 *   host can see to it that nobody does, and then reads all: for hosts that somebody has called insecure, as in docker's `insecure-registries`
 *
 * A host that redirects from plain http to https at the same address is asked by https from then on.
 *
 * @since 0.1.0
 */
export const Scheme = Schema.Literal("auto", "https", "http", "either")

/** @since 0.1.0 */
export type Scheme = typeof Scheme.Type

/**
 * How blobs are uploaded: `single` one `PUT` with the whole body, `streamed` one `PATCH` without `Content-Range`, `chunked` one `PATCH` of
 * `chunkBytes` after another, `auto` single for content of known digest that can be read again and chunked otherwise. Each falls back as
 * the registry demands. What can be read once is streamed where `single` or `streamed` is set, and cannot be gone on with.
 *
 * @since 0.1.0
 */
export const UploadPlan = Schema.Literal("auto", "single", "streamed", "chunked")

/** @since 0.1.0 */
export type UploadPlan = typeof UploadPlan.Type

/**
 * Trust towards one host, in PEM: extra certificate authorities, a client certificate with its key, or no verification at all.
 *
 * @since 0.1.0
 */
export const TlsSettings = Schema.Struct({
  ca: Schema.optional(Schema.Array(Schema.String)),
  certificate: Schema.optional(Schema.String),
  key: Schema.optional(Schema.Redacted(Schema.String)),
  verify: Schema.optional(Schema.Boolean)
})

/** @since 0.1.0 */
export type TlsSettings = typeof TlsSettings.Type

/**
 * What a mirror may answer: `pull` content by digest, `resolve` tags to digests, `list` tags, `referrers`.
 *
 * @since 0.1.0
 */
export const MirrorCapability = Schema.Literal("pull", "resolve", "list", "referrers")

/** @since 0.1.0 */
export type MirrorCapability = typeof MirrorCapability.Type

/**
 * A host that answers reads in place of a registry, with credentials of its own. One that cannot be reached, or serves something wrong, is
 * left alone for 30 seconds. With `proxy` the name of the mirrored registry is sent as `ns` (distribution-spec «Registry Proxying»).
 *
 * @since 0.1.0
 */
export const Mirror = Schema.Struct({
  url: Schema.String.pipe(
    Schema.pattern(/^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/, {
      // The usual message quotes the URL, and with it the password it is refused for.
      message: () => ({ message: "not an http or https URL without user, query and fragment", override: true })
    })
  ),
  capabilities: Schema.optionalWith(Schema.Array(MirrorCapability), { default: () => ["pull", "resolve"] }),
  proxy: Schema.optionalWith(Schema.Boolean, { default: () => false })
})

/** @since 0.1.0 */
export type Mirror = typeof Mirror.Type

/** A mirror that answers `pull` and `resolve` and is no proxy, unless told otherwise. Throws when the URL is none. @since 0.1.0 */
export const mirror = (url: string, options: Partial<Omit<Mirror, "url">> = {}): Mirror =>
  Mirror.make({ url, capabilities: ["pull", "resolve"], proxy: false, ...options })

/**
 * The settings of one host.
 *
 * - `concurrency`: requests that may be under way at once, for reads and for writes each
 * - `requestsPerSecond`: requests that may start in a second; no limit when absent
 * - `pageSize`: `n` of listings; 0 leaves it to the registry
 * - `uploadPlan`, `chunkBytes`: how blobs are sent and how large a chunk is
 * - `anonymousMount`: mounts without `from` are tried; `mountOrigin`: `origin=` is sent along with a mount (Google only)
 * - `referrersFallback`: the fall-back tag is read and kept where the registry has no referrers API
 * - `trustedRealms`: hosts of token services that may change without being refused
 * - `eagerCredentials`: a user and password, or a registry token, are sent before the registry asks for any: some greet everyone and then
 *   hide what is private. They go where an answer to a challenge would go, and no further
 *
 * @since 0.1.0
 */
export const HostSettings = Schema.Struct({
  scheme: Scheme,
  tls: TlsSettings,
  mirrors: Schema.Array(Mirror),
  concurrency: Schema.Int.pipe(Schema.positive()),
  requestsPerSecond: Schema.optional(Schema.Number.pipe(Schema.positive())),
  pageSize: Schema.Int.pipe(Schema.nonNegative()),
  uploadPlan: UploadPlan,
  chunkBytes: Schema.Int.pipe(Schema.positive()),
  anonymousMount: Schema.Boolean,
  mountOrigin: Schema.Boolean,
  referrersFallback: Schema.Boolean,
  trustedRealms: Schema.Array(Schema.String),
  eagerCredentials: Schema.Boolean
})

/** @since 0.1.0 */
export type HostSettings = typeof HostSettings.Type

/** @since 0.1.0 */
export const defaults: HostSettings = {
  scheme: "auto",
  tls: {},
  mirrors: [],
  concurrency: 16,
  pageSize: 1000,
  uploadPlan: "auto",
  chunkBytes: 16 * 1024 * 1024,
  anonymousMount: false,
  mountOrigin: false,
  referrersFallback: true,
  trustedRealms: [],
  eagerCredentials: false
}

/**
 * Settings by host: a name as it stands in references (`ghcr.io`, `localhost:5000`), `*.example.com` for every name below on any port,
 * `*.example.com:5000` for those on one, or `*` for all. All that fit are laid over `defaults`, the most specific one last. A host with
 * port 443 and without any is one where `tls` is concerned: connections do not tell them apart.
 *
 * @since 0.1.0
 */
export const Options = Schema.Record({ key: Schema.String, value: Schema.partialWith(HostSettings, { exact: true }) })

/** @since 0.1.0 */
export type Options = typeof Options.Type

/** Why a host cannot be spoken to. @since 0.1.0 */
export interface Obstacle {
  readonly message: string
}

/** @since 0.1.0 */
export interface Service {
  /** The settings of a registry, or of a mirror by its host. */
  readonly get: (host: string) => HostSettings
  /**
   * Finds out what has to be known before a registry or a mirror is asked for the first time; scheme and trust count as `get` tells them
   * afterwards. A host with an obstacle is not asked: requests fail with `TransportError`, whose reason is `tls`, and the next one looks again.
   */
  readonly prepare?: ((host: string) => Effect.Effect<void, Obstacle>) | undefined
}

/**
 * The settings of all hosts; the built-in defaults where nothing is provided.
 *
 * @since 0.1.0
 */
export class RegistryHosts extends Context.Reference<RegistryHosts>()("effect-oci/RegistryHosts", {
  defaultValue: (): Service => make({})
}) {}

/** The names under which a host may have an entry, the least specific first. */
const keysOf = (host: string): ReadonlyArray<string> => {
  const port = /:\d+$/.exec(host)?.[0] ?? ""
  const labels = host.slice(0, host.length - port.length).split(".")
  const above = labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join(".")}`)
  const wildcards = above.reverse().flatMap((name) => (port === "" ? [name] : [name, `${name}${port}`]))
  return ["*", ...wildcards, host]
}

/** The names whose `tls` counts for a host: URLs leave port 443 out, and what is at it is one, however it is written. */
const tlsKeysOf = (host: string): ReadonlyArray<string> => {
  const bare = host.replace(/:443$/, "")
  return /:\d+$/.test(bare) ? keysOf(bare) : [...keysOf(`${bare}:443`), bare]
}

/** The one spelling of a host: lower case, and one name for Docker Hub. */
const spelling = (host: string): string => Either.getOrElse(Reference.parseRegistry(host.toLowerCase()), () => host.toLowerCase())

const validate = Schema.validateEither(Options)

/** Where the settings are wrong, but not what they are: a client key may be among them. */
const placesOf = (error: ParseResult.ParseError): string =>
  Array.from(new Set(ParseResult.ArrayFormatter.formatErrorSync(error).map(({ path }) => path.map(String).join(".") || "the whole"))).join(
    ", "
  )

/** What is undefined counts as not said. */
const said = <A extends object>(settings: A) => Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))

const checked = (options: Options): Options =>
  Either.getOrThrowWith(
    validate(Record.map(options, said)),
    (error) => new RangeError(`not the settings of registry hosts: see ${placesOf(error)}`)
  )

/** Throws when a setting is none that a host can have. @since 0.1.0 */
export const make = (options: Options): Service => {
  const entries = new Map<string, Options[string]>()
  // Two names of one host are one entry, the later one over the earlier.
  for (const [host, settings] of Object.entries(checked(options))) {
    entries.set(spelling(host), { ...entries.get(spelling(host)), ...settings })
  }
  // By the name as it was given: every request asks several times, and to parse one costs more than the rest.
  const known = new Map<string, HostSettings>()
  const laid = (keys: ReadonlyArray<string>): HostSettings => {
    let settings = defaults
    for (const key of keys) settings = { ...settings, ...entries.get(key) }
    return settings
  }
  const find = (host: string): HostSettings => {
    const name = spelling(host)
    return { ...laid(keysOf(name)), tls: laid(tlsKeysOf(name)).tls }
  }
  return {
    get: (host) => {
      const settings = known.get(host) ?? find(host)
      known.set(host, settings)
      return settings
    }
  }
}

/**
 * See `make`. It goes to the layer that reaches registries, which reads it when it is built: `Layer.provide(NodeRegistry.layer, hosts)`, or
 * `Effect.provide(hosts)` after that layer. Merged with it, or beside it in one list, it has no effect; no type can tell, since there are defaults.
 *
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<never> => Layer.succeed(RegistryHosts, make(options))

/** A setting whose name is misspelt would be none, and nobody would know. */
const decode = Schema.decodeEither(Schema.parseJson(Options), { onExcessProperty: "error" })

const misfit = (name: string, error: ParseResult.ParseError): ConfigError.ConfigError =>
  ConfigError.InvalidData([name], `not the settings of registry hosts as JSON: see ${placesOf(error)}`)

/**
 * Settings as JSON in one configuration value, `OCI_REGISTRY_HOSTS` unless named otherwise. The defaults where there is no such value; fails
 * for settings that no host has. It goes where {@link layer} goes.
 *
 * @since 0.1.0
 */
export const layerConfig = (name = "OCI_REGISTRY_HOSTS"): Layer.Layer<never, ConfigError.ConfigError> => {
  // A variable that is set to nothing counts as not set.
  const options = Config.mapOrFail(Config.redacted(Config.nonEmptyString(name)), (text) =>
    Either.mapLeft(decode(Redacted.value(text)), (error) => misfit(name, error))
  )
  return Layer.effect(RegistryHosts, Effect.map(Config.withDefault(options, {}), make))
}
