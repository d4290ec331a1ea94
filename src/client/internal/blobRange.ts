import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as PullStream from "../../http/internal/pullStream.ts"
import { SizeMismatch } from "../../model/RegistryError.ts"
import type * as RegistryTransport from "../../transport/RegistryTransport.ts"
import * as BlobBody from "./blobBody.ts"
import type { GetBlobError } from "./errors.ts"
import { originOf, type Place } from "./repositoryRequest.ts"

type Bytes = Stream.Stream<Uint8Array, GetBlobError>

/** At most `count` bytes, should the registry send more than the range. */
const takeBytes = (self: Bytes, count: number): Bytes =>
  self.pipe(
    Stream.mapAccum(count, (left, bytes) => [left - bytes.byteLength, { bytes: bytes.subarray(0, Math.max(0, left)), left }] as const),
    Stream.takeUntil(({ bytes, left }) => bytes.byteLength >= left),
    Stream.map(({ bytes }) => bytes)
  )

/** The bytes of the blob at `path` from `start` to `end`, or to its own, in as many requests as it takes. @internal */
export const stream = (
  place: Place,
  path: string,
  { start, end, maxResumes }: { readonly start: number; readonly end: number | undefined; readonly maxResumes: number }
): Bytes =>
  Stream.suspend(() => {
    let reached = start
    let fruitless = 0
    let ranges = true
    let mirrors = true
    let sizeBytes: number | undefined
    /** What was answered last, and whether its body could be read. */
    let answered: RegistryTransport.TransportResponse | undefined
    let isOpen = false
    /** The last body that could. */
    let opened: BlobBody.Opened | undefined

    const openIn = (scope: Scope.Scope): Effect.Effect<BlobBody.Opened["pull"], GetBlobError> =>
      Effect.suspend(() => {
        const wanted = { offset: reached, end, ranges, mirrors }
        answered = undefined
        isOpen = false
        return Effect.flatMap(BlobBody.ask(scope, place, path, wanted), (response) => {
          answered = response
          return Effect.map(Effect.zipRight(BlobBody.requirePlaces(response), BlobBody.read(scope, response, wanted)), (body) => {
            isOpen = true
            opened = body
            sizeBytes = body.sizeBytes ?? sizeBytes
            return body.pull
          })
        })
      })

    /** Where the range ends; undefined when it goes to the end of a blob whose length nobody told. */
    const goal = (): number | undefined => (sizeBytes === undefined ? end : Math.min(end ?? sizeBytes, sizeBytes))

    /**
     * How far a body that began at `offset` should have come, or those after it. Where nobody told the length of the blob, a body's end has to
     * be its end; within a range that goes further, only once nothing more came when asked for.
     */
    const due = (offset: number): number => {
      const decides = sizeBytes === undefined && (end === undefined || (reached === offset && fruitless > 0))
      return (decides ? opened?.end : goal()) ?? reached
    }

    const short = (expected: number) => new SizeMismatch({ ...originOf(place), expected: expected - start, actual: reached - start })

    /** Whether a refusal says that the blob ends here. */
    const saysEnd = (): boolean => {
      if (answered?.status !== 416 || sizeBytes !== undefined || opened === undefined) return false
      return (BlobBody.toldSize(answered) ?? opened.end) === reached
    }

    const goesOn = (error: GetBlobError): boolean =>
      (error._tag === "TransportError" && error.retryable) ||
      error._tag === "SizeMismatch" ||
      (opened !== undefined && (BlobBody.refusesRange(error) || BlobBody.refusesForNow(error)))

    /** Goes on after a body that broke, as long as there is progress. */
    const resume = (error: GetBlobError, offset: number): Bytes => {
      fruitless = reached > offset ? 1 : fruitless + 1
      if (answered?.mirror === true && (!isOpen || fruitless > 1 || fruitless > maxResumes)) {
        // The registry itself has its say, of the length too.
        mirrors = false
        fruitless = 0
        sizeBytes = undefined
        return Stream.unwrap(Effect.as(answered.passOver, part))
      }
      if (!goesOn(error) || fruitless > maxResumes) return Stream.fail(error)
      if (BlobBody.refusesRange(error)) ranges = false
      return Stream.unwrap(Effect.as(BlobBody.rest(fruitless), part))
    }

    const part: Bytes = Stream.suspend(() => {
      const offset = reached
      if (offset >= (goal() ?? Number.POSITIVE_INFINITY)) return Stream.empty
      const body = PullStream.make(openIn)
      return (end === undefined ? body : takeBytes(body, end - offset)).pipe(
        Stream.mapChunks((received) => {
          const chunk = BlobBody.withoutEmpty(received)
          for (const bytes of chunk) reached += bytes.byteLength
          return chunk
        }),
        // A server may end a body early without breaking the connection, and send less than the range.
        Stream.concat(Stream.suspend(() => (reached < due(offset) ? Stream.fail(short(due(offset))) : Stream.empty))),
        Stream.catchAll((error) => (saysEnd() ? Stream.empty : resume(error, offset)))
      )
    })
    return part
  })
