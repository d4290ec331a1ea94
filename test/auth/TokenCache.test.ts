import * as PlatformError from "@effect/platform/Error"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { describe, expect, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as AccessToken from "../../src/auth/AccessToken.ts"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as TokenCache from "../../src/auth/TokenCache.ts"

const key: TokenCache.TokenKey = {
  registry: "registry.example.com",
  realm: "https://auth.example.com/token",
  service: "svc",
  scopes: ["repository:a/b:pull"],
  identity: Credentials.identity(Credentials.basic("user", "CANARY-password"))
}

const wide = { ...key, scopes: ["repository:a/b:push,pull", "repository:c:pull"] }

/** Gives `token-1`, `token-2`, … for five minutes each. */
const counter = (scopes: ReadonlyArray<string> = key.scopes) => {
  const state = { count: 0 }
  const acquire = Effect.map(Effect.clock, (clock) => {
    state.count += 1
    const now = clock.unsafeCurrentTimeMillis()
    return AccessToken.make({ value: `token-${state.count}`, issuedAt: now, expiresAt: now + 300_000, scopes })
  })
  return { state, acquire }
}

const text = (token: AccessToken.AccessToken) => Redacted.value(token.value)

const provided = (layer: Layer.Layer<TokenCache.TokenCache>) => Effect.provide(layer)

describe("layerMemory", () => {
  it.effect("asks once, and again shortly before the end", () =>
    Effect.gen(function* () {
      const cache = yield* TokenCache.TokenCache
      const { state, acquire } = counter()
      expect(text(yield* cache.get(key, acquire))).toBe("token-1")
      yield* TestClock.adjust("289 seconds")
      expect(text(yield* cache.get(key, acquire))).toBe("token-1")
      yield* TestClock.adjust("1 second")
      expect(text(yield* cache.get(key, acquire))).toBe("token-2")
      expect(state.count).toBe(2)
    }).pipe(provided(TokenCache.layerMemory))
  )

  it.effect("asks once for a thousand callers", () =>
    Effect.gen(function* () {
      const cache = yield* TokenCache.TokenCache
      const { state, acquire } = counter()
      const slow = Effect.zipRight(Effect.sleep("1 second"), acquire)
      const all = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 1000 }, () => cache.get(key, slow)),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      expect(new Set((yield* Fiber.join(all)).map(text))).toEqual(new Set(["token-1"]))
      expect(state.count).toBe(1)
    }).pipe(provided(TokenCache.layerMemory))
  )

  it.effect("lets the first caller go without harm to the others", () =>
    Effect.gen(function* () {
      const cache = yield* TokenCache.TokenCache
      const { state, acquire } = counter()
      const slow = Effect.zipRight(Effect.sleep("1 second"), acquire)
      const first = yield* Effect.fork(cache.get(key, slow))
      yield* Effect.yieldNow()
      const second = yield* Effect.fork(cache.get(key, Effect.die("a second flight")))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("1 second")
      expect(text(yield* Fiber.join(second))).toBe("token-1")
      expect(state.count).toBe(1)
    }).pipe(provided(TokenCache.layerMemory))
  )

  it.effect("stops fetching when nobody waits any more, and starts anew for the next", () =>
    Effect.gen(function* () {
      const cache = yield* TokenCache.TokenCache
      const started = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      const endless = Deferred.succeed(started, undefined).pipe(
        Effect.zipRight(Effect.never),
        Effect.onInterrupt(() => Deferred.succeed(stopped, undefined))
      )
      const waiters = yield* Effect.forEach([1, 2], () => Effect.fork(cache.get(key, endless)))
      yield* Deferred.await(started)
      yield* Fiber.interruptAll(waiters)
      yield* Deferred.await(stopped)
      const { acquire } = counter()
      expect(text(yield* cache.get(key, acquire))).toBe("token-1")
    }).pipe(provided(TokenCache.layerMemory))
  )

  it.effect("shares a failure with those who wait, and does not keep it", () =>
    Effect.gen(function* () {
      const cache = yield* TokenCache.TokenCache
      const failing = Effect.zipRight(Effect.sleep("1 second"), Effect.fail("no"))
      const both = yield* Effect.fork(
        Effect.all([Effect.exit(cache.get(key, failing)), Effect.exit(cache.get(key, failing))], { concurrency: 2 })
      )
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(both)).toEqual([Exit.fail("no"), Exit.fail("no")])
      const { acquire } = counter()
      expect(text(yield* cache.get(key, acquire))).toBe("token-1")
    }).pipe(provided(TokenCache.layerMemory))
  )

  it.effect("serves a token for more than was asked, to the same identity only", () =>
    Effect.gen(function* () {
      const cache = yield* TokenCache.TokenCache
      const wider = counter(wide.scopes)
      yield* cache.get(wide, wider.acquire)
      expect(text(yield* cache.get(key, Effect.die("needless")))).toBe("token-1")
      const other = counter()
      for (const different of [
        { ...key, identity: "anonymous" },
        { ...key, realm: "https://other.example.com/token" },
        { ...key, registry: "other.example.com" },
        { ...key, service: "other" },
        { ...key, scopes: ["repository:a/b:delete"] }
      ]) {
        yield* cache.get(different, other.acquire)
      }
      expect(other.state.count).toBe(5)
    }).pipe(provided(TokenCache.layerMemory))
  )

  it.effect("forgets the very token that was refused, under every key it serves", () =>
    Effect.gen(function* () {
      const cache = yield* TokenCache.TokenCache
      const { acquire } = counter(wide.scopes)
      const first = yield* cache.get(wide, acquire)
      yield* cache.get(key, acquire)
      yield* cache.invalidate(key, first)
      const second = yield* cache.get(wide, acquire)
      expect(text(second)).toBe("token-2")
      // Word of the refusal that comes late must not cost the new token.
      yield* cache.invalidate(wide, first)
      expect(text(yield* cache.get(wide, acquire))).toBe("token-2")
    }).pipe(provided(TokenCache.layerMemory))
  )

  it.effect("makes room by dropping what was used least recently", () =>
    Effect.gen(function* () {
      const cache = yield* TokenCache.TokenCache
      const { state, acquire } = counter([])
      const nth = (n: number) => cache.get({ ...key, scopes: [`repository:r${n}:pull`] }, acquire)
      yield* nth(1)
      yield* nth(2)
      yield* nth(1)
      yield* nth(3)
      expect(state.count).toBe(3)
      yield* nth(1)
      expect(state.count).toBe(3)
      yield* nth(2)
      expect(state.count).toBe(4)
    }).pipe(provided(TokenCache.layer({ capacity: 2 })))
  )

  it.effect("ends what is under way with its scope", () =>
    Effect.gen(function* () {
      const stopped = yield* Deferred.make<void>()
      const waiter = yield* Effect.scoped(
        Effect.gen(function* () {
          const cache = yield* TokenCache.make()
          const started = yield* Deferred.make<void>()
          const endless = Deferred.succeed(started, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(stopped, undefined))
          )
          const fiber = yield* Effect.forkDaemon(cache.get(key, endless))
          yield* Deferred.await(started)
          return fiber
        })
      )
      yield* Deferred.await(stopped)
      expect(Exit.isInterrupted(yield* Fiber.await(waiter))).toBe(true)
    })
  )
})

