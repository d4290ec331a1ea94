import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { deleteManifest, deleteTag } from "../../src/client/internal/deleteManifest.ts"
import { makeManifestState } from "../../src/client/internal/manifestState.ts"
import { getManifest, manifestExists, resolve } from "../../src/client/internal/manifests.ts"
import { putManifest } from "../../src/client/internal/putManifest.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import type * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import * as Vectors from "../vectors/Vectors.ts"

const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))
const tag = (name: string) => Reference.Tag.make(name)
const byTag = Reference.withTag(repository, tag("v1"))
const byDigest = (digest: Digest.Digest) => Reference.withDigest(repository, digest)

const image = Manifest.artifact({ artifactType: "application/vnd.example.thing" })
const sha512 = Manifest.artifact({ artifactType: "application/vnd.example.thing", algorithm: "sha512" })
const text = new TextDecoder().decode(image.bytes)
const manifestHeaders = { "content-type": image.mediaType, "docker-content-digest": image.digest, "content-length": String(image.size) }
const zeros = Digest.Digest.pipe(Schema.decodeSync)(`sha256:${"0".repeat(64)}`)

const transport = RegistryTransport.RegistryTransport

/** Runs an operation against a script; gives its outcome and what was asked. */
const against = <A, E>(script: ScriptedHttp.Script, operation: (transport: RegistryTransport.Service) => Effect.Effect<A, E>) => {
  const { layer, received } = ScriptedHttp.make(script)
  return Effect.flatMap(transport, operation).pipe(
    Effect.either,
    Effect.map((outcome) => ({ outcome, asked: ScriptedHttp.lines(received), received })),
    Effect.provide(Registries.layerOver(layer))
  )
}

/** Answers pings, and the rest by method. */
const byMethod =
  (answers: Readonly<Record<string, ScriptedHttp.Answer>>): ScriptedHttp.Script =>
  ({ method, target }) =>
    target === "/v2/" ? { status: 200 } : (answers[method] ?? { status: 500 })

const fails = (tagged: string) => Either.left(expect.objectContaining({ _tag: tagged }))

