import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import type * as TagSelection from "../../client/TagSelection.ts"
import * as ContentStore from "../../content/ContentStore.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"
import * as UsageError from "../usageError.ts"

const handler = Effect.fnUntraced(function* (text: string, selection: TagSelection.Selection) {
  const report = yield* Report.Report
  const { isSpelledOut, source } = yield* Places.readable(text)
  if (isSpelledOut) return yield* UsageError.fail(`${text} names one image; ls takes the place without tag and digest`)
  if (!ContentStore.hasTags<typeof source, Places.PlaceError>(source)) return yield* UsageError.fail(`${text} has no tags to list`)
  yield* report.list(Places.selected(source.tags, selection), { line: (tag) => tag, json: (tags) => ({ name: source.label, tags }) })
}, Effect.scoped)

export const ls = Command.make(
  "ls",
  {
    ...Options.connection,
    selection: Options.selection,
    repository: Args.text({ name: "repository" }).pipe(
      Args.withDescription("registry/repository, oci:folder, oci-archive:file.tar, docker-archive:file.tar")
    )
  },
  ({ repository, selection }) => handler(repository, selection)
).pipe(Command.withDescription(summaries.ls), Session.connect)
