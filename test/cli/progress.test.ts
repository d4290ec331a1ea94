import { PassThrough } from "node:stream"
import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ProgressView from "../../src/cli/progress.ts"
import * as Report from "../../src/cli/report.ts"
import * as Size from "../../src/cli/size.ts"
import * as Streams from "../../src/cli/streams.ts"
import type * as Progress from "../../src/copy/Progress.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"

const item = (size: number): Progress.Item => {
  const descriptor = { ...Descriptor.fromBytes(Buffer.from(`${size}`), "text/plain"), size }
  return { id: descriptor.digest, descriptor, target: "a place" }
}

/** What is written to standard error by a few events, on a terminal or elsewhere. */
const shown = (isTerminal: boolean, events: ReadonlyArray<Progress.Event>, options: { quiet?: boolean; json?: boolean } = {}) =>
  Effect.gen(function* () {
    const drawn: Array<string> = []
    const screen = Object.assign(new PassThrough(), { isTTY: true, columns: 120, rows: 40 })
    screen.on("data", (bytes: Buffer) => drawn.push(bytes.toString("utf8")))
    const streams: Streams.Service = {
      out: () => Effect.dieMessage("progress is no result"),
      err: (text) => Effect.sync(() => void drawn.push(text)),
      input: Stream.empty,
      colors: false,
      interactive: false,
      screen: isTerminal ? screen : undefined
    }
    yield* Effect.flatMap(ProgressView.listener({ quiet: options.quiet ?? false }), (listen) =>
      Effect.sync(() => {
        for (const event of events) listen(event)
      })
    ).pipe(
      Effect.scoped,
      Effect.provideService(Streams.Streams, streams),
      Effect.provideService(Report.Report, Report.make(streams, options.json ?? false))
    )
    yield* Effect.yieldNow()
    return drawn.join("")
  })

const half = item(4_000_000)
const there = item(12)
const events: ReadonlyArray<Progress.Event> = [
  { ...half, _tag: "Started" },
  { ...there, _tag: "Started" },
  { ...there, _tag: "Skipped" },
  { ...half, _tag: "Advanced", bytes: 2_000_000 }
]

describe("progress", () => {
  it.effect("bars on a terminal: one for all, one for each that moves", () =>
    Effect.gen(function* () {
      const text = stripVTControlCharacters(yield* shown(true, events))
      assert.match(text, /total +\[=+ +\] 50% +2\.0 MB of 4\.0 MB/)
      assert.match(text, /sha256:[0-9a-f]{12} +\[=+ +\] 50% +2\.0 MB of 4\.0 MB/)
    })
  )

  it.effect("lines elsewhere, for what is in its place", () =>
    Effect.gen(function* () {
      const text = yield* shown(false, [...events, { ...half, _tag: "Done" }])
      assert.deepStrictEqual(text.split("\n"), [
        `${there.descriptor.digest.slice(0, 19)}      12 B exists`,
        `${half.descriptor.digest.slice(0, 19)}    4.0 MB done`,
        ""
      ])
    })
  )

  it.effect("nothing when there is to be silence, or one document", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* shown(true, events, { quiet: true }), "")
      assert.strictEqual(yield* shown(false, events, { quiet: true }), "")
      assert.strictEqual(yield* shown(false, events, { json: true }), "")
    })
  )
})

describe("sizes", () => {
  it("are told in powers of a thousand", () => {
    const cases: ReadonlyArray<readonly [number, string]> = [
      [0, "0 B"],
      [999, "999 B"],
      [1000, "1.0 kB"],
      [12_345_678, "12.3 MB"],
      [5_000_000_000_000_000, "5000.0 TB"]
    ]
    for (const [bytes, text] of cases) assert.strictEqual(Size.format(bytes), text)
  })
})