describe("resolve", () => {
  it.effect("asks with one HEAD that accepts every manifest type", () =>
    Effect.gen(function* () {
      const { asked, outcome, received } = yield* against(byMethod({ HEAD: { status: 200, headers: manifestHeaders } }), (_) =>
        resolve(_, byTag)
      )
      expect(outcome).toEqual(Either.right(image.descriptor))
      expect(asked).toEqual(["HEAD /v2/acme/app/manifests/v1"])
      expect(received.at(-1)?.headers["accept"]).toBe(MediaType.acceptManifestHeader)
    })
  )

  it.effect("asks by digest when the reference has both", () =>
    Effect.gen(function* () {
      const reference = Reference.withDigest(byTag, image.digest)
      const { asked, outcome } = yield* against(byMethod({ HEAD: { status: 200, headers: manifestHeaders } }), (_) => resolve(_, reference))
      expect(outcome).toEqual(Either.right(image.descriptor))
      expect(asked).toEqual([`HEAD /v2/acme/app/manifests/${image.digest}`])
    })
  )

  it.effect("offers only the types it is told", () =>
    Effect.gen(function* () {
      const accept = [MediaType.ociImageIndex, MediaType.ociImageManifest]
      const { received } = yield* against(byMethod({ HEAD: { status: 200, headers: manifestHeaders } }), (_) =>
        resolve(_, byTag, { accept })
      )
      expect(received.at(-1)?.headers["accept"]).toBe(accept.join(", "))
    })
  )

  const without = (name: keyof typeof manifestHeaders) =>
    Object.fromEntries(Object.entries(manifestHeaders).filter(([key]) => key !== name))

  const heads: ReadonlyArray<readonly [string, ScriptedHttp.Answer]> = [
    ["tells no digest", { status: 200, headers: without("docker-content-digest") }],
    ["tells no type", { status: 200, headers: without("content-type") }],
    ["tells no length", { status: 200, headers: without("content-length") }],
    ["tells a length of 0", { status: 200, headers: { ...manifestHeaders, "content-length": "0" } }],
    ["tells a digest that is none", { status: 200, headers: { ...manifestHeaders, "docker-content-digest": "sha256:1" } }],
    ["tells a type that says nothing", { status: 200, headers: { ...manifestHeaders, "content-type": "text/plain; charset=utf-8" } }],
    ["is encoded", { status: 200, headers: { ...manifestHeaders, "content-encoding": "gzip" } }],
    ["is denied", { status: 403 }],
    ["is not supported", { status: 405 }]
  ]

  it.effect.each(heads)("fetches the manifest when the HEAD %s", ([, head]) =>
    Effect.gen(function* () {
      const get = { status: 200, headers: { "content-type": image.mediaType }, body: text }
      const { asked, outcome } = yield* against(byMethod({ HEAD: head, GET: get }), (_) => resolve(_, byTag))
      expect(outcome).toEqual(Either.right(image.descriptor))
      expect(asked).toEqual(["HEAD /v2/acme/app/manifests/v1", "GET /v2/acme/app/manifests/v1"])
    })
  )

  it.effect("tells what the GET was refused with", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({ errors: [{ code: "DENIED", message: "not for you" }] })
      const { outcome } = yield* against(byMethod({ HEAD: { status: 403 }, GET: { status: 403, body } }), (_) => resolve(_, byTag))
      expect(outcome).toEqual(Either.left(expect.objectContaining({ _tag: "Denied", operation: "resolve", method: "GET" })))
    })
  )

  it.effect("needs no digest header for what is asked for by digest, nor one of its algorithm", () =>
    Effect.gen(function* () {
      const headers = [without("docker-content-digest"), { ...manifestHeaders, "docker-content-digest": sha512.digest }]
      for (const answer of headers) {
        const { asked, outcome } = yield* against(byMethod({ HEAD: { status: 200, headers: answer } }), (_) =>
          resolve(_, byDigest(image.digest))
        )
        expect(outcome).toEqual(Either.right(image.descriptor))
        expect(asked.length).toBe(1)
      }
    })
  )

  it.effect("asks mirrors for digests or for tags, as they are able", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const descriptor = yield* registry.seedManifest(repository.name, image.bytes, { tags: ["v1"] })
      yield* registry.at("mirror.test").seedManifest(repository.name, image.bytes)
      const service = yield* transport
      expect(yield* resolve(service, byTag)).toEqual(descriptor)
      expect(yield* resolve(service, byDigest(descriptor.digest))).toEqual(descriptor)
      const manifestRequests = (yield* registry.allRequests).filter(({ endpoint }) => endpoint === "manifest")
      expect(manifestRequests.map(({ host, method }) => `${method} ${host}`)).toEqual(["HEAD registry.test", "HEAD mirror.test"])
    }).pipe(
      Effect.provide(
        Registries.layer({
          hosts: { "registry.test": {}, "mirror.test": {} },
          settings: { "registry.test": { mirrors: [{ url: "https://mirror.test", capabilities: ["pull"], proxy: false }] } }
        })
      )
    )
  )
})

