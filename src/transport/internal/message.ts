import type * as HttpBody from "@effect/platform/HttpBody"
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Challenge from "../../auth/Challenge.ts"
import type { Restore } from "../../http/internal/exchange.ts"
import type { Reply, WireRequest, WireResponse } from "../../http/internal/Wire.ts"
import type {
  Endpoint,
  LimitExceeded,
  RequestContext,
  ResponseError,
  ResponseErrorTag,
  TransportError,
  UnknownRegistryError
} from "../../model/RegistryError.ts"
import * as RegistryError from "../../model/RegistryError.ts"
import type { MirrorCapability } from "../RegistryHosts.ts"

/**
 * One request to a registry.
 *
 * - `path`: `/v2/…` with its query, or an absolute URL the registry gave (`Location`, `Link`), which leads no further than a redirect may;
 *   credentials go along only to the registry itself
 * - `scopes`: what a token must allow, the primary scope first
 * - `read`: what a mirror must be able to do to answer in place of the registry; the registry alone is asked when absent
 * - `replayable`: whether `body` can be sent again, true unless said otherwise; a body that cannot is sent once, and a 401 or a failure
 *   that would lead to another attempt is given to the caller
 * - `retry`: whether failures are retried by the policy, true unless said otherwise
 * - `priority`: `bulk` lets small requests overtake
 * - `wholeBytes`: the body of a 200 from the registry itself comes with the answer, at most so long: one that breaks off counts as an answer
 *   that did not come, and the policy says whether the request is retried
 *
 * @since 0.1.0
 */
export interface TransportRequest {
  readonly operation: string
  readonly endpoint: Endpoint
  readonly registry: string
  readonly repository?: string | undefined
  readonly method: WireRequest["method"]
  readonly path: string
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: HttpBody.HttpBody | undefined
  readonly scopes: ReadonlyArray<string>
  readonly read?: MirrorCapability | undefined
  readonly replayable?: boolean | undefined
  readonly retry?: boolean | undefined
  readonly priority?: "small" | "bulk" | undefined
  readonly wholeBytes?: number | undefined
}

/**
 * An answer, whatever its status. Its body belongs to the scope of the request.
 *
 * @since 0.1.0
 */
export interface TransportResponse extends WireResponse {
  readonly context: RequestContext
  /** Whether a mirror answered. */
  readonly mirror: boolean
  /** For an answer that turned out to be wrong: leaves the mirror it came from alone for a while, so that the next request goes elsewhere. */
  readonly passOver: Effect.Effect<void>
  /** Whether an earlier attempt broke off or failed at the registry, and may have been carried out all the same. */
  readonly doubtful: boolean
  /** The `Retry-After` of the answer. */
  readonly retryAfter: Duration.Duration | undefined
  /** Fails with the error this answer means; reads at most 64 KiB of its body. `tags` are the errors the operation declares. */
  readonly fail: <const Tag extends ResponseErrorTag>(
    tags: ReadonlyArray<Tag>
  ) => Effect.Effect<never, ResponseError<Tag> | UnknownRegistryError>
}

/** An answer and what has to be known of it; whoever has it has to settle it. @internal */
export interface Heard {
  readonly response: Reply
  readonly context: RequestContext
  /** The `Authorization` headers that were sent, which must not be shown should the answer repeat them. */
  readonly authorizations: ReadonlyArray<Redacted.Redacted>
  readonly retryAfter: Duration.Duration | undefined
  /** Whether the host itself answered, and not one that it redirected to. */
  readonly direct: boolean
  /** See `TransportResponse`. */
  readonly doubtful?: boolean | undefined
}

const errorBodyLimitBytes = 64 * 1024

const requestIdHeaders = [
  "x-request-id",
  "docker-request-id",
  "x-github-request-id",
  "x-amzn-requestid",
  "x-ms-request-id",
  "x-ms-correlation-request-id"
]

