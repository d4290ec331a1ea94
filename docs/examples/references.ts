import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Reference } from "effect-oci"

const program = Effect.gen(function* () {
  for (const input of ["ubuntu", "ghcr.io/acme/app:1.4", "localhost:5000/team/app:edge"]) {
    const reference = yield* Reference.parse(input)
    yield* Console.log(`${input} is ${reference}, short ${Reference.familiarName(reference)}`)
  }
  const strict = yield* Effect.flip(Effect.suspend(() => Reference.parse("ubuntu", { mode: "strict" })))
  yield* Console.log(strict.message)
})

Effect.runPromise(program)