describe("getManifest", () => {
  const get = (
    headers: Readonly<Record<string, string>>,
    body: string | undefined,
    reference = byTag,
    options?: { readonly maxBytes: number }
  ) => against(byMethod({ GET: { status: 200, headers, body } }), (_) => getManifest(_, reference, options))

  it.effect("keeps the bytes as they came", () =>
    Effect.gen(function* () {
      const spaced = `\n  ${text}\n`
      const { outcome } = yield* get({ "content-type": `${image.mediaType}; charset=utf-8` }, spaced)
      const manifest = Either.getOrThrow(outcome)
      expect(new TextDecoder().decode(manifest.bytes)).toBe(spaced)
      expect(manifest.digest).toBe(Digest.fromBytes(new TextEncoder().encode(spaced)))
      expect(manifest.mediaType).toBe(image.mediaType)
    })
  )

  it.effect("names the manifest by the digest the registry announces, of whatever algorithm", () =>
    Effect.gen(function* () {
      const { outcome } = yield* get({ ...manifestHeaders, "docker-content-digest": sha512.digest }, text)
      expect(Either.getOrThrow(outcome).digest).toBe(sha512.digest)
    })
  )

  it.effect("does not use an announced digest nobody here can compute", () =>
    Effect.gen(function* () {
      const { outcome } = yield* get({ ...manifestHeaders, "docker-content-digest": "b2+x:abc" }, text)
      expect(Either.getOrThrow(outcome).digest).toBe(image.digest)
    })
  )

  it.effect("verifies by the algorithm of the digest asked for", () =>
    Effect.gen(function* () {
      expect(Either.getOrThrow((yield* get(manifestHeaders, text, byDigest(sha512.digest))).outcome).digest).toBe(sha512.digest)
      expect((yield* get(manifestHeaders, `${text} `, byDigest(sha512.digest))).outcome).toEqual(fails("DigestMismatch"))
    })
  )

  it.effect("tells where a mismatch happened", () =>
    Effect.gen(function* () {
      const { outcome } = yield* get(manifestHeaders, text, byDigest(zeros))
      const where = { registry: "registry.test", repository: "acme/app", operation: "getManifest" }
      expect(outcome).toEqual(
        Either.left(expect.objectContaining({ _tag: "DigestMismatch", expected: zeros, actual: image.digest, ...where }))
      )
    })
  )

  it.effect("refuses a body of another type than the Content-Type", () =>
    Effect.gen(function* () {
      expect((yield* get({ "content-type": MediaType.ociImageIndex }, text)).outcome).toEqual(fails("MediaTypeMismatch"))
    })
  )

  it.effect("refuses what is longer than 4 MiB, or than it is told", () =>
    Effect.gen(function* () {
      const huge = JSON.stringify({ mediaType: image.mediaType, padding: "x".repeat(4 * 1024 * 1024) })
      expect((yield* get({ "content-type": image.mediaType }, huge)).outcome).toEqual(fails("LimitExceeded"))
      expect((yield* get(manifestHeaders, text, byTag, { maxBytes: text.length - 1 })).outcome).toEqual(fails("LimitExceeded"))
      expect(Either.isRight((yield* get(manifestHeaders, text, byTag, { maxBytes: text.length })).outcome)).toBe(true)
    })
  )

  it.effect("reads any manifest the registry has", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const seeded = yield* registry.seedImage(repository.name, { tag: "v1" })
      const manifest = yield* getManifest(yield* transport, byTag)
      expect(manifest._tag).toBe("ImageManifest")
      expect(manifest.bytes).toEqual(seeded.bytes)
      const unknown = yield* Effect.flip(getManifest(yield* transport, Reference.withTag(repository, tag("none"))))
      expect(unknown._tag).toBe("ManifestUnknown")
    }).pipe(Effect.provide(Registries.layer()))
  )
})

describe("manifestExists", () => {
  const answers: ReadonlyArray<readonly [number, boolean]> = [
    [200, true],
    [404, false],
    [403, false]
  ]

  it.effect.each(answers)("takes %s for %s", ([status, exists]) =>
    Effect.gen(function* () {
      const { asked, outcome } = yield* against(byMethod({ HEAD: { status } }), (_) => manifestExists(_, byTag))
      expect(outcome).toEqual(Either.right(exists))
      expect(asked).toEqual(["HEAD /v2/acme/app/manifests/v1"])
    })
  )

  it.effect("asks a registry without HEAD for the manifest", () =>
    Effect.gen(function* () {
      const { outcome } = yield* against(byMethod({ HEAD: { status: 405 }, GET: { status: 200, body: text } }), (_) =>
        manifestExists(_, byTag)
      )
      expect(outcome).toEqual(Either.right(true))
    })
  )

  it.effect("does not take a lack of credentials for an answer", () =>
    Effect.gen(function* () {
      const { outcome } = yield* against(byMethod({ HEAD: { status: 401 } }), (_) => manifestExists(_, byTag))
      expect(outcome).toEqual(fails("Unauthorized"))
    })
  )
})

