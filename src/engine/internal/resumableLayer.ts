/**
 * A layer that is gone on with where its body broke off (balena-engine v18, `registry/resumable`).
 *
 * A body that breaks is no failure: after 5 seconds the rest is asked for. A request without answer is one: after as many times 5 seconds as
 * there were failures it is made again, and the fifth failure is the end. So is a body that breaks before it has brought anything, which Go would
 * ask for again and again. No digest is checked: the first API has none.
 */
import type * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as PullStream from "../../http/internal/pullStream.ts"
import type { TransportError } from "../../model/RegistryError.ts"
import { type Answer, protocol, type Refused, type Unanswered } from "./v1Exchange.ts"

/** @internal */
export type Failure = Unanswered | Refused

/**
 * - `ask`: the layer, or the range of it
 * - `answer`: the first answer, when there is one
 * - `totalBytes`: 0 to take it from the first answer
 * - `readBytes`, `failures`: what came before
 *
 * @internal
 */
export interface Options {
  readonly ask: (range: string | undefined) => Effect.Effect<Answer, Unanswered, Scope.Scope>
  readonly answer?: Answer | undefined
  readonly totalBytes: number
  readonly readBytes?: number | undefined
  readonly failures?: number | undefined
  readonly maxFailures?: number | undefined
}

const wait = Duration.seconds(5)

/** To the end of what is known to be there: Go names the place behind the last byte, which servers take for the last. @internal */
export const rangeOf = (readBytes: number, totalBytes: number): string =>
  readBytes > totalBytes ? `bytes=${readBytes}-` : `bytes=${readBytes}-${totalBytes}`

const lengthOf = ({ headers }: Answer): number => {
  const text = headers["content-length"] ?? ""
  return /^\d{1,15}$/.test(text) ? Number(text) : 0
}

const sizeOf = (chunk: Chunk.Chunk<Uint8Array>): number => {
  let size = 0
  for (const bytes of chunk) size += bytes.byteLength
  return size
}

/** Everything was there already: the registry has nothing behind it either. */
const isEnd = ({ headers, status }: Answer, readBytes: number, totalBytes: number): boolean => {
  if (status !== 416 || readBytes !== totalBytes) return false
  const told = /^\s*bytes\s+\*\/(\d{1,15})\s*$/i.exec(headers["content-range"] ?? "")?.[1]
  return told === undefined || Number(told) === readBytes
}

/**
 * Where a range begins, and how much there is in all, 0 when that is not said. More cannot be taken from docker-registry 0.9, which says no unit,
 * and an end behind the last byte as it was asked.
 */
const rangeIn = ({ headers }: Answer): { readonly start: number; readonly allBytes: number } | undefined => {
  const [, start, all] = /^\s*(?:bytes\s+)?(\d{1,15})-\d+\/(?:(\d{1,15})|\*)\s*$/i.exec(headers["content-range"] ?? "") ?? []
  return start === undefined ? undefined : { start: Number(start), allBytes: Number(all ?? 0) }
}

/** Why an answer does not go on with the bytes that were read. */
const misfit = (answer: Answer, readBytes: number): Effect.Effect<void, Failure> => {
  if (answer.status >= 400) return answer.fail
  if (readBytes === 0) return answer.status === 200 ? Effect.void : answer.fail
  if (answer.status !== 206) return Effect.fail(protocol(answer, "the server doesn't support byte ranges"))
  return answer.headers["content-range"] === undefined || rangeIn(answer)?.start === readBytes
    ? Effect.void
    : Effect.fail(protocol(answer, "the answer is not the range that was asked for"))
}

interface Open {
  readonly answer: Answer
  readonly pull: PullStream.Pull<TransportError>
  readonly scope: Scope.CloseableScope
  /** Whether its body has brought anything. */
  fruitful: boolean
}

/** @internal */
export const read = (options: Options): Stream.Stream<Uint8Array, Failure> => {
  const { answer, ask, maxFailures = 5 } = options
  return PullStream.make<Failure>((scope) =>
    Effect.gen(function* () {
      let { failures = 0, readBytes = 0, totalBytes } = options
      let current: Open | undefined

      const take = Effect.fnUntraced(function* (answer: Answer, scope: Scope.CloseableScope) {
        if (totalBytes === 0) totalBytes = lengthOf(answer)
        if (totalBytes <= 0) return yield* protocol(answer, "failed to auto detect content length")
        current = { answer, pull: yield* PullStream.openIn(scope, answer.body), scope, fruitful: false }
      })

      /** Counts a failure; the last one stays. */
      const failed = <E>(error: E): Effect.Effect<void, E> => {
        if (failures + 1 >= maxFailures) return Effect.fail(error)
        failures += 1
        return Effect.sleep(Duration.times(wait, failures))
      }

      /** Asks for what is missing, once; false when nothing is. */
      const resume = Effect.gen(function* () {
        if (readBytes > 0) yield* Effect.sleep(wait)
        const inner = yield* Scope.fork(scope, ExecutionStrategy.sequential)
        const range = readBytes > 0 ? rangeOf(readBytes, totalBytes) : undefined
        const asked = yield* Effect.either(Scope.extend(ask(range), inner))
        if (asked._tag === "Left") {
          yield* Scope.close(inner, Exit.fail(asked.left))
          yield* "retryable" in asked.left && asked.left.retryable ? failed(asked.left) : Effect.fail(asked.left)
          return true
        }
        if (isEnd(asked.right, readBytes, totalBytes)) return false
        yield* misfit(asked.right, readBytes)
        yield* take(asked.right, inner)
        return true
      })

      const broken = ({ fruitful, scope }: Open, error: TransportError): Effect.Effect<void, Failure> => {
        current = undefined
        return Effect.zipRight(Scope.close(scope, Exit.fail(error)), fruitful ? Effect.void : failed(error))
      }

      const next: PullStream.Pull<Failure> = Effect.suspend(() => {
        const open = current
        if (open === undefined) {
          return Effect.flatMap(Effect.mapError(resume, Option.some), (more) => (more ? next : Effect.fail(Option.none())))
        }
        const goOn = (error: TransportError) => Effect.zipRight(Effect.mapError(broken(open, error), Option.some), next)
        return Effect.matchEffect(open.pull, {
          onSuccess: (chunk) => {
            const size = sizeOf(chunk)
            readBytes += size
            open.fruitful ||= size > 0
            return Effect.succeed(chunk)
          },
          onFailure: Option.match({
            onNone: () =>
              readBytes < (rangeIn(open.answer)?.allBytes ?? 0)
                ? goOn(protocol(open.answer, "the registry does not send the rest of the layer"))
                : Effect.fail(Option.none()),
            onSome: goOn
          })
        })
      })

      if (answer !== undefined) yield* take(answer, yield* Scope.fork(scope, ExecutionStrategy.sequential))
      return next
    })
  )
}
