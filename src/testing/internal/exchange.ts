import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { RequestHead, Response } from "../RegistryOptions.ts"

/**
 * The client went away, or its body broke off, before the request was complete. No answer can reach it.
 *
 * @internal
 */
export class RequestAborted extends Data.TaggedError("RequestAborted")<{ readonly cause: unknown }> {}

/** @internal */
export interface Request extends RequestHead {
  readonly body: Stream.Stream<Uint8Array, RequestAborted>
}

/**
 * A request that is answered early: the answer travels as a failure up to the handler.
 *
 * @internal
 */
export class Refusal extends Data.TaggedError("Refusal")<{ readonly response: Response }> {}

/** @internal */
export const noBytes = new Uint8Array(0)

const encoder = new TextEncoder()

/** @internal */
export const empty = (status: number, headers: Response["headers"] = {}): Response => ({
  status,
  headers: status === 204 || status === 304 ? headers : { "Content-Length": "0", ...headers },
  body: noBytes
})

/** @internal */
export const json = (status: number, value: unknown, headers: Response["headers"] = {}, contentType = "application/json"): Response => {
  const body = encoder.encode(JSON.stringify(value))
  return { status, headers: { "Content-Type": contentType, "Content-Length": String(body.length), ...headers }, body }
}

/** @internal */
export type Code =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "DIGEST_INVALID"
  | "MANIFEST_BLOB_UNKNOWN"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "SIZE_INVALID"
  | "UNAUTHORIZED"
  | "DENIED"
  | "UNSUPPORTED"
  | "TOOMANYREQUESTS"
  | "TAG_INVALID"
  | "RANGE_INVALID"
  | "PAGINATION_NUMBER_INVALID"
  | "UNKNOWN"

/** An answer with an error body (distribution-spec «Error Codes»). @internal */
export const error = (status: number, code: Code, message: string, detail?: unknown, headers: Response["headers"] = {}): Response =>
  json(status, { errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] }, headers)

/** @internal */
export const refuse = (
  status: number,
  code: Code,
  message: string,
  detail?: unknown,
  headers: Response["headers"] = {}
): Effect.Effect<never, Refusal> => Effect.fail(new Refusal({ response: error(status, code, message, detail, headers) }))

/** The switched-off answer. @internal */
export const unsupported = (what: string): Effect.Effect<never, Refusal> => refuse(405, "UNSUPPORTED", `${what} is not supported`)