describe("putManifest", () => {
  const puts = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
    Effect.map(registry.requests, (requests) =>
      requests.filter(({ method }) => method === "PUT").map(({ path, query, status }) => `${path}${query} ${status}`)
    )
  )

  const push = (manifest: Manifest.Manifest, tags: ReadonlyArray<string>, state = makeManifestState()) =>
    Effect.flatMap(transport, (service) => putManifest(service, state, repository, manifest, { tags: tags.map(tag) }))

  const seedConfig = Effect.flatMap(MemoryRegistry.MemoryRegistry, (registry) =>
    registry.seedBlob(repository.name, Descriptor.emptyBytes())
  )

  const capabilities = (can: Partial<RegistryOptions.Capabilities>, limits: Partial<RegistryOptions.Limits> = {}) =>
    Registries.layer({ hosts: { "registry.test": { capabilities: can, limits } } })

  it.effect("stores the bytes as they are, by digest or by a tag", () =>
    Effect.gen(function* () {
      yield* seedConfig
      const spaced = new TextEncoder().encode(` ${text}\n`)
      const manifest = yield* Manifest.decode(spaced)
      expect(yield* push(manifest, [])).toEqual({ descriptor: manifest.descriptor, referrers: "none" })
      yield* push(manifest, ["v1"])
      const stored = yield* getManifest(yield* transport, byTag)
      expect(stored.bytes).toEqual(spaced)
      expect(yield* puts).toEqual([`/v2/acme/app/manifests/${manifest.digest} 201`, "/v2/acme/app/manifests/v1 201"])
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("sets several tags with one request", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* seedConfig
      yield* push(image, ["v1", "v1.2", "latest", "v1"])
      expect(yield* puts).toEqual([`/v2/acme/app/manifests/${image.digest}?tag=v1&tag=v1.2&tag=latest 201`])
      expect(yield* registry.tags(repository.name)).toEqual(["latest", "v1", "v1.2"])
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("sets the tags one by one where parameters are not known, and remembers that", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const state = makeManifestState()
      yield* seedConfig
      yield* push(image, ["a", "b"], state)
      expect(yield* registry.tags(repository.name)).toEqual(["a", "b"])
      yield* registry.clearRequests
      yield* push(image, ["c", "d"], state)
      expect(yield* puts).toEqual(["/v2/acme/app/manifests/c 201", "/v2/acme/app/manifests/d 201"])
      expect(yield* registry.tags(repository.name)).toEqual(["a", "b", "c", "d"])
    }).pipe(Effect.provide(capabilities({ tagParameter: false })))
  )

  it.effect("sets the tags one by one when they are too many at once, and remembers how many", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      const state = makeManifestState()
      yield* seedConfig
      yield* push(image, ["a", "b", "c"], state)
      expect(yield* registry.tags(repository.name)).toEqual(["a", "b", "c"])
      yield* registry.clearRequests
      yield* push(image, ["d", "e"], state)
      yield* push(image, ["f", "g", "h"], state)
      expect(yield* puts).toEqual([
        `/v2/acme/app/manifests/${image.digest}?tag=d&tag=e 201`,
        "/v2/acme/app/manifests/f 201",
        "/v2/acme/app/manifests/g 201",
        "/v2/acme/app/manifests/h 201"
      ])
    }).pipe(Effect.provide(capabilities({}, { tagParameters: 2 })))
  )

  it.effect("reads OCI-Tag as lists and repetitions, and sets what is missing", () =>
    Effect.gen(function* () {
      const script: ScriptedHttp.Script = ({ target }) =>
        target === "/v2/" ? { status: 200 } : { status: 201, headers: target.includes("?") ? { "OCI-Tag": "a , b,,c" } : {} }
      const { asked } = yield* against(script, (_) =>
        putManifest(_, makeManifestState(), repository, image, { tags: ["a", "b", "c", "d"].map(tag) })
      )
      expect(asked.slice(1)).toEqual(["PUT /v2/acme/app/manifests/d"])
    })
  )

  it.effect("keeps a sha512 digest under its tags", () =>
    Effect.gen(function* () {
      yield* seedConfig
      yield* push(sha512, ["v1"])
      const resolved = yield* resolve(yield* transport, byTag)
      expect(resolved.digest).toBe(sha512.digest)
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("refuses a registry that stored something else", () =>
    Effect.gen(function* () {
      const put = byMethod({ PUT: { status: 201, headers: { "docker-content-digest": zeros } } })
      const { outcome } = yield* against(put, (_) => putManifest(_, makeManifestState(), repository, image, { tag: tag("v1") }))
      expect(outcome).toEqual(fails("DigestMismatch"))
      const other = byMethod({ PUT: { status: 201, headers: { "docker-content-digest": sha512.digest } } })
      const accepted = yield* against(other, (_) => putManifest(_, makeManifestState(), repository, image, { tag: tag("v1") }))
      expect(Either.isRight(accepted.outcome)).toBe(true)
    })
  )

  const refusal = { status: 400, body: JSON.stringify({ errors: [{ code: "TAG_INVALID", message: "the tag is immutable" }] }) }

  it.effect("takes an immutable tag that stands for the manifest already as set", () =>
    Effect.gen(function* () {
      const same = byMethod({ PUT: refusal, HEAD: { status: 200, headers: manifestHeaders } })
      const { outcome } = yield* against(same, (_) => putManifest(_, makeManifestState(), repository, image, { tag: tag("v1") }))
      expect(Either.isRight(outcome)).toBe(true)
      const headers = { ...manifestHeaders, "docker-content-digest": zeros }
      const moved = byMethod({ PUT: refusal, HEAD: { status: 200, headers } })
      const refused = yield* against(moved, (_) => putManifest(_, makeManifestState(), repository, image, { tag: tag("v1") }))
      expect(refused.outcome).toEqual(fails("TagInvalid"))
    })
  )

  it.effect("says when content is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(push(image, ["v1"]))
      expect(error._tag).toBe("ManifestBlobUnknown")
    }).pipe(Effect.provide(Registries.layer()))
  )
})

