import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"
import * as Transfer from "../transfer.ts"

export const copy = Command.make(
  "copy",
  {
    ...Options.connection,
    ...Options.transfer,
    allTags: Options.allTags,
    source: Options.place("source", "Where from"),
    target: Options.place("target", "Where to; without tag the source's")
  },
  (input) =>
    Effect.gen(function* () {
      const from = yield* Places.readable(input.source)
      const to = yield* Places.writable(input.target, from.place)
      yield* Transfer.run(from, to, input)
    }).pipe(Effect.scoped)
).pipe(Command.withDescription(summaries.copy), Session.connect)
