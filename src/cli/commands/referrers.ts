import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ContentStore from "../../content/ContentStore.ts"
import type * as Platform from "../../model/Platform.ts"
import * as Images from "../images.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"
import * as UsageError from "../usageError.ts"

interface Input {
  readonly reference: string
  readonly platform: Option.Option<Platform.Platform>
  readonly artifactType: Option.Option<string>
}

const handler = Effect.fnUntraced(function* ({ artifactType, platform, reference }: Input) {
  const report = yield* Report.Report
  const from = yield* Places.readable(reference)
  const { source } = from
  if (!ContentStore.hasReferrers<typeof source, Places.PlaceError>(source)) {
    return yield* UsageError.fail(`${reference}: this kind of place does not know referrers`)
  }
  const subject = yield* Images.descriptor(from, platform)
  yield* report.list(source.referrers(subject, { artifactType: Option.getOrUndefined(artifactType) }), {
    line: ({ artifactType, digest, mediaType }) => `${digest}  ${artifactType ?? mediaType}`,
    json: (referrers) => ({ subject: subject.digest, referrers })
  })
}, Effect.scoped)

export const referrers = Command.make(
  "referrers",
  {
    ...Options.connection,
    platform: Options.platform,
    artifactType: CliOptions.text("artifact-type").pipe(
      CliOptions.withPseudoName("media type"),
      CliOptions.optional,
      CliOptions.withDescription("Only artifacts of this type.")
    ),
    reference: Options.reference
  },
  handler
).pipe(Command.withDescription(summaries.referrers), Session.connect)
