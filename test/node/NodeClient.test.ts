import { createHash, randomBytes } from "node:crypto"
import type * as Http from "node:http"
import type * as Net from "node:net"
import { Readable } from "node:stream"
import { inspect } from "node:util"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Dispatcher from "../../src/node/Dispatcher.ts"
import * as NodeClient from "../../src/node/NodeClient.ts"
import * as UndiciClient from "../../src/node/UndiciClient.ts"
import * as Certificates from "../support/Certificates.ts"
import { eventually, settled, turn } from "../support/Eventually.ts"
import * as LocalServer from "../support/LocalServer.ts"
import * as Memory from "../support/Memory.ts"
import * as Tcp from "../support/Tcp.ts"

const MiB = 1024 * 1024
const block = new Uint8Array(64 * 1024).fill(7)

/** Who takes a dispatcher of undici gets the same. */
const clients = {
  NodeClient: NodeClient.make,
  UndiciClient: (options: Dispatcher.Options) => Effect.map(Dispatcher.make(options), UndiciClient.make)
}

/** A stream of `blocks` times 64 KiB that counts what was made of it. */
const source = (blocks: number) => {
  const made = { blocks: 0, finalized: false }
  const stream = Stream.range(1, blocks).pipe(
    Stream.rechunk(1),
    Stream.map(() => {
      made.blocks += 1
      return block
    }),
    Stream.ensuring(
      Effect.sync(() => {
        made.finalized = true
      })
    )
  )
  return { made, stream }
}

const bodySize = async (request: Http.IncomingMessage) => {
  let size = 0
  for await (const chunk of request) size += Buffer.from(chunk).byteLength
  return size
}

/** Writes until the socket is full, then again when it drains; counts what was accepted. */
const writeAll = (response: Http.ServerResponse, blocks: number, written: { blocks: number }) => {
  const go = () => {
    while (written.blocks < blocks) {
      written.blocks += 1
      if (!response.write(block)) return response.once("drain", go)
    }
    return response.end()
  }
  go()
}

