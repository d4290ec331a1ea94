import { createHash } from "node:crypto"
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/auth/Credentials.ts"
import { endpointsOf } from "../../src/engine/internal/v1Index.ts"
import * as TarSum from "../../src/engine/TarSum.ts"
import * as V1Endpoint from "../../src/engine/V1Endpoint.ts"
import * as V1Session from "../../src/engine/V1Session.ts"
import { concat } from "../../src/model/internal/bytes.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import * as Vectors from "../vectors/Vectors.ts"
import * as ScriptedV1 from "./ScriptedV1.ts"

const endpoint = (text: string) => Either.getOrThrow(V1Endpoint.parse(text))
const repository = Either.getOrThrow(Reference.parseRepository("registry.test/team/app"))
const user = Credentials.basic("user", "hunter2")
const basic = "Basic dXNlcjpodW50ZXIy"

/** What a session does against a script, and what was asked. */
const against = <A, E>(
  script: ScriptedV1.Script,
  use: (session: V1Session.Session) => Effect.Effect<A, E>,
  options: Partial<V1Session.Options> = {}
) => {
  const { asked, layer } = ScriptedV1.make(script)
  return V1Session.make({ endpoint: endpoint("http://registry.test"), ...options }).pipe(
    Effect.flatMap(use),
    Effect.either,
    Effect.map((outcome) => ({ outcome, asked, lines: ScriptedV1.lines(asked) })),
    Effect.provide(layer)
  )
}

const authorizations = (asked: ReadonlyArray<ScriptedV1.Asked>) => asked.map(({ headers }) => headers["authorization"])

const EndpointsRow = Schema.Struct({
  xDockerEndpoints: Schema.Array(Schema.String),
  indexEndpoint: Schema.String,
  expected: Schema.Array(Schema.String)
})

const deviations: ReadonlyArray<Vectors.Deviation<typeof EndpointsRow.Type>> = [
  {
    name: "an empty name is left out",
    reason: "`https:///v1/` is no address, or worse: the host `v1`",
    applies: ({ xDockerEndpoints }) => xDockerEndpoints.some((line) => line.split(",").some((name) => name.trim() === ""))
  }
]

