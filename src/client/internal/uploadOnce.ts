import * as Body from "@effect/platform/HttpBody"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Digest from "../../model/Digest.ts"
import type { HostSettings } from "../../transport/RegistryHosts.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import { existsForUpload } from "./blobExists.ts"
import { type PutBlobError, uploadTags } from "./errors.ts"
import * as Content from "./uploadContent.ts"
import * as UploadPlans from "./uploadPlan.ts"
import * as Resumable from "./uploadResumable.ts"
import * as Session from "./uploadSession.ts"

type Bytes = Chunk.Chunk<Uint8Array>

const join = (parts: ReadonlyArray<Uint8Array>, size: number): Uint8Array => {
  const [first] = parts
  if (parts.length === 1 && first !== undefined) return first
  const joined = new Uint8Array(size)
  let position = 0
  for (const part of parts) {
    joined.set(part, position)
    position += part.byteLength
  }
  return joined
}

/** Gathers a stream into buffers of `size` bytes; the last one may be shorter. */
const gather = <E>(self: Stream.Stream<Uint8Array, E>, size: number): Stream.Stream<Uint8Array, E> =>
  Stream.suspend(() => {
    let parts: Array<Uint8Array> = []
    let length = 0
    const flush = () => {
      const buffer = join(parts, length)
      parts = []
      length = 0
      return buffer
    }
    type Stage = Channel.Channel<Bytes, Bytes, E, E, void, unknown>
    const loop: Stage = Channel.readWithCause({
      onInput: (chunk: Bytes) => {
        const full: Array<Uint8Array> = []
        for (const bytes of chunk) {
          let rest = bytes
          while (length + rest.byteLength >= size) {
            const cut = size - length
            parts.push(rest.subarray(0, cut))
            length += cut
            full.push(flush())
            rest = rest.subarray(cut)
          }
          if (rest.byteLength > 0) {
            parts.push(rest)
            length += rest.byteLength
          }
        }
        return full.length === 0 ? loop : Channel.flatMap(Channel.write(Chunk.unsafeFromArray(full)), () => loop)
      },
      onFailure: Channel.failCause,
      onDone: () => (length === 0 ? Channel.void : Channel.write(Chunk.of(flush())))
    })
    return Stream.pipeThroughChannel(self, loop)
  })

/** What was sent: the digest the content turned out to have, and its size. @internal */
export interface Sent {
  readonly digest: Digest.Digest
  readonly sizeBytes: number
}

/**
 * Uploads a stream that can be run once. It leaves in chunks, each kept in memory until the registry has it, hashed on the way; at most
 * two chunks are in memory. Content that fits into one chunk is sent like content of known digest.
 *
 * @internal
 */
