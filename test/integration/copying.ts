/**
 * A copy alone in a process, so that it can be killed and its memory be told: `copying <host>/<repository> <target> <tag>…` where the target
 * is another repository or `oci:<folder>`. Prints a line when it begins, one for each event, and at last a `Report`.
 */
import { writeSync } from "node:fs"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Keychain from "../../src/auth/Keychain.ts"
import type * as ContentStore from "../../src/content/ContentStore.ts"
import * as OciLayout from "../../src/content/OciLayout.ts"
import * as RemoteRepository from "../../src/content/RemoteRepository.ts"
import * as Copy from "../../src/copy/Copy.ts"
import * as Progress from "../../src/copy/Progress.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as NodeRegistry from "../../src/node/NodeRegistry.ts"
import * as Memory from "../support/Memory.ts"

export interface Report extends Pick<Progress.Summary, "done" | "skipped" | "completeBytes"> {
  readonly events: number
  readonly millis: number
  readonly peakRssBytes: number
}

const [from = "", to = "", ...tags] = process.argv.slice(2)

// Written at once: whoever reads along kills the process at what it reads.
const say = (line: string) => writeSync(1, `${line}\n`)

const copyTo = Effect.fnUntraced(function* <E>(target: ContentStore.Target<E>) {
  const source = yield* RemoteRepository.make(yield* Reference.parseRepository(from))
  const summarize = Progress.summarize()
  let summary = Progress.empty
  let events = 0
  say("Began")
  const started = yield* Clock.currentTimeMillis
  yield* Copy.copyMany(
    tags.map((reference) => ({ source, reference, target })),
    {
      onProgress: (event) => {
        summary = summarize(event)
        events++
        say(event._tag)
      }
    }
  )
  const { completeBytes, done, skipped } = summary
  const report: Report = {
    done,
    skipped,
    completeBytes,
    events,
    millis: (yield* Clock.currentTimeMillis) - started,
    peakRssBytes: Memory.peakRssBytes()
  }
  say(JSON.stringify(report))
})

const program = Effect.gen(function* () {
  if (to.startsWith("oci:")) yield* copyTo(yield* OciLayout.create(to.slice("oci:".length)))
  else yield* copyTo(yield* RemoteRepository.make(yield* Reference.parseRepository(to)))
})

const layer = Layer.merge(NodeContext.layer, NodeRegistry.layerWith({ keychain: Keychain.layerAnonymous }))

Effect.runPromise(Effect.provide(program, layer))
