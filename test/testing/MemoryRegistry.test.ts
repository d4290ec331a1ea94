import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Encoding from "effect/Encoding"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Digest from "../../src/model/Digest.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import { checks, push, send, Target, utf8 } from "./SpecChecks.ts"

const host = "registry.test"

const at = (options: MemoryRegistry.HostOptions, more: MemoryRegistry.MemoryRegistryOptions["hosts"] = {}) =>
  Layer.merge(MemoryRegistry.layer({ hosts: { [host]: options, ...more } }), Layer.succeed(Target, `https://${host}`))

const basic = (user: string, password: string) => ({ authorization: `Basic ${Encoding.encodeBase64(`${user}:${password}`)}` })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

const get = (url: string) => Effect.flatMap(HttpClient.HttpClient, (client) => client.execute(HttpClientRequest.get(url)))

describe("the spec", () => {
  for (const [name, check] of Object.entries(checks)) it.effect(name, () => Effect.provide(check, at({})))

  for (const [name, check] of Object.entries(checks)) {
    it.effect(`${name} (absolute Location)`, () => Effect.provide(check, at({ location: "absolute" })))
  }
})

describe("hosts", () => {
  it.effect("each has its own content; the service speaks of the first", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.seedImage("app", { tag: "one" })
      yield* registry.at("other.test:5000").seedImage("app", { tag: "two" })
      assert.deepStrictEqual(yield* registry.tags("app"), ["one"])
      const answer = yield* Effect.flatMap(get("http://other.test:5000/v2/app/tags/list"), (_) => _.json)
      assert.deepStrictEqual(answer, { name: "app", tags: ["two"] })
      assert.deepStrictEqual(
        (yield* registry.allRequests).map((request) => [request.host, request.status]),
        [["other.test:5000", 200]]
      )
      assert.deepStrictEqual(yield* registry.requests, [])
      yield* registry.reset
      assert.deepStrictEqual(yield* registry.at("other.test:5000").repositories, [])
    }).pipe(Effect.provide(at({}, { "other.test:5000": {} })))
  )

  it.effect("an unknown host refuses the connection, a plain one the TLS handshake", () =>
    Effect.gen(function* () {
      for (const [url, code] of [
        ["https://nobody.test/v2/", "ECONNREFUSED"],
        ["https://plain.test/v2/", "ERR_SSL_WRONG_VERSION_NUMBER"]
      ] as const) {
        const error = yield* Effect.flip(get(url))
        assert.strictEqual(error._tag, "RequestError")
        assert.strictEqual(error.reason, "Transport")
        assert.propertyVal(error.cause, "code", code)
      }
      assert.strictEqual((yield* get("http://plain.test/v2/")).status, 200)
    }).pipe(Effect.provide(at({}, { "plain.test": { schemes: ["http"] } })))
  )
})

