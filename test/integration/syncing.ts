/**
 * A worker alone in a process, so that it can be killed: `syncing <folder of the state> <expiry of its locks> <host>/<repository> <host>/<repository>`
 * has one round; the expiry is in milliseconds. Prints a line when it begins, one for each event, and at last the round.
 */
import { writeSync } from "node:fs"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as SyncConfig from "../../src/sync/SyncConfig.ts"
import * as SyncState from "../../src/sync/SyncState.ts"
import * as SyncWorker from "../../src/sync/SyncWorker.ts"

const [folder = "", expiryMillis = "", source = "", target = ""] = process.argv.slice(2)

// Written at once: whoever reads along kills the process at what it reads.
const say = (line: string) => writeSync(1, `${line}\n`)

const program = Effect.gen(function* () {
  const config = yield* SyncConfig.make({ rules: [{ name: "app", source, targets: [target], backup: "old-{digest}" }] })
  const worker = yield* SyncWorker.make(config)
  yield* Effect.forkScoped(Stream.runForEach(worker.events, ({ _tag }) => Effect.sync(() => say(_tag))))
  yield* Effect.yieldNow()
  say("Began")
  const rounds = yield* worker.round()
  say(yield* Schema.encode(Schema.parseJson(Schema.Array(SyncWorker.Round)))(rounds))
}).pipe(Effect.scoped)

const layer = SyncState.layerFolder(folder, { expiry: Number(expiryMillis) }).pipe(
  Layer.provideMerge(Layer.merge(NodeContext.layer, NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous })))
)

Effect.runPromise(Effect.provide(program, layer))
