import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as EngineConfig from "../../src/engine/EngineConfig.ts"
import * as EngineEndpoints from "../../src/engine/EngineEndpoints.ts"
import * as HostAddresses from "../../src/engine/HostAddresses.ts"
import * as RegistryError from "../../src/model/RegistryError.ts"
import * as Vectors from "../vectors/Vectors.ts"
import { Dns, Texts } from "./tables.ts"

// --- the table of look-ups ---

const Listed = Schema.Struct({
  url: Schema.String,
  version: Schema.Literal("v1", "v2"),
  mirror: Schema.Boolean,
  official: Schema.Boolean,
  trimHostname: Schema.Boolean,
  allowNondistributableArtifacts: Schema.Boolean,
  insecureSkipVerify: Schema.Boolean
})

const Both = Schema.Struct({ pull: Schema.Array(Listed), push: Schema.Array(Listed) })

const LookupRow = Schema.Struct({
  hostname: Schema.String,
  mirrors: Texts,
  insecureRegistries: Texts,
  allowNondistributableArtifacts: Texts,
  v2Only: Schema.Boolean,
  dns: Dns,
  expected: Both,
  expectedAtV20_10_44: Both
})

const told = (endpoints: EngineEndpoints.Endpoints) =>
  endpoints.map(({ host: _, secure, ...endpoint }) => ({ ...endpoint, insecureSkipVerify: !secure }))

describe("EngineEndpoints, by the engine's table of look-ups", () => {
  for (const row of Vectors.load("endpoint-lookup", LookupRow)) {
    const { allowNondistributableArtifacts, dns, expected, expectedAtV20_10_44, hostname, insecureRegistries, mirrors, v2Only } = row
    const options: EngineConfig.Options = {
      "registry-mirrors": mirrors,
      "insecure-registries": insecureRegistries,
      "allow-nondistributable-artifacts": allowNondistributableArtifacts,
      "disable-legacy-registry": v2Only
    }
    it.effect(`${hostname} with ${JSON.stringify(options)}`, () =>
      Effect.gen(function* () {
        const config = yield* EngineConfig.make(options)
        assert.deepStrictEqual(told(yield* EngineEndpoints.forPull(config, hostname)), expected.pull)
        assert.deepStrictEqual(told(yield* EngineEndpoints.forPush(config, hostname)), expected.push)
        // Later engines have no version 1, whatever the setting.
        const later = { ...config, v2Only: true }
        assert.deepStrictEqual(told(yield* EngineEndpoints.forPull(later, hostname)), expectedAtV20_10_44.pull)
        assert.deepStrictEqual(told(yield* EngineEndpoints.forPush(later, hostname)), expectedAtV20_10_44.push)
      }).pipe(Effect.provide(HostAddresses.layer(dns)))
    )
  }
})

const configOf = (options: EngineConfig.Options) => Either.getOrThrow(EngineConfig.make(options))

const short = ({ host, secure, url, version }: EngineEndpoints.Endpoint) => `${version} ${url} ${host}${secure ? "" : " insecure"}`

describe("EngineEndpoints, looking up", () => {
  it.effect("a mirror is asked at its host, however it is written, and one without a host is not", () =>
    Effect.gen(function* () {
      const config = configOf({
        "registry-mirrors": ["HTTPS://Mirror.example.com", "https://mirror.example.com?", "https://", "http://[::1]:5000", "http:opaque"]
      })
      assert.deepStrictEqual(Arr.map(yield* EngineEndpoints.forPull(config, "index.docker.io"), short), [
        "v2 https://Mirror.example.com/ Mirror.example.com",
        "v2 https://mirror.example.com/ mirror.example.com",
        "v2 http://[::1]:5000/ [::1]:5000",
        "v2 https://registry-1.docker.io registry-1.docker.io"
      ])
    })
  )

  it.effect("non-distributable layers may be pushed by version 2 only", () =>
    Effect.gen(function* () {
      const config = configOf({ "allow-nondistributable-artifacts": ["10.0.0.0/8"], "insecure-registries": ["registry.corp"] })
      const endpoints = yield* EngineEndpoints.forPush(config, "registry.corp")
      assert.deepStrictEqual(
        endpoints.map((_) => [short(_), _.allowNondistributableArtifacts]),
        [
          ["v2 https://registry.corp registry.corp insecure", true],
          ["v2 http://registry.corp registry.corp insecure", true],
          ["v1 https://registry.corp registry.corp insecure", false],
          ["v1 http://registry.corp registry.corp insecure", false]
        ]
      )
    }).pipe(Effect.provide(HostAddresses.layer({ "registry.corp": ["10.1.2.3"] })))
  )
})

// --- the table of errors ---

