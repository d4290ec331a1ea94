import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Failure from "../failure.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import * as Size from "../size.ts"
import { summaries } from "../summaries.ts"
import * as Validation from "../validation.ts"

const handler = Effect.fnUntraced(function* (text: string, options: Validation.Options) {
  const report = yield* Report.Report
  const { named, source } = yield* Places.readable(text)
  const { reference } = yield* named
  const { blobs, bytes, manifests, problems } = yield* Validation.validate(source, reference, options)
  const counts = `${Size.counted(manifests, "manifest")} and ${Size.counted(blobs, "blob")}, ${Size.format(bytes)}`
  const told = problems.map(({ descriptor, error }) => {
    const { message, tag } = Failure.fromError(error)
    return { digest: descriptor.digest, tag, message }
  })
  yield* report.result({ valid: problems.length === 0, manifests, blobs, bytes, problems: told }, [
    ...told.map(({ digest, message }) => `${digest}: ${message}`),
    problems.length === 0 ? `${text} is valid: ${counts}` : `${text} is not valid: ${problems.length} of ${counts}`
  ])
  const [first] = problems
  if (first !== undefined) return yield* first.error
}, Effect.scoped)

export const validate = Command.make(
  "validate",
  {
    ...Options.connection,
    jobs: Options.jobs,
    fast: CliOptions.boolean("fast").pipe(CliOptions.withDescription("Only whether everything is there; nothing is read but manifests.")),
    reference: Options.reference
  },
  ({ fast, jobs, reference }) => handler(reference, { fast, jobs })
).pipe(Command.withDescription(summaries.validate), Session.connect)
