import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { type DeleteManifestOptions, deleteManifest } from "../../src/client/internal/deleteManifest.ts"
import { type ManifestState, makeManifestState } from "../../src/client/internal/manifestState.ts"
import { type PutManifestOptions, putManifest } from "../../src/client/internal/putManifest.ts"
import { type ReferrersOptions, referrers } from "../../src/client/internal/referrers.ts"
import * as Descriptor from "../../src/model/Descriptor.ts"
import type * as Digest from "../../src/model/Digest.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Reference from "../../src/model/Reference.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import type * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"

const repository = Effect.runSync(Reference.parseRepository("registry.test/acme/app"))
const image = Manifest.artifact({ artifactType: "application/vnd.example.image" })
const subject = image.descriptor
const fallbackTag = Reference.referrersTag(image.digest)
const transport = RegistryTransport.RegistryTransport

const sbomType = "application/vnd.example.sbom+json"
const signatureType = "application/vnd.example.signature"

const referrer = (name: string, artifactType = sbomType, of = subject) =>
  Manifest.artifact({ artifactType, subject: of, annotations: { name } })

const registry = Effect.flatMap(MemoryRegistry.MemoryRegistry, (service) =>
  Effect.as(Effect.zipRight(service.seedBlob(repository.name, Descriptor.emptyBytes()), service.clearRequests), service)
)

const push = (manifest: Manifest.Manifest, state: ManifestState = makeManifestState(), options?: PutManifestOptions) =>
  Effect.flatMap(transport, (service) => putManifest(service, state, repository, manifest, options))

const remove = (digest: Digest.Digest, state: ManifestState = makeManifestState(), options?: DeleteManifestOptions) =>
  Effect.flatMap(transport, (service) => deleteManifest(service, state, repository, digest, options))

const listed = (options?: ReferrersOptions, state: ManifestState = makeManifestState(), digest: Digest.Digest = image.digest) =>
  Effect.flatMap(transport, (service) =>
    Effect.map(Stream.runCollect(referrers(service, state, repository, digest, options)), Chunk.toReadonlyArray)
  )

const requests = Effect.flatMap(MemoryRegistry.MemoryRegistry, (service) =>
  Effect.map(service.requests, (all) =>
    all
      .filter(({ endpoint }) => endpoint !== "base")
      .map(({ method, path, query, status }) => `${method} ${path.replace(/^.*\/(manifests|referrers)\//, "$1 ")}${query} ${status}`)
  )
)

const registries = (capabilities: Partial<RegistryOptions.Capabilities> = {}, options: RegistryOptions.Options = {}) =>
  Registries.layer({ hosts: { "registry.test": { ...options, capabilities } } })

const withoutApi = registries({ referrers: false })
const withoutConditions = registries({ referrers: false, conditional: false })

/** What the fall-back tag holds. */
const index = Effect.flatMap(MemoryRegistry.MemoryRegistry, (service) =>
  Effect.flatMap(service.manifest(repository.name, fallbackTag), (found) =>
    Effect.map(
      Effect.flatMap(found, ({ bytes }) => Manifest.decode(bytes)),
      (manifest) => (manifest._tag === "ImageIndex" ? manifest.manifests : [])
    )
  )
)

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

  const scripted = (script: ScriptedHttp.Script, options?: ReferrersOptions, settings: { readonly referrersFallback?: boolean } = {}) => {
    const { layer, received } = ScriptedHttp.make((request, position) =>
      request.target === "/v2/" ? { status: 200 } : script(request, position)
    )
    return Effect.either(listed(options)).pipe(
      Effect.map((outcome) => ({ outcome, asked: ScriptedHttp.lines(received) })),
      Effect.provide(Registries.layerOver(layer, { settings: { "registry.test": settings } }))
    )
  }

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

