import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as Prompt from "@effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Credentials from "../../auth/Credentials.ts"
import * as Keychain from "../../auth/Keychain.ts"
import * as RegistryClient from "../../client/RegistryClient.ts"
import * as Reference from "../../model/Reference.ts"
import * as Store from "../credentials.ts"
import * as Options from "../options.ts"
import * as Report from "../report.ts"
import * as Session from "../session.ts"
import * as Streams from "../streams.ts"
import { summaries } from "../summaries.ts"
import * as UsageError from "../usageError.ts"

interface Input extends Session.Settings {
  readonly registry: string
  readonly username: Option.Option<string>
  readonly passwordStdin: boolean
}

const askUsername = Effect.fnUntraced(function* ({ registry, username }: Input) {
  if (Option.isSome(username)) return username.value
  const { interactive } = yield* Streams.Streams
  if (!interactive) return yield* UsageError.fail("login needs --username where nobody can be asked")
  return yield* Prompt.run(Prompt.text({ message: `User name at ${registry}` }))
})

const askPassword = Effect.fnUntraced(function* ({ passwordStdin }: Input) {
  const streams = yield* Streams.Streams
  // The line feed of `echo` is no part of a password.
  if (passwordStdin) {
    const text = yield* Stream.mkString(Stream.decodeText(streams.input))
    return Redacted.make(text.replace(/\r?\n$/, ""))
  }
  if (!streams.interactive) return yield* UsageError.fail("login needs --password-stdin where nobody can be asked")
  return yield* Prompt.run(Prompt.hidden({ message: "Password or token" }))
})

const handler = Effect.fnUntraced(function* (input: Input) {
  const report = yield* Report.Report
  const registry = yield* Reference.parseRegistry(input.registry)
  const username = yield* askUsername(input)
  const password = yield* askPassword(input)
  if (username === "" || Redacted.value(password) === "") return yield* UsageError.fail("login needs a user name and a password")
  // A helper marks tokens by this name.
  const credentials = username === "<token>" ? Credentials.identityToken(password) : Credentials.basic(username, password)
  yield* Effect.flatMap(RegistryClient.RegistryClient, (client) => client.ping(registry)).pipe(
    Effect.provide(Session.layerWith(input, Keychain.layer({ [registry]: credentials })))
  )
  const store = yield* Store.store(registry, credentials, input.registryConfig)
  yield* report.result({ registry, username, store }, [`Logged in to ${registry} as ${username}; kept in ${store}`])
})

export const login = Command.make(
  "login",
  {
    ...Options.connection,
    username: CliOptions.text("username").pipe(
      CliOptions.withAlias("u"),
      CliOptions.withPseudoName("name"),
      CliOptions.optional,
      CliOptions.withDescription("Asked for when it is missing.")
    ),
    passwordStdin: CliOptions.boolean("password-stdin").pipe(
      CliOptions.withDescription("Read the password or token from standard input instead of asking for it.")
    ),
    registry: Args.text({ name: "registry" })
  },
  handler
).pipe(Command.withDescription(summaries.login))
