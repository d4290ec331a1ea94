import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Options from "../options.ts"
import * as Places from "../places.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"

const handler = Effect.fnUntraced(function* (text: string, tags: ReadonlyArray<string>) {
  const report = yield* Report.Report
  const { named, requireTag, store } = yield* Places.editable(text)
  yield* Effect.forEach(tags, requireTag, { discard: true })
  const { reference } = yield* named
  const descriptor = yield* store.resolve(reference)
  yield* Effect.forEach(tags, (tag) => store.tag(descriptor, tag), { discard: true })
  yield* report.result(
    { name: store.label, digest: descriptor.digest, tags },
    tags.map((tag) => `${store.label}:${tag}@${descriptor.digest}`)
  )
}, Effect.scoped)

export const tag = Command.make(
  "tag",
  {
    ...Options.connection,
    reference: Options.changeable,
    tags: Args.text({ name: "tag" }).pipe(Args.withDescription("A tag for it."), Args.atLeast(1))
  },
  ({ reference, tags }) => handler(reference, tags)
).pipe(Command.withDescription(summaries.tag), Session.connect)
