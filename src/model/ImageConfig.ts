/**
 * The configuration of an image: what to run, for which platform, and the digests of its unpacked layers (image-spec «Image Configuration»;
 * Docker's differs in additions only).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Digest from "./Digest.ts"
import { isJsonObject, jsonBytes, parseJsonBytes } from "./internal/json.ts"
import { open, optional, StringMap } from "./internal/openStruct.ts"
import { parseReason } from "./internal/parseReason.ts"
import * as Platform from "./Platform.ts"
import { MalformedContent } from "./RegistryError.ts"

const Strings = Schema.Array(Schema.String)

// A Go set: `{"80/tcp": {}}`.
const NameSet = Schema.Record({ key: Schema.String, value: Schema.Unknown })

const name = Schema.optionalWith(Schema.String, { exact: true, nullable: true, default: () => "" })

/** How to find out whether a container still works: Docker's addition. Durations are nanoseconds. @since 0.1.0 */
export const Healthcheck = open(
  "Healthcheck",
  Schema.Struct({
    Test: optional(Strings),
    Interval: optional(Schema.Number),
    Timeout: optional(Schema.Number),
    StartPeriod: optional(Schema.Number),
    StartInterval: optional(Schema.Number),
    Retries: optional(Schema.Number)
  })
)

/** What a container of this image runs with unless told otherwise. @since 0.1.0 */
export const ContainerConfig = open(
  "ContainerConfig",
  Schema.Struct({
    User: optional(Schema.String),
    ExposedPorts: optional(NameSet),
    Env: optional(Strings),
    Entrypoint: optional(Strings),
    Cmd: optional(Strings),
    Volumes: optional(NameSet),
    WorkingDir: optional(Schema.String),
    Labels: optional(StringMap),
    StopSignal: optional(Schema.String),
    ArgsEscaped: optional(Schema.Boolean),
    Memory: optional(Schema.Number),
    MemorySwap: optional(Schema.Number),
    CpuShares: optional(Schema.Number),
    Healthcheck: optional(Healthcheck),
    OnBuild: optional(Strings),
    Shell: optional(Strings)
  })
)

/** @since 0.1.0 */
export type ContainerConfig = typeof ContainerConfig.Type

/** The unpacked layers, base first, in the order of the manifest's `layers`. @since 0.1.0 */
export const RootFs = open(
  "RootFs",
  Schema.Struct({
    type: Schema.optionalWith(Schema.String, { exact: true, nullable: true, default: () => "layers" }),
    diff_ids: Schema.optionalWith(Schema.Array(Digest.Digest), { exact: true, nullable: true, default: () => [] })
  })
)

/** @since 0.1.0 */
export type RootFs = typeof RootFs.Type

/** One step of the build. Those with `empty_layer` have no entry in `diff_ids`. `created` is RFC 3339 text. @since 0.1.0 */
export const HistoryEntry = open(
  "HistoryEntry",
  Schema.Struct({
    created: optional(Schema.String),
    created_by: optional(Schema.String),
    author: optional(Schema.String),
    comment: optional(Schema.String),
    empty_layer: optional(Schema.Boolean)
  })
)

/** @since 0.1.0 */
export type HistoryEntry = typeof HistoryEntry.Type

/**
 * The JSON form. Members it does not know are kept; missing names are empty text and missing lists are empty, as Go reads them. Times stay text:
 * they have nanoseconds.
 *
 * @since 0.1.0
 */
export const ImageConfig = open(
  "ImageConfig",
  Schema.Struct({
    created: optional(Schema.String),
    author: optional(Schema.String),
    architecture: name,
    os: name,
    "os.version": optional(Schema.String),
    "os.features": optional(Strings),
    variant: optional(Schema.String),
    config: optional(ContainerConfig),
    rootfs: Schema.optionalWith(RootFs, { exact: true, nullable: true, default: () => ({ type: "layers", diff_ids: [] }) }),
    history: optional(Schema.Array(HistoryEntry))
  })
)

/** @since 0.1.0 */
export type ImageConfig = typeof ImageConfig.Type

/** @since 0.1.0 */
export type ImageConfigEncoded = typeof ImageConfig.Encoded

const decodeJson = Schema.decodeUnknownEither(ImageConfig)

const malformed = (reason: string) => new MalformedContent({ kind: "image config", reason })

/** Reads a configuration blob, which was checked against its digest before. @since 0.1.0 */
export const decode = (bytes: Uint8Array): Either.Either<ImageConfig, MalformedContent> =>
  parseJsonBytes(bytes).pipe(
    Either.mapLeft(malformed),
    Either.filterOrLeft(isJsonObject, () => malformed("it is not a JSON object")),
    Either.flatMap((json) => Either.mapLeft(decodeJson(json), (error) => malformed(parseReason(error))))
  )

const encodeJson = Schema.encodeSync(ImageConfig)

/** The blob of a configuration, members in the order they have in the value: what is new gets pushed so; what was pulled is its bytes. @since 0.1.0 */
export const encode = (config: ImageConfig): Uint8Array => jsonBytes(encodeJson(config))

/** The platform the image is for. @since 0.1.0 */
export const platform = (config: ImageConfig): Platform.Platform =>
  Platform.make({
    architecture: config.architecture,
    os: config.os,
    ...(config["os.version"] === undefined ? {} : { "os.version": config["os.version"] }),
    ...(config["os.features"] === undefined ? {} : { "os.features": config["os.features"] }),
    ...(config.variant === undefined ? {} : { variant: config.variant })
  })
