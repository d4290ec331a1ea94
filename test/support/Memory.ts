/** How much memory this process took at most. */
import { readFileSync } from "node:fs"
import * as Either from "effect/Either"

/**
 * On Linux `maxRSS` is at first that of the process which started this one, so there the kernel's mark for this program alone counts
 * (`VmHWM`, proc_pid_status(5)).
 */
export const peakRssBytes = (): number => {
  const status = Either.try(() => readFileSync("/proc/self/status", "utf8")).pipe(Either.getOrElse(() => ""))
  const kibibytes = /^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS
  return Number(kibibytes) * 1024
}
