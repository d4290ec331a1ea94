/** Time limits of connections as Node's timers take them: no longer ones than these, and none by zero. */
import * as Duration from "effect/Duration"

const longestMillis = 2 ** 31 - 1

interface Options {
  readonly connectTimeout?: Duration.DurationInput | undefined
  readonly keepAlive?: Duration.DurationInput | undefined
}

export interface TimeLimits {
  /** Zero where there is none. */
  readonly connectMillis: number
  /** At least one. */
  readonly keepAliveMillis: number
}

export const make = ({ connectTimeout, keepAlive }: Options): TimeLimits => {
  const connectMillis = Duration.toMillis(connectTimeout ?? "30 seconds")
  const keepAliveMillis = Duration.toMillis(keepAlive ?? "30 seconds")
  return {
    connectMillis: connectMillis === Number.POSITIVE_INFINITY ? 0 : Math.min(connectMillis, longestMillis),
    keepAliveMillis: Math.max(1, Math.min(keepAliveMillis, longestMillis))
  }
}
