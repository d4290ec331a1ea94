/** Each profile does what is reported of its registry, seen without the client. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Credentials from "../../src/auth/Credentials.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as Quirk from "../../src/testing/Quirk.ts"
import * as Quirks from "../../src/testing/Quirks.ts"
import * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import { push, send, Target, utf8 } from "./SpecChecks.ts"

const host = "registry.test"

/** A registry with the quirks of a profile and no authentication, which has tests of its own below. */
const at = (options: RegistryOptions.Options, auth: RegistryOptions.Auth = RegistryOptions.noAuth) =>
  Layer.merge(MemoryRegistry.layer({ hosts: { [host]: { ...options, auth } } }), Layer.succeed(Target, `https://${host}`))

const manifestType = "application/vnd.oci.image.manifest.v1+json"

const seeded = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) => registry.seedImage("acme/app", { tag: "v1" }))

const start = (repository = "acme/app", query = "") => send("POST", `/v2/${repository}/blobs/uploads/${query}`)

/** Uploads content in chunks of four bytes, and gives every answer. */
const inChunks = Effect.fnUntraced(function* (content: string) {
  const opened = yield* start()
  let location = opened.headers["location"] ?? ""
  const answers = [opened]
  for (let offset = 0; offset < content.length; offset += 4) {
    const body = utf8(content.slice(offset, offset + 4))
    const headers = { "content-range": `${offset}-${offset + body.length - 1}`, "content-type": "application/octet-stream" }
    const answer = yield* send("PATCH", location, { headers, body })
    answers.push(answer)
    location = answer.headers["location"] ?? location
  }
  const status = yield* send("GET", location)
  const separator = location.includes("?") ? "&" : "?"
  const closed = yield* send("PUT", `${location}${separator}digest=${Digest.fromBytes(utf8(content))}`)
  return { patches: answers.slice(1), status, closed }
})

const ranges = (answers: ReadonlyArray<{ readonly headers: Readonly<Record<string, string>> }>) =>
  answers.map(({ headers }) => headers["range"])

