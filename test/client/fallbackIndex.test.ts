import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import { learnReferrersApi, makeManifestState } from "../../src/client/internal/manifestState.ts"
import * as Manifest from "../../src/model/Manifest.ts"
import * as MediaType from "../../src/model/MediaType.ts"
import * as Fault from "../../src/testing/Fault.ts"
import * as FaultyHttp from "../../src/testing/FaultyHttp.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import type * as RegistryOptions from "../../src/testing/RegistryOptions.ts"
import {
  fallbackTag,
  image,
  index,
  listed,
  push,
  referrer,
  registries,
  registry,
  remove,
  repository,
  requests,
  sbomType,
  signatureType,
  withoutApi,
  withoutConditions
} from "../support/Referrers.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"

/** The API answers always the same. */
const apiAnswers = (status: number, body = ""): RegistryOptions.Adjustment => ({
  name: "the same for every subject",
  before: ({ path }) =>
    path.includes("/referrers/")
      ? Option.some({ status, headers: { "Content-Type": MediaType.ociImageIndex }, body: new TextEncoder().encode(body) })
      : Option.none()
})

/** Does not say by `OCI-Subject` that it lists referrers. */
const silent: RegistryOptions.Adjustment = {
  name: "no OCI-Subject",
  after: (_request, _endpoint, response) => {
    const { "OCI-Subject": _, ...headers } = response.headers
    return { ...response, headers }
  }
}

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

  for (const status of [403, 429, 500]) {
    it.effect(`believes OCI-Subject where the API answers ${status}, and learns nothing`, () =>
      Effect.gen(function* () {
        const service = yield* registry
        const state = makeManifestState()
        expect((yield* ScriptedHttp.whileTimePasses(push(referrer("a"), state))).referrers).toBe("registry")
        expect(yield* service.tags(repository.name)).toEqual([])
        expect(state.referrersApi.size).toBe(0)
      }).pipe(Effect.provide(registries({}, { adjustments: [apiAnswers(status)] })))
    )
  }

  it.effect("believes a registry without OCI-Subject if its list says so, on whichever page", () =>
    Effect.gen(function* () {
      const service = yield* registry
      for (const pageEntries of [100, 1]) {
        yield* service.update((options) => ({ ...options, limits: { pageEntries } }))
        const state = makeManifestState()
        for (const name of ["a", "b", "c"]) expect((yield* push(referrer(`${name} of ${pageEntries}`), state)).referrers).toBe("registry")
        expect(state.referrersApi.get("registry.test")?.supported).toBe(true)
      }
      expect(yield* service.tags(repository.name)).toEqual([])
    }).pipe(Effect.provide(registries({}, { adjustments: [silent] })))
  )

  const emptyIndex = new TextDecoder().decode(Manifest.imageIndex({ manifests: [] }).bytes)

  for (const [name, body] of [
    ["an empty index", emptyIndex],
    ["no JSON", "<html>"],
    ["no index", "{}"]
  ] as const) {
    it.effect(`without OCI-Subject, and with ${name} at the API, enters it under the fall-back tag and learns nothing`, () =>
      Effect.gen(function* () {
        yield* registry
        const state = makeManifestState()
        // What was learned from a list that was read does not count either.
        for (const known of [false, true]) {
          if (known) yield* learnReferrersApi(state, "registry.test", true)
          expect((yield* push(referrer(`${known}`), state)).referrers).toBe("fallback")
          expect(state.referrersApi.size).toBe(known ? 1 : 0)
        }
        expect((yield* index).length).toBe(2)
      }).pipe(Effect.provide(registries({}, { adjustments: [silent, apiAnswers(200, body)] })))
    )
  }

  it.effect("without OCI-Subject, fails where the API does", () =>
    Effect.gen(function* () {
      yield* registry
      expect((yield* Effect.flip(push(referrer("a"))))._tag).toBe("Denied")
    }).pipe(Effect.provide(registries({}, { adjustments: [silent, apiAnswers(403)] })))
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

describe("a fall-back index", () => {
  it.effect("refuses to be written again with what it must not have", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const old = { schemaVersion: 2, mediaType: MediaType.ociImageIndex, manifests: [], artifactType: "not a type" }
      yield* service.seedManifest(repository.name, old, { tags: [fallbackTag] })
      expect((yield* Effect.flip(push(referrer("a"))))._tag).toBe("MalformedContent")
    }).pipe(Effect.provide(withoutApi))
  )

  const Step = fc.record({ adds: fc.boolean(), name: fc.constantFrom("a", "b", "c"), conditions: fc.boolean() })

  it.effect.prop(
    "holds what was pushed and not deleted, whatever was done in between",
    [fc.array(Step, { maxLength: 8 })],
    ([steps]) =>
      Effect.gen(function* () {
        const service = yield* registry
        const state = makeManifestState()
        const model = new Set<string>()
        for (const { adds, conditions, name } of steps) {
          yield* service.update((options) => ({ ...options, capabilities: { referrers: false, conditional: conditions } }))
          yield* adds ? push(referrer(name), state) : Effect.either(remove(referrer(name).digest, state))
          if (adds) model.add(referrer(name).digest)
          else model.delete(referrer(name).digest)
          expect(new Set((yield* listed({}, state)).map(({ digest }) => digest))).toEqual(model)
        }
      }).pipe(Effect.provide(withoutApi)),
    { fastCheck: { numRuns: 20 }, timeout: 120_000 }
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

  it.effect(
    "lose nothing racing 100 times from two processes, where ETags are kept",
    () =>
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
      }).pipe(Effect.provide(withoutApi)),
    120_000
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

  it.effect("takes it out of an index that somebody writes while the last one is deleted", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const faults = yield* FaultyHttp.FaultyHttp
      const [first, rival] = [referrer("a"), referrer("rival")]
      yield* push(first)
      const both = Manifest.imageIndex({ manifests: [first, rival].map(Manifest.referrer) })
      const write = Effect.orDie(service.seedManifest(repository.name, both.bytes, { tags: [fallbackTag] }))
      const between = Fault.custom("writes between", (exchange) => Effect.zipRight(write, exchange.execute(exchange.request)))
      yield* service.seedManifest(repository.name, rival.bytes)
      // The first to be deleted is the referrer itself.
      yield* faults.setRules([{ match: { method: "DELETE", skip: 1, count: 1 }, fault: between }])
      yield* ScriptedHttp.whileTimePasses(remove(first.digest))
      expect(yield* index).toEqual([Manifest.referrer(rival)])
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

  it.effect("corrects the index after a deletion that stopped half-way, when it knows the subject", () =>
    Effect.gen(function* () {
      const service = yield* registry
      const first = referrer("a")
      yield* push(first)
      yield* push(referrer("b"))
      yield* remove(first.digest, makeManifestState(), { referrers: "skip" })
      expect((yield* index).length).toBe(2)
      expect((yield* Effect.flip(remove(first.digest, makeManifestState(), { subject: image.digest })))._tag).toBe("ManifestUnknown")
      expect(yield* index).toEqual([Manifest.referrer(referrer("b"))])
      expect(yield* service.tags(repository.name)).toEqual([fallbackTag])
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