describe("deleteManifest and deleteTag", () => {
  it.effect("deletes a tag and leaves the manifest with its other tags", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.seedManifest(repository.name, image.bytes, { tags: ["v1", "v2"] })
      yield* deleteTag(yield* transport, repository, tag("v1"))
      expect(yield* registry.tags(repository.name)).toEqual(["v2"])
      expect(yield* registry.manifests(repository.name)).toEqual([image.digest])
    }).pipe(Effect.provide(Registries.layer()))
  )

  it.effect("deletes a manifest with all its tags", () =>
    Effect.gen(function* () {
      const registry = yield* MemoryRegistry.MemoryRegistry
      yield* registry.seedManifest(repository.name, image.bytes, { tags: ["v1", "v2"] })
      yield* deleteManifest(yield* transport, makeManifestState(), repository, image.digest)
      expect(yield* registry.tags(repository.name)).toEqual([])
      expect(yield* registry.manifests(repository.name)).toEqual([])
    }).pipe(Effect.provide(Registries.layer()))
  )

  const body = (code: string) => JSON.stringify({ errors: [{ code, message: "no" }] })
  const refusals: ReadonlyArray<ScriptedHttp.Answer> = [
    { status: 405 },
    { status: 400 },
    { status: 405, body: body("UNSUPPORTED") },
    { status: 400, body: body("DIGEST_INVALID") }
  ]

  it.effect("never deletes the manifest in place of its tag", () =>
    Effect.gen(function* () {
      for (const DELETE of refusals) {
        const { asked, outcome } = yield* against(byMethod({ DELETE }), (_) => deleteTag(_, repository, tag("v1")))
        expect(outcome).toEqual(Either.left(expect.objectContaining({ _tag: "Unsupported", status: DELETE.status })))
        expect(asked).toEqual(["DELETE /v2/acme/app/manifests/v1"])
      }
    })
  )
})

