/**
 * Downloads of blobs: verified while they flow, and gone on with where they broke off.
 *
 * A broken body is resumed with `Range` from the last byte that was hashed. The answer is only believed when its `Content-Range` begins
 * there and tells the same length; a registry that sends the whole blob again has its first part skipped. Each resumption asks the
 * registry itself, so an expired signed URL is renewed. The last chunk is released when size and digest are right.
 *
 * A mirror whose bytes are wrong is passed over for a while. As long as nothing was given out, the download begins again elsewhere: when the
 * length a mirror announces is not that of the descriptor, and when the blob is so small that it comes in one piece. Otherwise it fails, and
 * the next one does not ask that mirror. A mirror whose bodies break off twice in a row without one more byte is passed over too; the
 * registry goes on where it stopped.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { foreignRefusal } from "../http/internal/addressPolicy.ts"
import * as PullStream from "../http/internal/pullStream.ts"
import * as Descriptor from "../model/Descriptor.ts"
import * as Digest from "../model/Digest.ts"
import type * as Reference from "../model/Reference.ts"
import { DigestMismatch, SizeMismatch } from "../model/RegistryError.ts"
import type * as RegistryTransport from "../transport/RegistryTransport.ts"
import * as BlobBody from "./internal/blobBody.ts"
import * as BlobRange from "./internal/blobRange.ts"
import type { GetBlobError } from "./internal/errors.ts"
import * as Request from "./internal/repositoryRequest.ts"

/**
 * - `maxResumes`: how often in a row a body may break without one more byte; as the retry policy has it when absent
 * - `foreignUrls`: whether the descriptor's `urls` are asked when the registry does not have the blob, default yes
 * - `partial`: the first bytes of the blob, kept by an earlier download; they are hashed, and only what follows is fetched and given out
 *
 * @since 0.1.0
 */
export interface Options {
  readonly maxResumes?: number | undefined
  readonly foreignUrls?: boolean | undefined
  readonly partial?: Stream.Stream<Uint8Array> | undefined
}

/**
 * A part of a blob: `offset` of its first byte, and how many bytes; to the end when `length` is absent or infinite. What cannot be counted in
 * whole bytes from the beginning is a defect.
 *
 * @since 0.1.0
 */
export interface Range {
  readonly offset: number
  readonly length?: number | undefined
}

type Transport = RegistryTransport.Service
type Bytes = Chunk.Chunk<Uint8Array>

/** The registry first, then the addresses of a non-distributable layer. */
const sources = (
  place: Request.Place,
  digest: Digest.Digest,
  content: Descriptor.Descriptor | undefined,
  options: Options
): ReadonlyArray<string> => {
  const plainHttp = place.transport.settings(place.repository.registry).scheme === "http"
  const foreign = options.foreignUrls === false ? [] : (content?.urls ?? [])
  return [Request.blobPath(place, digest), ...foreign.filter((url) => foreignRefusal(url, plainHttp) === undefined)]
}

