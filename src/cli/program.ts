/** The command as an effect: arguments in, an exit code out. What it reaches the world by is in its context. */
import { stripVTControlCharacters } from "node:util"
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as Terminal from "@effect/platform/Terminal"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Interruption from "../model/internal/interruption.ts"
import { version } from "../model/internal/version.ts"
import type { StoreError } from "../model/RegistryError.ts"
import * as CommandLine from "./commandLine.ts"
import { attach } from "./commands/attach.ts"
import { blob } from "./commands/blob.ts"
import { catalog } from "./commands/catalog.ts"
import { config } from "./commands/config.ts"
import { copy } from "./commands/copy.ts"
import { digest } from "./commands/digest.ts"
import { exportCommand } from "./commands/export.ts"
import { importCommand } from "./commands/import.ts"
import { login } from "./commands/login.ts"
import { logout } from "./commands/logout.ts"
import { ls } from "./commands/ls.ts"
import { manifest } from "./commands/manifest.ts"
import { ping } from "./commands/ping.ts"
import { pull } from "./commands/pull.ts"
import { push } from "./commands/push.ts"
import { referrers } from "./commands/referrers.ts"
import { rm } from "./commands/rm.ts"
import { serve } from "./commands/serve.ts"
import { tag } from "./commands/tag.ts"
import { validate } from "./commands/validate.ts"
import * as ExitCode from "./exitCode.ts"
import * as Failure from "./failure.ts"
import * as Help from "./help.ts"
import * as Report from "./report.ts"
import type * as Session from "./session.ts"
import * as Streams from "./streams.ts"

export const root = Command.make("effect-oci").pipe(
  Command.withDescription("Images and artifacts in OCI registries, folders and archives."),
  Command.withSubcommands([
    ping,
    login,
    logout,
    ls,
    catalog,
    manifest,
    digest,
    config,
    blob,
    pull,
    push,
    copy,
    tag,
    rm,
    referrers,
    attach,
    exportCommand,
    importCommand,
    validate,
    serve
  ])
)

const parse = Command.run(root, { name: "effect-oci", version, executable: "effect-oci" })

export type Environment =
  | Session.Network
  | Streams.Streams
  | FileSystem.FileSystem
  | Path.Path
  | Terminal.Terminal
  | CommandExecutor.CommandExecutor

/** Help and completions are results; complaints of the parser come as failures too, and are told from there. */
const consoleOver = (streams: Streams.Service, base: Console.Console, onFailed: (error: StoreError) => void): Console.Console => ({
  ...base,
  log: (...texts) => {
    const text = Help.mended(`${texts.join(" ")}\n`)
    const written = streams.out(streams.colors ? text : stripVTControlCharacters(text))
    return Effect.catchAll(written, (error) => Effect.sync(() => onFailed(error)))
  },
  error: () => Effect.void
})

const isJson = (args: ReadonlyArray<string>): boolean =>
  args.slice(0, args.includes("--") ? args.indexOf("--") : undefined).includes("--json")

const tell = (streams: Streams.Service, cause: Cause.Cause<unknown>, json: boolean): Effect.Effect<number> =>
  Option.match(Failure.fromCause(cause), {
    onNone: () => Effect.succeed(ExitCode.interrupted),
    onSome: (failure) =>
      Effect.logDebug(Cause.pretty(cause, { renderErrorCause: true })).pipe(
        Effect.zipRight(streams.err(json ? Failure.toJson(failure) : Failure.toText(failure))),
        Effect.as(failure.exitCode)
      )
  })

const asksForHelp = ([first, ...others]: ReadonlyArray<string>): boolean =>
  first === undefined || (others.length === 0 && (first === "--help" || first === "-h"))

const execute = (given: ReadonlyArray<string>) =>
  Effect.flatMap(CommandLine.takeLogLevel(given), ({ args, level }) => {
    const executed = asksForHelp(args)
      ? Effect.flatMap(Streams.Streams, ({ out }) => out(Help.ofRoot))
      : Effect.flatMap(CommandLine.arrange(root, args), (arranged) => parse(["node", "effect-oci", ...arranged]))
    return level === undefined ? executed : Logger.withMinimumLogLevel(executed, level)
  })

/** Runs a command line (without the names of runtime and script) to its exit code. */
export const run = (args: ReadonlyArray<string>): Effect.Effect<number, never, Environment> =>
  Effect.gen(function* () {
    const streams = yield* Streams.Streams
    const json = isJson(args)
    const runFork = Runtime.runFork(yield* Effect.runtime())
    const toStandardError = Logger.map(Logger.logfmtLogger, (line) => void runFork(streams.err(`${line}\n`)))
    let unwritten: StoreError | undefined
    const onFailed = (error: StoreError) => {
      unwritten ??= error
    }
    return yield* execute(args).pipe(
      // A console cannot fail.
      Effect.zipRight(Effect.suspend(() => unwritten ?? Effect.void)),
      Effect.provideService(Report.Report, Report.make(streams, json)),
      Effect.withConsole(consoleOver(streams, yield* Console.consoleWith(Effect.succeed), onFailed)),
      Effect.exit,
      Effect.flatMap(Exit.match({ onSuccess: () => Effect.succeed(ExitCode.ok), onFailure: (cause) => tell(streams, cause, json) })),
      Effect.provide([
        CliConfig.layer({ isCaseSensitive: true, showBuiltIns: false }),
        Logger.replace(Logger.defaultLogger, toStandardError)
      ])
    )
  }).pipe(Interruption.lasting)
