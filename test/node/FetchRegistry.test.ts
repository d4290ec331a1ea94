import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as FetchRegistry from "../../src/node/FetchRegistry.ts"
import * as LocalServer from "../support/LocalServer.ts"

describe("FetchRegistry", () => {
  const echo = LocalServer.make(async (request, response) => {
    const { "content-length": length = "none", "transfer-encoding": coding = "none" } = request.headers
    response.end(`${(await LocalServer.text(request).catch(() => "")).length} ${length} ${coding}`)
  })

  const put = (origin: string, body: HttpBody.HttpBody, options?: FetchRegistry.Options) =>
    Effect.flatMap(HttpClient.HttpClient, (http) => http.execute(HttpClientRequest.put(origin, { body }))).pipe(
      Effect.flatMap((response) => response.text),
      Effect.provide(FetchRegistry.layerHttpClient(options))
    )

  const three = Stream.make("a", "b", "c").pipe(Stream.map((_) => new TextEncoder().encode(_)))

  it.scopedLive("shows redirects, or follows them where it is told so", () =>
    Effect.gen(function* () {
      const server = yield* LocalServer.make((request, response) =>
        request.url === "/to" ? response.end("there") : response.writeHead(307, { location: "/to" }).end()
      )
      const status = (options?: FetchRegistry.Options) =>
        Effect.flatMap(HttpClient.HttpClient, (http) => http.get(`${server.origin}/from`)).pipe(
          Effect.map((response) => [response.status, response.headers["location"]]),
          Effect.provide(FetchRegistry.layerHttpClient(options))
        )
      assert.deepStrictEqual(yield* status(), [307, "/to"])
      assert.deepStrictEqual(yield* status({ redirects: "follow" }), [200, undefined])
    })
  )

  it.scopedLive("sends streams of known length with their length, up to the limit", () =>
    Effect.gen(function* () {
      const { origin } = yield* echo
      assert.strictEqual(yield* put(origin, HttpBody.stream(three, undefined, 3)), "3 3 none")
      assert.strictEqual(yield* put(origin, HttpBody.stream(three, undefined, 3), { bufferBytes: 2 }), "3 none chunked")
      assert.strictEqual(yield* put(origin, HttpBody.stream(three)), "3 none chunked")
      assert.strictEqual(yield* put(origin, HttpBody.uint8Array(new Uint8Array(5))), "5 5 none")
      assert.strictEqual(yield* put(origin, HttpBody.empty), "0 0 none")
    })
  )

  it.scopedLive("fails before it sends when the source gives another length or breaks", () =>
    Effect.gen(function* () {
      const { connections, origin } = yield* echo
      const broken = Stream.concat(three, Stream.fail("broken"))
      const bodies = [HttpBody.stream(three, undefined, 4), HttpBody.stream(three, undefined, 2), HttpBody.stream(broken, undefined, 3)]
      for (const body of bodies) {
        const error = yield* Effect.flip(put(origin, body))
        assert.strictEqual(error._tag, "RequestError")
        assert.strictEqual(error.reason, "Encode")
      }
      assert.strictEqual(yield* connections, 0)
    })
  )

  it.effect("asks without cookies, cache and referrer, and takes another fetch", () =>
    Effect.gen(function* () {
      const seen: Array<RequestInit | undefined> = []
      const fetch: typeof globalThis.fetch = (_, init) => {
        seen.push(init)
        return Promise.resolve(new Response("ours"))
      }
      const response = yield* Effect.flatMap(HttpClient.HttpClient, (http) => http.get("http://registry.test/")).pipe(
        Effect.provide(FetchRegistry.layerHttpClient()),
        Effect.provideService(FetchHttpClient.Fetch, fetch),
        Effect.provideService(FetchHttpClient.RequestInit, { redirect: "error", credentials: "include" })
      )
      assert.strictEqual(yield* response.text, "ours")
      assert.deepInclude(seen[0], { redirect: "manual", credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer" })
    })
  )
})