describe("inspection", () => {
  it.effect("records every request with its bytes and headers as they came", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* push("app", "hello")
      yield* send("GET", "/v2/app/tags/list?n=1&last=%2F", { headers: { authorization: "Bearer canary" } })
      const requests = yield* registry.requests
      assert.deepStrictEqual(
        requests.map(({ bytesIn, bytesOut, endpoint, method, status }) => [method, endpoint, status, bytesIn, bytesOut > 0]),
        [
          ["POST", "upload", 202, 0, false],
          ["PUT", "upload", 201, 5, false],
          ["GET", "tags", 200, 0, true]
        ]
      )
      assert.strictEqual(requests[2]?.query, "?n=1&last=%2F")
      assert.strictEqual(requests[2]?.headers["authorization"], "Bearer canary")
      assert.deepStrictEqual(yield* registry.requestCounts, { "POST upload": 1, "PUT upload": 1, "GET tags": 1 })
      assert.strictEqual(yield* registry.bytesReceived, 5)
      yield* registry.clearRequests
      assert.strictEqual(yield* registry.bytesServed, 0)
    }).pipe(Effect.provide(at({})))
  )

  it.effect("a seeded image is whole", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const seeded = yield* registry.seedImage("app", { tag: "v1", layers: 2, seed: 7 })
      const manifest = yield* Effect.flatten(registry.manifest("app", "v1"))
      assert.strictEqual(manifest.digest, seeded.manifest.digest)
      for (const descriptor of [seeded.config, ...seeded.layers]) {
        const bytes = yield* Effect.flatten(registry.blob("app", descriptor.digest))
        assert.strictEqual(bytes.length, descriptor.size)
        yield* Digest.verify(bytes, descriptor.digest)
      }
      const config = JSON.parse(new TextDecoder().decode(yield* Effect.flatten(registry.blob("app", seeded.config.digest))))
      assert.deepStrictEqual(
        config.rootfs.diff_ids,
        seeded.layers.map((layer) => layer.digest)
      )
      assert.strictEqual(new Set(seeded.layers.map((layer) => layer.digest)).size, 2)
      assert.isTrue(Option.isNone(yield* registry.manifest("app", "v2")))
    }).pipe(Effect.provide(at({})))
  )

  it.effect("reset forgets the chunks of a session too", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const chunk = { headers: { "content-type": "application/octet-stream", "content-range": "0-2" }, body: "abc" }
      for (let round = 0; round < 2; round++) {
        yield* registry.seedUpload("app", "u", "")
        assert.strictEqual((yield* send("PATCH", "/v2/app/blobs/uploads/u", chunk)).status, 202)
        yield* registry.reset
      }
    }).pipe(Effect.provide(at({ limits: { chunkMinBytes: 10 } })))
  )

  it.effect("behaviour can change while it runs", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      assert.strictEqual((yield* send("GET", "/v2/_catalog")).status, 200)
      yield* registry.update((options) => RegistryOptions.merge(options, { capabilities: { catalog: false } }))
      assert.strictEqual((yield* send("GET", "/v2/_catalog")).status, 404)
    }).pipe(Effect.provide(at({})))
  )
})

describe("the connection", () => {
  const many = Stream.repeatValue(new Uint8Array(1024)).pipe(Stream.take(64))

  it.effect("a body is served as it is read", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const upload = yield* send("POST", "/v2/app/blobs/uploads/")
      const digest = Digest.fromBytes(new Uint8Array(64 * 1024))
      yield* send("PATCH", upload.headers["location"] ?? "", { body: HttpBody.stream(many) })
      yield* send("PUT", `${upload.headers["location"]}?digest=${digest}`)
      yield* registry.clearRequests
      const response = yield* get(`https://${host}/v2/app/blobs/${digest}`)
      assert.strictEqual(yield* registry.bytesServed, 0)
      const read = yield* Stream.runCollect(Stream.take(response.stream, 3))
      assert.strictEqual(Chunk.size(read), 3)
      assert.strictEqual(yield* registry.bytesServed, 3 * 1024)
      assert.strictEqual(Chunk.size(yield* Stream.runCollect(response.stream)), 0)
    }).pipe(Effect.provide(at({})))
  )

  it.effect("a body that contradicts its length, or fails, breaks the request and keeps what arrived", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const client = yield* HttpClient.HttpClient
      const upload = yield* send("POST", "/v2/app/blobs/uploads/")
      const patch = (body: HttpBody.HttpBody) =>
        client.execute(HttpClientRequest.patch(`https://${host}${upload.headers["location"]}`).pipe(HttpClientRequest.setBody(body)))
      const short = yield* Effect.flip(patch(HttpBody.stream(Stream.make(utf8("abc")), undefined, 5)))
      assert.strictEqual(short._tag, "RequestError")
      const [open] = yield* registry.openUploads
      assert.strictEqual(open?.sizeBytes, 3)
      const boom = yield* Effect.flip(
        patch(HttpBody.stream(Stream.fail("boom"), undefined)).pipe(
          Effect.timeoutFail({ duration: "1 second", onTimeout: () => "hung" as const })
        )
      )
      assert.notStrictEqual(boom, "hung")
      assert.propertyVal(boom, "cause", "boom")
      assert.deepStrictEqual(
        (yield* registry.requests).map((request) => request.status),
        [202, undefined, undefined]
      )
    }).pipe(Effect.provide(at({ capabilities: { streamedAppend: true } })))
  )

  it.effect("an interrupted upload leaves its session as it was", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const upload = yield* send("POST", "/v2/app/blobs/uploads/")
      const body = HttpBody.stream(Stream.concat(Stream.make(utf8("abc")), Stream.never))
      const fiber = yield* Effect.fork(send("PATCH", upload.headers["location"] ?? "", { body }))
      yield* Effect.yieldNow().pipe(Effect.repeatN(50))
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(
        (yield* registry.openUploads).map((_) => _.sizeBytes),
        [3]
      )
      assert.strictEqual((yield* send("GET", upload.headers["location"] ?? "")).headers["range"], "0-2")
    }).pipe(Effect.provide(at({})))
  )

  it.effect("closing the scope of a request aborts its body", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      const { digest } = yield* registry.seedBlob("app", "content")
      const scope = yield* Scope.make()
      const response = yield* Scope.extend(client.execute(HttpClientRequest.get(`https://${host}/v2/app/blobs/${digest}`)), scope)
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(Stream.runDrain(response.stream))
      assert.strictEqual(error._tag, "ResponseError")
    }).pipe(Effect.provide(at({})))
  )
})

