/** What the ready-made layers fail with and require, with parts of one's own; `npm run check:types` is what runs this. */
import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import { describe, it } from "@effect/vitest"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import { Keychain, TokenCache } from "effect-oci"
import { FetchRegistry, NodeRegistry } from "effect-oci/node"
import { TestRegistry } from "effect-oci/testing"
import { expectTypeOf } from "vitest"

declare class Vault {
  readonly secrets: unknown
}
declare const ofVault: Layer.Layer<Keychain.Keychain, "sealed", Vault>

describe("the types of the ready-made layers", () => {
  it("without parts of one's own they need nothing", () => {
    const whole = () => [NodeRegistry.layerWith({}), FetchRegistry.layerWith({}), TestRegistry.layer({})] as const
    expectTypeOf<ReturnType<typeof whole>>().toEqualTypeOf<
      readonly [Layer.Layer<NodeRegistry.Registry>, Layer.Layer<FetchRegistry.Registry>, Layer.Layer<TestRegistry.TestRegistry>]
    >()
  })

  it("a keychain that reads a service, the configuration, or runs a helper", () => {
    const node = () => NodeRegistry.layerWith({ keychain: Keychain.layerFirst(ofVault, Keychain.layerGitHub, Keychain.layerEcr()) })
    expectTypeOf<ReturnType<typeof node>>().toEqualTypeOf<
      Layer.Layer<NodeRegistry.Registry, "sealed" | ConfigError.ConfigError, Vault | CommandExecutor.CommandExecutor>
    >()
    const fetch = () => FetchRegistry.layerWith({ keychain: ofVault })
    expectTypeOf<ReturnType<typeof fetch>>().toEqualTypeOf<Layer.Layer<FetchRegistry.Registry, "sealed", Vault>>()
    const test = () => TestRegistry.layer({ keychain: ofVault })
    expectTypeOf<ReturnType<typeof test>>().toEqualTypeOf<Layer.Layer<TestRegistry.TestRegistry, "sealed", Vault>>()
  })

  it("tokens in a store", () => {
    const node = () => NodeRegistry.layerWith({ tokenCache: TokenCache.layerKeyValueStore })
    expectTypeOf<ReturnType<typeof node>>().toEqualTypeOf<Layer.Layer<NodeRegistry.Registry, never, KeyValueStore.KeyValueStore>>()
  })
})
