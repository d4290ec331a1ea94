import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Failure from "../failure.ts"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"
import * as UsageError from "../usageError.ts"

interface Removed {
  readonly name: string
  readonly removed: "tag" | "manifest"
}

const open = Effect.fnUntraced(function* (text: string) {
  const place = yield* Places.editable(text)
  // What was not named must not be deleted, such as `latest`.
  return place.isSpelledOut ? place : yield* UsageError.fail(`${text}: rm wants the tag or digest spelled out`)
})

const remove = Effect.fnUntraced(function* ({ named, store }: Places.Editable, manifest: boolean) {
  const { reference } = yield* named
  if (!manifest && !reference.includes(":")) {
    yield* store.untag(reference)
    const untagged: Removed = { name: `${store.label}:${reference}`, removed: "tag" }
    return untagged
  }
  const descriptor = yield* store.resolve(reference)
  yield* store.delete(descriptor)
  const deleted: Removed = { name: `${store.label}@${descriptor.digest}`, removed: "manifest" }
  return deleted
})

const told = (reference: string, outcome: Either.Either<Removed, Places.PlaceError>) =>
  Either.match(outcome, {
    onRight: (removed): { readonly json: unknown; readonly line: string } => ({
      json: removed,
      line: `${removed.removed} ${removed.name} removed`
    }),
    onLeft: (error) => {
      const { error: told, line } = Failure.among(reference, error)
      return { json: { name: reference, error: told }, line }
    }
  })

/** One that fails leaves the others alone; the first failure is that of the command. */
const handler = Effect.fnUntraced(function* (references: ReadonlyArray<string>, manifest: boolean) {
  const report = yield* Report.Report
  const places = yield* Effect.forEach(references, open)
  const outcomes = yield* Effect.forEach(places, (place) => Effect.either(remove(place, manifest)))
  if (outcomes.length === 1) yield* Either.all(outcomes)
  const all = Arr.zipWith(references, outcomes, told)
  yield* report.result(
    all.map(({ json }) => json),
    all.map(({ line }) => line)
  )
  yield* Either.all(outcomes)
}, Effect.scoped)

export const rm = Command.make(
  "rm",
  {
    ...Options.connection,
    manifest: CliOptions.boolean("manifest").pipe(
      CliOptions.withDescription("Delete the manifest a tag points to, and with it every tag that points there.")
    ),
    references: Options.changeable.pipe(Args.atLeast(1))
  },
  ({ manifest, references }) => handler(references, manifest)
).pipe(Command.withDescription(summaries.rm), Session.connect)