describe("capabilities", () => {
  const cases: ReadonlyArray<readonly [Partial<RegistryOptions.Capabilities>, "GET" | "POST" | "DELETE" | "PATCH", string, number]> = [
    [{ catalog: false }, "GET", "/v2/_catalog", 404],
    [{ referrers: false }, "GET", `/v2/app/referrers/${Digest.fromBytes(utf8("x"))}`, 404],
    [{ deleteTag: false }, "DELETE", "/v2/app/manifests/v1", 405],
    [{ deleteManifest: false }, "DELETE", `/v2/app/manifests/${Digest.fromBytes(utf8("x"))}`, 405],
    [{ deleteBlob: false }, "DELETE", `/v2/app/blobs/${Digest.fromBytes(utf8("x"))}`, 405],
    [{ cancel: false }, "DELETE", "/v2/app/blobs/uploads/u", 405],
    [{ uploadStatus: false }, "GET", "/v2/app/blobs/uploads/u", 405],
    [{ streamedUpload: false }, "PATCH", "/v2/app/blobs/uploads/u", 405],
    [{ singlePost: false }, "POST", `/v2/app/blobs/uploads/?digest=${Digest.fromBytes(utf8("x"))}`, 202],
    [{ mount: false }, "POST", `/v2/app/blobs/uploads/?mount=${Digest.fromBytes(utf8("x"))}&from=source`, 202],
    [{ anonymousMount: false }, "POST", `/v2/app/blobs/uploads/?mount=${Digest.fromBytes(utf8("x"))}`, 202],
    [{ sha512: false }, "POST", "/v2/app/blobs/uploads/?digest-algorithm=sha512", 400],
    [{ digestAlgorithm: false }, "POST", "/v2/app/blobs/uploads/?digest-algorithm=md5", 202],
    [{ createRepositories: false }, "POST", "/v2/fresh/blobs/uploads/", 404]
  ]
  for (const [capabilities, method, path, expected] of cases) {
    const name = Object.keys(capabilities).join()
    it.effect(`${name} off: ${method} is ${expected}`, () =>
      Effect.gen(function* () {
        const registry = yield* MemoryRegistry.MemoryRegistry
        yield* registry.seedBlob("source", "x")
        yield* registry.seedImage("app", { tag: "v1" })
        yield* registry.seedUpload("app", "u", "")
        assert.strictEqual((yield* send(method, path)).status, expected)
        yield* registry.update(() => ({}))
        assert.notStrictEqual((yield* send(method, path)).status, expected)
      }).pipe(Effect.provide(at({ capabilities })))
    )
  }

  it.effect(
    "validateReferences off: an image without its layer and a list without its image are kept, as conformance of sparse data asks",
    () =>
      Effect.gen(function* () {
        const absent = Digest.fromBytes(utf8("absent"))
        const image = "application/vnd.oci.image.manifest.v1+json"
        const index = "application/vnd.oci.image.index.v1+json"
        const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: absent, size: 6 }
        const manifests: ReadonlyArray<readonly [string, object]> = [
          [image, { schemaVersion: 2, mediaType: image, config: layer, layers: [layer] }],
          [index, { schemaVersion: 2, mediaType: index, manifests: [{ mediaType: image, digest: absent, size: 6 }] }]
        ]
        for (const [mediaType, fields] of manifests) {
          const body = JSON.stringify(fields)
          const path = `/v2/app/manifests/${Digest.fromBytes(utf8(body))}`
          const pushed = yield* send("PUT", `${path}?tag=sparse`, { headers: { "content-type": mediaType }, body })
          assert.strictEqual(pushed.status, 201)
          assert.strictEqual((yield* send("GET", path)).text, body)
          assert.strictEqual((yield* send("HEAD", "/v2/app/manifests/sparse")).headers["content-type"], mediaType)
        }
      }).pipe(Effect.provide(at({ capabilities: { validateReferences: false } })))
  )

  it.effect("an older registry: no OCI-Subject, no OCI-Tag, no filter, no ranges, no validators", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const subject = yield* registry.seedImage("app", { tag: "v1" })
      const content = JSON.stringify({ schemaVersion: 2, config: subject.config, layers: [], subject: subject.manifest })
      const digest = Digest.fromBytes(utf8(content))
      const pushed = yield* send("PUT", `/v2/app/manifests/${digest}?tag=sig`, {
        headers: { "content-type": "application/vnd.oci.image.manifest.v1+json", "if-match": '"x"' },
        body: content
      })
      assert.strictEqual(pushed.status, 201)
      assert.isUndefined(pushed.headers["oci-subject"])
      assert.isUndefined(pushed.headers["oci-tag"])
      assert.deepStrictEqual(yield* registry.tags("app"), ["v1"])
      const part = yield* send("GET", `/v2/app/blobs/${subject.config.digest}`, { headers: { range: "bytes=0-1" } })
      assert.strictEqual(part.status, 200)
      assert.isUndefined(part.headers["etag"])
      // Switched on later, it knows the referrers that were pushed before (spec «Enabling the Referrers API»).
      yield* registry.update(() => ({ capabilities: { referrersFilter: false } }))
      const list = yield* send("GET", `/v2/app/referrers/${subject.manifest.digest}?artifactType=none`)
      assert.strictEqual(list.json().manifests[0].digest, digest)
      assert.isUndefined(list.headers["oci-filters-applied"])
    }).pipe(Effect.provide(at({ capabilities: { referrers: false, tagParameter: false, ranges: false, conditional: false } })))
  )

  it.effect("no tag parameters are taken, and a tag in the path still is", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const { bytes, manifest } = yield* registry.seedImage("app")
      const put = (reference: string) =>
        send("PUT", `/v2/app/manifests/${reference}`, { headers: { "content-type": manifest.mediaType }, body: bytes })
      assert.strictEqual((yield* put(`${manifest.digest}?tag=a`)).status, 414)
      assert.strictEqual((yield* put("a")).status, 201)
    }).pipe(Effect.provide(at({ limits: { tagParameters: 0 } })))
  )

  it.effect("warnings, chunk minimum, page and body limits, adjustments", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const ping = yield* send("GET", "/v2/")
      assert.strictEqual(ping.headers["warning"], '299 - "soon \\"gone\\""')
      assert.strictEqual(ping.headers["x-adjusted"], "base")
      const upload = yield* send("POST", "/v2/app/blobs/uploads/")
      assert.strictEqual(upload.headers["oci-chunk-min-length"], "4")
      const where = upload.headers["location"] ?? ""
      const chunk = (range: string, body: string) => send("PATCH", where, { headers: { "content-range": range }, body })
      assert.strictEqual((yield* chunk("0-3", "abcd")).status, 202)
      assert.strictEqual((yield* chunk("4-4", "e")).status, 202)
      assert.strictEqual((yield* chunk("5-8", "fghi")).status, 400)
      assert.strictEqual((yield* send("PATCH", where, { headers: { "content-range": "5-14" }, body: "0123456789" })).status, 400)
      const big = yield* send("POST", `/v2/app/blobs/uploads/?digest=${Digest.fromBytes(utf8("x"))}`, { body: "012345678" })
      assert.strictEqual(big.status, 413)
      yield* registry.seedImage("app", { tag: "a" })
      yield* registry.seedImage("app", { tag: "b" })
      yield* registry.seedImage("app", { tag: "c" })
      const page = yield* send("GET", "/v2/app/tags/list?n=10")
      assert.deepStrictEqual(page.json().tags, ["a", "b"])
      assert.strictEqual(page.headers["link"], '</v2/app/tags/list?n=10&last=b>; rel="next"')
      assert.strictEqual((yield* send("GET", "/v2/app/tags/list?n=11")).status, 400)
      assert.strictEqual((yield* send("GET", "/teapot")).status, 418)
    }).pipe(
      Effect.provide(
        at({
          warnings: ['soon "gone"'],
          limits: { chunkMinBytes: 4, pageEntries: 2, pageParameter: 10, uploadBodyBytes: 8 },
          adjustments: [
            {
              name: "teapot",
              before: (request) =>
                request.path === "/teapot" ? Option.some({ status: 418, headers: {}, body: new Uint8Array(0) }) : Option.none(),
              after: (_, endpoint, response) => ({ ...response, headers: { ...response.headers, "X-Adjusted": endpoint } })
            }
          ]
        })
      )
    )
  )
})

