import * as Http from "node:http"
import * as Https from "node:https"
import type * as Net from "node:net"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { StoreError } from "../../model/RegistryError.ts"
import type { Source } from "./clientResponse.ts"
import { type Request, RequestAborted } from "./exchange.ts"

/** Where a server listens. @internal */
export interface Options {
  /** Default: `127.0.0.1`. */
  readonly hostname?: string | undefined
  /** Default: 0, any free port. */
  readonly port?: number | undefined
  /** Serves https. PEM texts. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
}

/** A server that listens. @internal */
export interface Server {
  readonly address: { readonly hostname: string; readonly port: number }
  /** The address as it stands in references: `127.0.0.1:5000`. */
  readonly host: string
  /** `http://127.0.0.1:5000`, without a slash at the end. */
  readonly url: string
  /** Connections that are open now. */
  readonly openConnections: Effect.Effect<number>
}

/** What requests are answered with. The scope lasts until the answer is sent, or the client is gone. @internal */
export type Handler = (request: Request, query: string) => Effect.Effect<Source, unknown, Scope.Scope>

/** A socket's buffer of Node's default size turns a large blob into many small wake-ups. */
const highWaterMark = 512 * 1024

/**
 * Waits until some event has brought `take` a result. A stream's own async iterator cannot be interrupted while it waits, and takes the
 * socket, and with it an early answer, away from the client when it is left early.
 */
const onEvents = <A, E>(
  emitter: NodeJS.EventEmitter,
  events: ReadonlyArray<string>,
  take: () => Option.Option<Effect.Effect<A, E>>
): Effect.Effect<A, E> =>
  Effect.async<A, E>((resume) => {
    const forget = () => {
      for (const event of events) emitter.off(event, check)
    }
    const check = () => {
      const result = take()
      if (Option.isNone(result)) return
      forget()
      resume(result.value)
    }
    for (const event of events) emitter.on(event, check)
    check()
    return Effect.sync(forget)
  })

const aborted = (message: Http.IncomingMessage) =>
  Effect.fail(Option.some(new RequestAborted({ cause: message.errored ?? new Error("the client went away") })))

const takeBytes = (message: Http.IncomingMessage): Option.Option<Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<RequestAborted>>> => {
  const bytes: Uint8Array | null = message.read()
  if (bytes !== null) return Option.some(Effect.succeed(Chunk.of(bytes)))
  if (message.readableEnded) return Option.some(Effect.fail(Option.none()))
  return message.errored !== null || message.destroyed ? Option.some(aborted(message)) : Option.none()
}

const bodyOf = (message: Http.IncomingMessage): Stream.Stream<Uint8Array, RequestAborted> =>
  Stream.repeatEffectChunkOption(onEvents(message, ["readable", "end", "error", "close"], () => takeBytes(message)))

const headersOf = (message: Http.IncomingMessage): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(message.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")])
  )

const toRequest = (message: Http.IncomingMessage, scheme: string): { readonly request: Request; readonly query: string } => {
  // A proxy may send the whole URL (RFC 9112 section 3.2.2).
  const target = (message.url ?? "/").replace(/^https?:\/\/[^/?]*/i, "")
  const question = target.indexOf("?")
  const path = question === -1 ? target : target.slice(0, question)
  const query = question === -1 ? "" : target.slice(question)
  const headers = headersOf(message)
  const request = {
    method: message.method ?? "GET",
    scheme,
    host: headers["host"] ?? "",
    path,
    query: new URLSearchParams(query),
    headers,
    body: bodyOf(message)
  }
  return { request, query }
}

const drained = (response: Http.ServerResponse): Effect.Effect<void> =>
  onEvents(response, ["drain", "close"], () =>
    response.writableNeedDrain && !response.destroyed ? Option.none() : Option.some(Effect.void)
  )

const finished = (response: Http.ServerResponse): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    response.once("close", () => resume(Effect.void))
    response.end(() => resume(Effect.void))
  })

