import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { pour, reading } from "../../content/internal/blobBytes.ts"
import { fromPlatform } from "../../content/internal/localError.ts"
import * as Place from "../../content/Place.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import * as Streams from "../streams.ts"
import { summaries } from "../summaries.ts"
import * as Transfer from "../transfer.ts"

const archives = { oci: Place.OciArchive, docker: Place.DockerArchive }

interface Input extends Transfer.Wanted {
  readonly format: keyof typeof archives
  readonly reference: string
  readonly file: string
}

const toFile = Effect.fnUntraced(function* (input: Input) {
  const from = yield* Places.readable(input.reference)
  // A name and not the text of a place: what follows a colon is no tag.
  const to = yield* Places.opened(archives[input.format]({ path: input.file }), from.place)
  yield* Transfer.run(from, to, input)
}, Effect.scoped)

/** An archive is not written from its beginning to its end, so it goes out when it is complete; and nothing beside it. */
const toOutput = Effect.fnUntraced(function* (input: Input) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const report = yield* Report.Report
  const failed = fromPlatform("standard output", "write")
  const file = paths.join(yield* Effect.mapError(fs.makeTempDirectoryScoped({ prefix: "effect-oci-" }), failed), "archive.tar")
  yield* Effect.provideService(toFile({ ...input, file }), Report.Report, { ...report, result: () => Effect.void })
  yield* pour(Stream.mapError(fs.stream(file, reading), failed), report.raw)
}, Effect.scoped)

export const exportCommand = Command.make(
  "export",
  {
    ...Options.connection,
    ...Options.transfer,
    allTags: Options.allTags,
    format: CliOptions.choice("format", ["oci", "docker"]).pipe(
      CliOptions.withDefault("oci"),
      CliOptions.withDescription("An image layout in a tar archive (default), or what docker load reads.")
    ),
    reference: Options.reference,
    file: Options.fileArgument("file").pipe(
      Args.withDescription("The archive to write, - for standard output. One that is there is replaced.")
    )
  },
  (input) => (input.file === Streams.dash ? toOutput(input) : toFile(input))
).pipe(Command.withDescription(summaries.export), Session.connect)
