/**
 * A network that fails on request, for programs: a server on a port of its own that passes what it is asked on to another one, through the
 * rules of `FaultyHttp`. What is behind may be a real registry, a `RegistryServer`, or a host of a `MemoryRegistry`. A fault of the
 * connection breaks that of the program.
 *
 * Rules and `injections` speak of the URLs of what is behind. It is told the `Host` that the program asked for, so that the realms and
 * absolute `Location`s it makes of it lead back here; absolute URLs that it makes of another name are not rewritten, and lead past. Redirects
 * are for the program to follow. Waiting is done by the clock of the fibers that run the server: under `TestClock` it decides how long a
 * fault takes, and with a program in front it is the live clock one wants.
 *
 * @since 0.1.0
 */
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpMethod from "@effect/platform/HttpMethod"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { StoreError } from "../model/RegistryError.ts"
import * as FaultyHttp from "./FaultyHttp.ts"
import { empty, noBytes, type Request } from "./internal/exchange.ts"
import * as NodeServer from "./internal/nodeServer.ts"

/** @since 0.1.0 */
export interface FaultyServerOptions extends FaultyHttp.FaultyHttpOptions, NodeServer.Options {
  /** The origin of what is behind: `http://127.0.0.1:5000`, or `https://registry.test` of a `MemoryRegistry` whose client is given. */
  readonly target: string
}

/** @since 0.1.0 */
export class FaultyServer extends Context.Tag("effect-oci/FaultyServer")<FaultyServer, Service>() {}

/** @since 0.1.0 */
export interface Service extends FaultyHttp.Service, NodeServer.Server {}

/** Headers about the connection are between two neighbours. */
const ofConnection: ReadonlyArray<string> = ["connection", "keep-alive", "transfer-encoding"]

/** What the client says itself, or what Node has answered already. */
const ofClient: ReadonlyArray<string> = [...ofConnection, "content-length", "expect", "te", "upgrade"]

const without = (headers: Readonly<Record<string, string>>, names: ReadonlyArray<string>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))

const bodyOf = ({ body, headers }: Request): HttpBody.HttpBody => {
  const length = headers["content-length"]
  const isEmpty = headers["transfer-encoding"] === undefined && Number(length ?? 0) === 0
  // Without a type of its own a stream would be given one.
  return isEmpty ? HttpBody.empty : HttpBody.stream(body, headers["content-type"] ?? "", length === undefined ? undefined : Number(length))
}

/** The URL stays text, for a signed query breaks when it is parsed and printed again. */
const passOn = (method: HttpMethod.HttpMethod, origin: string, request: Request, query: string): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.make(method)(`${origin}${request.path}${query}`).pipe(
    HttpClientRequest.setBody(bodyOf(request)),
    HttpClientRequest.setHeaders(without(request.headers, ofClient))
  )

/** A server before the target, which the client reaches; it stops, connections and all, when the scope closes. @since 0.1.0 */
export const make: (client: HttpClient.HttpClient, options: FaultyServerOptions) => Effect.Effect<Service, StoreError, Scope.Scope> =
  Effect.fnUntraced(function* (client, options) {
    const faulty = yield* FaultyHttp.make(client, options)
    const target = options.target.replace(/\/+$/, "")
    // The answer lives as long as the scope. Spans would add headers.
    const inner = HttpClient.withScope(HttpClient.withTracerDisabledWhen(faulty.client, () => true))

    const server = yield* NodeServer.serve(
      options,
      Effect.fnUntraced(function* (request, query) {
        const { method } = request
        if (!HttpMethod.isHttpMethod(method)) return empty(501)
        const { headers, status, stream } = yield* inner.execute(passOn(method, target, request, query))
        const bodiless = method === "HEAD" || status === 204 || status === 304
        return {
          status,
          headers: without(headers, ofConnection),
          // With the empty piece the head goes out, however long the body takes to begin.
          body: bodiless ? noBytes : Stream.prepend(stream, Chunk.of(noBytes))
        }
      })
    )
    return { ...faulty.faults, ...server }
  })

/** A server before the target, which the `HttpClient` below reaches. @since 0.1.0 */
export const layer = (options: FaultyServerOptions): Layer.Layer<FaultyServer, StoreError, HttpClient.HttpClient> =>
  Layer.scoped(
    FaultyServer,
    Effect.flatMap(HttpClient.HttpClient, (client) => make(client, options))
  )
