/**
 * Where tokens are kept between requests. However many requests need the same token, it is fetched once; it is fetched again shortly before
 * it ends, or when the registry refused it.
 *
 * @since 0.1.0
 */
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as AccessToken from "./AccessToken.ts"
import { fingerprint } from "./internal/fingerprint.ts"
import * as Recent from "./internal/recent.ts"
import * as SingleFlight from "./internal/singleFlight.ts"
import * as TokenScope from "./TokenScope.ts"

/**
 * What a token is for. `scopes` count as a set; `identity` is `Credentials.identity`, so that nobody is served a token of somebody else.
 *
 * @since 0.1.0
 */
export interface TokenKey {
  readonly registry: string
  readonly realm: string
  readonly service: string
  readonly scopes: ReadonlyArray<string>
  readonly identity: string
}

/** The key as one text, equal for equal keys, stable between processes and versions, with nothing readable in it. @since 0.1.0 */
export const keyString = (key: TokenKey): string => fingerprint([...owner(key), ...TokenScope.normalize(key.scopes)])

const owner = (key: TokenKey) => [key.registry, key.realm, key.service, key.identity]

/** @since 0.1.0 */
export declare namespace TokenCache {
  /** @since 0.1.0 */
  export interface Service {
    /**
     * The token for the key: one that is kept and not about to end, also one for more scopes than asked, else the one that `acquire` gives.
     * Callers that come while a token is being fetched share it, and its failure; each may be interrupted without harm to the others, and
     * when the last one is, so is the fetch. Failures are not kept. All callers of one key are taken to acquire in the same way.
     */
    readonly get: <E>(key: TokenKey, acquire: Effect.Effect<AccessToken.AccessToken, E>) => Effect.Effect<AccessToken.AccessToken, E>
    /** Forgets the token if it is still the one kept for the key; a newer one stays. */
    readonly invalidate: (key: TokenKey, token: AccessToken.AccessToken) => Effect.Effect<void>
  }
}

/** @since 0.1.0 */
export type Service = TokenCache.Service

/** @since 0.1.0 */
export class TokenCache extends Context.Tag("effect-oci/TokenCache")<TokenCache, TokenCache.Service>() {}

interface Entry {
  readonly owner: string
  /** Under which the token outlives the process, whatever other keys it serves. */
  readonly name: string
  readonly token: AccessToken.AccessToken
}

const makeStore = (capacity: number) => {
  const entries = Recent.make<Entry>(capacity)
  // A token for more than was asked is as good, and costs no request.
  const wider = (key: TokenKey, now: number): Entry | undefined => {
    const wanted = fingerprint(owner(key))
    for (const [, entry] of entries.entries()) {
      const serves = entry.owner === wanted && AccessToken.isFresh(entry.token, now) && TokenScope.covers(entry.token.scopes, key.scopes)
      if (serves) return entry
    }
    return undefined
  }
  return {
    find: (name: string, key: TokenKey, now: number): AccessToken.AccessToken | undefined => {
      const exact = entries.get(name)
      if (exact !== undefined && AccessToken.isFresh(exact.token, now)) return exact.token
      entries.delete(name)
      const entry = wider(key, now)
      if (entry !== undefined) entries.set(name, entry)
      return entry?.token
    },
    put: (name: string, key: TokenKey, token: AccessToken.AccessToken): void =>
      entries.set(name, { owner: fingerprint(owner(key)), name, token }),
    /** Gives the names the token was put under. */
    remove: (key: TokenKey, token: AccessToken.AccessToken): ReadonlySet<string> => {
      const wanted = fingerprint(owner(key))
      const names = new Set<string>()
      for (const [name, entry] of [...entries.entries()]) {
        if (entry.owner !== wanted || !AccessToken.isSame(entry.token, token)) continue
        names.add(entry.name)
        entries.delete(name)
      }
      return names
    }
  }
}

/** Where tokens outlive the process; failures of the place are its own affair and count as «nothing kept». */
interface Shelf {
  readonly read: (name: string) => Effect.Effect<Option.Option<AccessToken.AccessToken>>
  readonly write: (name: string, token: AccessToken.AccessToken) => Effect.Effect<void>
  readonly remove: (name: string, token: AccessToken.AccessToken) => Effect.Effect<void>
}

const noShelf: Shelf = { read: () => Effect.succeedNone, write: () => Effect.void, remove: () => Effect.void }