const download = (
  scope: Scope.Scope,
  transport: Transport,
  repository: Reference.Repository,
  content: Descriptor.Descriptor | Digest.Digest,
  options: Options
): Effect.Effect<PullStream.Pull<GetBlobError>, GetBlobError> =>
  Effect.gen(function* () {
    const descriptor = typeof content === "string" ? undefined : content
    const digest = typeof content === "string" ? content : content.digest
    const place: Request.Place = { transport, repository, operation: "getBlob" }
    // A connection that is opened in the middle belongs to the same span.
    const context = yield* Effect.context<never>()
    let hasher = yield* Digest.hasher(Digest.algorithm(digest))
    const maxResumes = options.maxResumes ?? transport.retryPolicy.maxResumes
    const candidates = sources(place, digest, descriptor, options)

    let sizeBytes = descriptor?.size
    let offset = 0
    let held: Bytes = Chunk.empty()
    let source = 0
    let etag: string | undefined
    let ranges = true
    let fruitless = 0
    let givenOut = options.partial !== undefined
    let finished = false
    let flowed = false
    let mirrorsLeft = transport.settings(repository.registry).mirrors.length
    /** What was answered last. */
    let answered: RegistryTransport.TransportResponse | undefined
    /** Whose bytes were hashed. */
    let mirrors: ReadonlyArray<RegistryTransport.TransportResponse> = []
    let current: { readonly reading: PullStream.Pull<GetBlobError>; readonly scope: Scope.CloseableScope } | undefined

    if (options.partial !== undefined) {
      yield* Stream.runForEach(options.partial, (bytes) =>
        Effect.sync(() => {
          hasher.update(bytes)
          offset += bytes.byteLength
        })
      )
    }

    const closeCurrent = Effect.uninterruptible(
      Effect.suspend(() => {
        const closing = current
        current = undefined
        return closing === undefined ? Effect.void : Scope.close(closing.scope, Exit.void)
      })
    )

    const mismatch = (actual: number) => new SizeMismatch({ ...Request.originOf(place), expected: sizeBytes ?? actual, actual })

    const reach = (child: Scope.Scope): Effect.Effect<BlobBody.Opened, GetBlobError> => {
      const wanted = { offset, etag, ranges, mirrors: mirrorsLeft > 0 }
      answered = undefined
      return Effect.flatMap(BlobBody.ask(child, place, candidates[source] ?? Request.blobPath(place, digest), wanted), (response) => {
        answered = response
        return BlobBody.read(child, response, wanted)
      })
    }

    const connect: Effect.Effect<PullStream.Pull<GetBlobError>, GetBlobError> = Effect.gen(function* () {
      const child = yield* Scope.fork(scope, ExecutionStrategy.sequential)
      const exit = yield* Effect.exit(reach(child))
      if (Exit.isFailure(exit)) {
        yield* Effect.uninterruptible(Scope.close(child, exit))
        if (answered?.mirror === true) {
          // It answered something else than was asked for.
          yield* answered.passOver
          mirrorsLeft--
          return yield* connect
        }
        if (source + 1 >= candidates.length || offset > 0) return yield* Effect.failCause(exit.cause)
        source++
        return yield* connect
      }
      const opened = exit.value
      current = { reading: pullFrom(opened.pull), scope: child }
      flowed = true
      etag = opened.etag
      if (answered?.mirror === true) mirrors = [...mirrors, answered]
      if (opened.sizeBytes !== undefined) {
        if (sizeBytes !== undefined && sizeBytes !== opened.sizeBytes) return yield* mismatch(opened.sizeBytes)
        sizeBytes = opened.sizeBytes
      }
      return current.reading
    })

    /** Passes over the mirrors that had a part in it, and begins again if there were any and nothing was given out. */
    const wrong = (error: GetBlobError): PullStream.Pull<GetBlobError> =>
      Effect.gen(function* () {
        for (const { passOver } of mirrors) yield* passOver
        if (mirrors.length === 0 || givenOut) return yield* Effect.fail(Option.some(error))
        yield* closeCurrent
        hasher = yield* Effect.mapError(Digest.hasher(Digest.algorithm(digest)), Option.some)
        mirrorsLeft -= mirrors.length
        mirrors = []
        sizeBytes = descriptor?.size
        offset = 0
        held = Chunk.empty()
        etag = undefined
        return yield* pull
      })

    const finish = (): PullStream.Pull<GetBlobError> => {
      finished = true
      return Chunk.isEmpty(held) ? Effect.fail(Option.none()) : Effect.succeed(held)
    }

    const ended: PullStream.Pull<GetBlobError> = Effect.suspend(() => {
      if (sizeBytes !== undefined && offset !== sizeBytes) return wrong(mismatch(offset))
      const actual = hasher.digest()
      if (actual !== digest) return wrong(new DigestMismatch({ ...Request.originOf(place), expected: digest, actual }))
      return finish()
    })

    /** Goes on at the registry itself, after a mirror whose bodies break. */
    const leaveMirror = ({ passOver }: RegistryTransport.TransportResponse): PullStream.Pull<GetBlobError> =>
      Effect.zipRight(
        Effect.zipRight(closeCurrent, passOver),
        Effect.suspend(() => {
          mirrorsLeft = 0
          fruitless = 0
          etag = undefined
          ranges = true
          return pull
        })
      )

    /** Where nobody told the length, the digest says that nothing is missing. */
    const giveUp = (error: GetBlobError): PullStream.Pull<GetBlobError> =>
      sizeBytes === undefined && offset > 0 && hasher.digest() === digest ? finish() : Effect.fail(Option.some(error))

    /** Goes on after a body that broke, as long as there is progress. */
    const resume = (error: GetBlobError): PullStream.Pull<GetBlobError> =>
      Effect.suspend(() => {
        fruitless++
        if (answered?.mirror === true && (fruitless > 1 || fruitless > maxResumes)) return leaveMirror(answered)
        // What answers with other ranges than asked for, or with none, may still know the whole.
        if (BlobBody.refusesRange(error) || (error._tag === "TransportError" && error.reason === "protocol")) ranges = false
        return fruitless > maxResumes ? giveUp(error) : Effect.zipRight(closeCurrent, Effect.zipRight(BlobBody.rest(fruitless), pull))
      })

    const accept = (received: Bytes): PullStream.Pull<GetBlobError> => {
      const before = offset
      const chunk = BlobBody.withoutEmpty(received)
      for (const bytes of chunk) {
        hasher.update(bytes)
        offset += bytes.byteLength
      }
      if (sizeBytes !== undefined && offset > sizeBytes) return wrong(mismatch(offset))
      if (offset === before) return pull
      fruitless = 0
      const release = held
      held = chunk
      if (Chunk.isEmpty(release)) return pull
      givenOut = true
      return Effect.succeed(release)
    }

    const pullFrom = (pull: BlobBody.Opened["pull"]): PullStream.Pull<GetBlobError> =>
      Effect.matchEffect(pull, {
        onSuccess: accept,
        onFailure: (end) => {
          if (Option.isSome(end)) return resume(end.value)
          // A server may end a body early without breaking the connection.
          const again = fruitless < maxResumes || answered?.mirror === true
          return again && sizeBytes !== undefined && offset < sizeBytes ? resume(mismatch(offset)) : ended
        }
      })

    const isComplete = () => sizeBytes !== undefined && offset >= sizeBytes && offset > 0

    const unconnected = (error: GetBlobError): PullStream.Pull<GetBlobError> => {
      if (error._tag === "SizeMismatch") return wrong(error)
      if (offset === 0) return Effect.fail(Option.some(error))
      if (answered !== undefined && BlobBody.toldSize(answered) === offset) return ended
      // Before anything came, a refusal is meant for whoever asks.
      const goesOn = error._tag === "TransportError" || BlobBody.refusesRange(error) || (flowed && BlobBody.refusesForNow(error))
      return goesOn ? resume(error) : Effect.fail(Option.some(error))
    }

    const pull: PullStream.Pull<GetBlobError> = Effect.suspend(() => {
      if (finished) return Effect.fail(Option.none())
      if (refusal !== undefined) {
        const error = refusal
        refusal = undefined
        return unconnected(error)
      }
      if (current !== undefined) return current.reading
      if (isComplete()) return ended
      return Effect.matchEffect(Effect.provide(connect, context), { onSuccess: (reading) => reading, onFailure: unconnected })
    })

    /** Why the first connection could not be had: the pull knows what to do about it. */
    let refusal = isComplete() ? undefined : yield* Effect.match(connect, { onSuccess: () => undefined, onFailure: (error) => error })
    return pull
  })