describe("authentication", () => {
  const users = {
    admin: { password: "secret" },
    reader: { password: "r", access: ["repository:app/*:pull", "repository:app:pull"] },
    pusher: { password: "p", access: ["repository:app:*"] }
  }

  it.effect("Basic", () =>
    Effect.gen(function* () {
      const anonymous = yield* send("GET", "/v2/")
      assert.strictEqual(anonymous.status, 401)
      assert.strictEqual(anonymous.headers["www-authenticate"], 'Basic realm="registry"')
      assert.strictEqual((yield* send("GET", "/v2/", { headers: basic("admin", "wrong") })).status, 401)
      assert.strictEqual((yield* send("GET", "/v2/", { headers: basic("admin", "secret") })).status, 200)
      assert.strictEqual((yield* send("POST", "/v2/app/blobs/uploads/", { headers: basic("admin", "secret") })).status, 202)
      assert.strictEqual((yield* send("POST", "/v2/app/blobs/uploads/", { headers: basic("reader", "r") })).status, 403)
      assert.strictEqual((yield* send("GET", "/v2/app/manifests/x", { headers: basic("reader", "r") })).status, 404)
      assert.strictEqual((yield* send("GET", "/v2/other/manifests/x", { headers: basic("reader", "r") })).status, 403)
      assert.strictEqual((yield* send("GET", "/v2/public/manifests/x")).status, 404)
    }).pipe(Effect.provide(at({ auth: RegistryOptions.basic({ users, anonymous: ["repository:public:pull"] }) })))
  )

  const tokenFor = (scope: string, headers: Readonly<Record<string, string>> = {}) =>
    Effect.map(send("GET", `/token?service=${host}&scope=${scope}`, { headers }), (answer) => answer.json().token)

  const bearerAuth = (more: Partial<RegistryOptions.BearerAuth> = {}) => at({ auth: RegistryOptions.bearer({ users, ...more }) })

  it.effect("Bearer: challenge, token by GET, scopes, expiry", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const ping = yield* send("GET", "/v2/")
      assert.strictEqual(ping.headers["www-authenticate"], `Bearer realm="https://${host}/token",service="${host}"`)
      const refused = yield* send("POST", "/v2/app/blobs/uploads/")
      assert.include(refused.headers["www-authenticate"], 'scope="repository:app:pull,push"')
      assert.strictEqual((yield* send("GET", "/token", { headers: basic("admin", "no") })).status, 401)

      const push = yield* tokenFor("repository:app:pull,push", basic("admin", "secret"))
      assert.strictEqual((yield* send("GET", "/v2/", { headers: bearer(push) })).status, 200)
      assert.strictEqual((yield* send("POST", "/v2/app/blobs/uploads/", { headers: bearer(push) })).status, 202)
      const elsewhere = yield* send("POST", "/v2/elsewhere/blobs/uploads/", { headers: bearer(push) })
      assert.strictEqual(elsewhere.status, 401)
      assert.include(elsewhere.headers["www-authenticate"], 'error="insufficient_scope"')

      const pull = yield* tokenFor("repository:app:pull,push", basic("reader", "r"))
      assert.strictEqual((yield* send("GET", "/v2/app/manifests/x", { headers: bearer(pull) })).status, 404)
      assert.strictEqual((yield* send("POST", "/v2/app/blobs/uploads/", { headers: bearer(pull) })).status, 401)

      yield* TestClock.adjust("61 seconds")
      const expired = yield* send("GET", "/v2/", { headers: bearer(push) })
      assert.strictEqual(expired.status, 401)
      assert.include(expired.headers["www-authenticate"], 'error="invalid_token"')
      assert.strictEqual((yield* registry.requestCounts)["GET token"], 3)
    }).pipe(Effect.provide(bearerAuth({ expiresIn: "1 minute" })))
  )

  it.effect("Bearer: a scope of many stars is looked at in no time, and a star stands for any text, none too", () =>
    Effect.gen(function* () {
      const tokenFor = (scope: string) =>
        Effect.map(
          send("GET", `/token?scope=${encodeURIComponent(scope)}`, { headers: basic("ann", "secret") }),
          (answer): string => answer.json().token
        )
      const tags = (name: string, token: string) =>
        Effect.map(send("GET", `/v2/${name}/tags/list`, { headers: bearer(token) }), ({ status }) => status)
      const stars = yield* tokenFor(`repository:a${"*a".repeat(5)}b:pull`)
      const started = performance.now()
      assert.strictEqual(yield* tags("a".repeat(160), stars), 401)
      assert.isBelow(performance.now() - started, 1000)
      const some = yield* tokenFor("repository:te*/a*p:pull")
      for (const name of ["te/ap", "team/app", "te/a/a/p"]) assert.strictEqual(yield* tags(name, some), 404, name)
      for (const name of ["te/a", "team/apps", "a/te/app", "t/app"]) assert.strictEqual(yield* tags(name, some), 401, name)
    }).pipe(Effect.provide(at({ auth: RegistryOptions.bearer({ users: { ann: { password: "secret" } } }) })))
  )

  it.effect("Bearer: a mount asks for pull on the source; who cannot have it gets an ordinary upload", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const { digest } = yield* registry.seedBlob("source", "shared")
      const path = `/v2/app/blobs/uploads/?mount=${digest}&from=source`
      const scope = 'scope="repository:app:pull,push repository:source:pull"'
      assert.include((yield* send("POST", path)).headers["www-authenticate"], scope)

      const narrow = yield* tokenFor("repository:app:pull,push", basic("admin", "secret"))
      const refused = yield* send("POST", path, { headers: bearer(narrow) })
      assert.strictEqual(refused.status, 401)
      assert.include(refused.headers["www-authenticate"], `${scope},error="insufficient_scope"`)

      const wide = yield* tokenFor("repository:app:pull,push&scope=repository:source:pull", basic("admin", "secret"))
      assert.strictEqual((yield* send("POST", path, { headers: bearer(wide) })).status, 201)

      const pusher = yield* tokenFor("repository:app:pull,push repository:source:pull", basic("pusher", "p"))
      assert.strictEqual((yield* send("POST", path, { headers: bearer(pusher) })).status, 202)
      assert.strictEqual((yield* send("POST", `${path}x"`, { headers: bearer(narrow) })).status, 202)
    }).pipe(Effect.provide(bearerAuth()))
  )

  it.effect("Bearer: OAuth2 POST with password, refresh and identity tokens; registry tokens; anonymous", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const form = (fields: Readonly<Record<string, string>>) =>
        send("POST", "/token", {
          headers: { "content-type": "application/x-www-form-urlencoded" },
          body: new URLSearchParams({ service: host, client_id: "test", scope: "repository:app:pull", ...fields }).toString()
        })
      const password = yield* form({ grant_type: "password", username: "admin", password: "secret", access_type: "offline" })
      const { access_token, expires_in, issued_at, refresh_token } = password.json()
      assert.strictEqual(expires_in, 300)
      assert.strictEqual(issued_at, new Date(0).toISOString())
      assert.strictEqual((yield* send("GET", "/v2/app/manifests/x", { headers: bearer(access_token) })).status, 404)
      assert.strictEqual((yield* form({ grant_type: "refresh_token", refresh_token })).status, 200)
      assert.strictEqual((yield* form({ grant_type: "refresh_token", refresh_token: "identity" })).status, 200)
      assert.strictEqual((yield* form({ grant_type: "refresh_token", refresh_token: "unknown" })).status, 401)
      assert.strictEqual((yield* send("GET", "/v2/app/manifests/x", { headers: bearer("foreign") })).status, 404)
      const anonymous = yield* tokenFor("repository:public:pull,push")
      assert.strictEqual((yield* send("GET", "/v2/public/manifests/x", { headers: bearer(anonymous) })).status, 404)
      assert.strictEqual((yield* send("POST", "/v2/public/blobs/uploads/", { headers: bearer(anonymous) })).status, 401)
      yield* registry.revokeTokens
      assert.strictEqual((yield* send("GET", "/v2/", { headers: bearer(access_token) })).status, 401)
      assert.strictEqual((yield* form({ grant_type: "refresh_token", refresh_token })).status, 401)
    }).pipe(
      Effect.provide(
        bearerAuth({
          identityTokens: { identity: "admin" },
          registryTokens: { foreign: ["repository:app:pull"] },
          anonymous: ["repository:public:pull"]
        })
      )
    )
  )

  it.effect("Bearer: a realm on another host, both challenges", () =>
    Effect.gen(function* () {
      const ping = yield* send("GET", "/v2/")
      assert.strictEqual(
        ping.headers["www-authenticate"],
        `Bearer realm="https://auth.test/service/token",service="registry", Basic realm="registry"`
      )
      const response = yield* get("https://auth.test/service/token?scope=repository:app:pull")
      assert.strictEqual(response.status, 200)
      assert.strictEqual((yield* send("GET", "/v2/", { headers: basic("admin", "secret") })).status, 200)
      assert.strictEqual((yield* Effect.flip(get("https://auth.test/other"))).reason, "Transport")
    }).pipe(Effect.provide(bearerAuth({ realm: "https://auth.test/service/token", service: "registry", alsoBasic: true })))
  )

  it.effect("the token service misbehaves as told", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const behave = (misbehavior: RegistryOptions.TokenMisbehavior, more: Partial<RegistryOptions.BearerAuth> = {}) =>
        registry.update(() => ({ auth: RegistryOptions.bearer({ users, misbehavior, ...more }) }))
      yield* behave({ status: 503, headers: { "Retry-After": "2" } })
      const down = yield* send("GET", "/token")
      assert.deepStrictEqual([down.status, down.headers["retry-after"]], [503, "2"])
      yield* behave({ postStatus: 404 })
      assert.strictEqual((yield* send("POST", "/token")).status, 404)
      assert.strictEqual((yield* send("GET", "/token")).status, 200)
      yield* behave({ noToken: true })
      assert.notProperty((yield* send("GET", "/token")).json(), "token")
      yield* behave({ body: "<html>" })
      assert.strictEqual((yield* send("GET", "/token")).text, "<html>")
      yield* behave({ worthlessToken: true })
      const worthless = yield* tokenFor("repository:app:pull", basic("admin", "secret"))
      assert.strictEqual((yield* send("GET", "/v2/", { headers: bearer(worthless) })).status, 401)
      yield* behave({ lastScopeOnly: true })
      const last = yield* send("GET", "/token?scope=repository:a:pull&scope=repository:b:pull", { headers: basic("admin", "secret") })
      assert.strictEqual(last.json().scope, "repository:b:pull")
      yield* behave({}, { tokenMember: "access_token", tellExpiry: false, advertisedRealm: "http://169.254.169.254/token" })
      assert.hasAllKeys((yield* send("GET", "/token")).json(), ["access_token", "scope"])
      assert.include((yield* send("GET", "/v2/")).headers["www-authenticate"], 'realm="http://169.254.169.254/token"')
      yield* behave({ delay: "10 seconds" })
      const slow = yield* Effect.fork(send("GET", "/token"))
      yield* TestClock.adjust("9 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(slow)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(slow)).status, 200)
    }).pipe(Effect.provide(bearerAuth()))
  )
})
