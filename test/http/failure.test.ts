import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "effect/FastCheck"
import * as Failure from "../../src/http/internal/failure.ts"

const coded = (code: string, message = `it was ${code}`) => Object.assign(new Error(message), { code })
const request = HttpClientRequest.get("https://user:pw@r.test/v2/?sig=1", { headers: { authorization: "Bearer SECRET" } })
const wrapped = (cause: unknown) => new HttpClientError.RequestError({ request, reason: "Transport", cause })

const codes: ReadonlyArray<readonly [code: string, reason: string, retryable: boolean]> = [
  ["ECONNREFUSED", "connect", true],
  ["EAI_AGAIN", "connect", true],
  ["ENOTFOUND", "connect", false],
  ["EHOSTUNREACH", "connect", true],
  ["CERT_HAS_EXPIRED", "tls", false],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls", false],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls", false],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "tls", false],
  ["EPROTO", "tls", false],
  // A certificate or key of the user's that cannot be read.
  ["ERR_OSSL_PEM_NO_START_LINE", "tls", false],
  ["ETIMEDOUT", "timeout", true],
  ["UND_ERR_CONNECT_TIMEOUT", "timeout", true],
  ["UND_ERR_HEADERS_TIMEOUT", "timeout", true],
  ["UND_ERR_BODY_TIMEOUT", "idle", true],
  ["ECONNRESET", "aborted", true],
  ["EPIPE", "aborted", true],
  ["UND_ERR_SOCKET", "aborted", true],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "aborted", true],
  ["UND_ERR_REQ_CONTENT_LENGTH_MISMATCH", "aborted", false],
  ["HPE_HEADER_OVERFLOW", "protocol", false],
  ["HPE_INVALID_CONSTANT", "protocol", false],
  ["UND_ERR_HEADERS_OVERFLOW", "protocol", false]
]

describe("failure", () => {
  for (const [code, reason, retryable] of codes) {
    it(`${code} is ${reason}`, () => {
      const expected = { reason, retryable, detail: `it was ${code}` }
      assert.deepStrictEqual({ ...Failure.classify(wrapped(coded(code)), "request") }, expected)
      // The way fetch wraps it.
      assert.deepStrictEqual({ ...Failure.classify(wrapped(new TypeError("fetch failed", { cause: coded(code) })), "body") }, expected)
    })
  }

  it("takes the first of several attempts", () => {
    const all = Object.assign(new AggregateError([coded("ECONNREFUSED", "connect ECONNREFUSED ::1:5000")]), { code: "ECONNREFUSED" })
    assert.deepStrictEqual(Failure.classify(wrapped(all), "request"), {
      reason: "connect",
      retryable: true,
      detail: "connect ECONNREFUSED ::1:5000"
    })
  })

  it("goes by the text where there is no code", () => {
    const reason = (message: string) => Failure.classify(wrapped(new TypeError(message)), "request").reason
    assert.strictEqual(reason("invalid peer certificate: UnknownIssuer"), "tls")
    assert.strictEqual(reason("error sending request: Connection refused (os error 111)"), "connect")
    assert.strictEqual(reason("other side closed"), "aborted")
    assert.strictEqual(reason("Load failed"), "connect")
  })

  it("takes an unknown failure of a body for a broken connection", () => {
    assert.deepStrictEqual(Failure.classify(new Error("hm"), "body"), { reason: "aborted", retryable: true, detail: "hm" })
  })

  it("does not repeat the request", () => {
    const invalid = Failure.classify(new HttpClientError.RequestError({ request, reason: "InvalidUrl" }), "request")
    assert.deepStrictEqual(invalid, { reason: "protocol", retryable: false, detail: "InvalidUrl" })
    assert.notInclude(Failure.classify(wrapped(undefined), "request").detail, "sig=1")
  })

  it("ends with causes that go in circles, and never throws", () => {
    const loop: { cause?: unknown } = {}
    loop.cause = loop
    assert.strictEqual(Failure.classify(loop, "body").reason, "aborted")
    fc.assert(
      fc.property(fc.anything(), (error) => {
        Failure.classify(error, "request")
      })
    )
  })
})
