/** The peers of the integration tests themselves: they start, ask for what they should and take an image, before any code of ours joins. */
import { randomBytes } from "node:crypto"
import * as Https from "node:https"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Certificates from "../support/Certificates.ts"
import * as DirImage from "../support/DirImage.ts"
import * as DockerRegistry from "../support/DockerRegistry.ts"
import * as Program from "../support/Program.ts"
import * as Skopeo from "../support/Skopeo.ts"
import * as TokenServer from "../support/TokenServer.ts"

const login = { username: "alice", password: "wonder:land" }
const users = { [login.username]: login.password }

const get = (url: string, authorization?: string) =>
  Effect.promise(() => fetch(url, authorization === undefined ? {} : { headers: { authorization } }))

const basic = `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}`

/** Pushes an image with skopeo, pulls it back with skopeo, and compares every byte. */
const roundTrip = (registry: DockerRegistry.Service, options: Skopeo.Options = {}) =>
  Effect.gen(function* () {
    const image = DirImage.fromLayers([randomBytes(70_000), randomBytes(10)])
    const reference = `${registry.host}/team/app:1.0`
    yield* Skopeo.push(image, reference, options)
    DirImage.assertSame(yield* Skopeo.pull(reference, options), image)
    assert.strictEqual(yield* Skopeo.rawManifest(`docker://${reference}`, options), Buffer.from(image.manifest).toString("utf8"))
  })

describe.skipIf(!Program.available(DockerRegistry.program, Skopeo.program))("docker-registry", () => {
  it.scoped("open: answers at once and takes an image", () =>
    Effect.gen(function* () {
      const registry = yield* DockerRegistry.make()
      assert.strictEqual((yield* get(`${registry.origin}/v2/`)).status, 200)
      yield* roundTrip(registry)
      const tags = yield* get(`${registry.origin}/v2/team/app/tags/list`)
      assert.deepStrictEqual(yield* Effect.promise(() => tags.json()), { name: "team/app", tags: ["1.0"] })
      assert.include(yield* registry.log, "/v2/team/app/manifests/1.0")
    })
  )

  it.scoped("two at once do not meet", () =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([DockerRegistry.make(), DockerRegistry.make()], { concurrency: 2 })
      assert.notStrictEqual(one.host, two.host)
      assert.notStrictEqual(one.storage, two.storage)
    })
  )

  it.effect("is gone when its scope closes", () =>
    Effect.gen(function* () {
      const registry = yield* Effect.scoped(DockerRegistry.make())
      assert.strictEqual((yield* Effect.either(Effect.tryPromise(() => fetch(`${registry.origin}/v2/`))))._tag, "Left")
    })
  )

  it.scoped("with htpasswd: asks for a password", () =>
    Effect.gen(function* () {
      const registry = yield* DockerRegistry.make({ users })
      const refused = yield* get(`${registry.origin}/v2/`)
      assert.strictEqual(refused.status, 401)
      assert.strictEqual(refused.headers.get("www-authenticate"), 'Basic realm="test"')
      assert.strictEqual((yield* get(`${registry.origin}/v2/`, basic)).status, 200)
      yield* roundTrip(registry, { logins: { [registry.host]: login } })
    })
  )

  it.scoped("with tokens: names the realm and takes its tokens", () =>
    Effect.gen(function* () {
      const registry = yield* DockerRegistry.DockerRegistry
      const tokens = yield* TokenServer.TokenServer
      const refused = yield* get(`${registry.origin}/v2/`)
      assert.strictEqual(refused.status, 401)
      assert.strictEqual(refused.headers.get("www-authenticate"), `Bearer realm="${tokens.realm}",service="${tokens.service}"`)
      yield* roundTrip(registry, { logins: { [registry.host]: login } })
      const requests = yield* tokens.requests
      assert.isAbove(requests.length, 0)
      assert.isTrue(requests.every((request) => request.status === 200 && request.service === tokens.service))
      assert.isTrue(requests.some((request) => request.scopes.includes("repository:team/app:pull,push")))
    }).pipe(Effect.provide(DockerRegistry.layerTokens({ users })))
  )

  it.scoped("tokens: expired, anonymous, by POST and by refresh token", () =>
    Effect.gen(function* () {
      const registry = yield* DockerRegistry.DockerRegistry
      const tokens = yield* TokenServer.TokenServer
      const ask = (init: RequestInit, query = "") =>
        Effect.promise(() => fetch(`${tokens.realm}${query}`, init).then((_) => _.json())).pipe(
          Effect.map((body) => ({ bearer: `Bearer ${body.access_token}`, refresh: String(body.refresh_token), body }))
        )
      const status = (bearer: string) => Effect.map(get(`${registry.origin}/v2/team/app/tags/list`, bearer), (_) => _.status)
      const scope = "repository:team/app:pull"
      const form = (fields: Record<string, string>) => ({
        method: "POST",
        body: new URLSearchParams({ service: tokens.service, scope, ...fields })
      })

      const signedIn = yield* ask({ headers: { authorization: basic } }, `?service=${tokens.service}&scope=${scope}`)
      assert.strictEqual(yield* status(signedIn.bearer), 404, "accepted; the repository does not exist")
      const nobody = yield* ask({}, `?service=${tokens.service}&scope=${scope}`)
      assert.strictEqual(yield* status(nobody.bearer), 401)

      const posted = yield* ask(form({ grant_type: "password", access_type: "offline", ...login }))
      assert.strictEqual(yield* status(posted.bearer), 404)
      assert.notProperty(posted.body, "token")
      const refreshed = yield* ask(form({ grant_type: "refresh_token", refresh_token: posted.refresh }))
      assert.strictEqual(yield* status(refreshed.bearer), 404)

      yield* tokens.configure({ validSeconds: -120, announcedSeconds: 1 })
      const expired = yield* ask({ headers: { authorization: basic } }, `?service=${tokens.service}&scope=${scope}`)
      assert.strictEqual(expired.body.expires_in, 1)
      assert.strictEqual(yield* status(expired.bearer), 401)
      yield* tokens.configure({ methods: ["GET"] })
      yield* ask(form({ grant_type: "password", ...login }))
      assert.deepStrictEqual(
        (yield* tokens.requests).map(({ grant, status }) => `${grant} ${status}`),
        ["basic 200", "anonymous 200", "password 200", "refresh_token 200", "basic 200", "password 405"]
      )
    }).pipe(Effect.provide(DockerRegistry.layerTokens({ users })))
  )

  it.scoped("with TLS: shows its certificate and asks for the client's", () =>
    Effect.gen(function* () {
      const authority = yield* Certificates.authority("test authority")
      const certificate = yield* authority.issue(["127.0.0.1", "localhost"])
      const client = yield* authority.issue(["client"])
      const registry = yield* DockerRegistry.make({ certificate, clientAuthority: authority.certificate })
      const status = (options: Https.RequestOptions) =>
        Effect.async<number, Error>((resume) => {
          Https.get(`${registry.origin}/v2/`, { ...options, agent: false }, (response) => {
            response.resume()
            resume(Effect.succeed(response.statusCode ?? 0))
          }).on("error", (error) => resume(Effect.fail(error)))
        })
      const trusted = { ca: authority.certificate }
      assert.strictEqual(yield* status({ ...trusted, cert: client.certificate, key: client.privateKey }), 200)
      assert.strictEqual((yield* Effect.either(status(trusted)))._tag, "Left")
      assert.strictEqual((yield* Effect.either(status({ cert: client.certificate, key: client.privateKey })))._tag, "Left")
    })
  )
})
