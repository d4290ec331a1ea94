import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Place from "../../content/Place.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"
import * as Transfer from "../transfer.ts"

const archive = { oci: Place.OciArchive, docker: Place.DockerArchive }

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
    file: Args.text({ name: "file" }).pipe(Args.withDescription("The archive to write. One that is there is replaced."))
  },
  (input) =>
    Effect.gen(function* () {
      const from = yield* Places.readable(input.reference)
      // A name and not the text of a place: what follows a colon is no tag.
      const to = yield* Places.opened(archive[input.format]({ path: input.file }), from.place)
      yield* Transfer.run(from, to, input)
    }).pipe(Effect.scoped)
).pipe(Command.withDescription(summaries.export), Session.connect)
