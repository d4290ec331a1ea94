/** What went wrong, by tag: handled, told to people, and sent to another program as JSON. */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Match from "effect/Match"
import * as Schema from "effect/Schema"
import { Reference, RegistryClient, RegistryError } from "effect-oci"
import { TestRegistry } from "effect-oci/testing"

/** The schema is that of all errors: it is the `error` of an rpc or of an endpoint just as well. */
const Wire = Schema.parseJson(RegistryError.RegistryError)

const advice = Match.type<RegistryError.RegistryError>().pipe(
  Match.tag("Unauthorized", "Denied", ({ registry }) => `Log in to ${registry}, or ask for access.`),
  Match.tag("TooManyRequests", ({ retryAfter }) => `Try again in ${retryAfter === undefined ? "a while" : Duration.format(retryAfter)}.`),
  Match.tag("StoreError", ({ store }) => `Look at ${store}.`),
  Match.orElse((error) => (RegistryError.isRetryable(error) ? "Try again." : "It will fail again."))
)

const digestOf = Effect.fn("digestOf")(function* (text: string) {
  const client = yield* RegistryClient.RegistryClient
  return (yield* client.resolve(yield* Reference.parse(text))).digest
})

const program = Effect.gen(function* () {
  // Some by their tags: what is left stays in the type.
  const found = digestOf("registry.test/acme/app:1.4").pipe(
    Effect.asSome,
    Effect.catchTags({ ManifestUnknown: () => Effect.succeedNone, NameUnknown: () => Effect.succeedNone })
  )
  yield* Console.log((yield* found)._tag)

  for (const text of ["registry.test/acme/app:1.4", "registry.test/UPPER", "other.test/acme/app"]) {
    const error = yield* Effect.flip(digestOf(text))
    yield* Console.log(`${error.message}\n  ${advice(error)}`)
    const json = yield* Schema.encode(Wire)(error)
    const again = yield* Schema.decode(Wire)(json)
    yield* Console.log(`  ${json}\n  ${again._tag === error._tag && again.message === error.message}`)
  }
})

Effect.runPromise(Effect.provide(program, TestRegistry.layer()))
