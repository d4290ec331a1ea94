/**
 * Operating systems and processor architectures, and which entry of an index fits one (image-spec «image index», property `platform`).
 *
 * There are two ways to compare. *Exact* is the rule of go-containerregistry: names must be equal as written. *Normalized* is the rule of
 * containerd: `x86_64` is `amd64`, `arm64/v8` is `arm64`, and an older variant serves where the wanted one is missing.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Equivalence_ from "effect/Equivalence"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import * as Schema from "effect/Schema"
import { open, optional } from "./internal/openStruct.ts"
import { compatible, isOsVersionFit, normalizeArchitecture, normalizeOs, windowsBuild } from "./internal/platformRules.ts"
import * as MediaType from "./MediaType.ts"
import { MalformedContent } from "./RegistryError.ts"

/**
 * A platform as an index entry or an image config names it. Missing members count as empty text.
 *
 * @since 0.1.0
 */
export interface Platform {
  readonly architecture: string
  readonly os: string
  readonly "os.version"?: string
  readonly "os.features"?: ReadonlyArray<string>
  readonly variant?: string
  /** Reserved by the specification; only old Docker lists carry it. */
  readonly features?: ReadonlyArray<string>
}

/** @since 0.1.0 */
export interface PlatformEncoded {
  readonly architecture?: string | null
  readonly os?: string | null
  readonly "os.version"?: string | null
  readonly "os.features"?: ReadonlyArray<string> | null
  readonly variant?: string | null
  readonly features?: ReadonlyArray<string> | null
}

const name = Schema.optionalWith(Schema.String, { exact: true, nullable: true, default: () => "" })

/** The JSON form. Members it does not know are kept. @since 0.1.0 */
export const Platform: Schema.Schema<Platform, PlatformEncoded> = open(
  "Platform",
  Schema.Struct({
    architecture: name,
    os: name,
    "os.version": optional(Schema.String),
    "os.features": optional(Schema.Array(Schema.String)),
    variant: optional(Schema.String),
    features: optional(Schema.Array(Schema.String))
  })
)

/** The platform with its members in the order the specification lists them, others last, so that equal ones give equal JSON. @since 0.1.0 */
export const make = (platform: Platform): Platform => {
  const { architecture, os, "os.version": version, "os.features": osFeatures, variant, features, ...others } = platform
  return {
    architecture,
    os,
    ...(version === undefined ? {} : { "os.version": version }),
    ...(osFeatures === undefined ? {} : { "os.features": osFeatures }),
    ...(variant === undefined ? {} : { variant }),
    ...(features === undefined ? {} : { features }),
    ...others
  }
}

/** `linux/amd64`, what an index entry without platform counts as. @since 0.1.0 */
export const linuxAmd64: Platform = { architecture: "amd64", os: "linux" }

/**
 * Reads `os[/architecture[/variant]][:osversion]`, such as `linux/arm/v7` or `windows/amd64:10.0.17763.1817`. Nothing is normalised and
 * names are not checked; more than two slashes are an error. After a second colon the OS version is ignored, as in go-containerregistry.
 *
 * @since 0.1.0
 */
export const parse = (input: string): Either.Either<Platform, MalformedContent> => {
  const [path = "", version, ...more] = input.trim().split(":")
  const [os = "", architecture = "", variant = "", ...rest] = path.split("/")
  if (rest.length > 0) {
    return Either.left(new MalformedContent({ kind: "platform", reason: `${JSON.stringify(input)} has too many slashes` }))
  }
  return Either.right({
    architecture,
    os,
    ...(version !== undefined && version !== "" && more.length === 0 ? { "os.version": version } : {}),
    ...(variant === "" ? {} : { variant })
  })
}

/** `os/architecture/variant:osversion`; empty parts are left out and features are lost. Empty when the OS is. @since 0.1.0 */
export const format = (platform: Platform): string => {
  if (platform.os === "") return ""
  const path = [platform.os, platform.architecture, platform.variant ?? ""].filter((part) => part !== "").join("/")
  return platform["os.version"] ? `${path}:${platform["os.version"]}` : path
}

const sameSet = (a: ReadonlyArray<string> = [], b: ReadonlyArray<string> = []): boolean =>
  a.length === b.length && [...a].sort().join("\n") === [...b].sort().join("\n")

/** Whether two platforms are the same as written; the order of features does not matter. @since 0.1.0 */
export const equals = (a: Platform, b: Platform): boolean =>
  a.os === b.os &&
  a.architecture === b.architecture &&
  (a.variant ?? "") === (b.variant ?? "") &&
  (a["os.version"] ?? "") === (b["os.version"] ?? "") &&
  sameSet(a["os.features"], b["os.features"]) &&
  sameSet(a.features, b.features)

/** @since 0.1.0 */
export const Equivalence: Equivalence_.Equivalence<Platform> = Equivalence_.make(equals)

const wantedText = (wanted: string | undefined, given: string | undefined) => !wanted || wanted === given

const wantedList = (wanted: ReadonlyArray<string> = [], given: ReadonlyArray<string> = []) => wanted.every((_) => given.includes(_))

/**
 * Whether `given` is as `wanted` says, of which empty members say nothing, the OS and the architecture neither (go-containerregistry
 * `Platform.Satisfies`); every wanted feature is given.
 *
 * @since 0.1.0
 */
