import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Digest from "../../model/Digest.ts"
import type { HostSettings, UploadPlan } from "../../transport/RegistryHosts.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { existsForUpload } from "./blobExists.ts"
import { type PutBlobError, uploadTags } from "./errors.ts"
import * as Content from "./uploadContent.ts"
import * as UploadPlans from "./uploadPlan.ts"
import * as Session from "./uploadSession.ts"

/** @internal */
export interface Options {
  readonly plan?: UploadPlan | undefined
  readonly chunkBytes?: number | undefined
  readonly maxResumes?: number | undefined
  readonly keepSession?: boolean | undefined
  readonly onSession?: ((session: { readonly location: string; readonly offset: number }) => void) | undefined
}

/** How often in a row sending may fail without progress. @internal */
export const defaultMaxResumes = 5

const longestWaitMillis = 300_000

/** The wait before content is sent again: what the registry asked for, else 100 ms doubling to 5 s from the second failure on. @internal */
export const waitBeforeResuming = (fruitless: number, retryAfter: Duration.Duration | undefined): Effect.Effect<void> => {
  const own = fruitless < 2 ? 0 : Math.min(5000, 100 * 2 ** (fruitless - 2))
  const asked = retryAfter === undefined ? 0 : Math.min(Duration.toMillis(retryAfter), longestWaitMillis)
  const wait = Math.max(own, asked)
  return wait === 0 ? Effect.void : Effect.sleep(Duration.millis(wait))
}

/** Sends the rest of the content from the session's offset on, or the next chunk of it. */
const send = (
  place: Session.Place,
  session: Session.Session,
  digest: Digest.Digest,
  content: Content.Content,
  plan: UploadPlans.Plan,
  chunkBytes: number
) => {
  const { sizeBytes, replayable } = content
  const left = sizeBytes - session.offset
  if (plan === "single" || left === 0) {
    const body = content.body(session.offset, left)
    return Session.finish(place, session, digest, { body, length: left, ranged: session.offset > 0, replayable })
  }
  const length = plan === "streamed" ? left : Math.min(left, Math.max(chunkBytes, session.minChunkBytes))
  const ranged = plan === "chunked" || session.offset > 0
  return Session.patch(place, session, { body: content.body(session.offset, length), length, ranged, replayable })
}

/**
 * Uploads content that can be read from any offset. Two turns alternate: send from where the registry is, and after a failure ask it where
 * that is. A session that is gone was either closed, its answer lost, or is begun anew.
 *
 * @internal
 */
export const upload = <E>(
  place: Session.Place,
  settings: HostSettings,
  learned: UploadPlans.Memory,
  digest: Digest.Digest,
  content: Content.Content,
  options: Options,
  opened: Session.Session
): Effect.Effect<void, PutBlobError | E> =>
  Effect.gen(function* () {
    const { registry } = place.repository
    const maxResumes = options.maxResumes ?? defaultMaxResumes
    const plans = UploadPlans.plansFor(options.plan ?? settings.uploadPlan, learned.plans.get(registry))
    let chunkBytes = UploadPlans.chunkBytesFor(options, settings, learned, registry)
    let planIndex = 0
    let fruitless = 0
    let furthest = opened.offset
    let session = opened

    const reach = (next: Session.Session) =>
      Effect.sync(() => {
        session = next
        if (next.offset > furthest) {
          furthest = next.offset
          fruitless = 0
        }
        options.onSession?.({ location: next.location, offset: next.offset })
      })

    /** A new session; true when the registry turns out to hold the blob. */
    const restart = Effect.gen(function* () {
      const started = yield* Session.start(place, Digest.algorithm(digest))
      if (started._tag === "Created") return true
      yield* reach(started.session)
      return false
    })

    const recover = Effect.gen(function* () {
      const asked = yield* Effect.either(Session.status(place, session))
      if (Either.isRight(asked) && asked.right.offset <= content.sizeBytes) {
        yield* reach(asked.right)
        return false
      }
      return (yield* existsForUpload(place, digest)) || (yield* restart)
    })

    const again = (error: PutBlobError, retryAfter: Duration.Duration | undefined) =>
      Effect.suspend(() => {
        fruitless++
        return fruitless > maxResumes ? Effect.fail(error) : Effect.zipRight(waitBeforeResuming(fruitless, retryAfter), recover)
      })

    const refused = Effect.fnUntraced(function* (response: RegistryTransport.TransportResponse, plan: UploadPlans.Plan) {
      const error = yield* Effect.flip(response.fail(uploadTags))
      if (!content.replayable || error._tag === "DigestInvalid" || error._tag === "SizeInvalid") return yield* error
      const verdict = UploadPlans.verdict({
        status: response.status,
        plan,
        first: session.offset === 0 && fruitless === 0,
        chunkBytes: Math.max(chunkBytes, session.minChunkBytes),
        otherPlans: planIndex + 1 < plans.length
      })
      switch (verdict) {
        case "giveUp":
          return yield* error
        case "again":
          return yield* again(error, response.retryAfter)
        case "otherPlan": {
          planIndex++
          yield* Session.cancel(place, session)
          return yield* restart
        }
        default: {
          chunkBytes = verdict.chunkBytes
          learned.chunkBytes.set(registry, chunkBytes)
          return yield* again(error, response.retryAfter)
        }
      }
    })

    const broke = (error: PutBlobError) =>
      error._tag === "TransportError" && content.replayable
        ? again(error, undefined)
        : Effect.fail(
            content.replayable ? error : Session.failed(place, `the content cannot be read again after: ${error.message}`, session.offset)
          )

    /** One turn; true when the blob is stored. */
    const turn: Effect.Effect<boolean, PutBlobError | E> = Effect.gen(function* () {
      const plan = plans[planIndex] ?? "chunked"
      const closing = plan === "single" || session.offset === content.sizeBytes
      const outcome = yield* Effect.either(send(place, session, digest, content, plan, chunkBytes))
      const source = Content.failureOf<E>(content)
      if (source !== undefined) return yield* source
      if (Either.isLeft(outcome)) return yield* broke(outcome.left)
      if (outcome.right._tag === "Refused") return yield* refused(outcome.right.response, plan)
      yield* reach(outcome.right.session)
      if (closing && planIndex > 0) learned.plans.set(registry, plan)
      return closing
    }).pipe(Effect.scoped)

    const run: Effect.Effect<void, PutBlobError | E> = Effect.flatMap(turn, (stored) => (stored ? Effect.void : run))
    yield* reach(opened)
    yield* Effect.onExit(run, (exit) =>
      Exit.isSuccess(exit) || options.keepSession === true ? Effect.void : Session.cancel(place, session)
    )
  })
