/** Options that several commands have. */
import * as Args from "@effect/cli/Args"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import type * as ValidationError from "@effect/cli/ValidationError"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as TagSelection from "../client/TagSelection.ts"
import * as Platform from "../model/Platform.ts"
import * as Reference from "../model/Reference.ts"
import * as UsageError from "./usageError.ts"

const orUsage = <A, E extends { readonly message: string }>(
  result: Either.Either<A, E>
): Effect.Effect<A, ValidationError.ValidationError> => Effect.mapError(result, ({ message }) => UsageError.make(message))

export const json = Options.boolean("json").pipe(Options.withDescription("Print one JSON document; errors too, on standard error."))

/** A file on this machine. An empty name, as of a variable that is not set, would be read as the folder one is in. */
export const fileArgument = (name: string) =>
  Args.text({ name }).pipe(
    Args.mapEffect((path: string) =>
      path === "" ? Effect.fail(HelpDoc.p(`${name}: it takes a name, and this one is empty`)) : Effect.succeed(path)
    )
  )

const parseHost = (host: string) => (host === "*" ? Effect.succeed(host) : orUsage(Reference.parseRegistry(host)))

const hosts = (name: string) =>
  Options.text(name).pipe(Options.withPseudoName("host"), Options.repeated, Options.mapEffect(Effect.forEach(parseHost)))

const plainHttp = hosts("plain-http").pipe(
  Options.withDescription("Reach this host (host[:port], or * for all) by http; may be repeated. Local hosts are tried so without it.")
)

const insecure = hosts("insecure").pipe(
  Options.withDescription("Do not verify the TLS certificate of this host (host[:port], or * for all); may be repeated.")
)

const registryConfig = Options.text("registry-config").pipe(
  Options.withPseudoName("file"),
  Options.optional,
  Options.withDescription("The credentials file (config.json, auth.json) instead of docker's or podman's.")
)

/** Of every command that talks to registries. */
export const connection = { json, plainHttp, insecure, registryConfig }

const hasEmptyPart = (platform: string): boolean => /(^|\/)(\/|:|$)/.test(platform.trim())

const parsePlatform = (text: string) =>
  hasEmptyPart(text) ? UsageError.fail(`--platform ${text}: it takes os/arch, such as linux/arm64/v8`) : orUsage(Platform.parse(text))

const platformOption = Options.text("platform").pipe(Options.withAlias("p"), Options.withPseudoName("os/arch"))

/** One platform, for commands that look at one image. */
export const platform = platformOption.pipe(
  Options.mapEffect(parsePlatform),
  Options.optional,
  Options.withDescription("The image of an index for this platform, such as linux/arm64/v8.")
)

const parseJobs = (count: number) => (count >= 1 ? Effect.succeed(count) : UsageError.fail("--jobs must be at least 1"))

export const jobs = Options.integer("jobs").pipe(
  Options.withAlias("j"),
  Options.withDefault(16),
  Options.mapEffect(parseJobs),
  Options.withDescription("Pieces of content that move at once (default 16).")
)

const quiet = Options.boolean("quiet").pipe(Options.withAlias("q"), Options.withDescription("No progress."))

/** Of every command that moves images. */
export const transfer = {
  platform: platformOption.pipe(
    Options.repeated,
    Options.mapEffect(Effect.forEach(parsePlatform)),
    Options.withDescription(
      "Only this platform of an index: once for its image alone, repeated for an index of these platforms. All platforms without it."
    )
  ),
  jobs,
  referrers: Options.boolean("referrers").pipe(
    Options.withDescription("Also what refers to the images: signatures, attestations, bills of materials.")
  ),
  digestTags: Options.boolean("digest-tags").pipe(
    Options.withDescription("Also tags named after a digest, such as sha256-….sig, as older signing tools use them.")
  ),
  nondistributable: Options.boolean("nondistributable").pipe(
    Options.withDescription("Also layers that are meant to be fetched from elsewhere (Windows base layers).")
  ),
  force: Options.boolean("force").pipe(
    Options.withDescription("Look at every blob again even if the target's tag says that all is there.")
  ),
  quiet
}

