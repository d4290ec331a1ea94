/**
 * Large blobs: little memory, and a network that breaks. By hand with a gibibyte, as many cuts as one likes and another seed:
 * `OCI_TRANSFER_BYTES=1073741824 OCI_TRANSFER_CUTS=20 OCI_TRANSFER_SEED=7`.
 */
import { expect, layer } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { describe } from "vitest"
import * as Compiled from "../support/Compiled.ts"
import * as Content from "../support/Content.ts"
import * as CuttingProxy from "../support/CuttingProxy.ts"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import * as FolderServer from "../support/FolderServer.ts"
import * as Program from "../support/Program.ts"
import * as Setting from "../support/Setting.ts"
import type { Report } from "./transfer.ts"

const sizeBytes = Setting.number("OCI_TRANSFER_BYTES", 96 * Content.MiB)
const seed = Setting.number("OCI_TRANSFER_SEED", 2026)
const cuts = 20
/**
 * docker-registry 2.8 forgets an upload that broke within a request, so each cut begins the push anew and the client waits longer each
 * time: 20 of them are for a run by hand.
 */
const restarts = Setting.number("OCI_TRANSFER_CUTS", 5)
const timeout = 60_000 + restarts * 5_000 + (sizeBytes / Content.MiB) * 500
const maxPeakRssBytes = 200 * Content.MiB

class Script extends Context.Tag("effect-oci/test/Script")<Script, string>() {}

const script = Layer.scoped(Script, Compiled.make("test/integration/transfer.ts"))

const transfer = Effect.fnUntraced(function* (host: string, operation: "push" | "pull", extra: string | number = "") {
  const { stdout } = yield* Program.run(process.execPath, [yield* Script, host, operation, String(sizeBytes), String(extra)])
  const report: Report = JSON.parse(stdout)
  return report
})

const tell = (what: string, report: Report) =>
  Console.log(
    `${what}: ${Content.inMebibytes(report.size)} in ${report.millis} ms, peak memory ${Content.inMebibytes(report.peakRssBytes)}`
  )

/** A proxy that cuts connections at random offsets of what goes one way. */
const flaky = Effect.fnUntraced(function* (target: string, direction: CuttingProxy.Direction, count: number) {
  const random = Random.make(seed)
  const offsets = yield* Effect.replicateEffect(random.nextIntBetween(1, sizeBytes), count)
  return yield* CuttingProxy.make({ target, direction, offsets })
})

/** A push through a network that breaks, read back without it. */
const brokenPush = Effect.fnUntraced(function* (name: string, host: string, count: number, maxResumes: number | "") {
  const proxy = yield* flaky(host, "toServer", count)
  const pushed = yield* transfer(proxy.host, "push", maxResumes)
  yield* tell(`push to ${name}, ${yield* proxy.cuts} cuts`, pushed)
  const resent = (yield* proxy.bytes("toServer")) - sizeBytes
  yield* Console.log(
    `  sent again: ${Content.inMebibytes(pushed.resentBytes)} by the client's count, ${Content.inMebibytes(resent)} on the wire`
  )
  expect(yield* proxy.cuts).toBe(count)
  expect(yield* transfer(host, "pull", pushed.digest)).toMatchObject({ digest: pushed.digest, size: sizeBytes })
  return { ...pushed, resent }
})

describe.skipIf(!Program.available(DockerRegistry.program))("transfer", () => {
  layer(script, { excludeTestServices: true, timeout })((it) => {
    it.scoped(
      "a large blob goes both ways in little memory",
      () =>
        Effect.gen(function* () {
          const { host } = yield* DockerRegistry.make()
          const pushed = yield* transfer(host, "push")
          yield* tell("push", pushed)
          const pulled = yield* transfer(host, "pull", pushed.digest)
          yield* tell("pull", pulled)
          expect(pulled).toMatchObject({ digest: pushed.digest, size: sizeBytes })
          expect(pushed.resentBytes).toBe(0)
          expect(pushed.peakRssBytes).toBeLessThan(maxPeakRssBytes)
          expect(pulled.peakRssBytes).toBeLessThan(maxPeakRssBytes)
        }),
      { timeout }
    )

    it.scoped(
      `a pull goes on after ${cuts} broken connections and fetches nothing twice`,
      () =>
        Effect.gen(function* () {
          const { host } = yield* DockerRegistry.make()
          const { digest } = yield* transfer(host, "push")
          const proxy = yield* flaky(host, "toClient", cuts)
          const pulled = yield* transfer(proxy.host, "pull", digest)
          yield* tell(`pull, ${yield* proxy.cuts} cuts`, pulled)
          const again = (yield* proxy.bytes("toClient")) - sizeBytes
          yield* Console.log(`  fetched again: ${again} bytes on the wire, the headers of all responses included`)
          expect(yield* proxy.cuts).toBe(cuts)
          expect(pulled).toMatchObject({ digest, size: sizeBytes })
          expect(again).toBeLessThan(Content.MiB)
        }),
      { timeout }
    )

    it.scoped(
      `a push goes on after ${cuts} broken connections and sends little twice`,
      () =>
        Effect.gen(function* () {
          const { host } = yield* FolderServer.make()
          const { resent } = yield* brokenPush("our server", host, cuts, "")
          expect(resent).toBeLessThan(sizeBytes / 2)
        }),
      { timeout }
    )

    it.scoped(
      `a push begins anew ${restarts} times where the registry forgets`,
      () =>
        Effect.gen(function* () {
          const { host } = yield* DockerRegistry.make()
          yield* brokenPush("docker-registry", host, restarts, restarts)
        }),
      { timeout }
    )
  })
})
