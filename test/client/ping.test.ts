import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as Registries from "../support/Registries.ts"
import * as ScriptedHttp from "../support/ScriptedHttp.ts"
import { load } from "../vectors/Vectors.ts"

const header = "Docker-Distribution-Api-Version"

const Row = Schema.Struct({
  input: Schema.Struct({ [header]: Schema.NullOr(Schema.String) }),
  expectedAtlasVerify: Schema.String,
  expectedBalenaFoundV2: Schema.Boolean
})

describe("ping", () => {
  // Both seeds refuse registries by this header; the distribution-spec says not to depend on it («Legacy Docker support HTTP headers»), so
  // every row is a registry here, and what it said is told.
  describe("api-version-header.json: the header decides nothing", () => {
    for (const [index, { input }] of load("api-version-header", Row).entries()) {
      it.effect(`row ${index}: ${JSON.stringify(input)}`, () => {
        const version = input[header]
        const script = ScriptedHttp.make(() => ({ status: 200, headers: version === null ? {} : { [header]: version } }))
        return Effect.gen(function* () {
          const client = yield* RegistryClient.RegistryClient
          const answer = yield* client.ping("registry.test")
          expect(answer.status).toBe(200)
          expect(answer.apiVersion).toBe(version ?? undefined)
        }).pipe(Effect.provide(Layer.provide(RegistryClient.layer, Registries.layerOver(script.layer))))
      })
    }
  })

  it.effect("a host that knows no such path is no registry", () => {
    const script = ScriptedHttp.make(() => ({ status: 404, body: "<html>not here</html>" }))
    return Effect.gen(function* () {
      const client = yield* RegistryClient.RegistryClient
      expect(yield* Effect.flip(client.ping("registry.test"))).toMatchObject({ _tag: "Unsupported", status: 404 })
    }).pipe(Effect.provide(Layer.provide(RegistryClient.layer, Registries.layerOver(script.layer))))
  })
})
