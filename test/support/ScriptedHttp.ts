import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as RegistryTransport from "../../src/transport/RegistryTransport.ts"
import * as Registries from "./Registries.ts"

/** A request as the script sees it: `target` is path and query. */
export interface Received {
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined
}

export type Script = (request: Received, index: number) => Answer

const text = (body: HttpBody.HttpBody): string => (body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : "")

const withoutBody: ReadonlySet<number> = new Set([101, 204, 205, 304])

/** A client that answers from a script and keeps what it was asked in `received`. */
export const make = (script: Script) => {
  const received: Array<Received> = []
  const client = HttpClient.make((request, url) =>
    Effect.sync(() => {
      const message = {
        method: request.method,
        target: `${url.pathname}${url.search}`,
        headers: { ...request.headers },
        body: text(request.body)
      }
      const { status, headers, body } = script(message, received.length)
      received.push(message)
      const none = withoutBody.has(status) || request.method === "HEAD" || body === undefined
      return HttpClientResponse.fromWeb(request, new Response(none ? null : body, { status, headers: { ...headers } }))
    })
  )
  return { received, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

/** The answers in order, and the last one again and again. */
export const inOrder =
  (answers: ReadonlyArray<Answer>): Script =>
  (_, index) =>
    answers[Math.min(index, answers.length - 1)] ?? { status: 500 }

/** Method, path and query of what was asked, without the pings. */
export const lines = (received: ReadonlyArray<Received>): ReadonlyArray<string> =>
  received.map(({ method, target }) => `${method} ${target}`).filter((line) => line !== "GET /v2/")

/** Answers pings, and the rest by method. */
export const byMethod =
  (answers: Readonly<Record<string, Answer>>): Script =>
  ({ method }) =>
    answers[method] ?? { status: 500 }

/** Runs an operation of the client against a script that is not told of pings; gives its outcome and what was asked. */
export const against = <A, E>(
  script: Script,
  operation: (transport: RegistryTransport.Service) => Effect.Effect<A, E>,
  options?: Registries.Options
) => {
  const { layer, received } = make((request, index) => (request.target === "/v2/" ? { status: 200 } : script(request, index)))
  return Effect.flatMap(RegistryTransport.RegistryTransport, operation).pipe(
    Effect.either,
    Effect.map((outcome) => ({ outcome, asked: lines(received), received })),
    Effect.provide(Registries.layerOver(layer, options))
  )
}

/** Runs an effect while time goes by in steps, for everything that waits in it. */
export const whileTimePasses = <A, E, R>(effect: Effect.Effect<A, E, R>, step: `${number} millis` | `${number} seconds` = "1 seconds") =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust(step)
    return yield* Fiber.join(fiber)
  })
