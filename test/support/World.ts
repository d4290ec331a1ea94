/** A client and the registries it talks to, in memory, with all that a test may want to look at. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as TokenCache from "../../src/auth/TokenCache.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import type { RegistryControl } from "../../src/testing/RegistryControl.ts"
import * as Transport from "../../src/transport/internal/transport.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as RetryPolicy from "../../src/transport/RetryPolicy.ts"
import { turn } from "./Eventually.ts"

export const host = "registry.test"

export interface Options {
  /** The registries; `registry.test` as the spec has it when absent. */
  readonly hosts?: MemoryRegistry.MemoryRegistryOptions["hosts"]
  readonly rules?: ReadonlyArray<FaultyHttp.Rule>
  readonly settings?: RegistryHosts.Options
  readonly credentials?: Readonly<Record<string, Credentials.Credentials>>
  /** Every request is sent once unless given. */
  readonly retry?: RetryPolicy.Options
}

export interface World {
  readonly client: RegistryClient.Service
  readonly registry: MemoryRegistry.Service
  readonly faults: FaultyHttp.Service
  /** Places taken at the gate of `registry.test`. */
  readonly taken: Effect.Effect<{ readonly read: number; readonly write: number }>
}

export const make = Effect.fn("World.make")(function* (options: Options = {}) {
  const { client, registry } = yield* MemoryRegistry.make({ hosts: options.hosts ?? { [host]: {} } })
  const network = yield* FaultyHttp.make(client, { rules: options.rules ?? [] })
  const transport = yield* Transport.make({
    client: HttpClient.withTracerDisabledWhen(network.client, () => true),
    keychain: Keychain.make(options.credentials ?? {}),
    tokenCache: yield* TokenCache.make(),
    policy: options.retry === undefined ? RetryPolicy.none : RetryPolicy.make(options.retry),
    hosts: RegistryHosts.make(options.settings ?? {}),
    wire: {},
    clientId: undefined,
    unwrapped: false
  })
  const world: World = {
    client: yield* Effect.provideService(RegistryClient.make, RegistryTransport.RegistryTransport, transport),
    registry,
    faults: network.faults,
    taken: transport.taken(host)
  }
  return world
})

/** Lets the test's clock run as fast as the effect needs it to. */
export const throughTime = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(self)
    let turns = 0
    let seconds = 1
    while (Option.isNone(yield* Fiber.poll(fiber))) {
      yield* turn
      // What only needs turns of the event loop is not to see hours pass meanwhile.
      if (++turns % 20 !== 0) continue
      yield* TestClock.adjust(Duration.seconds(seconds))
      seconds = Math.min(64, 2 * seconds)
    }
    return yield* Fiber.join(fiber)
  })

/** Names of everything that is under a digest it does not have. */
export const corruptContent = Effect.fn("World.corruptContent")(function* (registry: RegistryControl) {
  const corrupt: Array<string> = []
  const check = (repository: string, digest: Digest.Digest, bytes: Uint8Array | undefined) => {
    const algorithm = Digest.algorithm(digest) === "sha512" ? "sha512" : "sha256"
    if (bytes === undefined || Digest.fromBytes(bytes, algorithm) !== digest) corrupt.push(`${repository} ${digest}`)
  }
  for (const repository of yield* registry.repositories) {
    for (const digest of yield* registry.blobs(repository)) {
      check(repository, digest, Option.getOrUndefined(yield* registry.blob(repository, digest)))
    }
    for (const digest of yield* registry.manifests(repository)) {
      check(repository, digest, Option.getOrUndefined(yield* registry.manifest(repository, digest))?.bytes)
    }
  }
  return corrupt
})

/** An outcome in one word: what was given, or `!` and the tag of the error; a defect tells all it knows. */
export const outcomeOf = <E extends { readonly _tag: string }>(exit: Exit.Exit<string, E>): string =>
  Exit.match(exit, {
    onSuccess: (word) => word,
    onFailure: (cause) => {
      const failure = Cause.failureOption(cause)
      return Option.isSome(failure) && Chunk.isEmpty(Cause.defects(cause)) ? `!${failure.value._tag}` : `defect: ${Cause.pretty(cause)}`
    }
  })
