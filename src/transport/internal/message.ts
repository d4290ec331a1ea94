import type * as HttpBody from "@effect/platform/HttpBody"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { WireRequest, WireResponse } from "../../http/internal/Wire.ts"
import type { Endpoint, RequestContext, ResponseError, ResponseErrorTag, UnknownRegistryError } from "../../model/RegistryError.ts"
import * as RegistryError from "../../model/RegistryError.ts"
import type { MirrorCapability } from "../RegistryHosts.ts"

/**
 * One request to a registry.
 *
 * - `path`: `/v2/…` with its query, or an absolute URL the registry gave (`Location`, `Link`); credentials go along only to the registry itself
 * - `scopes`: what a token must allow, the primary scope first
 * - `read`: what a mirror must be able to do to answer in place of the registry; the registry alone is asked when absent
 * - `replayable`: whether `body` can be sent again, true unless said otherwise
 * - `retry`: whether failures are retried by the policy, true unless said otherwise
 * - `priority`: `bulk` lets small requests overtake
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
  /** The `Retry-After` of the answer. */
  readonly retryAfter: Duration.Duration | undefined
  /** Fails with the error this answer means; reads at most 64 KiB of its body. `tags` are the errors the operation declares. */
  readonly fail: <const Tag extends ResponseErrorTag>(
    tags: ReadonlyArray<Tag>
  ) => Effect.Effect<never, ResponseError<Tag> | UnknownRegistryError>
}

/** Error bodies are read to this many bytes. @internal */
export const errorBodyLimitBytes = 64 * 1024

const requestIdHeaders = [
  "x-request-id",
  "docker-request-id",
  "x-github-request-id",
  "x-amzn-requestid",
  "x-ms-request-id",
  "x-ms-correlation-request-id"
]

/** What must not be shown should the answer repeat it: the token, or user and password of a Basic header. */
const secretsOf = (authorization: Redacted.Redacted<string> | undefined): ReadonlyArray<string> => {
  if (authorization === undefined) return []
  const [scheme = "", value = ""] = Redacted.value(authorization).split(" ", 2)
  if (scheme.toLowerCase() !== "basic") return [value]
  const pair = Either.getOrElse(Encoding.decodeBase64String(value), () => "")
  return [value, pair, pair.slice(pair.indexOf(":") + 1)]
}

/** @internal */
export const answer = (
  response: WireResponse,
  options: {
    readonly context: RequestContext
    readonly mirror: boolean
    readonly authorization: Redacted.Redacted<string> | undefined
    readonly retryAfter: Duration.Duration | undefined
  }
): TransportResponse => ({
  ...response,
  context: options.context,
  mirror: options.mirror,
  retryAfter: options.retryAfter,
  fail: (tags) =>
    Effect.flatMap(
      Effect.orElseSucceed(response.text(errorBodyLimitBytes), () => ""),
      (body) =>
        Effect.fail(
          RegistryError.fromResponse(tags, options.context, {
            status: response.status,
            body,
            requestId: requestIdHeaders.map((name) => response.headers[name]).find((id) => id !== undefined),
            retryAfter: options.retryAfter,
            secrets: secretsOf(options.authorization)
          })
        )
    )
})

/** The same answer with a small body that is in memory already, so that the connection is free. @internal */
export const buffered = (response: WireResponse): Effect.Effect<WireResponse> =>
  Effect.map(
    Effect.orElseSucceed(response.bytes(errorBodyLimitBytes), () => new Uint8Array(0)),
    (body) => ({
      ...response,
      body: body.byteLength === 0 ? Stream.empty : Stream.make(body),
      bytes: () => Effect.succeed(body),
      text: () => Effect.succeed(new TextDecoder().decode(body)),
      discard: Effect.void
    })
  )