/** The token, or user and password of a Basic header. @internal */
export const secretsOf = (authorization: Redacted.Redacted): ReadonlyArray<string> => {
  const [scheme = "", value = ""] = Redacted.value(authorization).split(" ", 2)
  if (scheme.toLowerCase() !== "basic") return [value]
  const pair = Either.getOrElse(Encoding.decodeBase64String(value), () => "")
  return [value, pair, pair.slice(pair.indexOf(":") + 1)]
}

/** What a Bearer challenge complains about (RFC 6750, 3.1). */
const complaintOf = ({ status, headers }: WireResponse): RegistryError.ResponseParts["challenge"] => {
  if (status < 400 || status > 499) return undefined
  const complaint = Challenge.parse([headers["www-authenticate"] ?? ""]).find((_) => Challenge.isBearer(_) && "error" in _.parameters)
  const { error, error_description: description } = complaint?.parameters ?? {}
  return error === undefined ? undefined : { error, description }
}

/** @internal */
export const answer = ({ response, context, authorizations, doubtful = false, retryAfter }: Heard, mirror: boolean): TransportResponse => ({
  status: response.status,
  headers: response.headers,
  url: response.url,
  origin: response.origin,
  contentEncoding: response.contentEncoding,
  body: response.body,
  bytes: response.bytes,
  text: response.text,
  discard: response.discard,
  context,
  mirror,
  passOver: Effect.void,
  doubtful,
  retryAfter,
  fail: (tags) =>
    Effect.flatMap(
      Effect.orElseSucceed(response.text(errorBodyLimitBytes), () => ""),
      (body) =>
        Effect.fail(
          RegistryError.fromResponse(tags, context, {
            status: response.status,
            body,
            requestId: requestIdHeaders.map((name) => response.headers[name]).find((id) => id !== undefined),
            retryAfter,
            secrets: authorizations.flatMap(secretsOf),
            challenge: complaintOf(response)
          })
        )
    )
})

/** Ends what is left of an answer that leads to nothing. @internal */
export const settle = ({ settle }: Reply, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  settle?.(Exit.failCause(cause)) ?? Effect.void

/** The same answer with its body in memory, so that nothing is left to settle. */
const inMemory = (response: WireResponse, body: Uint8Array, bytes: WireResponse["bytes"] = () => Effect.succeed(body)): Reply => ({
  ...response,
  body: body.byteLength === 0 ? Stream.empty : Stream.make(body),
  bytes,
  text: (limitBytes) => Effect.map(bytes(limitBytes), (body) => new TextDecoder().decode(body)),
  discard: Effect.void,
  settle: undefined,
  keepTo: (pace) => pace.leave()
})

/** The same answer with its body in memory, if that is small and in time, so that the connection can go. @internal */
export const buffered = (response: WireResponse, within?: Duration.DurationInput): Effect.Effect<Reply> => {
  const whole = response.bytes(errorBodyLimitBytes)
  const inTime = within === undefined ? whole : Effect.timeout(whole, within)
  return Effect.map(
    Effect.orElseSucceed(inTime, () => new Uint8Array(0)),
    (body) => inMemory(response, body)
  )
}

/** The answer with its body, if that was wanted. To be run uninterruptibly: `restore` is for the wait. @internal */
export const withBody = (
  heard: Heard,
  wholeBytes: number | undefined,
  restore: Restore
): Effect.Effect<Heard, TransportError | LimitExceeded> => {
  const { context, response } = heard
  if (wholeBytes === undefined || response.status !== 200) return Effect.succeed(heard)
  const { operation, registry, repository } = context
  return Effect.map(
    Effect.onError(restore(response.bytes(wholeBytes)), (cause) => settle(response, cause)),
    (body) => {
      const bytes = (limit: number) =>
        body.byteLength <= limit
          ? Effect.succeed(body)
          : Effect.fail(new RegistryError.LimitExceeded({ registry, repository, operation, what: "response body", limit }))
      return { ...heard, response: inMemory(response, body, bytes) }
    }
  )
}
