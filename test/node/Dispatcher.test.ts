import * as Http from "node:http"
import * as Net from "node:net"
import { inspect } from "node:util"
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Wire from "../../src/http/internal/Wire.ts"
import * as Dispatcher from "../../src/node/Dispatcher.ts"
import * as ProxyRules from "../../src/node/internal/proxyRules.ts"
import * as NodeClient from "../../src/node/NodeClient.ts"
import * as UndiciClient from "../../src/node/UndiciClient.ts"
import * as Certificates from "../support/Certificates.ts"
import { eventually } from "../support/Eventually.ts"
import * as LocalServer from "../support/LocalServer.ts"
import * as Tcp from "../support/Tcp.ts"

/** Both take these options, and go the same ways. */
const clients = {
  UndiciClient: (options: Dispatcher.Options) => Effect.map(Dispatcher.make(options), UndiciClient.make),
  NodeClient: NodeClient.make
}

const textOf = (http: HttpClient.HttpClient, url: string) => Effect.flatMap(http.get(url), (response) => response.text)

const codeOf = (http: HttpClient.HttpClient, url: string) =>
  Effect.map(Effect.flip(http.get(url)), (error) => String(Object(error.cause).code))

describe.each(Object.entries(clients))("Dispatcher.Options of %s", (_, client) => {
  describe("trust", () => {
    const setup = Effect.gen(function* () {
      const authority = yield* Certificates.authority("effect-oci test authority")
      const certificate = yield* authority.issue(["registry.test", "127.0.0.1"])
      const server = yield* LocalServer.make((_, response) => response.end("trusted"), { certificate })
      return { authority, server }
    })

    it.scopedLive("refuses an authority nobody trusts", () =>
      Effect.gen(function* () {
        const { server } = yield* setup
        const http = yield* client({ proxy: "none" })
        assert.match(yield* codeOf(http, server.origin), /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN)$/)
      })
    )

    it.scopedLive("adds authorities, for the origin they are given for", () =>
      Effect.gen(function* () {
        const { authority, server } = yield* setup
        const other = yield* Effect.map(setup, (_) => _.server.origin)
        const asked: Array<string> = []
        const http = yield* client({
          proxy: "none",
          tls: (origin) => {
            asked.push(origin)
            return origin === server.origin ? { ca: [authority.certificate] } : {}
          }
        })
        assert.strictEqual(yield* textOf(http, `${server.origin}/a`), "trusted")
        assert.strictEqual(yield* textOf(http, `${server.origin}/b`), "trusted")
        assert.match(yield* codeOf(http, other), /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN)$/)
        assert.deepStrictEqual(asked, [server.origin, other])
      })
    )

    it.scopedLive("verifies nothing where it is told so", () =>
      Effect.gen(function* () {
        const { server } = yield* setup
        const http = yield* client({ proxy: "none", tls: () => ({ verify: false }) })
        assert.strictEqual(yield* textOf(http, server.origin), "trusted")
      })
    )

    it.scopedLive("looks for another name in the certificate", () =>
      Effect.gen(function* () {
        const authority = yield* Certificates.authority("effect-oci test authority")
        const certificate = yield* authority.issue(["registry.test"])
        const server = yield* LocalServer.make((_, response) => response.end("trusted"), { certificate })
        const trust = { ca: [authority.certificate] }
        const strict = yield* client({ proxy: "none", tls: () => trust })
        assert.strictEqual(yield* codeOf(strict, server.origin), "ERR_TLS_CERT_ALTNAME_INVALID")
        const named = yield* client({ proxy: "none", tls: () => ({ ...trust, serverName: "registry.test" }) })
        assert.strictEqual(yield* textOf(named, server.origin), "trusted")
      })
    )

    it.scopedLive("shows a client certificate where the server demands one", () =>
      Effect.gen(function* () {
        const authority = yield* Certificates.authority("effect-oci test authority")
        const server = yield* LocalServer.make((_, response) => response.end("known"), {
          certificate: yield* authority.issue(["127.0.0.1"]),
          clientAuthority: authority.certificate
        })
        const own = yield* authority.issue(["client.test"])
        const ca = [authority.certificate]
        const unknown = yield* client({ proxy: "none", tls: () => ({ ca }) })
        assert.isTrue(yield* Effect.isFailure(unknown.get(server.origin)))
        const known = yield* client({
          proxy: "none",
          tls: () => ({ ca, certificate: own.certificate, key: Redacted.make(own.privateKey) })
        })
        assert.strictEqual(yield* textOf(known, server.origin), "known")
      })
    )

    it.scopedLive("fails the requests of an origin whose certificates cannot be read", () =>
      Effect.gen(function* () {
        const { server } = yield* setup
        const http = yield* client({ proxy: "none", tls: () => ({ ca: ["-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----"] }) })
        const error = yield* Effect.flip(http.get(server.origin))
        assert.strictEqual(error._tag, "RequestError")
      })
    )
  })

  it.scopedLive("gives up on a server that never finishes the handshake", () =>
    Effect.gen(function* () {
      const host = yield* Tcp.serve(() => {})
      const http = yield* client({ proxy: "none", connectTimeout: "50 millis" })
      assert.match(yield* codeOf(http, `https://${host}`), /^(UND_ERR_CONNECT_TIMEOUT|ETIMEDOUT)$/)
    })
  )

  describe("proxies", () => {
    interface Seen {
      readonly line: string
      readonly authorization: string | undefined
    }

    /** A proxy that takes every name to be this machine. */
    const proxyServer = Effect.gen(function* () {
      const seen: Array<Seen> = []
      const note = (line: string, request: Http.IncomingMessage) =>
        seen.push({ line, authorization: request.headers["proxy-authorization"] })
      const server = Http.createServer((request, response) => {
        note(`${request.method} ${request.url}`, request)
        const url = new URL(request.url ?? "")
        Http.request({ host: "127.0.0.1", port: url.port, path: url.pathname + url.search, headers: request.headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        }).end()
      })
      server.on("connect", (request, downstream) => {
        note(`CONNECT ${request.url}`, request)
        const upstream = Net.connect(Number(request.url?.split(":")[1]), "127.0.0.1", () => {
          downstream.write("HTTP/1.1 200 Connection established\r\n\r\n")
          upstream.pipe(downstream)
          downstream.pipe(upstream)
        })
        upstream.on("error", () => downstream.destroy())
        downstream.on("error", () => upstream.destroy())
      })
      return { authority: yield* Tcp.listen(server), seen }
    })

    const refusingProxy = Effect.map(
      Tcp.serve((socket) => socket.once("data", () => socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"))),
      (authority) => ({ authority })
    )

    const registry = Effect.gen(function* () {
      const authority = yield* Certificates.authority("effect-oci test authority")
      const certificate = yield* authority.issue(["registry.test"])
      const answer: LocalServer.Handler = (request, response) => response.end(`${request.headers.host} ${request.url}`)
      const https = yield* LocalServer.make(answer, { certificate })
      const http = yield* LocalServer.make(answer)
      return {
        tls: () => ({ ca: [authority.certificate] }),
        https: https.origin.replace("127.0.0.1", "registry.test"),
        http: http.origin.replace("127.0.0.1", "registry.test"),
        local: http.origin
      }
    })

    it.scopedLive("are taken from the environment: tunnels for https, absolute URLs for http, this machine directly", () =>
      Effect.gen(function* () {
        const { http, https, local, tls } = yield* registry
        const proxy = yield* proxyServer
        const environment = new Map([
          ["HTTPS_PROXY", `http://user:p%40ss@${proxy.authority}`],
          ["http_proxy", proxy.authority]
        ])
        const viaProxy = yield* client({ tls }).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(environment)))
        assert.strictEqual(yield* textOf(viaProxy, `${https}/v2/?a=%2F`), `${new URL(https).host} /v2/?a=%2F`)
        assert.strictEqual(yield* textOf(viaProxy, `${http}/v2/?a=%2F`), `${new URL(http).host} /v2/?a=%2F`)
        assert.strictEqual(yield* textOf(viaProxy, `${local}/v2/`), `${new URL(local).host} /v2/`)
        assert.deepStrictEqual(proxy.seen, [
          { line: `CONNECT ${new URL(https).host}`, authorization: `Basic ${btoa("user:p@ss")}` },
          { line: `GET ${http}/v2/?a=%2F`, authorization: undefined }
        ])
      })
    )

    it.scopedLive("are told a password that comes without a user", () =>
      Effect.gen(function* () {
        const { http } = yield* registry
        const proxy = yield* proxyServer
        yield* textOf(yield* client({ proxy: { http: Redacted.make(`http://:pass@${proxy.authority}`) } }), http)
        assert.deepStrictEqual(
          proxy.seen.map(({ authorization }) => authorization),
          [`Basic ${btoa(":pass")}`]
        )
      })
    )

    it.scopedLive("keep the tunnel for the next request", () =>
      Effect.gen(function* () {
        const { https, tls } = yield* registry
        const proxy = yield* proxyServer
        const http = yield* client({ tls, proxy: { https: Redacted.make(`http://${proxy.authority}`) } })
        yield* textOf(http, https)
        yield* textOf(http, https)
        assert.lengthOf(proxy.seen, 1)
      })
    )

    it.scopedLive("fail the request when the proxy refuses or cannot be a proxy", () =>
      Effect.gen(function* () {
        const hangingUp = yield* LocalServer.make((_, response) => response.end())
        for (const proxy of [hangingUp.origin, `http://${(yield* refusingProxy).authority}`]) {
          const http = yield* client({ proxy: { https: Redacted.make(proxy) } })
          const error = yield* Effect.flip(http.get("https://registry.test/"))
          assert.strictEqual(error._tag, "RequestError")
        }
      })
    )

    const failure = (proxy: string) =>
      Effect.gen(function* () {
        const http = yield* client({ proxy: { https: Redacted.make(proxy) } })
        const url = "https://registry.test/"
        const context = { registry: "registry.test", operation: "test", endpoint: "base", method: "GET", url } as const
        const error = yield* Effect.flip(http.get(url))
        assert.notInclude(inspect(error, { depth: 9 }), "CANARY")
        return yield* Effect.flip(Effect.scoped(Wire.make(http).send({ method: "GET", url, headers: {}, context })))
      })

    it.scopedLive.each([
      ["407 Proxy Authentication Required", false],
      ["503 Service Unavailable", true]
    ] as const)("that answer %s are worth another try: %s", ([status, retryable]) =>
      Effect.gen(function* () {
        const authority = yield* Tcp.serve((socket) => socket.once("data", () => socket.end(`HTTP/1.1 ${status}\r\n\r\n`)))
        assert.deepInclude(yield* failure(`http://u:CANARY@${authority}`), { reason: "connect", retryable })
      })
    )

    it.scopedLive("that are none are told as such, without their password", () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* failure("socks5://u:CANARY@127.0.0.1:1"), {
          reason: "protocol",
          retryable: false,
          detail: "the proxy for registry.test is reached by socks5, which is not supported: http and https are"
        })
        assert.deepInclude(yield* failure("http://u:CANARY%@127.0.0.1:1"), {
          reason: "protocol",
          retryable: false,
          detail: "the user or the password of the proxy for registry.test has a % that is not %25"
        })
        assert.deepInclude(yield* failure("http://u:CANARY@[bad"), {
          reason: "protocol",
          retryable: false,
          detail: "the proxy for registry.test is not a URL"
        })
      })
    )

    it.scopedLive.each([
      ["that do not answer", ""],
      ["whose tunnel leads to nobody", "HTTP/1.1 201 Created\r\n\r\n"]
    ])("%s are left when the scope closes", ([, answer = ""]) =>
      Effect.gen(function* () {
        const heard: Array<Buffer> = []
        const closed = yield* Deferred.make<void>()
        const proxy = yield* Tcp.serve((socket) => {
          socket.on("close", () => Deferred.unsafeDone(closed, Exit.void))
          socket.on("data", (bytes) => {
            if (heard.push(bytes) === 1) socket.write(answer)
          })
        })
        const scope = yield* Scope.make()
        const http = yield* Scope.extend(client({ proxy: { https: Redacted.make(`http://${proxy}`) }, connectTimeout: 0 }), scope)
        const asking = yield* Effect.fork(Effect.exit(http.get("https://registry.test/")))
        // The second is the greeting of TLS.
        yield* eventually(Effect.sync(() => heard.length === (answer === "" ? 1 : 2)))
        assert.match(String(heard[0]), /^CONNECT registry.test:443 /)
        if (answer !== "") assert.strictEqual(heard[1]?.[0], 22)
        yield* Scope.close(scope, Exit.void)
        yield* Deferred.await(closed)
        assert.isTrue(Exit.isFailure(yield* Fiber.join(asking)))
      })
    )

    it.scopedLive("are not used where NO_PROXY or the options say so", () =>
      Effect.gen(function* () {
        const proxy = yield* proxyServer
        const environment = ConfigProvider.fromMap(
          new Map([
            ["HTTP_PROXY", proxy.authority],
            ["NO_PROXY", "registry.invalid"]
          ])
        )
        for (const options of [{}, { proxy: "none" } as const]) {
          const http = yield* client(options).pipe(Effect.withConfigProvider(environment))
          assert.match(yield* codeOf(http, "http://registry.invalid/"), /^(ENOTFOUND|EAI_AGAIN)$/)
        }
        assert.deepStrictEqual(proxy.seen, [])
      })
    )
  })
})

