/**
 * What our own client for Node offers beside the platform's interface: requests and bodies whose waits can be broken off from outside, so that
 * they need no fiber of their own, and bodies that are pulled without a stream. A client or a response that was derived from ours does not
 * offer it, since it may do something else.
 *
 * @internal
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import type * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Target } from "./origin.ts"
import { type Head, PlatformResponse, type Source } from "./platformResponse.ts"

/** @internal */
export interface DirectBody {
  /** All bytes at hand, or those that come next; `none` after the last of them. */
  readonly pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<unknown>>
  /** Closes the connection, upon which a wait fails; harmless after the end. */
  readonly abort: () => void
}

/** @internal */
export interface DirectExchange {
  /** To be run once; whoever gets the response has to let go of it, and whoever is interrupted meanwhile has to abort. */
  readonly response: Effect.Effect<HttpClientResponse, HttpClientError>
  /** Closes the connection, upon which the wait fails at once; harmless after the end. */
  readonly abort: () => void
}

const start: unique symbol = Symbol("effect-oci/direct/start")

interface Client extends HttpClient.HttpClient {
  readonly [start]: Start
}

/** Begins an exchange; the target is that of the request's URL. @internal */
export type Start = (request: HttpClientRequest, target: Target) => DirectExchange

const isClient = (client: HttpClient.HttpClient): client is Client => Object.hasOwn(client, start)

/** An answer that offers its body, which is taken at most once, whichever way. @internal */
export class Response extends PlatformResponse {
  // What was derived from an answer does not have it.
  readonly #take: () => DirectBody | undefined

  constructor(request: HttpClientRequest, head: Head, source: Source, take: () => DirectBody | undefined) {
    super(request, head, source)
    this.#take = take
  }

  static offersBody(response: HttpClientResponse): boolean {
    return #take in response
  }

  static takeBody(response: HttpClientResponse): DirectBody | undefined {
    return #take in response ? response.#take() : undefined
  }
}

/** Whether the body can be taken, or was. @internal */
export const offersBody = Response.offersBody

/** The body, unless it was taken before; whoever takes it has to end or abort it. @internal */
export const takeBody = Response.takeBody

/** Offers exchanges that go as the client's own. @internal */
export const withStart = (client: HttpClient.HttpClient, begin: Start): HttpClient.HttpClient =>
  Object.defineProperty(client, start, { value: begin })

/** How the client begins an exchange that can be aborted, if it is ours. @internal */
export const startOf = (client: HttpClient.HttpClient): Start | undefined => (isClient(client) ? client[start] : undefined)
