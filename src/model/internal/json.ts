import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"

/** @internal */
export type JsonObject = { readonly [name: string]: unknown }

/** @internal */
export const isJsonObject = (value: unknown): value is JsonObject => Predicate.isRecord(value)

/**
 * Finds members whatever the case of their names, as Go does, in which docker and most registries are written. Of several spellings the last
 * counts that is not null; what has none of the names, and what is no object, stays as it is.
 *
 * @internal
 */
export const inAnyCase = (...names: ReadonlyArray<string>): ((value: unknown) => unknown) => {
  const known = new Map(names.map((name) => [name.toLowerCase(), name]))
  return (value) => {
    if (!isJsonObject(value)) return value
    const members = new Map<string, unknown>()
    for (const [key, member] of Object.entries(value)) {
      const name = known.get(key.toLowerCase()) ?? key
      if (member !== null || !members.has(name)) members.set(name, member)
    }
    return Object.fromEntries(members)
  }
}

// A member called `__proto__` would become the prototype of whatever the object is copied into.
const withoutPrototypes = (key: string, value: unknown) => (key === "__proto__" ? undefined : value)

// Escapes can spell the name too; both are so rare in manifests that the slower way costs nothing.
const mayNamePrototype = /__proto__|\\u00/i

/** Parses JSON that came from outside. The left value says what is wrong. Never throws. @internal */
export const parseJson = (text: string): Either.Either<unknown, string> =>
  Either.try({
    try: (): unknown => JSON.parse(text, mayNamePrototype.test(text) ? withoutPrototypes : undefined),
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
  })

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Parses JSON in UTF-8, as {@link parseJson}. @internal */
export const parseJsonBytes = (bytes: Uint8Array): Either.Either<unknown, string> =>
  Either.flatMap(Either.try({ try: () => decoder.decode(bytes), catch: () => "it is not UTF-8" }), parseJson)

const encoder = new TextEncoder()

/** @internal */
export const jsonBytes = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value))

/** The map with its keys in order, so that equal maps give equal bytes, and without the name that is not read back. @internal */
export const sortedMap = (map: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(map)
      .filter(([key]) => key !== "__proto__")
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  )