export const satisfies = (wanted: Platform, given: Platform): boolean =>
  wantedText(wanted.os, given.os) &&
  wantedText(wanted.architecture, given.architecture) &&
  wantedText(wanted.variant, given.variant) &&
  wantedText(wanted["os.version"], given["os.version"]) &&
  wantedList(wanted["os.features"], given["os.features"]) &&
  wantedList(wanted.features, given.features)

/**
 * The exact rule, by which go-containerregistry chooses from an index: OS and architecture are equal, and so is all that {@link satisfies}
 * compares. No normalisation, no older variants.
 *
 * @since 0.1.0
 */
export const matchesExact = (wanted: Platform, given: Platform): boolean =>
  wanted.os === given.os && wanted.architecture === given.architecture && satisfies(wanted, given)

/**
 * The platform in the names of Go, as containerd writes it: lower case, `macos` → `darwin`, `x86_64` → `amd64`, `aarch64` → `arm64`, `i386` → `386`,
 * `armhf` → `arm/v7`, `armel` → `arm/v6`; the variants that everybody has are left out (`amd64/v1`, `arm64/v8`) and that of `arm` is written (`v7`).
 *
 * @since 0.1.0
 */
export const normalize = (platform: Platform): Platform => {
  const { variant: _, ...rest } = platform
  const { architecture, variant } = normalizeArchitecture(platform.architecture, platform.variant ?? "")
  return { ...rest, os: normalizeOs(platform.os), architecture, ...(variant === "" ? {} : { variant }) }
}

// 0 is the best; none when it does not fit.
const rank = (wanted: Platform, given: Platform): Option.Option<number> => {
  const want = normalize(wanted)
  const have = normalize(given)
  if (want.os !== have.os || !isOsVersionFit(want.os, want["os.version"], have["os.version"])) return Option.none()
  if (!wantedList(have["os.features"], want["os.features"])) return Option.none()
  const place = compatible(want.architecture, want.variant ?? "").findIndex(
    (_) => _.architecture === have.architecture && _.variant === (have.variant ?? "")
  )
  return place === -1 ? Option.none() : Option.some(place)
}

/**
 * The normalized rule (containerd `platforms.Only`): after {@link normalize}, the same OS, and the same architecture or one that `wanted` can run:
 * older variants (`arm/v7` takes v6 and v5, `amd64/v3` takes v2 and v1, `arm64/v9` takes v8), `386` on `amd64`, `arm` on `arm64`.
 *
 * For Windows the builds must fit where both name one: equal up to Server 2019, from Server 2022 on any build between that and the wanted
 * one. The OS features an entry asks for must all be among the wanted ones.
 *
 * @since 0.1.0
 */
export const matches = (wanted: Platform, given: Platform): boolean => Option.isSome(rank(wanted, given))

/** How {@link choose} compares: see {@link matchesExact} and {@link matches}. @since 0.1.0 */
export type Policy = "exact" | "normalized"

/** What {@link choose} looks at in an entry; a descriptor fits. @since 0.1.0 */
export interface Entry {
  readonly mediaType?: string | undefined
  readonly platform?: Platform | undefined
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

// BuildKit lists attestations beside the images they are about.
const isAttestation = (entry: Entry): boolean =>
  (entry.platform?.os === "unknown" && entry.platform.architecture === "unknown") ||
  entry.annotations?.["vnd.docker.reference.type"] === "attestation-manifest"

// An index may list anything, of which what is unknown must not fail (image-spec «Image Index»): not as long as there is an image.
const isUnknown = ({ mediaType }: Entry): boolean => mediaType !== undefined && !MediaType.isManifest(mediaType)

interface Candidate<A> {
  readonly entry: A
  readonly order: readonly [unknown: number, unnamed: number, rank: number, olderBuild: number]
}

const candidate = <A extends Entry>(entry: A, wanted: Platform): Option.Option<Candidate<A>> =>
  isAttestation(entry)
    ? Option.none()
    : Option.map(rank(wanted, entry.platform ?? linuxAmd64), (rank) => ({
        entry,
        order: [Number(isUnknown(entry)), Number(entry.platform === undefined), rank, -windowsBuild(entry.platform?.["os.version"])]
      }))

const byFit = Order.mapInput(Order.tuple(Order.number, Order.number, Order.number, Order.number), (_: Candidate<Entry>) => _.order)

// Sorting is stable, so the document order decides among equals.
const chooseNormalized = <A extends Entry>(entries: ReadonlyArray<A>, wanted: Platform): Option.Option<A> =>
  Option.map(
    Arr.head(
      Arr.sort(
        Arr.filterMap(entries, (entry) => candidate(entry, wanted)),
        byFit
      )
    ),
    (_) => _.entry
  )

/**
 * The entry of an index for a platform.
 *
 * - `exact`: the first that matches in document order; an entry without platform counts as `linux/amd64` (go-containerregistry).
 * - `normalized`: the best match, the first among equals. An entry without platform still counts as `linux/amd64`, but only after those that
 *   name theirs, and what is no manifest only when nothing else fits; attestations (`unknown/unknown`, or BuildKit's annotation) are never
 *   chosen, whatever is wanted.
 *
 * @since 0.1.0
 */
export const choose = <A extends Entry>(entries: ReadonlyArray<A>, wanted: Platform, policy: Policy): Option.Option<A> =>
  policy === "normalized"
    ? chooseNormalized(entries, wanted)
    : Option.fromNullable(entries.find((entry) => matchesExact(wanted, entry.platform ?? linuxAmd64)))
