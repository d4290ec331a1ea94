import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/TestClock"
import * as AccessToken from "../../src/auth/AccessToken.ts"
import * as TokenCache from "../../src/auth/TokenCache.ts"
import { load } from "../vectors/Vectors.ts"

const decode = (body: unknown, now = 0) =>
  Either.getOrThrow(AccessToken.decode(JSON.stringify(body), { now, scopes: ["repository:a/b:pull"] }))

const Until = Schema.Struct({
  input: Schema.Struct({
    expires_in: Schema.NullOr(Schema.Number),
    issued_at: Schema.NullOr(Schema.String),
    now: Schema.String
  }),
  expectedCachedUntil: Schema.String
})

const Calls = Schema.Struct({
  input: Schema.Struct({
    expires_in: Schema.Number,
    issuedSecondsBeforeFirstCall: Schema.optional(Schema.Number),
    callsAtSeconds: Schema.Array(Schema.Number)
  }),
  expectedExchangesAfterEachCall: Schema.Array(Schema.Number)
})

const leadSeconds = 10

/** How often docker/distribution would have asked, were it to ask `lead` seconds early. */
const exchanges = ({ input }: typeof Calls.Type, lead: number): ReadonlyArray<number> => {
  let count = 0
  let until = Number.NEGATIVE_INFINITY
  return input.callsAtSeconds.map((at) => {
    if (at >= until - lead) {
      count += 1
      until = (count === 1 ? -(input.issuedSecondsBeforeFirstCall ?? 0) : at) + Math.max(60, input.expires_in)
    }
    return count
  })
}

describe("token-lifetime", () => {
  const rows = load("token-lifetime", Schema.Union(Until, Calls))
  const until = rows.filter((row) => "expectedCachedUntil" in row)
  const calls = rows.filter((row) => "expectedExchangesAfterEachCall" in row)

  // Deviation «a token does not end before it came»: issued so long ago means that the clocks differ, and asking each time anew helps nobody.
  const endedBefore = (row: typeof Until.Type) => Date.parse(row.expectedCachedUntil) <= Date.parse(row.input.now)

  it.each(until)("$input", (row) => {
    const now = Date.parse(row.input.now)
    const token = decode({ token: "t", expires_in: row.input.expires_in, issued_at: row.input.issued_at }, now)
    const lifetime = Math.max(60, row.input.expires_in ?? 0) * 1000
    expect(token.expiresAt).toBe(endedBefore(row) ? now + lifetime : Date.parse(row.expectedCachedUntil))
  })

  it.scoped.each([...calls])("$input", (row) =>
    Effect.gen(function* () {
      expect(exchanges(row, 0)).toEqual(row.expectedExchangesAfterEachCall)
      const before = (row.input.issuedSecondsBeforeFirstCall ?? 0) * 1000
      // The clock starts late enough for the token to have been issued before the first call.
      yield* TestClock.setTime(before)
      const cache = yield* TokenCache.make()
      const key = { registry: "r", realm: "https://a/t", service: "s", scopes: [], identity: "anonymous" }
      const asked: Array<number> = []
      let count = 0
      const acquire = Effect.map(Effect.clock, (clock) => {
        count += 1
        const now = clock.unsafeCurrentTimeMillis()
        const issuedAt = new Date(count === 1 ? now - before : now).toISOString()
        return decode({ token: `t${count}`, expires_in: row.input.expires_in, issued_at: issuedAt }, now)
      })
      for (const at of row.input.callsAtSeconds) {
        yield* TestClock.setTime(before + at * 1000)
        yield* cache.get(key, acquire)
        asked.push(count)
      }
      // Deviation «lead»: the next token is asked for ten seconds before the end.
      expect(asked).toEqual(exchanges(row, leadSeconds))
    })
  )
})