// --- vectors ---

const HeadRow = Schema.Struct({
  name: Schema.String,
  input: Schema.Struct({
    status: Schema.Number,
    reference: Schema.optional(Schema.String),
    headers: Schema.Record({ key: Schema.String, value: Schema.String })
  }),
  expected: Schema.optional(Schema.Struct({ mediaType: Schema.String, size: Schema.Number, digest: Schema.String })),
  expectedError: Schema.optional(Schema.String)
})
type HeadRow = typeof HeadRow.Type

const headerOf = ({ input }: HeadRow, name: string) =>
  Object.entries(input.headers).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]
const lacks = (row: HeadRow, name: string) => (headerOf(row, name) ?? "") === ""
const digestless = (row: HeadRow) => !Digest.isDigest(headerOf(row, "Docker-Content-Digest"))
const saysNothing = (row: HeadRow) =>
  /^(?:|text\/.*|application\/json|.*\/octet-stream)$/.test(MediaType.essence(headerOf(row, "Content-Type") ?? ""))

const headDeviations: ReadonlyArray<Vectors.Deviation<HeadRow>> = [
  {
    name: "a digest need not be told to who asks by it",
    reason: "asked for by digest, type and length are all that is left to learn (field C11)",
    applies: (row) =>
      row.input.status === 200 &&
      row.input.reference !== undefined &&
      digestless(row) &&
      !saysNothing(row) &&
      Number(headerOf(row, "Content-Length")) > 0
  },
  {
    name: "a HEAD that tells too little is followed by a GET",
    reason: "registries omit or garble the headers of a HEAD (field C10, C11)",
    applies: (row) =>
      row.input.status === 200 &&
      row.input.reference === undefined &&
      (digestless(row) || saysNothing(row) || lacks(row, "Content-Length") || !(Number(headerOf(row, "Content-Length")) > 0))
  },
  {
    name: "a HEAD that is refused is followed by a GET",
    reason: "some registries do not allow the method (field C11)",
    applies: (row) => [400, 403, 405, 501].includes(row.input.status)
  },
  {
    name: "a media type has no parameters",
    reason: "they are to be ignored (distribution-spec, seeds-map E13)",
    applies: (row) => row.expected?.mediaType.includes(";") === true
  }
]

describe("head-manifest.json", () => {
  for (const row of Vectors.load("head-manifest", HeadRow)) {
    const deviation = Vectors.deviation(headDeviations, row)?.name
    it.effect(`${row.name}${deviation === undefined ? "" : ` (${deviation})`}`, () =>
      Effect.gen(function* () {
        const digest = row.input.reference
        const reference = digest === undefined ? byTag : byDigest(Schema.decodeSync(Digest.Digest)(digest))
        const get = { status: 200, headers: manifestHeaders, body: text }
        const script = byMethod({ HEAD: { status: row.input.status, headers: row.input.headers }, GET: get })
        const { asked, outcome } = yield* against(script, (_) => resolve(_, reference))
        switch (deviation) {
          case "a digest need not be told to who asks by it":
            expect(outcome).toEqual(Either.right(expect.objectContaining({ digest, size: Number(headerOf(row, "Content-Length")) })))
            expect(asked.length).toBe(1)
            break
          case "a HEAD that tells too little is followed by a GET":
          case "a HEAD that is refused is followed by a GET":
            expect(outcome).toEqual(digest === undefined ? Either.right(image.descriptor) : fails("DigestMismatch"))
            expect(asked.length).toBe(2)
            break
          case "a media type has no parameters":
            expect(outcome).toEqual(Either.right({ ...row.expected, mediaType: MediaType.essence(row.expected?.mediaType ?? "") }))
            break
          default:
            expect(row.expectedError === undefined ? outcome : Either.isLeft(outcome)).toEqual(
              row.expectedError === undefined ? Either.right(row.expected) : true
            )
        }
      })
    )
  }
})

