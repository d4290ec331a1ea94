import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { assertSome } from "@effect/vitest/utils"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as EngineConfig from "../../src/engine/EngineConfig.ts"
import * as Login from "../../src/engine/Login.ts"
import type * as ScriptedHttp from "../support/ScriptedHttp.ts"
import type { Deviation } from "../vectors/Vectors.ts"
import * as Recorded from "./recordedFlows.ts"

const basic = Credentials.basic("user", "pass")

/** Against a registry on this machine that speaks plain http only. */
const against = (script: ScriptedHttp.Script, options?: Partial<Login.Options>) => {
  const { layer, received } = Recorded.byPlainHttp(script)
  return Login.login({ registry: Recorded.registry, credentials: basic, ...options }).pipe(
    Effect.either,
    Effect.provide(layer),
    Effect.map((outcome) => ({ outcome, asked: received.map(({ method, target }) => `${method} ${target}`), received }))
  )
}

const tagOf = <A, E extends { readonly _tag: string }>(outcome: Either.Either<A, E>) =>
  Either.isLeft(outcome) ? outcome.left._tag : "logged in"

const v2 = { "docker-distribution-api-version": "registry/2.0" }

describe("service-auth-and-search.json, logins", () => {
  const rows = Recorded.rows.filter((row) => row.operation === "Auth")

  /** The same outcomes in our own words. */
  const errors: Readonly<Record<string, string>> = {
    "login attempt to http://REGISTRY/v2/ failed with status: 401 Unauthorized": "Unauthorized",
    'Get "http://REGISTRY/v2/": no basic auth credentials': "Unauthorized",
    'Get "http://REGISTRY/v2/": unauthorized: incorrect username or password': "Unauthorized",
    'Get "http://REGISTRY/v2/": authorization server did not include a token in the response': "TokenExchangeError",
    "Internal Server Error": "LoginRefused"
  }

  const withoutScope: Deviation<Recorded.Row> = {
    name: "scope=",
    reason: "a form has no empty scope: some token services take it for one",
    applies: (row) => row.expectedRequests.some(({ body }) => body?.includes("scope=&") === true)
  }

  const keptToken = (kept: Credentials.Credentials) =>
    Credentials.isIdentityToken(kept) ? Redacted.value(kept.token) : Credentials.isBasic(kept) ? "" : kept._tag

  it.effect.each([...rows])("$name", (row) =>
    Effect.gen(function* () {
      const { layer, received } = Recorded.registryOf(row)
      const outcome = yield* Login.login({
        registry: Recorded.registry,
        credentials: Recorded.credentialsOf(row),
        config: Recorded.configOf(row),
        userAgent: "ua/1",
        clientId: "docker"
      }).pipe(Effect.either, Effect.provide(layer))
      Recorded.assertRecorded(row, received, (form) => (withoutScope.applies(row) ? form.replace("scope=&", "") : form))
      if (row.expectedError !== undefined) return assert.strictEqual(tagOf(outcome), errors[row.expectedError])
      assert.deepStrictEqual(row.expectedResult, {
        status: "Login Succeeded",
        token: Either.match(outcome, { onLeft: String, onRight: ({ credentials }) => keptToken(credentials) })
      })
    })
  )
})

