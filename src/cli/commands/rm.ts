import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as Effect from "effect/Effect"
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

const remove = Effect.fnUntraced(function* (text: string, manifest: boolean) {
  const { isSpelledOut, named, store } = yield* Places.editable(text)
  // What was not named must not be deleted, such as `latest`.
  if (!isSpelledOut) return yield* UsageError.fail(`${text}: rm wants the tag or digest spelled out`)
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

const handler = Effect.fnUntraced(function* (references: ReadonlyArray<string>, manifest: boolean) {
  const report = yield* Report.Report
  const removed = yield* Effect.forEach(references, (reference) => remove(reference, manifest))
  yield* report.result(
    removed,
    removed.map(({ name, removed }) => `${removed} ${name} removed`)
  )
}, Effect.scoped)

export const rm = Command.make(
  "rm",
  {
    ...Options.connection,
    manifest: CliOptions.boolean("manifest").pipe(
      CliOptions.withDescription("Delete the manifest a tag points to, and with it every tag that points there.")
    ),
    references: Options.reference.pipe(Args.atLeast(1))
  },
  ({ manifest, references }) => handler(references, manifest)
).pipe(Command.withDescription(summaries.rm), Session.connect)
