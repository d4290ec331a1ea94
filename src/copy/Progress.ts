/**
 * What happens while content moves, as events.
 *
 * Each piece of content has a stable `id`, its digest at its target. It is `Started`, `Advanced` any number of times with the bytes so far,
 * and ends in one of `Skipped` (it was there), `Mounted` (taken over inside the registry), `Done` or `Failed`. Bytes so far never fall,
 * also when some are sent again.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type * as Descriptor from "../model/Descriptor.ts"

/** A piece of content on its way to a place; `target` is the place's label. @since 0.1.0 */
export interface Item {
  readonly id: string
  readonly descriptor: Descriptor.Descriptor
  readonly target: string
}

/** @since 0.1.0 */
export type Event =
  | (Item & { readonly _tag: "Started" })
  | (Item & { readonly _tag: "Advanced"; readonly bytes: number })
  | (Item & { readonly _tag: "Skipped" })
  | (Item & { readonly _tag: "Mounted" })
  | (Item & { readonly _tag: "Done" })
  | (Item & { readonly _tag: "Failed"; readonly error: unknown })

/** Told about every event as it happens; it should return at once. @since 0.1.0 */
export type Listener = (event: Event) => void

/**
 * What the events so far add up to. `totalBytes` is the size of all that was started, `completeBytes` what of it is in its place; neither
 * ever falls, and at the end of a copy that succeeded they are equal.
 *
 * @since 0.1.0
 */
export interface Summary {
  readonly totalBytes: number
  readonly completeBytes: number
  readonly active: number
  readonly done: number
  readonly skipped: number
  readonly mounted: number
  readonly failed: number
}

/** @since 0.1.0 */
export const empty: Summary = { totalBytes: 0, completeBytes: 0, active: 0, done: 0, skipped: 0, mounted: 0, failed: 0 }

/** Adds events up. One for each reader: it remembers how far each piece is. @since 0.1.0 */
export const summarize = (): ((event: Event) => Summary) => {
  const reached = new Map<string, number>()
  let summary = empty
  const end = (event: Event, counter: "done" | "skipped" | "mounted"): Summary => ({
    ...advance(event, event.descriptor.size),
    active: summary.active - 1,
    [counter]: summary[counter] + 1
  })
  const advance = (event: Event, bytes: number): Summary => {
    const before = reached.get(event.id) ?? 0
    const now = Math.max(before, Math.min(bytes, event.descriptor.size))
    reached.set(event.id, now)
    return { ...summary, completeBytes: summary.completeBytes + now - before }
  }
  const next = (event: Event): Summary => {
    switch (event._tag) {
      case "Started": {
        const known = reached.has(event.id)
        if (!known) reached.set(event.id, 0)
        return { ...summary, active: summary.active + 1, totalBytes: summary.totalBytes + (known ? 0 : event.descriptor.size) }
      }
      case "Advanced":
        return advance(event, event.bytes)
      case "Skipped":
        return end(event, "skipped")
      case "Mounted":
        return end(event, "mounted")
      case "Done":
        return end(event, "done")
      case "Failed":
        return { ...summary, active: summary.active - 1, failed: summary.failed + 1 }
    }
  }
  return (event) => {
    summary = next(event)
    return summary
  }
}

/**
 * The events of something that reports to a listener, and its failure, as a stream. A reader that is slow does not hold it up: of the
 * advances it missed it is told the last one of each piece of content, and all other events.
 *
 * @since 0.1.0
 */
export const toStream = <A, E, R>(run: (listener: Listener) => Effect.Effect<A, E, R>): Stream.Stream<Event, E, R> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      let waiting: Array<Event> = []
      const advanced = new Map<string, number>()
      let exit: Exit.Exit<A, E> | undefined
      let wake: (() => void) | undefined
      const notify = () => {
        const resume = wake
        wake = undefined
        resume?.()
      }
      const listener: Listener = (event) => {
        const at = event._tag === "Advanced" ? advanced.get(event.id) : undefined
        if (at !== undefined) waiting[at] = event
        else {
          if (event._tag === "Advanced") advanced.set(event.id, waiting.length)
          else advanced.delete(event.id)
          waiting.push(event)
        }
        notify()
      }
      yield* Effect.forkScoped(
        Effect.onExit(run(listener), (ended) =>
          Effect.sync(() => {
            exit = ended
            notify()
          })
        )
      )
      const ready = Effect.async<void>((resume) => {
        if (waiting.length > 0 || exit !== undefined) resume(Effect.void)
        else wake = () => resume(Effect.void)
      })
      const take = Effect.map(ready, () => {
        const events = waiting
        waiting = []
        advanced.clear()
        return events
      })
      const rest: Stream.Stream<Event, E> = Stream.unwrap(
        Effect.map(take, (events) => {
          const now = Stream.fromIterable(events)
          if (exit === undefined || waiting.length > 0)
            return Stream.concat(
              now,
              Stream.suspend(() => rest)
            )
          return Exit.isSuccess(exit) ? now : Stream.concat(now, Stream.failCause(exit.cause))
        })
      )
      return rest
    })
  )
