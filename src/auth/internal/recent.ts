/**
 * A map that holds what was used last: when it is full, the entries not used for the longest time go. `weigh` tells how much of the capacity an
 * entry takes, 1 unless given; what is heavier than all of it is not kept.
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
export const make = <V>(capacity: number, weigh: (value: V) => number = () => 1): Recent<V> => {
  const map = new Map<string, V>()
  let weight = 0
  const remove = (name: string): void => {
    const value = map.get(name)
    if (value === undefined) return
    map.delete(name)
    weight -= weigh(value)
  }
  const set = (name: string, value: V): void => {
    remove(name)
    if (weigh(value) > capacity) return
    map.set(name, value)
    weight += weigh(value)
    for (const oldest of map.keys()) {
      if (weight <= capacity) break
      remove(oldest)
    }
  }
  return {
    get: (name) => {
      const value = map.get(name)
      if (value !== undefined) {
        map.delete(name)
        map.set(name, value)
      }
      return value
    },
    set,
    delete: remove,
    entries: () => map
  }
}
