import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Quirks from "../../testing/Quirks.ts"
import * as Options from "../options.ts"
import type { Settings } from "../server.ts"
import { summaries } from "../summaries.ts"
import * as UsageError from "../usageError.ts"

const parseUser = (text: string) => {
  const colon = text.indexOf(":")
  return colon > 0
    ? Effect.succeed([text.slice(0, colon), { password: Redacted.make(text.slice(colon + 1)) }] as const)
    : UsageError.fail("--user takes name:password")
}

const parsePort = (port: number) =>
  port >= 0 && port <= 65_535 ? Effect.succeed(port) : UsageError.fail("--port takes a number up to 65535")

const handler = (settings: Settings) =>
  Effect.flatMap(
    Effect.promise(() => import("../server.ts")),
    ({ run }) => run(settings)
  )

export const serve = Command.make(
  "serve",
  {
    json: Options.json,
    host: CliOptions.text("host").pipe(
      CliOptions.withDefault("127.0.0.1"),
      CliOptions.withDescription("The address to listen on (default 127.0.0.1); 0.0.0.0 lets others in.")
    ),
    port: CliOptions.integer("port").pipe(
      CliOptions.withDefault(5000),
      CliOptions.mapEffect(parsePort),
      CliOptions.withDescription("Default 5000; 0 is any free port.")
    ),
    dir: CliOptions.text("dir").pipe(
      CliOptions.withPseudoName("folder"),
      CliOptions.optional,
      CliOptions.withDescription("Keep content in this folder instead of in memory.")
    ),
    users: CliOptions.text("user").pipe(
      CliOptions.withPseudoName("name:password"),
      CliOptions.repeated,
      CliOptions.mapEffect(Effect.forEach(parseUser)),
      CliOptions.withDescription("Let only this user in; may be repeated.")
    ),
    token: CliOptions.boolean("token").pipe(CliOptions.withDescription("Ask for tokens, which this registry issues itself.")),
    sparse: CliOptions.boolean("sparse").pipe(CliOptions.withDescription("Take manifests of which blobs or manifests are missing.")),
    like: CliOptions.choice("like", Object.keys(Quirks.all)).pipe(
      CliOptions.optional,
      CliOptions.withDescription("Behave like a registry one meets.")
    )
  },
  handler
).pipe(Command.withDescription(summaries.serve))
