import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as RegistryClient from "../../client/RegistryClient.ts"
import * as Reference from "../../model/Reference.ts"
import * as Options from "../options.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import { summaries } from "../summaries.ts"

const handler = Effect.fnUntraced(function* (text: string) {
  const registry = yield* Reference.parseRegistry(text)
  const client = yield* RegistryClient.RegistryClient
  const report = yield* Report.Report
  yield* report.list(client.repositories(registry), { line: (name) => name, json: (repositories) => ({ registry, repositories }) })
})

export const catalog = Command.make("catalog", { ...Options.connection, registry: Args.text({ name: "registry" }) }, ({ registry }) =>
  handler(registry)
).pipe(Command.withDescription(summaries.catalog), Session.connect)
