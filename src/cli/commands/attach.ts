import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { fromPlatform } from "../../content/internal/localError.ts"
import * as Annotations from "../../model/Annotations.ts"
import * as Descriptor from "../../model/Descriptor.ts"
import * as Digest from "../../model/Digest.ts"
import * as Manifest from "../../model/Manifest.ts"
import * as MediaType from "../../model/MediaType.ts"
import type * as Platform from "../../model/Platform.ts"
import * as Images from "../images.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"
import * as UsageError from "../usageError.ts"

const chunkBytes = 1024 * 1024

/** `sbom.json:application/spdx+json`: a media type has one slash and no scheme of a path before it. */
const splitMediaType = (text: string): readonly [path: string, mediaType: string] => {
  const found = /^(.+):([a-z]+\/[a-zA-Z0-9][a-zA-Z0-9.+_-]*)$/.exec(text)
  return found === null ? [text, MediaType.octetStream] : [found[1] ?? "", found[2] ?? ""]
}

const splitAnnotation = (text: string) => {
  const equals = text.indexOf("=")
  return equals > 0
    ? Effect.succeed([text.slice(0, equals), text.slice(equals + 1)] as const)
    : UsageError.fail(`--annotation ${text}: it takes name=value`)
}

const describeFile = Effect.fnUntraced(function* (text: string) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const [path, mediaType] = splitMediaType(text)
  const read = (offset: number) => Stream.mapError(fs.stream(path, { offset, chunkSize: chunkBytes }), fromPlatform(path, "read"))
  const hasher = yield* Digest.hasher("sha256")
  const size = yield* Stream.runFold(read(0), 0, (sum, bytes) => {
    hasher.update(bytes)
    return sum + bytes.byteLength
  })
  const annotations = { [Annotations.title]: paths.basename(path) }
  return { descriptor: Descriptor.make({ mediaType, digest: hasher.digest(), size, annotations }), content: { from: read } }
})

interface Input {
  readonly reference: string
  readonly files: ReadonlyArray<string>
  readonly artifactType: string
  readonly annotations: ReadonlyArray<readonly [name: string, value: string]>
  readonly platform: Option.Option<Platform.Platform>
}

const handler = Effect.fnUntraced(function* (input: Input) {
  const report = yield* Report.Report
  const place = yield* Places.editable(input.reference)
  const { store } = place
  const { digest, mediaType, size } = yield* Images.descriptor(place, input.platform)
  const files = yield* Effect.forEach(input.files, describeFile)
  const artifact = yield* Effect.try({
    try: () =>
      Manifest.artifact({
        artifactType: input.artifactType,
        layers: files.map(({ descriptor }) => descriptor),
        subject: { mediaType, digest, size },
        annotations: Object.fromEntries(input.annotations)
      }),
    catch: () => UsageError.make(`--artifact-type ${input.artifactType} is not a media type`)
  })
  yield* store.pushBlob(Descriptor.empty, Descriptor.emptyBytes())
  yield* Effect.forEach(files, ({ content, descriptor }) => store.pushBlob(descriptor, content), { concurrency: 4, discard: true })
  yield* store.pushManifest(artifact)
  yield* report.result({ name: store.label, digest: artifact.digest, artifactType: input.artifactType, subject: digest }, [
    `${store.label}@${artifact.digest}`
  ])
}, Effect.scoped)

export const attach = Command.make(
  "attach",
  {
    ...Options.connection,
    platform: Options.platform,
    artifactType: CliOptions.text("artifact-type").pipe(
      CliOptions.withPseudoName("media type"),
      CliOptions.withDescription("What the artifact is, such as application/spdx+json.")
    ),
    annotations: CliOptions.text("annotation").pipe(
      CliOptions.withPseudoName("name=value"),
      CliOptions.repeated,
      CliOptions.mapEffect(Effect.forEach(splitAnnotation)),
      CliOptions.withDescription("An annotation of the artifact's manifest; may be repeated.")
    ),
    reference: Options.changeable,
    files: Options.fileArgument("file").pipe(Args.withDescription("file[:media type]"), Args.repeated)
  },
  handler
).pipe(Command.withDescription(summaries.attach), Session.connect)