/** Sends a body no faster than the client takes it. */
const write = (response: Http.ServerResponse, answer: Source): Effect.Effect<void, unknown> => {
  const { body } = answer
  if (body instanceof Uint8Array) {
    return Effect.suspend(() => {
      if (body.length > 0) response.write(body)
      answer.sent?.(body.length)
      return finished(response)
    })
  }
  const send = (bytes: Uint8Array): Effect.Effect<void, StoreError> =>
    Effect.suspend(() => {
      if (response.destroyed) return Effect.fail(new StoreError({ store: "socket", operation: "write", reason: "the client went away" }))
      const room = response.write(bytes)
      answer.sent?.(bytes.length)
      return room ? Effect.void : drained(response)
    })
  return Effect.zipRight(Stream.runForEach(body, send), finished(response))
}

const respond = Effect.fnUntraced(function* (
  handler: Handler,
  message: Http.IncomingMessage,
  response: Http.ServerResponse,
  scheme: string
) {
  const { query, request } = toRequest(message, scheme)
  const answer = yield* handler(request, query)
  const headers = Object.entries(answer.headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]])
  response.writeHead(answer.status, Object.fromEntries(headers))
  yield* write(response, answer)
  // What the answer did not wait for must not stand in the way of the next request.
  yield* Effect.sync(() => message.resume())
}, Effect.scoped)

/** Ends a connection in the middle of an answer, with what is written of it so far. */
const breakOff = (response: Http.ServerResponse): Effect.Effect<void> =>
  Effect.sync(() => {
    if (response.socket === null) response.destroy()
    else response.socket.destroySoon()
  })

const listen = (server: Http.Server, options: Options): Effect.Effect<Net.AddressInfo, StoreError> =>
  Effect.async((resume) => {
    const fail = (reason: string) => resume(Effect.fail(new StoreError({ store: "socket", operation: "listen", reason })))
    server.once("error", (error) => fail(error.message))
    server.listen(options.port ?? 0, options.hostname ?? "127.0.0.1", () => {
      const address = server.address()
      if (address === null || typeof address === "string") fail("the server has no address")
      else resume(Effect.succeed(address))
    })
  })

const makeServer = (options: Options): Http.Server => {
  // Uploads may take as long as they like.
  const common = { highWaterMark, requestTimeout: 0, keepAliveTimeout: 30_000, maxHeaderSize: 128 * 1024 }
  return options.tls === undefined ? Http.createServer(common) : Https.createServer({ ...common, ...options.tls })
}

/** Serves on a port until the scope closes, connections and all. A handler that fails breaks the connection. @internal */
export const serve: (options: Options, handler: Handler) => Effect.Effect<Server, StoreError, Scope.Scope> = Effect.fnUntraced(
  function* (options, handler) {
    const scheme = options.tls === undefined ? "http" : "https"
    // Released last: what still runs ends by itself once its connection is gone.
    const run = yield* FiberSet.makeRuntime<never>()
    const server = yield* Effect.acquireRelease(
      Effect.sync(() => makeServer(options)),
      (server) =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )

    server.on("request", (message: Http.IncomingMessage, response: Http.ServerResponse) => {
      const fiber = run(
        respond(handler, message, response, scheme).pipe(
          // The head may be out already: a broken connection is then the only way to say that something went wrong.
          Effect.catchAllCause(() => breakOff(response))
        )
      )
      response.once("close", () => {
        // Of a body that broke off, what has arrived is read before its end is found: an upload keeps it.
        if (!response.writableFinished && message.complete) fiber.unsafeInterruptAsFork(fiber.id())
      })
    })

    const address = yield* listen(server, options)
    const named = address.family === "IPv6" ? `[${address.address}]` : address.address
    const host = `${named}:${address.port}`
    return {
      address: { hostname: address.address, port: address.port },
      host,
      url: `${scheme}://${host}`,
      openConnections: Effect.async<number>((resume) => {
        server.getConnections((_, count) => resume(Effect.succeed(count)))
      })
    }
  }
)
