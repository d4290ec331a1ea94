/** The wire over the clients people use, against a server with real sockets: what a scope frees, and what a failure is called. */
import * as Http from "node:http"
import type { Socket } from "node:net"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Wire from "../../src/http/internal/Wire.ts"
import * as NodeClient from "../../src/node/NodeClient.ts"
import * as UndiciClient from "../../src/node/UndiciClient.ts"
import { eventually } from "../support/Eventually.ts"
import * as Tcp from "../support/Tcp.ts"

type Handler = (request: Http.IncomingMessage, response: Http.ServerResponse) => void

/** A server and the sockets that brought it a request; all of them end with the scope. */
const serve = Effect.fnUntraced(function* (handler: Handler) {
  const sockets = new Set<Socket>()
  const state = { seen: 0 }
  const server = Http.createServer(handler)
  server.keepAliveTimeout = 60_000
  // By request, since undici opens a spare connection after an abort.
  server.on("request", ({ socket }) => {
    if (sockets.has(socket)) return
    state.seen++
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket))
  })
  return { server, sockets, state, url: `http://${yield* Tcp.listen(server)}` }
})

const request = (url: string, over: Partial<Wire.WireRequest> = {}): Wire.WireRequest => ({
  method: "GET",
  url,
  headers: {},
  context: { registry: "r.test", operation: "test", endpoint: "base", method: "GET", url },
  ...over
})

const until = (condition: () => boolean) => eventually(Effect.sync(condition))

const endless: Handler = (_, response) => {
  response.write(Buffer.alloc(1024))
}

const mebibyte = Buffer.alloc(1024 * 1024)

const clients: ReadonlyArray<readonly [name: string, layer: Layer.Layer<HttpClient.HttpClient>]> = [
  ["ours", NodeClient.layer({ proxy: "none" })],
  ["ours with undici", UndiciClient.layer({ proxy: "none" })],
  ["undici", NodeHttpClient.layerUndici],
  ["fetch", FetchHttpClient.layer]
]

