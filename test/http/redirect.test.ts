import * as HttpBody from "@effect/platform/HttpBody"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Stream from "effect/Stream"
import type { Outgoing } from "../../src/http/internal/exchange.ts"
import * as Origin from "../../src/http/internal/origin.ts"
import * as Redirect from "../../src/http/internal/redirect.ts"

const outgoing = (over: Partial<Outgoing>): Outgoing => ({
  method: "GET",
  url: "https://r.test/v2/",
  headers: { authorization: "Bearer x", "proxy-authorization": "y", cookie: "z", "x-api-key": "k", range: "bytes=1-", accept: "a/b" },
  body: HttpBody.empty,
  context: { registry: "r.test", operation: "test", endpoint: "base", method: "GET", url: "https://r.test/v2/" },
  ...over
})
const follow = (status: number, to: string, over: Partial<Outgoing> = {}, replayable = true) => {
  const request = outgoing(over)
  return Redirect.next(request, status, new URL(request.url), new URL(to), { location: to, replayable })
}
const right = <A>(either: Either.Either<A, string>) => Either.getOrThrowWith(either, (reason) => new Error(reason))
const bytes = HttpBody.uint8Array(new Uint8Array([1]))

describe("redirect", () => {
  it("knows a redirect by status and Location", () => {
    for (const status of [301, 302, 303, 307, 308]) assert.isTrue(Redirect.isRedirect(status, "/x"))
    for (const status of [200, 300, 304, 305, 404]) assert.isFalse(Redirect.isRedirect(status, "/x"))
    assert.isFalse(Redirect.isRedirect(307, undefined))
  })

  it("keeps method and body, except for 303", () => {
    for (const status of [301, 302, 307, 308]) {
      const next = right(follow(status, "https://r.test/b", { method: "POST", body: bytes }))
      assert.deepStrictEqual([next.method, next.body], ["POST", bytes])
    }
    const headers = { "content-type": "a/b", "content-range": "0-1", accept: "c/d" }
    const other = right(follow(303, "https://r.test/b", { method: "PUT", body: bytes, headers }))
    assert.deepStrictEqual([other.method, other.body._tag, other.headers], ["GET", "Empty", { accept: "c/d" }])
    assert.strictEqual(right(follow(303, "https://r.test/b", { method: "HEAD" })).method, "HEAD")
  })

  it("tells another origin nothing about us", () => {
    for (const to of ["https://cdn.test/b", "https://r.test:8443/b", "http://r.test/b"]) {
      assert.deepStrictEqual(right(follow(307, to)).headers, { range: "bytes=1-", accept: "a/b" }, to)
    }
    assert.strictEqual(right(follow(307, "https://R.test:443/b")).headers["authorization"], "Bearer x")
  })

  it("tells another origin who we are only when that is said, and its cookies never", () => {
    const request = outgoing({})
    const to = new URL("https://cdn.test/b")
    const options = { location: to.href, replayable: true, sharesCredentials: true }
    const { headers } = right(Redirect.next(request, 307, new URL(request.url), to, options))
    const { cookie: _, ...others } = request.headers
    assert.deepStrictEqual(headers, others)
  })

  it("sends a body twice only when it can be read twice", () => {
    const stream = HttpBody.stream(Stream.make(new Uint8Array([1])))
    const request = { method: "PUT", body: stream } as const
    assert.isTrue(Either.isRight(follow(307, "https://cdn.test/b", request)))
    assert.deepStrictEqual(follow(307, "https://cdn.test/b", request, false), Either.left("the request body cannot be sent a second time"))
    assert.isTrue(Either.isRight(follow(303, "https://cdn.test/b", request, false)))
    assert.isTrue(Either.isLeft(follow(307, "https://cdn.test/b", { method: "PUT", body: HttpBody.raw({ pipe: () => {} }) })))
    assert.isTrue(Either.isRight(follow(307, "https://cdn.test/b", { method: "PUT", body: HttpBody.raw("text") })))
  })

  it("resolves without fragment, keeping the query's bytes", () => {
    const from = new URL("https://r.test/v2/a/blobs/x?y")
    const target = (location: string) => Redirect.target(location, from)?.href
    assert.strictEqual(target("/b?s=a%2Bb+c~#f"), "https://r.test/b?s=a%2Bb+c~")
    assert.strictEqual(target("//cdn.test/b"), "https://cdn.test/b")
    assert.strictEqual(target("c"), "https://r.test/v2/a/blobs/c")
    assert.isUndefined(target("http://[oops"))
  })

  it("sends what came, byte for byte, where that leads to what was judged", () => {
    const from = new URL("https://r.test/v2/a/blobs/x?y")
    const sent = (location: string) => {
      const to = Redirect.target(location, from)
      return to === undefined ? undefined : right(Redirect.next(outgoing({}), 307, from, to, { location, replayable: true })).url
    }
    const rest = "/b/%2e/x/../y?sig=a%2Bb~c'd(e)*f!|g&x='1'"
    for (const origin of [
      "https://cdn.test",
      "https://CDN.test:443",
      "http://10.0.0.1:8080",
      "https://[2001:db8::1]",
      "HTTPS://cdn.test"
    ]) {
      assert.strictEqual(sent(origin + rest), origin + rest)
      assert.strictEqual(sent(` ${origin}${rest}#f'`), origin + rest)
    }
    assert.strictEqual(sent(rest), `https://r.test${rest}`)
    assert.strictEqual(sent("https://cdn.test?s='"), "https://cdn.test?s='")
    assert.strictEqual(sent("?s='"), "https://r.test/v2/a/blobs/x?s=%27")
    const others: ReadonlyArray<readonly [location: string, url: string]> = [
      ["//cdn.test/x/../b?'", "https://cdn.test/b?%27"],
      ["/\\cdn.test/b?'", "https://cdn.test/b?%27"],
      ["\\/cdn.test/b", "https://cdn.test/b"],
      ["/\t/cdn.test/b", "https://cdn.test/b"],
      ["https://cdn.test\\@r.test/b", "https://cdn.test/@r.test/b"],
      ["https:\\\\cdn.test/b", "https://cdn.test/b"],
      ["https:///cdn.test/x/../b", "https://cdn.test/b"],
      ["https:cdn.test/b", "https://r.test/v2/a/blobs/cdn.test/b"],
      ["https://r.test@cdn.test/x/../b", "https://r.test@cdn.test/b"],
      ["https://cdn.test/a b?c d", "https://cdn.test/a%20b?c%20d"],
      ["https://cdn.test/\r\nb?\u0000'", "https://cdn.test/b?%00%27"],
      ["https://cdn.test/\u00e9?'", "https://cdn.test/%C3%A9?%27"]
    ]
    for (const [location, url] of others) assert.strictEqual(sent(location), url, location)
  })

  it("sends to no other place than was judged", () => {
    const pieces = fc.constantFrom(
      "https:",
      "http:",
      "/",
      "//",
      "\\",
      "@",
      "r.test",
      "cdn.test",
      ":443",
      "?",
      "#",
      ".",
      "..",
      "%2f",
      " ",
      "\t"
    )
    const from = new URL("https://r.test/v2/a/blobs/x?y")
    return fc.assert(
      fc.property(fc.array(pieces, { maxLength: 10 }), (parts) => {
        const location = parts.join("")
        const to = Redirect.target(location, from)
        if (to === undefined || Origin.targetOf(to) === undefined) return true
        const next = right(Redirect.next(outgoing({}), 307, from, to, { location, replayable: true }))
        return Origin.targets()(next.url)?.origin === to.origin && new URL(next.url).href.replace(/#$/, "") === to.href.replace(/#$/, "")
      }),
      { numRuns: 2000 }
    )
  })

  it("never gives credentials away", () =>
    fc.assert(
      fc.property(fc.webUrl(), fc.constantFrom(301, 302, 303, 307, 308), (to, status) => {
        const next = follow(status, to)
        const away = new URL(to).origin !== "https://r.test"
        return Either.isRight(next) && "authorization" in next.right.headers !== away
      })
    ))
})
