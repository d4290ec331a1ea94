import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"
import * as Transfer from "../transfer.ts"
import * as UsageError from "../usageError.ts"

/** `ghcr.io/acme/app:1.4` goes to the folder `app`. */
const folderFor = (reference: string) =>
  Effect.map(Places.repository(reference), ({ name }) => `oci:${name.slice(name.lastIndexOf("/") + 1)}`)

export const pull = Command.make(
  "pull",
  {
    ...Options.connection,
    ...Options.transfer,
    allTags: Options.allTags,
    reference: Args.text({ name: "reference" }).pipe(Args.withDescription("registry/repository[:tag|@digest]")),
    target: Options.localPlace("target", "Where to; without it an image layout in the folder named like the repository").pipe(Args.optional)
  },
  (input) =>
    Effect.gen(function* () {
      const from = yield* Places.readable(input.reference)
      if (from.place._tag !== "Registry")
        return yield* UsageError.fail("pull takes a reference to a registry; copy goes between any places")
      const to = yield* Places.writable(Option.getOrUndefined(input.target) ?? (yield* folderFor(input.reference)), from.place)
      if (to.place._tag === "Registry") return yield* UsageError.fail("pull writes to this machine; copy goes between registries")
      yield* Transfer.run(from, to, input)
    }).pipe(Effect.scoped)
).pipe(Command.withDescription(summaries.pull), Session.connect)