describe("pushing a referrer", () => {
  it.effect("verifies once that the registry lists referrers", () =>
    Effect.gen(function* () {
      yield* registry
      const state = makeManifestState()
      const [first, second] = [referrer("a"), referrer("b")]
      expect((yield* push(first, state)).referrers).toBe("registry")
      expect((yield* push(second, state)).referrers).toBe("registry")
      expect(yield* requests).toEqual([
        `PUT manifests ${first.digest} 201`,
        `GET referrers ${image.digest} 200`,
        `PUT manifests ${second.digest} 201`
      ])
    }).pipe(Effect.provide(registries()))
  )

  it.effect("enters it under the fall-back tag, with artifact type and annotations, once", () =>
    Effect.gen(function* () {
      yield* registry
      const manifests = [referrer("a"), referrer("b", signatureType), referrer("a")]
      for (const manifest of manifests) expect((yield* push(manifest)).referrers).toBe("fallback")
      expect(yield* index).toEqual(manifests.slice(0, 2).map(Manifest.referrer))
      expect((yield* index)[0]).toMatchObject({ artifactType: sbomType, annotations: { name: "a" } })
      expect(yield* listed()).toEqual(yield* index)
    }).pipe(Effect.provide(withoutApi))
  )

  it.effect("does not believe OCI-Subject without the API", () =>
    Effect.gen(function* () {
      yield* registry
      expect((yield* push(referrer("a"))).referrers).toBe("fallback")
      expect((yield* index).length).toBe(1)
    }).pipe(
      Effect.provide(
        registries(
          { referrers: false },
          {
            adjustments: [
              {
                name: "claims to list referrers",
                after: ({ method }, endpoint, response) =>
                  method === "PUT" && endpoint === "manifest"
                    ? { ...response, headers: { ...response.headers, "OCI-Subject": image.digest } }
                    : response
              }
            ]
          }
        )
      )
    )
  )

  it.effect("keeps what else is in the index", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const strange = { ...Manifest.referrer(referrer("old")), "com.example": 1 }
      const old = { schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: [strange], annotations: { kept: "yes" } }
      yield* service.seedManifest(repository.name, old, { tags: [fallbackTag] })
      yield* service.seedManifest(repository.name, referrer("old").bytes)
      yield* push(referrer("new"))
      const stored = yield* Effect.flatten(service.manifest(repository.name, fallbackTag))
      expect(JSON.parse(new TextDecoder().decode(stored.bytes))).toEqual({
        ...old,
        manifests: [strange, Manifest.referrer(referrer("new"))]
      })
    }).pipe(Effect.provide(withoutApi))
  )

  it.effect("leaves alone what is no index", () =>
    Effect.gen(function* () {
      const service = yield* registry
      yield* service.seedManifest(repository.name, image.bytes, { tags: [fallbackTag] })
      const error = yield* Effect.flip(push(referrer("a")))
      expect(error._tag).toBe("MediaTypeMismatch")
      expect(Option.map(yield* service.manifest(repository.name, fallbackTag), ({ bytes }) => bytes)).toEqual(Option.some(image.bytes))
    }).pipe(Effect.provide(withoutApi))
  )

  it.effect("writes nothing where the fall-back is switched off or skipped", () =>
    Effect.gen(function* () {
      yield* registry
      expect((yield* push(referrer("a"), makeManifestState(), { referrers: "skip" })).referrers).toBe("unlisted")
      expect(yield* requests).toEqual([`PUT manifests ${referrer("a").digest} 201`])
      const service = yield* MemoryRegistry.MemoryRegistry
      expect(yield* service.tags(repository.name)).toEqual([])
    }).pipe(Effect.provide(withoutApi))
  )

  it.effect("is unlisted where the fall-back is switched off", () =>
    Effect.gen(function* () {
      const service = yield* registry
      expect((yield* push(referrer("a"))).referrers).toBe("unlisted")
      expect(yield* service.tags(repository.name)).toEqual([])
    }).pipe(
      Effect.provide(
        Registries.layer({
          hosts: { "registry.test": { capabilities: { referrers: false } } },
          settings: { "registry.test": { referrersFallback: false } }
        })
      )
    )
  )

  it.effect("goes by the cut tag for a sha512 subject", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const long = Manifest.artifact({ artifactType: "application/vnd.example.image", algorithm: "sha512" })
      const manifest = referrer("a", sbomType, long.descriptor)
      yield* push(manifest)
      expect(yield* service.tags(repository.name)).toEqual([`sha512-${long.digest.slice(7, 7 + 64)}`])
      expect((yield* listed({}, makeManifestState(), long.digest)).map(({ digest }) => digest)).toEqual([manifest.digest])
    }).pipe(Effect.provide(withoutApi))
  )
})

