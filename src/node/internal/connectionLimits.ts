/** What connections are limited to, as Node's HTTP and undici take it. */
import * as Duration from "effect/Duration"
import * as CodedError from "../../http/internal/codedError.ts"

/** Node's timers know no longer time, and its parsers no larger heads. */
const most = 2 ** 31 - 1

interface Options {
  readonly connectTimeout?: Duration.DurationInput | undefined
  readonly keepAlive?: Duration.DurationInput | undefined
  readonly maxHeaderBytes?: number | undefined
}

export interface ConnectionLimits {
  /** Zero where there is none. */
  readonly connectTimeoutMillis: number
  /** At least one. */
  readonly keepAliveMillis: number
  readonly maxHeaderBytes: number
}

export const make = ({
  connectTimeout = "30 seconds",
  keepAlive = "30 seconds",
  maxHeaderBytes = 256 * 1024
}: Options): ConnectionLimits => {
  const connectTimeoutMillis = Duration.toMillis(connectTimeout)
  return {
    connectTimeoutMillis: connectTimeoutMillis === Number.POSITIVE_INFINITY ? 0 : Math.min(connectTimeoutMillis, most),
    keepAliveMillis: Math.max(1, Math.min(Duration.toMillis(keepAlive), most)),
    maxHeaderBytes: Math.min(maxHeaderBytes, most)
  }
}

/** How many connections an origin may have, infinitely many unless said; throws when that is not even one. */
export const connections = (wanted = Number.POSITIVE_INFINITY): number => {
  if (!(wanted >= 1)) throw CodedError.make("ERR_OUT_OF_RANGE", "no connection is allowed")
  return wanted
}