/** What follows the part that is kept, of content that is at hand. */
const following = Effect.fnUntraced(function* (
  place: Request.Place,
  { digest, size }: Descriptor.Descriptor,
  bytes: Uint8Array,
  partial: Stream.Stream<Uint8Array>
): Effect.fn.Return<Stream.Stream<Uint8Array>, GetBlobError> {
  const hasher = yield* Digest.hasher(Digest.algorithm(digest))
  let offset = 0
  yield* Stream.runForEach(partial, (kept) =>
    Effect.sync(() => {
      hasher.update(kept)
      offset += kept.byteLength
    })
  )
  if (offset > size) return yield* new SizeMismatch({ ...Request.originOf(place), expected: size, actual: offset })
  const rest = bytes.subarray(offset)
  hasher.update(rest)
  const actual = hasher.digest()
  if (actual !== digest) return yield* new DigestMismatch({ ...Request.originOf(place), expected: digest, actual })
  return rest.byteLength === 0 ? Stream.empty : Stream.make(rest)
})

/**
 * The bytes of a blob. A descriptor's `data` is used without any request; with a bare digest the size is what the registry announces.
 *
 * @since 0.1.0
 */
export const stream = (
  transport: Transport,
  repository: Reference.Repository,
  content: Descriptor.Descriptor | Digest.Digest,
  options: Options = {}
): Stream.Stream<Uint8Array, GetBlobError> => {
  const remote = PullStream.make((scope) => download(scope, transport, repository, content, options))
  if (typeof content === "string" || content.data === undefined) return remote
  const { partial = Stream.empty } = options
  const place: Request.Place = { transport, repository, operation: "getBlob" }
  return Stream.unwrap(
    Effect.flatMap(
      Descriptor.content(content),
      Option.match({ onNone: () => Effect.succeed(remote), onSome: (bytes) => following(place, content, bytes, partial) })
    )
  )
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

/**
 * Some bytes of a blob, as the registry sends them: a part has no digest to verify. Broken bodies are gone on with, and so are those that
 * end before the range does, or the blob.
 *
 * @since 0.1.0
 */
export const streamRange = (
  transport: Transport,
  repository: Reference.Repository,
  digest: Digest.Digest,
  range: Range,
  options: Pick<Options, "maxResumes"> = {}
): Stream.Stream<Uint8Array, GetBlobError> => {
  const place: Request.Place = { transport, repository, operation: "getBlobRange" }
  const { offset, length = Number.POSITIVE_INFINITY } = range
  const isUnbounded = length === Number.POSITIVE_INFINITY
  // `bytes=-5-` would be the last five bytes to some, and all of them to others.
  if (!isCount(offset) || !(isUnbounded || isCount(length))) {
    return Stream.dieSync(() => new RangeError(`no part of a blob: ${length} bytes from ${offset} on`))
  }
  return BlobRange.stream(place, Request.blobPath(place, digest), {
    start: offset,
    end: isUnbounded ? undefined : offset + length,
    maxResumes: options.maxResumes ?? transport.retryPolicy.maxResumes
  })
}
