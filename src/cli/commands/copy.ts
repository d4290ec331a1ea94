import * as Args from "@effect/cli/Args"
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
    targets: Options.place("target", "Where to, once or more often; without tag the source's").pipe(Args.atLeast(1))
  },
  (input) =>
    Effect.gen(function* () {
      const from = yield* Places.readable(input.source)
      const targets = yield* Effect.forEach(input.targets, (target) => Places.writable(target, from.place))
      yield* Transfer.runToMany(from, targets, input)
    }).pipe(Effect.scoped)
).pipe(Command.withDescription(summaries.copy), Session.connect)
