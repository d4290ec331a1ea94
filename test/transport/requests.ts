import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"

export type Options = Partial<RegistryTransport.TransportRequest>

export const repository = "acme/app"
export const pull = [`repository:${repository}:pull`]

/** A read of a manifest of `registry.test`, unless told otherwise. */
export const request = (options: Options = {}): RegistryTransport.TransportRequest => ({
  operation: "test",
  endpoint: "manifest",
  registry: "registry.test",
  repository,
  method: "GET",
  path: `/v2/${repository}/manifests/latest`,
  scopes: pull,
  ...options
})

export const execute = (options?: Options) =>
  Effect.flatMap(RegistryTransport.RegistryTransport, (transport) => transport.execute(request(options)))

/** The status of an answer that nobody reads. */
export const statusOf = (options?: Options) => Effect.scoped(Effect.map(execute(options), ({ status }) => status))

/** The text of an answer. */
export const textOf = (options?: Options) => Effect.scoped(Effect.flatMap(execute(options), (response) => response.text(1024 * 1024)))

/** Runs an effect to its end while that much time goes by. */
export const during = <A, E, R>(time: Duration.DurationInput, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(time)
    return yield* Fiber.join(fiber)
  })

/** How long an effect takes by the test clock, in milliseconds, to the step. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>, stepMillis = 100) =>
  Effect.gen(function* () {
    const start = yield* TestClock.currentTimeMillis
    const fiber = yield* Effect.fork(effect)
    while ((yield* Fiber.poll(fiber))._tag === "None") yield* TestClock.adjust(stepMillis)
    return [(yield* TestClock.currentTimeMillis) - start, yield* Fiber.join(fiber)] as const
  })
