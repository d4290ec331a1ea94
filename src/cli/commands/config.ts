import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Image from "../../image/Image.ts"
import type * as Platform from "../../model/Platform.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"

const handler = Effect.fnUntraced(function* (text: string, platform: Option.Option<Platform.Platform>) {
  const report = yield* Report.Report
  const { named, source } = yield* Places.readable(text)
  const { reference } = yield* named
  const image = yield* Image.fetch(source, reference, { platform: Option.getOrUndefined(platform) })
  yield* report.raw(yield* image.configBytes)
}, Effect.scoped)

export const config = Command.make(
  "config",
  { ...Options.connection, platform: Options.platform, reference: Options.reference },
  ({ platform, reference }) => handler(reference, platform)
).pipe(Command.withDescription(summaries.config), Session.connect)
