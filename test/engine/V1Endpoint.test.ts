import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as V1Endpoint from "../../src/engine/V1Endpoint.ts"
import * as Vectors from "../vectors/Vectors.ts"
import * as ScriptedV1 from "./ScriptedV1.ts"

const EndpointRow = Schema.Struct({
  input: Schema.String,
  expected: Schema.Struct({
    ok: Schema.Boolean,
    string: Schema.optional(Schema.String),
    pingUrl: Schema.optional(Schema.String),
    error: Schema.optional(Schema.String)
  })
})

const PingRow = Schema.Struct({
  request: Schema.String,
  responseStatus: Schema.optional(Schema.Int),
  responseHeaders: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })),
  responseBody: Schema.optional(Schema.String),
  expected: V1Endpoint.PingResult
})

const isOtherScheme = /^(?!https?:\/\/)[a-z][a-z0-9+.-]*:\/\//i

const deviations: ReadonlyArray<Vectors.Deviation<typeof EndpointRow.Type>> = [
  {
    name: "another scheme is an error",
    reason: "Go puts https:// before it and asks a host called `ftp:`, which nobody has meant",
    applies: ({ input }) => isOtherScheme.test(input)
  }
]

const endpoint = (text: string) => Either.getOrThrow(V1Endpoint.parse(text))
const pinging = (script: ScriptedV1.Script) => ScriptedV1.make(script)

