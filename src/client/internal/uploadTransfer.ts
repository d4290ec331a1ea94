import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Digest from "../../model/Digest.ts"
import type { SizeMismatch } from "../../model/RegistryError.ts"
import type * as RetryPolicy from "../../transport/RetryPolicy.ts"
import { waitAfter } from "./backoff.ts"
import { existsForUpload } from "./blobExists.ts"
import type { PutBlobError } from "./errors.ts"
import * as Content from "./uploadContent.ts"
import * as UploadPlans from "./uploadPlan.ts"
import * as Session from "./uploadSession.ts"
import * as Slot from "./uploadSlot.ts"

/** @internal */
export interface Options {
  readonly chunkBytes: number
  readonly maxResumes: number
  readonly policy: Pick<RetryPolicy.Service, "maxRetryAfter" | "maxThrottled" | "retriesStatus">
  readonly onSession?: ((session: { readonly location: string; readonly offset: number }) => void) | undefined
}

/**
 * A piece of a blob, and the digest that closes the upload at its end; without one there is more to come. `ready` waits for the bytes at an
 * offset: a request that set out before them would hold a place and a token that may end meanwhile.
 *
 * @internal
 */
export interface Part<E> {
  readonly content: Content.Content<E>
  readonly digest?: Digest.Digest | undefined
  readonly ready?: ((offset: number) => Effect.Effect<void, E>) | undefined
}

/**
 * One upload and how far it got. Two turns alternate: send from where the registry is, and after a failure ask it where that is. A session
 * that is gone was closed, its answer lost, or the upload begins anew.
 *
 * @internal
 */
export interface Transfer {
  readonly slot: Slot.Slot
  /** Sets the plans to try, the one to begin with first. */
  readonly choose: (plans: ReadonlyArray<UploadPlans.Plan>) => void
  readonly plan: () => UploadPlans.Plan
  readonly offset: () => number
  /** How long a chunk is. */
  readonly chunkBytes: () => number
  /** Whether chunks can be kept until they are stored. */
  readonly canKeep: () => boolean
  readonly start: Effect.Effect<void, PutBlobError>
  /** Asks how far the session in the slot is, one of an earlier upload; true when the registry turns out to have the blob. */
  readonly resume: (sizeBytes: number, digest: Digest.Digest) => Effect.Effect<boolean, PutBlobError>
  /**
   * Sends a part to its end, as often as needed. A part without digest may end short of it: when the plan turns to a stream, and when what is
   * left is shorter than a chunk may be. The next part begins at `offset`.
   */
  readonly send: <E>(part: Part<E>) => Effect.Effect<void, PutBlobError | E>
  /** Sends all content in one request without knowing its length. */
  readonly pour: <E>(content: Content.Unmeasured<E>) => Effect.Effect<void, PutBlobError | E>
}

/**
 * What a registry may take to notice that a connection broke, and to store what came by it: asked before that, it tells of less than it has,
 * and refuses what is sent again.
 */
const settling = Duration.millis(100)

const pause = (wait: Duration.Duration): Effect.Effect<void> => (Duration.equals(wait, Duration.zero) ? Effect.void : Effect.sleep(wait))

const fromStart = ({ start, replayable }: Content.Content<unknown>): boolean => replayable && start === 0

/** What the registry says it has; none, and no session any more, when it does not know the upload. */
const ask = (slot: Slot.Slot, session: Session.Session) => {
  const gone = () =>
    Effect.sync(() => {
      slot.set(undefined)
      return Option.none()
    })
  // It knows the upload and does not want to go on with it.
  const unfit = () => Effect.as(slot.abandon, Option.none())
  // There is no telling, where a registry has no such endpoint.
  const silent = () => Effect.succeedSome({ location: session.location, receivedBytes: undefined })
  return Effect.catchTags(Effect.asSome(Session.status(slot.place(), session)), {
    BlobUploadUnknown: gone,
    BlobUnknown: gone,
    NameUnknown: gone,
    BlobUploadInvalid: unfit,
    RangeInvalid: unfit,
    Unsupported: silent,
    UnknownRegistryError: silent
  })
}