const place = { registry: "registry.corp", repository: "team/app", operation: "getManifest" }
const request = { ...place, method: "GET", url: "https://registry.corp/v2/team/app/manifests/1" }

const answer = (status: number, ...codes: ReadonlyArray<string>) =>
  RegistryError.fromResponse(
    ["Unauthorized", "ManifestUnknown", "NameUnknown", "TooManyRequests", "Denied", "Unavailable", "Unsupported"],
    { ...request, endpoint: "manifest" },
    { status, body: codes.length === 0 ? "<html>" : JSON.stringify({ errors: codes.map((code) => ({ code })) }) }
  )

const transport = (reason: RegistryError.TransportReason, operation = "ping") =>
  new RegistryError.TransportError({ ...request, operation, reason, detail: "", retryable: true })

const mismatch = new RegistryError.DigestMismatch({ ...place, expected: "sha256:a", actual: "sha256:b" })

/** The errors of the table, as this library has them. */
const errorOf = (text: string): unknown => {
  const code = /^(?:code|errors list whose first is) ([A-Z_]+)$/.exec(text)?.[1]
  if (code !== undefined) return answer(400, code, ...(text.startsWith("code") ? [] : ["DENIED"]))
  switch (text) {
    case "UnexpectedHTTPResponseError":
      return answer(400)
    case "ImageConfigPullError":
      return mismatch
    case "some totally unexpected error":
    case "no such process":
      return new Error(text)
  }
  return assert.fail(`what is ${text}?`)
}

const FallbackRow = Schema.Struct({
  input: Schema.Struct({ error: Schema.String, mirror: Schema.Boolean }),
  expectedContinue: Schema.Boolean
})

describe("EngineEndpoints.continuesAfter", () => {
  for (const { expectedContinue, input } of Vectors.load("endpoint-fallback", FallbackRow)) {
    it(`${input.error} of a ${input.mirror ? "mirror" : "registry"}`, () => {
      assert.strictEqual(EngineEndpoints.continuesAfter(errorOf(input.error), input), expectedContinue)
    })
  }

  const store = new RegistryError.StoreError({ store: "layout", operation: "push", reason: "no space left" })
  const ours: ReadonlyArray<readonly [what: string, error: unknown, ofRegistry: boolean, ofMirror: boolean]> = [
    ["no connection", transport("connect"), true, true],
    ["a page of a proxy", answer(403), true, true],
    ["an answer with 500 and a code", answer(500, "DENIED"), true, true],
    ["a code that nobody knows", answer(400, "STRANGE"), false, true],
    ["a rate limit without a code", answer(429), false, true],
    ["no rights", answer(403, "DENIED"), false, true],
    ["a challenge of version 1", new RegistryError.ChallengeError({ ...place, reason: "Token" }), true, true],
    ["wrong content", mismatch, false, true],
    ["a token service that is refused", new RegistryError.InsecureRealm({ ...place, realm: "http://a", reason: "http" }), false, true],
    ["a full disk", store, false, false],
    ["a name that is none", new RegistryError.InvalidReference({ input: "-", reason: "none" }), false, false]
  ]

  for (const [what, error, ofRegistry, ofMirror] of ours) {
    it(`${what}: ${ofRegistry ? "yes" : ofMirror ? "of a mirror" : "no"}`, () => {
      assert.strictEqual(EngineEndpoints.continuesAfter(error, { mirror: false }), ofRegistry)
      assert.strictEqual(EngineEndpoints.continuesAfter(error, { mirror: true }), ofMirror)
    })
  }
})

