/**
 * Connections to one origin by Node's own HTTP: its parser is native, where undici's is WebAssembly, whose compilation takes as much
 * processor time as copying a small image.
 */
import * as Http from "node:http"
import * as Https from "node:https"
import type * as Net from "node:net"
import type { Dispatch, Outgoing } from "./clientOver.ts"
import type { Exchange } from "./exchange.ts"
import type * as Trust from "./trust.ts"

export interface Settings {
  /** Without limit when absent. */
  readonly connections: number | undefined
  readonly connectTimeoutMillis: number
  readonly keepAliveMillis: number
  readonly maxHeaderBytes: number
  readonly lookup: Net.LookupFunction | undefined
  readonly tls: Trust.ConnectOptions
}

export interface Pool {
  readonly dispatch: Dispatch
  /** Whether no connection is open and none is wanted. */
  readonly isEmpty: () => boolean
  /** Closes the connections; requests under way fail. */
  readonly destroy: () => void
}

/** Errors of our own are told by a code, as those of Node are. */
const failure = (code: string, message: string): Error => Object.assign(new Error(message), { code })

export const make = (origin: URL, settings: Settings): Pool => {
  const { connections, connectTimeoutMillis, keepAliveMillis, lookup, maxHeaderBytes, tls } = settings
  const secure = origin.protocol === "https:"
  const { Agent, request } = secure ? Https : Http
  const agent = new Agent({
    keepAlive: true,
    // Of connections nobody uses.
    timeout: keepAliveMillis,
    maxSockets: connections ?? Number.POSITIVE_INFINITY,
    ...(lookup === undefined ? undefined : { lookup }),
    ...(secure ? tls : undefined)
  })
  const server = { agent, host: origin.hostname.replace(/^\[(.*)\]$/, "$1"), port: origin.port, maxHeaderSize: maxHeaderBytes }
  const underWay = new Set<Http.ClientRequest>()

  const dispatch: Dispatch = ({ body, headers, method, path }, exchange) => {
    const sent = request({ ...server, method, path, headers })
    underWay.add(sent)
    sent.on("close", () => underWay.delete(sent))
    listen(sent, exchange)
    const start = send(sent, body, headers["content-length"])
    sent.on("socket", (socket) => connect(sent, socket, secure ? "secureConnect" : "connect", connectTimeoutMillis, start))
  }

  return {
    dispatch,
    isEmpty: () => underWay.size === 0 && Object.keys(agent.freeSockets).length === 0,
    destroy: () => {
      for (const sent of underWay) sent.destroy(failure("ERR_CLIENT_CLOSED", "the client was closed"))
      agent.destroy()
    }
  }
}

/** Starts once the connection is made, which may take so long. */
const connect = (sent: Http.ClientRequest, socket: Net.Socket, connected: string, limitMillis: number, start: () => void): void => {
  if (!socket.connecting) {
    start()
    return
  }
  // A callback of Node's is outside of any fiber.
  // @effect-diagnostics-next-line globalTimers:off
  const timer = setTimeout(() => sent.destroy(failure("ETIMEDOUT", "the connection was not made in time")), limitMillis)
  const stop = () => clearTimeout(timer)
  socket.once("close", stop)
  socket.once(connected, () => {
    stop()
    start()
  })
}

/** Tells the exchange what comes back. */
const listen = (sent: Http.ClientRequest, exchange: Exchange): void => {
  let ended = false
  let answered = false
  const fail = (error: Error) => {
    // An upload that goes on after its answer is cut off, which is no failure.
    if (!ended) exchange.onResponseError(undefined, error)
  }
  const hangUp = () => {
    if (!ended) exchange.onResponseError(undefined, hungUp())
  }
  exchange.onRequestStart({ abort: (error) => sent.destroy(error), pause: () => {}, resume: () => {} })
  sent.on("error", fail)
  // Without an error when the answer was an upgrade, which nobody asked for.
  sent.on("close", () => {
    if (!answered) hangUp()
  })
  sent.on("response", (response) => {
    answered = true
    const controller = {
      abort: (error: Error) => sent.destroy(error),
      pause: () => response.pause(),
      resume: () => response.resume()
    }
    exchange.onRequestStart(controller)
    exchange.onResponseStart(controller, response.statusCode ?? 0, headersOf(response.rawHeaders))
    response.on("data", (bytes: Buffer) => exchange.onResponseData(controller, bytes))
    response.on("error", fail)
    response.on("close", hangUp)
    response.on("end", () => {
      ended = true
      if (!sent.writableFinished) sent.destroy()
      exchange.onResponseEnd()
    })
  })
}

const hungUp = (): Error => failure("ECONNRESET", "the connection ended before the answer did")

const beyondAscii = /[^\0-\x7f]/

/** As undici has them: every value of a name, and text in UTF-8. */
const headersOf = (raw: ReadonlyArray<string>): Record<string, string | Array<string>> => {
  const headers = new Map<string, string | Array<string>>()
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? "").toLowerCase()
    const text = raw[index + 1] ?? ""
    const value = beyondAscii.test(text) ? Buffer.from(text, "latin1").toString() : text
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : [...(typeof before === "string" ? [before] : before), value])
  }
  return Object.fromEntries(headers)
}

/** Gives the request its body; the source of a stream is left alone until the connection is made. */
const send = (sent: Http.ClientRequest, body: Outgoing["body"], length: string | undefined): (() => void) => {
  if (body !== null && typeof body !== "string" && !(body instanceof Uint8Array)) {
    // What the source gave goes out first: Node holds it back until the turn ends.
    const fail = (error: Error) => setImmediate(() => sent.destroy(error))
    return () => stream(sent, body, length === undefined ? undefined : Number(length)).catch(fail)
  }
  sent.end(body ?? undefined)
  return () => {}
}

const stream = async (sent: Http.ClientRequest, body: AsyncIterable<Uint8Array>, length: number | undefined): Promise<void> => {
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
  failure("ERR_HTTP_CONTENT_LENGTH_MISMATCH", `the body was to have ${length} bytes, and its source gave ${given}`)

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