describe("layerNone", () => {
  it.effect("asks every time", () =>
    Effect.gen(function* () {
      const cache = yield* TokenCache.TokenCache
      const { state, acquire } = counter()
      yield* cache.get(key, acquire)
      yield* cache.get(key, acquire)
      expect(state.count).toBe(2)
    }).pipe(provided(TokenCache.layerNone))
  )
})

describe("layerKeyValueStore", () => {
  /** Two caches on one store are two processes. */
  const process = (store: KeyValueStore.KeyValueStore) =>
    TokenCache.layerKeyValueStore.pipe(
      Layer.provide(Layer.succeed(KeyValueStore.KeyValueStore, store)),
      Layer.build,
      Effect.map(Context.get(TokenCache.TokenCache))
    )
  const memory = () => {
    const map = new Map<string, string>()
    const store = KeyValueStore.makeStringOnly({
      get: (name) => Effect.succeed(Option.fromNullable(map.get(name))),
      set: (name, value) => Effect.sync(() => map.set(name, value)),
      remove: (name) => Effect.sync(() => map.delete(name)),
      clear: Effect.sync(() => map.clear()),
      size: Effect.sync(() => map.size)
    })
    return { map, store }
  }

  it.scoped("shares tokens between processes until they end", () =>
    Effect.gen(function* () {
      const { map, store } = memory()
      const [one, two] = [yield* process(store), yield* process(store)]
      const { state, acquire } = counter()
      yield* one.get(key, acquire)
      expect(text(yield* two.get(key, acquire))).toBe("token-1")
      expect(state.count).toBe(1)
      yield* TestClock.adjust("290 seconds")
      const three = yield* process(store)
      expect(text(yield* three.get(key, acquire))).toBe("token-2")
      expect(map.size).toBe(1)
    })
  )
  it.scoped("names entries without telling anything, and keeps no refresh token", () =>
    Effect.gen(function* () {
      const { map, store } = memory()
      const cache = yield* process(store)
      const now = 0
      yield* cache.get(key, Effect.succeed(AccessToken.make({ value: "t", issuedAt: now, expiresAt: 300_000, refreshToken: "CANARY" })))
      const [[name = "", value = ""] = []] = [...map]
      expect(name).toBe(`effect-oci-token-${TokenCache.keyString(key)}`)
      expect(name).toMatch(/^effect-oci-token-[0-9a-f]{64}$/)
      expect(value).not.toContain("CANARY")
      expect(JSON.parse(value)).toMatchObject({ version: 1, token: "t", expiresAt: 300_000 })
    })
  )
  it.scoped.each([
    "",
    "no json",
    "[]",
    '{"version":2,"token":"t"}',
    '{"version":1,"token":"t","issuedAt":0,"expiresAt":"soon","scopes":[]}'
  ])("takes a corrupt entry for none: %s", (corrupt) =>
    Effect.gen(function* () {
      const { map, store } = memory()
      map.set(`effect-oci-token-${TokenCache.keyString(key)}`, corrupt)
      const cache = yield* process(store)
      const { acquire } = counter()
      expect(text(yield* cache.get(key, acquire))).toBe("token-1")
    })
  )
  it.scoped("forgets a refused token for all, but not a newer one", () =>
    Effect.gen(function* () {
      const { map, store } = memory()
      const [one, two] = [yield* process(store), yield* process(store)]
      const { acquire } = counter()
      const first = yield* one.get(key, acquire)
      yield* two.get(key, acquire)
      yield* one.invalidate(key, first)
      expect(map.size).toBe(0)
      expect(text(yield* one.get(key, acquire))).toBe("token-2")
      yield* two.invalidate(key, first)
      expect(text(yield* two.get(key, acquire))).toBe("token-2")
    })
  )
  it.scoped("forgets a token that was refused under a narrower key, of this process or another", () =>
    Effect.gen(function* () {
      const { map, store } = memory()
      const { acquire } = counter(wide.scopes)
      const first = yield* (yield* process(store)).get(wide, acquire)
      const cache = yield* process(store)
      yield* cache.get(wide, Effect.die("needless"))
      yield* cache.get(key, Effect.die("needless"))
      yield* cache.invalidate(key, first)
      expect(map.size).toBe(0)
      expect(text(yield* cache.get(wide, acquire))).toBe("token-2")
    })
  )
  it.scoped("works on when the store does not", () =>
    Effect.gen(function* () {
      const gone = new PlatformError.SystemError({ reason: "PermissionDenied", module: "KeyValueStore", method: "any" })
      const broken = KeyValueStore.makeStringOnly({
        get: () => gone,
        set: () => gone,
        remove: () => gone,
        clear: Effect.void,
        size: Effect.succeed(0)
      })
      const cache = yield* process(broken)
      const { acquire } = counter()
      const token = yield* cache.get(key, acquire)
      expect(text(token)).toBe("token-1")
      yield* cache.invalidate(key, token)
      expect(text(yield* cache.get(key, acquire))).toBe("token-2")
    })
  )
  it.scoped("asks once for many callers", () =>
    Effect.gen(function* () {
      const { store } = memory()
      const cache = yield* process(store)
      const { state, acquire } = counter()
      yield* Effect.all(
        Array.from({ length: 100 }, () => cache.get(key, acquire)),
        { concurrency: "unbounded" }
      )
      expect(state.count).toBe(1)
    })
  )
})

describe("keyString", () => {
  it("counts scopes as a set and tells keys apart by every part", () => {
    const same = { ...key, scopes: ["repository:c:pull", "repository:a/b:pull,push"] }
    expect(TokenCache.keyString(same)).toBe(TokenCache.keyString(wide))
    const parts = ["registry", "realm", "service", "identity"] as const
    const others = [...parts.map((part) => ({ ...key, [part]: "other" })), wide, key]
    expect(new Set(others.map(TokenCache.keyString)).size).toBe(others.length)
  })
  it("stays the same between versions", () => {
    expect(
      TokenCache.keyString({ registry: "r", realm: "https://a/t", service: "s", scopes: ["repository:a:pull"], identity: "anonymous" })
    ).toMatchInlineSnapshot(`"cec9a1fc48145f40006e333bb27395d42f7ee4882c2f9f3f04162fe43d50e441"`)
  })
})
