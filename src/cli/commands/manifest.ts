import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Platform from "../../model/Platform.ts"
import * as Images from "../images.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"

const handler = Effect.fnUntraced(function* (text: string, platform: Option.Option<Platform.Platform>) {
  const report = yield* Report.Report
  const { bytes, digest, mediaType, size } = yield* Images.manifest(yield* Places.readable(text), platform)
  if (!report.json) return yield* report.raw(bytes)
  const content: unknown = JSON.parse(new TextDecoder().decode(bytes))
  yield* report.result({ mediaType, digest, size, manifest: content }, [])
}, Effect.scoped)

export const manifest = Command.make(
  "manifest",
  { ...Options.connection, platform: Options.platform, reference: Options.reference },
  ({ platform, reference }) => handler(reference, platform)
).pipe(Command.withDescription(summaries.manifest), Session.connect)
