/** The command on Node: its streams, its files, its network and its signals. */
import * as NodeCommandExecutor from "@effect/platform-node/NodeCommandExecutor"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { StoreError } from "../model/RegistryError.ts"
import * as NodeRegistry from "../node/NodeRegistry.ts"
import * as ExitCode from "./exitCode.ts"
import * as Program from "./program.ts"
import * as Session from "./session.ts"
import * as Streams from "./streams.ts"

const failed = (operation: string, store: string) => (cause: unknown) =>
  new StoreError({ store, operation, reason: cause instanceof Error ? cause.message : String(cause) })

/** Done when the other end has taken it. */
const writeTo = (stream: NodeJS.WriteStream, content: string | Uint8Array): Effect.Effect<void, Error> =>
  Effect.async((resume) => {
    stream.write(content, (error) => resume(error == null ? Effect.void : Effect.fail(error)))
  })

const streams: Streams.Service = {
  out: (content) => Effect.mapError(writeTo(process.stdout, content), failed("write", "standard output")),
  err: (content) => Effect.ignore(writeTo(process.stderr, content)),
  input: NodeStream.fromReadable<StoreError, Uint8Array>(() => process.stdin, failed("read", "standard input")),
  colors: Streams.hasColors(process.env, process.stdout.isTTY === true),
  interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
  screen: process.stderr.isTTY === true && process.env["TERM"] !== "dumb" ? process.stderr : undefined
}

let isPipeClosed = false

/** Who reads no further, as `head` does, wants no complaint; anything else is told by whoever wrote. It ends as by a signal, so that all is cleared away. */
const onBrokenPipe = (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE" || isPipeClosed) return
  isPipeClosed = true
  if (!process.emit("SIGTERM")) process.exit(ExitCode.closedPipe)
}

let isHungUp = false

/** A terminal that is closed ends it like Ctrl-C, so that all is cleared away. */
const onHangUp = () => {
  isHungUp = true
  if (!process.emit("SIGTERM")) exit(ExitCode.interrupted)
}

/** Node wants to set a terminal right when it exits, and crashes when that is gone: then it is the signal that ends it. */
const exit = (code: number): void => {
  if (!isHungUp) process.exit(code)
  process.off("SIGHUP", onHangUp)
  process.kill(process.pid, "SIGHUP")
}

/** Once all is written. What Node would still wait for serves nobody: closed sockets, and undici's parser being compiled. */
const leave = (code: number): void => {
  process.stdout.write("", () => process.stderr.write("", () => exit(code)))
}

export const start = (args: ReadonlyArray<string>): void => {
  process.stdout.on("error", onBrokenPipe)
  process.stderr.on("error", () => {})
  process.on("SIGHUP", onHangUp)
  const world = Layer.mergeAll(
    Layer.provideMerge(NodeCommandExecutor.layer, NodeFileSystem.layer),
    NodePath.layer,
    NodeTerminal.layer,
    Layer.succeed(Session.Network, NodeRegistry.layerHttpClient()),
    Layer.succeed(Streams.Streams, streams)
  )
  NodeRuntime.runMain(Effect.provide(Program.run(args), world), {
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit) =>
      leave(
        isPipeClosed
          ? ExitCode.closedPipe
          : Exit.match(exit, {
              onSuccess: (code) => (typeof code === "number" ? code : ExitCode.ok),
              onFailure: () => ExitCode.interrupted
            })
      )
  })
}
