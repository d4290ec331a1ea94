import type * as Dns from "node:dns"
import type * as Net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Names from "../../src/node/internal/nameResolver.ts"

type Found = string | Array<Dns.LookupAddress>

/** A name service that gives another address each time, the first one first. */
const rebinding = (...addresses: ReadonlyArray<string>) => {
  const asked: Array<string> = []
  const lookup: Net.LookupFunction = (host, options, callback) => {
    const address = addresses[asked.push(host) - 1]
    if (address === undefined) return callback(new Error("no such name"), "", 0)
    if (options.all === true) callback(null, [{ address, family: 4 }])
    else callback(null, address, 4)
  }
  return { asked, lookup }
}

const lookUp = ({ lookup }: Names.Names, host: string, options: Dns.LookupOptions = { all: true }): Effect.Effect<Found, Error> =>
  Effect.async((resume) => lookup(host, options, (error, found) => resume(error === null ? Effect.succeed(found) : Effect.fail(error))))

describe("nameResolver", () => {
  it.live("gives the addresses of a name, and none for an unknown one", () =>
    Effect.gen(function* () {
      const { resolve } = yield* Names.make()
      assert.includeMembers([...(yield* resolve("localhost"))], ["127.0.0.1"])
      assert.deepStrictEqual(yield* resolve("name.invalid"), [])
    })
  )

  it.effect("sends connections where the policy has looked, for a minute", () =>
    Effect.gen(function* () {
      const system = rebinding("93.184.216.34", "169.254.169.254")
      const names = yield* Names.make(system.lookup)
      assert.deepStrictEqual(yield* names.resolve("files.test"), ["93.184.216.34"])
      assert.deepStrictEqual(yield* lookUp(names, "files.test"), [{ address: "93.184.216.34", family: 4 }])
      assert.strictEqual(yield* lookUp(names, "files.test", {}), "93.184.216.34")
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* lookUp(names, "files.test", {}), "93.184.216.34")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* lookUp(names, "files.test", {}), "169.254.169.254")
      assert.deepStrictEqual(system.asked, ["files.test", "files.test"])
    })
  )

  it.effect("leaves other names, and those it could not tell, to the system", () =>
    Effect.gen(function* () {
      const system = rebinding("10.0.0.1", "10.0.0.2")
      const names = yield* Names.make(system.lookup)
      assert.strictEqual(yield* lookUp(names, "registry.test", {}), "10.0.0.1")
      assert.deepStrictEqual(yield* names.resolve("other.test"), ["10.0.0.2"])
      assert.deepStrictEqual(yield* names.resolve("gone.test"), [])
      assert.strictEqual((yield* Effect.flip(lookUp(names, "gone.test"))).message, "no such name")
    })
  )
})
