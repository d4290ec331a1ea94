/**
 * The platform's `HttpClient` over undici: what `NodeClient` is, with any dispatcher of undici in the place of Node's own connections.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Undici from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as AddressPolicy from "../http/internal/addressPolicy.ts"
import * as Dispatcher from "./Dispatcher.ts"
import * as ClientOver from "./internal/clientOver.ts"
import * as Names from "./internal/nameResolver.ts"
import * as UndiciDispatch from "./internal/undiciDispatch.ts"

/**
 * A client over any undici dispatcher, which stays the caller's to close.
 *
 * @since 0.1.0
 */
export const make = (dispatcher: Undici.Dispatcher): HttpClient.HttpClient => ClientOver.make(UndiciDispatch.make(dispatcher))

/**
 * The client over the `Dispatcher` in the context.
 *
 * @since 0.1.0
 */
export const layerWithoutDispatcher: Layer.Layer<HttpClient.HttpClient, never, Dispatcher.Dispatcher> = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(Dispatcher.Dispatcher, make)
)

/**
 * The client with connection pools of its own, which are destroyed with the layer. What is built on it follows redirects, `Location`s and
 * realms to names of hosts only where their addresses allow it, and connects to no others.
 *
 * @since 0.1.0
 */
export const layer = (options: Dispatcher.Options = {}): Layer.Layer<HttpClient.HttpClient> =>
  Layer.unwrapEffect(
    Effect.map(Names.make(options.lookup), ({ guard, lookup, resolve, trust }) =>
      Layer.merge(
        Layer.provide(layerWithoutDispatcher, Dispatcher.layer({ ...options, lookup })),
        Layer.succeed(AddressPolicy.NameResolver, { guard, resolve, trust })
      )
    )
  )
