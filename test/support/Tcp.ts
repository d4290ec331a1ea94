/** Servers on free ports of 127.0.0.1, below HTTP or not, and proxies that pass TCP on. */
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Where a server listens, `127.0.0.1:port`. It stops with the scope, and its connections with it. */
export const listen = (server: Net.Server): Effect.Effect<string, never, Scope.Scope> =>
  Effect.suspend(() => {
    const sockets = new Set<Net.Socket>()
    server.on("connection", (socket: Net.Socket) => {
      sockets.add(socket)
      socket.on("error", () => {}).once("close", () => sockets.delete(socket))
    })
    return Effect.acquireRelease(
      Effect.async<string>((resume) => {
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed(`127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`))
        })
      }),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
  })

/** A server that is given each connection as it is, for answers no HTTP library would send. */
export const serve = (handle: (socket: Net.Socket) => void): Effect.Effect<string, never, Scope.Scope> =>
  Effect.suspend(() => listen(Net.createServer(handle)))

/** A proxy that connects each client with `target`, which is `127.0.0.1:port`, and has `relay` pass on what both say. */
export const proxy = (
  target: string,
  relay: (client: Net.Socket, upstream: Net.Socket) => void
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.suspend(() => {
    const [host = "", port = ""] = target.split(":")
    const ends = { allowHalfOpen: true, noDelay: true }
    return listen(Net.createServer(ends, (client) => relay(client, Net.connect({ ...ends, host, port: Number(port) }))))
  })
