import * as HttpClientError from "@effect/platform/HttpClientError"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Keychain from "../../src/auth/Keychain.ts"
import * as TokenCache from "../../src/auth/TokenCache.ts"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryHosts from "../../src/transport/RegistryHosts.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as RetryPolicy from "../../src/transport/RetryPolicy.ts"
import * as Wiretap from "./Wiretap.ts"

const home = "https://registry.test"
const realm = "https://auth.test"
const storage = "https://storage.test"
const mirrorOrigin = "https://mirror.test"

const password = "canary-pässword/1+1"
const identity = "canary-identity-token"
const registryToken = "canary-registry-token"
const mirrorPassword = "canary-mirror-password"
const signature = "canary-signature"
const state = "canary-state"
const userinfo = "canary-userinfo"

const users = { ada: { password } }
const basic = Credentials.basic("ada", password)

/** Where a secret may be told. */
type Secrets = ReadonlyArray<readonly [secret: string, origins: ReadonlyArray<string>]>

interface Scenario {
  readonly name: string
  readonly credentials?: Credentials.Credentials
  readonly auth?: RegistryOptions.Auth
  readonly rules?: ReadonlyArray<FaultyHttp.Rule>
  readonly settings?: RegistryHosts.Options
  /** Done once the operations have been run, before they are run again. */
  readonly meanwhile?: Effect.Effect<unknown, never, MemoryRegistry.MemoryRegistry | FaultyHttp.FaultyHttp>
  /** Secrets beside those of the credentials. */
  readonly secrets?: Secrets
  /** Origins that must have been asked something, so that the attack took place. */
  readonly asks?: ReadonlyArray<string>
  /** Origins that must never be asked anything. */
  readonly spares?: ReadonlyArray<string>
  /** The errors that must occur. */
  readonly fails?: ReadonlyArray<string>
  /** Whether every operation must succeed. */
  readonly succeeds?: boolean
}

const bearer = (options: Partial<RegistryOptions.BearerAuth> = {}): RegistryOptions.Auth =>
  RegistryOptions.bearer({
    users,
    realm: `${realm}/token`,
    identityTokens: { [identity]: "ada" },
    registryTokens: { [registryToken]: ["repository:*:*", "registry:catalog:*"] },
    ...options
  })

/** The token service that the challenge names from now on. */
const realmBecomes = (advertisedRealm: string) =>
  Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
    Effect.zipRight(
      registry.update((options) => ({ ...options, auth: bearer({ advertisedRealm }) })),
      registry.revokeTokens
    )
  )

const evilChallenge = (name: string) => Fault.respond(401, { "www-authenticate": `Bearer realm="https://${name}/token",service="evil"` })

/** A server that repeats what it was told, wherever there is room. */
const echo = (status: number) =>
  Fault.custom("echo", ({ request, url, ...exchange }) => {
    const told = `${url.href} ${Object.values(request.headers).join(" ")} ${request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""}`
    const [scheme = "", token = ""] = (request.headers["authorization"] ?? "Bearer").split(" ")
    const plain = Buffer.from(token, "base64").toString()
    const all = `${told} ${token} ${plain} ${plain.slice(4)}`
    const quoted = JSON.stringify(all).slice(1, -1)
    const header = encodeURI(quoted).replaceAll(/[^\x20-\x7e]/g, "")
    return Fault.respond(
      status,
      {
        "content-type": "application/json",
        warning: `299 - "${token} ${header}"`,
        "www-authenticate": `${scheme} realm="${realm}/token",error="invalid_token",error_description="${token} ${header.replaceAll('"', "")}"`,
        "x-request-id": `${token}-id`
      },
      JSON.stringify({
        errors: [
          { code: "UNKNOWN", message: all, detail: { headers: request.headers, list: [all, token, plain] } },
          { code: token, message: plain }
        ],
        error: all,
        details: all
      })
    ).apply({ request, url, ...exchange })
  })