describe("ProxySettings", () => {
  const rules: ReadonlyArray<readonly [noProxy: string, origin: string, direct: boolean]> = [
    ["", "https://example.com", false],
    ["*", "https://example.com", true],
    ["example.com", "https://example.com", true],
    ["example.com", "https://EXAMPLE.com.", true],
    ["example.com", "https://a.example.com", true],
    ["example.com", "https://notexample.com", false],
    [".example.com", "https://example.com", false],
    [".example.com", "https://a.example.com", true],
    ["*.example.com", "https://a.b.example.com", true],
    ["*.example.com", "https://example.com", false],
    ["Example.COM", "https://a.example.com", true],
    ["example.com:5000", "https://example.com:5000", true],
    ["example.com:5000", "https://example.com", false],
    ["example.com:443", "https://example.com", true],
    ["example.com:80", "http://example.com", true],
    [" other.com , example.com ", "https://example.com", true],
    [",,", "https://example.com", false],
    ["10.0.0.0/8", "http://10.1.2.3", true],
    ["10.0.0.0/8", "http://11.1.2.3", false],
    ["10.0.0.0/8", "http://ten.example.com", false],
    ["10.0.0.0/99", "http://10.1.2.3", false],
    ["nonsense/8", "http://10.1.2.3", false],
    ["192.168.0.1", "http://192.168.0.1", true],
    ["192.168.0.1", "http://192.168.0.10", false],
    ["192.168.0.1:8080", "http://192.168.0.1:8080", true],
    ["fd00::/8", "https://[fd12::1]", true],
    ["fd12::1", "https://[fd12::1]", true],
    ["[fd12::1]:5000", "https://[fd12::1]:5000", true],
    ["[fd12::1]:5000", "https://[fd12::1]", false],
    ["FD12:0:0:0::1", "https://[fd12::1]", true],
    ["[fd12:0::1]:5000", "https://[fd12::1]:5000", true],
    ["bücher.example", "https://xn--bcher-kva.example", true],
    [".bücher.example", "https://a.xn--bcher-kva.example", true],
    [".bücher.example", "https://xn--bcher-kva.example", false],
    ["a b", "https://a.example", false],
    ["", "http://localhost:5000", true],
    ["", "http://127.9.9.9", true],
    ["", "http://[::1]:5000", true]
  ]

  it.each(rules)("NO_PROXY=%s and %s: direct is %s", (noProxy, origin, direct) => {
    const proxy = Redacted.make("http://proxy.test")
    assert.strictEqual(Option.isNone(ProxyRules.proxyFor(new URL(origin), { http: proxy, https: proxy, noProxy })), direct)
  })

  const variables: ReadonlyArray<readonly [environment: Readonly<Record<string, string>>, origin: string, proxy: string | undefined]> = [
    [{ HTTPS_PROXY: "http://upper:1", https_proxy: "http://lower:1" }, "https://r.test", "http://upper:1"],
    [{ HTTPS_PROXY: "", https_proxy: "http://lower:1" }, "https://r.test", "http://lower:1"],
    [{ http_proxy: "http://lower:1" }, "http://r.test", "http://lower:1"],
    [{ HTTP_PROXY: "", http_proxy: "" }, "http://r.test", undefined],
    [{ HTTPS_PROXY: "http://upper:1", NO_PROXY: "", no_proxy: "r.test" }, "https://r.test", undefined],
    [{ HTTPS_PROXY: "http://upper:1", NO_PROXY: "other.test", no_proxy: "r.test" }, "https://r.test", "http://upper:1"]
  ]

  it.effect.each([...variables])("%o for %s: %s", ([environment, origin, expected]) =>
    Effect.gen(function* () {
      const provider = ConfigProvider.fromMap(new Map(Object.entries(environment)))
      const proxies = yield* Effect.withConfigProvider(ProxyRules.fromEnvironment, provider)
      const proxy = Option.map(ProxyRules.proxyFor(new URL(origin), proxies), Redacted.value)
      assert.strictEqual(Option.getOrUndefined(proxy), expected)
    })
  )

  it("are chosen by the scheme of the request", () => {
    const http = Redacted.make("http://proxy.test")
    assert.isTrue(Option.isSome(ProxyRules.proxyFor(new URL("http://example.com"), { http })))
    assert.isTrue(Option.isNone(ProxyRules.proxyFor(new URL("https://example.com"), { http })))
  })
})
