import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { deleteManifest, deleteTag } from "../../src/client/internal/deleteManifest.ts"
import { makeManifestState } from "../../src/client/internal/manifestState.ts"
import { getManifest, resolve } from "../../src/client/internal/manifests.ts"
import { putManifest } from "../../src/client/internal/putManifest.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import type * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import { byTag, fails, image, manifestHeaders, repository, sha512, tag, text, zeros } from "./manifestSamples.ts"

const transport = RegistryTransport.RegistryTransport

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
      const { asked } = yield* ScriptedHttp.against(script, (_) =>
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
      const put = ScriptedHttp.byMethod({ PUT: { status: 201, headers: { "docker-content-digest": zeros } } })
      const { outcome } = yield* ScriptedHttp.against(put, (_) =>
        putManifest(_, makeManifestState(), repository, image, { tag: tag("v1") })
      )
      expect(outcome).toEqual(fails("DigestMismatch"))
      const other = ScriptedHttp.byMethod({ PUT: { status: 201, headers: { "docker-content-digest": sha512.digest } } })
      const accepted = yield* ScriptedHttp.against(other, (_) => putManifest(_, makeManifestState(), repository, image, { tag: tag("v1") }))
      expect(Either.isRight(accepted.outcome)).toBe(true)
    })
  )

  const refusal = { status: 400, body: JSON.stringify({ errors: [{ code: "TAG_INVALID", message: "the tag is immutable" }] }) }

  it.effect("takes an immutable tag that stands for the manifest already as set", () =>
    Effect.gen(function* () {
      const same = ScriptedHttp.byMethod({ PUT: refusal, HEAD: { status: 200, headers: manifestHeaders } })
      const { outcome } = yield* ScriptedHttp.against(same, (_) =>
        putManifest(_, makeManifestState(), repository, image, { tag: tag("v1") })
      )
      expect(Either.isRight(outcome)).toBe(true)
      const headers = { ...manifestHeaders, "docker-content-digest": zeros }
      const moved = ScriptedHttp.byMethod({ PUT: refusal, HEAD: { status: 200, headers } })
      const refused = yield* ScriptedHttp.against(moved, (_) => putManifest(_, makeManifestState(), repository, image, { tag: tag("v1") }))
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
        const { asked, outcome } = yield* ScriptedHttp.against(ScriptedHttp.byMethod({ DELETE }), (_) =>
          deleteTag(_, repository, tag("v1"))
        )
        expect(outcome).toEqual(Either.left(expect.objectContaining({ _tag: "Unsupported", status: DELETE.status })))
        expect(asked).toEqual(["DELETE /v2/acme/app/manifests/v1"])
        const { message } = Either.getOrThrowWith(Either.flip(outcome), () => new Error("the tag was deleted"))
        expect(message).toMatch(/\. The registry takes no tag away by itself: deleting the manifest takes all of its tags$/)
      }
    })
  )
})