const patterns = (name: string) => Options.text(name).pipe(Options.withPseudoName("pattern"), Options.repeated)

const selecting = {
  glob: patterns("glob").pipe(
    Options.withDescription("Tags like this pattern, such as 1.*-alpine; * is any text, ? one character. Repeated: like any of them.")
  ),
  exclude: patterns("exclude").pipe(Options.withDescription("No tags like this pattern; may be repeated.")),
  regex: Options.text("regex").pipe(
    Options.withPseudoName("expression"),
    Options.optional,
    Options.withDescription("Tags in which this regular expression is found.")
  ),
  semver: Options.text("semver").pipe(
    Options.withPseudoName("range"),
    Options.optional,
    Options.withDescription('Tags that are versions in this range, such as "^1.4" or ">=1.2 <2".')
  ),
  prereleases: Options.boolean("prereleases").pipe(
    Options.withDescription("Also 1.4.2-rc.1 and the like, where --semver names no such version.")
  ),
  latest: Options.integer("latest").pipe(
    Options.withPseudoName("count"),
    Options.optional,
    Options.withDescription("At most so many, the highest versions first.")
  )
}

const parseRegex = (text: string) =>
  Effect.try({ try: () => new RegExp(text), catch: () => UsageError.make(`--regex ${text}: it is no regular expression`) })

interface Selecting {
  readonly glob: ReadonlyArray<string>
  readonly exclude: ReadonlyArray<string>
  readonly regex: Option.Option<string>
  readonly semver: Option.Option<string>
  readonly prereleases: boolean
  readonly latest: Option.Option<number>
}

const selectionOf = Effect.fnUntraced(function* ({ glob, exclude, prereleases, ...rest }: Selecting) {
  const selection: TagSelection.Selection = {
    glob: glob.length === 0 ? undefined : glob,
    exclude: exclude.length === 0 ? undefined : exclude,
    regex: Option.getOrUndefined(yield* Effect.transposeMapOption(rest.regex, parseRegex)),
    semver: Option.getOrUndefined(rest.semver),
    prereleases,
    latest: Option.getOrUndefined(rest.latest)
  }
  yield* orUsage(TagSelection.check(selection))
  return selection
})

/** Which tags of a place. */
export const selection = Options.all(selecting).pipe(Options.mapEffect(selectionOf))

const isSelective = ({ prereleases, ...rest }: TagSelection.Selection): boolean =>
  prereleases === true || Object.values(rest).some((value) => value !== undefined)

/** Which tags of the source, when it is not one image. */
export const allTags = Options.all({
  wanted: Options.boolean("all-tags").pipe(
    Options.withAlias("a"),
    Options.withDescription("Every tag of the source, or those that the options for tags select; neither side may name one then.")
  ),
  selection
}).pipe(
  Options.mapEffect(({ selection, wanted }) => {
    if (wanted) return Effect.succeed(selection)
    return isSelective(selection) ? UsageError.fail("options that select tags go with --all-tags") : Effect.succeed(undefined)
  })
)

const inRegistry = "registry/repository[:tag|@digest]"
const inFolder = "oci:folder[:tag|@digest]"
const here = `${inFolder}, oci-archive:file.tar[:tag], docker-archive:file.tar[:name:tag]`
const anywhere = `${inRegistry}, ${here}`

/** A reference to something in a registry or another place. */
export const reference = Args.text({ name: "reference" }).pipe(Args.withDescription(anywhere))

/** The same where it is changed: an archive is only written anew. */
export const changeable = Args.text({ name: "reference" }).pipe(Args.withDescription(`${inRegistry}, ${inFolder}`))

export const place = (name: string, description: string) => Args.text({ name }).pipe(Args.withDescription(`${description}: ${anywhere}`))

/** A place on this machine. */
export const localPlace = (name: string, description: string) => Args.text({ name }).pipe(Args.withDescription(`${description}: ${here}`))
