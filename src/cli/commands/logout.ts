import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Reference from "../../model/Reference.ts"
import * as Store from "../credentials.ts"
import * as Options from "../options.ts"
import * as Report from "../report.ts"
import { summaries } from "../summaries.ts"

const handler = Effect.fnUntraced(function* (text: string, registryConfig: Option.Option<string>) {
  const report = yield* Report.Report
  const registry = yield* Reference.parseRegistry(text)
  const store = yield* Store.erase(registry, registryConfig)
  yield* report.result({ registry, store }, [`Logged out of ${registry}; nothing is kept in ${store}`])
})

export const logout = Command.make(
  "logout",
  { json: Options.json, registryConfig: Options.connection.registryConfig, registry: Args.text({ name: "registry" }) },
  ({ registry, registryConfig }) => handler(registry, registryConfig)
).pipe(Command.withDescription(summaries.logout))
