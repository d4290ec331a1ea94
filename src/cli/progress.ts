/** Shows what moves: bars on a terminal, drawn by cli-progress, and a line for each piece of content elsewhere. */
import * as CliProgress from "cli-progress"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Progress from "../copy/Progress.ts"
import * as Report from "./report.ts"
import * as Size from "./size.ts"
import * as Streams from "./streams.ts"

const endings = { Done: "done", Skipped: "exists", Mounted: "mounted" } as const

const shortDigest = (digest: string) => digest.slice(0, digest.indexOf(":") + 13)

/** One line when a piece of content has ended; failures are told once, at the end of the command. */
const lineOf = (event: Progress.Event): string | undefined => {
  if (event._tag === "Started" || event._tag === "Advanced" || event._tag === "Failed") return undefined
  return `${shortDigest(event.descriptor.digest)} ${Size.format(event.descriptor.size).padStart(9)} ${endings[event._tag]}`
}

const lines =
  (write: (text: string) => void): Progress.Listener =>
  (event) => {
    const line = lineOf(event)
    if (line !== undefined) write(`${line}\n`)
  }

/** More bars than this would push each other off the screen. */
const maxBars = 8

const barOptions = (screen: NodeJS.WritableStream): CliProgress.Options => ({
  stream: screen,
  format: "{name} [{bar}] {percentage}% {reached} of {size}",
  barCompleteChar: "=",
  barIncompleteChar: " ",
  barsize: 30,
  hideCursor: true,
  clearOnComplete: false,
  forceRedraw: true,
  // Signals are ours: they cancel uploads.
  gracefulExit: false,
  // A piece without bytes is complete from the start.
  emptyOnZero: false
})

const payload = (name: string, reached: number, size: number) => ({
  name: name.padEnd(20),
  reached: Size.format(reached).padStart(9),
  size: Size.format(size)
})

const bars = (screen: NodeJS.WritableStream) => {
  const board = new CliProgress.MultiBar(barOptions(screen))
  // Nothing is drawn for a copy that has nothing to do.
  let total: CliProgress.SingleBar | undefined
  const shown = new Map<string, CliProgress.SingleBar>()
  const summarize = Progress.summarize()

  const show = (event: Progress.Event) => {
    if (shown.size >= maxBars || event.descriptor.size === 0) return
    const { digest, size } = event.descriptor
    shown.set(event.id, board.create(size, 0, payload(shortDigest(digest), 0, size)))
  }
  const hide = (id: string) => {
    const bar = shown.get(id)
    if (bar !== undefined) board.remove(bar)
    shown.delete(id)
  }
  const listener: Progress.Listener = (event) => {
    const { completeBytes, totalBytes } = summarize(event)
    total ??= board.create(totalBytes, 0, payload("total", 0, totalBytes))
    total.setTotal(totalBytes)
    total.update(completeBytes, payload("total", completeBytes, totalBytes))
    if (event._tag === "Started") show(event)
    else if (event._tag === "Advanced") {
      const { digest, size } = event.descriptor
      shown.get(event.id)?.update(event.bytes, payload(shortDigest(digest), event.bytes, size))
    } else hide(event.id)
  }
  return {
    listener,
    stop: () => {
      if (total !== undefined) board.stop()
    }
  }
}

const none: Progress.Listener = () => {}

/** What to tell about a copy, until the scope closes. Nothing when there is to be one JSON document or silence. */
export const listener = (options: {
  readonly quiet: boolean
}): Effect.Effect<Progress.Listener, never, Streams.Streams | Report.Report | Scope.Scope> =>
  Effect.gen(function* () {
    const streams = yield* Streams.Streams
    const { json } = yield* Report.Report
    if (options.quiet) return none
    const { screen } = streams
    if (screen !== undefined) {
      const drawn = yield* Effect.acquireRelease(
        Effect.sync(() => bars(screen)),
        ({ stop }) => Effect.sync(stop)
      )
      return drawn.listener
    }
    if (json) return none
    const runFork = Runtime.runFork(yield* Effect.runtime())
    return lines((text) => runFork(streams.err(text)))
  })
