/** A plain `node:http(s)` server on a free port of 127.0.0.1, for tests that must not trust our own server. */
import * as Http from "node:http"
import * as Https from "node:https"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Certificate } from "./Certificates.ts"
import * as Tcp from "./Tcp.ts"

export interface LocalServer {
  /** `127.0.0.1:port`. */
  readonly host: string
  /** `http://127.0.0.1:port`, or `https:`. */
  readonly origin: string
  /** How many connections were opened so far. */
  readonly connections: Effect.Effect<number>
}

export type Handler = (request: Http.IncomingMessage, response: Http.ServerResponse) => void

export interface Options {
  readonly certificate?: Certificate | undefined
  /** PEM of the authority whose client certificates are demanded. */
  readonly clientAuthority?: string | undefined
}

const create = (handler: Handler, { certificate, clientAuthority }: Options): Http.Server =>
  certificate === undefined
    ? Http.createServer(handler)
    : Https.createServer(
        {
          cert: certificate.certificate,
          key: certificate.privateKey,
          ...(clientAuthority === undefined ? {} : { ca: clientAuthority, requestCert: true, rejectUnauthorized: true })
        },
        handler
      )

/** Closing the scope cuts open connections. */
export const make = (handler: Handler, options: Options = {}): Effect.Effect<LocalServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    let connections = 0
    const server = create(handler, options)
    server.on("connection", () => {
      connections++
    })
    const host = yield* Tcp.listen(server)
    return {
      host,
      origin: `${options.certificate === undefined ? "http" : "https"}://${host}`,
      connections: Effect.sync(() => connections)
    }
  })

/** The whole body of a request, as text. */
export const text = async (request: Http.IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString("utf8")
}

export const json = (response: Http.ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
}