describe("V1Session", () => {
  describe("X-Docker-Endpoints", () => {
    for (const row of Vectors.load("v1-endpoints-header", EndpointsRow)) {
      const deviation = Vectors.deviation(deviations, row)
      it(`${JSON.stringify(row.xDockerEndpoints)}${deviation === undefined ? "" : `: ${deviation.name}`}`, () => {
        const header = row.xDockerEndpoints.length === 0 ? undefined : row.xDockerEndpoints.join(", ")
        const expected = deviation === undefined ? row.expected : row.expected.filter((url) => !url.includes("///"))
        assert.deepStrictEqual(
          endpointsOf(header, endpoint(row.indexEndpoint)).map(({ url }) => url),
          expected
        )
      })
    }

    it("takes no address with a user, a query or white space", () => {
      assert.deepStrictEqual(endpointsOf("user:pw@a.test, b.test?q, c d, /e, f.test/g", endpoint("https://x.test")), [
        { url: "https://f.test/g/v1/" }
      ])
    })
  })

  describe("who it says it is", () => {
    it.effect("is pinged over https to find out, once, and not where that is known", () =>
      Effect.gen(function* () {
        const script = ScriptedV1.inOrder({ status: 200, body: '{"standalone":true}' }, { status: 200, body: "[]" })
        const secure = { endpoint: endpoint("registry.test"), credentials: user }
        const asking = yield* against(script, (session) => session.ancestry("x"), secure)
        assert.deepStrictEqual(asking.lines, ["GET https://registry.test/v1/_ping", "GET https://registry.test/v1/images/x/ancestry"])
        assert.deepStrictEqual(authorizations(asking.asked), [undefined, basic])
        const ping = { version: "", standalone: false }
        const told = yield* against(
          () => ({ status: 200, body: "[]" }),
          (session) => session.ancestry("x"),
          { ...secure, ping }
        )
        assert.deepStrictEqual([told.lines.length, authorizations(told.asked)], [1, [undefined]])
        const hub = yield* against(
          () => ({ status: 200, body: "[]" }),
          (session) => session.ancestry("x"),
          {
            ...secure,
            endpoint: V1Endpoint.dockerHub
          }
        )
        assert.deepStrictEqual(authorizations(hub.asked), [undefined])
      })
    )

    it.effect("tells the password to its endpoint alone, and the token to the registries", () =>
      Effect.gen(function* () {
        const script: ScriptedV1.Script = ({ url }) =>
          url.pathname.endsWith("/images")
            ? { status: 200, headers: { "X-Docker-Token": "t1 || t2", "X-Docker-Endpoints": "one.test, two.test" }, body: "[]" }
            : { status: 200, body: "[]" }
        const { asked, outcome } = yield* against(
          script,
          (session) =>
            Effect.gen(function* () {
              yield* session.ancestry("x", endpoint("one.test"))
              const { endpoints } = yield* session.repositoryData(repository)
              yield* Effect.forEach(endpoints, (registry) => session.ancestry("x", registry))
            }),
          { endpoint: endpoint("registry.test"), ping: { version: "", standalone: true }, credentials: user }
        )
        assert.isTrue(Either.isRight(outcome))
        assert.deepStrictEqual(
          asked.map(({ headers, url }) => [url.host, headers["authorization"]]),
          [
            ["one.test", undefined],
            ["registry.test", basic],
            ["one.test", "Token t1,t2"],
            ["two.test", "Token t1,t2"]
          ]
        )
      })
    )

    it.effect("sends a registry token as it is, and half a pair never", () =>
      Effect.gen(function* () {
        const header = (credentials: Credentials.Credentials) =>
          Effect.map(
            against(
              () => ({ status: 200, body: "{}" }),
              (session) => session.search("x"),
              { credentials }
            ),
            ({ asked }) => authorizations(asked)
          )
        assert.deepStrictEqual(yield* header(Credentials.registryToken("tok")), ["Bearer tok"])
        assert.deepStrictEqual(yield* header(Credentials.basic("user", "")), [undefined])
        assert.deepStrictEqual(yield* header(Credentials.identityToken("id")), [undefined])
        assert.deepStrictEqual(yield* header(Credentials.identityToken("id", { username: "user", password: "hunter2" })), [basic])
      })
    )

    it.effect("keeps credentials with their origin, and takes a token from nobody else", () =>
      Effect.gen(function* () {
        const script: ScriptedV1.Script = ({ url }) =>
          url.host === "registry.test" && url.pathname.endsWith("/search")
            ? { status: 302, headers: { Location: "http://other.test/v1/search" } }
            : { status: 200, headers: { "X-Docker-Token": "evil", "Set-Cookie": "a=b" }, body: "{}" }
        const { asked } = yield* against(script, (session) => Effect.zip(session.search("x"), session.search("y")), { credentials: user })
        assert.deepStrictEqual(
          asked.map(({ headers, url }) => [url.host, headers["authorization"], headers["x-docker-token"], headers["cookie"]]),
          [
            ["registry.test", basic, "true", undefined],
            ["other.test", undefined, undefined, undefined],
            ["registry.test", basic, "true", undefined],
            ["other.test", undefined, undefined, undefined]
          ]
        )
      })
    )

    it.effect("does not say a password or a token in an error", () =>
      Effect.gen(function* () {
        const script = ScriptedV1.inOrder(
          { status: 200, headers: { "X-Docker-Token": "s3cr3t-token", "Set-Cookie": "sid=c00kie-value" }, body: "{}" },
          { status: 500, body: `hunter2 ${basic} s3cr3t-token c00kie-value` }
        )
        const { outcome } = yield* against(script, (session) => Effect.zip(session.search("x"), session.ancestry("x")), {
          credentials: user
        })
        const error = Either.getOrThrow(Either.flip(outcome))
        assert.strictEqual(error._tag, "Unavailable")
        assert.notMatch(error.message, /hunter2|dXNlcjpodW50ZXIy|s3cr3t|c00kie/)
      })
    )
  })

  it.effect("does not say in an error what the same answer replaces", () =>
    Effect.gen(function* () {
      const script = ScriptedV1.inOrder(
        { status: 200, headers: { "X-Docker-Token": "s3cr3t-token", "Set-Cookie": "sid=c00kie-value; Path=/" }, body: "{}" },
        {
          status: 500,
          headers: { "X-Docker-Token": "another", "Set-Cookie": "sid=; Path=/; Max-Age=0" },
          body: "no s3cr3t-token c00kie-value"
        }
      )
      const { outcome } = yield* against(script, (session) => Effect.zip(session.search("x"), session.ancestry("x")))
      const error = Either.getOrThrow(Either.flip(outcome))
      assert.notMatch(error.message, /s3cr3t|c00kie/)
    })
  )

  it.effect("a cookie as short as those of load balancers leaves an error readable", () =>
    Effect.gen(function* () {
      const script = ScriptedV1.inOrder(
        { status: 200, headers: { "Set-Cookie": "lb=1; Path=/ || node=e; Path=/" }, body: "[]" },
        { status: 500, body: "disk 1 of 10 is full" }
      )
      const { outcome } = yield* against(script, (session) => Effect.zip(session.ancestry("x"), session.ancestry("x")))
      assert.include(Either.getOrThrow(Either.flip(outcome)).message, "disk 1 of 10 is full")
    })
  )

  describe("where it goes", () => {
    it.effect("not from an index of the internet to an internal address, or from https to http", () =>
      Effect.gen(function* () {
        const refused = (registry: string) =>
          Effect.map(
            against(
              () => ({ status: 200, body: "{}" }),
              (session) => session.tags(repository, [endpoint(registry)]),
              {
                endpoint: endpoint("index.test"),
                ping: { version: "", standalone: false }
              }
            ),
            ({ lines, outcome }) => [Either.isLeft(outcome) ? outcome.left._tag : "asked", lines.length]
          )
        assert.deepStrictEqual(yield* refused("https://127.0.0.1:5000"), ["RedirectRefused", 0])
        assert.deepStrictEqual(yield* refused("https://169.254.169.254"), ["RedirectRefused", 0])
        assert.deepStrictEqual(yield* refused("http://other.test"), ["RedirectRefused", 0])
        assert.deepStrictEqual(yield* refused("https://other.test"), ["asked", 1])
      })
    )
  })

  describe("cookies", () => {
    it.effect("go back to the origin and the paths that they are for, until they end", () =>
      Effect.gen(function* () {
        const script = ScriptedV1.inOrder(
          {
            status: 200,
            headers: {
              "Set-Cookie": "lb=1; Path=/ || short=2; Path=/v1; Max-Age=60 || deep=3; Path=/v1/images || no=4; Path=/v2 || tls=5; Secure"
            },
            body: "[]"
          },
          { status: 200, body: "[]" },
          { status: 200, body: "[]" },
          { status: 200, headers: { "Set-Cookie": "lb=; Path=/; Max-Age=0 || far=6; Domain=other.test" }, body: "[]" },
          { status: 200, body: "[]" }
        )
        const { asked } = yield* against(script, (session) =>
          Effect.gen(function* () {
            yield* session.ancestry("x")
            yield* session.ancestry("x")
            yield* session.ancestry("x", endpoint("http://registry.test:81"))
            yield* TestClock.adjust("60 seconds")
            yield* session.ancestry("x")
            yield* session.ancestry("x")
          })
        )
        assert.deepStrictEqual(
          asked.map(({ headers }) => headers["cookie"]),
          [undefined, "deep=3; short=2; lb=1", undefined, "deep=3; lb=1", "deep=3"]
        )
      })
    )
  })

  describe("search", () => {
    it.effect("decodes as Go does: names in any case, and nothing for null", () =>
      Effect.gen(function* () {
        const found = (body: string) =>
          Effect.map(
            against(
              () => ({ status: 200, body }),
              (session) => session.search("x")
            ),
            ({ outcome }) => Either.getOrThrow(outcome)
          )
        assert.deepStrictEqual(yield* found('{"Query":"x","NUM_RESULTS":1,"Results":[{"Name":"n","star_count":null}]}'), {
          query: "x",
          total: 1,
          results: [{ name: "n", description: "", stars: 0, official: false, automated: false }]
        })
        for (const nothing of ['{"results":null}', "{}", "null"]) {
          assert.deepStrictEqual(yield* found(nothing), { query: "", total: 0, results: [] })
        }
      })
    )

    it.effect("asks for 25 unless told, and never for more than 100 or for a part of one", () =>
      Effect.gen(function* () {
        const { lines } = yield* against(
          () => ({ status: 200, body: "{}" }),
          (session) => session.search("a*b~\ud800")
        )
        assert.deepStrictEqual(lines, ["GET http://registry.test/v1/search?q=a%2Ab~%EF%BF%BD&n=25"])
        for (const limit of [-1, 0, 101, 2.5, Number.NaN]) {
          const { lines, outcome } = yield* against(
            () => undefined,
            (session) => session.search("x", { limit })
          )
          assert.deepStrictEqual(lines, [])
          assert.strictEqual(Either.getOrThrow(Either.flip(outcome))._tag, "InvalidSearchLimit")
        }
      })
    )

    it.effect("reads no answer without end", () =>
      Effect.gen(function* () {
        const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024)) })
        const { outcome } = yield* against(
          () => ({ status: 200, body: endless }),
          (session) => session.search("x")
        )
        assert.strictEqual(Either.getOrThrow(Either.flip(outcome))._tag, "LimitExceeded")
      })
    )
  })

  describe("images", () => {
    it.effect("that are not there have an error of their own", () =>
      Effect.gen(function* () {
        const script: ScriptedV1.Script = () => ({ status: 404, body: "no" })
        const tagOf = <A, E extends { readonly _tag: string }>(use: (session: V1Session.Session) => Effect.Effect<A, E>) =>
          Effect.map(against(script, use), ({ outcome }) => (Either.isLeft(outcome) ? outcome.left._tag : outcome.right))
        assert.strictEqual(yield* tagOf((session) => session.ancestry("x")), "ImageNotFound")
        assert.strictEqual(yield* tagOf((session) => session.imageJson("x")), "ImageNotFound")
        assert.strictEqual(yield* tagOf((session) => Stream.runDrain(session.imageLayer("x"))), "ImageNotFound")
        assert.strictEqual(yield* tagOf((session) => session.imageExists("x")), false)
        assert.strictEqual(yield* tagOf((session) => session.repositoryData(repository)), "RepositoryNotFound")
        assert.strictEqual(yield* tagOf((session) => session.putImageJson("x", new Uint8Array(1))), "UnknownRegistryError")
      })
    )

    it.effect("are named by ids that stay in their place in the path", () =>
      Effect.gen(function* () {
        const { lines } = yield* against(
          () => ({ status: 200, body: "[]" }),
          (session) => session.ancestry("a/../b?c#\ud800")
        )
        assert.deepStrictEqual(lines, ["GET http://registry.test/v1/images/a%2F..%2Fb%3Fc%23%EF%BF%BD/ancestry"])
      })
    )

    it.effect("have a size when it is one", () =>
      Effect.gen(function* () {
        const size = (text: string) =>
          Effect.map(
            against(
              () => ({ status: 200, headers: { "X-Docker-Size": text }, body: "{}" }),
              (session) => session.imageJson("x")
            ),
            ({ outcome }) => (Either.isLeft(outcome) ? outcome.left._tag : outcome.right.size)
          )
        assert.deepStrictEqual(yield* Effect.all(["0", "+12", "-1", "1e3", "0x10", "99999999999999999999"].map(size)), [
          0,
          12,
          undefined,
          "MalformedContent",
          "MalformedContent",
          "MalformedContent"
        ])
      })
    )

    it.effect("have a layer that is gone on with where the registry gives ranges", () =>
      Effect.gen(function* () {
        const half = () =>
          new ReadableStream<Uint8Array>({
            start: (controller) => controller.enqueue(new TextEncoder().encode("LA")),
            pull: (controller) => controller.error(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }))
          })
        const layer = (ranges: string, size: number | undefined) => {
          const script: ScriptedV1.Script = (_, index) =>
            index === 0 ? { status: 200, headers: { "Accept-Ranges": ranges }, body: half() } : { status: 206, body: "YER" }
          const read = against(script, (session) => ScriptedHttp.whileTimePasses(Stream.runCollect(session.imageLayer("x", { size }))))
          return Effect.map(read, ({ asked, outcome }) => [
            Either.isLeft(outcome) ? outcome.left._tag : ScriptedV1.text(concat(Chunk.toReadonlyArray(outcome.right))),
            asked.map(({ headers }) => headers["range"])
          ])
        }
        assert.deepStrictEqual(yield* layer("bytes", 5), ["LAYER", [undefined, "bytes=2-5"]])
        assert.deepStrictEqual(yield* layer("none", 5), ["TransportError", [undefined]])
        assert.deepStrictEqual(yield* layer("bytes", undefined), ["TransportError", [undefined]])
      })
    )
  })

  describe("pushes", () => {
    it.effect("are done with an image that is there already", () =>
      Effect.gen(function* () {
        const { outcome } = yield* against(
          () => ({ status: 409, body: '{"error":"Image already exists"}' }),
          (session) => session.putImageJson("x", new Uint8Array(1))
        )
        assert.deepInclude(Either.getOrThrow(Either.flip(outcome)), { _tag: "ImageAlreadyExists", image: "x", registry: "registry.test" })
      })
    )

    const tar = new Uint8Array(10_240)
    const json = new TextEncoder().encode('{"id":"x"}')

    it.effect("send a layer compressed, and sum it up on its way", () =>
      Effect.gen(function* () {
        const { asked, outcome } = yield* against(
          () => ({ status: 200 }),
          (session) => session.putImageLayer("x", Stream.make(tar.subarray(0, 600), tar.subarray(600)), json)
        )
        const sent = asked[0]?.body ?? new Uint8Array(0)
        assert.deepStrictEqual(new Uint8Array(gunzipSync(sent)), tar)
        const payload = createHash("sha256").update(json).update("\n").update(sent).digest("hex")
        assert.deepStrictEqual(Either.getOrThrow(outcome), {
          checksum: yield* TarSum.of(Stream.make(tar), { json }),
          checksumPayload: `sha256:${payload}`
        })
      })
    )

    it.effect("fail as a layer does that cannot be read or is no archive", () =>
      Effect.gen(function* () {
        const failure = (layer: Stream.Stream<Uint8Array, "gone">) =>
          Effect.map(
            against(
              () => ({ status: 200 }),
              (session) => session.putImageLayer("x", layer, json)
            ),
            ({ outcome }) => Either.getOrThrow(Either.flip(outcome))
          )
        assert.strictEqual(yield* failure(Stream.concat(Stream.make(tar.subarray(0, 512)), Stream.fail("gone" as const))), "gone")
        assert.deepInclude(yield* failure(Stream.make(new Uint8Array(1024).fill(1))), { _tag: "MalformedContent" })
      })
    )

    it.effect("are not sent anywhere else: a layer can be read once", () =>
      Effect.gen(function* () {
        const { lines, outcome } = yield* against(
          () => ({ status: 307, headers: { Location: "/elsewhere" } }),
          (session) => session.putImageLayer("x", Stream.make(tar), json)
        )
        assert.strictEqual(lines.length, 1)
        assert.deepInclude(Either.getOrThrow(Either.flip(outcome)), { _tag: "RedirectRefused" })
      })
    )

    it.effect("need registries to go to", () =>
      Effect.gen(function* () {
        const { outcome } = yield* against(
          () => ({ status: 201, headers: { "X-Docker-Endpoints": " , " } }),
          (session) => session.putImageIndex(repository, [{ id: "x" }])
        )
        assert.strictEqual(Either.getOrThrow(Either.flip(outcome))._tag, "NoRegistryNamed")
      })
    )
  })

  describe("login", () => {
    const login = (script: ScriptedV1.Script) => {
      const { asked, layer } = ScriptedV1.make(script)
      return V1Session.login(endpoint("http://registry.test"), user, { userAgent: "ua/1" }).pipe(
        Effect.either,
        Effect.provide(layer),
        Effect.map((outcome) => ({ outcome, asked }))
      )
    }

    it.effect("asks for the user by the password", () =>
      Effect.gen(function* () {
        const { asked, outcome } = yield* login(() => ({ status: 200, body: '"OK"' }))
        assert.deepStrictEqual(outcome, Either.right(undefined))
        assert.deepStrictEqual([ScriptedV1.lines(asked), authorizations(asked)], [["GET http://registry.test/v1/users/"], [basic]])
      })
    )

    it.effect("says why not", () =>
      Effect.gen(function* () {
        const told = (status: number) =>
          Effect.map(
            login(() => ({ status, headers: { "Set-Cookie": "a=b" }, body: "teapot hunter2" })),
            ({ outcome }) => (Either.isLeft(outcome) ? outcome.left.message : "in")
          )
        assert.deepStrictEqual(yield* Effect.all([401, 403, 500, 418].map(told)), [
          "Wrong login/password, please try again",
          "Login: Account is not active. Please see the documentation of the registry http://registry.test/v1/ for instructions how to activate it.",
          "Internal Server Error",
          "Login: teapot <redacted> (Code: 418)"
        ])
        const { outcome } = yield* login(() => undefined)
        assert.deepInclude(Either.getOrThrow(Either.flip(outcome)), { _tag: "TransportError", operation: "login" })
      })
    )
  })

  it.effect("an answer nested too deep to be written out is malformed", () =>
    Effect.gen(function* () {
      const body = "[".repeat(1_000_000) + "]".repeat(1_000_000)
      const tagOf = <A, E extends { readonly _tag: string }>(read: Effect.Effect<A, E>) =>
        Effect.match(read, { onFailure: ({ _tag }) => _tag, onSuccess: () => "read" })
      const { outcome } = yield* against(
        () => ({ status: 200, body }),
        (session) =>
          Effect.all([
            tagOf(session.search("x")),
            tagOf(session.repositoryData(repository)),
            tagOf(session.tags(repository)),
            tagOf(session.ancestry("x"))
          ])
      )
      assert.deepStrictEqual(
        Either.getOrThrow(outcome),
        Array.from({ length: 4 }, () => "MalformedContent")
      )
    })
  )

  it.effect("has an outcome whatever is answered", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom(200, 201, 204, 206, 301, 307, 401, 404, 416, 500),
          fc.oneof(fc.json(), fc.string(), fc.constant('[{"id":1}]'), fc.constant('{"results":[[null]],"__proto__":1}')),
          fc.dictionary(
            fc.constantFrom("X-Docker-Endpoints", "X-Docker-Token", "X-Docker-Size", "Set-Cookie", "Location", "Accept-Ranges"),
            fc.oneof(fc.stringMatching(/^[ -~]{0,20}$/), fc.constantFrom("bytes", "a=b; Max-Age=x; Expires=y", "//", "http://a@b"))
          ),
          (status, body, headers) =>
            Effect.runPromise(
              against(
                () => ({ status, headers, body }),
                (session) =>
                  Effect.all(
                    [
                      session.search("x"),
                      session.repositoryData(repository),
                      session.tags(repository),
                      session.ancestry("x"),
                      session.imageJson("x"),
                      Stream.runDrain(session.imageLayer("x", { size: 1 })),
                      session.putImageIndex(repository, []),
                      session.putImageLayer("x", Stream.make(new Uint8Array(1024)), new Uint8Array(0))
                    ],
                    { mode: "either" }
                  )
              ).pipe(Effect.asVoid)
            )
        ),
        { numRuns: 50 }
      )
    )
  )

  it.effect("has an id of its own", () =>
    Effect.gen(function* () {
      const id = Effect.map(
        against(
          () => undefined,
          (session) => Effect.succeed(session.id)
        ),
        ({ outcome }) => Either.getOrThrow(outcome)
      )
      const [one, another] = yield* Effect.all([id, id])
      assert.match(one, /^[0-9a-f]{64}$/)
      assert.notStrictEqual(one, another)
    })
  )
})