const DigestRow = Schema.Struct({
  name: Schema.String,
  input: Schema.Struct({
    reference: Schema.String,
    body: Schema.String,
    dockerContentDigest: Schema.NullOr(Schema.String),
    contentType: Schema.NullOr(Schema.String)
  }),
  expectedError: Schema.optional(Schema.Boolean),
  expectedDigest: Schema.optional(Schema.String)
})
type DigestRow = typeof DigestRow.Type

const symbols: Readonly<Record<string, string>> = { "digest of the valid body": image.digest, "other digest": zeros }
const bodyOf = ({ input }: DigestRow) => (input.body === "valid" ? text : input.body)
const announcedIn = ({ input }: DigestRow) => symbols[input.dockerContentDigest ?? ""] ?? input.dockerContentDigest ?? undefined
const askedIn = ({ input }: DigestRow) =>
  input.reference === "tag" ? undefined : Schema.decodeSync(Digest.Digest)(symbols[input.reference] ?? input.reference)
const ownDigest = (row: DigestRow) => Digest.fromBytes(new TextEncoder().encode(bodyOf(row)))
const isSigned = ({ input }: DigestRow) => MediaType.essence(input.contentType ?? "") === MediaType.dockerManifestSchema1Signed

const digestDeviations: ReadonlyArray<Vectors.Deviation<DigestRow>> = [
  {
    name: "an announced digest is verified",
    reason: "a Docker-Content-Digest that is used must be verified (distribution-spec «Pulling manifests»); Go never uses it",
    applies: (row) =>
      askedIn(row) === undefined &&
      !MediaType.isSchema1(row.input.contentType ?? "") &&
      Digest.isDigest(announcedIn(row)) &&
      announcedIn(row) !== ownDigest(row)
  },
  {
    name: "a signed schema 1 manifest is named by what can be computed",
    reason: "its announced digest cannot be verified when the body has no readable signature (seeds-map E8)",
    applies: (row) =>
      isSigned(row) && askedIn(row) === undefined && row.expectedDigest !== undefined && row.expectedDigest !== ownDigest(row)
  },
  {
    name: "a signed schema 1 manifest asked for by digest is verified",
    reason: "Go compares the header with the reference and believes the body (seeds-map E8)",
    applies: (row) => isSigned(row) && askedIn(row) !== undefined && askedIn(row) !== ownDigest(row) && row.expectedError !== true
  }
]

describe("manifest-digest.json", () => {
  for (const row of Vectors.load("manifest-digest", DigestRow)) {
    const deviation = Vectors.deviation(digestDeviations, row)?.name
    it.effect(`${row.name}${deviation === undefined ? "" : ` (${deviation})`}`, () =>
      Effect.gen(function* () {
        const asked = askedIn(row)
        const announced = announcedIn(row)
        const headers = {
          ...(announced === undefined ? {} : { "docker-content-digest": announced }),
          ...(row.input.contentType === null ? {} : { "content-type": row.input.contentType })
        }
        const script = byMethod({ GET: { status: 200, headers, body: bodyOf(row) } })
        const { outcome } = yield* against(script, (_) => getManifest(_, asked === undefined ? byTag : byDigest(asked)))
        const name = Either.map(outcome, (manifest) => (manifest._tag === "Schema1Manifest" ? manifest.payloadDigest : manifest.digest))
        switch (deviation) {
          case "an announced digest is verified":
          case "a signed schema 1 manifest asked for by digest is verified":
            expect(outcome).toEqual(fails("DigestMismatch"))
            break
          case "a signed schema 1 manifest is named by what can be computed":
            expect(name).toEqual(Either.right(ownDigest(row)))
            break
          default:
            expect(Either.isLeft(outcome)).toBe(row.expectedError === true)
            if (row.expectedDigest !== undefined) expect(name).toEqual(Either.right(row.expectedDigest))
        }
      })
    )
  }
})