/** A client whose failures quote the request. */
const indiscreet = Fault.custom("indiscreet", ({ request, url }) => {
  const cause = Object.assign(new Error(`cannot send ${JSON.stringify(request.headers)} to ${url.href}`), { code: "ECONNRESET", request })
  return Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause, description: String(cause) }))
})

const api = { host: "registry.test", path: /^\/v2\/acme/ }
const tokens = { host: "auth.test" }
const uploads = { host: "registry.test", method: "POST", path: /\/uploads\// }

const scenarios: ReadonlyArray<Scenario> = [
  { name: "nothing is wrong: tokens for a password", succeeds: true, asks: [home, realm] },
  {
    name: "nothing is wrong: a password for the registry",
    auth: RegistryOptions.basic({ users }),
    succeeds: true,
    asks: [home],
    spares: [realm]
  },
  {
    name: "nothing is wrong: tokens for an identity token",
    credentials: Credentials.identityToken(identity),
    succeeds: true,
    asks: [realm]
  },
  { name: "nothing is wrong: a registry token", credentials: Credentials.registryToken(registryToken), succeeds: true, spares: [realm] },
  {
    name: "content is stored elsewhere, by signed URL",
    rules: [{ match: { ...api, method: "GET" }, fault: Fault.redirect((url) => `${storage}${url.pathname}?X-Sig=${signature}`) }],
    secrets: [[signature, [storage]]],
    asks: [storage]
  },
  ...(["https://evil.test", "https://registry.test:8443", "https://ada:canary-userinfo@evil.test"] as const).flatMap((to) =>
    [301, 302, 303, 307, 308].map(
      (status): Scenario => ({
        name: `everything is redirected to ${to} (${status}), which asks for credentials`,
        rules: [
          { match: { host: new URL(to).host }, fault: evilChallenge(new URL(to).host) },
          { match: api, fault: Fault.redirect((url) => `${to}${url.pathname}?sig=${signature}`, status) }
        ],
        secrets: [
          [signature, [new URL(to).origin]],
          [userinfo, [new URL(to).origin]]
        ],
        asks: [new URL(to).origin]
      })
    )
  ),
  {
    name: "the ping is redirected to a host that asks for credentials",
    rules: [
      { match: { host: "evil.test" }, fault: evilChallenge("evil.test") },
      { match: { host: "registry.test", path: /^\/v2\/$/ }, fault: Fault.redirect("https://evil.test/v2/") }
    ],
    asks: ["https://evil.test"]
  },
  ...["http://registry.test", "http://evil.test", "https://127.0.0.1", "https://10.0.0.1", "https://169.254.169.254", "https://[::1]"].map(
    (to): Scenario => ({
      name: `everything is redirected to ${to}`,
      rules: [{ match: api, fault: Fault.redirect((url) => `${to}${url.pathname}?sig=${signature}`) }],
      secrets: [[signature, []]],
      spares: [to],
      fails: ["RedirectRefused"]
    })
  ),
  {
    name: "tokens are redirected to another host",
    rules: [
      { match: { host: "evil.test" }, fault: echo(401) },
      { match: tokens, fault: Fault.redirect((url) => `https://evil.test/token${url.search}`) }
    ],
    asks: ["https://evil.test"]
  },
  {
    name: "an identity token is redirected to another host",
    credentials: Credentials.identityToken(identity),
    rules: [{ match: tokens, fault: Fault.redirect("https://evil.test/token") }],
    spares: ["https://evil.test"],
    fails: ["RedirectRefused"]
  },
  {
    name: "uploads go to another origin, which asks for credentials",
    rules: [
      { match: { host: "evil.test" }, fault: evilChallenge("evil.test") },
      { match: uploads, fault: Fault.respond(202, { location: `https://evil.test/upload?_state=${state}` }) }
    ],
    secrets: [[state, ["https://evil.test"]]],
    asks: ["https://evil.test"]
  },
  ...["http://registry.test/upload", "https://192.168.0.1/upload", "https://ada:canary-userinfo@10.0.0.1/upload"].map(
    (location): Scenario => ({
      name: `uploads go to ${location}`,
      rules: [{ match: uploads, fault: Fault.respond(202, { location: `${location}?_state=${state}` }) }],
      secrets: [
        [state, []],
        [userinfo, []]
      ],
      spares: [new URL(location).origin]
    })
  ),
  {
    name: "uploads stay, and fail with their state in the URL",
    rules: [
      { match: { host: "registry.test", method: ["PATCH", "PUT"], query: /_state/ }, fault: echo(500) },
      { match: uploads, fault: Fault.respond(202, { location: `/v2/acme/app/blobs/uploads/1?_state=${state}` }) }
    ],
    secrets: [[state, [home]]]
  },
  ...["https://evil.test/v2/x", "http://registry.test/v2/x", "https://10.0.0.1/v2/x", "https://ada:canary-userinfo@evil.test/v2/x"].map(
    (link): Scenario => ({
      name: `the next page is at ${link}`,
      rules: [
        { match: { host: "evil.test" }, fault: evilChallenge("evil.test") },
        {
          match: { host: "registry.test", path: /tags\/list|referrers/ },
          fault: Fault.changeHeaders({ link: `<${link}?last=${state}>; rel="next"` })
        }
      ],
      secrets: [
        [state, []],
        [userinfo, []]
      ],
      spares: [new URL(link).origin],
      fails: ["RedirectRefused"]
    })
  ),
  ...[
    "https://127.0.0.1/token",
    "https://10.1.2.3/token",
    "https://169.254.169.254/latest",
    "https://[::1]/token",
    "https://[fd00::1]/token",
    "https://localhost/token",
    "http://auth.test/token",
    "ftp://auth.test/token",
    "https://ada:canary-userinfo@auth.test/token"
  ].map(
    (advertisedRealm): Scenario => ({
      name: `the realm is ${advertisedRealm}`,
      auth: bearer({ advertisedRealm }),
      secrets: [[userinfo, []]],
      spares: [realm, new URL(advertisedRealm).origin],
      fails: ["InsecureRealm"]
    })
  ),
  {
    name: "the realm moves to another host",
    meanwhile: realmBecomes("https://evil.test/token"),
    asks: [realm],
    spares: ["https://evil.test"],
    fails: ["InsecureRealm"]
  },
  {
    name: "a mirror asks for credentials, and has its own",
    settings: {
      "registry.test": { mirrors: [RegistryHosts.mirror(mirrorOrigin, { capabilities: ["pull", "resolve", "list", "referrers"] })] }
    },
    secrets: [[mirrorPassword, [mirrorOrigin]]],
    asks: [mirrorOrigin, home]
  },
  {
    name: "a mirror sends to the token service of the registry, and repeats what it is told",
    settings: { "registry.test": { mirrors: [RegistryHosts.mirror("https://evil.test")] } },
    rules: [{ match: { host: "evil.test" }, fault: echo(401) }],
    asks: ["https://evil.test", home],
    succeeds: true
  },
  ...[400, 401, 403, 429, 500, 200].flatMap((status) =>
    [basic, Credentials.identityToken(identity, { username: "ada", password })].map(
      (credentials): Scenario => ({
        name: `the token service repeats what it is told with ${status} (${credentials._tag})`,
        credentials,
        rules: [{ match: tokens, fault: echo(status) }],
        asks: [realm]
      })
    )
  ),
  ...[400, 401, 403, 404, 416, 429, 500, 200].flatMap((status) =>
    (
      [
        ["a token", bearer(), basic],
        ["a registry token", bearer(), Credentials.registryToken(registryToken)],
        ["a password", RegistryOptions.basic({ users }), basic]
      ] as const
    ).map(
      ([what, auth, credentials]): Scenario => ({
        name: `the registry repeats ${what} with ${status}`,
        auth,
        credentials,
        rules: [{ match: api, fault: echo(status) }],
        asks: [home]
      })
    )
  ),
  {
    name: "the client quotes requests in its failures",
    rules: [{ match: api, fault: indiscreet }],
    fails: ["TransportError"]
  },
  {
    name: "the client quotes token requests in its failures",
    rules: [{ match: tokens, fault: indiscreet }],
    fails: ["TransportError"]
  },
  {
    name: "bodies break off",
    rules: [{ match: { ...api, method: "GET" }, fault: Fault.cutResponseAt(5) }],
    fails: ["TransportError"]
  }
]

/** The registry keeps a second network busy: where it redirects to, and a mirror. */
const network = (
  { auth, rules, credentials, settings }: Scenario,
  tap: ReturnType<typeof Wiretap.make>,
  issued: Array<readonly [string, string]>
) => {
  const notesTokens: RegistryOptions.Adjustment = {
    name: "notes tokens",
    after: (request, endpoint, response) => {
      // A token for nobody is nobody's secret.
      const known = request.headers["authorization"] !== undefined || request.method === "POST"
      if (endpoint === "token" && known && response.body instanceof Uint8Array) {
        const body: unknown = JSON.parse(new TextDecoder().decode(response.body))
        for (const [member, value] of Object.entries(body ?? {})) {
          if (/token$/.test(member) && typeof value === "string")
            issued.push([value, member === "refresh_token" ? `https://${request.host}` : ""])
        }
      }
      return response
    }
  }
  const registries = MemoryRegistry.layer({
    hosts: {
      "registry.test": { auth: auth ?? bearer(), adjustments: [notesTokens] },
      "storage.test": {},
      "mirror.test": { auth: RegistryOptions.basic({ users: { ada: { password: mirrorPassword } } }) }
    }
  })
  const http = tap.listen.pipe(Layer.provideMerge(FaultyHttp.layer({ rules: rules ?? [] })), Layer.provideMerge(registries))
  return RegistryClient.layer.pipe(
    Layer.provideMerge(RegistryTransport.layer()),
    Layer.provide([
      Keychain.layer({ "registry.test": credentials ?? basic, "mirror.test": Credentials.basic("ada", mirrorPassword) }),
      TokenCache.layerMemory,
      RetryPolicy.layer({ schedule: Schedule.recurs(1) }),
      RegistryHosts.layer(settings ?? {})
    ]),
    Layer.provideMerge(http),
    Layer.provideMerge(tap.listeners)
  )
}

/** Every kind of operation, on its own, so that no failure hides the next. */
const operations = Effect.gen(function* () {
  const client = yield* RegistryClient.RegistryClient
  const transport = yield* RegistryTransport.RegistryTransport
  const registry = yield* MemoryRegistry.MemoryRegistry
  const seeded = yield* registry.seedImage("acme/app", { tag: "latest" })
  const { repository } = yield* Effect.orDie(Reference.parse("registry.test/acme/app:latest"))
  const reference = yield* Effect.orDie(Reference.parse("registry.test/acme/app:latest"))
  const manifest = Either.getOrThrow(Manifest.decode(seeded.bytes))
  const layer = seeded.layers[0] ?? seeded.config
  const absent = new TextEncoder().encode("something new")
  const resource = { registry: "registry.test", repository: repository.name }
  const scopes = [`repository:${repository.name}:pull`]
  const content = { ...layer, digest: (yield* registry.at("storage.test").seedBlob("x", absent)).digest, size: absent.byteLength }
  const all: ReadonlyArray<Effect.Effect<void, unknown>> = [
    Effect.asVoid(client.ping("registry.test")),
    Effect.asVoid(client.resolve(reference)),
    Effect.asVoid(client.getManifest(reference)),
    Stream.runDrain(client.getBlob(repository, layer)),
    Stream.runDrain(client.getBlob(repository, { ...layer, urls: [`https://ada:${userinfo}@files.test/x?sig=1`] })),
    Effect.asVoid(client.putBlob(repository, content, Stream.make(absent))),
    Effect.asVoid(client.putBlobStream(repository, Stream.make(absent))),
    Effect.asVoid(client.putManifest(repository, manifest, {})),
    Stream.runDrain(client.tags(repository)),
    Stream.runDrain(client.referrers(repository, seeded.manifest.digest)),
    Effect.asVoid(transport.token(resource, scopes)),
    Effect.scoped(
      Effect.flatMap(transport.httpClient(resource, scopes).get("/v2/acme/app/tags/list"), (response) => Effect.asVoid(response.text))
    )
  ]
  return all
})

const isDone = (fiber: Fiber.RuntimeFiber<unknown, unknown>) => Effect.map(Fiber.poll(fiber), Option.isSome)

/** Runs an effect while time goes by, no faster than it must. */
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    for (let millis = 1; !(yield* isDone(fiber)); millis *= 2) yield* TestClock.adjust(millis)
    return yield* Fiber.join(fiber)
  })

