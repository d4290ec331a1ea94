// One read of a blob for several readers. A few pieces of it are in memory, those that a reader has not taken yet: this is what makes a fast
// reader wait for a slow one.
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { skipping } from "../../client/internal/skipping.ts"
import * as PullStream from "../../http/internal/pullStream.ts"
import * as Interruption from "../../model/internal/interruption.ts"
import * as Bell from "./bell.ts"
import * as Window from "./window.ts"

/**
 * The place of one reader. It has taken it from the beginning on: the others do not get far ahead of a reader that has yet to begin, unless
 * it takes too long.
 *
 * @internal
 */
export interface Seat<E> {
  /** The blob from an offset on: out of the shared read when that is all of it for the first time, else out of a read of its own. */
  readonly content: { readonly from: (offset: number) => Stream.Stream<Uint8Array, E> }
  /** The reader needs nothing more. */
  readonly leave: Effect.Effect<void>
  /** Waits until nobody has to wait for the reader any more: it has left, reads by itself, or does nothing while the others are done. */
  readonly released: Effect.Effect<void>
}

/** How far the fastest reader gets ahead of the slowest. @internal */
export const windowBytes = 512 * 1024

/** A reader that does nothing for so long is late, if anybody waits for it: at most twice this time. */
const patience: Duration.DurationInput = "5 seconds"

interface Place {
  /** One that is `late` still gets what is in memory, while the others are done; one that is `apart` goes on by itself. */
  state: "coming" | "reading" | "late" | "apart" | "left"
  /** What the reader has not taken begins here. */
  position: number
  waiting: boolean
  /** Counts signs of life; `seen` is how many there were when it was last looked. */
  signs: number
  seen: number
}

const isHere = ({ state }: Place): boolean => state !== "apart" && state !== "left"

/** Seats for a read that begins with the first of them and ends with the scope. @internal */
export const make = <E>(
  content: Stream.Stream<Uint8Array, E>,
  readers: number
): Effect.Effect<ReadonlyArray<Seat<E>>, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (readers === 0) return []
    const bell = Bell.make()
    const window = Window.make()
    const places = Array.from({ length: readers }, (): Place => ({ state: "coming", position: 0, waiting: false, signs: 0, seen: 0 }))
    let begun = false
    let ended: Exit.Exit<void, E> | undefined

    /** Where the slowest reader is; at infinity when there is none. */
    const needed = () => Math.min(...places.filter(isHere).map(({ position }) => position))
    const hasRoom = () => window.end() - needed() < windowBytes

    const changed = () => {
      window.trim(needed())
      bell.ring()
    }

    const become = (place: Place, state: Place["state"]) => {
      place.state = state
      changed()
    }

    // --- reading the source ---

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
        Effect.suspend(() => (places.some(isHere) ? Effect.void : Effect.fail(Option.none())))
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
    yield* bell.until(() => begun).pipe(Effect.zipRight(read), Interruption.lasting, Effect.forkScoped)

    // --- leaving readers behind ---

    const look = () => {
      const starving = !hasRoom() && places.some((place) => isHere(place) && place.waiting)
      const done = ended !== undefined || places.some(({ state }) => state === "left")
      for (const place of places) {
        const idle = isHere(place) && !place.waiting && place.signs === place.seen
        // For one that has yet to begin nothing is kept: there may be many of them, one for each blob.
        if (idle && (starving || (done && place.state === "coming"))) become(place, "apart")
        else if (idle && done) become(place, "late")
        place.seen = place.signs
      }
    }
    if (readers > 1) yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.sync(look), patience)))

    // --- one reader ---

    const apart = (offset: number, scope: Scope.Scope) => Effect.map(PullStream.openIn(scope, content), (pull) => skipping(pull, offset))

    /** Out of the shared read; who is left behind goes on by itself. */
    const join = (place: Place, scope: Scope.Scope): PullStream.Pull<E> => {
      let own: PullStream.Pull<E> | undefined
      const alone = Effect.suspend(() =>
        Effect.flatMap(Effect.mapError(apart(place.position, scope), Option.some), (pull) => {
          own = pull
          return pull
        })
      )
      const more = Effect.suspend(() => {
        place.waiting = true
        return Effect.ensuring(
          bell.until(() => !isHere(place) || ended !== undefined || window.end() > place.position),
          Effect.sync(() => {
            place.waiting = false
          })
        )
      })
      const take = (bytes: Uint8Array) => {
        place.position += bytes.byteLength
        place.signs++
        changed()
        return Chunk.of(bytes)
      }
      const next: PullStream.Pull<E> = Effect.suspend(() => {
        if (own !== undefined) return own
        if (!isHere(place)) return alone
        const bytes = window.from(place.position)
        if (bytes !== undefined) return Effect.succeed(take(bytes))
        if (ended === undefined) return Effect.zipRight(more, next)
        return Exit.isSuccess(ended) ? Effect.fail(Option.none()) : Effect.failCause(Cause.map(ended.cause, Option.some))
      })
      begun = true
      place.signs++
      become(place, "reading")
      return next
    }

    const open = (place: Place, offset: number): Stream.Stream<Uint8Array, E> =>
      PullStream.make((scope) =>
        Effect.suspend(() => {
          if (place.state === "coming" && offset === 0) return Effect.succeed(join(place, scope))
          if (isHere(place)) become(place, "apart")
          return apart(offset, scope)
        })
      )

    return places.map((place) => ({
      content: { from: (offset) => open(place, offset) },
      leave: Effect.sync(() => become(place, "left")),
      released: bell.until(() => place.state !== "coming" && place.state !== "reading")
    }))
  })