describe.each(Object.entries(clients))("%s", (_, make) => {
  const client = (options: Dispatcher.Options = {}) => make({ proxy: "none", ...options })

  describe("the request", () => {
    it.scopedLive("sends the URL byte for byte, without its fragment", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((request, response) => response.end(request.url))
        const http = yield* client()
        const texts = [
          "/v2/a/b?X-Amz-Signature=a%2Bb%20c~d&x=%7e+%2f",
          "/v2//double/./dot/../dots",
          "/v2/%41%5a/sha256:abc?a=b&a=b&&=",
          "/?",
          "?only=query"
        ]
        for (const text of texts) {
          const response = yield* http.get(`${server.origin}${text}#fragment`)
          const expected = text.startsWith("/") ? text : `/${text}`
          assert.strictEqual(yield* response.text, expected)
        }
        assert.strictEqual(yield* Effect.flatMap(http.get(server.origin), (_) => _.text), "/")
      })
    )

    it.scopedLive("encodes what no request line can hold, and appends separate parameters", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((request, response) => response.end(request.url))
        const http = yield* client()
        assert.strictEqual(yield* Effect.flatMap(http.get(`${server.origin}/a b\u20ac`), (_) => _.text), "/a%20b%E2%82%AC")
        const withParams = HttpClientRequest.get(`${server.origin}/a?b=1`).pipe(HttpClientRequest.setUrlParam("c", "2"))
        assert.strictEqual(yield* Effect.flatMap(http.execute(withParams), (_) => _.text), "/a?b=1&c=2")
      })
    )

    it.scopedLive("sends the headers it was given and adds only host and connection", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((request, response) => response.end(JSON.stringify(request.headers)))
        const quiet = (yield* client()).pipe(HttpClient.withTracerPropagation(false))
        const response = yield* quiet.get(server.origin, { headers: { accept: "a/b, c/d", authorization: "Bearer t" } })
        assert.deepStrictEqual(yield* response.json, {
          accept: "a/b, c/d",
          authorization: "Bearer t",
          connection: "keep-alive",
          host: server.host
        })
      })
    )

    it.scopedLive("leaves redirects and compressed bodies as they are", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) =>
          response.writeHead(307, { location: "/elsewhere", "content-encoding": "gzip" }).end("not gzip at all")
        )
        const http = yield* client()
        const response = yield* http.get(server.origin)
        assert.strictEqual(response.status, 307)
        assert.strictEqual(response.headers["location"], "/elsewhere")
        assert.strictEqual(yield* response.text, "not gzip at all")
      })
    )

    it.scopedLive("keeps connections, after HEAD too", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) => response.writeHead(200, { "content-length": 5 }).end("hello"))
        const http = yield* client()
        for (let round = 0; round < 5; round++) {
          assert.strictEqual(yield* Effect.flatMap(http.head(server.origin), (_) => _.text), "")
          assert.strictEqual(yield* Effect.flatMap(http.get(server.origin), (_) => _.text), "hello")
          yield* Effect.flatMap(http.get(server.origin), (_) => Stream.runDrain(_.stream))
        }
        assert.strictEqual(yield* server.connections, 1)
      })
    )

    it.scopedLive("opens no more connections than allowed", () =>
      Effect.gen(function* () {
        // Two at a time: the first of each pair waits for the second.
        const held: Array<Http.ServerResponse> = []
        const server = yield* LocalServer.make((_, response) => {
          if (held.push(response) === 2) for (const each of held.splice(0)) each.end("x")
        })
        const http = yield* client({ connections: 2 })
        yield* Effect.forEach(Array.from({ length: 12 }), () => Effect.flatMap(http.get(server.origin), (_) => _.text), {
          concurrency: "unbounded"
        })
        assert.strictEqual(yield* server.connections, 2)
      })
    )

    it.scopedLive("has no limit that is infinite, and sends nothing when no connection is allowed", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) => response.end("x"))
        const read = (options: Dispatcher.Options) =>
          Effect.flatMap(client(options), (http) => Effect.flatMap(http.get(server.origin), (response) => response.text))
        const infinite = Number.POSITIVE_INFINITY
        assert.strictEqual(yield* read({ connections: infinite, maxHeaderBytes: infinite }), "x")
        for (const connections of [0, -1, Number.NaN]) {
          const error = yield* Effect.flip(read({ connections }))
          assert.include(String(error.cause), "no connection is allowed")
        }
      })
    )

    it.scopedLive("has no time limit that is none, and may keep no connection", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) => response.end("x"))
        for (const limit of [Duration.infinity, Duration.zero, Duration.days(99)]) {
          const http = yield* client({ connectTimeout: limit, keepAlive: limit })
          assert.strictEqual(yield* Effect.flatMap(http.get(server.origin), (response) => response.text), "x")
        }
      })
    )

    it.live("fails with Node's error inside when nobody listens", () =>
      Effect.gen(function* () {
        const origin = yield* Effect.scoped(
          Effect.map(
            LocalServer.make(() => {}),
            (_) => _.origin
          )
        )
        const error = yield* Effect.flip(Effect.scoped(Effect.flatMap(client(), (_) => _.get(origin))))
        assert.strictEqual(error._tag, "RequestError")
        assert.strictEqual(error.reason, "Transport")
        assert.strictEqual(Object(error.cause).code, "ECONNREFUSED")
      })
    )

    it.scopedLive("fails when a header cannot be sent", () =>
      Effect.gen(function* () {
        const http = yield* client()
        const error = yield* Effect.flip(http.get("http://127.0.0.1:9/", { headers: { "x-bad": "a\nb" } }))
        assert.strictEqual(error._tag, "RequestError")
        assert.match(Object(error.cause).code, /^(UND_ERR_INVALID_ARG|ERR_INVALID_CHAR)$/)
      })
    )
  })

  describe("the response", () => {
    it.scopedLive("has headers beyond 64 KiB, repeated headers and cookies", () =>
      Effect.gen(function* () {
        const long = "x".repeat(100 * 1024)
        const server = yield* LocalServer.make((_, response) =>
          response
            .writeHead(202, [
              ...["location", `/${long}`],
              ...["www-authenticate", "Basic realm=a"],
              ...["www-authenticate", "Bearer realm=b"],
              ...["set-cookie", "a=1; Path=/"],
              ...["set-cookie", "b=2"]
            ])
            .end()
        )
        const http = yield* client()
        const response = yield* http.get(server.origin)
        assert.strictEqual(response.status, 202)
        assert.strictEqual(response.headers["location"], `/${long}`)
        assert.strictEqual(response.headers["www-authenticate"], "Basic realm=a, Bearer realm=b")
        assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["a", "b"])
        assert.strictEqual(response.headers, response.headers)
      })
    )

    it.scopedLive("has all of its headers, however many", () =>
      Effect.gen(function* () {
        const many = Array.from({ length: 1900 }, (_, index) => `x-${index}: ${index}\r\n`).join("")
        const host = yield* Tcp.serve((socket) =>
          socket.on("data", () => socket.write(`HTTP/1.1 200 OK\r\n${many}location: /last\r\ncontent-length: 2\r\n\r\nok`))
        )
        const { headers } = yield* (yield* client()).get(`http://${host}`)
        assert.strictEqual(headers["location"], "/last")
      })
    )

    it.scopedLive("fails beyond the header limit", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) => response.writeHead(200, { "x-long": "x".repeat(3000) }).end())
        const http = yield* client({ maxHeaderBytes: 2048 })
        const error = yield* Effect.flip(http.get(server.origin))
        assert.match(Object(error.cause).code, /^(UND_ERR_HEADERS_OVERFLOW|HPE_HEADER_OVERFLOW)$/)
      })
    )

    it.scopedLive("ignores informational answers", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) => {
          response.writeEarlyHints({ link: "</a>; rel=preload" })
          response.end("final")
        })
        const http = yield* client()
        const response = yield* http.get(server.origin)
        assert.strictEqual(response.status, 200)
        assert.strictEqual(yield* response.text, "final")
      })
    )

    it.scopedLive("fails when the server speaks another protocol from there on", () =>
      Effect.gen(function* () {
        const http = yield* client()
        for (const headers of ["connection: upgrade\r\nupgrade: chat\r\n", "connection: upgrade\r\n", ""]) {
          const host = yield* Tcp.serve((socket) =>
            socket.once("data", () => socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers}\r\nhello`))
          )
          assert.strictEqual((yield* Effect.flip(http.get(`http://${host}`)))._tag, "RequestError")
        }
      })
    )

    it.scopedLive("is whole, whatever follows it", () =>
      Effect.gen(function* () {
        const host = yield* Tcp.serve((socket) =>
          socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more"))
        )
        const http = yield* client()
        for (let round = 0; round < 5; round++) {
          assert.strictEqual(yield* Effect.flatMap(http.get(`http://${host}`), (response) => response.text), "ok")
        }
      })
    )

    it.scopedLive("is not taken for another: a kept connection that says something unasked is closed", () =>
      Effect.gen(function* () {
        const sockets: Array<Net.Socket> = []
        const closed = { count: 0 }
        const host = yield* Tcp.serve((socket) => {
          sockets.push(socket.on("close", () => closed.count++))
          socket.on("data", (bytes) => {
            const size = String(bytes).startsWith("HEAD") ? "\r\n" : "\r\nok"
            socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n${size}`)
          })
        })
        const http = yield* client()
        for (let round = 1; round < 4; round++) {
          assert.strictEqual((yield* http.head(`http://${host}`)).status, 200)
          yield* eventually(Effect.sync(() => sockets.length === round))
          sockets.at(-1)?.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno")
          yield* eventually(Effect.sync(() => closed.count === round))
        }
        assert.strictEqual(yield* Effect.flatMap(http.get(`http://${host}`), (response) => response.text), "ok")
      })
    )

    it.scopedLive("comes over a new connection when the server closes the kept one", () =>
      Effect.gen(function* () {
        const host = yield* Tcp.serve((socket) => {
          socket.once("data", () => {
            socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            // As if it had been closed while the next request was on its way.
            socket.once("data", () => socket.destroy())
          })
        })
        const http = yield* NodeClient.make({ proxy: "none" })
        for (let round = 0; round < 5; round++) {
          assert.strictEqual(yield* Effect.flatMap(http.get(`http://${host}`), (response) => response.text), "ok")
        }
      })
    )

    it.scopedLive("reads its body in every shape, as often as wanted once it is read whole", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((request, response) =>
          request.url === "/form"
            ? response.writeHead(200, { "content-type": "application/x-www-form-urlencoded" }).end("a=1&b=2")
            : response.end('{"a":"\u20ac"}')
        )
        const http = yield* client()
        const response = yield* http.get(server.origin)
        assert.deepStrictEqual(yield* response.json, { a: "\u20ac" })
        assert.strictEqual(yield* response.text, '{"a":"\u20ac"}')
        assert.strictEqual((yield* response.arrayBuffer).byteLength, 11)
        const form = yield* http.get(`${server.origin}/form`)
        assert.deepStrictEqual(yield* form.urlParamsBody, [
          ["a", "1"],
          ["b", "2"]
        ])
        assert.strictEqual((yield* form.formData).get("b"), "2")
      })
    )

    it.scopedLive("has an empty stream where there is no body", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) => response.writeHead(204).end())
        const http = yield* client()
        for (const request of [http.get(server.origin), http.head(server.origin)]) {
          assert.isTrue(Chunk.isEmpty(yield* Stream.runCollect((yield* request).stream)))
        }
      })
    )

    it.scopedLive("says so when a body is streamed twice", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) => response.end("once"))
        const http = yield* client()
        const response = yield* http.get(server.origin)
        yield* Stream.runDrain(response.stream)
        const error = yield* Effect.flip(Stream.runDrain(response.stream))
        assert.include(String(error.cause), "read before")
      })
    )

    it.scopedLive("honours the size limit of the platform", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) => response.end("x".repeat(100)))
        const http = yield* client()
        const read = (limit: number) =>
          Effect.flatMap(http.get(server.origin), (_) => _.text).pipe(HttpIncomingMessage.withMaxBodySize(Option.some(limit)), Effect.exit)
        assert.isTrue(Exit.isSuccess(yield* read(100)))
        assert.isTrue(Exit.isFailure(yield* read(99)))
      })
    )

    it.scopedLive("does not consume its body when it is looked at", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((_, response) => response.writeHead(200, { "content-type": "text/plain" }).end("body"))
        const http = yield* client()
        const response = yield* http.get(server.origin)
        assert.notInclude(inspect(response), "body was read")
        JSON.stringify(response)
        assert.strictEqual(yield* response.text, "body")
      })
    )

    it.scopedLive("streams every byte, and no more than the reader keeps up with", () =>
      Effect.gen(function* () {
        const blocks = 1024
        const written = { blocks: 0 }
        const server = yield* LocalServer.make((_, response) => writeAll(response, blocks, written))
        const http = yield* client()
        const response = yield* http.get(server.origin)
        assert.isBelow((yield* settled(Effect.sync(() => written.blocks))) * block.byteLength, 16 * MiB)
        const hash = createHash("sha256")
        const size = yield* Stream.runFold(response.stream, 0, (total, bytes) => {
          hash.update(bytes)
          return total + bytes.byteLength
        })
        assert.strictEqual(size, blocks * block.byteLength)
        const expected = createHash("sha256")
        for (let index = 0; index < blocks; index++) expected.update(block)
        assert.strictEqual(hash.digest("hex"), expected.digest("hex"))
      })
    )

    it.scopedLive.each(["http", "https"])("gives bytes that stay as they are, many bodies at once, connections kept: %s", (scheme) =>
      Effect.gen(function* () {
        const authority = yield* Certificates.authority("effect-oci test authority")
        const secure = scheme === "https"
        const body = randomBytes(5 * MiB + 1)
        const sizes = [0, 1, 300, 64 * 1024, 64 * 1024 + 1, 700_001, body.byteLength]
        const server = yield* LocalServer.make(
          (request, response) => {
            const [kind, size] = String(request.url).slice(1).split("/")
            const bytes = body.subarray(body.byteLength - Number(size))
            if (kind === "sized") response.setHeader("content-length", bytes.byteLength)
            response.write(bytes.subarray(0, 100_000))
            setImmediate(() => response.end(bytes.subarray(100_000)))
          },
          secure ? { certificate: yield* authority.issue(["127.0.0.1"]) } : {}
        )
        const http = yield* client({ connections: 6, tls: () => ({ ca: [authority.certificate] }) })
        const read = (kind: string, size: number, wait: Effect.Effect<void>) =>
          Effect.gen(function* () {
            const response = yield* http.get(`${server.origin}/${kind}/${size}`)
            const pieces = yield* Stream.runCollect(Stream.tap(response.stream, () => wait))
            return { size, pieces }
          })
        const reads = [1, 2, 3].flatMap(() =>
          sizes.flatMap((size) => [read("sized", size, Effect.void), read("chunked", size, Effect.void), read("sized", size, turn)])
        )
        const all = yield* Effect.all(reads, { concurrency: 12 })
        for (const { pieces, size } of all) {
          assert.isTrue(Buffer.concat([...pieces]).equals(body.subarray(body.byteLength - size)), `${size} bytes`)
        }
      })
    )

    it.scopedLive("fails as Decode when the body breaks off, after the bytes that came", () =>
      Effect.gen(function* () {
        const host = yield* Tcp.serve((socket) =>
          socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"))
        )
        const http = yield* client()
        const response = yield* http.get(`http://${host}`)
        let seen = ""
        const error = yield* response.stream.pipe(
          Stream.runForEach((bytes) =>
            Effect.sync(() => {
              seen += Buffer.from(bytes).toString()
            })
          ),
          Effect.flip
        )
        assert.strictEqual(seen, "only this")
        assert.strictEqual(error._tag, "ResponseError")
        assert.strictEqual(error.reason, "Decode")
        assert.match(String(Object(error.cause).code), /^(UND_ERR_SOCKET|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|ECONNRESET)$/)
        const whole = yield* Effect.flip(Effect.flatMap(http.get(`http://${host}`), (_) => _.arrayBuffer))
        assert.strictEqual(whole.reason, "Decode")
      })
    )
  })

  describe("uploads", () => {
    const echoSize = LocalServer.make(async (request, response) => {
      const size = await bodySize(request).catch(() => -1)
      const { "content-length": length = "none", "transfer-encoding": coding = "none" } = request.headers
      response.end(`${size} ${length} ${coding}`)
    })

    it.scopedLive("sends bytes, streams, Node streams, iterables and nothing, with the length where it is known", () =>
      Effect.gen(function* () {
        const server = yield* echoSize
        const { execute } = yield* client()
        const put = (body: HttpBody.HttpBody) =>
          Effect.flatMap(execute(HttpClientRequest.put(server.origin, { body })), (response) => response.text)
        async function* iterable() {
          yield block
          yield block
        }
        assert.strictEqual(yield* put(HttpBody.uint8Array(new Uint8Array(1000))), "1000 1000 none")
        assert.strictEqual(yield* put(HttpBody.empty), "0 0 none")
        assert.strictEqual(yield* put(HttpBody.raw(Readable.from([block, block]))), "131072 none chunked")
        assert.strictEqual(yield* put(HttpBody.raw(iterable(), { contentLength: 131072 })), "131072 131072 none")
        assert.strictEqual(yield* put(HttpBody.raw("text")), "4 4 none")
        assert.strictEqual(yield* put(HttpBody.stream(source(50).stream)), "3276800 none chunked")
        const known = HttpBody.stream(source(50).stream, "application/octet-stream", 3276800)
        assert.strictEqual(yield* put(known), "3276800 3276800 none")
        assert.strictEqual(yield* put(HttpBody.stream(Stream.empty, undefined, 0)), "0 0 none")
        assert.strictEqual(yield* put(HttpBody.stream(Stream.empty)), "0 0 none")
        const manyItems = Stream.fromChunk(Chunk.makeBy(1000, () => new Uint8Array(10)))
        assert.strictEqual(yield* put(HttpBody.stream(manyItems, undefined, 10_000)), "10000 10000 none")
        const form = new FormData()
        form.set("a", "b")
        assert.match(yield* put(HttpBody.formData(form)), /^\d{3} \d{3} none$/)
      })
    )

    it.scopedLive("makes no more of the source than the server takes", () =>
      Effect.gen(function* () {
        const released = yield* Deferred.make<void>()
        const runtime = yield* Effect.runtime<never>()
        const server = yield* LocalServer.make((request, response) => {
          Runtime.runPromise(runtime)(Deferred.await(released))
            .then(() => bodySize(request))
            .then((size) => response.end(String(size)))
        })
        const { execute } = yield* client()
        const { made, stream } = source(1024)
        const fiber = yield* Effect.fork(execute(HttpClientRequest.put(server.origin).pipe(HttpClientRequest.bodyStream(stream))))
        assert.isBelow((yield* settled(Effect.sync(() => made.blocks))) * block.byteLength, 16 * MiB)
        yield* Deferred.succeed(released, undefined)
        assert.strictEqual(yield* Effect.flatMap(Fiber.join(fiber), (_) => _.text), String(64 * MiB))
        assert.isTrue(made.finalized)
      })
    )

    it.scopedLive("returns an answer that comes while the body is still on its way", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((request, response) => {
          request.once("data", () => {
            request.pause()
            response.writeHead(401, { "www-authenticate": "Bearer realm=x" }).end("who are you?")
          })
        })
        const { execute } = yield* client()
        const { made, stream } = source(1024)
        const body = HttpBody.stream(stream, undefined, 64 * MiB)
        const response = yield* execute(HttpClientRequest.put(server.origin, { body }))
        assert.strictEqual(response.status, 401)
        assert.strictEqual(yield* response.text, "who are you?")
        assert.isBelow(made.blocks, 1024)
        yield* eventually(Effect.sync(() => made.finalized))
      })
    )

    it.scopedLive("returns an answer after which the server hangs up with the body unread", () =>
      Effect.gen(function* () {
        const host = yield* Tcp.serve((socket) => {
          socket.once("data", () => {
            socket.pause()
            socket.end("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
          })
        })
        const { execute } = yield* client()
        const { made, stream } = source(1024)
        const response = yield* execute(HttpClientRequest.put(`http://${host}`, { body: HttpBody.stream(stream, undefined, 64 * MiB) }))
        assert.strictEqual(response.status, 401)
        assert.strictEqual(yield* response.text, "no")
        yield* eventually(Effect.sync(() => made.finalized))
      })
    )

    it.scopedLive.each([
      ["with a known length", 64 * MiB],
      ["chunked", undefined]
    ] as const)("aborts when the source fails, so that no part passes for the whole (%s)", ([, length]) =>
      Effect.gen(function* () {
        const outcome = yield* Deferred.make<string>()
        const runtime = yield* Effect.runtime<never>()
        const server = yield* LocalServer.make((request, response) => {
          bodySize(request)
            .then(
              () => "complete",
              () => "aborted"
            )
            .then((how) => {
              Runtime.runSync(runtime)(Deferred.succeed(outcome, how))
              response.end()
            })
        })
        const { execute } = yield* client()
        const { made, stream } = source(10)
        const failing = Stream.concat(stream, Stream.fail({ _tag: "DiskOnFire" } as const))
        const body = HttpBody.stream(failing, undefined, length)
        const error = yield* Effect.flip(execute(HttpClientRequest.put(server.origin, { body })))
        assert.strictEqual(error._tag, "RequestError")
        assert.strictEqual(error.reason, "Encode")
        assert.deepStrictEqual(error.cause, { _tag: "DiskOnFire" })
        assert.strictEqual(yield* Deferred.await(outcome), "aborted")
        assert.isTrue(made.finalized)
      })
    )

    it.scopedLive("says where a body ends, whatever the method, and sends none of another length than it says", () =>
      Effect.gen(function* () {
        const server = yield* echoSize
        const { execute } = yield* client()
        const sent = (request: HttpClientRequest.HttpClientRequest) => Effect.flatMap(execute(request), (response) => response.text)
        const del = HttpClientRequest.del(server.origin)
        const withBody = (body: HttpBody.HttpBody) => HttpClientRequest.setBody(del, body)
        assert.strictEqual(yield* sent(withBody(HttpBody.raw("four"))), "4 4 none")
        assert.strictEqual(yield* sent(withBody(HttpBody.raw(new Blob(["four"])))), "4 4 none")
        assert.strictEqual(yield* sent(withBody(HttpBody.raw(new Uint16Array([1, 2])))), "4 4 none")
        assert.strictEqual(yield* sent(withBody(HttpBody.stream(Stream.make(block)))), "65536 none chunked")
        for (const length of ["2", "6"]) {
          const wrong = HttpClientRequest.setHeader(withBody(HttpBody.raw("four")), "content-length", length)
          assert.strictEqual((yield* Effect.flip(execute(wrong)))._tag, "RequestError")
        }
        assert.strictEqual((yield* Effect.flip(execute(withBody(HttpBody.raw(5)))))._tag, "RequestError")
        assert.strictEqual(yield* sent(withBody(HttpBody.raw("four"))), "4 4 none")
      })
    )

    it.scopedLive("closes a Node stream that nobody wants any more", () =>
      Effect.gen(function* () {
        const waiting = new Readable({ read() {} })
        const server = yield* LocalServer.make(() => {})
        const http = yield* client()
        const request = HttpClientRequest.put(server.origin, { body: HttpBody.raw(waiting) })
        const fiber = yield* Effect.fork(http.execute(request))
        yield* eventually(Effect.map(server.connections, (count) => count === 1))
        yield* Fiber.interrupt(fiber)
        yield* eventually(Effect.sync(() => waiting.destroyed))
      })
    )

    it.scopedLive("leaves the source alone when there is no connection", () =>
      Effect.gen(function* () {
        const { made, stream } = source(1)
        const http = yield* client()
        const request = HttpClientRequest.put("http://127.0.0.1:1/", { body: HttpBody.stream(stream) })
        assert.strictEqual(Object((yield* Effect.flip(http.execute(request))).cause).code, "ECONNREFUSED")
        assert.deepStrictEqual(made, { blocks: 0, finalized: false })
      })
    )

    it.scopedLive("what the source gave before it failed goes out", () =>
      Effect.gen(function* () {
        const server = yield* LocalServer.make((request, response) => {
          request.on("data", (bytes: Buffer) => received.push(bytes))
          if (request.method === "GET") response.end()
        })
        const received: Array<Buffer> = []
        const http = yield* client()
        const body = HttpBody.stream(Stream.concat(Stream.make(block), Stream.fail("over")))
        for (const connected of [false, true]) {
          if (connected) yield* Effect.flatMap(http.get(server.origin), (response) => response.text)
          assert.strictEqual((yield* Effect.flip(http.execute(HttpClientRequest.put(server.origin, { body })))).cause, "over")
          yield* eventually(Effect.sync(() => Buffer.concat(received).byteLength === block.byteLength))
          received.length = 0
        }
      })
    )

    it.scopedLive("does not take a defect of the source for a failure of the network", () =>
      Effect.gen(function* () {
        const server = yield* echoSize
        const { execute } = yield* client()
        const body = HttpBody.stream(Stream.concat(source(3).stream, Stream.die("bug")))
        const exit = yield* Effect.exit(execute(HttpClientRequest.put(server.origin, { body })))
        assert.deepStrictEqual(exit, Exit.die("bug"))
      })
    )

    it.scopedLive.each([
      ["too few", 10],
      ["too many", 30]
    ] as const)("fails when the source gives %s bytes", ([, blocks]) =>
      Effect.gen(function* () {
        const server = yield* echoSize
        const { execute } = yield* client()
        const body = HttpBody.stream(source(blocks).stream, undefined, 20 * block.byteLength)
        const error = yield* Effect.flip(execute(HttpClientRequest.put(server.origin, { body })))
        assert.match(Object(error.cause).code, /^(UND_ERR_REQ|ERR_HTTP)_CONTENT_LENGTH_MISMATCH$/)
      })
    )

    it.scopedLive("fails, and stops the source, when the server goes away", () =>
      Effect.gen(function* () {
        const host = yield* Tcp.serve((socket) => socket.once("data", () => socket.resetAndDestroy()))
        const { execute } = yield* client()
        const { made, stream } = source(1024)
        const error = yield* Effect.flip(execute(HttpClientRequest.put(`http://${host}`, { body: HttpBody.stream(stream) })))
        assert.strictEqual(error._tag, "RequestError")
        assert.match(String(Object(error.cause).code), /^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/)
        assert.isTrue(made.finalized)
      })
    )
  })

  describe("interruption", () => {
    const bodyEnds = { "with its request": (http: HttpClient.HttpClient) => http, "with a scope": HttpClient.withScope }
    for (const [ending, derive] of Object.entries(bodyEnds)) {
      it.scopedLive(`closes the socket of a request that waits for its answer, whose body ends ${ending}`, () =>
        Effect.gen(function* () {
          const events = { arrived: false, closed: false }
          const server = yield* LocalServer.make((request) => {
            events.arrived = true
            request.socket.on("close", () => {
              events.closed = true
            })
          })
          const http = derive(yield* client())
          const fiber = yield* Effect.fork(http.get(server.origin))
          yield* eventually(Effect.sync(() => events.arrived))
          yield* Fiber.interrupt(fiber)
          yield* eventually(Effect.sync(() => events.closed))
        })
      )
    }

    it.scopedLive("closes the socket of an upload and runs the finalizers of its source before it returns", () =>
      Effect.gen(function* () {
        const events = { arrived: false, closed: false }
        const server = yield* LocalServer.make((request) => {
          bodySize(request).catch(() => -1)
          events.arrived = true
          request.socket.on("close", () => {
            events.closed = true
          })
        })
        const { execute } = yield* client()
        const { made, stream } = source(10)
        const endless = Stream.concat(stream, Stream.never)
        const fiber = yield* Effect.fork(execute(HttpClientRequest.put(server.origin, { body: HttpBody.stream(endless) })))
        yield* eventually(Effect.sync(() => events.arrived))
        yield* Fiber.interrupt(fiber)
        assert.isTrue(made.finalized)
        yield* eventually(Effect.sync(() => events.closed))
      })
    )

    it.scopedLive("takes a request that waits for a connection out of the queue", () =>
      Effect.gen(function* () {
        const urls: Array<string | undefined> = []
        let answerFirst = () => {}
        const server = yield* LocalServer.make((request, response) => {
          urls.push(request.url)
          if (request.url === "/first") answerFirst = () => response.end()
          else response.end()
        })
        const http = yield* client({ connections: 1 })
        const first = yield* Effect.fork(http.get(`${server.origin}/first`))
        yield* eventually(Effect.sync(() => urls.length === 1))
        const second = yield* Effect.fork(http.get(`${server.origin}/second`))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(second)
        answerFirst()
        yield* Effect.flatMap(Fiber.join(first), (_) => _.text)
        yield* Effect.flatMap(http.get(`${server.origin}/third`), (_) => _.text)
        assert.deepStrictEqual(urls, ["/first", "/third"])
      })
    )

    it.scopedLive("closes the socket of a body that is not read to its end", () =>
      Effect.gen(function* () {
        const closed = { count: 0 }
        const server = yield* LocalServer.make((request, response) => {
          request.socket.on("close", () => {
            closed.count += 1
          })
          writeAll(response, 100_000, { blocks: 0 })
        })
        const http = yield* client()
        const response = yield* http.get(server.origin)
        yield* Stream.runDrain(Stream.take(response.stream, 1))
        yield* eventually(Effect.sync(() => closed.count === 1))
      })
    )

    it.scopedLive("closes the socket of an answer that nobody has any more", () =>
      Effect.gen(function* () {
        const closed = { count: 0 }
        const server = yield* LocalServer.make((request, response) => {
          request.socket.on("close", () => {
            closed.count += 1
          })
          writeAll(response, 100_000, { blocks: 0 })
        })
        const http = yield* client()
        assert.strictEqual(yield* Effect.map(http.get(server.origin), (_) => _.status), 200)
        // The fiber's own result, too, is let go.
        yield* Effect.promise(async () => assert.strictEqual((await Effect.runPromise(http.get(server.origin))).status, 200))
        // What was sent knows where it came from, and the span of that where it led to.
        const put = HttpClientRequest.put(server.origin, { body: HttpBody.stream(source(2).stream) })
        yield* Effect.promise(async () => assert.strictEqual((await Effect.runPromise(http.execute(put))).status, 200))
        yield* eventually(
          Effect.sync(() => {
            Memory.collectGarbage()
            return closed.count === 3
          })
        )
      })
    )

    it.scopedLive("closes the socket when the scope of a scoped request closes", () =>
      Effect.gen(function* () {
        const closed = { count: 0 }
        const server = yield* LocalServer.make((request, response) => {
          request.socket.on("close", () => {
            closed.count += 1
          })
          writeAll(response, 100_000, { blocks: 0 })
        })
        const http = HttpClient.withScope(yield* client())
        yield* Effect.scoped(http.get(server.origin))
        yield* eventually(Effect.sync(() => closed.count === 1))
      })
    )
  })
})

