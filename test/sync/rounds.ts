/** Rounds of rules between two registries in memory. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as RegistryClient from "../../src/client/RegistryClient.ts"
import * as SyncConfig from "../../src/sync/SyncConfig.ts"
import * as SyncPlan from "../../src/sync/SyncPlan.ts"
import * as SyncState from "../../src/sync/SyncState.ts"
import * as SyncWorker from "../../src/sync/SyncWorker.ts"
import * as MemoryRegistry from "../../src/testing/MemoryRegistry.ts"
import * as Registries from "../support/Registries.ts"

export const hosts = { "source.test": {}, "target.test": {} }

export const layer = (options: Registries.Options = {}) =>
  Layer.merge(SyncState.layerMemory, Layer.provideMerge(RegistryClient.layer, Registries.layer({ hosts, ...options })))

export const at = (host: string) => Effect.map(MemoryRegistry.MemoryRegistry, (registry) => registry.at(host))

export const seed = (tag: string, options: { readonly seed?: number; readonly repository?: string } = {}) =>
  Effect.flatMap(at("source.test"), (registry) => registry.seedImage(options.repository ?? "acme/app", { tag, seed: options.seed ?? 0 }))

/** A rule from the one repository to the other, with more said of it. */
export const ruleOf = (more: Partial<SyncConfig.Encoded["rules"][0]> = {}): SyncConfig.Encoded["rules"][0] => ({
  name: "app",
  source: "source.test/acme/app",
  targets: ["target.test/mirror/app"],
  ...more
})

export const configOf = (...rules: SyncConfig.Encoded["rules"]): SyncConfig.SyncConfig => Either.getOrThrow(SyncConfig.make({ rules }))

export const plan = (rule: SyncConfig.Encoded["rules"][0]) =>
  Effect.map(Stream.runCollect(SyncPlan.make(configOf(rule).rules[0])), (actions) => Array.from(actions))

/** One round of one rule. */
export const round = (rule: SyncConfig.Encoded["rules"][0], options?: SyncWorker.Options) =>
  Effect.gen(function* () {
    const worker = yield* SyncWorker.make(configOf(rule), options)
    const [first] = yield* worker.round()
    return first ?? (yield* Effect.dieMessage("there was no round"))
  }).pipe(Effect.scoped)

export const tags = (host: string, repository: string) => Effect.flatMap(at(host), (registry) => registry.tags(repository))

/** What a host is asked meanwhile. */
export const asked = <A, E, R>(host: string, effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const registry = yield* at(host)
    const before = yield* registry.requestCounts
    yield* effect
    const after = yield* registry.requestCounts
    return Object.fromEntries(
      Object.entries(after).flatMap(([name, count]) => (count === before[name] ? [] : [[name, count - (before[name] ?? 0)]]))
    )
  })
