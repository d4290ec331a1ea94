import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { getManifest, manifestExists, resolve } from "../../src/client/internal/manifests.ts"
import * as Digest from "../../src/model/Digest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import { byDigest, byTag, fails, image, manifestHeaders, repository, sha512, tag, text, zeros } from "./manifestSamples.ts"

const transport = RegistryTransport.RegistryTransport

describe("resolve", () => {
  it.effect("asks with one HEAD that accepts every manifest type", () =>
    Effect.gen(function* () {
      const { asked, outcome, received } = yield* ScriptedHttp.against(
        ScriptedHttp.byMethod({ HEAD: { status: 200, headers: manifestHeaders } }),
        (_) => resolve(_, byTag)
      )
      expect(outcome).toEqual(Either.right(image.descriptor))
      expect(asked).toEqual(["HEAD /v2/acme/app/manifests/v1"])
      expect(received.at(-1)?.headers["accept"]).toBe(MediaType.acceptManifestHeader)
    })
  )

  it.effect("asks by digest when the reference has both", () =>
    Effect.gen(function* () {
      const reference = Reference.withDigest(byTag, image.digest)
      const { asked, outcome } = yield* ScriptedHttp.against(
        ScriptedHttp.byMethod({ HEAD: { status: 200, headers: manifestHeaders } }),
        (_) => resolve(_, reference)
      )
      expect(outcome).toEqual(Either.right(image.descriptor))
      expect(asked).toEqual([`HEAD /v2/acme/app/manifests/${image.digest}`])
    })
  )

  it.effect("offers only the types it is told", () =>
    Effect.gen(function* () {
      const accept = [MediaType.ociImageIndex, MediaType.ociImageManifest]
      const { received } = yield* ScriptedHttp.against(ScriptedHttp.byMethod({ HEAD: { status: 200, headers: manifestHeaders } }), (_) =>
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
      const { asked, outcome } = yield* ScriptedHttp.against(ScriptedHttp.byMethod({ HEAD: head, GET: get }), (_) => resolve(_, byTag))
      expect(outcome).toEqual(Either.right(image.descriptor))
      expect(asked).toEqual(["HEAD /v2/acme/app/manifests/v1", "GET /v2/acme/app/manifests/v1"])
    })
  )

  it.effect("tells what the GET was refused with", () =>
    Effect.gen(function* () {
      const body = JSON.stringify({ errors: [{ code: "DENIED", message: "not for you" }] })
      const { outcome } = yield* ScriptedHttp.against(ScriptedHttp.byMethod({ HEAD: { status: 403 }, GET: { status: 403, body } }), (_) =>
        resolve(_, byTag)
      )
      expect(outcome).toEqual(Either.left(expect.objectContaining({ _tag: "Denied", operation: "resolve", method: "GET" })))
    })
  )

  it.effect("needs no digest header for what is asked for by digest, nor one of its algorithm", () =>
    Effect.gen(function* () {
      const headers = [without("docker-content-digest"), { ...manifestHeaders, "docker-content-digest": sha512.digest }]
      for (const answer of headers) {
        const { asked, outcome } = yield* ScriptedHttp.against(ScriptedHttp.byMethod({ HEAD: { status: 200, headers: answer } }), (_) =>
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
  ) => ScriptedHttp.against(ScriptedHttp.byMethod({ GET: { status: 200, headers, body } }), (_) => getManifest(_, reference, options))

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
      const { asked, outcome } = yield* ScriptedHttp.against(ScriptedHttp.byMethod({ HEAD: { status } }), (_) => manifestExists(_, byTag))
      expect(outcome).toEqual(Either.right(exists))
      expect(asked).toEqual(["HEAD /v2/acme/app/manifests/v1"])
    })
  )

  it.effect("asks a registry without HEAD for the manifest", () =>
    Effect.gen(function* () {
      const { outcome } = yield* ScriptedHttp.against(
        ScriptedHttp.byMethod({ HEAD: { status: 405 }, GET: { status: 200, body: text } }),
        (_) => manifestExists(_, byTag)
      )
      expect(outcome).toEqual(Either.right(true))
    })
  )

  it.effect("does not take a lack of credentials for an answer", () =>
    Effect.gen(function* () {
      const { outcome } = yield* ScriptedHttp.against(ScriptedHttp.byMethod({ HEAD: { status: 401 } }), (_) => manifestExists(_, byTag))
      expect(outcome).toEqual(fails("Unauthorized"))
    })
  )
})