describe("NodeClient", () => {
  const kept = 6

  /** A client with some connections that are kept, and a server that resets them, and no other, when they are used once more. */
  const forgotten = Effect.gen(function* () {
    const sockets = new Set<Net.Socket>()
    let known = true
    const answer = (socket: Net.Socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    const host = yield* Tcp.serve((socket) => {
      // As many at once as there are to be connections.
      const first = known
      socket.on("data", () => {
        if (!first) answer(socket)
        else if (!known) socket.resetAndDestroy()
        else if (sockets.add(socket).size === kept) for (const each of sockets) answer(each)
      })
    })
    const http = yield* NodeClient.make({ proxy: "none" })
    const ask = (method: "GET" | "PUT") =>
      Effect.flatMap(
        http.execute(HttpClientRequest.make(method)(`http://${host}`, method === "PUT" ? { body: HttpBody.text("x") } : {})),
        (_) => _.text
      )
    yield* Effect.replicateEffect(ask("GET"), kept, { concurrency: "unbounded" })
    known = false
    return ask
  })

  it.scopedLive("asks again over a connection of its own when those it kept are lost", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* (yield* forgotten)("GET"), "ok")
    })
  )

  it.scopedLive("fails once with what cannot be asked again, and keeps none of those that are likely to be lost", () =>
    Effect.gen(function* () {
      const ask = yield* forgotten
      assert.strictEqual(Object((yield* Effect.flip(ask("PUT"))).cause).code, "ECONNRESET")
      assert.strictEqual(yield* ask("PUT"), "ok")
    })
  )

  it.scopedLive("holds nothing of requests that were interrupted before their turn", () =>
    Effect.gen(function* () {
      const asked = { count: 0 }
      const server = yield* LocalServer.make(() => {
        asked.count += 1
      })
      const http = yield* NodeClient.make({ proxy: "none", connections: 1 })
      yield* Effect.fork(http.get(server.origin))
      yield* eventually(Effect.sync(() => asked.count === 1))
      const before = yield* Memory.bytesInUse
      for (let round = 0; round < 40; round++) {
        const put = yield* Effect.fork(http.put(server.origin, { body: HttpBody.uint8Array(new Uint8Array(MiB)) }))
        yield* turn
        yield* Fiber.interrupt(put)
      }
      assert.isBelow((yield* Memory.bytesInUse) - before, 10 * MiB)
      assert.strictEqual(asked.count, 1)
    })
  )

  it.scopedLive("asks nobody over anything but http", () =>
    Effect.gen(function* () {
      const server = yield* LocalServer.make((_, response) => response.end("x"))
      const http = yield* NodeClient.make({ proxy: "none" })
      const { cause } = yield* Effect.flip(http.get(server.origin.replace("http:", "ftp:")))
      assert.strictEqual(Object(cause).code, "ERR_INVALID_PROTOCOL")
    })
  )

  it.live("does nothing after its scope", () =>
    Effect.gen(function* () {
      const http = yield* Effect.scoped(NodeClient.make({ proxy: "none" }))
      assert.strictEqual(Object((yield* Effect.flip(http.get("http://127.0.0.1:1/"))).cause).code, "ERR_CLIENT_CLOSED")
    })
  )
})

const layers = { NodeClient: [NodeClient.layer, "ERR_CLIENT_CLOSED"], UndiciClient: [UndiciClient.layer, "UND_ERR_DESTROYED"] } as const

describe.each(Object.entries(layers))("%s.layer", (_, [layer, code]) => {
  it.live("destroys the pool, and with it requests under way, when it is released", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const closed = { count: 0 }
      const server = yield* Scope.extend(
        LocalServer.make((request, response) => {
          request.socket.on("close", () => {
            closed.count += 1
          })
          response.write("begin")
        }),
        scope
      )
      const response = yield* Effect.flatMap(HttpClient.HttpClient, (_) => _.get(server.origin)).pipe(
        Effect.provide(layer({ proxy: "none" }))
      )
      const error = yield* Effect.flip(response.text)
      assert.strictEqual(Object(error.cause).code, code)
      yield* eventually(Effect.sync(() => closed.count === 1))
      yield* Scope.close(scope, Exit.void)
    })
  )
})
