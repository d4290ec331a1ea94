/**
 * Connections to one origin by Node's own HTTP: its parser is native, where undici's is WebAssembly, whose compilation takes as much
 * processor time as copying a small image.
 */
import * as Http from "node:http"
import * as Https from "node:https"
import type * as Net from "node:net"
import * as Predicate from "effect/Predicate"
import * as CodedError from "../../http/internal/codedError.ts"
import * as Origin from "../../http/internal/origin.ts"
import type { Dispatch, Outgoing } from "./clientOver.ts"
import * as ConnectionLimits from "./connectionLimits.ts"
import type { Exchange } from "./exchange.ts"
import type * as ReadBuffer from "./readBuffer.ts"
import type * as Trust from "./trust.ts"

export interface Settings {
  /** Without limit when absent. */
  readonly connections: number | undefined
  readonly limits: ConnectionLimits.ConnectionLimits
  readonly lookup: Net.LookupFunction | undefined
  readonly reading: ReadBuffer.ReadBuffers
  readonly tls: Trust.ConnectOptions
}

export interface Pool {
  readonly dispatch: Dispatch
  /** Whether no connection is open and none is wanted. */
  readonly isEmpty: () => boolean
  /** Closes the connections; requests under way fail. */
  readonly destroy: () => void
}

/** Told to whoever still waits for an answer. */
export const clientClosed = (): Error => CodedError.make("ERR_CLIENT_CLOSED", "the client was closed")

const hungUp = (): Error => CodedError.make("ECONNRESET", "the connection ended before the answer did")

export const make = (origin: URL, settings: Settings): Pool => {
  const { connections, limits, lookup, reading, tls } = settings
  const secure = origin.protocol === "https:"
  const { Agent, request } = secure ? Https : Http
  const agent = new Agent({
    keepAlive: true,
    // Of connections nobody uses.
    timeout: limits.keepAliveMillis,
    maxSockets: ConnectionLimits.connections(connections),
    ...(lookup === undefined ? undefined : { lookup }),
    ...(secure ? { ALPNProtocols: ["http/1.1"], ...tls } : undefined)
  })
  const { createConnection } = agent
  agent.createConnection = (options, callback) =>
    reading.connection((onread) => createConnection.call(agent, { ...options, onread }, callback))
  agent.on("free", reading.unused)
  const server = { agent, host: Origin.hostOf(origin), port: origin.port, maxHeaderSize: limits.maxHeaderBytes }
  const isKept = () => Object.keys(agent.freeSockets).length > 0
  /** Where one was lost without notice, as by a router that forgot it, the others are likely to be. */
  const dropKept = () => {
    for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
  }
  /** How each request that is not over is ended. */
  const underWay = new Set<(error: Error) => void>()

  const begin = (outgoing: Outgoing, exchange: Exchange): void => {
    const { body, method, path } = outgoing
    const headers = { ...outgoing.headers, ...framing(outgoing) }
    const sent = request({ ...server, method, path, headers })
    // The bytes are limited, and Node would leave out what comes after so many headers.
    sent.maxHeadersCount = 0
    const abort = (error: Error) => {
      sent.destroy(error)
      if (leaveQueue(agent, sent)) underWay.delete(end)
    }
    const end = (error: Error) => {
      exchange.onResponseError(undefined, error)
      abort(error)
    }
    underWay.add(end)
    sent.on("close", () => underWay.delete(end))
    /** Whether the request goes out again: a kept connection may have been closed while it was on its way. */
    const lost = (error: Error): boolean => {
      if (!sent.reusedSocket || !isBroken(error)) return false
      dropKept()
      if (body !== null || (method !== "GET" && method !== "HEAD")) return false
      begin(outgoing, exchange)
      return true
    }
    listen(sent, exchange, { abort, lost })
    sent.on("response", reading.expect)
    const start = send(sent, body, headers["content-length"])
    sent.on("socket", (socket) => {
      reading.used(socket)
      connect(sent, socket, secure ? "secureConnect" : "connect", limits.connectTimeoutMillis, start)
    })
  }

  /** A turn later: what came meanwhile on a kept connection, its end or an answer nobody asked for, is then known, and it is not used. */
  const beginLater = (outgoing: Outgoing, exchange: Exchange): void => {
    const turn = setImmediate(() => {
      forget()
      try {
        begin(outgoing, exchange)
      } catch (error) {
        exchange.onResponseError(undefined, error instanceof Error ? error : new Error(String(error)))
      }
    })
    const forget = () => {
      clearImmediate(turn)
      underWay.delete(end)
    }
    const end = (error: Error) => {
      forget()
      exchange.onResponseError(undefined, error)
    }
    underWay.add(end)
    exchange.onRequestStart({ abort: forget, pause: () => {}, resume: () => {} })
  }

  return {
    dispatch: (outgoing, exchange) => (isKept() ? beginLater(outgoing, exchange) : begin(outgoing, exchange)),
    isEmpty: () => underWay.size === 0 && !isKept(),
    destroy: () => {
      const error = clientClosed()
      for (const end of [...underWay]) end(error)
      agent.destroy()
    }
  }
}

