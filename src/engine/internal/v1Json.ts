import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { sanitizeBounded } from "../../model/internal/sanitize.ts"
import { type LimitExceeded, MalformedContent, type TransportError } from "../../model/RegistryError.ts"
import type { Answer, Exchange } from "./v1Exchange.ts"

/** More than the longest list that a registry can have of what people name. @internal */
export const jsonLimitBytes = 16 * 1024 * 1024

const maxReason = 500

/** What an answer is not. @internal */
export const malformed = (exchange: Exchange, { context }: Answer, kind: string, reason: string): MalformedContent => {
  const { operation, registry, repository } = context
  return new MalformedContent({ registry, repository, operation, kind, reason: sanitizeBounded(reason, exchange.secrets(), maxReason) })
}

/** The body of an answer, read. @internal */
export const decoded = <A>(
  exchange: Exchange,
  answer: Answer,
  kind: string,
  decode: (body: string) => Either.Either<A, string>
): Effect.Effect<A, MalformedContent | TransportError | LimitExceeded> =>
  Effect.flatMap(answer.text(jsonLimitBytes), (body) => Either.mapLeft(decode(body), (reason) => malformed(exchange, answer, kind, reason)))
