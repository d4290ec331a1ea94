import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"
import * as Transfer from "../transfer.ts"
import * as UsageError from "../usageError.ts"

export const push = Command.make(
  "push",
  {
    ...Options.connection,
    ...Options.transfer,
    allTags: Options.allTags,
    source: Options.localPlace("source", "Where from"),
    reference: Args.text({ name: "reference" }).pipe(Args.withDescription("registry/repository[:tag]; without tag the source's"))
  },
  (input) =>
    Effect.gen(function* () {
      const from = yield* Places.readable(input.source)
      if (from.place._tag === "Registry") return yield* UsageError.fail("push reads from this machine; copy goes between registries")
      const to = yield* Places.writable(input.reference, from.place)
      if (to.place._tag !== "Registry") return yield* UsageError.fail("push takes a reference to a registry; copy goes between any places")
      yield* Transfer.run(from, to, input)
    }).pipe(Effect.scoped)
).pipe(Command.withDescription(summaries.push), Session.connect)