/** @internal */
export const make = (place: Session.Place, algorithm: string, learned: UploadPlans.Memory, options: Options): Transfer => {
  const { registry } = place.repository
  const { maxResumes, policy } = options
  let plans: ReadonlyArray<UploadPlans.Plan> = ["single"]
  const refusedPlans = new Set<UploadPlans.Plan>()
  let chunkBytes = UploadPlans.chunkBytesFor(options.chunkBytes, learned, registry)
  /** What the registry has by its own answers to what was sent. */
  let confirmed = 0
  /** Whether this session was gone on with after a failure. */
  let resumed = false
  let furthest = 0
  let fruitless = 0
  let throttled = 0
  let lastFailure = ""

  const moveTo = (session: Session.Session) => {
    slot.set(session)
    if (session.offset > furthest) {
      furthest = session.offset
      fruitless = 0
      throttled = 0
    }
    options.onSession?.({ location: session.location, offset: session.offset })
  }

  const slot = Slot.make(place, algorithm, (session) => {
    confirmed = 0
    resumed = false
    moveTo(session)
  })

  const plan = () => plans[0] ?? "single"
  const offset = () => slot.current()?.offset ?? 0
  const currentChunkBytes = () => Math.max(chunkBytes, slot.current()?.minChunkBytes ?? 0)
  const failed = (reason: string) =>
    Session.failed(slot.place(), lastFailure === "" ? reason : `${reason} (the upload broke off: ${lastFailure})`, furthest)

  const remember = () => {
    if (refusedPlans.size === 0) return
    learned.refusedPlans.set(registry, new Set([...refusedPlans, ...(learned.refusedPlans.get(registry) ?? [])]))
  }

  /** Another session, from the first byte on. */
  const restart = Effect.fnUntraced(function* (content: Content.Content<unknown>) {
    yield* slot.abandon
    if (!fromStart(content)) return yield* failed("the content cannot be read again")
    yield* start
  })

  /** Asks the registry how far it got; true when it turns out to have the whole blob. */
  const recover = Effect.fnUntraced(function* ({ content, digest }: Part<unknown>, refusedOffset: number | undefined) {
    const session = slot.current()
    const asked = session === undefined ? Option.none() : yield* ask(slot, session)
    const receivedBytes = Option.getOrUndefined(asked)?.receivedBytes
    if (receivedBytes === undefined && digest !== undefined && (yield* existsForUpload(slot.place(), digest))) return true
    if (session !== undefined && Option.isSome(asked)) {
      resumed = true
      const next = UploadPlans.nextOffset(receivedBytes, confirmed, refusedOffset)
      const sendable = next !== undefined && next >= content.start && next <= content.end && (content.replayable || next === content.end)
      if (sendable) {
        moveTo({ ...session, location: asked.value.location, offset: next })
        return false
      }
    }
    yield* restart(content)
    return false
  })

  /** How long to wait after a failure: as the registry asks, else the longer the more there were. Both are counted, in a row without progress. */
  const waitFor = (retryAfter: Duration.Duration | undefined, least: Duration.Duration): Option.Option<Duration.Duration> => {
    if (retryAfter !== undefined && Duration.greaterThan(retryAfter, Duration.zero)) {
      throttled++
      return throttled > policy.maxThrottled || Duration.greaterThan(retryAfter, policy.maxRetryAfter)
        ? Option.none()
        : Option.some(retryAfter)
    }
    fruitless++
    return fruitless > maxResumes ? Option.none() : Option.some(Duration.max(waitAfter(fruitless), least))
  }

  /** After a failure: waits, and `recovery` says how to go on. */
  const again = (
    error: PutBlobError,
    retryAfter: Duration.Duration | undefined,
    recovery: Effect.Effect<boolean, PutBlobError>,
    least = Duration.zero
  ): Effect.Effect<boolean, PutBlobError> =>
    Effect.suspend(() => {
      lastFailure = error.message
      const wait = waitFor(retryAfter, least)
      if (Option.isNone(wait)) return Effect.fail(error)
      const recovering = Effect.catchTags(recovery, {
        TransportError: (failure) => again(failure, undefined, recovery),
        Unavailable: (failure) => again(failure, failure.retryAfter, recovery),
        TooManyRequests: (failure) => again(failure, failure.retryAfter, recovery)
      })
      return Effect.zipRight(pause(wait.value), recovering)
    })

  const refused = Effect.fnUntraced(function* (part: Part<unknown>, refusal: Session.Refused, length: number) {
    const { status, error, retryAfter } = refusal
    if (!part.content.replayable) return yield* error
    const verdict = UploadPlans.verdict({
      status,
      passing: policy.retriesStatus("PUT", status),
      digestInvalid: error._tag === "DigestInvalid",
      plan: plan(),
      otherPlans: plans.slice(1),
      offset: offset(),
      length,
      chunkBytes: currentChunkBytes(),
      minChunkBytes: slot.current()?.minChunkBytes ?? 0,
      resumed,
      fruitless
    })
    if (verdict._tag === "plan" && status !== 413) refusedPlans.add(plan())
    if ((verdict._tag === "plan" || verdict._tag === "anew") && !fromStart(part.content)) {
      // This upload is lost; the next one will know.
      remember()
      return yield* error
    }
    const beginAnew = Effect.as(restart(part.content), false)
    switch (verdict._tag) {
      case "up":
        return yield* error
      case "on":
        return yield* again(error, retryAfter, recover(part, status === 416 || status === 404 ? offset() : undefined))
      case "anew":
        return yield* again(error, retryAfter, beginAnew)
      case "chunks":
        UploadPlans.noteTooLarge(learned.tooLargeChunk, registry, length)
        chunkBytes = verdict.chunkBytes
        return false
      case "plan":
        if (status === 413) UploadPlans.noteTooLarge(learned.tooLargeBody, registry, length)
        plans = plans.slice(plans.indexOf(verdict.plan))
        return yield* beginAnew
    }
  })

  const broke = (part: Part<unknown>, error: PutBlobError): Effect.Effect<boolean, PutBlobError> =>
    error._tag === "TransportError" ? again(error, undefined, recover(part, undefined), settling) : Effect.fail(error)

  const notOpen = () => failed("no upload is open")

  /** Sends the rest of a part or the next chunk of it; true when the blob is stored. */
  const turn = <E>(part: Part<E>): Effect.Effect<boolean, PutBlobError | SizeMismatch | E> =>
    Effect.gen(function* () {
      const { content, digest, ready } = part
      const session = slot.current() ?? (yield* notOpen())
      const left = content.end - session.offset
      if (left > 0 && ready !== undefined) yield* ready(session.offset)
      const length = plan() === "chunked" ? UploadPlans.pieceLength(left, chunkBytes, session.minChunkBytes) : left
      const piece: Session.Piece = {
        body: content.body(session.offset, length),
        length,
        ranged: plan() === "chunked" || session.offset > 0 || resumed,
        replayable: content.replayable
      }
      const closing = digest !== undefined && (plan() === "single" || left === 0)
      const outcome = yield* Effect.either(
        closing ? Session.finish(slot.place(), session, digest, piece) : Session.patch(slot.place(), session, piece)
      )
      const broken = content.broken()
      if (broken !== undefined) return yield* Effect.failCause(broken)
      if (Either.isLeft(outcome)) return yield* broke(part, outcome.left)
      if (outcome.right._tag === "Refused") return yield* refused(part, outcome.right, length)
      confirmed = outcome.right.session.offset
      moveTo(outcome.right.session)
      return closing
    })

  const sent = ({ content, digest }: Part<unknown>): boolean => {
    if (digest !== undefined) return false
    const least = resumed ? Math.max(1, slot.current()?.minChunkBytes ?? 0) : 1
    return plan() === "streamed" || content.end - offset() < least
  }

  const send = <E>(part: Part<E>): Effect.Effect<void, PutBlobError | E> =>
    Effect.suspend(() => {
      if (sent(part)) return Effect.void
      return Effect.flatMap(turn(part), (stored) => {
        if (!stored) return send(part)
        slot.set(undefined)
        remember()
        return Effect.void
      })
    })

  const pour = <E>({ body, sentBytes, ended, broken }: Content.Unmeasured<E>): Effect.Effect<void, PutBlobError | E> =>
    Effect.gen(function* () {
      const session = slot.current() ?? (yield* notOpen())
      const piece = { body, length: undefined, ranged: false, replayable: false }
      const outcome = yield* Effect.either(Session.patch(slot.place(), session, piece))
      const cause = broken()
      if (cause !== undefined) return yield* Effect.failCause(cause)
      if (Either.isLeft(outcome)) {
        lastFailure = outcome.left.message
        if (outcome.left._tag === "TransportError" && !ended()) return yield* failed("the content cannot be read again")
        // All of it may have arrived although the answer did not.
        yield* broke({ content: Content.fromBlocks(sentBytes(), [], () => {}) }, outcome.left)
        return
      }
      if (outcome.right._tag === "Refused") return yield* outcome.right.error
      confirmed = sentBytes()
      moveTo({ ...outcome.right.session, offset: confirmed })
    })

  const resume: Transfer["resume"] = (sizeBytes, digest) =>
    Effect.suspend(() => {
      confirmed = offset()
      // Nothing was read yet, so everything can be.
      const content = { ...Content.fromBlocks(0, [], () => {}), end: sizeBytes }
      return recover({ content, digest }, undefined)
    })

  const start = Effect.flatMap(slot.start, (outcome) => (outcome === "Opened" ? Effect.void : failed("the registry opened no upload")))

  return {
    slot,
    start,
    choose: (next) => {
      plans = next
    },
    plan,
    offset,
    chunkBytes: currentChunkBytes,
    canKeep: () => UploadPlans.canKeep(slot.current()?.minChunkBytes ?? 0),
    resume,
    send,
    pour
  }
}