/** Node itself lets a request go only when its turn has come. Whether it was still waiting for a connection. */
const leaveQueue = (agent: Http.Agent, sent: Http.ClientRequest): boolean => {
  for (const [name, queue = []] of Object.entries(agent.requests)) {
    // Those that wait are requests of clients, whatever the types say.
    const place = queue.findIndex((waiting: object) => waiting === sent)
    if (place === -1) continue
    queue.splice(place, 1)
    if (queue.length === 0) Reflect.deleteProperty(agent.requests, name)
    return true
  }
  return false
}

type Pieces = AsyncIterable<Uint8Array>

const inPieces = (body: Outgoing["body"]): body is Pieces => body !== null && typeof body !== "string" && !(body instanceof Uint8Array)

/** Undefined where only the end tells. */
const sizeOf = (body: Outgoing["body"]): number | undefined => {
  if (inPieces(body)) return undefined
  return body === null ? 0 : Buffer.byteLength(body)
}

/** With other methods Node says by itself that a body of unknown length comes in chunks. */
const withoutFraming: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"])

/** Where the body ends: Node trusts its caller, and with some methods says nothing by itself. */
const framing = ({ body, headers, method }: Outgoing): Readonly<Record<string, string>> => {
  const size = sizeOf(body)
  const length = headers["content-length"]
  if (length !== undefined) {
    if (size !== undefined && Number(length) !== size) throw mismatch(Number(length), `${size}`)
    return {}
  }
  if (body === null) return {}
  if (size !== undefined) return { "content-length": String(size) }
  return withoutFraming.has(method) ? { "transfer-encoding": "chunked" } : {}
}

/** Starts once the connection is made, which may take so long. */
const connect = (sent: Http.ClientRequest, socket: Net.Socket, connected: string, limitMillis: number, start: () => void): void => {
  if (!socket.connecting) {
    start()
    return
  }
  let stop = () => {}
  if (limitMillis > 0) {
    const fail = () => sent.destroy(CodedError.make("ETIMEDOUT", "the connection was not made in time"))
    // A callback of Node's is outside of any fiber.
    // @effect-diagnostics-next-line globalTimers:off
    const timer = setTimeout(fail, limitMillis)
    stop = () => clearTimeout(timer)
    socket.once("close", stop)
  }
  socket.once(connected, () => {
    stop()
    start()
  })
}

/** Whatever the source of a body failed with comes here too. */
const isBroken = (error: unknown): boolean =>
  Predicate.hasProperty(error, "code") && (error.code === "ECONNRESET" || error.code === "EPIPE")

interface Ways {
  readonly abort: (error: Error) => void
  /** Told when the connection is lost before there is an answer; whether that was no failure. */
  readonly lost: (error: Error) => boolean
}

