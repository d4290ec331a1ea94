/**
 * Downloads of blobs: verified while they flow, and gone on with where they broke off.
 *
 * A broken body is resumed with `Range` from the last byte that was hashed. The answer is only believed when its `Content-Range` begins
 * there and tells the same length; a registry that sends the whole blob again has its first part skipped. Each resumption asks the
 * registry itself, so an expired signed URL is renewed. The last chunk is released when size and digest are right.
 *
 * A mirror whose bytes are wrong is passed over for a while. As long as nothing was given out, the download begins again elsewhere: when the
 * length a mirror announces is not that of the descriptor, and when the blob is so small that it comes in one piece. Otherwise it fails, and
 * the next one does not ask that mirror.
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
import * as TokenScope from "../auth/TokenScope.ts"
import { foreignRefusal } from "../http/internal/addressPolicy.ts"
import { parse as parseContentRange } from "../http/internal/contentRange.ts"
import * as PullStream from "../http/internal/pullStream.ts"
import * as Descriptor from "../model/Descriptor.ts"
import * as Digest from "../model/Digest.ts"
import type * as Reference from "../model/Reference.ts"
import { DigestMismatch, SizeMismatch, TransportError } from "../model/RegistryError.ts"
import type * as RegistryTransport from "../transport/RegistryTransport.ts"
import { waitAfter } from "./internal/backoff.ts"
import { blobTags, type GetBlobError } from "./internal/errors.ts"
import * as Request from "./internal/repositoryRequest.ts"
import { skipping } from "./internal/skipping.ts"

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

/** A part of a blob: `offset` of its first byte, and how many bytes; to the end when `length` is absent. @since 0.1.0 */
export interface Range {
  readonly offset: number
  readonly length?: number | undefined
}

type Transport = RegistryTransport.Service
type Bytes = Chunk.Chunk<Uint8Array>

interface Place extends Request.Place {
  readonly digest: Digest.Digest
}

/** A body that goes on at `offset`, of a blob of `sizeBytes` if the registry told. */
interface Opened {
  readonly pull: PullStream.Pull<TransportError>
  readonly sizeBytes: number | undefined
  /** Says whether a later answer goes on with the same bytes. */
  readonly etag: string | undefined
  readonly response: RegistryTransport.TransportResponse
}

