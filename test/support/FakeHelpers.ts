/** Credential helpers that are functions: a `CommandExecutor` which never starts a program. */
import * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import { SystemError } from "@effect/platform/Error"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"

export interface Call {
  /** Without `docker-credential-`. */
  readonly helper: string
  readonly verb: string
  readonly input: string
}

export interface Answer {
  readonly stdout: string
  readonly exit: number
}

export const notFound: Answer = { stdout: "credentials not found in native keychain\n", exit: 1 }

export const json = (value: unknown): Answer => ({ stdout: JSON.stringify(value), exit: 0 })

const readStdin = (command: Command.StandardCommand) =>
  typeof command.stdin === "string"
    ? Effect.succeed("")
    : Effect.map(Stream.runCollect(command.stdin), (chunks) => Buffer.concat(Chunk.toReadonlyArray(chunks)).toString("utf8"))

interface Started {
  readonly calls: ReadonlyArray<Call>
  /** The signals sent to the programs, in order. */
  readonly signals: ReadonlyArray<string>
  readonly executor: CommandExecutor.CommandExecutor
  readonly layer: Layer.Layer<CommandExecutor.CommandExecutor>
}

/**
 * `answer` decides what a program does; `undefined` means that there is no such program. A program that ignores `SIGTERM` is ended only by
 * `SIGKILL`.
 */
export const make = (answer: (call: Call) => Effect.Effect<Answer> | undefined, options?: { readonly ignoresTerm?: boolean }): Started => {
  const calls: Array<Call> = []
  const signals: Array<string> = []

  const start = Effect.fnUntraced(function* (command: Command.Command) {
    const [standard] = Command.flatten(command)
    const helper = standard.command.replace(/^docker-credential-/, "")
    const call: Call = { helper, verb: standard.args.join(" "), input: yield* readStdin(standard) }
    const run = answer(call)
    if (run === undefined) {
      return yield* new SystemError({ module: "Command", method: "spawn", reason: "NotFound", pathOrDescriptor: standard.command })
    }
    calls.push(call)
    const exit = yield* Deferred.make<CommandExecutor.ExitCode>()
    const output = yield* Effect.cached(Effect.raceFirst(run, Effect.as(Deferred.await(exit), { stdout: "", exit: 143 })))
    const process: CommandExecutor.Process = {
      [CommandExecutor.ProcessTypeId]: CommandExecutor.ProcessTypeId,
      ...Inspectable.BaseProto,
      toJSON: () => ({ pid: 1 }),
      pid: CommandExecutor.ProcessId(1),
      exitCode: Effect.tap(
        Effect.map(output, (_) => CommandExecutor.ExitCode(_.exit)),
        (code) => Deferred.succeed(exit, code)
      ),
      isRunning: Effect.map(Deferred.isDone(exit), (done) => !done),
      kill: (signal = "SIGTERM") =>
        Effect.suspend(() => {
          signals.push(signal)
          return options?.ignoresTerm === true && signal === "SIGTERM"
            ? Effect.never
            : Effect.asVoid(Deferred.succeed(exit, CommandExecutor.ExitCode(143)))
        }),
      stderr: Stream.empty,
      stdin: Sink.drain,
      stdout: Stream.fromEffect(Effect.map(output, (_) => new TextEncoder().encode(_.stdout)))
    }
    return process
  })

  const executor = CommandExecutor.makeExecutor(start)
  return { calls, signals, executor, layer: Layer.succeed(CommandExecutor.CommandExecutor, executor) }
}

/** No helper is installed. */
export const none = make(() => undefined)
