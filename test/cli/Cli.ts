/** The command in this process: its registries are in memory, its files in a folder of its own, and what it prints is kept. */
import * as Path from "node:path"
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Program from "../../src/cli/program.ts"
import * as Session from "../../src/cli/session.ts"
import * as Streams from "../../src/cli/streams.ts"
import type * as Platform from "../../src/model/Platform.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as FakeHelpers from "../support/FakeHelpers.ts"
import * as Folder from "../support/Folder.ts"

export const host = "registry.test"
export const other = "other.test"

export interface Options {
  readonly hosts?: MemoryRegistry.MemoryRegistryOptions["hosts"]
  readonly helpers?: Layer.Layer<CommandExecutor.CommandExecutor>
  readonly environment?: Readonly<Record<string, string>>
}

export interface Outcome {
  readonly code: number
  readonly out: string
  /** As printed, whatever its encoding. */
  readonly bytes: Uint8Array
  readonly err: string
}

export interface Cli {
  readonly registry: MemoryRegistry.Service
  readonly folder: string
  /** A path in the folder. */
  readonly path: (...names: ReadonlyArray<string>) => string
  readonly run: (...args: ReadonlyArray<string>) => Effect.Effect<Outcome>
  /** The same with something on standard input. */
  readonly feed: (input: string | Uint8Array, ...args: ReadonlyArray<string>) => Effect.Effect<Outcome>
}

export const make = (options: Options = {}): Effect.Effect<Cli, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { client, registry } = yield* MemoryRegistry.make({ hosts: options.hosts ?? { [host]: {}, [other]: {} } })
    const folder = yield* Folder.temporary("cli")
    const network = Layer.succeed(Session.Network, Layer.succeed(HttpClient.HttpClient, client))
    const environment = ConfigProvider.fromMap(new Map(Object.entries({ HOME: folder, ...options.environment })))

    const feed = (input: string | Uint8Array, ...args: ReadonlyArray<string>): Effect.Effect<Outcome> =>
      Effect.gen(function* () {
        const out: Array<Uint8Array> = []
        const err: Array<string> = []
        const streams: Streams.Service = {
          out: (content) => Effect.sync(() => void out.push(Buffer.from(content))),
          err: (text) => Effect.sync(() => void err.push(text)),
          input: Stream.make(typeof input === "string" ? Buffer.from(input) : input),
          colors: false,
          interactive: false,
          screen: undefined
        }
        const world = Layer.mergeAll(network, Layer.succeed(Streams.Streams, streams), options.helpers ?? FakeHelpers.none.layer)
        const code = yield* Program.run(args).pipe(
          Effect.provide(Layer.provideMerge(world, NodeContext.layer)),
          Effect.withConfigProvider(environment)
        )
        const bytes = Buffer.concat(out)
        return { code, out: bytes.toString("utf8"), bytes, err: err.join("") }
      })

    return { registry, folder, path: (...names) => Path.join(folder, ...names), run: (...args) => feed("", ...args), feed }
  })

/** What a command printed with `--json`. */
export const json = (outcome: Outcome): unknown => JSON.parse(outcome.out)

/** The error a command printed with `--json`. */
export const jsonError = (outcome: Outcome): { readonly [key: string]: unknown } => JSON.parse(outcome.err).error

/** Seeds an image for each platform and an index of them, tagged `multi`. */
export const seedIndex = Effect.fnUntraced(function* ({ registry }: Cli, platforms: ReadonlyArray<Platform.Platform>) {
  const manifests = yield* Effect.forEach(platforms, (platform, seed) =>
    Effect.map(registry.seedImage("team/app", { seed, platform }), ({ manifest }) => ({ ...manifest, platform }))
  )
  const index = yield* registry.seedManifest(
    "team/app",
    { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests },
    { tags: ["multi"] }
  )
  return { index, manifests }
})