describe("decode", () => {
  it("lets access_token win, and takes the other when it is empty", () => {
    expect(Redacted.value(decode({ token: "a", access_token: "b" }).value)).toBe("b")
    expect(Redacted.value(decode({ token: "a", access_token: "" }).value)).toBe("a")
  })
  it("knows names whatever their case", () => {
    const token = decode({ Token: "a", Expires_In: 300, REFRESH_TOKEN: "r" })
    expect([token.value, token.refreshToken].map((_) => _ && Redacted.value(_))).toEqual(["a", "r"])
    expect(token.expiresAt).toBe(300_000)
    expect(Redacted.value(decode({ token: "a", Access_Token: "b", access_token: null }).value)).toBe("b")
  })
  it("keeps the refresh token and the granted scopes", () => {
    const token = decode({ token: "a", refresh_token: "r", scope: "repository:a/b:pull  repository:c:pull" })
    expect(token.refreshToken && Redacted.value(token.refreshToken)).toBe("r")
    expect(token.scopes).toEqual(["repository:a/b:pull", "repository:c:pull"])
    expect(decode({ token: "a" }).scopes).toEqual(["repository:a/b:pull"])
  })
  it("reads a lifetime written as text", () => {
    expect(decode({ token: "a", expires_in: "300" }).expiresAt).toBe(300_000)
  })
  it("counts for a minute at least, and keeps an earlier end that was announced", () => {
    const { announcedEnd, expiresAt } = decode({ token: "a", expires_in: 30, issued_at: "1970-01-01T00:00:01Z" }, 5000)
    expect([expiresAt, announcedEnd]).toEqual([61_000, 35_000])
    for (const expires_in of [undefined, 0, -1, "soon", 60, 300]) expect(decode({ token: "a", expires_in }).announcedEnd).toBeUndefined()
  })
  it("ends as announced ten seconds before, or in the second half of a short life", () => {
    const ends = (issuedAt: number, announcedEnd: number | undefined, now: number) =>
      AccessToken.endsAsAnnounced(AccessToken.make({ value: "a", issuedAt, expiresAt: 60_000, announcedEnd }), now)
    expect([19_999, 20_000].map((now) => ends(0, 30_000, now))).toEqual([false, true])
    expect([499, 500].map((now) => ends(0, 1000, now))).toEqual([false, true])
    expect(ends(0, undefined, 100_000)).toBe(false)
  })
  it.each([
    ["in the future", "1970-01-02T00:00:00Z"],
    ["in no form", "yesterday"],
    ["before the token would have ended", "1969-01-01T00:00:00Z"]
  ])("counts from now when issued %s", (_, issued_at) => {
    expect(decode({ token: "a", expires_in: 300, issued_at }, 1000)).toMatchObject({ issuedAt: 1000, expiresAt: 301_000 })
  })
  it.each([
    [300, 289, 300],
    [300, 290, 590],
    [300, 299, 599],
    [60, 53, 60],
    [60, 54, 114]
  ])("of %i seconds that was issued %i seconds ago ends at second %i: none is due again as it comes", (expires_in, ago, end) => {
    const now = ago * 1000
    const token = decode({ token: "a", expires_in, issued_at: new Date(0).toISOString() }, now)
    expect(token.expiresAt).toBe(end * 1000)
    expect(AccessToken.isFresh(token, now)).toBe(true)
  })
  it.each(["no json CANARY", "[]", "null", '{"tolkien":"CANARY"}', '{"token":7}', '{"token":"CANARY\\r\\nX: y"}', '{"token":""}'])(
    "refuses %s and does not repeat it",
    (body) => {
      const reason = Either.getOrThrow(Either.flip(AccessToken.decode(body, { now: 0 })))
      expect(reason).not.toContain("CANARY")
    }
  )
  it.prop(
    "gives at least a minute and at most a year from now",
    [fc.jsonValue(), fc.jsonValue(), fc.integer({ min: 0, max: 2 ** 45 })],
    ([expires_in, issued_at, now]) => {
      const token = decode({ token: "a", expires_in, issued_at }, now)
      const year = 365 * 24 * 3600 * 1000
      expect(token.issuedAt).toBeLessThanOrEqual(now)
      expect(token.expiresAt).toBeGreaterThan(now)
      expect(token.expiresAt - token.issuedAt).toBeGreaterThanOrEqual(60_000)
      expect(token.expiresAt - token.issuedAt).toBeLessThanOrEqual(year)
    }
  )
})

describe("freshness", () => {
  it("ends a tenth of the lifetime early, ten seconds at most", () => {
    const token = (expiresAt: number) => AccessToken.make({ value: "t", issuedAt: 0, expiresAt })
    expect(AccessToken.refreshAt(token(60_000))).toBe(54_000)
    expect(AccessToken.refreshAt(token(3_600_000))).toBe(3_590_000)
    expect(AccessToken.isFresh(token(60_000), 53_999)).toBe(true)
    expect(AccessToken.isFresh(token(60_000), 54_000)).toBe(false)
  })
})

describe("secrets", () => {
  it("are not shown", () => {
    const token = decode({ token: "CANARY", refresh_token: "CANARY" })
    expect(JSON.stringify(token) + String(token.value) + String(AccessToken.authorization(token))).not.toContain("CANARY")
    expect(Redacted.value(AccessToken.authorization(token))).toBe("Bearer CANARY")
  })
})