export const upload = <E>(
  place: Session.Place,
  settings: HostSettings,
  learned: UploadPlans.Memory,
  hasher: Digest.Hasher,
  source: Stream.Stream<Uint8Array, E>,
  options: Resumable.Options & {
    readonly onBytes: (count: number) => void
    readonly check: (sent: Sent) => Effect.Effect<void, PutBlobError>
  },
  opened: Session.Session
): Effect.Effect<Sent, PutBlobError | E> =>
  Effect.gen(function* () {
    const { registry } = place.repository
    const maxResumes = options.maxResumes ?? Resumable.defaultMaxResumes
    const chunkBytes = Math.max(UploadPlans.chunkBytesFor(options, settings, learned, registry), opened.minChunkBytes)
    const pull = yield* Stream.toPull(Stream.rechunk(gather(source, chunkBytes), 1))
    const next: Effect.Effect<Uint8Array | undefined, E> = Effect.catchAll(
      Effect.map(pull, (chunk) => Option.getOrUndefined(Chunk.head(chunk))),
      Option.match({ onNone: () => Effect.succeed(undefined), onSome: Effect.fail })
    )
    let session = opened
    let sizeBytes = 0

    const take = Effect.map(next, (buffer) => {
      if (buffer !== undefined) {
        hasher.update(buffer)
        sizeBytes += buffer.byteLength
      }
      return buffer
    })

    const done = Effect.gen(function* () {
      const sent: Sent = { digest: hasher.digest(), sizeBytes }
      yield* options.check(sent)
      return sent
    })

    /** After a failure: how much of the chunk at `start` the registry has. */
    const recover = Effect.fnUntraced(function* (start: number) {
      const asked = yield* Effect.either(Session.status(place, session))
      if (Either.isRight(asked) && asked.right.offset >= start) {
        session = asked.right
        return
      }
      if (start > 0) return yield* Session.failed(place, "the registry lost what it had, and the content cannot be read again", start)
      const started = yield* Session.start(place, "sha256")
      if (started._tag === "Created") return yield* Session.failed(place, "the registry opened no upload", start)
      session = started.session
    })

    const sendChunk = (buffer: Uint8Array, start: number): Effect.Effect<void, PutBlobError> => {
      const end = start + buffer.byteLength
      let fruitless = 0
      let furthest = start
      let pieceBytes = buffer.byteLength
      const again = Effect.fnUntraced(function* (error: PutBlobError, response: RegistryTransport.TransportResponse | undefined) {
        if (++fruitless > maxResumes) return yield* Effect.fail(error)
        yield* Resumable.waitBeforeResuming(fruitless, response?.retryAfter)
        yield* recover(start)
        if (session.offset > furthest) {
          furthest = session.offset
          fruitless = 0
        }
      })
      const turn: Effect.Effect<void, PutBlobError> = Effect.gen(function* () {
        const length = Math.min(end - session.offset, pieceBytes)
        const from = session.offset - start
        const body = Body.uint8Array(buffer.subarray(from, from + length), "application/octet-stream")
        options.onBytes(length)
        const outcome = yield* Effect.either(Session.patch(place, session, { body, length, ranged: true, replayable: true }))
        if (Either.isLeft(outcome)) {
          return yield* outcome.left._tag === "TransportError" ? again(outcome.left, undefined) : Effect.fail(outcome.left)
        }
        if (outcome.right._tag === "Stored") {
          session = outcome.right.session
          return
        }
        const { response } = outcome.right
        const error = yield* Effect.flip(response.fail(uploadTags))
        const verdict = UploadPlans.verdict({
          status: response.status,
          plan: "chunked",
          first: session.offset === 0 && fruitless === 0,
          chunkBytes: pieceBytes,
          otherPlans: false
        })
        if (typeof verdict === "object") {
          pieceBytes = Math.max(verdict.chunkBytes, session.minChunkBytes)
          learned.chunkBytes.set(registry, pieceBytes)
          return yield* again(error, response)
        }
        return yield* verdict === "again" ? again(error, response) : Effect.fail(error)
      }).pipe(Effect.scoped)
      const run: Effect.Effect<void, PutBlobError> = Effect.suspend(() =>
        session.offset >= end ? Effect.void : Effect.zipRight(turn, run)
      )
      return run
    }

    const close = (sent: Sent): Effect.Effect<void, PutBlobError> => {
      let fruitless = 0
      const turn: Effect.Effect<void, PutBlobError> = Effect.gen(function* () {
        const outcome = yield* Effect.either(Session.finish(place, session, sent.digest))
        if (Either.isRight(outcome) && outcome.right._tag === "Stored") return
        const response = Either.isRight(outcome) && outcome.right._tag === "Refused" ? outcome.right.response : undefined
        const error = Either.isLeft(outcome)
          ? outcome.left
          : response === undefined
            ? undefined
            : yield* Effect.flip(response.fail(uploadTags))
        if (error === undefined) return
        const passes = error._tag === "TransportError" || (response !== undefined && UploadPlans.mayPass(response.status))
        if (!passes || ++fruitless > maxResumes) return yield* Effect.fail(error)
        yield* Resumable.waitBeforeResuming(fruitless, response?.retryAfter)
        if (yield* existsForUpload(place, sent.digest)) return
        yield* recover(sent.sizeBytes)
        return yield* turn
      }).pipe(Effect.scoped)
      return turn
    }

    const chunked = Effect.fnUntraced(function* (first: Uint8Array, second: Uint8Array) {
      yield* sendChunk(first, 0)
      let start = first.byteLength
      let buffer: Uint8Array | undefined = second
      while (buffer !== undefined) {
        const following: Fiber.Fiber<Uint8Array | undefined, E> = yield* Effect.fork(take)
        yield* sendChunk(buffer, start)
        start += buffer.byteLength
        buffer = yield* Fiber.join(following)
      }
      const sent = yield* done
      yield* close(sent)
      return sent
    })

    const first = yield* take
    const second = first === undefined ? undefined : yield* take
    if (first !== undefined && second !== undefined) {
      return yield* Effect.onExit(chunked(first, second), (exit) => (Exit.isSuccess(exit) ? Effect.void : Session.cancel(place, session)))
    }
    const sent = yield* done
    const content = Content.fromBytes(first ?? new Uint8Array(0), options.onBytes)
    yield* Resumable.upload<never>(place, settings, learned, sent.digest, content, options, opened)
    return sent
  }).pipe(Effect.scoped)
