import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Stream from "effect/Stream"
import * as PullStream from "../../http/internal/pullStream.ts"
import * as Interruption from "../../model/internal/interruption.ts"
import { sizeOf, stepBytes } from "./uploadContent.ts"

/**
 * Content that is read once, however often the requests break that send it. Its last bytes are kept, for what was on its way when a
 * connection broke; only what lies further back is read again.
 *
 * @internal
 */
export interface UploadSource<E> {
  /** The bytes from `offset` on. Whoever runs it takes over: who ran it before gets nothing more. */
  readonly from: (offset: number) => Stream.Stream<Uint8Array, E>
  /** Reads ahead, so that the first bytes are at hand when they are wanted. */
  readonly begin: Effect.Effect<void>
  /** Waits until there is a byte at `offset`, or the end. */
  readonly ready: (offset: number) => Effect.Effect<void, E>
  /** How far it was read. */
  readonly reached: () => number
  /** Lets go of the stream. */
  readonly close: Effect.Effect<void>
}

/** The sources that are read at the same time. @internal */
export interface Company {
  open: number
}

const MiB = 1024 * 1024

/**
 * More than a connection has on its way in the buffers of both ends and of the network. Many at once share the network, and what memory there
 * is for this.
 */
const keptBytes = ({ open }: Company): number => Math.max(MiB / 2, Math.min(4 * MiB, (12 * MiB) / open))

/** More than that is kept for a while, so that what stays is not moved for each piece that goes. */
const slackBytes = 512 * 1024

type Bytes = Chunk.Chunk<Uint8Array>

/** The last bytes of what was read. */
class Tail {
  private blocks: Array<Uint8Array> = []
  private readonly company: Company
  start: number
  end: number

  constructor(company: Company, position: number) {
    this.company = company
    this.start = position
    this.end = position
  }

  add(chunk: Bytes): void {
    for (const bytes of chunk) {
      this.blocks.push(bytes)
      this.end += bytes.byteLength
    }
  }

  /** Forgets what lies further back than is kept. */
  trim(): void {
    const kept = keptBytes(this.company)
    if (this.end - this.start < kept + slackBytes) return
    let count = 0
    for (const { byteLength } of this.blocks) {
      if (this.end - this.start - byteLength < kept) break
      this.start += byteLength
      count++
    }
    this.blocks = this.blocks.slice(count)
  }

  /** What follows a position that is kept, in steps in which a connection is seen to be alive. */
  from(position: number): Bytes {
    let index = this.blocks.length
    let start = this.end
    while (start > position && index > 0) start -= this.blocks[--index]?.byteLength ?? 0
    const wanted: Array<Uint8Array> = []
    let size = 0
    for (; size < stepBytes && index < this.blocks.length; index++) {
      const block = this.blocks[index] ?? new Uint8Array(0)
      const piece = block.subarray(Math.max(0, position - start))
      wanted.push(piece)
      size += piece.byteLength
      start += block.byteLength
    }
    return Chunk.unsafeFromArray(wanted)
  }
}

/**
 * `open` gives a stream; when it `seeks`, one that begins at the offset, else one that begins at 0. `company` counts what is read beside it.
 *
 * @internal
 */
export const make = <E>(
  runtime: Runtime.Runtime<never>,
  open: (offset: number) => Stream.Stream<Uint8Array, E>,
  seeks: boolean,
  company: Company = { open: 0 }
): UploadSource<E> => {
  let tail = new Tail(company, 0)
  let reading: Fiber.RuntimeFiber<void> | undefined
  /** Lets it read on. */
  let proceed: (() => void) | undefined
  let waiting: Array<() => void> = []
  let end: Cause.Cause<Option.Option<E>> | undefined
  let readers = 0
  /** Whether it is one of the company. */
  let joined = false

  const wake = () => {
    const woken = waiting
    waiting = []
    for (const resume of woken) resume()
  }

  /** Reads no further than somebody waits for. */
  const rest = Effect.async<void>((resume) => {
    proceed = () => {
      proceed = undefined
      // Whoever waits stands at the end: nothing is forgotten that was not given out.
      tail.trim()
      resume(Effect.void)
    }
    // It may have yielded since it woke who waited before.
    if (waiting.length > 0) proceed()
  })

  const take = (chunk: Bytes): Effect.Effect<void> => {
    tail.add(chunk)
    wake()
    return rest
  }

  const over = (cause: Cause.Cause<Option.Option<E>>) => {
    end = cause
    wake()
  }

  const read = Effect.suspend(() => PullStream.forEachChunk(open(tail.end), take)).pipe(
    Effect.matchCause({
      onSuccess: () => over(Cause.fail(Option.none())),
      onFailure: (cause) => over(Cause.map(cause, Option.some))
    }),
    Interruption.lasting,
    Effect.interruptible
  )

  const start = () => {
    if (!joined) company.open++
    joined = true
    // Not at once: what it wakes may come back here.
    reading = Runtime.runFork(runtime, read, { immediate: false })
  }

  /**
   * Waits for what follows the position. It is read in a fiber that the end of a request does not interrupt: a stream does not stand that in the
   * middle of a step.
   */
  const after = <A, E2>(position: number, next: Effect.Effect<A, E2>): Effect.Effect<A, E2> =>
    Effect.async((resume) => {
      if (position < tail.end || end !== undefined) return resume(next)
      waiting.push(() => resume(next))
      if (reading === undefined) start()
      else proceed?.()
    })

  /** Ends as the finalizers of the stream do. */
  const stop = Effect.suspend(() => {
    if (reading === undefined || end !== undefined) return Effect.void
    return Effect.flatMap(Fiber.interrupt(reading), (exit) => {
      const defects = Exit.isFailure(exit) ? Cause.keepDefects(exit.cause) : Option.none()
      return Option.isSome(defects) ? Effect.failCause(defects.value) : Effect.void
    })
  })

  /** Begins anew where the position is not kept and will not come. */
  const seek = (position: number): Effect.Effect<void> => {
    if (position >= tail.start && (position <= tail.end || !seeks)) return Effect.void
    const reset = Effect.map(stop, () => {
      reading = undefined
      proceed = undefined
      end = undefined
      tail = new Tail(company, seeks ? position : 0)
      wake()
    })
    return Effect.uninterruptible(reset)
  }

  const pullFrom = (offset: number): PullStream.Pull<E> => {
    const reader = ++readers
    let position = offset
    const next: PullStream.Pull<E> = Effect.suspend(() => {
      if (reader !== readers) return Effect.never
      if (position < tail.start) return Effect.zipRight(seek(position), next)
      if (position < tail.end) {
        const chunk = tail.from(position)
        position += sizeOf(chunk)
        return Effect.succeed(chunk)
      }
      return end === undefined ? after(position, next) : Effect.failCause(end)
    })
    return next
  }

  const there = (position: number): Effect.Effect<void, E> =>
    Effect.suspend(() => {
      if (position < tail.end) return Effect.void
      if (end === undefined) return after(position, there(position))
      const failure = Cause.flipCauseOption(end)
      return Option.isNone(failure) ? Effect.void : Effect.failCause(failure.value)
    })

  return {
    from: (offset) => PullStream.make(() => Effect.suspend(() => Effect.map(seek(offset), () => pullFrom(offset)))),
    begin: Effect.sync(() => {
      if (reading === undefined) start()
    }),
    ready: (offset) => Effect.suspend(() => Effect.zipRight(seek(offset), there(offset))),
    reached: () => tail.end,
    close: Effect.suspend(() => {
      if (joined) company.open--
      joined = false
      // Who still reads gets nothing more.
      readers++
      return stop
    })
  }
}
