/** How much memory this process takes. */
import { readFileSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { turn } from "./Eventually.ts"

/**
 * At most, since it began. On Linux `maxRSS` is at first that of the process which started this one, so there the kernel's mark for this program alone counts
 * (`VmHWM`, proc_pid_status(5)).
 */
export const peakRssBytes = (): number => {
  const status = Either.try(() => readFileSync("/proc/self/status", "utf8")).pipe(Either.getOrElse(() => ""))
  const kibibytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS
  return Number(kibibytes) * 1024
}

export const collectGarbage = (): void => {
  setFlagsFromString("--expose-gc")
  runInNewContext("gc")()
}

const bytesNow = (): number => {
  collectGarbage()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** What is still needed of the heap and of buffers once a few turns of the event loop have ended, which may need more. */
export const bytesInUse: Effect.Effect<number> = Effect.map(
  Effect.forEach(Array.from({ length: 4 }), () => Effect.zipRight(turn, Effect.sync(bytesNow))),
  (all) => Math.min(...all)
)