describe("Login", () => {
  it.effect("without a registry is at Docker Hub, by its v2 registry alone", () =>
    Effect.gen(function* () {
      for (const registry of [undefined, "", "docker.io", "https://index.docker.io/v1/", "http://INDEX.docker.io"]) {
        const urls: Array<string> = []
        const { layer } = Recorded.recording((url) => {
          urls.push(url)
          return { status: 200 }
        })
        const { endpoint } = yield* Login.login({ registry, credentials: basic }).pipe(Effect.provide(layer))
        assert.isTrue(endpoint.official)
        assert.deepStrictEqual(urls, ["https://registry-1.docker.io/v2/", "https://registry-1.docker.io/v2/"])
      }
    })
  )

  it.effect("goes by the host alone of what people write", () =>
    Effect.gen(function* () {
      const hosts: Readonly<Record<string, string>> = {
        "https://[2001:db8::1]/v1/": "[2001:db8::1]",
        "[2001:db8::1]:5000": "[2001:db8::1]:5000",
        "user:s3cr3t@registry.corp:5000/v1": "registry.corp:5000",
        "https://user:s3cr3t@registry.corp": "registry.corp",
        "registry.corp?a=b": "registry.corp",
        "registry.corp#a": "registry.corp",
        "registry.corp\\a": "registry.corp",
        "HTTPS://Registry.corp:5000/v2/": "registry.corp:5000",
        "https://": "registry-1.docker.io"
      }
      for (const [registry, host] of Object.entries(hosts)) {
        const urls: Array<string> = []
        const { layer } = Recorded.recording((url) => {
          urls.push(url)
          return { status: 200 }
        })
        const { endpoint } = yield* Login.login({ registry, credentials: basic }).pipe(Effect.provide(layer))
        assert.strictEqual(endpoint.host, host)
        assert.deepStrictEqual(urls, [`https://${host}/v2/`, `https://${host}/v2/`])
      }
    })
  )

  it.effect("by https does not fall back to plain http, unless the registry is an insecure one", () =>
    Effect.gen(function* () {
      const refused = yield* against(() => ({ status: 200 }), { registry: "registry.corp:5000" })
      assert.deepStrictEqual([tagOf(refused.outcome), refused.asked], ["TransportError", []])
      const config = Either.getOrThrow(EngineConfig.make({ "insecure-registries": ["registry.corp:5000"] }))
      const allowed = yield* against(() => ({ status: 200 }), { registry: "registry.corp:5000", config })
      assert.strictEqual(Either.getOrThrow(allowed.outcome).endpoint.url, "http://registry.corp:5000")
      assert.deepStrictEqual(Either.getOrThrow(allowed.outcome).credentials, basic)
    })
  )

  it.effect("does not wait for a body that never ends", () =>
    Effect.gen(function* () {
      const answers = [200, 200, 404, 404, 403]
      const layer = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(new ReadableStream(), { status: answers.shift() ?? 500 })))
        )
      )
      const login = Login.login({ registry: "registry.corp", credentials: basic }).pipe(Effect.either, Effect.provide(layer))
      for (const outcome of ["logged in", "LoginRefused"]) {
        const fiber = yield* Effect.fork(login)
        yield* TestClock.adjust("45 seconds")
        assertSome(Option.map(yield* Fiber.poll(fiber), Exit.map(tagOf)), Exit.succeed(outcome))
        yield* Fiber.interrupt(fiber)
      }
    })
  )

  it.effect("is over where a registry of version 2 says no", () =>
    Effect.gen(function* () {
      const { asked, outcome } = yield* against((_, index) =>
        index === 0 ? { status: 401, headers: { ...v2, "www-authenticate": `Basic realm="r"` } } : { status: 403, headers: v2 }
      )
      assert.strictEqual(tagOf(outcome), "Denied")
      assert.deepStrictEqual(asked, ["GET /v2/", "GET /v2/"])
    })
  )

  it.effect("goes on to the V1 protocol where nobody says so, and tells of a wrong password", () =>
    Effect.gen(function* () {
      const { asked, outcome } = yield* against(({ target }) =>
        target === "/v2/" ? { status: 401, headers: { "www-authenticate": `Basic realm="r"` } } : { status: 401, body: "no" }
      )
      assert.deepStrictEqual(asked, ["GET /v2/", "GET /v2/", "GET /v1/users/"])
      assert.strictEqual(Either.isLeft(outcome) && outcome.left.message, "Wrong login/password, please try again")
    })
  )

  it.effect("shows its credentials to nobody that another host names", () =>
    Effect.gen(function* () {
      const { outcome, received } = yield* against(({ target }) =>
        target === "/v2/"
          ? { status: 401, headers: { ...v2, "www-authenticate": `Bearer realm="http://169.254.169.254/token"` } }
          : { status: 200 }
      )
      assert.strictEqual(tagOf(outcome), "InsecureRealm")
      assert.isTrue(received.every(({ headers }) => headers["authorization"] === undefined))
    })
  )

  it.effect("tells no secret when it fails", () =>
    Effect.gen(function* () {
      const { outcome } = yield* against(
        () => ({ status: 401, headers: { "www-authenticate": `Basic realm="r"` }, body: "user:s3cr3t-pass" }),
        {
          credentials: Credentials.basic("user", "s3cr3t-pass")
        }
      )
      const error = Option.getOrThrow(Either.getLeft(outcome))
      assert.notInclude(`${error.message} ${JSON.stringify(error)} ${String(error)}`, "s3cr3t-pass")
    })
  )

  it.effect("of an identity token keeps the next one", () =>
    Effect.gen(function* () {
      const { outcome } = yield* against(
        ({ headers, target }) =>
          target === "/token"
            ? { status: 200, body: `{"access_token":"t","refresh_token":"next"}` }
            : headers["authorization"] === "Bearer t"
              ? { status: 200, headers: v2 }
              : { status: 401, headers: { ...v2, "www-authenticate": `Bearer realm="http://${Recorded.registry}/token"` } },
        { credentials: Credentials.identityToken("first") }
      )
      const { credentials } = Either.getOrThrow(outcome)
      assertSome(
        Option.liftPredicate(Credentials.isIdentityToken)(credentials).pipe(Option.map(({ token }) => Redacted.value(token))),
        "next"
      )
    })
  )
})
