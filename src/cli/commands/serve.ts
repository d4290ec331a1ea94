import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Quirks from "../../testing/Quirks.ts"
import * as RegistryOptions from "../../testing/RegistryOptions.ts"
import * as RegistryServer from "../../testing/RegistryServer.ts"
import * as RegistryStorage from "../../testing/RegistryStorage.ts"
import * as Options from "../options.ts"
import * as Report from "../report.ts"
import { summaries } from "../summaries.ts"
import * as UsageError from "../usageError.ts"

interface Input {
  readonly host: string
  readonly port: number
  readonly dir: Option.Option<string>
  readonly users: ReadonlyArray<readonly [name: string, user: RegistryOptions.User]>
  readonly token: boolean
  readonly sparse: boolean
  readonly like: Option.Option<string>
}

const parseUser = (text: string) => {
  const colon = text.indexOf(":")
  return colon > 0
    ? Effect.succeed([text.slice(0, colon), { password: Redacted.make(text.slice(colon + 1)) }] as const)
    : UsageError.fail("--user takes name:password")
}

const parsePort = (port: number) =>
  port >= 0 && port <= 65_535 ? Effect.succeed(port) : UsageError.fail("--port takes a number up to 65535")

const everything = ["repository:*:*", "registry:catalog:*"]

const authOf = ({ token, users }: Input): RegistryOptions.Auth => {
  const accounts = Object.fromEntries(users)
  const open = users.length === 0
  if (token) return RegistryOptions.bearer({ users: accounts, anonymous: open ? everything : [] })
  return open ? RegistryOptions.noAuth : RegistryOptions.basic({ users: accounts })
}

const behaviorOf = ({ like, sparse }: Input): RegistryOptions.Options => {
  const behavior = Option.match(like, { onNone: () => ({}), onSome: (name): RegistryOptions.Options => Quirks.all[name] ?? {} })
  return sparse ? RegistryOptions.merge(behavior, { capabilities: { validateReferences: false } }) : behavior
}

const serverOf = (input: Input) => {
  const options = { ...behaviorOf(input), auth: authOf(input), hostname: input.host, port: input.port }
  return Option.match(input.dir, {
    onNone: () => RegistryServer.layer(options),
    onSome: (dir) => RegistryServer.layerWithoutStorage(options).pipe(Layer.provide(RegistryStorage.layerFolder(dir)))
  })
}

const handler = (input: Input) =>
  Effect.gen(function* () {
    const report = yield* Report.Report
    const { url } = yield* RegistryServer.RegistryServer
    yield* report.result({ url }, [url])
    return yield* Effect.never
  }).pipe(Effect.provide(serverOf(input)))

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