describe("EngineEndpoints.firstOf", () => {
  const insecure = configOf({ "insecure-registries": ["registry.corp"] })
  const mirrored = configOf({ "registry-mirrors": ["https://a.example", "http://b.example"] })

  /** Which endpoints are used when each fails in its way; the outcome last. */
  const tried = (
    endpoints: EngineEndpoints.Endpoints,
    failures: Readonly<Record<string, RegistryError.RegistryError>>,
    rules?: EngineEndpoints.Rules<RegistryError.RegistryError>
  ) =>
    Effect.gen(function* () {
      const used: Array<string> = []
      const use = ({ url, version }: EngineEndpoints.Endpoint) => {
        used.push(`${version} ${url}`)
        const failure = failures[`${version} ${url}`]
        return failure === undefined ? Effect.succeed("done") : Effect.fail(failure)
      }
      const outcome = yield* Effect.either(EngineEndpoints.firstOf(endpoints, use, rules))
      return [...used, Either.match(outcome, { onLeft: (error) => error._tag, onRight: (done) => done })]
    })

  it.effect("ends with the first that does not fail", () =>
    Effect.gen(function* () {
      const endpoints = yield* EngineEndpoints.forPull(mirrored, "docker.io")
      assert.deepStrictEqual(yield* tried(endpoints, {}), ["v2 https://a.example/", "done"])
      assert.deepStrictEqual(yield* tried(endpoints, { "v2 https://a.example/": answer(429, "TOOMANYREQUESTS") }), [
        "v2 https://a.example/",
        "v2 http://b.example/",
        "done"
      ])
    })
  )

  it.effect("goes from https to http, and to version 1, where nobody answers", () =>
    Effect.gen(function* () {
      const endpoints = yield* EngineEndpoints.forPull(insecure, "registry.corp")
      const failures = {
        "v2 https://registry.corp": transport("connect"),
        "v2 http://registry.corp": answer(404),
        "v1 https://registry.corp": transport("aborted")
      }
      assert.deepStrictEqual(yield* tried(endpoints, failures), [
        "v2 https://registry.corp",
        "v2 http://registry.corp",
        "v1 https://registry.corp",
        "v1 http://registry.corp",
        "done"
      ])
    })
  )

  it.effect("does not go to http once https has answered", () =>
    Effect.gen(function* () {
      const endpoints = yield* EngineEndpoints.forPull(insecure, "registry.corp")
      assert.deepStrictEqual(yield* tried(endpoints, { "v2 https://registry.corp": answer(404) }), [
        "v2 https://registry.corp",
        "v1 https://registry.corp",
        "done"
      ])
      assert.deepStrictEqual(yield* tried(endpoints, { "v2 https://registry.corp": transport("aborted", "getManifest") }), [
        "v2 https://registry.corp",
        "v1 https://registry.corp",
        "done"
      ])
    })
  )

  it.effect("does not go to version 1 once version 2 has answered", () =>
    Effect.gen(function* () {
      const endpoints = yield* EngineEndpoints.forPull(insecure, "registry.corp")
      assert.deepStrictEqual(yield* tried(endpoints, { "v2 https://registry.corp": answer(404, "MANIFEST_UNKNOWN") }), [
        "v2 https://registry.corp",
        "ManifestUnknown"
      ])
      const failures = { "v2 https://registry.corp": transport("tls"), "v2 http://registry.corp": answer(401, "UNAUTHORIZED") }
      assert.deepStrictEqual(yield* tried(endpoints, failures), ["v2 https://registry.corp", "v2 http://registry.corp", "Unauthorized"])
    })
  )

  it.effect("stops where the registry says no for sure", () =>
    Effect.gen(function* () {
      const endpoints = yield* EngineEndpoints.forPull(insecure, "registry.corp")
      assert.deepStrictEqual(yield* tried(endpoints, { "v2 https://registry.corp": answer(429, "TOOMANYREQUESTS") }), [
        "v2 https://registry.corp",
        "TooManyRequests"
      ])
    })
  )

  it.effect("ends with the error of the last one", () =>
    Effect.gen(function* () {
      const endpoints = yield* EngineEndpoints.forPull(mirrored, "docker.io")
      const failures = {
        "v2 https://a.example/": transport("connect"),
        "v2 http://b.example/": answer(404, "MANIFEST_UNKNOWN"),
        "v2 https://registry-1.docker.io": answer(401, "UNAUTHORIZED")
      }
      assert.deepStrictEqual((yield* tried(endpoints, failures)).slice(-2), ["v2 https://registry-1.docker.io", "Unauthorized"])
    })
  )

  it.effect("takes other rules", () =>
    Effect.gen(function* () {
      const endpoints = yield* EngineEndpoints.forPull(insecure, "registry.corp")
      const failures = { "v2 https://registry.corp": answer(404, "MANIFEST_UNKNOWN") }
      const never = { continuesAfter: () => false }
      assert.deepStrictEqual(yield* tried(endpoints, failures, never), ["v2 https://registry.corp", "ManifestUnknown"])
      const unconfirmed = { confirmsV2: () => false }
      assert.deepStrictEqual(yield* tried(endpoints, failures, unconfirmed), [
        "v2 https://registry.corp",
        "v1 https://registry.corp",
        "done"
      ])
    })
  )

  it.effect("starts nothing more when it is interrupted, or when something is broken", () =>
    Effect.gen(function* () {
      const endpoints = yield* EngineEndpoints.forPull(mirrored, "docker.io")
      let used = 0
      const use = (broken: Effect.Effect<never>) => () =>
        Effect.zipRight(
          Effect.sync(() => used++),
          broken
        )
      yield* Effect.exit(EngineEndpoints.firstOf(endpoints, use(Effect.interrupt)))
      yield* Effect.exit(EngineEndpoints.firstOf(endpoints, use(Effect.die("broken"))))
      assert.strictEqual(used, 2)
    })
  )
})
