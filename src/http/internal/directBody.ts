import type * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

/**
 * The body of a response as our own client for Node has it: pulled without a stream, and with a way to break a wait off from outside.
 *
 * @internal
 */
export interface DirectBody {
  /** All bytes at hand, or those that come next; `none` after the last of them. */
  readonly pull: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<unknown>>
  /** Closes the connection, upon which a wait fails; harmless after the end. */
  readonly abort: () => void
}

/**
 * Whether a request of this fiber wants such bodies. The platform wraps what a client gives in what aborts it when it is forgotten; who sets
 * this lets go of every response.
 *
 * @internal
 */
export class Wanted extends Context.Reference<Wanted>()("effect-oci/DirectBody/Wanted", { defaultValue: () => false }) {}

/** Where a response has it; it is taken at most once, as its stream would be. @internal */
export const DirectBody: unique symbol = Symbol("effect-oci/DirectBody")

/** @internal */
export interface HasDirectBody {
  readonly [DirectBody]: () => DirectBody | undefined
}

/** What was derived from a response may have a body of its own. */
const isDirect = (response: object): response is HasDirectBody => Object.hasOwn(response, DirectBody)

/** @internal */
export const take = (response: object): DirectBody | undefined => (isDirect(response) ? response[DirectBody]() : undefined)
