/**
 * A map that holds what was used last: when it is full, the entry not used for the longest time goes.
 *
 * @internal
 */
export interface Recent<V> {
  readonly get: (name: string) => V | undefined
  readonly set: (name: string, value: V) => void
  readonly delete: (name: string) => void
  /** From the oldest to the latest. */
  readonly entries: () => Iterable<readonly [string, V]>
}

/** @internal */
export const make = <V>(capacity: number): Recent<V> => {
  const map = new Map<string, V>()
  const set = (name: string, value: V): void => {
    map.delete(name)
    map.set(name, value)
    for (const oldest of map.keys()) {
      if (map.size <= capacity) break
      map.delete(oldest)
    }
  }
  return {
    get: (name) => {
      const value = map.get(name)
      if (value !== undefined) set(name, value)
      return value
    },
    set,
    delete: (name) => {
      map.delete(name)
    },
    entries: () => map
  }
}
