import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Digest from "../../model/Digest.ts"
import type { PutBlobError } from "./errors.ts"
import * as Session from "./uploadSession.ts"

/** How an upload began: the blob is there, or a session is open. @internal */
export type Outcome = Session.Started["_tag"]

/**
 * The open session of one upload, at most one at a time. Whatever happens, `end` finds it and cancels it: also one that is just being opened
 * when the caller is interrupted.
 *
 * @internal
 */
export interface Slot {
  /** Where requests go and what tokens are for. */
  readonly place: () => Session.Place
  /** From here on tokens are for the repository alone, without those that blobs are mounted from. */
  readonly forgetSources: () => void
  readonly current: () => Session.Session | undefined
  readonly set: (session: Session.Session | undefined) => void
  readonly start: Effect.Effect<Outcome, PutBlobError>
  readonly mount: (digest: Digest.Digest, options: Session.MountOptions) => Effect.Effect<Outcome, PutBlobError>
  /** Cancels the session. */
  readonly abandon: Effect.Effect<void>
  readonly end: (keepSession: boolean) => Effect.Effect<void>
}

/** @internal */
export const make = (initial: Session.Place, algorithm: string, onOpened: (session: Session.Session) => void): Slot => {
  let place = initial
  let session: Session.Session | undefined
  let opening: Fiber.RuntimeFiber<Outcome, PutBlobError> | undefined

  const opened = (started: Session.Started) => {
    if (started._tag === "Created") return
    session = started.session
    onOpened(session)
  }

  /** In a fiber that outlives the caller's interruption. */
  const open = (request: Effect.Effect<Session.Started, PutBlobError>): Effect.Effect<Outcome, PutBlobError> => {
    const noted = Effect.map(request, (started) => {
      opened(started)
      return started._tag
    })
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDaemon(Effect.interruptible(noted)), (fiber) => {
        opening = fiber
        return restore(Effect.async<Outcome, PutBlobError>((resume) => fiber.addObserver(resume)))
      })
    )
  }

  const abandon = Effect.uninterruptible(
    Effect.suspend(() => {
      const abandoned = session
      session = undefined
      return abandoned === undefined ? Effect.void : Session.cancel(place, abandoned)
    })
  )

  /** Whether something is being opened. */
  const unsettled = (): boolean => opening !== undefined && opening.unsafePoll() === null

  /** What is being opened gets a moment to say where it is. */
  const settle = Effect.suspend(() =>
    opening === undefined ? Effect.void : Effect.zipRight(Effect.ignore(Session.inPeace(Fiber.await(opening))), Fiber.interrupt(opening))
  )

  return {
    place: () => place,
    forgetSources: () => {
      place = { ...place, mountFrom: [] }
    },
    current: () => session,
    set: (next) => {
      session = next
    },
    start: Effect.suspend(() => open(Session.start(place, algorithm))),
    mount: (digest, options) => Effect.suspend(() => open(Session.mount(place, digest, options))),
    abandon,
    end: (keepSession) =>
      Effect.suspend(() => {
        const ending = keepSession ? Effect.void : abandon
        return unsettled() ? Effect.uninterruptible(Effect.zipRight(settle, ending)) : ending
      })
  }
}