const broken = (response: RegistryTransport.TransportResponse, detail: string) =>
  new TransportError({
    registry: response.context.registry,
    repository: response.context.repository,
    operation: response.context.operation,
    method: response.context.method,
    url: response.context.url.replace(/[?#].*$/, ""),
    reason: "protocol",
    detail,
    retryable: true
  })

/** Opens the blob at `offset`. Fails with `TransportError` when the answer does not fit what was asked. */
const open = Effect.fnUntraced(function* (
  scope: Scope.Scope,
  place: Place,
  path: string,
  offset: number,
  options: {
    readonly end?: number | undefined
    readonly etag?: string | undefined
    readonly ranges?: boolean | undefined
    readonly noMirrors?: boolean
  }
) {
  const { end, etag } = options
  const ranged = options.ranges !== false && (offset > 0 || end !== undefined)
  const response = yield* place.transport.executeIn(scope, {
    ...Request.originOf(place),
    endpoint: "blob",
    method: "GET",
    path,
    headers: {
      ...(ranged ? { range: `bytes=${offset}-${end === undefined ? "" : end - 1}` } : {}),
      ...(ranged && etag !== undefined ? { "if-range": etag } : {})
    },
    scopes: [TokenScope.pull(place.repository.name)],
    read: options.noMirrors === true ? undefined : "pull",
    priority: "bulk"
  })
  const tag = response.headers["etag"]
  // A weak validator does not promise the same bytes (RFC 9110, 13.1.5).
  const strong = tag?.startsWith("W/") === true ? undefined : tag
  // The body of a refusal is left to `fail`, which reads what the registry says in it.
  const from = (start: number, sizeBytes: number | undefined) =>
    Effect.map(
      PullStream.openIn(scope, response.body),
      (pull): Opened => ({ pull: skipping(pull, offset - start), sizeBytes, etag: strong, response })
    )
  if (response.status === 200) return yield* from(0, Request.contentLength(response))
  if (response.status === 206 && ranged) {
    const range = parseContentRange(response.headers["content-range"] ?? "")
    if (range === undefined || range.start > offset) return yield* broken(response, "the answer is not the range that was asked for")
    return yield* from(range.start, range.total)
  }
  if (response.status === 206) return yield* broken(response, "a part was sent although the whole was asked for")
  return yield* response.fail(blobTags)
})

/** The registry first, then the addresses of a non-distributable layer. */
const sources = (place: Place, content: Descriptor.Descriptor | undefined, options: Options): ReadonlyArray<string> => {
  const plainHttp = place.transport.settings(place.repository.registry).scheme === "http"
  const foreign = options.foreignUrls === false ? [] : (content?.urls ?? [])
  return [Request.blobPath(place, place.digest), ...foreign.filter((url) => foreignRefusal(url, plainHttp) === undefined)]
}

const isEmpty = (bytes: Uint8Array) => bytes.byteLength === 0

/** Whoever writes them to a file would find that nothing was written. */
const withoutEmpty = (chunk: Bytes): Bytes => (Chunk.some(chunk, isEmpty) ? Chunk.filter(chunk, (bytes) => !isEmpty(bytes)) : chunk)

const rest = (fruitless: number) => (fruitless < 2 ? Effect.void : Effect.sleep(waitAfter(fruitless)))

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
    const place: Place = { transport, repository, digest, operation: "getBlob" }
    // A connection that is opened in the middle belongs to the same span.
    const context = yield* Effect.context<never>()
    let hasher = yield* Digest.hasher(Digest.algorithm(digest))
    const maxResumes = options.maxResumes ?? transport.retryPolicy.maxResumes
    const candidates = sources(place, descriptor, options)

    let sizeBytes = descriptor?.size
    let offset = 0
    let held: Bytes = Chunk.empty()
    let source = 0
    let etag: string | undefined
    let ranges = true
    let fruitless = 0
    let givenOut = options.partial !== undefined
    let finished = false
    let mirrorsLeft = transport.settings(repository.registry).mirrors.length
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

    const connect: Effect.Effect<PullStream.Pull<GetBlobError>, GetBlobError> = Effect.gen(function* () {
      const child = yield* Scope.fork(scope, ExecutionStrategy.sequential)
      const how = { etag, ranges, noMirrors: mirrorsLeft <= 0 }
      const exit = yield* Effect.exit(open(child, place, candidates[source] ?? Request.blobPath(place, digest), offset, how))
      if (Exit.isFailure(exit)) {
        yield* Effect.uninterruptible(Scope.close(child, exit))
        if (source + 1 >= candidates.length || offset > 0) return yield* Effect.failCause(exit.cause)
        source++
        return yield* connect
      }
      const opened = exit.value
      current = { reading: pullFrom(opened.pull), scope: child }
      etag = opened.etag
      if (opened.response.mirror) mirrors = [...mirrors, opened.response]
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

    const ended: PullStream.Pull<GetBlobError> = Effect.suspend(() => {
      if (sizeBytes !== undefined && offset !== sizeBytes) return wrong(mismatch(offset))
      const actual = hasher.digest()
      if (actual !== digest) return wrong(new DigestMismatch({ ...Request.originOf(place), expected: digest, actual }))
      finished = true
      return Chunk.isEmpty(held) ? Effect.fail(Option.none()) : Effect.succeed(held)
    })

    /** Goes on after a body that broke, as long as there is progress. */
    const resume = (error: GetBlobError): PullStream.Pull<GetBlobError> =>
      Effect.suspend(() => {
        fruitless++
        // What answers with other ranges than asked for may still know the whole.
        if (error._tag === "TransportError" && error.reason === "protocol") ranges = false
        return fruitless > maxResumes
          ? Effect.fail(Option.some(error))
          : Effect.zipRight(closeCurrent, Effect.zipRight(rest(fruitless), pull))
      })

    const accept = (received: Bytes): PullStream.Pull<GetBlobError> => {
      const before = offset
      const chunk = withoutEmpty(received)
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

    const pullFrom = (pull: Opened["pull"]): PullStream.Pull<GetBlobError> =>
      Effect.matchEffect(pull, {
        onSuccess: accept,
        onFailure: (end) => {
          if (Option.isSome(end)) return resume(end.value)
          // A server may end a body early without breaking the connection.
          if (sizeBytes !== undefined && offset < sizeBytes && fruitless < maxResumes) return resume(mismatch(offset))
          return ended
        }
      })

    const isComplete = () => sizeBytes !== undefined && offset >= sizeBytes && offset > 0

    const unconnected = (error: GetBlobError): PullStream.Pull<GetBlobError> => {
      if (error._tag === "TransportError" && offset > 0) return resume(error)
      return error._tag === "SizeMismatch" ? wrong(error) : Effect.fail(Option.some(error))
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
  return Stream.unwrap(
    Effect.map(Descriptor.content(content), (data) => Option.match(data, { onNone: () => remote, onSome: (bytes) => Stream.make(bytes) }))
  )
}

/**
 * Some bytes of a blob, as the registry sends them: a part has no digest to verify. Broken bodies are gone on with.
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
  const place: Place = { transport, repository, digest, operation: "getBlobRange" }
  const end = range.length === undefined ? undefined : range.offset + range.length
  const from = (offset: number, fruitless: number): Stream.Stream<Uint8Array, GetBlobError> => {
    if (end !== undefined && offset >= end) return Stream.empty
    let reached = offset
    const part = PullStream.make<GetBlobError>((scope) =>
      Effect.map(open(scope, place, Request.blobPath(place, digest), offset, { end }), ({ pull }) => pull)
    )
    const counted = Stream.mapChunks(end === undefined ? part : takeBytes(part, end - offset), (received) => {
      const chunk = withoutEmpty(received)
      for (const bytes of chunk) reached += bytes.byteLength
      return chunk
    })
    return Stream.catchAll(counted, (error) => {
      const again = reached > offset ? 1 : fruitless + 1
      if (error._tag !== "TransportError" || again > (options.maxResumes ?? transport.retryPolicy.maxResumes)) return Stream.fail(error)
      return Stream.unwrap(Effect.as(rest(again), from(reached, again)))
    })
  }
  return from(range.offset, 0)
}

/** At most `count` bytes, should the registry send more than the range. */
const takeBytes = <E>(self: Stream.Stream<Uint8Array, E>, count: number): Stream.Stream<Uint8Array, E> =>
  self.pipe(
    Stream.mapAccum(count, (left, bytes) => [left - bytes.byteLength, { bytes: bytes.subarray(0, Math.max(0, left)), left }] as const),
    Stream.takeUntil(({ bytes, left }) => bytes.byteLength >= left),
    Stream.map(({ bytes }) => bytes)
  )
