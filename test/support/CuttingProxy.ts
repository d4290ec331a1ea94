/** A TCP proxy that breaks connections in the middle: the network as it is on a bad day. */
import type * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Tcp from "./Tcp.ts"

export type Direction = "toServer" | "toClient"

export interface Service {
  /** `127.0.0.1:port`. */
  readonly host: string
  /** How often a connection was cut so far. */
  readonly cuts: Effect.Effect<number>
  /** Bytes that went through so far. */
  readonly bytes: (direction: Direction) => Effect.Effect<number>
}

export interface Options {
  /** `127.0.0.1:port` of the server. */
  readonly target: string
  /** Which bytes are counted: those of a pull come to the client, those of a push go to the server. */
  readonly direction: Direction
  /** After how many bytes a connection is cut; each offset cuts once, in this order, whichever connection carries that byte. */
  readonly offsets: ReadonlyArray<number>
}

/**
 * Cuts with a reset, as a middlebox does that has forgotten the connection. Up to the offset everything arrives: what is cut off is what a
 * chunk holds beyond it.
 */
export const make = (options: Options): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const pending = [...options.offsets].sort((a, b) => a - b)
    const passed = { toServer: 0, toClient: 0 }
    let cuts = 0

    const cut = (from: Net.Socket, to: Net.Socket) => {
      cuts++
      // The end that still has something to receive gets it before the connection breaks.
      to.end(() => to.destroy())
      from.resetAndDestroy()
    }

    const relay = (from: Net.Socket, to: Net.Socket, direction: Direction) => {
      from.on("data", (bytes: Buffer) => {
        const next = direction === options.direction ? pending[0] : undefined
        const part = next === undefined ? bytes : bytes.subarray(0, Math.max(0, next - passed[direction]))
        passed[direction] += part.length
        if (!to.write(part)) {
          from.pause()
          to.once("drain", () => from.resume())
        }
        if (next === undefined || passed[direction] < next) return
        pending.shift()
        cut(from, to)
      })
      from.on("end", () => to.end())
      from.on("error", () => to.destroy())
      from.on("close", () => to.destroySoon())
    }

    const host = yield* Tcp.proxy(options.target, (client, upstream) => {
      relay(client, upstream, "toServer")
      relay(upstream, client, "toClient")
    })
    return {
      host,
      cuts: Effect.sync(() => cuts),
      bytes: (direction) => Effect.sync(() => passed[direction])
    }
  })
