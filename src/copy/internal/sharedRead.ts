// One read of a blob for several readers. A few pieces of it are in memory: those that a reader has not taken yet, which is what makes a
// fast reader wait for a slow one, and the last ones, for readers that come a little later or go back a little.
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as PullStream from "../../http/internal/pullStream.ts"
import * as Bell from "./bell.ts"
import * as Window from "./window.ts"

/**
 * The place of one reader. It has taken it from the beginning on: the others do not get far ahead of a reader that has yet to begin, unless
 * it takes too long.
 *
 * @internal
 */
export interface Seat<E> {
  /** The blob from an offset on: out of the shared read where that is still possible, else out of a read of its own. */
  readonly content: { readonly from: (offset: number) => Stream.Stream<Uint8Array, E> }
  /** The reader needs nothing more. */
  readonly leave: Effect.Effect<void>
  /** Waits until the reader has left, or has nothing to do with the others any more. */
  readonly released: Effect.Effect<void>
}

/** @internal */
export interface Options<E> {
  readonly content: Stream.Stream<Uint8Array, E>
  readonly sizeBytes: number
  readonly readers: number
}

/** What is kept of a blob. One that is not larger is read once whenever its readers come. @internal */
export const windowBytes = 512 * 1024

/** A reader that does nothing for so long is left behind, if others wait for it or it has nothing to lose: at most twice this time. */
const patience: Duration.DurationInput = "5 seconds"

interface Place {
  state: "coming" | "reading" | "apart" | "left"
  /** Which opening of the content counts: an earlier one may still be ending. */
  run: number
  /** What the reader has not taken begins here. */
  position: number
  waiting: boolean
  /** Counts signs of life; `seen` is how many there were when it was last looked. */
  signs: number
  seen: number
}

const isActive = ({ state }: Place): boolean => state === "coming" || state === "reading"

/** A stream without its first bytes. */
const dropBytes =
  (count: number) =>
  <E>(self: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E> =>
    Stream.suspend(() => {
      let left = count
      return Stream.mapChunks(self, (chunk) =>
        left === 0
          ? chunk
          : Chunk.filterMap(chunk, (bytes) => {
              const cut = Math.min(left, bytes.byteLength)
              left -= cut
              return cut === bytes.byteLength ? Option.none() : Option.some(bytes.subarray(cut))
            })
      )
    })

/** Seats for a read that begins with the first of them and ends with the scope. @internal */
export const make = <E>({ content, sizeBytes, readers }: Options<E>): Effect.Effect<ReadonlyArray<Seat<E>>, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (readers === 0) return []
    const bell = Bell.make()
    const window = Window.make(windowBytes)
    const places = Array.from(
      { length: readers },
      (): Place => ({ state: "coming", run: 0, position: 0, waiting: false, signs: 0, seen: 0 })
    )
    let begun = false
    let ended: Exit.Exit<void, E> | undefined

    const needed = () => Math.min(...places.filter(isActive).map(({ position }) => position))
    const deserted = () => !places.some(isActive)
    const changed = () => {
      if (deserted()) window.clear()
      else window.trim(needed())
      bell.ring()
    }

    const release = (place: Place, state: "apart" | "left") => {
      place.state = state
      changed()
    }

    // --- reading the source ---

    const hasRoom = () => deserted() || window.end() - needed() < windowBytes

    const keep = (chunk: Chunk.Chunk<Uint8Array>) =>
      Effect.zipRight(
        Effect.forEach(
          Chunk.toReadonlyArray(chunk).flatMap(Window.split),
          (piece) =>
            Effect.map(bell.until(hasRoom), () => {
              window.add(piece)
              changed()
            }),
          { discard: true }
        ),
        Effect.suspend(() => (deserted() ? Effect.fail(Option.none()) : Effect.void))
      )

    const read = Effect.flatMap(PullStream.open(content), (pull) => PullStream.whileThereIsMore(Effect.flatMap(pull, keep))).pipe(
      Effect.scoped,
      Effect.onExit((exit) =>
        Effect.sync(() => {
          ended = exit
          bell.ring()
        })
      ),
      Effect.exit
    )
    yield* Effect.forkScoped(
      Effect.zipRight(
        bell.until(() => begun),
        read
      )
    )

    // --- leaving readers behind ---

    const look = () => {
      const starving = places.some((place) => isActive(place) && place.waiting)
      // As long as nobody has begun or is done, nobody is late.
      const early = !begun && !places.some(({ state }) => state === "left")
      for (const place of places) {
        const harmless = place.state === "coming" || place.position === sizeBytes
        const idle = isActive(place) && !place.waiting && place.signs === place.seen
        if (idle && !early && (starving || harmless)) release(place, "apart")
        place.seen = place.signs
      }
    }
    if (readers > 1) yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.sync(look), patience)))

    // --- one reader ---

    const apart = (offset: number, scope: Scope.Scope) => PullStream.openIn(scope, offset === 0 ? content : dropBytes(offset)(content))

    /** Out of the shared read from an offset on; where that ends for the reader before the blob does, it goes on by itself. */
    const join = (place: Place, offset: number, scope: Scope.Scope): PullStream.Pull<E> => {
      const run = ++place.run
      let position = offset
      let own: PullStream.Pull<E> | undefined
      const isMine = () => place.state === "reading" && place.run === run
      const move = (to: number) => {
        position = to
        place.position = to
        place.signs++
        changed()
      }
      const alone = Effect.suspend(() =>
        Effect.flatMap(Effect.mapError(apart(position, scope), Option.some), (pull) => {
          own = pull
          return pull
        })
      )
      const more = Effect.suspend(() => {
        place.waiting = true
        return Effect.ensuring(
          bell.until(() => !isMine() || ended !== undefined || window.end() > position),
          Effect.sync(() => {
            place.waiting = false
          })
        )
      })
      const next: PullStream.Pull<E> = Effect.suspend(() => {
        if (own !== undefined) return own
        if (!isMine()) return alone
        const bytes = window.from(position)
        if (bytes !== undefined) {
          move(position + bytes.byteLength)
          return Effect.succeed(Chunk.of(bytes))
        }
        if (ended === undefined) return Effect.zipRight(more, next)
        return Exit.isSuccess(ended) ? Effect.fail(Option.none()) : Effect.failCause(Cause.map(ended.cause, Option.some))
      })
      begun = true
      place.state = "reading"
      move(offset)
      return next
    }

    const open = (place: Place, offset: number): Stream.Stream<Uint8Array, E> =>
      PullStream.make((scope) =>
        Effect.suspend(() => {
          if (place.state !== "left" && window.reaches(offset)) return Effect.sync(() => join(place, offset, scope))
          // Nothing of the shared read is of use to this reader any more.
          if (isActive(place)) release(place, "apart")
          return apart(offset, scope)
        })
      )

    return places.map((place) => ({
      content: { from: (offset) => open(place, offset) },
      leave: Effect.sync(() => release(place, "left")),
      released: bell.until(() => !isActive(place))
    }))
  })