/** Tells the exchange what comes back. */
const listen = (sent: Http.ClientRequest, exchange: Exchange, { abort, lost }: Ways): void => {
  let answer: Http.IncomingMessage | undefined
  let over = false
  const fail = (error: Error) => {
    // What follows an answer that is complete, or an upload that goes on after it and is cut off, is no failure of it.
    if (!over && answer?.complete !== true) exchange.onResponseError(undefined, error)
  }
  const hangUp = () => {
    if (!over) exchange.onResponseError(undefined, hungUp())
  }
  exchange.onRequestStart({ abort, pause: () => {}, resume: () => {} })
  sent.on("error", (error) => {
    if (!over && answer === undefined && lost(error)) over = true
    else fail(error)
  })
  // Without an error when the answer was an upgrade, which nobody asked for.
  sent.on("close", () => {
    if (answer === undefined) hangUp()
  })
  sent.on("response", (response) => {
    const { statusCode: status = 0 } = response
    if (status < 200) {
      abort(hungUp())
      return
    }
    answer = response
    const controller = { abort, pause: () => response.pause(), resume: () => response.resume() }
    exchange.onRequestStart(controller)
    exchange.onResponseStart(controller, status, headersOf(response.rawHeaders))
    response.on("data", (bytes: Buffer) => exchange.onResponseData(controller, bytes))
    response.on("error", fail)
    response.on("close", hangUp)
    response.on("end", () => {
      over = true
      if (!sent.writableFinished) sent.destroy()
      exchange.onResponseEnd()
    })
  })
}

const utf8 = new TextDecoder("utf-8", { fatal: true })
const beyondAscii = /[^\0-\x7f]/

/** Node reads the bytes of a header as Latin-1; most of those that are not ASCII are meant as UTF-8. */
const textOf = (header: string): string => {
  if (!beyondAscii.test(header)) return header
  try {
    return utf8.decode(Buffer.from(header, "latin1"))
  } catch {
    return header
  }
}

/** Every value of a name. */
const headersOf = (raw: ReadonlyArray<string>): Record<string, string | Array<string>> => {
  const headers = new Map<string, string | Array<string>>()
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? "").toLowerCase()
    const value = textOf(raw[index + 1] ?? "")
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : [...(typeof before === "string" ? [before] : before), value])
  }
  return Object.fromEntries(headers)
}

/** Gives the request its body once the connection is made: until then the source of a stream is left alone, and Node holds no bytes. */
const send = (sent: Http.ClientRequest, body: Outgoing["body"], length: string | undefined): (() => void) => {
  if (inPieces(body)) {
    // What the source gave goes out first: Node holds it back until the turn ends.
    const fail = (error: Error) => setImmediate(() => sent.destroy(error))
    return () => stream(sent, body, length === undefined ? undefined : Number(length)).catch(fail)
  }
  if (body !== null) return () => sent.end(body)
  sent.end()
  return () => {}
}

const stream = async (sent: Http.ClientRequest, body: Pieces, length: number | undefined): Promise<void> => {
  let sentBytes = 0
  for await (const bytes of body) {
    sentBytes += bytes.byteLength
    if (length !== undefined && sentBytes > length) throw mismatch(length, "more")
    if (!sent.write(bytes) && !(await drained(sent))) return
  }
  if (length !== undefined && sentBytes < length) throw mismatch(length, `${sentBytes}`)
  sent.end()
}

const mismatch = (length: number, given: string): Error =>
  CodedError.make("ERR_HTTP_CONTENT_LENGTH_MISMATCH", `the body was to have ${length} bytes, and its source gave ${given}`)

/** Waits until more can be written; whether there still is somebody to write to. */
const drained = (sent: Http.ClientRequest): Promise<boolean> =>
  new Promise((resolve) => {
    if (sent.destroyed) return resolve(false)
    const end = (open: boolean) => {
      sent.off("drain", onDrain)
      sent.off("close", onClose)
      resolve(open)
    }
    const onDrain = () => end(true)
    const onClose = () => end(false)
    sent.on("drain", onDrain)
    sent.on("close", onClose)
  })
