import type * as Dns from "node:dns"
import type * as Net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TestClock from "effect/TestClock"
import * as AddressPolicy from "../../src/http/internal/addressPolicy.ts"
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

/** A name service that gives what the table says at the time. */
const tableOf = (table: Record<string, ReadonlyArray<string>>): Net.LookupFunction => {
  return (host, options, callback) => {
    const found = (table[host] ?? []).map((address) => ({ address, family: address.includes(":") ? 6 : 4 }))
    const [first] = found
    if (first === undefined) callback(Object.assign(new Error("getaddrinfo EAI_AGAIN"), { code: "EAI_AGAIN" }), "", 0)
    else if (options.all === true) callback(null, found)
    else callback(null, first.address, first.family)
  }
}

const check = (names: Names.Names, from: string, to: string) =>
  AddressPolicy.check(new URL(`https://${from}`), new URL(`https://${to}`), { resolver: names })

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

  describe("of a host that a server named", () => {
    const shown = (names: Names.Names, host: string, options?: Dns.LookupOptions) => {
      const tell = (error: Error) => `${Reflect.get(error, "code")}: ${error.message}`
      return Effect.map(Effect.either(lookUp(names, host, options)), Either.getOrElse(tell))
    }

    it.effect("judges what the policy could not look up when it is connected to", () =>
      Effect.gen(function* () {
        const table: Record<string, ReadonlyArray<string>> = { "registry.test": ["93.184.216.34"] }
        const names = yield* Names.make(tableOf(table))
        assert.isUndefined(yield* check(names, "registry.test", "files.test"))
        table["files.test"] = ["93.184.216.35", "127.0.0.1"]
        assert.strictEqual(yield* shown(names, "files.test"), "EACCES: files.test is a loopback address")
        table["files.test"] = ["fd00::1"]
        assert.strictEqual(yield* shown(names, "files.test", {}), "EACCES: files.test is a private address")
        table["files.test"] = ["93.184.216.35"]
        assert.strictEqual(yield* shown(names, "files.test", {}), "93.184.216.35")
        assert.deepStrictEqual(yield* shown(names, "files.test"), [{ address: "93.184.216.35", family: 4 }])
      })
    )

    it.effect("judges it however late the connection is made", () =>
      Effect.gen(function* () {
        const table: Record<string, ReadonlyArray<string>> = { "registry.test": ["93.184.216.34"], "files.test": ["93.184.216.35"] }
        const names = yield* Names.make(tableOf(table))
        assert.isUndefined(yield* check(names, "registry.test", "files.test"))
        table["files.test"] = ["169.254.169.254"]
        yield* TestClock.adjust("62 seconds")
        assert.strictEqual(yield* shown(names, "files.test"), "EACCES: files.test is a link-local address")
        yield* TestClock.adjust("30 days")
        assert.strictEqual(yield* shown(names, "files.test"), "EACCES: files.test is a link-local address")
      })
    )

    it.effect("judges what a later look has found, too", () =>
      Effect.gen(function* () {
        const table: Record<string, ReadonlyArray<string>> = { "registry.test": ["93.184.216.34"], "files.test": ["93.184.216.35"] }
        const names = yield* Names.make(tableOf(table))
        assert.isUndefined(yield* check(names, "registry.test", "files.test"))
        table["files.test"] = ["10.0.0.1"]
        assert.strictEqual(yield* check(names, "registry.test", "files.test"), "files.test is a private address")
        assert.strictEqual(yield* shown(names, "files.test"), "EACCES: files.test is a private address")
      })
    )

    it.effect("lets a registry name its neighbours, and hosts that only the user named be anywhere", () =>
      Effect.gen(function* () {
        const table: Record<string, ReadonlyArray<string>> = { "registry.corp": ["10.0.0.5"] }
        const names = yield* Names.make(tableOf(table))
        assert.isUndefined(yield* check(names, "registry.corp", "minio.corp"))
        assert.isUndefined(yield* check(names, "[::1]", "local.corp"))
        table["minio.corp"] = ["10.0.0.6"]
        table["local.corp"] = ["127.0.0.1"]
        assert.strictEqual(yield* shown(names, "registry.corp", {}), "10.0.0.5")
        assert.strictEqual(yield* shown(names, "minio.corp", {}), "10.0.0.6")
        assert.strictEqual(yield* shown(names, "local.corp", {}), "127.0.0.1")
        table["minio.corp"] = ["169.254.169.254"]
        assert.strictEqual(yield* shown(names, "minio.corp", {}), "EACCES: minio.corp is a link-local address")
      })
    )

    it.effect("leaves the user his own, whoever named it before or after", () =>
      Effect.gen(function* () {
        const table: Record<string, ReadonlyArray<string>> = { "registry.test": ["93.184.216.34"] }
        const names = yield* Names.make(tableOf(table))
        for (const host of ["harbor.corp", "gitlab.corp"]) {
          if (host === "gitlab.corp") names.trust(host)
          assert.isUndefined(yield* check(names, "registry.test", host))
          names.trust(host)
          table[host] = ["10.0.0.7"]
          assert.strictEqual(yield* shown(names, host, {}), "10.0.0.7")
        }
        assert.strictEqual(yield* check(names, "registry.test", "harbor.corp"), "harbor.corp is a private address")
      })
    )

    it.effect("is not led over connections that are kept when it cannot be looked up", () =>
      Effect.gen(function* () {
        const table: Record<string, ReadonlyArray<string>> = { "minio.corp": ["10.0.0.6"] }
        const names = yield* Names.make(tableOf(table))
        assert.strictEqual(yield* shown(names, "minio.corp", {}), "10.0.0.6")
        table["minio.corp"] = []
        assert.strictEqual(yield* check(names, "registry.test", "minio.corp"), "minio.corp is a private address")
      })
    )

    it.effect("remembers so many of them, forgets none that may still be connected to, and goes to no others", () =>
      Effect.gen(function* () {
        const names = yield* Names.make(tableOf({ "late.test": ["127.0.0.1"], "registry.test": ["93.184.216.34"] }))
        assert.isUndefined(names.guard("late.test", "registry.test"))
        for (let n = 1; n < 10_000; n++) assert.isUndefined(names.guard(`${n}.test`, "registry.test"))
        const full = "more hosts were named than can be watched"
        assert.strictEqual(yield* check(names, "registry.test", "one-more.test"), full)
        assert.isUndefined(names.guard("1.test", "registry.test"))
        assert.strictEqual(yield* check(names, "registry.test", "a".repeat(255)), "no host has so long a name")
        assert.strictEqual(yield* shown(names, "late.test", {}), "EACCES: late.test is a loopback address")
        yield* TestClock.adjust("1 hour")
        assert.isUndefined(yield* check(names, "registry.test", "one-more.test"))
      })
    )
  })
})
