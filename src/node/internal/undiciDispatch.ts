import type * as Undici from "@effect/platform-node/Undici"
import type { Dispatch } from "./clientOver.ts"

/** Requests through a dispatcher of undici. */
export const make =
  (dispatcher: Undici.Dispatcher): Dispatch =>
  (outgoing, exchange) => {
    dispatcher.dispatch(
      {
        ...outgoing,
        // undici's documentation lists async iterables among the bodies, its types do not.
        body: outgoing.body as NonNullable<Undici.Dispatcher.DispatchOptions["body"]> | null,
        headersTimeout: 0,
        bodyTimeout: 0,
        // undici closes the connection after a HEAD to please servers that send a body along; registries are asked with HEAD all day long.
        ...(outgoing.method === "HEAD" ? { reset: false } : undefined)
      },
      exchange
    )
  }
