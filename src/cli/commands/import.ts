import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { pourInto } from "../../content/internal/blobBytes.ts"
import { fromPlatform } from "../../content/internal/localError.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Session from "../session.ts"
import * as Streams from "../streams.ts"
import { summaries } from "../summaries.ts"
import * as Transfer from "../transfer.ts"

/** An archive is not read from its beginning to its end: what comes from standard input is kept meanwhile. */
const kept = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const { input } = yield* Streams.Streams
  const failed = fromPlatform("a temporary file for standard input", "write")
  const path = yield* Effect.mapError(fs.makeTempFileScoped({ prefix: "effect-oci-" }), failed)
  yield* pourInto(input, fs, path, "w", failed)
  return path
})

export const importCommand = Command.make(
  "import",
  {
    ...Options.connection,
    ...Options.transfer,
    allTags: Options.allTags,
    name: CliOptions.text("name").pipe(
      CliOptions.withPseudoName("tag"),
      CliOptions.optional,
      CliOptions.withDescription("Which image of the archive: a tag, a digest, or name:tag. Needed when it has several.")
    ),
    file: Options.fileArgument("file").pipe(
      Args.withDescription("The archive to read, - for standard input: OCI or docker, compressed or not.")
    ),
    target: Options.place("target", "Where to; without tag the one in the archive")
  },
  (input) =>
    Effect.gen(function* () {
      const file = input.file === Streams.dash ? yield* kept : input.file
      const from = yield* Places.archive(file, Option.getOrUndefined(input.name))
      const to = yield* Places.writable(input.target, from.place)
      yield* Transfer.run(from, to, input)
    }).pipe(Effect.scoped)
).pipe(Command.withDescription(summaries.import), Session.connect)