describe("canaries", () => {
  for (const scenario of scenarios) {
    it.effect(scenario.name, () => {
      const tap = Wiretap.make()
      const issued: Array<readonly [token: string, origin: string]> = []
      return Effect.gen(function* () {
        const exits: Array<Exit.Exit<void, unknown>> = []
        const runAll = Effect.flatMap(operations, (all) =>
          Effect.forEach(all, (operation) => Effect.map(inTime(tap.run(operation)), (exit) => exits.push(exit)))
        )
        yield* runAll
        yield* scenario.meanwhile ?? Effect.void
        if (scenario.meanwhile !== undefined) {
          yield* TestClock.adjust("2 minutes")
          yield* runAll
        }

        const asked = new Set(tap.sent.map(({ origin }) => origin))
        for (const origin of scenario.asks ?? []) expect(asked).toContain(origin)
        for (const origin of scenario.spares ?? []) expect(asked).not.toContain(origin)
        const tags = new Set(
          exits.flatMap((exit) => (Exit.isFailure(exit) && exit.cause._tag === "Fail" ? [Object(exit.cause.error)._tag] : []))
        )
        for (const tag of scenario.fails ?? []) expect(tags).toContain(tag)
        if (scenario.succeeds === true) expect(tap.failures).toEqual([])
        for (const exit of exits) if (Exit.isFailure(exit)) expect(exit.cause._tag).toBe("Fail")

        const isBasic = scenario.auth?._tag === "Basic"
        const secrets: Secrets = [
          [password, [isBasic ? home : realm]],
          [identity, [realm]],
          [registryToken, [home]],
          [mirrorPassword, [mirrorOrigin]],
          [userinfo, ["https://files.test"]],
          ...issued.map(([token, origin]) => [token, [origin === "" ? home : origin]] as const),
          ...(scenario.secrets ?? [])
        ]
        const allowed = new Map<string, Array<string>>()
        for (const [secret, origins] of secrets) allowed.set(secret, [...(allowed.get(secret) ?? []), ...origins])
        const visible = tap.visible()
        for (const [secret, origins] of allowed) {
          const knowing = [...tap.knowing(secret)].filter((origin) => !origins.includes(origin))
          expect([secret, knowing]).toEqual([secret, []])
          for (const [where, text] of Object.entries(visible)) {
            expect([where, secret, Wiretap.tells(text, secret) && excerpt(text, secret)]).toEqual([where, secret, false])
          }
        }
      }).pipe(Effect.provide(network(scenario, tap, issued)))
    })
  }

  it("the listeners hear what is said", () => {
    expect(Wiretap.tells(`Basic ${btoa("ada:sesame")}`, "sesame")).toBe(true)
    expect(Wiretap.tells("https://x.test/?q=a%2Fb", "a/b")).toBe(true)
    expect(Wiretap.tells("nothing", "sesame")).toBe(false)
  })
})

/** What stands around a secret that got out, for whoever has to find the leak. */
const excerpt = (text: string, secret: string): string => {
  const at = text.indexOf(secret)
  return at === -1 ? "in another spelling" : text.slice(Math.max(0, at - 200), at + secret.length + 50)
}
