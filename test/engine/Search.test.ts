import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Search from "../../src/engine/Search.ts"
import * as V1Session from "../../src/engine/V1Session.ts"
import type * as ScriptedHttp from "../support/ScriptedHttp.ts"
import { load } from "../vectors/Vectors.ts"
import * as Recorded from "./recordedFlows.ts"

const nothing = `{"query":"x","num_results":0,"results":[]}`

const v2 = { "docker-distribution-api-version": "registry/2.0" }

/** A search at a registry on this machine that speaks plain http only. */
const against = (script: ScriptedHttp.Script, options?: Search.Options) => {
  const { layer, received } = Recorded.byPlainHttp(script)
  return Search.search(`${Recorded.registry}/library/app`, options).pipe(
    Effect.either,
    Effect.provide(layer),
    Effect.map((outcome) => ({
      outcome,
      asked: received.map(({ headers, method, target }) => [`${method} ${target}`, headers["authorization"] ?? ""])
    }))
  )
}

describe("search-index.json", () => {
  const Found = Schema.Struct({ ok: Schema.Literal(true), indexName: Schema.String, remoteName: Schema.String })
  const Info = Schema.Struct({ ok: Schema.Literal(true), name: Schema.String, official: Schema.Boolean, secure: Schema.Boolean })
  const Failed = Schema.Struct({ ok: Schema.Literal(false), error: Schema.String })
  const Row = Schema.Struct({
    term: Schema.String,
    expected: Schema.Struct({ search: Schema.Union(Found, Failed), parseSearchIndexInfo: Schema.Union(Info, Failed) })
  })

  it.effect.each([...load("search-index", Row)])("$term", ({ expected, term }) =>
    Effect.gen(function* () {
      const found = Either.match(Search.parse(term), {
        onLeft: (error) => ({ ok: false, error: error.message }),
        onRight: ({ index, term }) => ({ ok: true, indexName: index, remoteName: term })
      })
      assert.deepStrictEqual(found, expected.search)
      const info = yield* Effect.match(Search.indexOf(term), {
        onFailure: (error) => ({ ok: false, error: error.message }),
        onSuccess: ({ name, official, secure }) => ({ ok: true, name, official, secure })
      })
      assert.deepStrictEqual(info, expected.parseSearchIndexInfo)
    })
  )
})

describe("service-auth-and-search.json, searches", () => {
  it.effect.each(Recorded.rows.filter((row) => row.operation.startsWith("Search")))("$name", (row) =>
    Effect.gen(function* () {
      const { layer, received } = Recorded.registryOf(row)
      const [, text = "", limit = ""] = /^Search\("(.*)", (\d+)\)$/.exec(row.operation) ?? []
      const results = yield* Search.search(text.replace("REGISTRY", Recorded.registry), {
        limit: Number(limit),
        credentials: Recorded.credentialsOf(row),
        config: Recorded.configOf(row),
        userAgent: "ua/1",
        clientId: "docker"
      }).pipe(Effect.provide(layer))
      Recorded.assertRecorded(row, received)
      assert.deepStrictEqual(Schema.encodeSync(V1Session.SearchResults)(results), row.expectedResult)
    })
  )
})

describe("Search", () => {
  it("reads any text that is no URL, and loses nothing of it", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        const text = `${before}/${after}`
        const parsed = Search.parse(text)
        if (text.includes("://")) return assert.isTrue(Either.isLeft(parsed))
        const { index, term } = Either.getOrThrow(parsed)
        assert.isTrue(term === text || `${index}/${term}` === text)
      })
    )
  })

  it("shows no password of a URL that it refuses", () => {
    const error = Either.getOrThrow(Either.flip(Search.parse("https://user:s3cr3t@example.com/app")))
    assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "s3cr3t")
  })

  it.effect("at Docker Hub asks its index, which is not pinged, and leaves library/ out", () =>
    Effect.gen(function* () {
      for (const text of ["library/nginx", "nginx", "docker.io/library/nginx", "index.docker.io/nginx"]) {
        const urls: Array<string> = []
        const { layer } = Recorded.recording((url) => {
          urls.push(url)
          return { status: 200, body: nothing }
        })
        yield* Search.search(text).pipe(Effect.provide(layer))
        assert.deepStrictEqual(urls, ["https://index.docker.io/v1/search?q=nginx&n=25"])
      }
    })
  )

  it.effect("keeps library/ elsewhere, and asks for as many as are wanted", () =>
    Effect.gen(function* () {
      const { asked, outcome } = yield* against(() => ({ status: 200, body: nothing }), { limit: 3 })
      assert.isTrue(Either.isRight(outcome))
      assert.deepStrictEqual(asked, [
        ["GET /v1/_ping", ""],
        ["GET /v1/search?q=library%2Fapp&n=3", ""]
      ])
      const none = yield* against(() => ({ status: 200, body: nothing }), { limit: 0 })
      assert.strictEqual(Either.isLeft(none.outcome) && none.outcome.left.message, "Limit 0 is outside the range of [1, 100]")
    })
  )

  it.effect("with an identity token asks for a token that allows searches", () =>
    Effect.gen(function* () {
      const forms: Array<string> = []
      const { asked, outcome } = yield* against(
        ({ body, target }) => {
          if (target === "/v2/") {
            return { status: 401, headers: { ...v2, "www-authenticate": `Bearer realm="http://${Recorded.registry}/token",service="s"` } }
          }
          if (target !== "/token") return { status: 200, body: nothing }
          forms.push(body)
          return { status: 200, body: `{"access_token":"t"}` }
        },
        { credentials: Credentials.identityToken("id"), clientId: "docker" }
      )
      assert.isTrue(Either.isRight(outcome))
      assert.deepStrictEqual(forms, [
        "client_id=docker&grant_type=refresh_token&refresh_token=id&scope=registry%3Acatalog%3Asearch&service=s"
      ])
      assert.deepStrictEqual(asked, [
        ["GET /v1/_ping", ""],
        ["GET /v2/", ""],
        ["POST /token", ""],
        ["GET /v1/search?q=library%2Fapp&n=25", "Bearer t"]
      ])
    })
  )

  it.effect("with an identity token goes as nobody where no token service is, rather than with half a password", () =>
    Effect.gen(function* () {
      const { asked, outcome } = yield* against(({ target }) => (target === "/v2/" ? { status: 404 } : { status: 200, body: nothing }), {
        credentials: Credentials.identityToken("id")
      })
      assert.isTrue(Either.isRight(outcome))
      assert.deepStrictEqual(
        asked.map(([, authorization]) => authorization),
        ["", "", ""]
      )
    })
  )

  it.effect("by https does not fall back to plain http, unless the index is an insecure one", () =>
    Effect.gen(function* () {
      const { layer, received } = Recorded.byPlainHttp(() => ({ status: 200, body: nothing }))
      const error = yield* Search.search("registry.corp:5000/app").pipe(Effect.flip, Effect.provide(layer))
      assert.strictEqual(error._tag, "EndpointUnreachable")
      assert.deepStrictEqual(received, [])
    })
  )
})
