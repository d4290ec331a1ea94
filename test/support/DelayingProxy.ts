/** A TCP proxy whose server is far away: what it says arrives late, though no slower. */
import type * as Net from "node:net"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Tcp from "./Tcp.ts"

/** So much of an answer may be on its way; the server waits with the rest. */
const onItsWayBytes = 8 * 1024 * 1024

/** Every piece reaches the other end as much later as every other, so that they stay in order. */
const relay = (from: Net.Socket, to: Net.Socket, delayMillis: number): void => {
  // Everything that is on its way may have to wait for the same drain.
  to.setMaxListeners(0)
  let bytesOnTheirWay = 0
  const late = (act: () => void) => {
    if (delayMillis === 0) act()
    else setTimeout(act, delayMillis)
  }
  from.on("data", (bytes: Buffer) => {
    bytesOnTheirWay += bytes.length
    if (bytesOnTheirWay > onItsWayBytes) from.pause()
    late(() => {
      const resume = () => {
        bytesOnTheirWay -= bytes.length
        if (bytesOnTheirWay <= onItsWayBytes) from.resume()
      }
      if (to.write(bytes)) resume()
      else to.once("drain", resume)
    })
  })
  from.on("end", () => late(() => to.end()))
  from.on("error", () => to.destroy())
  from.on("close", () => late(() => to.destroySoon()))
}

/** `target` is `127.0.0.1:port`, and so is what comes back: the place where the server seems to be `delay` further away. */
export const make = (target: string, delay: Duration.DurationInput): Effect.Effect<string, never, Scope.Scope> =>
  Tcp.proxy(target, (client, upstream) => {
    relay(client, upstream, 0)
    relay(upstream, client, Duration.toMillis(delay))
  })
