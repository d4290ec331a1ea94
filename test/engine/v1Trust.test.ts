import * as HttpBody from "@effect/platform/HttpBody"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as V1Trust from "../../src/engine/internal/v1Trust.ts"
import * as V1Wire from "../../src/engine/internal/v1Wire.ts"
import * as Vectors from "../vectors/Vectors.ts"
import * as ScriptedV1 from "./ScriptedV1.ts"

const Headers = Schema.Record({ key: Schema.String, value: Schema.String })

const LocationRow = Schema.Struct({ url: Schema.String, expected: Schema.Boolean })
const RedirectRow = Schema.Struct({ from: Schema.String, to: Schema.String, requestHeaders: Headers, expectedHeaders: Headers })

const deviations: ReadonlyArray<Vectors.Deviation<typeof RedirectRow.Type>> = [
  {
    name: "it is not followed",
    reason: "what was asked for by https is not told to whoever listens",
    applies: ({ from, to }) => from.startsWith("https:") && to.startsWith("http:")
  }
]

const lowerCase = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/** What gets to `to` of a request to `from`. */
const redirected = (from: string, to: string, headers: Readonly<Record<string, string>>) => {
  const { asked, layer } = ScriptedV1.make((_, index) => (index === 0 ? { status: 307, headers: { Location: to } } : { status: 200 }))
  const url = new URL(from).href
  const context = { registry: "test", operation: "test", endpoint: "base", method: "PUT", url } as const
  return V1Wire.open(url, {}).pipe(
    Effect.flatMap(({ wire }) =>
      wire.send({ method: "PUT", url, headers, body: HttpBody.uint8Array(new Uint8Array(1), "application/json"), context })
    ),
    Effect.scoped,
    Effect.either,
    Effect.provide(layer),
    Effect.map((outcome) => ({ outcome, second: asked[1]?.headers }))
  )
}

describe("v1Trust", () => {
  for (const { expected, url } of Vectors.load("v1-trusted-location", LocationRow)) {
    it(`${url} is ${expected ? "" : "not "}trusted`, () => {
      assert.strictEqual(V1Trust.isTrusted(new URL(url)), expected)
    })
  }

  for (const row of Vectors.load("v1-redirect-headers", RedirectRow)) {
    const deviation = Vectors.deviation(deviations, row)
    it.effect(`${row.from} to ${row.to}${deviation === undefined ? "" : `: ${deviation.name}`}`, () =>
      Effect.gen(function* () {
        const { outcome, second } = yield* redirected(row.from, row.to, row.requestHeaders)
        if (deviation !== undefined) {
          assert.isUndefined(second)
          return assert.deepInclude(outcome, { _tag: "Left" })
        }
        const { "accept-encoding": _, "content-length": __, "user-agent": ___, ...told } = second ?? {}
        assert.deepStrictEqual(told, lowerCase(row.expectedHeaders))
      })
    )
  }

  it.effect("does not share cookies", () =>
    Effect.gen(function* () {
      const headers = { Authorization: "Basic x", Cookie: "a=b", "X-Docker-Token": "true" }
      const { second } = yield* redirected("https://index.docker.io", "https://cdn.docker.com", headers)
      assert.deepInclude(second, { authorization: "Basic x", "x-docker-token": "true" })
      assert.notProperty(second, "cookie")
    })
  )
})