const makeWith = Effect.fnUntraced(function* (shelf: Shelf, capacity: number) {
  const store = makeStore(capacity)
  const flights = SingleFlight.make<AccessToken.AccessToken>(yield* Effect.scope)

  const readFresh = Effect.fnUntraced(function* (name: string) {
    const kept = yield* shelf.read(name)
    const now = yield* Clock.currentTimeMillis
    return Option.filter(kept, (token) => AccessToken.isFresh(token, now))
  })

  const fetch = <E>(name: string, key: TokenKey, acquire: Effect.Effect<AccessToken.AccessToken, E>) =>
    Effect.gen(function* () {
      const kept = yield* readFresh(name)
      const token = Option.isSome(kept) ? kept.value : yield* acquire
      store.put(name, key, token)
      if (Option.isNone(kept)) yield* shelf.write(name, token)
      return token
    })

  // The same key comes with every request, and its name is a hash.
  const names = new WeakMap<TokenKey, string>()
  const nameOf = (key: TokenKey): string => {
    const name = names.get(key) ?? keyString(key)
    names.set(key, name)
    return name
  }

  const service: TokenCache.Service = {
    get: <E>(key: TokenKey, acquire: Effect.Effect<AccessToken.AccessToken, E>) =>
      Effect.suspend(() => {
        const name = nameOf(key)
        return Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const kept = store.find(name, key, now)
          return kept === undefined ? flights.run(name, fetch(name, key, acquire)) : Effect.succeed(kept)
        })
      }),
    invalidate: (key, token) =>
      Effect.suspend(() => {
        const shelved = new Set([nameOf(key), ...store.remove(key, token)])
        return Effect.forEach(shelved, (name) => shelf.remove(name, token), { discard: true })
      })
  }
  return service
})

const defaultCapacity = 1000

/**
 * Tokens in memory, at most `capacity` of them (1000): the one not used for the longest time makes room.
 *
 * @since 0.1.0
 */
export const make = (options?: { readonly capacity?: number | undefined }) => makeWith(noShelf, options?.capacity ?? defaultCapacity)

/** Tokens in memory, with a capacity of choice. @since 0.1.0 */
export const layer = (options?: { readonly capacity?: number | undefined }): Layer.Layer<TokenCache> =>
  Layer.scoped(TokenCache, make(options))

/** Tokens in memory, 1000 at most. @since 0.1.0 */
export const layerMemory: Layer.Layer<TokenCache> = layer()

// The refresh token, which outlives any access token, stays in memory.
const Kept = Schema.parseJson(
  Schema.Struct({
    version: Schema.Literal(1),
    token: Schema.NonEmptyString,
    issuedAt: Schema.Number,
    expiresAt: Schema.Number,
    scopes: Schema.Array(Schema.String)
  })
)

const decodeKept = Schema.decodeOption(Kept)
const encodeKept = Schema.encodeSync(Kept)

const keptName = (name: string) => `effect-oci-token-${name}`

const makeShelf = (store: KeyValueStore.KeyValueStore): Shelf => {
  const read = (name: string) =>
    store
      .get(keptName(name))
      .pipe(
        Effect.map(Option.flatMap((text) => decodeKept(text))),
        Effect.map(Option.map((kept) => AccessToken.make({ ...kept, value: kept.token }))),
        Effect.orElseSucceed(Option.none<AccessToken.AccessToken>)
      )
  return {
    read,
    write: (name, token) =>
      Effect.ignore(
        store.set(
          keptName(name),
          encodeKept({
            version: 1,
            token: Redacted.value(token.value),
            issuedAt: token.issuedAt,
            expiresAt: token.expiresAt,
            scopes: token.scopes
          })
        )
      ),
    remove: (name, token) =>
      Effect.flatMap(read(name), (kept) =>
        Option.isSome(kept) && AccessToken.isSame(kept.value, token) ? Effect.ignore(store.remove(keptName(name))) : Effect.void
      )
  }
}

/**
 * Tokens in memory and in a `KeyValueStore`, where other processes find them. Tokens are secrets and are stored in clear: give it a store
 * that only its owner can read, on disk a directory of mode 0700. Entries that cannot be read or have ended count as absent, and a store
 * that fails never fails a request. Refresh tokens are not stored.
 *
 * @since 0.1.0
 */
export const layerKeyValueStore: Layer.Layer<TokenCache, never, KeyValueStore.KeyValueStore> = Layer.scoped(
  TokenCache,
  Effect.flatMap(KeyValueStore.KeyValueStore, (store) => makeWith(makeShelf(store), defaultCapacity))
)

/** Nothing is kept and nothing shared: a token per request. @since 0.1.0 */
export const none: Service = {
  get: <E>(_: TokenKey, acquire: Effect.Effect<AccessToken.AccessToken, E>) => acquire,
  invalidate: () => Effect.void
}

/** See `none`. @since 0.1.0 */
export const layerNone: Layer.Layer<TokenCache> = Layer.succeed(TokenCache, none)
