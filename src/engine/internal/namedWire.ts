/** Requests to hosts that the user named, and how long the container engine waits for their answers. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as AddressPolicy from "../../http/internal/addressPolicy.ts"
import * as Origin from "../../http/internal/origin.ts"
import * as Wire from "../../http/internal/Wire.ts"

/** 15 s until the answer's headers are there, as the engine has it. @internal */
export const patience = { connectTimeout: "5 seconds", headersTimeout: "10 seconds" } as const

/** What an answer says beside its headers is of use to errors only: one that takes longer to say it has said nothing. @internal */
export const bodyPatience = "15 seconds"

/** A wire over the client of the context; `userAgent` goes in front of the library's own. @internal */
export const open = Effect.fnUntraced(function* (url: string, { userAgent, ...options }: Wire.WireOptions) {
  const resolver = yield* AddressPolicy.NameResolver
  const named = Origin.parse(url)
  if (named !== undefined) resolver.trust?.(named.hostname)
  const client = yield* HttpClient.HttpClient
  return { resolver, wire: Wire.make(client, { ...options, userAgent: Wire.userAgentOf(userAgent), resolver }) }
})