describe("Quirks", () => {
  it("every profile has a name, and all names a profile", () => {
    const values = Object.values(Quirks.all)
    assert.strictEqual(new Set(values).size, values.length)
    for (const group of [Quirks.ecr, Quirks.ghcr, Quirks.quay, Quirks.pulp]) {
      for (const profile of Object.values(group)) assert.include(values, profile)
    }
    for (const [name, profile] of Object.entries(Quirks)) {
      if (typeof profile === "object" && "adjustments" in profile) assert.strictEqual(Quirks.all[name], profile)
    }
  })

  it("what lets a client in: nothing, an account, an identity token", () => {
    assert.deepStrictEqual(Quirks.credentials({}), Credentials.anonymous)
    assert.deepStrictEqual(Quirks.credentials(Quirks.dockerHub), Credentials.anonymous)
    assert.strictEqual(
      Credentials.identity(Quirks.credentials(Quirks.ecr.rangeStuck)),
      Credentials.identity(Credentials.basic("AWS", "AWS-password"))
    )
    assert.strictEqual(
      Credentials.identity(Quirks.credentials(Quirks.acr)),
      Credentials.identity(Credentials.identityToken("acr-refresh-token"))
    )
    const secret = { auth: RegistryOptions.basic({ users: { ann: { password: Redacted.make("s") } } }) }
    assert.strictEqual(Credentials.identity(Quirks.credentials(secret)), Credentials.identity(Credentials.basic("ann", "s")))
  })

  it.effect("Amazon ECR: 201, a Range that stays, content that is kept", () =>
    Effect.gen(function* () {
      yield* seeded
      const { closed, patches, status } = yield* inChunks("0123456789")
      assert.deepStrictEqual(
        patches.map((answer) => answer.status),
        [201, 201, 201]
      )
      assert.deepStrictEqual(ranges([...patches, status]), ["0-3", "0-3", "0-3", "0-3"])
      assert.strictEqual(closed.status, 201)
    }).pipe(Effect.provide(at(Quirks.ecr.rangeStuck)))
  )

  it.effect("Amazon ECR, the other reading: later chunks are taken and lost", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seeded
      const { closed, patches } = yield* inChunks("0123456789")
      assert.deepStrictEqual(
        patches.map((answer) => answer.status),
        [201, 201, 201]
      )
      assert.strictEqual(closed.status, 400)
      assert.strictEqual(closed.json().errors[0].code, "DIGEST_INVALID")
      assert.deepStrictEqual(yield* registry.openUploads, [])
    }).pipe(Effect.provide(at(Quirks.ecr.rangeStuckDiscarded)))
  )

  it.effect("Amazon ECR: no repository by itself, no mount, HEAD without digest, n up to 1000, OCI-Subject without referrers", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* start()).status, 404)
      const image = yield* seeded
      assert.strictEqual((yield* start("acme/app", `?mount=${image.config.digest}&from=acme/app`)).status, 202)
      const head = yield* send("HEAD", "/v2/acme/app/manifests/v1")
      assert.deepStrictEqual([head.status, head.headers["docker-content-digest"]], [200, undefined])
      assert.strictEqual((yield* send("GET", "/v2/acme/app/tags/list?n=1001")).status, 400)
      const referrer = JSON.stringify({ schemaVersion: 2, config: image.config, layers: [], subject: image.manifest })
      const put = yield* send("PUT", "/v2/acme/app/manifests/s", { headers: { "content-type": manifestType }, body: referrer })
      assert.strictEqual(put.headers["oci-subject"], image.manifest.digest)
      assert.strictEqual((yield* send("GET", `/v2/acme/app/referrers/${image.manifest.digest}`)).status, 404)
    }).pipe(Effect.provide(at(Quirks.ecr.rangeStuck)))
  )

  it.effect("Amazon ECR with blob mounting: what a manifest names", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const image = yield* seeded
      const loose = yield* registry.seedBlob("acme/app", "no manifest names this")
      yield* registry.seedBlob("acme/b", "so that it is there")
      assert.strictEqual((yield* start("acme/b", `?mount=${image.config.digest}&from=acme/app`)).status, 201)
      assert.strictEqual((yield* start("acme/b", `?mount=${loose.digest}&from=acme/app`)).status, 202)
    }).pipe(Effect.provide(at(Quirks.ecr.blobMounting)))
  )

  it("on one host there is one token service", () => {
    for (const profile of Object.values(Quirks.all)) {
      const { auth } = Quirks.onOneHost(profile)
      assert.strictEqual(auth?._tag, profile.auth?._tag)
      if (auth?._tag === "Bearer") assert.isUndefined(auth.realm)
    }
  })

  it.effect("Amazon ECR with immutable tags: not even the same manifest again", () =>
    Effect.gen(function* () {
      const image = yield* seeded
      const put = (tag: string) =>
        send("PUT", `/v2/acme/app/manifests/${tag}`, { headers: { "content-type": manifestType }, body: image.bytes })
      assert.strictEqual((yield* put("v1")).json().errors[0].code, "TAG_INVALID")
      assert.strictEqual((yield* put("v2")).status, 201)
    }).pipe(Effect.provide(at(Quirks.ecr.immutableTags)))
  )

  it.effect("GHCR: a chunk of 4 MiB is taken, a longer one is out of range, a stream may be as long as it likes", () =>
    Effect.gen(function* () {
      const patch = (length: number, ranged: boolean) =>
        Effect.flatMap(start(), (opened) =>
          send("PATCH", opened.headers["location"] ?? "", {
            headers: { "content-type": "application/octet-stream", ...(ranged ? { "content-range": `0-${length - 1}` } : {}) },
            body: new Uint8Array(length)
          })
        )
      const limit = 4 * 1024 * 1024
      const refused = yield* patch(limit + 1, true)
      assert.strictEqual(refused.status, 416)
      assert.strictEqual(refused.json().errors[0].code, "REQUESTED_RANGE_NOT_SATISFIABLE")
      assert.strictEqual((yield* patch(limit, true)).status, 202)
      assert.strictEqual((yield* patch(limit + 1, false)).status, 202)
    }).pipe(Effect.provide(at(Quirks.ghcr.chunksWork)))
  )

  it.effect("GHCR, the other reading: Range moves, and the blob is broken", () =>
    Effect.gen(function* () {
      const { closed, patches } = yield* inChunks("01234567")
      assert.deepStrictEqual(ranges(patches), ["0-3", "0-7"])
      assert.strictEqual(closed.status, 400)
    }).pipe(Effect.provide(at(Quirks.ghcr.chunksCorrupt)))
  )

  it.effect("Google: no chunks, huge locations that work, lengths and sizes that are off", () =>
    Effect.gen(function* () {
      const image = yield* seeded
      const opened = yield* start()
      assert.isAbove(opened.headers["location"]?.length ?? 0, 16_384)
      const chunk = { headers: { "content-range": "0-3" }, body: "0123" }
      assert.strictEqual((yield* send("PATCH", opened.headers["location"] ?? "", chunk)).status, 405)
      yield* push("acme/app", "whole")
      const head = yield* send("HEAD", "/v2/acme/app/manifests/v1")
      assert.notStrictEqual(head.headers["content-length"], String(image.bytes.length))
      const registry = yield* MemoryRegistry.MemoryRegistry
      const signature = yield* registry.seedImage("acme/app", { subject: image.manifest })
      const listed = (yield* send("GET", `/v2/acme/app/referrers/${image.manifest.digest}`)).json().manifests
      assert.deepStrictEqual(
        listed.map(({ digest, size }: { digest: string; size: number }) => [digest, size]),
        [[signature.manifest.digest, signature.manifest.size + 1000]]
      )
    }).pipe(Effect.provide(at(Quirks.gar)))
  )

  it.effect("Azure: bodies of up to 20 MB", () =>
    Effect.gen(function* () {
      const opened = yield* start()
      const body = new Uint8Array(20_000_001)
      assert.strictEqual((yield* send("PATCH", opened.headers["location"] ?? "", { body })).status, 413)
      assert.strictEqual((yield* send("PATCH", opened.headers["location"] ?? "", { body: body.subarray(1) })).status, 202)
    }).pipe(Effect.provide(at(Quirks.acr)))
  )

  it.effect("Quay: a mount needs from; with the setting, only images", () =>
    Effect.gen(function* () {
      const image = yield* seeded
      assert.strictEqual((yield* start("acme/b", `?mount=${image.config.digest}`)).status, 400)
      assert.strictEqual((yield* start("acme/b", `?mount=${image.config.digest}&from=acme/app`)).status, 201)
      const put = (artifactType: string | undefined) => {
        const body = JSON.stringify({ schemaVersion: 2, artifactType, config: image.config, layers: [] })
        return send("PUT", "/v2/acme/app/manifests/x", { headers: { "content-type": manifestType }, body })
      }
      assert.strictEqual((yield* put("application/vnd.test")).json().errors[0].code, "MANIFEST_INVALID")
      assert.strictEqual((yield* put(undefined)).status, 201)
    }).pipe(Effect.provide(at(Quirks.quay.imagesOnly)))
  )

  it.effect("Harbor: projects", () =>
    Effect.gen(function* () {
      const image = yield* seeded
      assert.strictEqual((yield* start("alone")).json().errors[0].code, "NAME_INVALID")
      assert.strictEqual((yield* start("other/b", `?mount=${image.config.digest}&from=acme/app`)).status, 401)
      assert.strictEqual((yield* start("acme/b", `?mount=${image.config.digest}&from=acme/app`)).status, 201)
    }).pipe(Effect.provide(at(Quirks.harbor)))
  )

  it.effect("Artifactory: content only by PATCH, and the missing is forbidden", () =>
    Effect.gen(function* () {
      const opened = yield* start()
      const digest = Digest.fromBytes(utf8("x"))
      const location = opened.headers["location"] ?? ""
      assert.strictEqual((yield* send("PUT", `${location}?digest=${digest}`, { body: "x" })).status, 405)
      assert.strictEqual((yield* send("GET", "/v2/acme/app/manifests/none")).status, 403)
      assert.strictEqual((yield* send("HEAD", `/v2/acme/app/blobs/${digest}`)).status, 403)
      const { closed } = yield* inChunks("01234567")
      assert.strictEqual(closed.status, 201)
    }).pipe(Effect.provide(at(Quirks.artifactory)))
  )

  it.effect("Pulp: 204, and compressed blobs", () =>
    Effect.gen(function* () {
      const image = yield* seeded
      const { closed, patches } = yield* inChunks("01234567")
      assert.deepStrictEqual(
        patches.map((answer) => answer.status),
        [204, 204]
      )
      assert.strictEqual(closed.status, 201)
      const path = `/v2/acme/app/blobs/${image.config.digest}`
      const encoding = (accepted: string) =>
        Effect.map(send("GET", path, { headers: { "accept-encoding": accepted } }), ({ headers }) => headers["content-encoding"])
      assert.strictEqual(yield* encoding("gzip, br"), "gzip")
      assert.strictEqual(yield* encoding("identity"), undefined)
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.update(() => Quirks.pulp.gzipAlways)
      assert.strictEqual(yield* encoding("identity"), "gzip")
    }).pipe(Effect.provide(at(Quirks.pulp.gzipAccepted)))
  )

  it.effect("Docker Hub: pulls are counted, and come to an end", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seeded
      const { headers } = yield* send("HEAD", "/v2/acme/app/manifests/v1")
      assert.deepStrictEqual([headers["ratelimit-limit"], headers["ratelimit-remaining"]], ["100;w=21600", "76;w=21600"])
      yield* registry.update(() => ({ ...Quirks.dockerHubUsedUp, auth: RegistryOptions.noAuth }))
      assert.strictEqual((yield* send("HEAD", "/v2/acme/app/manifests/v1")).status, 200)
      const refused = yield* send("GET", "/v2/acme/app/manifests/v1")
      assert.deepStrictEqual([refused.status, refused.headers["content-type"]], [429, "text/plain"])
    }).pipe(Effect.provide(at(Quirks.dockerHub)))
  )

  it.effect("Gitea: both challenges in one line, no POST for tokens, which are good for everything", () =>
    Effect.gen(function* () {
      const refused = yield* send("GET", "/v2/")
      assert.strictEqual(
        refused.headers["www-authenticate"],
        'Bearer realm="https://registry.test/token",service="registry.test", Basic realm="registry"'
      )
      const onRepository = yield* send("GET", "/v2/a/b/tags/list")
      assert.include(onRepository.headers["www-authenticate"], 'scope="*", Basic')
      assert.strictEqual((yield* send("POST", "/token", { body: "grant_type=password" })).status, 404)
      const basic = `Basic ${Buffer.from("gitea:gitea-password").toString("base64")}`
      const token = (yield* send("GET", "/token?scope=*", { headers: { authorization: basic } })).json().token
      assert.strictEqual((yield* send("POST", "/v2/a/b/blobs/uploads/", { headers: { authorization: `Bearer ${token}` } })).status, 202)
    }).pipe(Effect.provide(at(Quirks.gitea, Quirks.gitea.auth)))
  )

  it.effect("a single quirk on top of a profile", () =>
    Effect.gen(function* () {
      yield* seeded
      assert.strictEqual((yield* send("HEAD", "/v2/acme/app/manifests/v1")).status, 501)
      assert.strictEqual((yield* send("GET", "/v2/acme/app/manifests/v1")).status, 200)
    }).pipe(Effect.provide(at(RegistryOptions.merge(Quirks.nexus, { adjustments: [Quirk.headRefused(501)] }))))
  )
})
