import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
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
      expect(script.received.length).toBe(1)
    }).pipe(Effect.provide(Layer.provide(RegistryClient.layer, Registries.layerOver(script.layer))))
  })

  it.effect("asks once each time, and hears what the first answer says about the rate limit", () => {
    const script = ScriptedHttp.make((_, index) => ({
      status: 200,
      headers: { "ratelimit-limit": "100;w=60", "ratelimit-remaining": String(90 - index) }
    }))
    const remaining = Effect.gen(function* () {
      const client = yield* RegistryClient.RegistryClient
      const transport = yield* RegistryTransport.RegistryTransport
      yield* client.ping("registry.test")
      return Option.map(yield* transport.rateLimit("registry.test"), (limit) => limit.remaining)
    })
    return Effect.gen(function* () {
      expect(yield* remaining).toEqual(Option.some(90))
      expect(yield* remaining).toEqual(Option.some(89))
      expect(script.received.length).toBe(2)
    }).pipe(Effect.provide(Layer.provideMerge(RegistryClient.layer, Registries.layerOver(script.layer))))
  })
})
