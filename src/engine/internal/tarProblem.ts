/** How the reading of a tar archive ends when it is none. @internal */
import * as Either from "effect/Either"
import { LimitExceeded, MalformedContent } from "../../model/RegistryError.ts"
import * as ByteReader from "./byteReader.ts"

/** @internal */
export type Problem = MalformedContent | LimitExceeded

/** @internal */
export type Reading<A> = ByteReader.Reading<A, Problem>

/** @internal */
export const refuse = (reason: string): Reading<never> => ByteReader.refuse(new MalformedContent({ kind: "tar archive", reason }))

/** @internal */
export const tooMuch = (what: string, limit: number): Reading<never> => ByteReader.refuse(new LimitExceeded({ what, limit }))

/** @internal */
export function* orRefuse<A>(either: Either.Either<A, string>): Reading<A> {
  return Either.isRight(either) ? either.right : yield* refuse(either.left)
}
