/**
 * A parser of bytes that arrive in any pieces, written as if they could be waited for: a generator that asks for more when it needs them.
 * So it can be fed while the bytes go elsewhere, and costs no Effect for each field it reads.
 *
 * @internal
 */
import * as Effect from "effect/Effect"

/** What a parser says when it gives way: it needs more, others may run for a moment, or it has found what it cannot go on with. @internal */
export type Ask<P> = "more" | "rest" | { readonly problem: P }

/** A part of a parser. It is given more bytes, or nothing when there are no more. @internal */
export type Reading<A, P> = Generator<Ask<P>, A, Uint8Array | undefined>

/** Nobody goes on with a parser that has a problem. @internal */
export function* refuse<P>(problem: P): Reading<never, P> {
  for (;;) yield { problem }
}

/** What a parser reads from. @internal */
export interface Source {
  /** What is there of the next bytes, at least one and at most `limit`; nothing at the end. */
  readonly some: (limit: number) => Reading<Uint8Array | undefined, never>
  /** The next bytes; fewer at the end. */
  readonly upTo: (count: number) => Reading<Uint8Array, never>
}

/** @internal */
export const source = (): Source => {
  let held: Uint8Array = new Uint8Array()
  let ended = false

  const some: Source["some"] = function* (limit) {
    while (held.length === 0 && !ended) {
      const next = yield "more"
      if (next === undefined) ended = true
      else held = next
    }
    if (held.length === 0) return undefined
    const bytes = held.subarray(0, limit)
    held = held.subarray(bytes.length)
    return bytes
  }

  const upTo: Source["upTo"] = function* (count) {
    if (count === 0) return new Uint8Array()
    const first = (yield* some(count)) ?? new Uint8Array()
    if (first.length === 0 || first.length === count) return first
    // What was given is not kept while more is asked for.
    const bytes = new Uint8Array(count)
    bytes.set(first)
    let length = first.length
    while (length < count) {
      const piece = yield* some(count - length)
      if (piece === undefined) break
      bytes.set(piece, length)
      length += piece.length
    }
    return bytes.subarray(0, length)
  }

  return { some, upTo }
}

/** A parser that is running. @internal */
export interface Running<A, P> {
  /** Gives it the next bytes. */
  readonly push: (bytes: Uint8Array) => Effect.Effect<void, P>
  /** What it has made of all bytes. */
  readonly end: Effect.Effect<A, P>
}

/** Starts a parser. One that is done takes no notice of further bytes. @internal */
export const run = <A, P>(reading: Reading<A, P>): Running<A, P> => {
  let step = reading.next()

  /** Other fibers may run, and by a clock that goes also timers and sockets, which wait for the event loop. */
  const rest = Effect.zipRight(Effect.yieldNow(), Effect.sleep(0))

  /** Until it needs more. */
  const settle: Effect.Effect<void, P> = Effect.suspend(() => {
    if (step.done === true || step.value === "more") return Effect.void
    if (step.value !== "rest") return Effect.fail(step.value.problem)
    return Effect.zipRight(
      rest,
      Effect.suspend(() => {
        step = reading.next(undefined)
        return settle
      })
    )
  })

  const give = (bytes: Uint8Array | undefined): Effect.Effect<void, P> =>
    Effect.suspend(() => {
      if (step.done !== true && step.value === "more") step = reading.next(bytes)
      return settle
    })

  return {
    push: (bytes) => (bytes.length === 0 ? Effect.void : give(bytes)),
    end: Effect.flatMap(give(undefined), () =>
      step.done === true ? Effect.succeed(step.value) : Effect.dieMessage("a parser asks for more than there is")
    )
  }
}
