/**
 * Workers killed at any moment of a round, and two that share a folder, between two real registries (two of ours where docker-registry is not
 * installed). By hand with other moments: `OCI_COPY_SEED=7 OCI_COPY_KILLS=60`.
 */
import * as NodeContext from "@effect/platform-node/NodeContext"
import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as SyncWorker from "../../src/sync/SyncWorker.ts"
import * as RegistryServer from "../../src/testing/RegistryServer.ts"
import * as Compiled from "../support/Compiled.ts"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import * as Folder from "../support/Folder.ts"
import * as Program from "../support/Program.ts"
import * as Setting from "../support/Setting.ts"
import * as Killed from "./Killed.ts"
import * as Places from "./Places.ts"
import * as Samples from "./Samples.ts"

const seed = Setting.number("OCI_COPY_SEED", 2026)
const kills = Setting.number("OCI_COPY_KILLS", 6)

interface Registry {
  readonly host: string
  /** The requests that completed a blob, one by one. */
  readonly completed: Effect.Effect<ReadonlyArray<string>>
}

const blobOf = (path: string) => {
  const { pathname, searchParams } = new URL(path, "http://registry")
  return `${pathname.slice(0, pathname.indexOf("/blobs/"))} ${searchParams.get("digest")}`
}

const completing = /"PUT (\/v2\/[^" ]*\/blobs\/uploads\/[^" ]*) HTTP\/1\.1" 201/g

const real = Effect.map(
  DockerRegistry.make(),
  ({ host, log }): Registry => ({
    host,
    completed: Effect.map(log, (text) => [...text.matchAll(completing)].map(([, path = ""]) => blobOf(path)))
  })
)

const ours = Effect.map(Layer.build(Layer.fresh(RegistryServer.layer())), (context): Registry => {
  const { requests, url } = Context.get(context, RegistryServer.RegistryServer)
  const completed = Effect.map(requests, (all) =>
    all
      .filter(({ method, path, status }) => method === "PUT" && status === 201 && path.includes("/blobs/"))
      .map(({ path, query }) => blobOf(`${path}?${query.replace(/^\?/, "")}`))
  )
  return { host: url.replace("http://", ""), completed }
})

class World extends Context.Tag("effect-oci/test/SyncWorld")<
  World,
  { readonly from: Registry; readonly to: Registry; readonly script: string }
>() {}

const world = Layer.scoped(
  World,
  Effect.suspend(() => {
    const registry = Program.available(DockerRegistry.program) ? real : ours
    return Effect.all({ from: registry, to: registry, script: Compiled.make("test/integration/syncing.ts") })
  })
)

const live = Layer.mergeAll(world, NodeContext.layer, NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous }))

const decode = Schema.decode(Schema.parseJson(Schema.Array(SyncWorker.Round)))

const tags = ["v1", "v2", "v3", "v4"]

/** Four images, two of them the same, and what a target has under two of their tags before. */
const prepare = Effect.fnUntraced(function* (name: string, expiryMillis = 400) {
  const { from, script, to } = yield* World
  const source = yield* Places.repositoryAt(from.host, `team/${name}`)
  const target = yield* Places.repositoryAt(to.host, `mirror/${name}`)
  yield* Samples.pushNested(source, "v1", { sharedLayers: 4, layerBytes: 50_000 })
  const image = yield* Samples.pushImage(source, { layers: 6, layerBytes: 50_000, tag: "v2" })
  yield* source.tag(image, "v3")
  yield* Samples.pushFlat(source, "v4")
  for (const tag of ["v1", "v2"]) yield* Samples.pushImage(target, { layers: 1, tag })
  const folder = yield* Folder.temporary("sync")
  const args = [`${folder}/state`, String(expiryMillis), source.label, target.label]
  const round = Effect.flatMap(Killed.lastLine(script, args), decode)
  /** Of the blobs that came to the repository. */
  const completed = Effect.map(to.completed, (all) => all.filter((blob) => blob.startsWith(`/v2/${target.repository.name} `)))
  const assertSame = Effect.forEach(tags, (tag) =>
    Effect.map(Effect.all([source.resolve(tag), target.resolve(tag)]), ([one, other]) => assert.strictEqual(other.digest, one.digest))
  )
  return { args, assertSame, completed, round, script, source, target }
})

/** Tags of which somebody may read at any moment, with their backups. */
const assertBackups = (target: Places.Place<unknown>) =>
  Effect.map(Places.assertWhole(target), (count) => assert.strictEqual(count, tags.length + 2))

describe("SyncWorker in processes", () => {
  layer(live, { excludeTestServices: true, timeout: 60_000 })((it) => {
    it.scoped(
      "killed at any moment: tags are whole all the time, what has arrived is not sent again, and the next round ends it",
      () =>
        Effect.gen(function* () {
          let killed = 0
          let looks = 0
          const onLook = () => {
            looks++
          }
          const whole = yield* prepare("whole")
          const before = Date.now()
          yield* whole.round
          const millis = Date.now() - before
          const sent = (yield* whole.completed).length

          const random = Random.make(seed)
          for (let at = 0; at < kills / 2; at++) {
            const { args, assertSame, completed, round, script, target } = yield* prepare(`killed-${at}`)
            // Twice in a row, the second time on what the first has left.
            for (const events of [true, false]) {
              const fraction = yield* random.next
              const moment = events ? { events: 1 + Math.floor(fraction * 9) } : { millis: Math.floor((fraction * millis) / 3) }
              if (yield* Effect.raceFirst(Killed.kill(script, args, moment), Places.watch(target, ["v1", "v2"], onLook))) killed++
              yield* Places.assertWhole(target)
            }
            const [ended] = yield* round
            assert.deepInclude(ended, { passed: false, failures: [] })
            yield* assertSame
            yield* assertBackups(target)
            const blobs = yield* completed
            assert.strictEqual(new Set(blobs).size, blobs.length, "a blob was sent again")
            assert.strictEqual(blobs.length, sent)
            const [again] = yield* round
            assert.deepInclude(again?.summary, { copied: 0, unchanged: tags.length, failed: 0, bytes: 0 })
          }
          assert.isAtLeast(killed, kills / 4)
          assert.isAbove(looks, 0, "nothing was looked at meanwhile")
        }),
      30_000 + kills * 5000
    )

    it.scoped("two that share a folder do nothing twice", () =>
      Effect.gen(function* () {
        // Nobody is killed, and a machine that is busy may keep a process from showing signs of life.
        const { assertSame, completed, round, target } = yield* prepare("shared", 10_000)
        const rounds = (yield* Effect.all([round, round], { concurrency: 2 })).flat()
        const sum = (member: "copied" | "failed") => rounds.reduce((total, { summary }) => total + summary[member], 0)
        assert.deepStrictEqual([sum("copied"), sum("failed")], [tags.length, 0])
        yield* assertSame
        yield* assertBackups(target)
        const blobs = yield* completed
        assert.strictEqual(new Set(blobs).size, blobs.length, "a blob was sent twice")
      })
    )
  })
})
