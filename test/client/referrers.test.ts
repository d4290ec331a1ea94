import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { makeManifestState } from "../../src/client/internal/manifestState.ts"
import { type ReferrersOptions, referrers } from "../../src/client/internal/referrers.ts"
import type * as Descriptor from "../../src/model/Descriptor.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import {
  fallbackTag,
  image,
  listed,
  push,
  referrer,
  registries,
  registry,
  repository,
  requests,
  sbomType,
  signatureType,
  withoutApi
} from "../support/Referrers.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"

describe("referrers", () => {
  it.effect("come from the API, page by page and each once", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const manifests = Array.from({ length: 5 }, (_, n) => referrer(`${n}`))
      for (const manifest of manifests) yield* service.seedManifest(repository.name, manifest.bytes)
      const found = yield* listed()
      expect(found.map(({ digest }) => digest).sort()).toEqual(manifests.map(({ digest }) => digest).sort())
      expect(found[0]?.artifactType).toBe(sbomType)
      expect((yield* requests).length).toBe(3)
    }).pipe(Effect.provide(registries({}, { limits: { pageEntries: 2 } })))
  )

  it.effect("are filtered by the registry if it can, else here", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const [sbom, signature] = [referrer("a"), referrer("b", signatureType)]
      for (const manifest of [sbom, signature]) yield* service.seedManifest(repository.name, manifest.bytes)
      for (const referrersFilter of [true, false]) {
        yield* service.update((options) => ({ ...options, capabilities: { referrersFilter } }))
        yield* service.clearRequests
        expect((yield* listed({ artifactType: signatureType })).map(({ digest }) => digest)).toEqual([signature.digest])
        expect(yield* requests).toEqual([`GET referrers ${image.digest}?artifactType=application%2Fvnd.example.signature 200`])
      }
    }).pipe(Effect.provide(registries()))
  )

  const page = (descriptors: ReadonlyArray<Descriptor.Descriptor>, headers: Readonly<Record<string, string>> = {}) => ({
    status: 200,
    headers: { "content-type": MediaType.ociImageIndex, ...headers },
    body: new TextDecoder().decode(Manifest.imageIndex({ manifests: descriptors }).bytes)
  })

  const scripted = (script: ScriptedHttp.Script, options?: ReferrersOptions, settings: { readonly referrersFallback?: boolean } = {}) =>
    ScriptedHttp.against(
      script,
      (service) =>
        Effect.map(Stream.runCollect(referrers(service, makeManifestState(), repository, image.digest, options)), Chunk.toReadonlyArray),
      { settings: { "registry.test": settings } }
    )

  const api = `/v2/acme/app/referrers/${image.digest}`
  const tagPath = `/v2/acme/app/manifests/${fallbackTag}`
  const entry = Manifest.referrer(referrer("a"))
  const other = Manifest.referrer(referrer("b", signatureType))

  it.effect("are filtered on each page that was not filtered yet", () =>
    Effect.gen(function* () {
      const next = { link: `<${api}?last=1>; rel="next"` }
      const third = Manifest.referrer(referrer("c", signatureType))
      const pages: Readonly<Record<string, ScriptedHttp.Answer>> = {
        [`${api}?artifactType=${encodeURIComponent(sbomType)}`]: page([entry], {
          ...next,
          "OCI-Filters-Applied": "platform, artifactType"
        }),
        [`${api}?last=1`]: page([other, entry, third])
      }
      const { outcome } = yield* scripted(({ target }) => pages[target] ?? { status: 500 }, { artifactType: sbomType })
      expect(outcome).toEqual(Either.right([entry]))
    })
  )

  it.effect("may have parameters in their Content-Type", () =>
    Effect.gen(function* () {
      const answer = page([entry], { "content-type": `${MediaType.ociImageIndex}; charset=utf-8` })
      expect((yield* scripted(() => answer)).outcome).toEqual(Either.right([entry]))
    })
  )

  const missing: ReadonlyArray<ScriptedHttp.Answer> = [
    { status: 404 },
    { status: 400 },
    { status: 405 },
    { status: 406 },
    { status: 200, headers: { "content-type": "text/html" }, body: "<html>" }
  ]

  it.effect("come from the fall-back tag where there is no API", () =>
    Effect.gen(function* () {
      for (const answer of missing) {
        const { asked, outcome } = yield* scripted(({ target }) => (target === api ? answer : page([entry, other])))
        expect(outcome).toEqual(Either.right([entry, other]))
        expect(asked).toEqual([`GET ${api}`, `GET ${tagPath}`])
        const filtered = yield* scripted(({ target }) => (target === tagPath ? page([entry, other]) : answer), { artifactType: sbomType })
        expect(filtered.outcome).toEqual(Either.right([entry]))
      }
    })
  )

  it.effect("are none when the fall-back tag is missing or is no index", () =>
    Effect.gen(function* () {
      const none: ReadonlyArray<ScriptedHttp.Answer> = [
        { status: 404 },
        { status: 200, headers: { "content-type": image.mediaType }, body: new TextDecoder().decode(image.bytes) },
        { status: 200, headers: { "content-type": "text/html" }, body: "<html>" },
        { status: 200, headers: { "content-type": MediaType.ociImageIndex }, body: "[]" }
      ]
      for (const answer of none) {
        const { outcome } = yield* scripted(({ target }) => (target === tagPath ? answer : { status: 404 }))
        expect(outcome).toEqual(Either.right([]))
      }
    })
  )

  it.effect("are Unsupported where the fall-back is switched off", () =>
    Effect.gen(function* () {
      for (const answer of missing) {
        const { asked, outcome } = yield* scripted(() => answer, {}, { referrersFallback: false })
        expect(outcome).toEqual(Either.left(expect.objectContaining({ _tag: "Unsupported", status: answer.status })))
        expect(asked).toEqual([`GET ${api}`])
      }
    })
  )

  it.effect("fail when access does", () =>
    Effect.gen(function* () {
      for (const [status, tagged] of [
        [401, "Unauthorized"],
        [403, "Denied"]
      ] as const) {
        const { asked, outcome } = yield* scripted(() => ({ status }))
        expect(outcome).toEqual(Either.left(expect.objectContaining({ _tag: tagged })))
        expect(asked.length).toBe(1)
      }
    })
  )

  it.effect("remember for an hour that there is no API", () =>
    Effect.gen(function* () {
      yield* registry
      const state = makeManifestState()
      yield* push(referrer("a"), state)
      const service = yield* MemoryRegistry.MemoryRegistry
      yield* service.clearRequests
      yield* listed({}, state)
      expect(yield* requests).toEqual([`GET manifests ${fallbackTag} 200`])
      yield* service.update((options) => ({ ...options, capabilities: {} }))
      yield* TestClock.adjust("1 hour")
      yield* service.clearRequests
      expect((yield* listed({}, state)).length).toBe(1)
      expect(yield* requests).toEqual([`GET referrers ${image.digest} 200`])
    }).pipe(Effect.provide(withoutApi))
  )
})