describe("V1Endpoint", () => {
  describe("parse", () => {
    for (const row of Vectors.load("v1-endpoint", EndpointRow)) {
      const deviation = Vectors.deviation(deviations, row)
      it(`${row.input}${deviation === undefined ? "" : ` (${deviation.name})`}`, () => {
        const parsed = V1Endpoint.parse(row.input)
        if (row.expected.ok && deviation === undefined) {
          const found = Either.getOrThrow(parsed)
          assert.deepStrictEqual([found.url, V1Endpoint.path(found, "_ping")], [row.expected.string, row.expected.pingUrl])
        } else {
          const error = Either.getOrThrow(Either.flip(parsed))
          assert.strictEqual(error.reason, deviation === undefined ? row.expected.error : "only http and https are spoken")
        }
      })
    }

    it("refuses what could not be asked, and shows no password", () => {
      for (const text of [
        "",
        "https://",
        "http:///x",
        "a b",
        "host\\x",
        "host?q",
        "host#f",
        "alice:pw@host",
        "http://[oops",
        "host:99999"
      ]) {
        const error = Either.getOrThrow(Either.flip(V1Endpoint.parse(text)))
        assert.strictEqual(error._tag, "InvalidV1Endpoint", text)
        assert.notInclude(error.message, "pw")
        assert.notInclude(error.message, "alice")
      }
    })

    it("takes the version away once, as Go does", () => {
      assert.strictEqual(endpoint("HTTP://Host/v1").url, "http://Host/v1/")
      assert.strictEqual(endpoint("host/v2/v1/").url, "https://host/v2/v1/")
      assert.strictEqual(endpoint("host/v1/v1").url, "https://host/v1/v1/")
      assert.strictEqual(endpoint("host/v1//").url, "https://host/v1//v1/")
    })

    it("gives what its schema takes, and what it reads again as the same", () => {
      fc.assert(
        fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.domain(), fc.stringMatching(/^[a-z:/.@?#v12\\ -]{0,20}$/)), (text) => {
          const parsed = V1Endpoint.parse(text)
          if (Either.isLeft(parsed)) return
          assert.isTrue(Schema.is(V1Endpoint.V1Endpoint)(parsed.right), parsed.right.url)
          assert.deepStrictEqual(V1Endpoint.parse(parsed.right.url), parsed)
          assert.strictEqual(new URL(parsed.right.url).username, "")
        })
      )
    })
  })

  it("is that of an endpoint of the engine", () => {
    assert.deepStrictEqual(V1Endpoint.fromEndpoint({ url: "http://127.0.0.1:5000" }), { url: "http://127.0.0.1:5000/v1/" })
    assert.deepStrictEqual(V1Endpoint.fromEndpoint({ url: "https://registry.test/" }), { url: "https://registry.test/v1/" })
  })

  describe("ping", () => {
    for (const { expected, request, responseBody, responseHeaders, responseStatus } of Vectors.load("v1-ping", PingRow)) {
      const isSent = request.startsWith("GET ")
      it.effect(`${responseStatus} ${JSON.stringify(responseHeaders)} ${responseBody}`, () => {
        const { asked, layer } = pinging(() => ({ status: responseStatus ?? 500, headers: responseHeaders, body: responseBody }))
        return Effect.gen(function* () {
          const said = yield* V1Endpoint.ping(isSent ? endpoint("registry.test") : V1Endpoint.dockerHub)
          assert.deepStrictEqual(said, expected)
          assert.deepStrictEqual(ScriptedV1.lines(asked), isSent ? ["GET https://registry.test/v1/_ping"] : [])
        }).pipe(Effect.provide(layer))
      })
    }

    it.effect("takes from a body what fits, in whatever case, and what does not is not said", () =>
      Effect.gen(function* () {
        const said = (body: string) =>
          Effect.provide(V1Endpoint.ping(endpoint("registry.test")), pinging(() => ({ status: 500, body })).layer)
        assert.deepStrictEqual(yield* said('{"Version":"1","STANDALONE":false}'), { version: "1", standalone: false })
        assert.deepStrictEqual(yield* said('{"version":5,"standalone":false}'), { version: "", standalone: false })
        assert.deepStrictEqual(yield* said('{"version":null,"standalone":null}'), { version: "", standalone: true })
        for (const body of ["[]", "null", "<html>", '{"standalone":false', "x".repeat(100_000)]) {
          assert.deepStrictEqual(yield* said(body), { version: "", standalone: true }, body.slice(0, 20))
        }
      })
    )

    it.effect("says who asks, and fails when nobody answers", () => {
      const { asked, layer } = pinging(() => undefined)
      return Effect.gen(function* () {
        const error = yield* Effect.flip(V1Endpoint.ping(endpoint("registry.test"), { userAgent: "ua/1", headers: { "X-Meta": "m" } }))
        assert.deepInclude(error, { _tag: "TransportError", reason: "connect", operation: "ping", registry: "registry.test" })
        assert.deepInclude(asked[0]?.headers, { "user-agent": "ua/1 effect-oci/0.1.0", "x-meta": "m" })
      }).pipe(Effect.provide(layer))
    })
  })

  describe("connect", () => {
    const index = (over: Partial<{ name: string; official: boolean; secure: boolean }> = {}) => ({
      name: "registry.test:5000",
      official: false,
      secure: true,
      ...over
    })

    it.effect("goes to Docker Hub without a word", () => {
      const { asked, layer } = pinging(() => undefined)
      return Effect.gen(function* () {
        const found = yield* V1Endpoint.connect(index({ name: "docker.io", official: true }))
        assert.deepStrictEqual(found, { endpoint: V1Endpoint.dockerHub, ping: { version: "", standalone: false } })
        assert.deepStrictEqual(asked, [])
      }).pipe(Effect.provide(layer))
    })

    it.effect("stays with https where that answers anything", () => {
      const { asked, layer } = pinging(() => ({ status: 404 }))
      return Effect.gen(function* () {
        const found = yield* V1Endpoint.connect(index({ secure: false }))
        assert.deepStrictEqual(found, {
          endpoint: { url: "https://registry.test:5000/v1/" },
          ping: { version: "", standalone: true }
        })
        assert.lengthOf(asked, 1)
      }).pipe(Effect.provide(layer))
    })

    it.effect("goes by plain http to an insecure index alone", () => {
      const { asked, layer } = pinging(({ url }) => (url.protocol === "http:" ? { status: 200, body: '{"version":"0.9"}' } : undefined))
      return Effect.gen(function* () {
        const found = yield* V1Endpoint.connect(index({ secure: false }))
        assert.deepStrictEqual(found, {
          endpoint: { url: "http://registry.test:5000/v1/" },
          ping: { version: "0.9", standalone: true }
        })
        const refused = yield* Effect.flip(V1Endpoint.connect(index()))
        assert.strictEqual(refused._tag, "EndpointUnreachable")
        assert.match(refused.message, /^invalid registry endpoint https:\/\/registry\.test:5000\/v1\/: .*insecure registries.*certs\.d/)
        assert.deepStrictEqual(ScriptedV1.lines(asked), [
          "GET https://registry.test:5000/v1/_ping",
          "GET http://registry.test:5000/v1/_ping",
          "GET https://registry.test:5000/v1/_ping"
        ])
      }).pipe(Effect.provide(layer))
    })

    it.effect("says why by both ways, and which text is no index", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(V1Endpoint.connect(index({ secure: false })))
        assert.match(error.message, /HTTPS attempt: .*ECONNREFUSED.* HTTP attempt: .*ECONNREFUSED/s)
        assert.deepStrictEqual(Schema.encodeUnknownSync(V1Endpoint.EndpointUnreachable)(error)["_tag"], "EndpointUnreachable")
        assert.strictEqual((yield* Effect.flip(V1Endpoint.connect(index({ name: "host/v2" }))))._tag, "InvalidV1Endpoint")
      }).pipe(Effect.provide(pinging(() => undefined).layer))
    )
  })
})