describe("writers of one fall-back index", () => {
  it.effect("lose nothing in one process, whatever the registry", () =>
    Effect.gen(function* () {
      yield* registry
      const state = makeManifestState()
      const manifests = Array.from({ length: 20 }, (_, n) => referrer(`${n}`))
      yield* Effect.forEach(manifests, (manifest) => push(manifest, state), { concurrency: "unbounded" })
      expect((yield* index).map(({ digest }) => digest).sort()).toEqual(manifests.map(({ digest }) => digest).sort())
      expect(state.locks.size).toBe(0)
    }).pipe(Effect.provide(withoutConditions))
  )

  it.effect("lose nothing racing 100 times from two processes, where ETags are kept", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const states = [makeManifestState(), makeManifestState()]
      const race = (round: number) =>
        Effect.forEach(states, (state, writer) => push(referrer(`${writer} in ${round}`), state), { concurrency: "unbounded" })
      yield* ScriptedHttp.whileTimePasses(
        Effect.forEach(
          Array.from({ length: 100 }, (_, round) => round),
          race,
          { discard: true }
        ),
        "100 millis"
      )
      expect(new Set((yield* index).map(({ digest }) => digest)).size).toBe(200)
      expect((yield* index).length).toBe(200)
      const refused = (yield* service.requests).filter(({ status }) => status === 412)
      expect(refused.length).toBeGreaterThan(0)
    }).pipe(Effect.provide(withoutApi))
  )

  it.effect("look again where conditions are not kept, and enter what got lost", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const rival = Manifest.imageIndex({ manifests: [Manifest.referrer(referrer("rival"))] })
      yield* service.seedManifest(repository.name, referrer("rival").bytes)
      const first = yield* Effect.fork(push(referrer("a")))
      // The rival overwrites the first index that is written.
      while (!(yield* service.tags(repository.name)).includes(fallbackTag)) yield* Effect.yieldNow()
      yield* service.seedManifest(repository.name, rival.bytes, { tags: [fallbackTag] })
      yield* ScriptedHttp.whileTimePasses(first)
      expect((yield* index).map(({ annotations }) => annotations?.["name"])).toEqual(["rival", "a"])
    }).pipe(Effect.provide(withoutConditions))
  )

  it.effect("give up on a tag that never holds what was written", () =>
    Effect.gen(function* () {
      yield* registry
      const error = yield* ScriptedHttp.whileTimePasses(Effect.flip(push(referrer("a"))))
      expect(error._tag).toBe("UnknownRegistryError")
    }).pipe(
      Effect.provide(
        registries(
          { referrers: false },
          {
            adjustments: [
              {
                name: "refuses every write to the index",
                before: ({ method, path }) =>
                  method === "PUT" && path.endsWith(fallbackTag)
                    ? Option.some({ status: 412, headers: {}, body: new Uint8Array(0) })
                    : Option.none()
              }
            ]
          }
        )
      )
    )
  )
})

describe("deleting a referrer", () => {
  it.effect("takes it out of the index, and the index away with its last entry", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const [first, second] = [referrer("a"), referrer("b")]
      yield* push(first)
      yield* push(second)
      yield* remove(first.digest)
      expect(yield* index).toEqual([Manifest.referrer(second)])
      yield* remove(second.digest)
      expect(yield* service.tags(repository.name)).toEqual([])
    }).pipe(Effect.provide(withoutApi))
  )

  it.effect("leaves an empty index where manifests cannot be deleted by then", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const first = referrer("a")
      yield* push(first)
      yield* service.update((options) => ({
        ...options,
        adjustments: [
          {
            name: "deletes images only",
            before: ({ method, path }) =>
              method === "DELETE" && !path.endsWith(first.digest)
                ? Option.some({ status: 405, headers: {}, body: new Uint8Array(0) })
                : Option.none()
          }
        ]
      }))
      yield* remove(first.digest)
      expect(yield* service.tags(repository.name)).toEqual([fallbackTag])
      expect(yield* index).toEqual([])
    }).pipe(Effect.provide(withoutApi))
  )

  it.effect("looks at nothing where the registry lists referrers", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const state = makeManifestState()
      const first = referrer("a")
      yield* push(first, state)
      yield* service.clearRequests
      yield* remove(first.digest, state)
      expect(yield* requests).toEqual([`DELETE manifests ${first.digest} 202`])
    }).pipe(Effect.provide(registries()))
  )

  it.effect("needs no look at a manifest whose subject is known", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const state = makeManifestState()
      const first = referrer("a")
      yield* push(first, state)
      yield* service.clearRequests
      yield* remove(first.digest, state, { subject: image.digest })
      expect((yield* requests).slice(0, 2)).toEqual([`DELETE manifests ${first.digest} 202`, `GET manifests ${fallbackTag} 200`])
      expect(yield* service.tags(repository.name)).toEqual([])
      const plain = yield* service.seedManifest(repository.name, image.bytes)
      yield* service.clearRequests
      yield* remove(plain.digest, state, { subject: "none" })
      expect(yield* requests).toEqual([`DELETE manifests ${plain.digest} 202`])
    }).pipe(Effect.provide(withoutApi))
  )

  it.effect("deletes what cannot be read", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const broken = yield* service.seedManifest(repository.name, `{"mediaType":"${image.mediaType}"}`)
      yield* remove(broken.digest)
      expect(yield* service.manifests(repository.name)).toEqual([])
      expect((yield* Effect.flip(remove(broken.digest)))._tag).toBe("ManifestUnknown")
    }).pipe(Effect.provide(withoutApi))
  )
})
