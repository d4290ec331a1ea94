/** Where texts are kept by keys, and where only one may be at something at a time. */
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { storeError } from "../../content/internal/localError.ts"
import type { StoreError } from "../../model/RegistryError.ts"

/** @internal */
export interface Shelf {
  readonly get: (key: string) => Effect.Effect<Option.Option<string>, StoreError>
  readonly set: (key: string, text: string) => Effect.Effect<void, StoreError>
  readonly remove: (key: string) => Effect.Effect<void, StoreError>
  readonly alone: <A, E, R>(name: string, use: Effect.Effect<A, E, R>) => Effect.Effect<Option.Option<A>, E | StoreError, R>
}

/** Within this process. @internal */
export const aloneHere = (): Shelf["alone"] => {
  const busy = new Set<string>()
  return (name, use) =>
    Effect.suspend(() => {
      if (busy.has(name)) return Effect.succeedNone
      return Effect.acquireUseRelease(
        Effect.sync(() => busy.add(name)),
        () => Effect.asSome(use),
        () => Effect.sync(() => busy.delete(name))
      )
    })
}

/** @internal */
export const memory = (): Shelf => {
  const texts = new Map<string, string>()
  return {
    get: (key) => Effect.sync(() => Option.fromNullable(texts.get(key))),
    set: (key, text) => Effect.sync(() => texts.set(key, text)),
    remove: (key) => Effect.sync(() => texts.delete(key)),
    alone: aloneHere()
  }
}

const label = "sync state"

/** @internal */
export const keyValueStore = (store: KeyValueStore.KeyValueStore): Shelf => {
  const failed = (operation: string) => (error: { readonly message: string }) => storeError(label, operation, error.message)
  return {
    get: (key) => Effect.mapError(store.get(key), failed("read")),
    set: (key, text) => Effect.mapError(store.set(key, text), failed("write")),
    remove: (key) => Effect.mapError(store.remove(key), failed("remove")),
    alone: aloneHere()
  }
}
