import * as Effect from "effect/Effect"

/**
 * Wakes fibers that wait for something to be so. Who changes what they may wait for rings.
 *
 * @internal
 */
export interface Bell {
  readonly ring: () => void
  readonly until: (isSo: () => boolean) => Effect.Effect<void>
}

interface Waiter {
  readonly isSo: () => boolean
  readonly wake: () => void
}

/** @internal */
export const make = (): Bell => {
  const waiting = new Set<Waiter>()
  return {
    ring: () => {
      for (const waiter of [...waiting]) {
        if (!waiter.isSo()) continue
        waiting.delete(waiter)
        waiter.wake()
      }
    },
    until: (isSo) =>
      Effect.async((resume) => {
        if (isSo()) return resume(Effect.void)
        const waiter: Waiter = { isSo, wake: () => resume(Effect.void) }
        waiting.add(waiter)
        return Effect.sync(() => waiting.delete(waiter))
      })
  }
}