for (const [name, layer] of clients) {
  describe(`Wire over ${name}`, () => {
    const test = (
      title: string,
      handler: Handler,
      run: (server: Effect.Effect.Success<ReturnType<typeof serve>>, wire: Wire.Wire) => Effect.Effect<void, unknown>
    ) =>
      it.live(title, () =>
        Effect.scoped(
          Effect.gen(function* () {
            const server = yield* serve(handler)
            const client = yield* HttpClient.HttpClient
            yield* run(server, Wire.make(client))
          })
        ).pipe(Effect.provide(layer))
      )
    const sent = <A, E>(wire: Wire.Wire, it: Wire.WireRequest, use: (response: Wire.WireResponse) => Effect.Effect<A, E>) =>
      Effect.scoped(Effect.flatMap(wire.send(it), use))

    test(
      "a scope that closes frees an unread, a half read and an interrupted body",
      endless,
      Effect.fnUntraced(function* ({ sockets, url }, wire) {
        yield* sent(wire, request(url), () => Effect.void)
        yield* until(() => sockets.size === 0)
        yield* sent(wire, request(url), (_) => Stream.runDrain(Stream.take(_.body, 1)))
        yield* until(() => sockets.size === 0)
        const fiber = yield* Effect.fork(sent(wire, request(url), (_) => Stream.runDrain(_.body)))
        yield* until(() => sockets.size === 1)
        yield* Effect.sleep("20 millis")
        yield* Fiber.interrupt(fiber)
        yield* until(() => sockets.size === 0)
      })
    )

    test(
      "an interrupted wait for the answer frees its socket",
      () => {},
      Effect.fnUntraced(function* ({ sockets, url }, wire) {
        const fiber = yield* Effect.fork(sent(wire, request(url), () => Effect.void))
        yield* until(() => sockets.size === 1)
        yield* Fiber.interrupt(fiber)
        yield* until(() => sockets.size === 0)
      })
    )

    test(
      "timeouts free the socket",
      (incoming, response) => {
        if (incoming.url === "/body") response.write("x")
        if (incoming.url === "/small") response.writeHead(200, { "content-length": 2 }).write("x")
      },
      Effect.fnUntraced(function* ({ sockets, url }, wire) {
        const quick = { connectTimeout: 0, headersTimeout: 50, idleTimeout: 50 }
        const answer = yield* Effect.flip(Effect.scoped(wire.send(request(url), quick)))
        assert.deepInclude(answer, { reason: "timeout" })
        for (const path of ["/body", "/small"]) {
          const body = Effect.scoped(Effect.flatMap(wire.send(request(url + path), { idleTimeout: 50 }), (_) => _.bytes(100)))
          assert.deepInclude(yield* Effect.flip(body), { reason: "idle" })
        }
        yield* until(() => sockets.size === 0)
      })
    )

    test(
      "an interrupted reader of a small body frees its socket",
      (_, response) => {
        response.writeHead(200, { "content-length": 2 }).write("x")
      },
      Effect.fnUntraced(function* ({ sockets, url }, wire) {
        const fiber = yield* Effect.fork(sent(wire, request(url), (_) => _.bytes(10)))
        yield* until(() => sockets.size === 1)
        yield* Effect.sleep("20 millis")
        yield* Fiber.interrupt(fiber)
        yield* until(() => sockets.size === 0)
      })
    )

    test(
      "bodies that are read, discarded, small or absent keep their connection",
      (incoming, response) => {
        if (incoming.url === "/none") response.writeHead(204)
        response.end(incoming.url === "/none" ? undefined : "small")
      },
      Effect.fnUntraced(function* ({ state, url }, wire) {
        for (let n = 0; n < 10; n++) {
          yield* sent(wire, request(url), (_) => _.bytes(10))
          yield* sent(wire, request(url), (_) => Stream.runDrain(_.body))
          yield* sent(wire, request(url), (_) => _.discard)
          yield* sent(wire, request(url), () => Effect.void)
          yield* sent(wire, request(`${url}/none`, { method: "DELETE" }), () => Effect.void)
          // What is left of a body arrives after its headers.
          yield* Effect.sleep("2 millis")
        }
        assert.isAtMost(state.seen, 3)
      })
    )

    test(
      "refused answers with large bodies leave no socket behind",
      (_, response) => {
        response.writeHead(503)
        response.end(mebibyte)
      },
      Effect.fnUntraced(function* ({ sockets, url }, wire) {
        for (let n = 0; n < 20; n++) yield* sent(wire, request(url), (_) => _.discard)
        // An answer that was there to its end when it was refused keeps its connection.
        yield* until(() => sockets.size <= 3)
      })
    )

    test(
      "redirects are seen, the URL arrives byte for byte, the credentials do not",
      (incoming, response) => {
        if (incoming.url !== "/")
          return response.end(`${incoming.url} ${incoming.headers.authorization ?? "nobody"} ${incoming.headers["accept-encoding"]}`)
        const port = incoming.headers.host?.split(":")[1]
        response.writeHead(307, { location: `http://localhost:${port}/x/%2e/../b?X-Sig=a%2Bb%20c~d+e&f='1'#part` })
        return response.end("there")
      },
      Effect.fnUntraced(function* ({ url }, wire) {
        const text = yield* sent(wire, request(`${url}/`, { headers: { authorization: "Bearer x" } }), (_) => _.text(1000))
        // Whoever goes by URLs alone prints them anew.
        const target = name.startsWith("ours") ? "/x/%2e/../b?X-Sig=a%2Bb%20c~d+e&f='1'" : "/b?X-Sig=a%2Bb%20c~d+e&f=%271%27"
        assert.strictEqual(text, `${target} nobody identity`)
      })
    )

    test(
      "uploads arrive, with their length where the client tells it",
      (incoming, response) => {
        let length = 0
        incoming.on("data", (chunk: Buffer) => {
          length += chunk.length
        })
        incoming.on("end", () => response.end(`${length} ${incoming.headers["content-length"] ?? "chunked"}`))
      },
      Effect.fnUntraced(function* ({ url }, wire) {
        const chunk = new Uint8Array(100_000)
        const body = HttpBody.stream(Stream.repeatValue(chunk).pipe(Stream.take(10)), "application/octet-stream", 1_000_000)
        const text = yield* sent(wire, request(url, { method: "PUT", body }), (_) => _.text(1000))
        assert.strictEqual(text, name === "fetch" ? "1000000 chunked" : "1000000 1000000")
      })
    )

    test(
      "failures have their reason",
      (incoming, response) => {
        const socket = incoming.socket
        if (incoming.url === "/reset") socket.destroy()
        if (incoming.url === "/garbage") socket.end("HTTP/1.1 nonsense\r\n\r\n")
        if (incoming.url === "/headers") response.writeHead(200, { x: "y".repeat(300_000) }).end()
        if (incoming.url === "/cut") {
          response.writeHead(200, { "content-length": 100 })
          response.write("x", () => socket.destroy())
        }
      },
      Effect.fnUntraced(function* ({ url }, wire) {
        const reason = (to: string) =>
          Effect.map(Effect.flip(sent(wire, request(to), (_) => Stream.runDrain(_.body))), (error) =>
            "reason" in error ? error.reason : error
          )
        assert.strictEqual(yield* reason(`${url}/reset`), "aborted")
        assert.strictEqual(yield* reason(`${url}/garbage`), "protocol")
        assert.strictEqual(yield* reason(`${url}/headers`), "protocol")
        assert.strictEqual(yield* reason(`${url}/cut`), "aborted")
        assert.strictEqual(yield* reason(url.replace("http:", "https:")), "tls")
        assert.strictEqual(yield* reason("http://127.0.0.1:9/"), name === "fetch" ? "protocol" : "connect")
        assert.strictEqual(yield* reason("http://unknown.invalid/"), "connect")
      })
    )

    test(
      "no timer outlives its exchange",
      (_, response) => {
        response.end("x")
      },
      Effect.fnUntraced(function* ({ url }, wire) {
        const pending = () => process.getActiveResourcesInfo().filter((_) => _ === "Timeout").length
        yield* sent(wire, request(url), (_) => _.bytes(10))
        const before = pending()
        for (let n = 0; n < 20; n++) {
          yield* sent(wire, request(url), (_) => _.bytes(10))
          yield* sent(wire, request(url), (_) => Stream.runDrain(_.body))
          yield* sent(wire, request(url), () => Effect.void)
        }
        yield* Effect.sleep("5 millis")
        assert.isAtMost(pending(), before + 3)
      })
    )
  })
}
